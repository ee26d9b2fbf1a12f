"""Rows of a version to a file that any tool reads, and that `tilth ingest` takes in again unchanged."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tilth.config import ColumnNames
from tilth.data import Row, Value
from tilth.errors import InputError, MissingExtra
from tilth.files import replacing

__all__ = ["OWN_ID", "write_rows", "write_table"]

OWN_ID = "tilth_id"
"""Column for the ids of rows that came without one; an ingest knows it by this name."""

Flat = Mapping[str, Value]


def write_rows(rows: Callable[[], Iterable[Row]], path: Path, columns: ColumnNames) -> Path:
    """Write rows as CSV, TSV, JSON Lines or Parquet, by the ending of the name.

    Parameters
    ----------
    rows : gives the rows; called twice where the columns must be known before the first line.
    columns : what text, label and id are called; they are named so in the file.

    Raises
    ------
    InputError : unknown ending, or the file cannot be written.
    MissingExtra : Parquet without pyarrow.
    """
    write_table(lambda: (_flat(row, columns) for row in rows()), path)
    return path


def write_table(rows: Callable[[], Iterable[Flat]], path: Path) -> None:
    """Write objects of plain values as CSV, TSV, JSON Lines or Parquet, by the ending of the name.

    Parameters
    ----------
    rows : gives the objects; called twice where the columns must be known before the first line.

    Raises
    ------
    InputError : unknown ending, or the file cannot be written.
    MissingExtra : Parquet without pyarrow.
    """
    writers: dict[str, Callable[[Callable[[], Iterator[Flat]], Path], None]] = {
        ".csv": lambda r, p: _csv(r, p, ","),
        ".tsv": lambda r, p: _csv(r, p, "\t"),
        ".jsonl": _jsonl,
        ".parquet": _parquet,
    }
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise InputError(f"cannot write {path.name!r}: end the name in {', '.join(writers)}")
    with replacing(path) as draft:
        writer(lambda: iter(rows()), draft)


def _flat(row: Row, columns: ColumnNames) -> Flat:
    """A row as the file had it: id, fields, label under their column names."""
    return {columns.id or OWN_ID: row.id, **row.fields, columns.label or "label": row.label}


def _names(rows: Iterable[Flat]) -> list[str]:
    """The columns of all rows in order of their first occurrence."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _csv(rows: Callable[[], Iterator[Flat]], path: Path, delimiter: str) -> None:
    names = _names(rows())
    with path.open("w", encoding="utf-8", newline="", errors="surrogatepass") as file:
        writer = csv.DictWriter(file, names, delimiter=delimiter, restval="")
        writer.writeheader()
        writer.writerows(rows())


def _jsonl(rows: Callable[[], Iterator[Flat]], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows():
            file.write(json.dumps(row, ensure_ascii=True) + "\n")


def _parquet(rows: Callable[[], Iterator[Flat]], path: Path) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("writing Parquet", "pyarrow", "parquet") from error
    held = list(rows())
    columns: dict[str, Any] = {}
    for name in _names(held):
        try:
            columns[name] = pyarrow.array([row.get(name) for row in held])
        except (pyarrow.ArrowException, UnicodeError) as error:
            raise InputError(
                f"cannot write {path.stem}: column {name!r} holds values that Parquet cannot keep in one "
                "column (such as texts and numbers); write a .jsonl file"
            ) from error
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
