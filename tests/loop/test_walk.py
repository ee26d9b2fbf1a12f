"""The walk of the design charter, section 4, through the real command line."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from loop_kit import HEADER, Run, finish, good, js, lines, start, tilth, write

from tilth.patch import Op, Patch, parse, render
from tilth.project import Project
from tilth.store import Store

TRUTH = {row[0]: row[3] for row in lines(400, seed=1)}


def head(folder: Path, project: str = "p", dataset: str = "train") -> str:
    return str(js("log", dataset, "--project", project, cwd=folder)["versions"][-1]["id"])


def read(path: Path) -> Patch:
    return parse(path.read_text("utf-8"))


def keep_lines(path: Path, wanted: Callable[[dict[str, Any]], bool]) -> int:
    """Edit a patch file as a person does: take lines out. Returns how many ops are left."""
    first, *ops = path.read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in ops if wanted(json.loads(line))]
    path.write_text("".join([first, *kept]), "utf-8")
    return len(kept)


def relabels(work: Path, labels: dict[str, str], title: str) -> Path:
    """A patch file that gives rows of the head of `p` these labels."""
    with Project(work / "p") as project:
        version = project.log()[-1]
        rows = {r.id: r for r in project.workspace.store.rows(version)}
        ops = tuple(
            Op(rows[i], type(rows[i])(i, rows[i].fields, label, rows[i].source))
            for i, label in labels.items()
            if i in rows and rows[i].label != label
        )
    path = work / "by-hand.jsonl"
    path.write_text(render(Patch("train", version.id, ops, title=title, author="me")), "utf-8")
    return path


def mended(count: int = 400) -> dict[str, str]:
    return dict(list(TRUTH.items())[:count])


def spoiled(share: float) -> dict[str, str]:
    rng = random.Random(3)
    classes = sorted(set(TRUTH.values()))
    return {i: rng.choice([c for c in classes if c != t]) for i, t in TRUTH.items() if rng.random() < share}


def test_one_row_with_a_wrong_label(work: Path) -> None:
    """Ingest, audit, propose, edit the patch file, trial, accept, log, diff, revert."""
    findings = js("audit", "--project", "p", cwd=work)["findings"]
    wrong = [f for f in findings if f["code"] == "TIL101"]
    assert wrong
    assert "P(wrong)" in wrong[0]["message"]
    proposals = js("propose", "--project", "p", cwd=work)
    relabel = next(p for p in proposals if "relabel" in p["ops"])
    assert relabel["state"] == "proposed"
    file = work / "fix.jsonl"
    good("patch", relabel["id"], "--out", file, "--project", "p", cwd=work)
    kept = keep_lines(file, lambda op: op["to"] == TRUTH[op["id"]])
    assert 0 < kept <= relabel["ops"]["relabel"]

    before = head(work)
    trial = tilth("trial", "--patch", file, "--json", "--project", "p", cwd=work)
    body = trial.json
    assert trial.code == {"better": 0, "no evidence": 3, "worse": 4}[body["verdict"]]
    assert body["ops"] == {"relabel": kept}
    version = js("accept", body["patch"][:6], "--project", "p", "--force", "seen by me", cwd=work)
    assert version["id"] == head(work) != before
    known = {p["id"]: p for p in js("patches", "--project", "p", cwd=work)}
    assert known[body["patch"]]["state"] == "accepted"
    assert known[relabel["id"]]["state"] == "stale"
    assert read(file).revises == relabel["id"]

    diff = js("diff", "train~1", "train", "--project", "p", "--limit", "1000", cwd=work)
    assert diff["counts"] == {"relabel": kept}
    assert all(op["to"] == TRUTH[op["id"]] for op in diff["ops"])
    good("revert", body["patch"], "--project", "p", cwd=work)
    assert head(work) == before
    assert {p["id"]: p["state"] for p in js("patches", "--project", "p", cwd=work)}[
        body["patch"]
    ] == "reverted"
    assert tilth("revert", body["patch"], "--project", "p", cwd=work).code == 1


@pytest.mark.parametrize(
    ("labels", "code", "words"),
    [(mended(), 0, "better"), (mended(12), 3, "no evidence"), (spoiled(0.6), 4, "worse")],
)
def test_exit_code_and_markdown_tell_the_verdict(
    work: Path, labels: dict[str, str], code: int, words: str
) -> None:
    file = relabels(work, labels, "by hand")
    run = tilth("trial", "--patch", file, "--markdown", "--project", "p", cwd=work)
    assert run.code == code
    assert words in run.out.splitlines()[0]
    assert "| metric | rows | before | after |" in run.out
    again = tilth("trial", "--patch", file, "--markdown", "--project", "p", cwd=work)
    assert again.out == run.out, "a trial is measured once"


def test_worse_is_not_accepted_without_a_reason(work: Path) -> None:
    file = relabels(work, spoiled(0.6), "spoil")
    assert tilth("trial", "--patch", file, "--project", "p", cwd=work).code == 4
    before = head(work)
    run = tilth("accept", "--patch", file, "--project", "p", cwd=work)
    assert run.code == 1
    assert "worse" in run.err
    assert "--force REASON" in run.err
    assert tilth("accept", "--patch", file, "--force", "  ", "--project", "p", cwd=work).code == 1
    assert head(work) == before


def test_not_measured_is_not_accepted_and_force_is_recorded(work: Path) -> None:
    patch = js("propose", "--project", "p", cwd=work)[0]["id"]
    run = tilth("accept", patch, "--project", "p", cwd=work)
    assert run.code == 1
    assert "was not measured" in run.err
    assert f"tilth trial {patch}" in run.err
    good("accept", patch, "--force", "the boss says so", "--author", "ann", "--project", "p", cwd=work)
    with Project(work / "p") as project:
        store = project.workspace.store
        assert store.patch_info(patch).meta["forced"] == "the boss says so"
        last = store.decisions(patch)[-1]
        assert (last.state, last.author) == ("accepted", "ann")
        assert "the boss says so" in last.reason
    again = tilth("accept", patch, "--force", "again", "--project", "p", cwd=work)
    assert again.code == 1
    assert "accepted already" in again.err


def test_stale_base_is_refused_and_rebased(work: Path) -> None:
    first = relabels(work, mended(100), "first")
    mine = read(first).id
    tilth("trial", "--patch", first, "--project", "p", cwd=work)
    second = relabels(work, dict(list(TRUTH.items())[200:]), "second")
    good("accept", "--patch", second, "--force", "I am faster", "--project", "p", cwd=work)
    run = tilth("accept", mine, "--project", "p", "--json", cwd=work)
    assert run.code == 1
    assert run.json["error"] == "HeadMoved"
    assert f"tilth rebase {mine}" in run.err
    new = js("rebase", mine, "--project", "p", cwd=work)
    assert new["base"] == head(work)
    states = {p["id"]: p["state"] for p in js("patches", "--project", "p", cwd=work)}
    assert states[mine] == "superseded"
    assert states[new["id"]] == "proposed"
    good("accept", new["id"], "--force", "both", "--project", "p", cwd=work)
    with Project(work / "p") as project:
        rows = project.workspace.store.rows(project.log()[-1])
        right = {r.id for r in rows if r.label == TRUTH[r.id]}
    assert set(list(TRUTH)[:100]) | set(list(TRUTH)[200:]) <= right


def test_rebase_onto_rows_that_changed_is_refused(work: Path) -> None:
    file = relabels(work, mended(), "mine")
    tilth("trial", "--patch", file, "--project", "p", cwd=work)
    mine = read(file).id
    other = relabels(work, spoiled(0.5), "theirs")
    good("accept", "--patch", other, "--force", "x", "--project", "p", cwd=work)
    run = tilth("rebase", mine, "--project", "p", "--json", cwd=work)
    assert (run.code, run.json["error"]) == (1, "StaleOp")


def test_improve_accepts_what_is_better_and_reports_on_rows_that_decided_nothing(done: Path) -> None:
    body = js("improve", "--project", "p", cwd=done)
    accepted = [p for p in body["patches"] if p["state"] == "accepted"]
    assert accepted
    assert all(p["verdict"] == "better" and p["low"] > 0 for p in accepted)
    assert body["gain"]["value"] > 0
    assert body["rows"]["eval_scored"] + body["rows"]["eval_leaked"] == 200
    assert "decided" in body["reported_on"]
    page = (done / "p" / "report.html").read_text("utf-8")
    assert accepted[0]["id"] in page


def test_improve_twice_does_nothing_twice(work: Path) -> None:
    began = time.process_time()
    first = js("improve", "--project", "p", cwd=work)
    middle = time.process_time()
    versions = js("log", "--project", "p", cwd=work)
    patches = js("patches", "--project", "p", cwd=work)
    second = js("improve", "train.csv", "--eval", "eval.csv", "--project", "p", cwd=work)
    end = time.process_time()
    assert second == first
    assert js("log", "--project", "p", cwd=work) == versions
    assert js("patches", "--project", "p", cwd=work) == patches
    assert end - middle < middle - began


def test_a_reverted_patch_is_not_accepted_again_behind_the_back_of_a_person(done: Path) -> None:
    accepted = [p for p in js("patches", "--project", "p", cwd=done) if p["state"] == "accepted"]
    mine = [p["id"] for p in accepted if not p["title"].startswith("Import")]
    for patch in reversed(mine):
        good("revert", patch, "--project", "p", cwd=done)
    body = js("improve", "--project", "p", cwd=done)
    assert mine[0] not in {p["id"] for p in body["patches"]}
    states = {p["id"]: p["state"] for p in js("patches", "--project", "p", cwd=done)}
    assert states[mine[0]] == "reverted"
    page = (done / "p" / "report.html").read_text("utf-8")
    assert body["version"][:12] in page


# interruptions


@pytest.fixture(scope="module")
def uninterrupted(originals: Path) -> str:
    return head(originals, "done")


def interrupted(work: Path, kind: signal.Signals, after: Callable[[Path], bool]) -> Run:
    """`improve` in a process of its own, stopped as soon as `after` holds, or at its end."""
    process = start("improve", "--project", "p", cwd=work)
    while process.poll() is None and not after(work / "p"):
        time.sleep(0.001)
    if process.poll() is None:
        os.killpg(process.pid, kind)
    return finish(process)


def records(project: Path, kind: str) -> int:
    """How many records of a kind there are, read beside the running process."""
    with sqlite3.connect(f"file:{project / 'data' / 'tilth.db'}?mode=ro", uri=True) as connection:
        query = "SELECT count(*) FROM record WHERE kind = ?"
        return int(connection.execute(query, (kind.encode(),)).fetchone()[0])


def versions(project: Path) -> int:
    with sqlite3.connect(f"file:{project / 'data' / 'tilth.db'}?mode=ro", uri=True) as connection:
        return int(connection.execute("SELECT count(*) FROM version").fetchone()[0])


MOMENTS: dict[str, Callable[[Path], bool]] = {
    "while it audits": lambda p: time.sleep(0.8) is None,
    "before the commit": lambda p: records(p, "run") > 0,
    "after the commit": lambda p: versions(p) > 2,
    "before the result": lambda p: records(p, "trial") > 2,
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_and_continued_is_uninterrupted(
    work: Path, uninterrupted: str, kind: signal.Signals, moment: str
) -> None:
    run = interrupted(work, kind, MOMENTS[moment])
    assert "Traceback" not in run.err or moment == "while it audits", run.err
    if run.code == 130:
        assert "nothing is lost" in run.err
    body = js("improve", "--project", "p", cwd=work)
    assert body["version"] == head(work) == uninterrupted
    states = Counter(p["state"] for p in body["patches"])
    assert states["accepted"] == 1
    with Project(work / "p") as project:
        assert project.workspace.store.verify() == []


class Stopped(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("write", range(1, 8))
def test_stopped_at_each_write_and_continued_is_uninterrupted(
    work: Path, uninterrupted: str, write: int, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same at exact places: each note that a run takes of itself, each commit, the result."""
    count = 0

    def stopping(name: str) -> None:
        real = getattr(Store, name)

        def stop(store: Store, *args: Any, **options: Any) -> Any:
            nonlocal count
            count += name == "commit" or args[0] in ("run", "result")
            if count == write and when == "before":
                raise Stopped
            result = real(store, *args, **options)
            if count == write:
                raise Stopped
            return result

        monkeypatch.setattr(Store, name, stop)

    stopping("put_record")
    stopping("commit")
    with Project(work / "p") as project, suppress(Stopped):
        project.improve()
    assert count >= write, "improve ended before"
    monkeypatch.undo()
    with Project(work / "p") as project:
        result = project.improve()
    assert result.body["version"] == uninterrupted
    assert result.body["start_version"] != uninterrupted
    assert len(result.accepted) == 1


