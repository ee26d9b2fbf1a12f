"""Sets of rows on the review page: kept, asked for by an address, decided on as one."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from loop_kit import CLASSES, js, lines, write

pytest.importorskip("fastapi", reason="the extra `review` is not installed")
pytest.importorskip("httpx", reason="httpx, which drives the server in tests, is not installed")

from fastapi.testclient import TestClient

from tilth.project import Project
from tilth.review.server import application

PORT = 8766
BASE = f"http://127.0.0.1:{PORT}"
EVIL = '<script>owned=1</script>" onload="x javascript:alert(1) \u202e {{ 7*7 }}'


@pytest.fixture
def page(work: Path) -> Iterator[TestClient]:
    """A client that has the token."""
    with Project(work / "p") as project:
        app, desk = application(project, token="t0ken", port=PORT)
        yield TestClient(app, base_url=BASE, headers={"Authorization": "Bearer t0ken"})
        desk.close()


def test_a_set_is_kept_and_paged_through(page: TestClient, work: Path) -> None:
    every = page.get("/api/sets/rows", params={"count": 2000}).json()
    assert every["count"] == len(every["rows"]) == 400
    some = every["rows"][10:90]
    made = page.post("/api/sets", json={"ids": some, "name": "lasso"}).json()
    assert (made["rows"], made["url"]) == (80, f"/decide/set?set={made['id']}")
    pages = [
        page.get("/api/sets/rows", params={"set": made["id"], "start": n, "count": 30}).json()
        for n in (0, 30, 60)
    ]
    assert [len(p["rows"]) for p in pages] == [30, 30, 20]
    assert [r for p in pages for r in p["rows"]] == some  # the most suspicious first
    assert page.get("/api/sets").json() == js("sets", "--project", "p", cwd=work)["sets"]
    version = js("log", "--project", "p", cwd=work)["versions"][-1]["id"]
    bits = np.isin(sorted(every["rows"]), some)
    mask = base64.b64encode(np.packbits(bits, bitorder="little").tobytes()).decode()
    again = page.post("/api/sets", json={"mask": mask, "version": version}).json()
    assert (again["id"], again["name"]) == (made["id"], "lasso")
    assert page.post("/api/sets", json={"mask": mask, "version": "old"}).status_code == 409
    assert page.post("/api/sets", json={}).status_code == 422
    assert page.get("/api/sets/rows", params={"set": "none"}).status_code == 404
    assert page.get("/api/sets/rows", params={"where": "nonsense ="}).status_code == 422
    assert page.get("/api/sets/rows", params={"count": 10_000}).status_code == 422


def test_the_page_decides_as_the_command_line_does(page: TestClient, work: Path) -> None:
    asked = page.get("/api/sets/rows", params={"least": 0.5, "undecided": True, "text": "a"}).json()
    assert asked["where"] == 'p_wrong >= 0.5 and text contains "a" and verdict is missing'
    body = {"key": "k", "decision": "drop", "reviewer": "ada", "where": asked["where"]}
    look = page.post("/api/sets/look", json=body).json()
    assert look["count"] == asked["count"]
    cli = ("verdict", "--where", asked["where"], "--decide", "drop", "--project", "p")
    assert js(*cli, cwd=work)["preview"] == look
    assert page.post("/api/sets/decide", json=body | {"expected": "other"}).status_code == 409
    done = page.post("/api/sets/decide", json=body | {"expected": look["digest"]}).json()
    assert done["count"] == look["takes"] == look["count"]
    assert page.post("/api/sets/decide", json=body | {"expected": look["digest"]}).json() == done
    assert page.post("/api/sets/decide", json=body | {"key": "l", "reviewer": " "}).status_code == 422
    assert page.get("/api/sets/decided").json() == js("sets", "--project", "p", cwd=work)["decided"] == [done]
    assert js("verdict", "--project", "p", cwd=work)["standing"] == {"drop": done["count"]}
    assert page.post("/api/sets/look", json=body).json()["count"] == 0  # they are decided by now
    undone = page.post("/api/sets/decided/k/undo", json={"reviewer": "ada"}).json()
    assert undone["back"] == done["count"]
    assert page.post("/api/sets/look", json=body).json()["digest"] == look["digest"]
    assert page.post("/api/sets/decided/none/undo", json={"reviewer": "ada"}).status_code == 404


def test_the_grid_shows_a_set_and_nothing_is_obeyed(tmp_path: Path) -> None:
    rows = [
        (f"{n}{EVIL}", f"{text}{EVIL}", given, "") for n, (_, text, given, _) in enumerate(lines(300, seed=1))
    ]
    write(tmp_path / "train.csv", [*rows, ("long", "x" * 1_000_000, "cards", "")])
    write(tmp_path / "eval.csv", lines(100, seed=2))
    js("ingest", "train.csv", "--eval", "eval.csv", "--project", "p", cwd=tmp_path)
    with Project(tmp_path / "p") as project:
        app, desk = application(project, token="t0ken", port=PORT)
        page = TestClient(app, base_url=BASE, headers={"Authorization": "Bearer t0ken"})
        shown = page.get("/decide/set", params={"given": "cards", "set": "", "least": ""}).text
        count = page.get("/api/sets/rows", params={"given": "cards"}).json()["count"]
        assert f'data-count="{count}"' in shown
        assert shown.count('role="option"') == 48
        assert "<script>owned" not in shown
        assert '" onload="x' not in shown
        assert "\u202e" not in re.sub(r'data-id="[^"]*"', "", shown)
        assert len(shown) < 120_000
        last = page.get("/decide/set", params={"given": "cards", "start": 48}).text
        assert shown.count('role="option"') + last.count('role="option"') == min(count, 96)
        kept = page.post("/api/sets", json={"where": 'given == "cards"', "name": EVIL}).json()
        assert "&lt;script&gt;owned" in page.get(kept["url"]).text
        for wrong in ({"where": "p_wrong >"}, {"least": "much"}, {"set": "none"}, {"start": "x"}):
            answer = page.get("/decide/set", params=wrong)
            assert answer.status_code in (404, 422), wrong
            assert 'role="alert"' in answer.text
        assert set(page.get("/api/queue").json()["classes"]) == set(CLASSES)
        assert all(f'<option value="{c}">' in shown for c in CLASSES)
        desk.close()


def test_a_row_on_which_people_differ_is_left_alone_at_once(page: TestClient, work: Path) -> None:
    row = page.post("/api/lease", json={"reviewer": "ana"}).json()["rows"][0]  # the order is known before
    for who, verdict in (("ana", "keep"), ("bob", "drop")):
        items = [{"key": who, "id": row, "verdict": verdict}]
        assert page.post("/api/verdicts", json={"reviewer": who, "items": items}).json()["new"] == 1
    body = {"key": "k", "decision": "drop", "reviewer": "cy", "ids": [row]}
    assert page.post("/api/sets/look", json=body).json()["takes"] == 0
    assert page.post("/api/sets/decide", json=body).status_code == 422
    assert [x["id"] for x in page.get("/api/disagreements").json()["rows"]] == [row]
    assert page.post("/api/sets/decide", json=body | {"again": True}).status_code == 200
    assert page.get("/api/disagreements").json()["rows"] == []  # settled by whoever says so
    undone = page.post("/api/sets/decided/k/undo", json={"reviewer": "cy"})
    assert undone.json()["back"] == 1
    assert [x["id"] for x in page.get("/api/disagreements").json()["rows"]] == [row]
