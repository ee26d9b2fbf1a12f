"""What people do wrong: each mistake ends in exit code 1 (2 for usage), a cause, a way out, and no trace."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest
from loop_kit import HEADER, Run, finish, good, js, lines, start, tilth, write

from tilth.errors import ProjectBusy
from tilth.project import Project
from tilth.store import Store

ROWS = lines(120, seed=3)


def refused(run: Run, *words: str, code: int = 1) -> None:
    """The command failed as it should: with these words, without a traceback."""
    assert run.code == code, run
    assert "Traceback" not in run.err
    assert run.err.splitlines()[-1].strip(), "no message"
    for word in words:
        assert word in " ".join(run.err.split()), f"{word!r} is not in:\n{run.err}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a sound file a.csv."""
    write(tmp_path / "a.csv", ROWS)
    return tmp_path


def changed(index: int, column: int, value: str) -> list[list[str]]:
    rows = [list(row) for row in ROWS]
    rows[index][column] = value
    return rows


# files


def broken(folder: Path) -> Path:
    """Bad rows of three kinds in lines 6, 10 and 21."""
    found = (folder / "a.csv").read_text().splitlines()
    found[5] += ",extra"
    found[9] = 'r008,"a quote that stays open,login'
    found[20] = "r019"
    path = folder / "bad.csv"
    path.write_text("\n".join(found))
    return path


def recoded(name: str, encoding: str) -> Callable[[Path], Path]:
    rows = [(i, f"{text} café über", label) for i, text, label, _ in ROWS]
    return lambda folder: write(folder / name, rows, encoding=encoding)