def test_interrupted_again_and_again(work: Path, uninterrupted: str) -> None:
    rng = random.Random(5)
    for _ in range(4):
        process = start("improve", "--project", "p", cwd=work)
        time.sleep(rng.uniform(0.5, 2.5))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        finish(process)
    assert js("improve", "--project", "p", cwd=work)["version"] == uninterrupted


def test_two_at_once(work: Path, uninterrupted: str) -> None:
    """Two people start `improve`: one may be told that the other was faster; nothing is done twice."""
    runs = [finish(p) for p in [start("improve", "--project", "p", cwd=work) for _ in range(2)]]
    assert 0 in {r.code for r in runs}
    for run in runs:
        assert "Traceback" not in run.err
        assert run.code == 0 or "another process" in run.err
    assert js("improve", "--project", "p", cwd=work)["version"] == uninterrupted
    patches = [v["patch"] for v in js("log", "--project", "p", cwd=work)["versions"]]
    assert len(patches) == len(set(patches)) == 2
    with Project(work / "p") as project:
        assert project.workspace.store.verify() == []


def test_two_first_ingests_at_once(originals: Path, tmp_path: Path) -> None:
    shutil.copy(originals / "train.csv", tmp_path)
    runs = [
        finish(p) for p in [start("ingest", "train.csv", "--project", "new", cwd=tmp_path) for _ in range(2)]
    ]
    assert 0 in {r.code for r in runs}
    assert all("Traceback" not in r.err for r in runs)
    good("ingest", "train.csv", "--project", "new", cwd=tmp_path)
    status = js("status", "--project", "new", cwd=tmp_path)
    assert sum(d["rows"] for d in status["datasets"]) == 400


