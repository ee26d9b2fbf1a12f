"""Pages about slices, confusions and curves: they show what the verbs say, and lead to something."""

from __future__ import annotations

from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from loop_kit import js, lines, write

pytest.importorskip("fastapi", reason="the extra `review` is not installed")
pytest.importorskip("httpx", reason="httpx, which drives the server in tests, is not installed")

from client_kit import client_of, shown, until

from tilth.project import Project

ODD = '<img src=x onerror=alert(1)> "&'


@pytest.fixture
def weak(tmp_path: Path) -> Path:
    """A project in which rows of one shop are labelled at random, and a class has a hostile name."""
    rows = []
    for number, (row, text, given, true) in enumerate(lines(500, seed=1, wrong=0.05)):
        bad = number % 5 == 0
        label = ("billing", "cards", "login", "refund")[number // 5 % 4] if bad else given
        rows.append((row, text + (" zonko plim" if bad else ""), ODD if label == "refund" else label, true))
    write(tmp_path / "train.csv", rows)
    test = [(a, b, ODD if c == "refund" else c, d) for a, b, c, d in lines(120, seed=2, wrong=0.0)]
    write(tmp_path / "eval.csv", test)
    js("ingest", "train.csv", "--eval", "eval.csv", "--project", "p", cwd=tmp_path)
    return tmp_path


@pytest.fixture
def page(weak: Path) -> Iterator[Any]:
    with client_of(weak / "p") as client:
        yield client


def test_slices_are_those_of_the_command_line_and_can_be_kept(page: Any, weak: Path) -> None:
    text = shown(page, "/slices")
    body = page.get("/api/slices").json()
    assert body == js("slices", "--project", "p", cwd=weak)
    found = next(s for s in body["slices"] if s["kind"] == "found")
    assert found["difference"] < found["difference_high"] < 0
    assert f'data-keep="{found["name"]}"' in unescape(text)
    assert "/decide/set?slice=" in text
    assert "<img" not in text
    assert found["name"] not in shown(page, "/slices?kind=class")
    assert "No slice fits" in shown(page, "/slices?q=nothing-like-this")
    assert page.post("/api/slices/keep", json={"name": found["name"], "floor": 1.5}).status_code == 422
    assert page.post("/api/slices/keep", json={"name": "no such slice"}).status_code == 404
    kept = page.post("/api/slices/keep", json={"name": found["name"], "floor": 0.5})
    assert kept.json()["expression"] == found["expression"]
    with Project(weak / "p") as project:
        assert project.workspace.config.floors == {found["name"]: 0.5}
    assert 'Named <span class="n">1</span>' in shown(page, "/slices")


def test_the_matrix_holds_every_wrong_row(page: Any, weak: Path) -> None:
    text = shown(page, "/confusions")
    body = page.get("/api/confusions").json()
    assert body == js("confusions", "--project", "p", cwd=weak)
    wrong = sum(c["rows"] - c["right"] for c in body["classes"])
    assert wrong == sum(c["rows"] for c in body["cells"]) > 0
    assert f"{wrong} of {wrong} wrong rows are in this part" in text
    first = body["cells"][0]
    assert f"{first['rows']} rows of {first['given']} taken for {first['predicted']}" in unescape(text)
    assert "/decide/set?given=" in text
    assert "<img" not in text
    part = shown(page, "/confusions?n=2&of=login")
    assert "2 of 5 classes" in part


def test_a_curve_is_measured_in_a_process_and_shown(page: Any, weak: Path) -> None:
    assert page.get("/api/curve").status_code == 404
    assert "was not measured yet" in page.get("/curve").text
    assert page.post("/api/curve", json={}).json()["state"] == "running"
    assert page.post("/api/curve/cancel", json={}).json()["state"] == "cancelled"
    assert page.get("/api/curve").status_code == 404
    page.post("/api/curve", json={})
    end = until(lambda: (job := page.get("/api/curve/job").json())["state"] != "running" and job)
    assert (end["state"], end["total"] > 1) == ("done", True), end
    body = page.get("/api/curve").json()
    assert body == js("curve", "--project", "p", cwd=weak)
    text = page.get("/curve?add=50").text
    assert body["advice"][1:] in unescape(text)
    adding = js("curve", "--add", "50", "--project", "p", cwd=weak)["adding"]
    assert adding["rows"] == 50
    assert adding["low"] <= adding["gain"] <= adding["high"]
    assert "50 more rows like these" in text
    assert js("curve", "--add", "90000", "--project", "p", cwd=weak)["adding"] is None
    assert "<table>" in page.get("/curve?of=login").text
    assert "no class &#39;nobody&#39;" in page.get("/curve?of=nobody").text


def test_the_inbox_leads_to_the_page_on_which_an_action_is_done(page: Any) -> None:
    plan = page.get("/api/plan").json()
    page.get("/api/queue")
    text = page.get("/").text
    wanted = {"TIL601": "/slices", "TIL201": "/duplicates", "TIL202": "/duplicates"}
    places = {a["code"]: wanted[a["code"]] for a in plan["actions"] if a["code"] in wanted}
    assert places, plan["actions"]
    for href in places.values():
        assert f'button" href="{href}"' in text
    assert 'class="button" href="/decide"' in text


def test_what_cannot_be_computed_says_why(weak: Path) -> None:
    settings = weak / "p" / "tilth.toml"
    settings.write_text(settings.read_text("utf-8").replace('text = "text"', 'text = "body"'), "utf-8")
    with client_of(weak / "p") as client:
        for path in ("/slices", "/confusions"):
            assert "no row has a column" in shown(client, path)