def content(name: str, body: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(body)
        return folder / name

    return make


def table(name: str, rows: list[tuple[str, ...]], header: tuple[str, ...] = HEADER) -> Callable[[Path], Path]:
    return lambda folder: write(folder / name, rows, header)


FILES: dict[str, tuple[Callable[[Path], Path | str], list[str], list[str]]] = {
    "missing": (lambda f: f / "a.cvs", [], ["does not exist", "did you mean 'a.csv'"]),
    "folder": (lambda f: f, [], ["is a folder", "give one of its files"]),
    "empty": (content("e.csv", b""), [], ["is empty"]),
    "blank lines": (content("e.csv", b"\n\n \n"), [], ["no header"]),
    "header only": (table("h.csv", []), [], ["h.csv has no rows"]),
    "picture": (content("p.csv", bytes(range(256)) * 9), [], ["binary data", "give a CSV"]),
    "workbook": (content("w.xlsx", b"PK\x03\x04" + bytes(99)), [], ["save the sheet as CSV"]),
    "address": (lambda f: "http://host/data.csv", [], ["download it first"]),
    "wrong label": (lambda f: f / "a.csv", ["--label", "lable"], ["did you mean 'label'?"]),
    "wrong text": (lambda f: f / "a.csv", ["--text", "txt"], ["did you mean 'text'?"]),
    "wrong id": (lambda f: f / "a.csv", ["--id", "ident"], ["did you mean 'id'?"]),
    "two meanings": (
        lambda f: f / "a.csv",
        ["--text", "text", "--label", "text"],
        ["two different columns"],
    ),
    "no label": (table("t.csv", [r[1:2] for r in ROWS], ("text",)), [], ["--label COLUMN", "'text'"]),
    "one class": (table("one.csv", [(*r[:2], "x") for r in ROWS]), [], ["every label is 'x'", "--label"]),
    "unique labels": (
        table("u.csv", [(*r[:2], f"x{r[0]}") for r in ROWS]),
        ["--label", "label"],
        ["120 labels are all different", "--label"],
    ),
    "some unlabelled": (
        lambda f: write(f / "s.csv", changed(7, 2, "")),
        [],
        ["s.csv:9: column 'label': missing label", "--allow-unlabelled"],
    ),
    "all unlabelled": (
        table("n.csv", [(*r[:2], "") for r in ROWS]),
        ["--allow-unlabelled", "--label", "label"],
        ["none of the 120 rows has a label"],
    ),
    "empty text": (
        lambda f: write(f / "s.csv", changed(3, 1, " ")),
        [],
        ["s.csv:5: column 'text': empty text"],
    ),
    "same id twice": (
        lambda f: write(f / "s.csv", changed(5, 0, "r001")),
        ["--id", "id"],
        ["s.csv:7: column 'id': the id of line 3 once more", "--id none"],
    ),
    "bad rows": (broken, [], ["bad.csv:6:", "bad.csv:10:", "bad.csv:21:", "--skip-bad"]),
    "cp1252": (recoded("c.csv", "cp1252"), [], ["c.csv:2:", "--encoding cp1252"]),
    "utf-16 without mark": (recoded("c.csv", "utf-16-le"), [], ["--encoding utf-16-le"]),
    "unknown encoding": (lambda f: f / "a.csv", ["--encoding", "klingon"], ["unknown encoding 'klingon'"]),
    "wrong encoding": (lambda f: f / "a.csv", ["--encoding", "utf-16"], ["--text"]),
    "unknown recipe": (
        lambda f: f / "a.csv",
        ["--recipe", "text-liner.v1"],
        ["did you mean 'text-linear.v1'?"],
    ),
    "missing eval": (lambda f: f / "a.csv", ["--eval", "b.csv"], ["b.csv does not exist"]),
    "eval is train": (lambda f: f / "a.csv", ["--eval", "a.csv"], ["the file to train on"]),
}


@pytest.mark.parametrize("mistake", FILES)
@pytest.mark.parametrize("verb", ["ingest", "improve"])
def test_file_that_cannot_be_used_leaves_nothing(folder: Path, mistake: str, verb: str) -> None:
    make, options, words = FILES[mistake]
    file = make(folder)
    before = sorted(folder.rglob("*"))
    refused(tilth(verb, file, *options, "--project", "p", cwd=folder), *words)
    assert sorted(folder.rglob("*")) == before
    run = tilth(verb, file, *options, "--project", "p", "--json", cwd=folder)
    assert run.code == 1
    assert run.json["message"]
    # and the mistake can be mended with the same project name
    good("ingest", "a.csv", "--project", "p", cwd=folder)


@pytest.mark.parametrize(
    ("rows", "header", "words"),
    [
        ([], HEADER, "no row with a label"),
        ([(i, t, "other") for i, t, *_ in ROWS], HEADER, "none of the labels"),
        ([r[1:2] for r in ROWS], ("text",), "no column 'label'"),
    ],
)
def test_evaluation_file_that_cannot_judge(
    folder: Path, rows: list[tuple[str, ...]], header: tuple[str, ...], words: str
) -> None:
    write(folder / "e.csv", rows, header)
    refused(tilth("ingest", "a.csv", "--eval", "e.csv", "--project", "p", cwd=folder), words, "e.csv")
    assert not (folder / "p").exists()


@pytest.mark.parametrize(("encoding", "options"), [("utf-8-sig", []), ("utf-16", []), ("cp1252", ["cp1252"])])
def test_encodings_give_the_same_rows(folder: Path, encoding: str, options: list[str]) -> None:
    recoded("plain.csv", "utf-8")(folder)
    recoded("coded.csv", encoding)(folder)
    ids = []
    for name, more in (("plain", []), ("coded", [x for o in options for x in ("--encoding", o)])):
        good("ingest", f"{name}.csv", *more, "--project", name, cwd=folder)
        ids.append(js("log", "--project", name, cwd=folder)["versions"][-1]["id"])
    assert ids[0] == ids[1]


def test_skip_bad_sets_rows_aside(folder: Path) -> None:
    broken(folder)
    run = good("ingest", "bad.csv", "--skip-bad", "--project", "p", cwd=folder)
    assert "3 rows set aside" in run.err
    found = (folder / "p" / "data" / "bad-rows.jsonl").read_text().splitlines()
    assert [json.loads(line)["line"] for line in found] == [6, 10, 21]
    rows = sum(d["rows"] for d in js("status", "--project", "p", cwd=folder)["datasets"])
    assert rows == len(ROWS) - 3


def test_skip_bad_then_allow_unlabelled_takes_the_rest(folder: Path) -> None:
    write(folder / "s.csv", changed(7, 2, ""))
    good("ingest", "s.csv", "--skip-bad", "--project", "p", cwd=folder)
    body = js("ingest", "s.csv", "--allow-unlabelled", "--project", "p", cwd=folder)
    assert body["train"]["added"] == 1


def test_repeated_ids_are_found_before_anything_is_written(folder: Path) -> None:
    good("ingest", "a.csv", "--project", "p", cwd=folder)
    before = js("log", "--project", "p", cwd=folder)
    write(folder / "a.csv", changed(5, 0, "r001"))
    refused(tilth("ingest", "a.csv", "--project", "p", cwd=folder), "a.csv:7:", "once more")
    assert js("log", "--project", "p", cwd=folder) == before


def test_few_rows_are_no_mistake(folder: Path) -> None:
    for count in (2, 5, 30):
        chosen = [row for row in ROWS if row[2] in ("cards", "login")][:count]
        write(folder / "few.csv", chosen)
        labels = {row[2] for row in chosen}
        run = tilth("improve", "few.csv", "--project", f"p{count}", cwd=folder)
        if len(labels) > 1:
            assert run.code == 0, run
            assert "too few rows for an evaluation set" in run.err
        else:
            refused(run, "every label is")


# options and projects


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["improv"],
        ["ingest"],
        ["trial"],
        ["trial", "abcd", "--patch", "f"],
        ["trial", "abcd", "--markdown", "--json"],
        ["accept"],
        ["reject", "abcd"],
        ["checkout", "train"],
        ["diff", "train"],
        ["diff", "a", "b", "--limit", "-1"],
        ["audit", "--limit", "many"],
        ["patches", "--state", "lost"],
        ["improve", "--label", "x"],
        ["ingest", "a.csv", "--colour"],
        ["relabel", "--fdr", "2"],
        ["annotators", "--item", "x"],
        ["guide", "--save", "--history"],
        ["guide", "--diff", "1", "2", "3"],
        ["slices", "--floor", "0.8"],
        ["curve", "--worth", "much"],
        ["duplicates", "--threshold", "near"],
        ["example", "demo", "--project", "p"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_code_2(folder: Path, argv: list[str]) -> None:
    run = tilth(*argv, cwd=folder)
    refused(run, "usage: tilth", code=2)


def test_missing_encoder_names_the_pip_line(folder: Path) -> None:
    pytest.importorskip("tilth")
    try:
        import onnxruntime  # noqa: F401
    except ImportError:
        run = tilth("improve", "a.csv", "--recipe", "text-embed.v1", "--project", "p", cwd=folder)
        refused(run, "pip install")
        assert not (folder / "p").exists()
    else:
        pytest.skip("onnxruntime is installed")


def test_options_that_contradict_the_project_are_not_passed_over(folder: Path) -> None:
    good("ingest", "a.csv", "--project", "p", cwd=folder)
    for option, value in (
        ("--label", "id"),
        ("--text", "label"),
        ("--id", "none"),
        ("--recipe", "text-embed.v1"),
        ("--encoder", "mine"),
    ):
        run = tilth("ingest", "a.csv", option, value, "--project", "p", cwd=folder)
        refused(run, f"{option} {value}", "--project")
    same = ("--label", "label", "--text", "text", "--id", "id", "--recipe", "text-linear.v1")
    good("ingest", "a.csv", *same, "--project", "p", cwd=folder)


@pytest.mark.parametrize("verb", ["ingest", "improve"])
def test_foreign_folder_is_left_alone(folder: Path, verb: str) -> None:
    (folder / "mine").mkdir()
    (folder / "mine" / "thesis.tex").write_text("years of work")
    refused(tilth(verb, "a.csv", "--project", "mine", cwd=folder), "thesis.tex", "--project")
    assert [p.name for p in (folder / "mine").iterdir()] == ["thesis.tex"]
    refused(tilth(verb, "a.csv", "--project", "a.csv", cwd=folder), "--project")
    # the default folder is named after the file
    (folder / "a").mkdir()
    (folder / "a" / "note").touch()
    refused(tilth(verb, "a.csv", cwd=folder), "note", "--project")


READERS = [
    ["status"],
    ["audit"],
    ["propose"],
    ["patches"],
    ["improve"],
    ["patch", "abcd"],
    ["trial", "abcd"],
    ["accept", "abcd"],
    ["reject", "abcd", "--reason", "x"],
    ["revert", "abcd"],
    ["rebase", "abcd"],
    ["log"],
    ["diff", "train", "train"],
    ["checkout", "train", "--out", "x.csv"],
    ["report"],
]
NEWER = [
    ["sample"], ["verdict"], ["relabel"], ["annotators"], ["guide"], ["guide", "--draft"], ["plan"],
    ["ledger"], ["slices"], ["confusions"], ["duplicates"], ["curve"],
]  # fmt: skip


@pytest.mark.parametrize("argv", [*READERS, *NEWER], ids=" ".join)
def test_no_project_here(folder: Path, argv: list[str]) -> None:
    refused(tilth(*argv, cwd=folder), "no Tilth project in", "tilth ingest FILE")
    assert [p.name for p in folder.iterdir()] == ["a.csv"]


@pytest.mark.parametrize("argv", READERS[5:], ids=" ".join)
def test_unknown_patch_or_version(work: Path, argv: list[str]) -> None:
    if argv[0] in ("log", "diff", "checkout", "report"):
        argv = {"log": ["log", "trian"], "diff": ["diff", "train", "train@9"]}.get(argv[0], argv)
        argv = ["checkout", "trian", "--out", "x.csv"] if argv[0] == "checkout" else argv
        words = {"report": "run: tilth improve"}.get(argv[0], "train")
    else:
        words = "no patch whose id starts with 'abcd'"
    before = sorted(p for p in work.rglob("*") if "tilth.db-" not in p.name)
    refused(tilth(*argv, "--project", "p", cwd=work), words)
    assert sorted(p for p in work.rglob("*") if "tilth.db-" not in p.name) == before


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["audit", "--code", "TIL999"], "TIL101"),
        (["diff", "train", "eval"], "one data set"),
        (["checkout", "train", "--out", "x.xlsx"], ".jsonl"),
        (["checkout", "train", "--out", "no/such/x.csv"], "check that the folder exists"),
        (["patch", "PATCH", "--out", "no/such/x.jsonl"], "check that the folder exists"),
        (["patch", "PATCH", "--out", "p"], "cannot write p"),
        (["revert", "PATCH"], "not accepted"),
        (["patch", "ab"], "4 or more characters"),
        (["example", "train.csv"], "cannot write into train.csv"),
        (["sample", "--n", "0"], "ask for one at least"),
        (["sample", "--out", "x.xlsx"], ".csv or .jsonl"),
        (["sample", "--out", "no/such/x.csv"], "check that the folder exists"),
        (["verdict", "train.csv"], "train.csv:1: no column 'verdict'"),
        (["verdict", "nothing.csv"], "check the path"),
        (["relabel", "--revises", "abcd"], "see `tilth patches`"),
        (["annotators"], "tilth annotators FILE"),
        (["annotators", "nothing.csv"], "nothing.csv does not exist"),
        (["annotators", "train.csv"], "--annotator COLUMN"),
        (["guide", "--save"], "tilth guide --draft"),
        (["guide", "--diff", "7"], "no version 7"),
        (["plan", "--out", "x.xlsx"], ".csv or .jsonl"),
        (["curve", "--class", "biling"], "did you mean 'billing'?"),
        (["slices", "--keep", "nobody"], "See: tilth slices"),
        (["duplicates", "--threshold", "2"], "above 0 and up to 1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_arguments_that_cannot_be(work: Path, argv: list[str], words: str) -> None:
    patch = js("propose", "--project", "p", cwd=work)[0]["id"]
    project = [] if argv[0] == "example" else ["--project", "p"]
    refused(tilth(*[patch if a == "PATCH" else a for a in argv], *project, cwd=work), words)
    assert list(work.glob("**/*.part")) == []
    assert not list(work.glob("x.*"))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            'metric = "accuracy"',
            'metrc = "accuracy"',
            "tilth.toml [goal]: unknown key 'metrc'; did you mean 'metric'?",
        ),
        ('metric = "accuracy"', 'metric = "acuracy"', "balanced_accuracy"),
        ('metric = "accuracy"', "metric = 3", "expected a text, found 3"),
        ('metric = "accuracy"', 'metric = "accuracy', "line"),
        ("[goal]", "[gaol]", "did you mean 'goal'?"),
        ("relabel = 0.25", "relabel = -1", "from 0 up"),
        ("relabel = 0.25", "relabel = true", "expected a number"),
        ('origin = "file"', 'origin = "fiel"', "split"),
        ('name = "taken"', "name = 7", "expected a text"),
        ('text = "text"', 'text = "txt"', "did you mean 'text'?"),
        ('name = "text-linear.v1"', 'name = "text-linear.v9"', "did you mean 'text-linear.v1'?"),
    ],
)
def test_mistake_in_tilth_toml(work: Path, old: str, new: str, words: str) -> None:
    path = work / "p" / "tilth.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    refused(tilth("audit", "--project", "p", cwd=work), words)
    path.write_text(text, "utf-8")
    good("status", "--project", "p", cwd=work)