# the same file again, a changed file, a shuffled file


def test_unchanged_file_keeps_what_was_accepted(work: Path) -> None:
    file = relabels(work, mended(), "mend")
    good("accept", "--patch", file, "--force", "known", "--project", "p", cwd=work)
    after = head(work)
    counts = js("ingest", "train.csv", "--eval", "eval.csv", "--project", "p", cwd=work)
    assert not counts["train"]["changed"]
    assert head(work) == after
    # a file with the same rows and other bytes is read, and still nothing changed in it
    rows = lines(400, seed=1)
    write(work / "train.csv", rows[::-1])
    counts = js("ingest", "train.csv", "--project", "p", cwd=work)
    assert not counts["train"]["changed"]
    assert counts["train"]["unchanged"] == 400
    assert head(work) == after


def test_changed_file_becomes_relabels_edits_adds_and_drops(work: Path) -> None:
    rows = [list(row) for row in lines(400, seed=1)]
    for row in rows[:7]:
        row[2] = "login" if row[2] != "login" else "cards"
    for row in rows[10:15]:
        row[1] += " kindly"
    new = [(f"n{i}", f"{text} anew", label, "") for i, (_, text, label, _) in enumerate(lines(11, seed=9))]
    write(work / "train.csv", rows[:-3] + new)
    run = good("ingest", "train.csv", "--project", "p", cwd=work)
    for words in ("11 added", "7 relabelled", "5 edited", "3 dropped"):
        assert words in run.err
    diff = js("diff", "train~1", "train", "--project", "p", cwd=work)
    assert diff["counts"] == {"relabel": 7, "drop": 3, "add": 11, "edit": 5}
    good("revert", js("log", "--project", "p", cwd=work)["versions"][-1]["patch"], "--project", "p", cwd=work)
    assert head(work) == js("log", "--project", "p", cwd=work)["versions"][0]["id"]


