"""Slices through the command line: found, kept, and gates of every later trial."""

from __future__ import annotations

import csv
import json
import random
import shutil
from pathlib import Path

import pytest
from loop_kit import CLASSES, good, js, lines, tilth, write

HEADER = ("id", "text", "label", "channel")
P = ("--project", "p")


def by_channel(count: int, seed: int, *, bad: bool) -> list[tuple[str, str, str, str]]:
    """Rows of which a fifth came by fax; half of these have a wrong label where `bad`."""
    rng, out = random.Random(seed), []
    for row_id, text, _, true in lines(count, seed, wrong=0.0):
        channel = "fax" if rng.random() < 0.2 else rng.choice(["mail", "chat"])
        wrong = bad and channel == "fax" and rng.random() < 0.5
        label = rng.choice([c for c in CLASSES if c != true]) if wrong else true
        out.append((row_id, text, label, channel))
    return out


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slices")
    write(folder / "train.csv", by_channel(600, 1, bad=True), HEADER)
    write(folder / "eval.csv", by_channel(500, 2, bad=False), HEADER)
    good("ingest", "train.csv", "--eval", "eval.csv", *P, cwd=folder)
    return folder


def test_the_walk_of_a_slice(origin: Path) -> None:
    body = js("slices", *P, cwd=origin)
    kinds = [s["kind"] for s in body["slices"]]
    assert kinds[0] == "whole"
    assert kinds.count("class") == len(CLASSES)
    found = [s for s in body["slices"] if s["kind"] == "found"]
    assert found[0]["expression"] == 'channel == "fax"'
    assert found[0]["high"] < found[0]["outside_low"]
    assert found[0]["p"] <= 0.05
    shown = good("slices", *P, cwd=origin).out
    assert "tilth slices --keep channel-fax" in shown

    path = origin / "p" / "tilth.toml"
    path.write_text("# my own words\n" + path.read_text("utf-8"), "utf-8")
    kept = js("slices", "--keep", "channel-fax", "--floor", "0.3", *P, cwd=origin)
    assert (kept["name"], kept["floor"]) == ("channel-fax", 0.3)
    assert path.read_text("utf-8").startswith("# my own words\n")
    assert tilth("slices", "--keep", "channel-fax", *P, cwd=origin).code == 1
    again = {s["name"]: s for s in js("slices", *P, cwd=origin)["slices"] if s["kind"] == "named"}
    assert again["channel-fax"]["held"] is True
    assert again["channel-fax"]["p"] == found[0]["p"], "found in these rows: all tries count"
    assert again["channel-fax"]["eval_rows"] >= 40

    # a patch that mends the fax rows is better there; one that spoils them is refused
    first = js("propose", *P, cwd=origin)[0]["id"]
    trial = tilth("trial", first, "--json", *P, cwd=origin).json
    assert {"channel-fax", "channel = fax"} <= {s["name"] for s in trial["slices"]}
    assert [f["state"] for f in trial["floors"]] == ["held"]
    assert trial["gates"]


def test_status_and_report_show_floors(origin: Path, tmp_path: Path) -> None:
    shutil.copytree(origin / "p", tmp_path / "p")
    path = tmp_path / "p" / "tilth.toml"
    text = path.read_text("utf-8").split("\n[slices]")[0]
    floors = "\n[slices]\nchat = 'channel == \"chat\"'\n[floors]\nall = 0.2\nchat = 0.999\n"
    path.write_text(text + floors, "utf-8")
    first = js("status", *P, cwd=tmp_path)["floors"]
    assert [(f["name"], f["floor"], f["score"], f["held"]) for f in first] == [
        ("all rows", 0.2, None, None), ("chat", 0.999, None, None),
    ]  # fmt: skip
    assert "not measured yet" in good("status", *P, cwd=tmp_path).out
    table = {s["name"]: s for s in js("slices", *P, cwd=tmp_path)["slices"]}
    second = js("status", *P, cwd=tmp_path)["floors"]
    assert [(f["name"], f["held"]) for f in second] == [("all rows", True), ("chat", False)]
    assert second[1]["score"] == table["chat"]["eval_score"]
    shown = good("status", *P, cwd=tmp_path).out
    assert "NOT HELD: chat" in shown
    assert "floors held: all rows" in shown
    result = js("improve", *P, cwd=tmp_path)
    assert [(f["name"], f["state"]) for f in result["floors"]] == [("all rows", "held"), ("chat", "missed")]
    third = js("status", *P, cwd=tmp_path)["floors"]
    assert [f["score"] for f in third] == [f["after"] for f in result["floors"]]
    good("report", "--out", "r.html", *P, cwd=tmp_path)
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "Floors" in page
    assert "missed" in page
    path.write_text(path.read_text("utf-8").replace("0.999", "0.3"), "utf-8")
    assert {f["held"] for f in js("status", *P, cwd=tmp_path)["floors"]} == {None}, "another floor"