def test_store_that_is_gone_or_damaged(work: Path) -> None:
    store = work / "p" / "data" / "tilth.db"
    store.write_bytes(b"this is no database, but long enough to be looked at " * 40)
    refused(tilth("status", "--project", "p", cwd=work), "tilth.db", "backup")
    shutil.rmtree(store.parent)
    refused(tilth("status", "--project", "p", cwd=work), "data/tilth.db", "tilth ingest FILE")


def test_all_rows_gone(work: Path) -> None:
    """An empty or unlabelled training set is said, not computed on (it took all memory once)."""
    first = js("log", "--project", "p", cwd=work)["versions"][0]["patch"]
    good("revert", first, "--project", "p", cwd=work)
    for verb in ("improve", "audit", "propose"):
        refused(tilth(verb, "--project", "p", cwd=work), "nothing to learn from", "tilth ingest FILE")


def test_draw_that_could_not_be_written_is_not_on_record(work: Path) -> None:
    refused(tilth("sample", "--out", "no/such/x.csv", "--project", "p", cwd=work), "check that the folder")
    with Project(work / "p") as project:
        assert project.workspace.store.records("draw") == []
        good("sample", "--out", "x.csv", "--project", "p", cwd=work)
        assert len(project.workspace.store.records("draw")) == 1