def test_conflict_between_file_and_project_is_counted_and_the_file_wins(work: Path) -> None:
    wrong = next(row for row in lines(400, seed=1) if row[2] != row[3])
    file = relabels(work, {wrong[0]: wrong[3]}, "mend one")
    good("accept", "--patch", file, "--force", "known", "--project", "p", cwd=work)
    third = next(c for c in sorted(set(TRUTH.values())) if c not in wrong[2:])
    rows = [[i, t, third if i == wrong[0] else g] for i, t, g, _ in lines(400, seed=1)]
    write(work / "train.csv", rows)
    body = js("ingest", "train.csv", "--project", "p", cwd=work)
    assert (body["train"]["relabelled"], body["train"]["conflicts"]) == (1, 1)


def test_another_file_of_the_same_name_is_noticed(work: Path) -> None:
    (work / "march").mkdir()
    write(work / "march" / "train.csv", [(f"m{i}", *rest) for i, *rest in lines(60, seed=4)])
    run = good("ingest", "march/train.csv", "--project", "p", cwd=work)
    assert "400 dropped" in run.err
    undo = js("log", "--project", "p", cwd=work)["versions"][-1]["patch"]
    assert f"tilth revert {undo}" in " ".join(run.err.split())
    (work / "march" / "train.csv").rename(work / "march.csv")
    good("revert", undo, "--project", "p", cwd=work)
    body = js("ingest", "march.csv", "--project", "p", cwd=work)
    assert (body["train"]["added"], body["train"]["dropped"]) == (60, 0)


