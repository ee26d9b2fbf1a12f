"""Release and predict through the real command line."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pyarrow.parquet
import pytest
from loop_kit import good, js, lines, tilth, write

from tilth.errors import InputError
from tilth.release import load


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
        (".", "cannot read manifest"),
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


def test_rows_outside_the_classes_are_refused_and_counted(work: Path) -> None:
    strange = [(f"o{n}", f"zq{n} wx{n} kj{n} vb{n}", "oos") for n in range(40)]
    write(work / "more.csv", [*lines(400, seed=1, wrong=0.0), *strange])
    good("ingest", "more.csv", "--eval", "eval.csv", "--project", "q", cwd=work)
    mark_outside(work / "q", "oos")
    body = js("release", "--precision", "0.6", "--project", "q", cwd=work)
    assert body["classes"] == 5
    assert body["outside"]["rows"] == 40
    assert body["outside"]["refused"]["value"] > 0.9