UNLEARNT = {"sample", "verdict", "relabel", "plan", "slices", "confusions", "curve", "audit", "improve"}
"""Verbs that need labels to learn from."""


@pytest.mark.parametrize("state", ["no rows", "no labels", "one class", "five rows"])
def test_every_verb_on_a_project_with_little_in_it(folder: Path, state: str) -> None:
    """Each verb does its work, or says what is missing and what to do: never a trace, never a number."""
    rows = [row for row in ROWS if row[2] in ("cards", "login")][:5] if state == "five rows" else ROWS
    write(folder / "rows.csv", rows)
    good("ingest", "rows.csv", "--project", "p", cwd=folder)
    if state == "no rows":
        first = js("log", "--project", "p", cwd=folder)["versions"][0]["patch"]
        good("revert", first, "--project", "p", cwd=folder)
    elif state != "five rows":
        relabel_all(folder, "cards" if state == "one class" else None)
    verbs = [["audit"], *NEWER, ["propose"], ["plan", "--out", "x.csv"], ["status"], ["improve"]]
    for argv in verbs:
        run = tilth(*argv, "--project", "p", "--json", cwd=folder)
        assert "Traceback" not in run.err
        if run.code == 0:
            assert run.json is not None  # without NaN or Infinity: `out` would have refused them
            assert tilth(*argv, "--project", "p", cwd=folder).out.strip(), argv
            continue
        take = "tilth annotators FILE"
        words = {"curve": "Collect more", "guide": take, "plan": "see: tilth plan"}
        if state in ("no rows", "no labels"):
            words = {}
        refused(run, ({"annotators": take} | words).get(argv[0], "nothing to learn from"))
    if state in ("no rows", "no labels"):
        for verb in sorted(UNLEARNT):
            refused(tilth(verb, "--project", "p", cwd=folder), "nothing to learn from", "tilth ingest FILE")