@pytest.mark.parametrize("header", [HEADER, HEADER[1:]], ids=["with ids", "without ids"])
def test_order_of_rows_and_columns_does_not_matter(tmp_path: Path, header: tuple[str, ...]) -> None:
    rows = [dict(zip(HEADER, row, strict=False)) for row in lines(300, seed=2)]
    ids = []
    for seed, names in enumerate((header, header[::-1])):
        random.Random(seed).shuffle(rows)
        write(tmp_path / f"{seed}.csv", [[r[n] for n in names] for r in rows], names)
        good("ingest", f"{seed}.csv", "--project", f"p{seed}", cwd=tmp_path)
        ids.append([head(tmp_path, f"p{seed}", name) for name in ("train", "eval")])
    assert ids[0] == ids[1]


@pytest.mark.parametrize("header", [HEADER, HEADER[1:]], ids=["with ids", "without ids"])
def test_copies_never_straddle_train_and_evaluation(tmp_path: Path, header: tuple[str, ...]) -> None:
    rows = lines(300, seed=6)
    copies = [(f"c{i}", f"  {text.upper()} ", label, "") for i, (_, text, label, _) in enumerate(rows[:80])]
    near = [(f"n{i}", f"{text} {text}x", label, "") for i, (_, text, label, _) in enumerate(rows[80:120])]
    skip = len(HEADER) - len(header)
    write(tmp_path / "data.csv", [row[skip:] for row in rows + copies + near], header)
    good("ingest", "data.csv", "--project", "p", cwd=tmp_path)
    later = [(f"l{i}", text.title(), label, "") for i, (_, text, label, _) in enumerate(rows[:200])]
    fresh = [(f"f{i}", f"{text} fresh", label, "") for i, (_, text, label, _) in enumerate(lines(9, seed=8))]
    write(tmp_path / "data.csv", [row[skip:] for row in rows + copies + near + later + fresh], header)
    good("ingest", "data.csv", "--project", "p", cwd=tmp_path)
    body = js("audit", "--code", "TIL203", "--project", "p", cwd=tmp_path)
    assert body["counts"]["TIL203"] == 0
    status = {d["name"]: d["rows"] for d in js("status", "--project", "p", cwd=tmp_path)["datasets"]}
    assert sum(status.values()) == 300 + 80 + 40 + 200 + 9
    assert 0.1 < status["eval"] / sum(status.values()) < 0.4


