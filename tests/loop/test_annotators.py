"""Several annotators through the real command line: judgements in, consensus, new rows, the label guide."""

from __future__ import annotations

import csv
import json
import random
import re
import shlex
from contextlib import chdir
from pathlib import Path

import pytest
from loop_kit import CLASSES, good, js, lines, tilth, write

from tilth.project import Project

HEADER = ("id", "text", "rater", "said")
SKILL = {"ann": 0.95, "bob": 0.85, "cy": 0.7, "dee": 0.9, "eve": 0.5}
P = ("--project", "p")
PAGE = Path(__file__).parents[2] / "docs" / "howto" / "annotators.md"


def judgements(count: int = 380, seed: int = 3) -> list[tuple[str, str, str, str]]:
    """Three of five raters on each of the first rows of train.csv."""
    rng = random.Random(seed)
    out = []
    for row, text, _, true in lines(400, seed=1)[:count]:
        for who in rng.sample(sorted(SKILL), 3):
            out.append((row, text, who, true if rng.random() < SKILL[who] else rng.choice(CLASSES)))
    return out


@pytest.fixture
def judged(work: Path) -> Path:
    write(work / "j.csv", judgements(), header=HEADER)
    good("annotators", "j.csv", *P, cwd=work)
    return work


def test_columns_are_guessed_shown_and_settable(work: Path) -> None:
    write(work / "j.csv", judgements(50), header=HEADER)
    body = js("annotators", "j.csv", *P, cwd=work)
    assert body["intake"]["columns"] == {
        "item": "id", "annotator": "rater", "label": "said", "text": "text"
    }  # fmt: skip
    assert body["intake"]["reasons"]["label"] == "'said' is the only column left"
    assert "rater" in good("annotators", "j.csv", *P, cwd=work).err
    write(work / "k.csv", judgements(50), header=("x", "t", "who_did", "y2"))
    run = tilth("annotators", "k.csv", *P, cwd=work)
    assert run.code == 1
    assert "--annotator COLUMN" in run.err
    options = ("--item", "x", "--text", "t", "--annotator", "who_did", "--label", "y2")
    assert js("annotators", "k.csv", *options, *P, cwd=work)["items"]["train"] == 50
    assert "did you mean 'who_did'" in tilth("annotators", "k.csv", "--annotator", "who_dd", *P, cwd=work).err
    assert tilth("annotators", "--item", "x", *P, cwd=work).code == 2


def test_what_it_says(judged: Path) -> None:
    body = js("annotators", *P, cwd=judged)
    assert body["intake"] is None
    assert (body["votes"], body["items"]["train"], body["items"]["unknown"]) == (1_140, 380, 0)
    assert body["agreement"]["low"] < body["agreement"]["alpha"] < body["agreement"]["high"]
    ranked = [a["name"] for a in body["annotators"]]
    assert ranked[:2] == ["eve", "cy"]
    assert body["model"] is True
    screen = good("annotators", "--limit", "2", *P, cwd=judged).out
    assert "Krippendorff" in screen
    assert "eve" in screen
    assert "ann" not in screen.split("they disagree")[0].split("annotator ")[1].split("\n")[2:4][0]


def test_the_same_file_again_changes_nothing_and_a_changed_one_replaces_it(judged: Path) -> None:
    before = js("annotators", *P, cwd=judged)
    again = js("annotators", "j.csv", *P, cwd=judged)
    assert again["intake"]["changed"] is False
    assert {**again, "intake": None} == before
    write(judged / "j.csv", judgements()[:300], header=HEADER)
    less = js("annotators", "j.csv", *P, cwd=judged)
    assert less["intake"]["changed"] is True
    assert less["votes"] == 300
    write(judged / "more.csv", judgements()[300:400], header=HEADER)
    assert js("annotators", "more.csv", *P, cwd=judged)["votes"] == 400, "two files are added up"


