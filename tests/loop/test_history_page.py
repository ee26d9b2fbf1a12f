"""Patches as pull requests and the line of versions: comments, parts, comparison, restoring."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from loop_kit import js, lines, tilth, write

pytest.importorskip("fastapi", reason="the extra `review` is not installed")
pytest.importorskip("httpx", reason="httpx, which drives the server in tests, is not installed")

from client_kit import client_of, until

from tilth.project import Project


@pytest.fixture
def page(work: Path) -> Iterator[Any]:
    with client_of(work / "p") as client:
        yield client


def relabelled(work: Path, first: int, last: int) -> str:
    """A patch of the true labels of some rows; its id."""
    told = [x for x in lines(400, seed=1)[first:last] if x[2] != x[3]]
    write(work / "said.csv", [(row, "relabel", true) for row, _, _, true in told], ("id", "verdict", "label"))
    js("verdict", "said.csv", "--project", "p", cwd=work)
    return str(js("relabel", "--project", "p", cwd=work)["id"])


def accepted(work: Path, first: int, last: int, *, trial: bool = True) -> str:
    ref = relabelled(work, first, last)
    if trial:
        tilth("trial", ref, "--project", "p", cwd=work)
    js("accept", ref, "--force", "a test", "--author", "<b>Ada", "--project", "p", cwd=work)
    return ref


def test_comments_are_kept_once_and_in_order(page: Any, work: Path) -> None:
    ref = relabelled(work, 0, 60)
    nasty = '<script>alert(1)</script> "row"\n\u202eevil'
    for key, text in (("a", nasty), ("b", "I agree"), ("a", nasty)):
        page.post(f"/api/patches/{ref}/comments", json={"text": text, "author": "Bob", "key": key})
    said = js("comment", ref, "Not T-1", "--author", "Cy", "--project", "p", cwd=work)["comments"]
    assert [c["text"] for c in said] == [nasty.strip(), "I agree", "Not T-1"]
    assert page.get(f"/api/patches/{ref}/comments").json()["comments"] == said
    text = page.get(f"/patches/{ref}").text
    assert "<script>alert" not in text
    assert "\u202e" not in text
    assert "I agree" in text
    assert page.post(f"/api/patches/{ref}/comments", json={"text": " ", "author": "x"}).status_code == 422
    assert page.post(f"/api/patches/{ref}/comments", json={"text": "x", "author": " "}).status_code == 422
    assert page.post("/api/patches/abcdef/comments", json={"text": "x", "author": "x"}).status_code == 404
    threads = [
        threading.Thread(target=page.post, args=(f"/api/patches/{ref}/comments",),
                         kwargs={"json": {"text": f"at once {n}", "author": "x"}})
        for n in range(8)
    ]  # fmt: skip
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(js("comment", ref, "--project", "p", cwd=work)["comments"]) == 11


def test_a_part_of_a_patch_revises_it(page: Any, work: Path) -> None:
    ref = relabelled(work, 0, 120)
    ops = page.get(f"/api/patches/{ref}").json()["ops"]
    out = [ops[0]["id"], ops[1]["id"]]
    made = page.post(f"/api/patches/{ref}/part", json={"rows": out, "without": True, "author": "Bob"}).json()
    part = js("patch", made["id"], "--project", "p", cwd=work)
    assert part["revises"] == ref
    assert [o["id"] for o in part["ops"]] == [o["id"] for o in ops if o["id"] not in out]
    both = js("patch", ref, "--only", *out, "--project", "p", cwd=work)
    assert both[0]["ops"] == {"relabel": 2}
    assert tilth("patch", ref, "--only", "no-such-row", "--project", "p", cwd=work).code == 1
    every = [o["id"] for o in ops]
    assert page.post(f"/api/patches/{ref}/part", json={"rows": every, "author": "Bob"}).status_code == 422
    assert f'href="/patches/{made["id"]}"' in page.get(f"/patches/{ref}").text
    assert f'href="/patches/{ref}"' in page.get(f"/patches/{made['id']}").text


def test_rows_of_a_large_patch_come_in_pages(page: Any, work: Path) -> None:
    ref = relabelled(work, 0, 400)
    total = len(page.get(f"/api/patches/{ref}").json()["ops"])
    assert total > 50
    first, second = page.get(f"/patches/{ref}").text, page.get(f"/patches/{ref}?page=2&op=relabel").text
    assert f"1 to 50 of {total}" in first
    assert f"51 to {total} of {total}" in second
    assert first.count("data-row=") == 50
    assert page.get(f"/patches/{ref}?page=99").text.count("data-row=") == total - 50


def test_a_trial_can_be_cancelled_and_tells_how_far_it_is(page: Any, work: Path) -> None:
    ref = relabelled(work, 0, 100)
    assert page.get(f"/api/patches/{ref}/trial").json()["state"] == "none"
    page.post(f"/api/patches/{ref}/trial", json={})
    assert page.post(f"/api/patches/{ref}/cancel", json={}).json()["state"] == "cancelled"
    assert "Not measured" in page.get(f"/patches/{ref}").text
    page.post(f"/api/patches/{ref}/trial", json={})
    end = until(lambda: (job := page.get(f"/api/patches/{ref}/trial").json())["state"] != "running" and job)
    assert (end["state"], end["step"], end["done"] > 1) == ("done", "trial", True), end
    assert "Predicted" in page.get(f"/patches/{ref}").text


def test_history_tells_each_step_and_breaks_where_the_judge_changed(page: Any, work: Path) -> None:
    assert "<svg" not in page.get("/history").text.partition("<main")[2].partition("<table")[0]
    accepted(work, 0, 150)
    accepted(work, 150, 250)
    text = page.get("/history").text
    body = page.get("/api/log/train/scores").json()
    assert body == js("log", "--scores", "--project", "p", cwd=work)
    assert page.get("/api/log/nothing/scores").status_code == 404
    steps = body["versions"]
    assert [s["author"] for s in steps] == ["", "<b>Ada", "<b>Ada"]
    assert steps[1]["trial"]["judge"] == steps[2]["trial"]["judge"]
    assert "All were judged on the same rows" in text
    assert text.count('class="score"') == 2
    assert "by <bdi>&lt;b&gt;Ada</bdi>" in text
    write(work / "eval.csv", lines(220, seed=101, wrong=0.0))
    js("ingest", "train.csv", "--eval", "eval.csv", "--project", "p", cwd=work)
    accepted(work, 250, 400)
    text = page.get("/history").text
    assert "not comparable with what was measured before: the evaluation set changed" in text
    assert text.count('class="now"') == 1
    assert text.count('class="score"') == 3


def test_two_versions_are_compared(page: Any, work: Path) -> None:
    accepted(work, 0, 300, trial=False)
    body = page.get("/api/diff", params={"a": "train@1", "b": "train@2", "count": 7, "start": 3}).json()
    same = js("diff", "train@1", "train@2", "--limit", "7", "--start", "3", "--project", "p", cwd=work)
    assert body == same
    assert (body["shown"], body["start"]) == (7, 3)
    assert sum(x["before"] for x in body["labels"]) == sum(x["after"] for x in body["labels"]) == 400
    assert any(x["before"] != x["after"] for x in body["labels"])
    text = unescape(page.get("/history/compare?a=train@1&b=train@2").text)
    assert body["ops"][0]["id"] in text
    assert "Restore train@1" in text
    assert "No patch in between was measured" in text
    assert "same rows" in page.get("/history/compare?a=train@1&b=train@1").text
    assert page.get("/history/compare?a=train@1&b=train@9").status_code == 404
    assert page.get("/history/compare?a=train@1&b=eval@1").status_code == 404
    assert page.get("/api/diff", params={"a": "train@1", "b": "train@2", "count": 0}).status_code == 422


def test_an_earlier_version_comes_back(page: Any, work: Path) -> None:
    first, second = accepted(work, 0, 100, trial=False), accepted(work, 100, 200, trial=False)
    assert page.get("/api/versions/train/restore").status_code == 409
    would = page.get("/api/versions/train@1/restore").json()["would"]
    assert would["reverts"] == [second, first]
    assert js("restore", "train@1", "--preview", "--project", "p", cwd=work)["would"] == would
    done = page.post("/api/versions/train@1/restore", json={"author": "Ada"}).json()
    log = js("log", "--project", "p", cwd=work)["versions"]
    assert done["version"] == log[-1]
    assert log[-1]["id"] == log[0]["id"]
    states = {p["id"]: p["state"] for p in js("patches", "--project", "p", cwd=work)}
    assert states[first] == states[second] == "reverted"
    # forward again, by undoing the undoing; then back over an import
    js("restore", "train@3", "--author", "Bob", "--project", "p", cwd=work)
    log = js("log", "--project", "p", cwd=work)["versions"]
    assert log[-1]["id"] == log[2]["id"]
    write(work / "train.csv", lines(410, seed=1))
    js("ingest", "train.csv", "--eval", "eval.csv", "--project", "p", cwd=work)
    js("restore", "train@1", "--author", "Bob", "--project", "p", cwd=work)
    log = js("log", "--project", "p", cwd=work)["versions"]
    assert log[-1]["id"] == log[0]["id"]
    # whatever the records say of the patches, the rows come back
    third = accepted(work, 200, 300, trial=False)
    with Project(work / "p") as project:
        store = project.workspace.store
        store.set_patch_state(third, "superseded", reason="", author="", now="2026-01-01T00:00:00+00:00")
    js("restore", "train@1", "--author", "Bob", "--project", "p", cwd=work)
    newest = js("log", "--project", "p", cwd=work)["versions"][-1]
    assert (newest["id"], newest["note"]) == (log[0]["id"], "Restore train@1")
    with Project(work / "p") as project:
        assert project.workspace.store.verify() == []