def relabel_all(folder: Path, label: str | None) -> None:
    """Every row of train gets this label, by a patch that is accepted."""
    good("propose", "--project", "p", cwd=folder)
    patch = js("patches", "--state", "proposed", "--project", "p", cwd=folder)[0]["id"]
    good("patch", patch, "--out", "f.jsonl", "--project", "p", cwd=folder)
    good("checkout", "train", "--out", "rows.jsonl", "--project", "p", cwd=folder)
    header = (folder / "f.jsonl").read_text("utf-8").splitlines()[0]
    ops = [
        {"op": "relabel", "id": r.pop("id"), "from": r.pop("label"), "to": label, "fields": r}
        for r in map(json.loads, (folder / "rows.jsonl").read_text("utf-8").splitlines())
        if r["label"] != label
    ]
    (folder / "f.jsonl").write_text("\n".join([header, *map(json.dumps, ops)]), "utf-8")
    good("accept", "--patch", "f.jsonl", "--force", "a test", "--project", "p", cwd=folder)


# patch files


def spoil(line: int, change: Callable[[dict[str, object]], object]) -> Callable[[list[str]], list[str]]:
    def edit(found: list[str]) -> list[str]:
        body = json.loads(found[line - 1])
        found[line - 1] = json.dumps(change(body))
        return found

    return edit