def test_rows_that_cannot_be_used_are_refused_with_their_place(work: Path) -> None:
    rows = judgements(5)
    rows[3] = ("r001", "t", "", "cards")
    rows[7] = ("r002", "t", "ann", "")
    write(work / "j.csv", rows, header=HEADER)
    run = tilth("annotators", "j.csv", *P, cwd=work)
    assert run.code == 1
    assert "j.csv:5: column 'rater': no annotator" in run.err
    assert "j.csv:9: column 'said': missing label" in run.err
    assert tilth("annotators", *P, cwd=work).code == 1, "nothing was taken in"
    body = js("annotators", "j.csv", "--skip-bad", *P, cwd=work)
    assert (body["intake"]["judgements"], body["intake"]["bad"]) == (13, 2)


def test_consensus_becomes_findings_and_a_patch(judged: Path) -> None:
    truth = {row: true for row, _, _, true in lines(400, seed=1)}
    audit = js("audit", *P, cwd=judged)
    found = [f for f in audit["findings"] if f["code"] == "TIL104"]
    assert audit["counts"]["TIL104"] == len(found) > 30
    relabels = [s for f in found for s in f["suggestions"]]
    assert sum(s["to"] == truth[s["id"]] for s in relabels) > 0.85 * len(relabels)
    assert {"annotator", "label"} == set(found[0]["evidence"]["votes"][0])
    patch = next(p for p in js("propose", *P, cwd=judged) if "annotators agree" in p["title"])
    assert patch["ops"] == {"relabel": len(relabels)}
    assert tilth("trial", patch["id"], *P, cwd=judged).code in (0, 3)


def test_judgements_make_another_audit(work: Path) -> None:
    before = js("audit", *P, cwd=work)["counts"]
    write(work / "j.csv", judgements(), header=HEADER)
    good("annotators", "j.csv", *P, cwd=work)
    assert before["TIL104"] == 0 < js("audit", *P, cwd=work)["counts"]["TIL104"]


def test_items_that_are_no_rows_can_become_rows_but_not_those_of_the_evaluation_set(work: Path) -> None:
    new = [(f"new{i}", f"a text about {c} number {i}", who, c) for i, c in enumerate(CLASSES) for who in "ab"]
    held = [(row, text, who, true) for row, text, _, true in lines(3, seed=101, wrong=0.0) for who in "ab"]
    held = [("other" + row, text, who, true) for row, text, who, true in held]
    write(work / "j.jsonl.csv", [*new, *held, ("bare", "", "a", "cards")], header=HEADER)
    body = js("annotators", "j.jsonl.csv", "--propose", *P, cwd=work)
    assert (body["items"]["unknown"], body["items"]["unknown_with_text"], body["items"]["eval"]) == (6, 5, 3)
    patch = js("patch", body["proposed"], *P, cwd=work)
    assert [(op["op"], op["after"]["id"], op["after"]["label"]) for op in patch["ops"]] == [
        ("add", f"new{i}", c) for i, c in enumerate(CLASSES)
    ]
    good("accept", body["proposed"], "--force", "to see", *P, cwd=work)
    assert js("annotators", "--propose", *P, cwd=work)["proposed"] is None


def test_items_are_found_by_text(work: Path) -> None:
    rows = [(text, who, said) for _, text, who, said in judgements(60)]
    write(work / "j.csv", rows, header=("text", "rater", "said"))
    body = js("annotators", "j.csv", *P, cwd=work)
    assert body["intake"]["columns"]["item"] == ""
    assert body["items"]["train"] == 60


