"""A scripted reviewer with the truth: draw, judge, relabel, accept; the commands of the how-to."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from loop_kit import CLASSES, good, js, lines, tilth, write

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "verdicts.md"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A project with known truth."""
    write(tmp_path / "train.csv", lines(400, 1))
    write(tmp_path / "eval.csv", [(f"e{i}", t, y, y) for _, t, _, y in lines(150, 2, wrong=0) for i in [t]])
    good("ingest", "train.csv", "--eval", "eval.csv", "--project", "p", cwd=tmp_path)
    return tmp_path


def truth() -> dict[str, str]:
    return {i: y for i, _, _, y in lines(400, 1)}


def judge(path: Path) -> None:
    """Fill a batch in as a person would who knows the truth."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    right = truth()
    for row in rows:
        wrong = right[row["id"]] != row["given"]
        row |= {"verdict": "relabel" if wrong else "keep", "label": right[row["id"]] if wrong else ""}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_the_how_to_runs(work: Path) -> None:
    commands = [
        line.split()[1:]
        for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.S)
        for line in block.splitlines()
    ]
    assert len(commands) == 4
    for argv in commands:
        good(*argv, cwd=work)
        if argv[0] == "sample":
            judge(work / "review.csv")


def test_verdicts_become_a_patch_and_the_estimate_follows(work: Path) -> None:
    before = js("audit", cwd=work)["trust"]
    assert (before["basis"], before["verdicts"]) == ("prior", 0)
    for _ in range(2):
        good("sample", "--n", "50", "--out", "review.csv", cwd=work)
        judge(work / "review.csv")
        after = js("verdict", "review.csv", cwd=work)
    trust = after["trust"]
    wrong = sum(given != true for _, _, given, true in lines(400, 1))
    assert trust["basis"] == "verdicts"
    assert trust["verdicts"] == trust["judged"] == sum(after["standing"].values()) == 100
    errors = trust["errors"]
    assert errors["low"] <= wrong <= errors["high"]
    assert errors["high"] - errors["low"] < before["errors"]["high"] - before["errors"]["low"]

    made = js("relabel", cwd=work)
    assert made["decided"] == after["standing"]["relabel"] == made["ops"]["relabel"]
    patch = js("patch", made["id"], cwd=work)
    right = truth()
    assert all(op["to"] == right[op["id"]] for op in patch["ops"])
    assert js("audit", cwd=work)["trust"] == trust

    # accepted verdicts are no errors any more, and still teach the curve
    good("accept", made["id"], "--force", "decided by a person", cwd=work)
    now = js("audit", cwd=work)["trust"]
    assert (now["verdicts"], now["judged"]) == (100, 100)
    assert now["errors"]["value"] < errors["value"]
    assert js("relabel", cwd=work)["id"] is None


def test_rows_judged_right_leave_the_findings_and_a_skip_takes_it_back(work: Path) -> None:
    found = [f["rows"][0] for f in js("audit", "--code", "TIL101", cwd=work)["findings"]]
    said = work / "said.jsonl"
    said.write_text(json.dumps({"id": found[0], "verdict": "keep"}) + "\n", "utf-8")
    js("verdict", "said.jsonl", cwd=work)
    assert found[0] not in [f["rows"][0] for f in js("audit", "--code", "TIL101", cwd=work)["findings"]]
    said.write_text(json.dumps({"id": found[0], "verdict": "skip"}) + "\n", "utf-8")
    assert js("verdict", "said.jsonl", cwd=work)["trust"]["verdicts"] == 0
    assert found[0] in [f["rows"][0] for f in js("audit", "--code", "TIL101", cwd=work)["findings"]]


def test_a_patch_that_revises_keeps_what_was_decided(work: Path) -> None:
    first = next(p for p in js("propose", cwd=work) if p["ops"].get("relabel"))
    ops = js("patch", first["id"], cwd=work)["ops"]
    said = [
        {"id": ops[0]["id"], "verdict": "keep"},
        {"id": ops[1]["id"], "verdict": "relabel", "label": ops[1]["to"]},
        {"id": ops[2]["id"], "verdict": "drop"},
        {"id": ops[3]["id"], "verdict": "ambiguous"},
    ]
    (work / "said.jsonl").write_text("".join(json.dumps(s) + "\n" for s in said), "utf-8")
    good("verdict", "said.jsonl", cwd=work)
    made = js("relabel", "--revises", first["id"][:6], cwd=work)
    patch = js("patch", made["id"], cwd=work)
    assert patch["revises"] == first["id"]
    assert {(op["op"], op.get("id") or op["before"]["id"]) for op in patch["ops"]} == {
        ("relabel", ops[1]["id"]),
        ("drop", ops[2]["id"]),
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,verdict\nr001,maybe\n", "said.csv:2: unknown verdict 'maybe'"),
        ("id,verdict\nr001,relabel\n", "needs the right label"),
        ("id,verdict,label\nr001,relabel,cardz\n", "'cardz', which no row of train is labelled"),
        ("id,verdict\nnobody,keep\n", "no such row"),
        ("row,verdict\nr001,keep\n", "no column 'id'"),
        ("", "the file is empty"),
        ('{"id": "r001", "verdict": "keep"}\n{"id": 1', "said.csv:2: not JSON"),
        ("id,verdict\n,keep\n", "no id"),
    ],
)
def test_mistakes_in_a_file_are_named_and_nothing_is_recorded(work: Path, text: str, words: str) -> None:
    (work / "said.csv").write_text(text, "utf-8")
    run = tilth("verdict", "said.csv", cwd=work)
    assert run.code == 1
    assert words in " ".join(run.err.split())
    assert js("verdict", cwd=work)["standing"] == {}


@pytest.mark.parametrize(
    "argv", [("relabel", "--fdr", "2"), ("sample", "--n", "x"), ("relabel", "--fdr", "much")]
)
def test_wrong_usage(work: Path, argv: tuple[Any, ...]) -> None:
    assert tilth(*argv, cwd=work).code == 2


def test_nothing_is_left_to_draw(work: Path) -> None:
    batch = js("sample", "--n", "1000", cwd=work)
    assert len(batch["rows"]) == 400
    assert {r["inclusion"] for r in batch["rows"]} == {1.0}
    said = [{"id": r["id"], "verdict": "keep"} for r in batch["rows"]]
    (work / "said.jsonl").write_text("".join(json.dumps(s) + "\n" for s in said), "utf-8")
    found = js("verdict", "said.jsonl", cwd=work)["trust"]["errors"]
    assert found == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert "nothing to draw" in tilth("sample", cwd=work).err


def test_findings_follow_the_verdicts(work: Path) -> None:
    """Drop, relabel and ambiguous are settled: no model speaks against them."""
    first = js("audit", "--code", "TIL101", cwd=work)["findings"]
    drop, move, both = (f["rows"][0] for f in first[:3])
    other = next(
        c for c in CLASSES if c not in (first[1]["evidence"]["given"], first[1]["evidence"]["suggested"])
    )
    said = [
        {"id": drop, "verdict": "drop"},
        {"id": move, "verdict": "relabel", "label": other},
        {"id": both, "verdict": "ambiguous", "note": "says both"},
    ]
    (work / "said.jsonl").write_text("".join(json.dumps(s) + "\n" for s in said), "utf-8")
    good("verdict", "said.jsonl", "--reviewer", "ana", cwd=work)
    body = js("audit", cwd=work)["findings"]
    found = {f["rows"][0]: f for f in body if f["code"] == "TIL101"}
    assert found[drop]["suggestions"] == [{"op": "drop", "id": drop}]
    assert "ana decided: drop" in found[drop]["message"]
    assert found[move]["suggestions"] == [{"op": "relabel", "id": move, "to": other}]
    assert both not in found
    ambiguous = [f for f in body if f["code"] == "TIL103"]
    assert ambiguous[0]["rows"] == [both]
    assert ambiguous[0]["evidence"]["verdict"] == {
        "decision": "ambiguous",
        "reviewer": "ana",
        "note": "says both",
    }
    assert [f["code"] for f in body] == sorted(f["code"] for f in body)
    assert not {drop, move} & {f["rows"][0] for f in body if f["code"] in ("TIL103", "TIL104")}
    made = js("relabel", cwd=work)
    good("accept", made["id"], "--force", "decided", cwd=work)
    left = {f["rows"][0] for f in js("audit", cwd=work)["findings"] if f["code"] == "TIL101"}
    assert not {drop, move, both} & left
    pair = sorted((first[2]["evidence"]["given"], ambiguous[0]["evidence"]["other"]))
    good("guide", "--draft", "20", cwd=work)
    clauses = {(c["a"], c["b"]): c for c in js("guide", cwd=work)["clauses"]}
    assert clauses[tuple(pair)]["contested"][0]["row"] == both