PATCHES: dict[str, tuple[Callable[[list[str]], list[str]], list[str]]] = {
    "not JSON": (lambda f: [*f[:2], "{oops", *f[3:]], ["f.jsonl:3", "not JSON"]),
    "no object": (lambda f: [*f[:2], "[1]", *f[3:]], ["f.jsonl:3", "JSON object"]),
    "unknown op": (spoil(3, lambda b: b | {"op": "relable"}), ["f.jsonl:3", "unknown op 'relable'"]),
    "label is a number": (spoil(3, lambda b: b | {"to": 5}), ["f.jsonl:3", "a label is a text"]),
    "no header": (lambda f: f[1:], ["f.jsonl:1", "tilth_patch"]),
    "empty": (lambda f: [], ["empty"]),
    "no ops": (lambda f: f[:1], ["no ops"]),
    "twice the same row": (lambda f: [*f, f[2]], ["keep one op for each row"]),
    "empty label": (spoil(3, lambda b: b | {"to": ""}), ["must not be empty"]),
    "other label before": (spoil(3, lambda b: b | {"from": "x"}), ["expects label 'x'"]),
    "no such row": (spoil(3, lambda b: b | {"id": "nobody"}), ["'nobody'"]),
    "other project": (spoil(1, lambda b: b | {"base": "0" * 20}), ["not in this project"]),
    "other data set": (spoil(1, lambda b: b | {"dataset": "trian"}), ["'trian'", "not in this project"]),
    "from nothing": (spoil(1, lambda b: b | {"base": ""}), ["train"]),
}


@pytest.mark.parametrize("mistake", PATCHES)
def test_bad_patch_file_is_not_put_on_record(work: Path, mistake: str) -> None:
    edit, words = PATCHES[mistake]
    proposals = js("propose", "--project", "p", cwd=work)
    patch = next(p["id"] for p in proposals if "relabel" in p["ops"])
    good("patch", patch, "--out", "f.jsonl", "--project", "p", cwd=work)
    found = edit((work / "f.jsonl").read_text("utf-8").splitlines())
    (work / "f.jsonl").write_text("\n".join(found), "utf-8")
    before = js("patches", "--project", "p", cwd=work)
    refused(tilth("trial", "--patch", "f.jsonl", "--project", "p", cwd=work), *words)
    refused(tilth("accept", "--patch", "f.jsonl", "--force", "x", "--project", "p", cwd=work), *words)
    assert js("patches", "--project", "p", cwd=work) == before
    assert len(js("log", "--project", "p", cwd=work)["versions"]) == 1


def test_patch_file_from_a_windows_editor(work: Path) -> None:
    patch = js("propose", "--project", "p", cwd=work)[0]["id"]
    good("patch", patch, "--out", "f.jsonl", "--project", "p", cwd=work)
    text = (work / "f.jsonl").read_text("utf-8").replace("\n", "\r\n")
    (work / "f.jsonl").write_text(text, "utf-8-sig", newline="")
    run = tilth("trial", "--patch", "f.jsonl", "--project", "p", "--json", cwd=work)
    assert run.json["patch"] == patch