def test_a_row_that_judged_is_never_trained_on(tmp_path: Path) -> None:
    """A row that a person took out of the evaluation set does not come back as a training row."""
    rows = lines(300, seed=6)
    write(tmp_path / "data.csv", rows)
    good("ingest", "data.csv", "--project", "p", cwd=tmp_path)
    with Project(tmp_path / "p") as project:
        version = project.log("eval")[-1]
        gone = next(iter(project.workspace.store.rows(version)))
        project.accept(
            Patch("eval", version.id, (Op(gone, None),), title="no question at all"), reason="checked"
        )
    write(tmp_path / "data.csv", [*rows, ("new", "one more row", "cards", "")])
    good("ingest", "data.csv", "--project", "p", cwd=tmp_path)
    with Project(tmp_path / "p") as project:
        assert project.workspace.store.row("train", gone.id) is None
        assert project.workspace.store.row("eval", gone.id) is None
        assert project.workspace.store.row("train", "new") is not None


def test_evaluation_file_beside_a_split(tmp_path: Path) -> None:
    """Rows that were set apart stay apart when an evaluation file comes later."""
    rows = lines(300, seed=6)
    write(tmp_path / "data.csv", rows)
    write(tmp_path / "more.csv", [(f"e{i}", *rest) for i, *rest in lines(100, seed=77, wrong=0.0)])
    good("ingest", "data.csv", "--project", "p", cwd=tmp_path)
    apart = {d["name"]: d["rows"] for d in js("status", "--project", "p", cwd=tmp_path)["datasets"]}["eval"]
    write(tmp_path / "data.csv", [*rows, ("new", "one more row", "cards", "")])
    body = js("ingest", "data.csv", "--eval", "more.csv", "--project", "p", cwd=tmp_path)
    assert body["eval"]["added"] == 100
    assert (body["train"]["added"], body["train"]["dropped"]) == (1, 0)
    found = {d["name"]: d["rows"] for d in js("status", "--project", "p", cwd=tmp_path)["datasets"]}
    assert found == {"eval": apart + 100, "train": 301 - apart}


def test_a_patch_cannot_teach_the_rows_that_judge_it(work: Path) -> None:
    with Project(work / "p") as project:
        store = project.workspace.store
        version = project.log()[-1]
        judges = list(store.rows(project.log("eval")[-1]))
        ops = tuple(Op(None, type(r)(f"stolen {r.id}", r.fields, r.label)) for r in judges[:150])
        trial = project.trial(Patch("train", version.id, ops, title="learn the answers"))
    assert trial.effect.rows < 50
    assert any("have a copy in what the patch adds" in note for note in trial.notes)


# files out of the project, and back


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("ids", ["id", "none"])
def test_checkout_can_be_taken_in_again(tmp_path: Path, suffix: str, ids: str) -> None:
    odd = [
        ("", 'quotes "and" commas, too', "a"),
        ("", "two\nlines and a tab\t.", "a"),
        ("", "  blanks outside ", "b"),
        ("", "=1+1 ünïcödé 你好 🎈 \u2028 end", "b"),
        ("", "quotes again: '", "c"),
    ]
    rows = [(f"x{i}", text, label) for i, (_, text, label) in enumerate(odd)]
    rows += [(i, t, g) for i, t, g, _ in lines(120, seed=3)] + [("twin", rows[0][1], "c")]
    write(tmp_path / "data.csv", rows if ids == "id" else [r[1:] for r in rows], HEADER[ids == "none" :])
    good("ingest", "data.csv", "--project", "p", cwd=tmp_path)
    for name in ("train", "eval"):
        good("checkout", name, "--out", f"{name}.{suffix}", "--project", "p", cwd=tmp_path)
    # another project made of the files has the very same versions
    files = (f"train.{suffix}", "--eval", f"eval.{suffix}")
    good("ingest", *files, "--project", "q", cwd=tmp_path)
    for name in ("train", "eval"):
        assert head(tmp_path, "q", name) == head(tmp_path, "p", name)
    # and in the project itself nothing is new
    body = js("ingest", f"train.{suffix}", "--project", "p", cwd=tmp_path)
    assert not body["train"]["changed"]
    assert [p.name for p in tmp_path.glob("*.part")] == []