def test_json_lines_and_data_frames(work: Path) -> None:
    rows = [dict(zip(HEADER, row, strict=True)) for row in judgements(40)]
    (work / "j.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), "utf-8")
    assert js("annotators", "j.jsonl", *P, cwd=work)["votes"] == 120
    pandas = pytest.importorskip("pandas")
    with Project(work / "p") as project:
        found = project.annotators(pandas.DataFrame(rows[:30]))
        assert found.intake is not None
        assert found.intake.changed
        assert list(found.to_pandas().columns[:3]) == ["name", "votes", "quality"]
        assert "alpha" in str(found)
        assert "<table>" in found._repr_html_()


def test_one_annotator_is_calm(work: Path) -> None:
    rows = [(row, text, "ann", given) for row, text, given, _ in lines(100, seed=1)]
    write(work / "j.csv", rows, header=HEADER)
    body = js("annotators", "j.csv", *P, cwd=work)
    assert body["agreement"]["alpha"] is None
    assert body["pairs"] == []
    assert "cannot be told" in good("annotators", *P, cwd=work).out


# the label guide


def test_the_guide_from_draft_to_citation(judged: Path) -> None:
    file = judged / "p" / "guide.md"
    assert js("guide", *P, cwd=judged)["state"] == "none"
    drafted = js("guide", "--draft", "2", *P, cwd=judged)
    assert len(drafted["drafted"]) == 2
    assert all(c["draft"] and c["contested"] for c in drafted["clauses"])
    good("guide", "--save", "--author", "ana", "--note", "drafts", *P, cwd=judged)
    pair = {drafted["clauses"][0]["a"], drafted["clauses"][0]["b"]}

    def cited() -> list[dict[str, object]]:
        return [f for f in js("audit", *P, cwd=judged)["findings"] if "guide" in f["evidence"]]

    assert cited() == [], "a draft is cited by nothing"
    title = " / ".join((drafted["clauses"][0]["a"], drafted["clauses"][0]["b"]))
    file.write_text(file.read_text("utf-8").replace(f"## {title} (draft)", f"## {title}"), "utf-8")
    assert js("guide", *P, cwd=judged)["state"] == "changed", "an edit is noticed"
    assert cited() == [], "an edit that nobody saved is cited by nothing"
    assert js("guide", "--save", "--author", "bo", *P, cwd=judged)["saved"] == 2
    found = cited()
    assert {f["code"] for f in found} == {"TIL101", "TIL104"}
    for f in found:
        assert {f["evidence"]["given"], f["evidence"]["suggested"]} == pair
        assert f["evidence"]["guide"]["version"] == 2
        assert f["evidence"]["guide"]["clause"] == title


def test_versions_of_the_guide(judged: Path) -> None:
    file = judged / "p" / "guide.md"
    file.write_text("# Label guide\n\n## cards\n\nAbout cards.\n", "utf-8")
    assert js("guide", "--save", "--author", "ana", *P, cwd=judged)["saved"] == 1
    assert js("guide", "--save", *P, cwd=judged)["saved"] is None, "nothing changed"
    file.write_text("# Label guide\n\n## cards\n\nAbout cards and pins.\n\n## bilings\n", "utf-8")
    body = js("guide", "--diff", *P, cwd=judged)
    assert [(d["change"], d["title"]) for d in body["diff"]] == [("changed", "cards"), ("added", "bilings")]
    assert body["unknown"] == [{"name": "bilings", "near": "billing"}]
    assert "billing" in body["undefined"]
    good("guide", "--save", "--author", "bo", "--note", "pins", *P, cwd=judged)
    history = js("guide", "--history", *P, cwd=judged)["history"]
    assert [(h["version"], h["author"], h["note"]) for h in history] == [(1, "ana", ""), (2, "bo", "pins")]
    assert js("guide", "--diff", "2", "1", *P, cwd=judged)["diff"][1]["change"] == "removed"
    assert "there are 1 to 2" in tilth("guide", "--diff", "3", *P, cwd=judged).err
    file.unlink()
    assert js("guide", *P, cwd=judged)["state"] == "lost"


def test_a_wrong_guide_has_a_line(work: Path) -> None:
    (work / "p" / "guide.md").write_text("## cards\n\n### Exampels\n", "utf-8")
    for command in (("guide",), ("guide", "--save"), ("guide", "--draft")):
        run = tilth(*command, *P, cwd=work)
        assert run.code == 1
        assert "guide.md:3:" in run.err
        assert "did you mean '### Examples'" in run.err


def test_drafts_without_annotators_come_from_the_audit(work: Path) -> None:
    drafted = js("guide", "--draft", *P, cwd=work)
    assert 1 <= len(drafted["drafted"]) <= 5
    assert "doubts the labels" in drafted["clauses"][0]["rule"]
    before = (work / "p" / "guide.md").read_text("utf-8")
    more = js("guide", "--draft", "9", *P, cwd=work)
    known = {(c["a"], c["b"]) for c in drafted["drafted"]}
    assert not known & {(c["a"], c["b"]) for c in more["drafted"]}, "a pair that has a draft is left alone"
    assert before.split("## ")[1] in (work / "p" / "guide.md").read_text("utf-8")


def test_the_how_to_runs(tmp_path: Path) -> None:
    page = PAGE.read_text("utf-8")
    commands = [
        shlex.split(line)[2:]
        for block in re.findall(r"```console\n(.*?)```", page, re.S)
        for line in block.splitlines()
    ]
    assert len(commands) == 9
    for argv in commands:
        if argv[0] == "annotators":
            code = re.findall(r"```python\n(.*?)```", page, re.S)[0]
            with chdir(tmp_path):
                exec(compile(code, str(PAGE), "exec"), {})
        good(*argv, cwd=tmp_path)
    body = js("annotators", "--project", "tickets", cwd=tmp_path)
    cem = next(a for a in body["annotators"] if a["name"] == "cem")
    assert (cem["confusions"][0]["true"], cem["confusions"][0]["said"]) == ("refund", "billing")
    assert {body["pairs"][0]["a"], body["pairs"][0]["b"]} == {"refund", "billing"}
    example = re.findall(r"```markdown\n(.*?)```", page, re.S)[0]
    (tmp_path / "tickets" / "guide.md").write_text(example, "utf-8")
    assert js("guide", "--save", "--project", "tickets", cwd=tmp_path)["saved"] == 2
    cited = [
        f for f in js("audit", "--project", "tickets", cwd=tmp_path)["findings"] if "guide" in f["evidence"]
    ]
    assert cited[0]["evidence"]["guide"]["rule"].startswith("Who asks for money back")


def test_contested_items_are_grouped_by_what_they_are_about(tmp_path: Path) -> None:
    """People are divided over one thing; its words are named, and the rest is not called contested."""
    rng, rows, said = random.Random(4), [], []
    for row, text, _, true in lines(500, seed=1, wrong=0.0):
        odd = rng.random() < 0.15
        rows.append((row, "voucher gift card balance " + text.split()[0] if odd else text, true))
        for who in "abc":
            sure = rng.random() < (0.5 if odd else 0.96)
            said.append((row, who, true if sure else rng.choice(CLASSES)))
    write(tmp_path / "train.csv", rows)
    write(tmp_path / "j.csv", said, header=("id", "annotator", "label"))
    good("ingest", "train.csv", *P, cwd=tmp_path)
    found = js("annotators", "j.csv", *P, cwd=tmp_path)["topics"]
    assert {"voucher", "gift", "balance"} & set(found[0]["words"])
    assert found[0]["p_adjusted"] < 0.001
    assert found[0]["share"] > 2 * found[0]["elsewhere"]
    assert all("voucher" in e["text"] for e in found[0]["examples"])
    assert sum(x["votes"] for x in found[0]["labels"]) > 3 * len(found[0]["examples"])
    assert [t["p_adjusted"] > 0.05 for t in found if "voucher" not in t["words"]].count(False) == 0
    assert "voucher" in good("annotators", *P, cwd=tmp_path).out.split("contested items are about")[1]


def test_the_consensus_of_all_items_is_written(judged: Path) -> None:
    truth = {row: true for row, _, _, true in lines(400, seed=1)}
    given = {row: label for row, _, label, _ in lines(400, seed=1)}
    good("annotators", "--out", "c.csv", *P, cwd=judged)
    with (judged / "c.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert list(found[0]) == ["id", "dataset", "given", "consensus", "p_wrong", "votes"]
    assert len(found) == 380
    assert all(r["given"] == given[r["id"]] and r["dataset"] == "train" for r in found)
    assert sum(r["consensus"] == truth[r["id"]] for r in found) > 0.9 * len(found)
    expected = sum(float(r["p_wrong"]) for r in found)
    assert 0.3 * expected < sum(r["consensus"] != truth[r["id"]] for r in found) < 3 * expected + 5
    good("annotators", "--out", "c.jsonl", *P, cwd=judged)
    again = [json.loads(line) for line in (judged / "c.jsonl").read_text("utf-8").splitlines()]
    assert [r["id"] for r in again] == [r["id"] for r in found]
    assert sum(again[0]["votes"].values()) == 3
    assert tilth("annotators", "--out", "c.txt", *P, cwd=judged).code == 1
