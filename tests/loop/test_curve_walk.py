"""`tilth curve` through the command line: what it prints, what it keeps, what it refuses."""

from __future__ import annotations

from pathlib import Path

from loop_kit import good, js, lines, tilth, write

from tilth.learning import collect_gains
from tilth.project import Project


def test_curve_is_measured_once_and_says_what_to_do(work: Path) -> None:
    body = js("curve", "--project", "p", cwd=work)
    again = tilth("curve", "--json", "--project", "p", cwd=work)
    assert again.json == body
    assert "learning curve" not in again.err
    whole = body["whole"]
    assert [p["rows"] for p in whole["points"]] == sorted(p["rows"] for p in whole["points"])
    if not whole["refused"]:
        assert len(whole["forecasts"]) == 2
        assert body["advice"].startswith("twice the rows")
    gains = [c["gain"] / c["add"] for c in body["classes"]]
    assert gains == sorted(gains, reverse=True)
    shown = good("curve", "--project", "p", "--limit", "2", cwd=work).out
    assert body["classes"][0]["name"] in shown
    assert "3 more classes" in shown
    assert shown.rstrip().splitlines()[-1].startswith("next: tilth ")


def test_what_counts_as_worth_it_can_be_set(work: Path) -> None:
    body = js("curve", "--worth", "0.9", "--project", "p", cwd=work)
    if not body["whole"]["refused"]:
        assert body["stop"]
        assert "stop collecting" in body["advice"]
    assert all(c["flat"] for c in body["classes"] if c["high"] < 0.9 / 5)
    assert js("curve", "--worth", "0.001", "--project", "p", cwd=work)["worth"] == 0.001


def test_one_class(work: Path) -> None:
    body = js("curve", "--class", "cards", "--project", "p", cwd=work)
    assert [c["name"] for c in body["classes"]] == ["cards"]
    assert "cards" in good("curve", "--class", "cards", "--project", "p", cwd=work).out
    wrong = tilth("curve", "--class", "card", "--project", "p", cwd=work)
    assert wrong.code == 1
    assert "did you mean 'cards'?" in wrong.err


def test_the_page_has_charts_and_no_script(work: Path) -> None:
    good("curve", "--out", "c.html", "--project", "p", cwd=work)
    page = (work / "c.html").read_text("utf-8")
    assert page.count("<path") >= 2
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_without_evaluation_rows_training_rows_are_held_out(work: Path) -> None:
    write(work / "bare.csv", lines(300, 5))
    write(work / "few.csv", lines(5, 6))
    good("ingest", "bare.csv", "--label", "label", "--eval", "few.csv", "--project", "bare", cwd=work)
    body = js("curve", "--project", "bare", cwd=work)
    assert "held out once" in body["scored_on"]
    assert body["scored"] == 300
    assert body["choice"]["review"] == []
    with Project(work / "bare") as project:
        gains = collect_gains(project.workspace)
    assert {g.name for g in gains} == {c["name"] for c in body["classes"]}
    assert all(g.low <= g.gain <= g.high and g.minutes == g.rows for g in gains)


def test_too_few_rows_are_refused(work: Path) -> None:
    write(work / "tiny.csv", lines(60, 5))
    good("ingest", "tiny.csv", "--label", "label", "--project", "tiny", cwd=work)
    run = tilth("curve", "--project", "tiny", cwd=work)
    assert run.code == 1
    assert "120 labelled rows" in run.err