def test_wrong_file_for_a_patch(work: Path) -> None:
    refused(tilth("trial", "--patch", "train.csv", "--project", "p", cwd=work), "train.csv:1", "not JSON")
    refused(tilth("trial", "--patch", "nothing.jsonl", "--project", "p", cwd=work), "nothing.jsonl")
    refused(tilth("trial", "--patch", "p", "--project", "p", cwd=work), "cannot read p")
    (work / "latin").write_bytes("é".encode("latin-1"))
    refused(tilth("trial", "--patch", "latin", "--project", "p", cwd=work), "UTF-8")


def test_misspelled_label_in_a_patch_is_noticed(work: Path) -> None:
    patch = next(p for p in js("propose", "--project", "p", cwd=work) if "relabel" in p["ops"])["id"]
    good("patch", patch, "--out", "f.jsonl", "--project", "p", cwd=work)
    found = spoil(2, lambda b: b | {"to": "biling"})((work / "f.jsonl").read_text("utf-8").splitlines())
    (work / "f.jsonl").write_text("\n".join(found), "utf-8")
    run = tilth("trial", "--patch", "f.jsonl", "--project", "p", cwd=work)
    assert "'biling' (did you mean 'billing'?)" in " ".join(run.err.split())


# folders that cannot be written, full disks, other processes


def votes(folder: Path) -> None:
    """Judgements of two people in votes.csv."""
    said = [(r[0], name, r[2]) for r in ROWS[:20] for name in ("ann", "bob")]
    write(folder / "votes.csv", said, ("item", "annotator", "label"))


@pytest.fixture
def shared(originals: Path) -> Iterator[Path]:
    """A folder that another user may read: pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp())
    shutil.copy(originals / "train.csv", folder)
    votes(folder)
    shutil.copytree(originals / "done", folder / "p")
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755)
    shutil.rmtree(folder)


def as_nobody(*argv: object, cwd: Path) -> Run:
    """The command as a user who owns nothing; root may write everywhere."""
    read, out = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.chdir(cwd)
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            run = tilth(*argv, cwd=cwd)
            os.write(out, json.dumps([run.code, run.out[-2000:], run.err[-2000:]]).encode())
        finally:
            os._exit(0)
    os.close(out)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    assert text, "the command ended with an exception"
    return Run(*json.loads(text))


READ_ONLY = [
    ["ingest", "train.csv", "--project", "p"],
    ["ingest", "train.csv", "--project", "new"],
    ["improve", "--project", "p"],
    ["audit", "--project", "p"],
    ["checkout", "train", "--out", "x.csv", "--project", "p"],
    ["report", "--project", "p"],
    ["sample", "--project", "p"],
    ["annotators", "votes.csv", "--project", "p"],
    ["plan", "--out", "x.csv", "--project", "p"],
    ["slices", "--project", "p"],
    ["curve", "--project", "p"],
    ["duplicates", "--threshold", "0.9", "--project", "p"],
    ["example", "demo"],
]


def test_read_only_folder(shared: Path, done: Path) -> None:
    votes(done)
    for argv in READ_ONLY[2:]:
        good(*argv, cwd=done)  # all modules are loaded before the user changes
    for argv in READ_ONLY:
        refused(as_nobody(*argv, cwd=shared), "cannot", "project" if argv[0] != "example" else "denied")
    assert sorted(p.name for p in shared.iterdir()) == ["p", "train.csv", "votes.csv"]


def test_folder_that_cannot_even_be_looked_into(shared: Path, done: Path) -> None:
    good("status", "--project", "p", cwd=done)
    for closed in (shared / "p", shared / "p" / "data", shared / "p" / "tilth.toml", shared / "train.csv"):
        mode = closed.stat().st_mode
        closed.chmod(0)
        argv = ["ingest", "train.csv", "--project", "new"] if closed.name == "train.csv" else ["status"]
        refused(as_nobody(*argv, *([] if argv[1:] else ["--project", "p"]), cwd=shared), "permission")
        closed.chmod(mode)


def limited(size: int) -> Callable[[], None]:
    """No file may grow beyond this size: what a full disk or a quota looks like to a program."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def test_full_disk(folder: Path) -> None:
    for size in (30_000, 90_000):
        run = finish(start("ingest", "a.csv", "--project", "p", cwd=folder, preexec_fn=limited(size)))
        refused(run, "disk is full", "repeat the command")
    good("ingest", "a.csv", "--project", "p", cwd=folder)
    assert sum(d["rows"] for d in js("status", "--project", "p", cwd=folder)["datasets"]) == len(ROWS)