def test_checkout_of_an_old_version(work: Path) -> None:
    file = relabels(work, mended(), "mend")
    good("accept", "--patch", file, "--force", "known", "--project", "p", cwd=work)
    good("checkout", "train@1", "--out", "old.csv", "--project", "p", cwd=work)
    good("checkout", "train", "--out", "new.csv", "--project", "p", cwd=work)
    first = sorted((work / "old.csv").read_text().splitlines()[1:])
    assert first == sorted((work / "train.csv").read_text().splitlines()[1:])
    assert first != sorted((work / "new.csv").read_text().splitlines()[1:])


def test_columns_of_every_row_are_in_a_checkout(tmp_path: Path) -> None:
    body = [
        {"text": t, "label": g} | ({"channel": "mail"} if n else {})
        for n, (_, t, g, _) in enumerate(lines(60, 3))
    ]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, body)), "utf-8")
    good("ingest", "data.jsonl", "--project", "p", cwd=tmp_path)
    for suffix in ("csv", "parquet"):
        good("checkout", "train", "--out", f"out.{suffix}", "--project", "p", cwd=tmp_path)
        good("ingest", f"out.{suffix}", "--project", f"q-{suffix}", "--text", "text", cwd=tmp_path)
        row = js("patch", js("log", "--project", f"q-{suffix}", cwd=tmp_path)["versions"][0]["patch"],
                 "--project", f"q-{suffix}", cwd=tmp_path)["ops"]  # fmt: skip
        assert sum("channel" in op["after"]["fields"] for op in row) >= len(row) - 1


# reading beside others


def test_status_names_the_next_step(work: Path) -> None:
    assert js("status", "--project", "p", cwd=work)["next"] == "tilth improve"
    good("improve", "--project", "p", cwd=work)
    assert js("status", "--project", "p", cwd=work)["next"] == "tilth report"
    file = relabels(work, mended(), "mend")
    good("accept", "--patch", file, "--force", "known", "--project", "p", cwd=work)
    assert js("status", "--project", "p", cwd=work)["next"] == "tilth improve"


def test_the_only_project_here_is_meant(work: Path) -> None:
    assert js("status", cwd=work)["folder"] == "p"
    assert Path(js("status", cwd=work / "p" / "data")["folder"]) == work / "p"
    shutil.copytree(work / "p", work / "other")
    run = tilth("status", cwd=work)
    assert run.code == 1
    assert "other, p" in run.err
    assert "--project" in run.err


@pytest.mark.slow
def test_demo(tmp_path: Path) -> None:
    """What `make demo` runs, in a process of its own."""
    make = (Path(__file__).parents[2] / "Makefile").read_text("utf-8")
    assert "tilth improve tickets.csv --eval tickets_eval.csv --label queue --id ticket" in make
    assert finish(start("example", "demo", cwd=tmp_path)).code == 0
    argv = ["improve", "tickets.csv", "--eval", "tickets_eval.csv", "--label", "queue", "--id", "ticket"]
    run = finish(start(*argv, cwd=tmp_path / "demo"))
    assert run.code == 0, run.err
    assert "training rows" in run.out
    assert "Traceback" not in run.err
    assert (tmp_path / "demo" / "tickets" / "report.html").is_file()
    body = js("improve", cwd=tmp_path / "demo")
    assert any(p["state"] == "accepted" for p in body["patches"])


def test_output_goes_through_a_closed_pipe(work: Path) -> None:
    process = start("patches", "--project", "p", cwd=work)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    assert process.wait(60) in (0, 1)
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()


def test_ascii_terminal(work: Path) -> None:
    argv = [sys.executable, "-m", "tilth.cli", "status", "--project", "p"]
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    found = subprocess.run(argv, cwd=work, env=ascii_only, capture_output=True, check=True)
    assert found.stdout.isascii()
