"""Release and predict through the real command line."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pyarrow.parquet
import pytest
from loop_kit import CLASSES, Run, finish, good, js, lines, start, tilth, write
from rich.console import Console

from tilth.errors import InputError
from tilth.release import load
from tilth.release.export import write as write_bundle
from tilth.release.stream import predict_file
from tilth.report.releases import release as report

KILLS = int(os.environ.get("TILTH_KILLS", "40"))


@pytest.fixture
def released(work: Path) -> Path:
    good("release", "--precision", "0.6", "--project", "p", cwd=work)
    return work


def mark_outside(project: Path, label: str) -> None:
    toml = project / "tilth.toml"
    toml.write_text(toml.read_text("utf-8").replace('outside = ""', f'outside = "{label}"'), "utf-8")


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_same_head_gives_the_same_bundle(released: Path) -> None:
    first = files(released / "p" / "releases" / "taken")
    good("release", "--precision", "0.6", "--out", "again", "--project", "p", cwd=released)
    assert files(released / "again") == first


def test_answers_have_all_columns_and_four_more(released: Path) -> None:
    body = js("predict", "p/releases/taken", "eval.csv", "--out", "a.csv", cwd=released)
    with (released / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with (released / "eval.csv").open(encoding="utf-8", newline="") as file:
        given = list(csv.DictReader(file))
    # the file has a column `label`, so ours has another name
    assert list(rows[0]) == [*given[0], "predicted_label", "probability", "abstained", "reason"]
    assert [(r["id"], r["text"]) for r in rows] == [(r["id"], r["text"]) for r in given]
    answered = [r for r in rows if r["abstained"] == "false"]
    assert len(answered) == body["answered"] > 0
    assert all((r["predicted_label"] == "") == (r["reason"] != "") for r in rows)
    right = sum(r["predicted_label"] == r["label"] for r in answered)
    assert right / len(answered) >= 0.6
    found = load(released / "p" / "releases" / "taken").predict([r["text"] for r in given])
    assert [a.label or "" for a in found] == [r["predicted_label"] for r in rows]


def records(path: Path) -> list[dict[str, str]]:
    """Rows of a file that was written, as texts."""
    if path.suffix == ".jsonl":
        found = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    elif path.suffix == ".parquet":
        found = pyarrow.parquet.read_table(path).to_pylist()
    else:
        with path.open(encoding="utf-8", newline="") as file:
            found = list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))
    return [{k: "" if v is None else str(v).lower() for k, v in row.items()} for row in found]


@pytest.mark.parametrize("ending", ["tsv", "jsonl", "parquet"])
def test_every_format_says_the_same(released: Path, ending: str) -> None:
    good("predict", "p/releases/taken", "eval.csv", "--out", "a.csv", cwd=released)
    good("predict", "p/releases/taken", "eval.csv", "--out", f"a.{ending}", cwd=released)
    assert records(released / f"a.{ending}") == records(released / "a.csv")


def test_a_damaged_missing_or_foreign_file_is_refused(released: Path) -> None:
    bundle = released / "p" / "releases" / "taken"
    for name in ("model/weights.npy", "evaluation.json"):
        copy = released / "copy"
        shutil.copytree(bundle, copy)
        body = bytearray((copy / name).read_bytes())
        body[len(body) // 2] ^= 1
        (copy / name).write_bytes(body)
        with pytest.raises(InputError, match=f"{name} is not the file that was released"):
            load(copy)
        (copy / name).unlink()
        with pytest.raises(InputError, match=f"cannot read {name}"):
            load(copy)
        shutil.rmtree(copy)
    shutil.copytree(bundle, released / "copy")
    (released / "copy" / "model" / "extra.bin").write_bytes(b"x")
    with pytest.raises(InputError, match=r"extra\.bin"):
        load(released / "copy")
    run = tilth("predict", "copy", "eval.csv", cwd=released)
    assert run.code == 1
    assert "extra.bin" in run.err


def test_a_zip_is_read_too(released: Path) -> None:
    bundle = released / "p" / "releases" / "taken"
    packed = shutil.make_archive(str(released / "b"), "zip", bundle.parent, "taken")
    assert load(packed).id == load(bundle).id


def test_what_is_no_bundle_is_refused(released: Path) -> None:
    for path, words in (
        ("nothing", "does not exist"),
        ("eval.csv", "neither"),
        (".", "is no release: it has no manifest"),
    ):
        with pytest.raises(InputError, match=words):
            load(released / path)


def test_a_folder_of_something_else_is_left_alone(work: Path) -> None:
    (work / "mine").mkdir()
    (work / "mine" / "letter.txt").write_text("dear")
    run = tilth("release", "--out", "mine", "--project", "p", cwd=work)
    assert run.code == 1
    assert "is no release" in run.err
    assert (work / "mine" / "letter.txt").read_text() == "dear"


def test_one_class_has_nothing_to_tell_apart(tmp_path: Path) -> None:
    write(tmp_path / "two.csv", [(i, t, "ab"[n % 2]) for n, (i, t, _, _) in enumerate(lines(60, seed=3))])
    good("ingest", "two.csv", "--project", "p", cwd=tmp_path)
    mark_outside(tmp_path / "p", "b")
    run = tilth("release", "--project", "p", cwd=tmp_path)
    assert run.code == 1
    assert "two classes" in run.err


def test_few_rows_promise_nothing_and_say_so(tmp_path: Path) -> None:
    write(tmp_path / "few.csv", lines(30, seed=3))
    good("ingest", "few.csv", "--project", "p", cwd=tmp_path)
    run = good("release", "--precision", "0.99", "--name", "taken", "--project", "p", cwd=tmp_path)
    assert "answers nothing" in " ".join(run.out.split())
    body = js("predict", "p/releases/taken", "few.csv", "--out", "a.csv", cwd=tmp_path)
    assert body["answered"] == 0
    texts = [text for _, text, _, _ in lines(30, seed=3)]
    words = [a.words for a in load(tmp_path / "p" / "releases" / "taken").predict(texts)]
    assert any("answers nothing; most likely" in w for w in words)


def test_rows_outside_the_classes_are_refused_and_counted(work: Path) -> None:
    strange = [(f"o{n}", f"zq{n} wx{n} kj{n} vb{n}", "oos") for n in range(40)]
    write(work / "more.csv", [*lines(400, seed=1, wrong=0.0), *strange])
    good("ingest", "more.csv", "--eval", "eval.csv", "--project", "q", cwd=work)
    mark_outside(work / "q", "oos")
    body = js("release", "--precision", "0.6", "--project", "q", cwd=work)
    assert body["classes"] == 5
    # 40 of 440 rows: as large a share of the deciding rows, but half of them report
    assert "outside the known classes" in body["decided_on"]
    assert 20 <= body["outside"]["rows"] < 40
    assert body["outside"]["refused"]["value"] > 0.9


def test_without_evaluation_rows_train_decides_and_nothing_is_reported(work: Path) -> None:
    write(work / "train2.csv", lines(300, seed=5, wrong=0.0))
    good("ingest", "train2.csv", "--project", "q", cwd=work)
    toml = work / "q" / "tilth.toml"
    body = js("release", "--precision", "0.6", "--project", "q", cwd=work)
    assert "held out in turn" in body["decided_on"]
    card = (work / "q" / "releases" / "q" / "card.md").read_text("utf-8")
    assert "held-out rows of train chose the threshold" in card
    assert body["measured"]["rows"] <= 60
    assert body["choice"]["rows"] == body["rows"] == 240
    assert toml.is_file()
    found = load(work / "q" / "releases" / "q")
    eval_rows = lines(200, seed=101, wrong=0.0)
    answers = found.predict([text for _, text, _, _ in eval_rows])
    # what train knows of itself without itself is what it knows of others
    refused = sum(a.reason in ("unlike", "outside") for a in answers) / len(answers)
    assert refused < 0.15


def test_a_killed_release_leaves_a_whole_bundle(released: Path) -> None:
    """SIGKILL at any instant while two releases replace each other in one place."""
    bundle = released / "p" / "releases" / "taken"
    first = files(bundle)
    good("release", "--precision", "0.7", "--out", "other", "--project", "p", cwd=released)
    second = files(released / "other")
    ids = {load(bundle).id, load(released / "other").id}
    place, rng = released / "place", random.Random(0)
    write_bundle(place, first)
    for _ in range(KILLS):
        child = os.fork()
        if child == 0:
            while True:
                write_bundle(place, second)
                write_bundle(place, first)
        time.sleep(rng.uniform(0.0, 0.05))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert load(place).id in ids


def test_two_processes_release_at_once(released: Path) -> None:
    argv = ("release", "--precision", "0.6", "--out", "both", "--project", "p")
    running = [start(*argv, cwd=released) for _ in range(2)]
    assert [finish(p).code for p in running] == [0, 0]
    assert files(released / "both") == files(released / "p" / "releases" / "taken")
    assert not [p.name for p in released.iterdir() if p.name.startswith(".both")]


@pytest.mark.parametrize("precision", ["0", "1", "x", "-1"])
def test_a_precision_that_is_no_share_is_wrong_usage(work: Path, precision: str) -> None:
    assert tilth("release", "--precision", precision, "--project", "p", cwd=work).code == 2


@pytest.mark.parametrize("name", ["", "a/b", "..", "a\0b", "x" * 300])
def test_a_name_that_is_no_folder_is_refused(work: Path, name: str) -> None:
    run = tilth("release", "--name", name, "--project", "p", cwd=work)
    # no name at all is the project's
    assert run.code == (0 if not name else 1)
    assert "Traceback" not in run.err


def test_odd_texts_and_missing_cells_are_answered_or_not_but_never_fail(released: Path) -> None:
    texts = [
        "",
        " ",
        "?!",
        "😀",
        "日本語のテキスト",
        "x" * 50_000,
        "a\x00b",
        "line\nbreak",
        '"quoted"',
    ]
    write(released / "odd.csv", [(str(i), t) for i, t in enumerate(texts)], header=("id", "text"))
    rows = [json.dumps({"text": t}) for t in texts] + ['{"id": 1}', '{"text": null}', '{"text": 5}']
    (released / "odd.jsonl").write_text("\n".join(rows) + "\n", "utf-8")
    for name, count in (("odd.csv", None), ("odd.jsonl", len(rows))):
        body = js("predict", "p/releases/taken", name, "--out", "odd.out.jsonl", "--skip-bad", cwd=released)
        assert body["rows"] + body["bad"] == (count or body["rows"] + body["bad"])
        found = records(released / "odd.out.jsonl")
        assert found[0]["reason"] == "unlike"


def test_a_bad_row_ends_the_run_and_leaves_no_file(released: Path) -> None:
    (released / "bad.csv").write_text("id,text\n1,fine\n2,too,many,cells\n", "utf-8")
    run = tilth("predict", "p/releases/taken", "bad.csv", "--out", "a.csv", cwd=released)
    assert run.code == 1
    assert "bad.csv:3" in run.err
    assert not (released / "a.csv").exists()
    body = js("predict", "p/releases/taken", "bad.csv", "--out", "a.csv", "--skip-bad", cwd=released)
    assert (body["rows"], body["bad"]) == (1, 1)


def test_answers_go_to_standard_output(released: Path) -> None:
    run = good("predict", "p/releases/taken", "eval.csv", cwd=released)
    assert len(list(csv.reader(run.out.splitlines()))) == 201
    assert "200 rows" in run.err
    assert tilth("predict", "p/releases/taken", "eval.csv", "--json", cwd=released).code == 2
    run = tilth("predict", "p/releases/taken", "eval.csv", "--text", "txt", cwd=released)
    assert run.code == 1
    assert "did you mean 'text'" in run.err


def test_memory_does_not_grow_with_the_file(released: Path) -> None:
    """Rows of a file pass by in pieces: none is kept."""
    release = load(released / "p" / "releases" / "taken")
    seen: list[int] = []

    class Sink(io.StringIO):
        def write(self, text: str) -> int:
            seen.append(len(text))
            return len(text)

    with (released / "long.jsonl").open("w") as file:
        for i in range(9_000):
            file.write(json.dumps({"n": i, "text": f"row {i} of many"}) + "\n")
    tracemalloc.start()
    predict_file(release, released / "long.jsonl", Sink())
    few = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(seen) > 500_000
    assert few < 60_000_000
    assert max(seen) < sum(seen) / 2


def answered(released: Path, name: str, body: bytes, *args: str, out: str = "answers.csv") -> Run:
    """`tilth predict` of a file with these bytes."""
    (released / name).write_bytes(body)
    return tilth("predict", "p/releases/taken", name, "--out", out, *args, cwd=released)


def test_what_an_error_advises_can_be_done(released: Path) -> None:
    """A file in another encoding, or with another delimiter than it looks like."""
    body = "text;id\nwo ist mein gl\u00fcck, bitte;1\n".encode("cp1252")
    run = answered(released, "latin.csv", body)
    assert run.code == 1
    assert "--encoding cp1252" in run.err
    assert answered(released, "latin.csv", body, "--encoding", "cp1252", "--delimiter", ";").code == 0
    assert "gl\u00fcck, bitte" in (released / "answers.csv").read_text("utf-8")


def test_the_file_that_is_read_is_not_written_over(released: Path) -> None:
    body = b"text,id\nhello,1\n"
    (released / "link.csv").unlink(missing_ok=True)
    (released / "link.csv").symlink_to("same.csv")
    for out in ("same.csv", "link.csv"):
        run = answered(released, "same.csv", body, out=out)
        assert run.code == 1
        assert "is the file that is read" in run.err
        assert (released / "same.csv").read_bytes() == body


def test_a_column_that_begins_empty_fits_into_parquet(released: Path) -> None:
    """Its type is not known from the first rows: it holds texts."""
    pq = pytest.importorskip("pyarrow.parquet")
    rows = [{"text": "hello", "n": None}] * 5_000 + [{"text": "hello", "n": 7}]
    body = "".join(json.dumps(row) + "\n" for row in rows).encode()
    assert answered(released, "late.jsonl", body, out="late.parquet").code == 0
    assert pq.read_table(released / "late.parquet").column("n").to_pylist()[-1] == "7"


def test_a_stopped_run_leaves_nothing(released: Path) -> None:
    """Not by Ctrl-C only: what a service manager sends, too."""
    (released / "much.jsonl").write_text('{"text": "hello there"}\n' * 300_000, "utf-8")
    before = set(released.iterdir())
    command = [
        sys.executable,
        "-m",
        "tilth.cli",
        "predict",
        "p/releases/taken",
        "much.jsonl",
        "--out",
        "m.csv",
    ]
    with subprocess.Popen(command, cwd=released, stderr=subprocess.DEVNULL) as run:
        wait = time.monotonic() + 30
        while not list(released.glob("m.csv.*.part")) and time.monotonic() < wait:
            time.sleep(0.02)
        assert list(released.glob("m.csv.*.part"))
        run.terminate()
        assert run.wait(20) == 143
    assert set(released.iterdir()) == before


def test_the_summary_is_whole_on_a_narrow_screen(work: Path) -> None:
    """Names of the weakest classes are not squeezed out, and what was not checked is not told as passed."""
    body = js("release", "--precision", "0.6", "--project", "p", cwd=work)
    screen = io.StringIO()
    report(Console(file=screen, width=60), body)
    text = screen.getvalue()
    assert max(map(len, text.split("next:")[0].splitlines())) <= 60
    shown = [line for line in text.split("answers right")[1].splitlines() if " % [" in line]
    assert shown
    assert all(line.split()[0] in CLASSES for line in shown)
    assert "gates not checked, so not passed: " in " ".join(text.split())
    assert len(text.splitlines()) <= 30


def test_the_card_names_classes_that_break_the_promise(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A promise on average can be broken for one class: whoever reads the card has to know."""
    monkeypatch.setattr("tilth.release.build.missed", lambda *args: [1])
    body = js("release", "--precision", "0.6", "--project", "p", "--name", "m", cwd=work)
    assert body["missed"] == ["cards"]
    card = (work / "p" / "releases" / "m" / "card.md").read_text("utf-8")
    assert "less often right than wanted, by more than chance: `cards`" in card
    assert "held-out rows of train" not in card
