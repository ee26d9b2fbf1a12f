"""Drift through the command line: seen, kept as a slice, planned for, labelled, taken in."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest
from loop_kit import good, js, lines, tilth, write

P = ("--project", "p")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drift")
    write(folder / "train.csv", lines(500, 1, wrong=0.0))
    write(folder / "eval.csv", lines(400, 2, wrong=0.0))
    good("ingest", "train.csv", "--eval", "eval.csv", *P, cwd=folder)
    write(folder / "same.csv", lines(600, 3), ("id", "text"))
    rng, rows = random.Random(4), [(i, t, "", y) for i, t, _, y in lines(600, 4)]
    for number in range(200, 600):
        if rng.random() < 0.15:
            words = ["solar", rng.choice(["panel", "roof", "inverter"]), *rows[number][1].split()[2:]]
            rows[number] = (f"r{number}", " ".join(words), "", "energy")
    write(folder / "new.csv", rows, ("id", "text"))
    return folder


def test_rows_like_the_known_ones_raise_no_alarm(work: Path) -> None:
    body = js("drift", "same.csv", *P, cwd=work)
    assert body["drifted"] is False
    assert body["label"] == []
    assert body["estimate"]["valid"] is True
    assert body["against"] == "the 400 evaluation rows"
    shown = good("drift", "same.csv", *P, cwd=work).out
    assert "no drift" in shown
    assert "estimated accuracy without labels" in shown


def test_the_walk_of_a_new_class(work: Path) -> None:
    body = js("drift", "new.csv", "--out", "label.csv", *P, cwd=work)
    assert body["drifted"]
    assert body["slice"] == 'text has "solar"'
    assert 200 <= body["surges"][0]["alarm"] <= 500
    assert body["looks"] == 1
    assert js("drift", "new.csv", *P, cwd=work)["looks"] == 1, "the same rows are the same look"
    with (work / "label.csv").open(newline="") as file:
        label = list(csv.DictReader(file))
    assert [r["id"] for r in label] == body["label"]
    assert sum("solar" in r["text"] for r in label) >= 20
    assert {r["label"] for r in label} == {""}
    plan = js("plan", *P, cwd=work)
    assert plan["actions"][0]["title"].startswith(f"Label these {len(label)} new rows")
    assert any("drifted" in words for words in plan["in_the_way"])
    js("drift", "new.csv", "--keep", "solar", *P, cwd=work)
    assert 'solar = "text has \\"solar\\""' in (work / "p" / "tilth.toml").read_text("utf-8")

    for r in label:
        r["label"] = "energy" if "solar" in r["text"] else "cards"
        r["id"] = "n" + r["id"]
    with (work / "label.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(label[0]))
        writer.writeheader()
        writer.writerows(label)
    js("ingest", "label.csv", *P, cwd=work)
    assert not js("plan", *P, cwd=work)["actions"][0]["title"].startswith("Label these")


def test_another_reference_and_later_looks(work: Path) -> None:
    body = js("drift", "same.csv", "--reference", "new.csv", *P, cwd=work)
    assert body["against"] == "600 rows of new.csv"
    with (work / "same.csv").open("a") as file:
        file.write("x1,one more row of words\n")
    assert js("drift", "same.csv", "--reference", "new.csv", *P, cwd=work)["looks"] == 2
    jsonl = good("drift", "new.csv", "--reference", "same.csv", "--out", "l.jsonl", *P, cwd=work)
    assert "written to l.jsonl" in jsonl.out
    first = json.loads((work / "l.jsonl").read_text("utf-8").splitlines()[0])
    assert list(first) == ["id", "label", "text"]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["few.csv"], "below 50"),
        (["new.csv", "--out", "l.txt"], "neither .csv nor .jsonl"),
        (["other.csv"], "no column 'text'"),
        (["missing.csv"], "does not exist"),
        (["same.csv", "--keep", "x"], "no slice to keep"),
    ],
)
def test_mistakes_are_explained(work: Path, argv: list[str], words: str) -> None:
    write(work / "few.csv", lines(20, 9), ("id", "text"))
    write(work / "other.csv", lines(60, 9), ("id", "words"))
    run = tilth("drift", *argv, *P, cwd=work)
    assert run.code == 1
    assert words in run.err.replace("\n", " ")
