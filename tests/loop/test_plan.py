"""Goal, plan, ledger and the evaluation set first, through the command line."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest
from loop_kit import CLASSES, good, js, lines, tilth, write

P = ("--project", "p")


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    """A project with errors in train and in the evaluation set, and nothing done yet."""
    write(tmp_path / "train.csv", lines(400, seed=1))
    write(tmp_path / "eval.csv", [(f"e{i}", *rest) for i, *rest in lines(250, seed=2, wrong=0.2)])
    good("ingest", "train.csv", "--eval", "eval.csv", *P, cwd=tmp_path)
    return tmp_path


def set_goal(folder: Path, *keys: str) -> None:
    path = folder / "p" / "tilth.toml"
    text = path.read_text("utf-8")
    for key in keys:
        name = key.split(" = ")[0]
        section = text.index("[goal]")
        start = text.index(f"\n{name} =", section) + 1
        text = text[:start] + key + text[text.index("\n", start) :]
    path.write_text(text, "utf-8")


def test_a_dirty_evaluation_set_comes_first(noisy: Path) -> None:
    body = js("plan", *P, cwd=noisy)
    first = body["actions"][0]
    assert (first["kind"], first["code"], first["gain"]) == ("evaluate", "TIL105", None)
    wrong = body["evaluation"]["wrong"]
    assert wrong["low"] < 0.2 < wrong["high"]
    assert body["evaluation"]["ceiling"]["value"] == pytest.approx(1 - wrong["value"])
    assert "evaluation labels are wrong" in body["in_the_way"][0]
    assert [a["rank"] for a in body["actions"]] == list(range(1, len(body["actions"]) + 1))
    audit = js("audit", "--no-self-test", *P, cwd=noisy)
    assert audit["findings"][0]["code"] == "TIL105"
    assert "check these rows first" in audit["evaluation_first"]
    assert "of the evaluation labels" in good("audit", "--no-self-test", *P, cwd=noisy).out
    set_goal(noisy, "target = 0.99")
    body = js("plan", *P, cwd=noisy)
    assert "cannot be seen" in body["in_the_way"][0]
    assert "cannot be seen" in good("status", *P, cwd=noisy).out


def test_a_patch_of_the_evaluation_set_needs_a_person(noisy: Path) -> None:
    proposals = js("propose", *P, cwd=noisy)
    repair = proposals[-1]
    assert repair["title"].startswith("Check")
    assert repair["predicted"] is None
    assert "evaluation set" in tilth("trial", repair["id"], *P, cwd=noisy).err
    refused = tilth("accept", repair["id"], *P, cwd=noisy)
    assert refused.code == 1
    assert "--reason" in refused.err
    before = js("improve", *P, cwd=noisy)
    assert js("status", *P, cwd=noisy)["last_run"]["comparable"] is True
    version = js("accept", repair["id"], "--reason", "checked by Ana", *P, cwd=noisy)
    assert version["dataset"] == "eval"
    status = js("status", *P, cwd=noisy)
    assert status["last_run"]["comparable"] is False, "another evaluation set: other scores"
    assert status["goal"]["score"] is None
    assert status["next"] == "tilth improve"
    after = js("improve", *P, cwd=noisy)
    assert after["eval_version"] == version["id"] != before["eval_version"]
    assert after["before"]["value"] > before["after"]["value"] + 0.02, "scored on the new labels alone"


def test_improve_never_touches_the_evaluation_set(noisy: Path) -> None:
    body = js("improve", *P, cwd=noisy)
    assert len(js("log", "eval", *P, cwd=noisy)["versions"]) == 1
    assert all(p["origin"] != "propose:eval-labels" for p in body["patches"])


def test_goal_budget_and_stop(noisy: Path) -> None:
    set_goal(noisy, "target = 0.3", "minutes = 60", "money = 100")
    body = js("plan", *P, cwd=noisy)
    assert body["distance"] < 0
    assert body["actions"][0]["kind"] == "stop"
    assert "reached" in body["actions"][0]["title"]
    assert body["minutes_left"] == 60
    js("improve", *P, cwd=noisy)
    goal = js("status", *P, cwd=noisy)["goal"]
    assert goal["target"] == 0.3
    assert goal["minutes"] == 60
    assert goal["distance"] == pytest.approx(0.3 - goal["score"]["value"])
    assert goal["spent_minutes"] > 0


def test_costs_change_the_order_and_the_money(noisy: Path) -> None:
    first = {a["title"]: a for a in js("plan", *P, cwd=noisy)["actions"]}
    path = noisy / "p" / "tilth.toml"
    text = path.read_text("utf-8")
    path.write_text(
        text.replace("relabel = 0.25", "relabel = 2.5").replace("minute = 0.0", "minute = 0.5"), "utf-8"
    )
    second = {a["title"]: a for a in js("plan", *P, cwd=noisy)["actions"]}
    review = next(t for t in second if t.startswith("Review"))
    assert second[review]["minutes"] == pytest.approx(10 * first[review]["minutes"])
    assert second[review]["money"] == pytest.approx(0.5 * second[review]["minutes"])
    assert second[review]["gain"] == pytest.approx(first[review]["gain"])


def test_ledger_joins_predictions_with_trials_and_the_report_agrees(noisy: Path) -> None:
    empty = js("ledger", *P, cwd=noisy)
    assert empty["lines"] == []
    assert {f["trials"] for f in empty["factors"]} == {0}
    result = js("improve", *P, cwd=noisy)
    book = js("ledger", *P, cwd=noisy)
    assert len(book["lines"]) >= 3
    tried = {p["id"]: p for p in result["patches"]}
    for line in book["lines"]:
        assert line["predicted"] == pytest.approx(tried[line["patch"]]["predicted"])
        assert line["realised"] == pytest.approx(tried[line["patch"]]["gain"])
    accepted = [p for p in tried.values() if p["state"] == "accepted"]
    assert accepted, "the repair of planted errors is accepted"
    assert book["totals"]["minutes"] == pytest.approx(sum(p["minutes"] for p in accepted))
    assert book["totals"]["gain"]["value"] == pytest.approx(sum(p["gain"] for p in accepted))
    assert result["ledger"] == book["totals"]
    assert sum(f["trials"] for f in book["factors"]) == len(book["lines"])
    assert book["totals"]["accepted"] == len(accepted)
    good("ledger", *P, cwd=noisy)


def test_rows_of_the_plan_can_be_reviewed(noisy: Path) -> None:
    truth = {r[0]: r[3] for r in lines(400, seed=1)}
    good("plan", "--out", "review.csv", *P, cwd=noisy)
    with (noisy / "review.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    planned = next(a for a in js("plan", *P, cwd=noisy)["actions"] if a["kind"] == "review")
    assert [r["id"] for r in rows] == planned["rows"]
    given = {r[0]: r[2] for r in lines(400, seed=1)}
    assert sum(given[r["id"]] != truth[r["id"]] for r in rows) > 0.6 * len(rows)
    said = [
        (r["id"], "keep" if given[r["id"]] == truth[r["id"]] else "relabel", truth[r["id"]]) for r in rows
    ]
    write(noisy / "done.csv", said, ("id", "verdict", "label"))
    good("verdict", "done.csv", *P, cwd=noisy)
    again = js("plan", *P, cwd=noisy)
    later = next((a for a in again["actions"] if a["kind"] == "review" and a["code"] == "TIL101"), None)
    assert later is None or not set(later["rows"]) & {r["id"] for r in rows}, "nobody is asked twice"
    bulk = [a for a in again["actions"] if "false-discovery" in a["title"]]
    unlocked = js("relabel", "--fdr", 0.05, *P, cwd=noisy)["bulk"]
    assert [a["count"] for a in bulk] == ([unlocked] if unlocked else []), (
        "what verdicts unlock is on the list"
    )
    assert all(a["gain"] is not None for a in bulk)


def test_collecting_goes_by_learning_curves_once_they_are_measured(noisy: Path) -> None:
    rough = [a for a in js("plan", *P, cwd=noisy)["actions"] if a["kind"] == "collect"]
    assert all(a["code"] == "TIL401" for a in rough)
    good("curve", *P, cwd=noisy)
    measured = [a for a in js("plan", *P, cwd=noisy)["actions"] if a["kind"] == "collect"]
    assert measured
    assert all(a["code"] == "" and a["low"] <= a["gain"] <= a["high"] for a in measured)

    assert tilth("plan", "--out", "x.txt", *P, cwd=noisy).code == 1
    assert len(CLASSES) == 5


def test_weak_slices_and_confused_classes_become_work(tmp_path: Path) -> None:
    """Errors of labels in one channel are reviewed; classes that share words want a clause, once."""
    rng = random.Random(3)
    rows = []
    for row_id, text, _, true in lines(600, 1, wrong=0.0):
        channel = rng.choice(["fax", "mail", "chat", "app", "web"])
        wrong = channel == "fax" and rng.random() < 0.5
        label = rng.choice([c for c in CLASSES if c != true]) if wrong else true
        if true in CLASSES[:2] and not wrong:
            label = rng.choice(CLASSES[:2])
        rows.append((row_id, text, label, channel))
    write(tmp_path / "train.csv", rows, ("id", "text", "label", "channel"))
    good("ingest", "train.csv", *P, cwd=tmp_path)
    codes = js("audit", "--no-self-test", *P, cwd=tmp_path)["counts"]
    assert codes["TIL601"]
    assert codes["TIL602"] == 1
    work = js("plan", *P, cwd=tmp_path)["actions"]
    clauses = [a for a in work if a["kind"] == "clause" and "billing and cards" in a["title"]]
    assert [a["code"] for a in clauses] == ["TIL602"], "one list of pairs"
    assert clauses[0]["command"] == "tilth guide --draft"
    assert "taken for" in clauses[0]["examples"][0]["message"]
    there = [a for a in work if a["code"] == "TIL601"]
    assert there
    assert there[0]["kind"] == "review"
    assert there[0]["low"] < there[0]["gain"] < there[0]["high"]
    assert "fax" in there[0]["title"]
    assert not set(there[0]["rows"]) & {r for a in work if a["kind"] == "clause" for r in a["rows"]}
    channels = {r[0]: r[3] for r in rows}
    assert {channels[r] for r in there[0]["rows"]} == {"fax"}


def test_a_slice_of_hard_texts_wants_rows_not_reviews(tmp_path: Path) -> None:
    """Where labels look right but the model cannot know, rows are collected."""
    rng = random.Random(5)
    rows = []
    for row_id, text, _, true in lines(600, 1, wrong=0.0):
        fax = rng.random() < 0.15
        blank = " ".join(rng.sample(["hello", "please", "help", "thanks", "urgent", "dear"], 3))
        rows.append((row_id, blank if fax else text, true, "fax" if fax else rng.choice(["mail", "chat"])))
    write(tmp_path / "train.csv", rows, ("id", "text", "label", "channel"))
    good("ingest", "train.csv", *P, cwd=tmp_path)
    there = [a for a in js("plan", *P, cwd=tmp_path)["actions"] if a["code"] == "TIL601"]
    assert [a["kind"] for a in there] == ["collect"]
    assert there[0]["gain"] > 0.02
    assert there[0]["count"] == 40
