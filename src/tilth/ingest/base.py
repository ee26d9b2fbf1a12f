"""The contract of a reader, and what passes from a reader to the rest of Tilth."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tilth.data import Value, canonical
from tilth.errors import BadRow, InputError

__all__ = ["Record", "Source"]

ROW = "(row)"
"""Stands where a column name is expected when the fault is in the row as a whole."""

SAMPLE = 1000
"""Records that are looked at for the column names of formats without a header."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record as a reader found it.

    Attributes
    ----------
    line : physical line at which the record starts, from 1; the row number in binary formats.
    values : column name to value; a record may lack columns.
    progress : bytes (text formats) or rows (binary formats) read so far; same unit as
        `Source.size_hint`, never smaller than in the record before. Text formats read in blocks,
        so it moves in steps.
    """

    line: int
    values: dict[str, Value]
    progress: int


class Source(Protocol):
    """What every reader offers. `records()` may be called again and starts from the beginning."""

    @property
    def name(self) -> str:
        """File name, or "dataframe" or "dataset" for an object in memory."""

    @property
    def columns(self) -> list[str]:
        """Column names in the order of the source."""

    @property
    def size_hint(self) -> int | None:
        """Bytes or rows in all, in the unit of `Record.progress`; None when it is not known."""

    def digest(self) -> str:
        """SHA-256 (64 hex digits) of the bytes of the file, or of the content of an object."""

    def records(self) -> Iterator[Record | BadRow]:
        """Records in order; a row that cannot be read comes as a `BadRow` and reading goes on."""


def read_error(path: Path, error: OSError) -> InputError:
    """The error for a file that the operating system would not give us."""
    reason = error.strerror or type(error).__name__
    return InputError(f"cannot read {path}: {reason}; check the path and its permissions")


def nearest(name: str, options: Iterable[str], count: int = 3) -> list[str]:
    """The options most like a name, best first; equal but for case comes before all others."""
    known = sorted(set(options))
    folded = [o for o in known if o.casefold() == name.casefold()]
    close = difflib.get_close_matches(name, known, n=count, cutoff=0.5)
    return list(dict.fromkeys(folded + close))[:count]


def listed(names: Sequence[str]) -> str:
    """Names for a message: a file read in the wrong way can have one that is as long as the file."""
    shown = ", ".join(repr(n if len(n) <= 60 else f"{n[:57]}...") for n in names[:30])
    return shown + (f" and {len(names) - 30} more" if len(names) > 30 else "")


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """ "did you mean 'a' or 'b'? " or nothing: the start of an advice."""
    close = nearest(name, options)
    return f"did you mean {' or '.join(map(repr, close))}? " if close else ""


def file_size(path: Path) -> int:
    """Bytes of a file."""
    try:
        return path.stat().st_size
    except OSError as error:
        raise read_error(path, error) from error


def file_digest(paths: Sequence[Path]) -> str:
    """SHA-256 of the bytes of one file; of several files, the SHA-256 of their digests."""
    found = []
    for path in paths:
        try:
            with path.open("rb") as handle:
                found.append(hashlib.file_digest(handle, "sha256").hexdigest())
        except OSError as error:
            raise read_error(path, error) from error
    return found[0] if len(found) == 1 else hashlib.sha256("\n".join(found).encode()).hexdigest()


def content_digest(source: Source) -> str:
    """SHA-256 of the columns and records of a source that is not a file."""
    digest = hashlib.sha256(canonical(source.columns))
    for record in source.records():
        body = record.values if isinstance(record, Record) else str(record)
        digest.update(b"\n" + canonical(body))
    return digest.hexdigest()


def check_names(names: Sequence[str], where: str) -> None:
    """Refuse column names that occur twice."""
    double = sorted({n for n in names if names.count(n) > 1})
    if double:
        raise InputError(
            f"{where}: column name {double[0]!r} occurs {names.count(double[0])} times in the "
            "header; rename the columns so that each name occurs once"
        )
