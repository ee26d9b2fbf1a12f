"""The review page's server: who may talk to it, and that it says what the command line says."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loop_kit import js, lines, start, tilth, write
from test_json import compare, schemas

pytest.importorskip("fastapi", reason="the extra `review` is not installed")
pytest.importorskip("httpx", reason="httpx, which drives the server in tests, is not installed")

import httpx
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from tilth.project import Project
from tilth.review.server import application

TOKEN, PORT = "s3cret-of-this-start", 8765
BASE = f"http://127.0.0.1:{PORT}"
NASTY = (
    '<script>document.title="owned"</script><img src=x onerror=alert(1)>',
    "javascript:alert(1) &amp; {{ 7*7 }} {% raw %}",
    "abc \u202egnp.exe \u2066 xyz \u0007",
    "x" * 1_000_000,
)


@pytest.fixture
def page(work: Path) -> Iterator[TestClient]:
    """A client that has come in by the start address."""
    with Project(work / "p") as project:
        app, desk = application(project, token=TOKEN, port=PORT)
        client = TestClient(app, base_url=BASE)
        assert client.get("/", params={"token": TOKEN}).status_code == 200
        yield client
        while desk._planner is not None and desk._planner.is_alive():
            time.sleep(0.05)
        desk.close()


def stranger(page: TestClient) -> TestClient:
    """Somebody who has the address but no cookie."""
    return TestClient(page.app, base_url=BASE, follow_redirects=False)


def test_each_page_of_the_navigation_has_a_key_of_its_own() -> None:
    from tilth.review.pages.frame import EXPLORE, PLACES

    letters = [letter for *_, letter in (*PLACES, *EXPLORE)]
    assert sorted(letters) == sorted(set(letters))


@pytest.mark.parametrize("path", ["/", "/decide", "/api/queue", "/api/openapi.json", "/static/page.css"])
def test_nothing_is_shown_without_the_token(page: TestClient, path: str) -> None:
    other = stranger(page)
    assert other.get(path).status_code == 401
    assert other.get(path, params={"token": TOKEN[:-1]}).status_code == 401
    assert other.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert other.get(path, headers={"Cookie": f"tilth-{PORT}=wrong"}).status_code == 401
    assert other.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_the_token_becomes_a_cookie_that_scripts_cannot_read(page: TestClient) -> None:
    answer = stranger(page).get("/patches", params={"token": TOKEN, "state": "a b"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/patches?state=a+b")
    cookie = answer.headers["set-cookie"]
    assert f"tilth-{PORT}=" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    off = stranger(page).get("//evil.test/", params={"token": TOKEN})
    assert not off.headers.get("location", "/").startswith(("//", "http"))


@pytest.mark.parametrize("host", ["evil.test", "127.0.0.1.evil.test", "10.0.0.3:8765", "", "[::2]:8765"])
def test_a_name_that_is_not_ours_is_refused(page: TestClient, host: str) -> None:
    answer = page.get("/api/queue", headers={"Host": host, "Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 421


@pytest.mark.parametrize("host", ["localhost:8765", "LOCALHOST", "127.0.0.1", "[::1]:8765"])
def test_names_of_this_machine_are_ours(page: TestClient, host: str) -> None:
    answer = page.get("/api/patches", headers={"Host": host, "Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.test"}, {"Origin": "null"}, {"Origin": f"https://127.0.0.1:{PORT}"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
        {"Origin": BASE, "Sec-Fetch-Site": "cross-site"},
    ],
)  # fmt: skip
def test_what_changes_something_must_come_from_our_page(page: TestClient, headers: dict[str, str]) -> None:
    body = {"reviewer": "ada", "items": []}
    assert page.post("/api/verdicts", json=body, headers=headers).status_code == 403
    ours = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}
    assert page.post("/api/verdicts", json=body, headers=ours).status_code == 200


def test_a_get_changes_nothing(page: TestClient) -> None:
    found = page.get("/api/openapi.json").json()["paths"]
    for path in ("/api/verdicts", "/api/propose", "/api/relabel", "/api/patches/{ref}/accept"):
        assert "get" not in found[path]
        assert page.get(path.replace("{ref}", "abcd")).status_code in (404, 405)


def test_bodies_have_an_end(page: TestClient) -> None:
    assert page.post("/api/verdicts", content=b"x" * 1_000_001).status_code == 413
    assert page.post("/api/verdicts", content=iter([b"{}"])).status_code == 411


def test_sockets_are_closed(page: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect), page.websocket_connect("/"):
        pass


@pytest.mark.parametrize("path", ["/", "/decide", "/patches", "/history", "/patches/nothing", "/api/queue"])
def test_each_answer_tells_the_browser_to_be_strict(page: TestClient, path: str) -> None:
    answer = page.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    if "html" in answer.headers["content-type"]:
        assert not re.findall(r"<script>|<style|style=|\son\w+=|javascript:", answer.text)
        assert not re.findall(r"(?:src|href)=\"(?!/|#)", answer.text)  # nothing from elsewhere


def test_rows_are_text_and_nothing_else(tmp_path: Path) -> None:
    rows = [(f"h{i}", text, "login" if i % 2 else "cards", "") for i, text in enumerate(NASTY)]
    write(tmp_path / "train.csv", [*lines(150, seed=1), *rows])
    write(tmp_path / "eval.csv", lines(80, seed=2))
    js("ingest", "train.csv", "--eval", "eval.csv", "--project", "p", cwd=tmp_path)
    with Project(tmp_path / "p") as project:
        app, _ = application(project, token=TOKEN, port=PORT)
        client = TestClient(app, base_url=BASE, headers={"Authorization": f"Bearer {TOKEN}"})
        cards = client.get("/api/rows", params=[("id", f"h{i}") for i in range(4)]).json()
        assert [c["text"] for c in cards] == [t[:200] for t in NASTY]
        shown = [c["bodies"][0] for c in cards]
        assert [(b["kind"], b["text"], b["length"]) for b in shown] == [
            ("text", t[:20_000], len(t)) for t in NASTY
        ]
        rest = {"id": "h3", "field": "text", "start": 20_000}
        assert client.get("/api/rows/text", params=rest).json()["text"] == NASTY[3][20_000:]
        for wrong in ({"id": "none"}, {"field": "none"}):
            assert client.get("/api/rows/text", params=rest | wrong).status_code == 404
        items = [{"key": f"k{i}", "id": f"h{i}", "verdict": "drop", "note": NASTY[0]} for i in range(4)]
        assert client.post("/api/verdicts", json={"reviewer": NASTY[0], "items": items}).json()["new"] == 4
        made = client.post("/api/relabel", json={}).json()
        shown = client.get(f"/patches/{made['id']}").text
        assert "<script>doc" not in shown
        assert "&lt;script&gt;document.title" in shown
        assert "<img" not in shown
        assert "\u202e" not in shown
        assert "7*7" in shown
        assert len(shown) < 60_000


def test_the_page_says_what_the_command_line_says(page: TestClient, work: Path) -> None:
    def cli(*argv: str) -> Any:
        return js(*argv, "--project", "p", cwd=work)

    plan = page.get("/api/plan").json()
    assert plan == cli("plan")
    queue = page.get("/api/queue").json()
    review = next(a for a in plan["actions"] if a["kind"] == "review" and a["code"] == "TIL101")
    assert queue["rows"][: len(review["rows"])] == review["rows"]
    assert page.post("/api/propose", json={}).json() == cli("patches") != []
    first = cli("patches")[0]["id"]
    assert page.get(f"/api/patches/{first}").json() == cli("patch", first)
    assert page.get("/api/status").json() | {"folder": ""} == cli("status") | {"folder": ""}
    assert page.get("/api/log/train").json() == cli("log")
    assert page.get("/api/log/nothing").status_code == 404


def test_a_verdict_counts_once(page: TestClient, work: Path) -> None:
    before = page.get("/api/queue").json()
    a, b, c = before["rows"][:3]
    items = [
        {"key": "k1", "id": a, "verdict": "keep"},
        {"key": "k2", "id": "no-such-row", "verdict": "keep"},
        {"key": "k3", "id": b, "verdict": "relabel", "label": "no such class"},
        {"key": "k4", "id": b, "verdict": "relabel", "label": before["classes"][0], "note": "see the guide"},
        {"key": "k5", "id": c, "verdict": "maybe"},
    ]
    body = {"reviewer": "Ada", "items": items}
    first = page.post("/api/verdicts", json=body).json()
    assert (first["saved"], first["new"]) == (["k1", "k4"], 2)
    assert [r["key"] for r in first["refused"]] == ["k2", "k3", "k5"]
    again = page.post("/api/verdicts", json=body).json()
    assert (again["saved"], again["new"]) == (["k1", "k4"], 0)
    stands = js("verdict", "--project", "p", cwd=work)
    assert sum(stands["standing"].values()) == 2
    after = page.get("/api/queue").json()
    assert not {a, b} & set(after["rows"])
    assert after["judged"] == 2
    assert after["errors"] != before["errors"]
    undo = {"reviewer": "Ada", "items": [{"key": "k6", "id": a, "verdict": "skip", "note": "undo"}]}
    assert page.post("/api/verdicts", json=undo).json()["new"] == 1
    assert a in page.get("/api/queue").json()["rows"]
    assert page.post("/api/verdicts", json={"reviewer": " ", "items": items[:1]}).status_code == 422


def test_verdicts_become_a_patch_that_is_tried_accepted_and_undone(page: TestClient, work: Path) -> None:
    truth = {row: true for row, _, _, true in lines(400, seed=1)}
    rows = page.get("/api/queue").json()["rows"][:40]
    items = [{"key": f"k{r}", "id": r, "verdict": "relabel", "label": truth[r]} for r in rows]
    assert page.post("/api/verdicts", json={"reviewer": "Ada", "items": items}).json()["new"] == 40
    ref = page.post("/api/relabel", json={}).json()["id"]
    shown = page.get(f"/patches/{ref}").text
    assert "Not measured" in shown
    refused = page.post(f"/api/patches/{ref}/accept", json={"author": "Ada"})
    assert refused.status_code == 409
    assert "was not measured" in refused.json()["message"]
    assert page.post(f"/api/patches/{ref}/trial", json={}).json()["state"] == "running"
    end = time.monotonic() + 120
    while (job := page.get(f"/api/patches/{ref}/trial").json())["state"] == "running":
        assert time.monotonic() < end
        time.sleep(0.2)
    assert job["state"] == "done", job
    measured = page.get(f"/patches/{ref}").text
    assert '<table role="table">' in measured
    assert "all rows" in measured
    version = page.post(f"/api/patches/{ref}/accept", json={"author": "Ada", "reason": "looked at"}).json()
    assert version == js("log", "--project", "p", cwd=work)["versions"][-1]
    assert "by <bdi>Ada</bdi>" in page.get(f"/patches/{ref}").text
    history = page.get("/history").text
    assert "train@2" in history
    assert "pp" in history
    assert page.post(f"/api/patches/{ref}/revert", json={"author": "Ada"}).json()["seq"] == 3
    assert tilth("patches", "--state", "reverted", "--json", "--project", "p", cwd=work).json[0]["id"] == ref


def test_a_rejection_says_why(page: TestClient) -> None:
    made = page.post("/api/propose", json={}).json()
    first = next(p["id"] for p in made if p["state"] == "proposed")
    assert page.post(f"/api/patches/{first}/reject", json={"author": "Ada"}).status_code == 422
    done = page.post(f"/api/patches/{first}/reject", json={"author": "Ada", "reason": "too bold"}).json()
    assert done["state"] == "rejected"
    assert "too bold" in page.get(f"/patches/{first}").text


def test_the_inbox_links_to_the_rows(page: TestClient) -> None:
    page.get("/api/plan")
    page.get("/api/queue")
    shown = page.get("/").text
    assert 'href="/decide"' in shown
    assert "Wrong labels left" in shown
    assert "http-equiv" not in shown  # up to date: it does not load itself again


def test_every_action_is_described(page: TestClient) -> None:
    found = page.get("/api/openapi.json").json()
    for path, methods in found["paths"].items():
        for method, about in methods.items():
            assert about["description"], (method, path)
    assert json.dumps(found)


def test_the_server_itself(work: Path) -> None:
    found = []
    for _ in range(2):
        process = start("review", "--no-browser", "--json", "--project", "p", cwd=work)
        try:
            assert process.stdout is not None
            body = json.loads(process.stdout.readline())
            compare(schemas()["review"], body)
            found.append(body["address"])
            with httpx.Client(follow_redirects=True, timeout=60) as client:
                assert "What to do next" in client.get(body["address"]).text
        finally:
            os.killpg(process.pid, signal.SIGINT)
        assert process.wait(30) in (0, 130)
        process.communicate()
    first, second = (address.split("/?token=") for address in found)
    assert first[0] == second[0]  # the same port, where the browser keeps what was not saved yet
    assert first[1] != second[1]


def test_a_port_that_is_taken_and_a_package_that_is_missing(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        run = tilth("review", "--port", str(other.getsockname()[1]), "--project", "p", cwd=work)
        assert (run.code, "cannot listen on port" in run.err) == (1, True)
    assert "cannot listen" in tilth("review", "--port", "99999", "--project", "p", cwd=work).err
    monkeypatch.setitem(sys.modules, "fastapi", None)
    run = tilth("review", "--no-browser", "--project", "p", cwd=work)
    assert (run.code, "pip install 'tilth[review]'" in run.err) == (1, True)