def test_full_disk_keeps_the_old_file(work: Path) -> None:
    out = work / "x.jsonl"
    out.write_text("what was here before")
    # the store is open for reading; it is a file of its own that cannot grow
    limit = (work / "p" / "data" / "tilth.db").stat().st_size
    big = work / "big.csv"
    write(big, [(f"b{i}", text * 9, label) for i, (_, text, label, _) in enumerate(lines(2000, seed=8))])
    good("ingest", "big.csv", "--project", "p", cwd=work)
    argv = ["checkout", "train", "--out", "x.jsonl", "--project", "p"]
    run = finish(start(*argv, cwd=work, preexec_fn=limited(max(limit, 200_000))))
    refused(run, "cannot write")
    assert out.read_text() == "what was here before"
    assert sorted(work.glob("*.part")) == []


def test_while_another_process_writes(work: Path) -> None:
    """Readers go on, writers wait; who waits too long is told so."""
    patch = js("propose", "--project", "p", cwd=work)[0]["id"]
    with sqlite3.connect(work / "p" / "data" / "tilth.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        for argv in (["status"], ["log"], ["patches"], ["patch", patch], ["diff", "train", "train"]):
            good(*argv, "--project", "p", cwd=work)
        with (
            Store.open(work / "p", wait=0.1) as store,
            pytest.raises(ProjectBusy, match="repeat the command"),
        ):
            store.put_record("note", "x", {}, now="")
        waiting = start("reject", patch, "--reason", "no", "--project", "p", cwd=work)
        time.sleep(1.5)
        assert waiting.poll() is None
        other.execute("COMMIT")
    assert finish(waiting).code == 0


def test_interrupted_ingest_says_so_and_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C at an exact place: when 10,000 of the rows are on their way into the store."""
    write(folder / "big.csv", [(f"b{i}", t, g) for i, (_, t, g, _) in enumerate(lines(30_000, seed=8))])
    seen = 0

    @contextmanager
    def interrupting() -> Iterator[Callable[[str, int, int], None]]:
        def bar(step: str, done: int, total: int) -> None:
            nonlocal seen
            seen += step == "taking in train rows"
            if seen == 2:
                signal.raise_signal(signal.SIGINT)

        yield bar

    # a shell starts background jobs deaf to Ctrl-C, and this test may be one
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(import_module("tilth.cli.console"), "progress_bars", interrupting)
            run = tilth("ingest", "big.csv", "--project", "p", cwd=folder)
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == 2
    assert run.code == 130, run
    assert "nothing is lost" in run.err
    assert "Traceback" not in run.err
    good("ingest", "big.csv", "--project", "p", cwd=folder)
    assert sum(d["rows"] for d in js("status", "--project", "p", cwd=folder)["datasets"]) == 30_000


def test_delimiter_that_is_not_guessed(folder: Path) -> None:
    text = "\n".join(";".join(row) for row in [HEADER, *[r[:3] for r in ROWS]])
    (folder / "d.csv").write_text(text.replace(";", "~"), "utf-8")
    refused(tilth("ingest", "d.csv", "--project", "p", cwd=folder), "--delimiter CHAR")
    refused(tilth("ingest", "d.csv", "--delimiter", "~~", "--project", "p", cwd=folder), "one character")
    good("ingest", "d.csv", "--delimiter", "~", "--project", "p", cwd=folder)
    good("ingest", "a.csv", "--project", "q", cwd=folder)
    assert (
        js("log", "--project", "p", cwd=folder)["versions"][0]["id"]
        == (js("log", "--project", "q", cwd=folder)["versions"][0]["id"])
    )
