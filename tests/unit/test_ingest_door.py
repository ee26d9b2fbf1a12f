"""The door: which reader a path or an object goes to, and what is refused at it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tilth.errors import InputError
from tilth.ingest import open_source


def test_path_or_text(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,label\na,b\n")
    assert open_source(path).columns == open_source(str(path)).columns == ["text", "label"]
    assert open_source(path).digest() == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("name", "body", "columns"),
    [
        ("t.CSV", "text,label\na,b\n", ["text", "label"]),
        ("t.txt", "text\tlabel\na\tb\n", ["text", "label"]),
        ("t.dat", '\n {"text": "a"}\n', ["text"]),
        ("t", '\ufeff[{"text": "a"}]', ["text"]),
        ("t.JSONL", '{"text": "a"}\n', ["text"]),
        ("t.log", "[id],text\n1,b\n", ["[id]", "text"]),
    ],
)
def test_endings(tmp_path: Path, name: str, body: str, columns: list[str]) -> None:
    (tmp_path / name).write_text(body, encoding="utf-8")
    assert open_source(tmp_path / name).columns == columns


def test_missing_file(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a,b\n")
    with pytest.raises(InputError, match=r"trian\.csv does not exist; did you mean 'train\.csv'\?$"):
        open_source(tmp_path / "trian.csv")
    with pytest.raises(InputError, match=r"zzzz does not exist; check the path$"):
        open_source(tmp_path / "zzzz")
    with pytest.raises(InputError, match=r"x\.csv does not exist, nor does the folder .*nowhere$"):
        open_source(tmp_path / "nowhere" / "x.csv")
    with pytest.raises(InputError, match="is an address; Tilth reads local files: download it first"):
        open_source("https://example.org/t.csv")
    for odd in ("", "a\0b"):
        with pytest.raises(InputError, match="is no path"):
            open_source(odd)
    with pytest.raises(InputError, match=r"cannot read .*File name too long"):
        open_source(tmp_path / ("x" * 300))


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is a folder, but not a data set saved .*; give a file$"):
        open_source(tmp_path)
    (tmp_path / "b.csv").write_text("a,b\n")
    with pytest.raises(InputError, match=r"; give one of its files, such as .*b\.csv$"):
        open_source(tmp_path)


def test_empty_and_special_files(tmp_path: Path) -> None:
    for name in ("t.csv", "t.jsonl", "t.parquet", "t"):
        (tmp_path / name).touch()
        with pytest.raises(InputError, match="is empty; a data set needs at least a header or one rec"):
            open_source(tmp_path / name)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is neither a file nor a folder"):
        open_source(tmp_path / "pipe")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_permissions(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n")
    path.chmod(0)
    with pytest.raises(InputError, match="Permission denied; check the path and its permissions"):
        open_source(path)