def test_a_broken_floor_blocks(origin: Path, tmp_path: Path) -> None:
    """A patch that spoils most labels is worse; that it breaks a floor is said as well."""
    shutil.copytree(origin / "p", tmp_path / "p")
    path = tmp_path / "p" / "tilth.toml"
    text = path.read_text("utf-8").split("\n[slices]")[0]
    path.write_text(text + "\n[slices]\nchat = 'channel == \"chat\"'\n[floors]\nchat = 0.7\n", "utf-8")
    good("patch", js("propose", *P, cwd=tmp_path)[0]["id"], "--out", "x.jsonl", *P, cwd=tmp_path)
    head = json.loads((tmp_path / "x.jsonl").read_text("utf-8").splitlines()[0])
    ops = []
    with (origin / "train.csv").open(encoding="utf-8") as file:
        for r in csv.DictReader(file):
            to = CLASSES[(CLASSES.index(r["label"]) + 1) % len(CLASSES)]
            fields = {"text": r["text"], "channel": r["channel"]}
            ops.append({"op": "relabel", "id": r["id"], "from": r["label"], "to": to, "fields": fields})
    body = [{k: v for k, v in head.items() if k != "id"}, *ops[:400]]
    (tmp_path / "bad.jsonl").write_text("\n".join(map(json.dumps, body)) + "\n", "utf-8")
    run = tilth("trial", "--patch", "bad.jsonl", "--json", *P, cwd=tmp_path)
    assert run.code == 4, run.err
    (floor,) = run.json["floors"]
    assert (floor["name"], floor["state"]) == ("chat", "broken")
    shown = tilth("trial", "--patch", "bad.jsonl", *P, cwd=tmp_path).out
    assert "chat falls below its floor" in shown
    refused = tilth("accept", "--patch", "bad.jsonl", *P, cwd=tmp_path)
    assert refused.code == 1


def test_a_trial_under_other_gates_does_not_count(origin: Path, tmp_path: Path) -> None:
    shutil.copytree(origin / "p", tmp_path / "p")
    first = js("propose", *P, cwd=tmp_path)[0]["id"]
    tilth("trial", first, *P, cwd=tmp_path)
    path = tmp_path / "p" / "tilth.toml"
    text = path.read_text("utf-8").split("\n[slices]")[0]
    path.write_text(f"{text}\n[slices]\n'long ones' = 'length > 30'\n", "utf-8")
    refused = tilth("accept", first, *P, cwd=tmp_path)
    assert refused.code == 1
    assert "was not measured" in refused.err


@pytest.mark.parametrize(
    ("expression", "words"),
    [("chanel == 3", "did you mean 'channel'"), ("length >", "character 9")],
)
def test_a_slice_that_cannot_be_says_where(origin: Path, tmp_path: Path, expression: str, words: str) -> None:
    shutil.copytree(origin / "p", tmp_path / "p")
    path = tmp_path / "p" / "tilth.toml"
    text = path.read_text("utf-8").split("\n[slices]")[0]
    path.write_text(f'{text}\n[slices]\nx = "{expression}"\n', "utf-8")
    run = tilth("slices", *P, cwd=tmp_path)
    assert run.code == 1
    assert words in run.err


def test_an_unknown_slice_cannot_be_kept(origin: Path) -> None:
    run = tilth("slices", "--keep", "chanel-fax", *P, cwd=origin)
    assert run.code == 1
    assert "did you mean 'channel-fax'" in run.err
    assert tilth("slices", "--floor", "0.3", *P, cwd=origin).code == 2
