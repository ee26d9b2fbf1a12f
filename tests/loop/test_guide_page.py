"""Pages about copies, annotators and the label guide; nobody's text is lost when two edit at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from loop_kit import good, js, lines, tilth, write

pytest.importorskip("fastapi", reason="the extra `review` is not installed")
pytest.importorskip("httpx", reason="httpx, which drives the server in tests, is not installed")

from client_kit import client_of, shown

LONG = "please help me with the very same thing as last week and the week before that thank you"


@pytest.fixture
def twins(tmp_path: Path) -> Path:
    """A project with copies under different labels, a near copy and a copy of an evaluation row."""
    rows = [
        *lines(200, seed=1),
        ("a1", LONG, "billing", ""), ("a2", LONG, "cards", ""), ("a3", f"{LONG} <b>much", "billing", ""),
        ("b1", lines(60, seed=2)[0][1], "login", ""),
    ]  # fmt: skip
    write(tmp_path / "train.csv", rows)
    write(tmp_path / "eval.csv", lines(60, seed=2, wrong=0.0))
    js("ingest", "train.csv", "--eval", "eval.csv", "--project", "p", cwd=tmp_path)
    return tmp_path


@pytest.fixture
def page(twins: Path) -> Iterator[Any]:
    with client_of(twins / "p") as client:
        yield client


def test_copies_are_shown_as_word_diffs_and_become_a_patch(page: Any, twins: Path) -> None:
    text = shown(page, "/duplicates")
    body = page.get("/api/duplicates").json()
    assert body == js("duplicates", "--project", "p", cwd=twins)
    assert "labels differ" in text.partition("<li class")[2][:3000]  # the conflict comes first
    assert "<ins> &lt;b&gt;much</ins>" in text
    assert "in both sets" in text
    assert "a1" not in shown(page, "/duplicates?kind=leak")
    assert page.get("/api/duplicates", params={"threshold": 7}).status_code == 422
    assert "is no similarity" in shown(page, "/duplicates?threshold=7")
    refused = page.post("/api/duplicates/keep", json={"row": "a1"})
    assert (refused.status_code, "billing, cards" in refused.json()["message"]) == (409, True)
    assert page.post("/api/duplicates/keep", json={"row": "nobody"}).status_code == 404
    keep = {"row": "a2", "label": "billing", "author": "Ada"}
    made = page.post("/api/duplicates/keep", json=keep).json()["proposed"]
    assert made["ops"] == {"relabel": 1, "drop": 2}
    same = js("duplicates", "--keep", "a2", "--label", "billing", "--project", "p", cwd=twins)
    assert same["proposed"]["id"] == made["id"]
    assert tilth("duplicates", "--label", "billing", "--project", "p", cwd=twins).code == 2


def test_one_decision_for_a_group_can_be_undone(page: Any) -> None:
    body = {
        "key": "k1",
        "decision": "relabel",
        "label": "cards",
        "reviewer": "Ada",
        "ids": ["a1", "a2", "a3"],
    }
    seen = page.post("/api/sets/look", json=body | {"again": True}).json()
    done = page.post("/api/sets/decide", json=body | {"again": True, "expected": seen["digest"]})
    assert done.status_code == 200, done.text
    assert page.post("/api/sets/decided/k1/undo", json={"reviewer": "Ada"}).status_code == 200


def test_annotators(page: Any, twins: Path) -> None:
    assert "Nobody" in page.get("/annotators").text
    said = [(r, who, given) for r, _, given, _ in lines(200, seed=1) for who in ("<i>ann", "bob")]
    said += [(r, "cyd", "cards") for r, *_ in lines(200, seed=1)]
    write(twins / "said.csv", said, ("id", "annotator", "label"))
    js("annotators", "said.csv", "--project", "p", cwd=twins)
    text = shown(page, "/annotators")
    body = page.get("/api/annotators").json()
    assert body == {k: v for k, v in js("annotators", "--project", "p", cwd=twins).items() if k != "proposed"}
    assert f"{body['agreement']['alpha']:.3f}" in text
    assert "&lt;i&gt;ann" in text
    assert "bob" not in unescape(shown(page, "/annotators?of=cyd")).partition("<tbody")[2][:2000]


def test_the_guide_is_drafted_edited_compared(page: Any, twins: Path) -> None:
    assert "There is no guide yet" in page.get("/guide").text
    assert page.post("/api/guide/draft", json={"between": ["cards", "nothing"]}).status_code == 404
    drafted = page.post("/api/guide/draft", json={"between": ["login", "cards"]}).json()["drafted"]
    assert drafted == [{"a": "cards", "b": "login"}]
    now = page.get("/api/guide").json()
    assert now | {"file": ""} == js("guide", "--project", "p", cwd=twins) | {"file": ""}
    text = now["text"].replace(" (draft)", "") + "\n## refund\n"
    bad = page.post("/api/guide/look", json={"text": text})
    assert (bad.status_code, "refund" in bad.json()["message"]) == (422, True)
    text = now["text"].replace(" (draft)", "").replace("## login\n", "## login\n\nSigning in.\n")
    seen = page.post("/api/guide/look", json={"text": text}).json()
    assert {(d["change"], d["title"]) for d in seen["diff"]} == {
        ("changed", "login"),
        ("changed", "cards / login"),
    }
    assert page.get("/api/guide").json() == now  # a look changes nothing
    assert page.post("/api/guide", json={"text": text, "base": now["base"], "author": " "}).status_code == 422
    first = page.post("/api/guide", json={"text": text, "base": now["base"], "author": "Ada"}).json()
    assert first == {"saved": 1}
    assert js("guide", "--project", "p", cwd=twins)["state"] == "saved"
    assert (twins / "p" / "guide.md").read_text("utf-8") == text
    base = page.get("/api/guide").json()["base"]
    second = {"text": text.replace("Signing in.", "Signing in <b>and out."), "base": base, "author": "Bob"}
    assert page.post("/api/guide", json=second).json() == {"saved": 2}
    compared = page.get("/guide?a=1&b=2").text
    assert "Signing in &lt;b&gt;and out." in compared
    diff = js("guide", "--diff", "1", "2", "--project", "p", cwd=twins)["diff"]
    assert page.get("/api/guide/diff?a=1&b=2").json()["diff"] == diff
    assert "has no version 9" in page.get("/guide?a=9").text
    assert [v["author"] for v in page.get("/api/guide/history").json()["history"]] == ["Ada", "Bob"]


def test_of_two_who_save_at_once_one_is_told(page: Any, twins: Path) -> None:
    base = page.get("/api/guide").json()["base"]
    answers: dict[int, Any] = {}

    def save(number: int) -> None:
        text = f"# Label guide\n\n## login\n\nWritten by {number}.\n"
        body = {"text": text, "base": base, "author": f"person {number}"}
        answers[number] = page.post("/api/guide", json=body)

    threads = [threading.Thread(target=save, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    codes = sorted(a.status_code for a in answers.values())
    assert codes == [200] + [409] * 7
    won = next(n for n, a in answers.items() if a.status_code == 200)
    assert f"by person {won}" in next(a for a in answers.values() if a.status_code == 409).json()["message"]
    assert f"Written by {won}." in (twins / "p" / "guide.md").read_text("utf-8")
    (twins / "mine.md").write_text("# Label guide\n\n## cards\n\nMine.\n", "utf-8")
    late = tilth("guide", "--save", "--from", "mine.md", "--base", base, "--project", "p", cwd=twins)
    assert (late.code, "was changed since" in late.err) == (1, True)
    good("guide", "--save", "--from", "mine.md", "--project", "p", cwd=twins)
    assert page.get("/api/guide").json()["version"] == 2
