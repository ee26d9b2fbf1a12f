"""Rows of a version to a file that any tool reads; written aside and renamed, so never half."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tilth.config import ColumnNames
from tilth.data import Row
from tilth.errors import InputError, MissingExtra

__all__ = ["write_rows"]


def _flat(row: Row, columns: ColumnNames) -> dict[str, Any]:
    """A row as the file had it: id, fields, label under their column names."""
    head = {columns.id or "id": row.id}
    return head | dict(row.fields) | {columns.label or "label": row.label}


def write_rows(rows: Iterable[Row], path: Path, columns: ColumnNames) -> Path:
    """Write rows as CSV, TSV, JSON Lines or Parquet, by the ending of the name.

    Raises
    ------
    InputError : unknown ending, or the file cannot be written.
    """
    writers: dict[str, Callable[[Iterator[dict[str, Any]], Path], None]] = {
        ".csv": lambda r, p: _csv(r, p, ","),
        ".tsv": lambda r, p: _csv(r, p, "\t"),
        ".jsonl": _jsonl,
        ".parquet": _parquet,
    }
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise InputError(f"cannot write {path.name!r}: end the name in {', '.join(writers)}")
    draft = path.with_name(path.name + ".part")
    try:
        writer((_flat(row, columns) for row in rows), draft)
        draft.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
    return path


def _csv(rows: Iterator[dict[str, Any]], path: Path, delimiter: str) -> None:
    """Columns are those of all rows, so the rows are gathered once by name."""
    held = list(rows)
    names = list(dict.fromkeys(name for row in held for name in row))
    with path.open("w", encoding="utf-8", newline="", errors="surrogatepass") as file:
        writer = csv.DictWriter(file, names, delimiter=delimiter, restval="")
        writer.writeheader()
        writer.writerows(held)


def _jsonl(rows: Iterator[dict[str, Any]], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=True) + "\n")


def _parquet(rows: Iterator[dict[str, Any]], path: Path) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("writing Parquet", "pyarrow", "parquet") from error
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
