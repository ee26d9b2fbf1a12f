"""From records to rows that can be taken in, and the account of those that cannot."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from tilth.data import Incoming, Value, has_halves
from tilth.errors import BadRow, BadRows, InputError
from tilth.ingest.base import Record, Source, listed, nearest
from tilth.ingest.columns import Columns
from tilth.ingest.values import is_empty

__all__ = ["MISSING", "BadRowLog", "as_text", "prepare"]

REMEMBERED = 10_000
"""Spellings of labels that are not looked at twice."""
HALVES = "two halves of one character (a surrogate pair as two characters)"
MEND = "join them: text.encode('utf-16', 'surrogatepass').decode('utf-16')"
MISSING = frozenset({"", "nan", "null", "none", "n/a", "?"})


def as_text(value: Value) -> str:
    """A label or an id as text: 3 and 3.0 are "3", true is "true"; outer blanks are cut off."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if is_empty(value) else str(value)


class _Preparer:
    """One pass over a source; holds what would be looked up again at every row."""

    def __init__(
        self, name: str, columns: Columns, known_labels: Collection[str] | None, unlabelled: bool
    ) -> None:
        self.name = name
        self.columns = columns
        self.known = None if known_labels is None else frozenset(known_labels)
        self.unlabelled = unlabelled
        self.apart = frozenset({columns.label, columns.id} - {None})
        self.seen: dict[Value, str] = {}
        self._advice: dict[str, str] = {}

    def label(self, record: Record, column: str) -> str | BadRow | None:
        """The label, None when it is missing and may be, or what is wrong with it."""
        value = record.values.get(column)
        text = as_text(value)
        known = self.known
        if known is not None and text in known:
            return self._remember(value, text)
        if text.casefold() in MISSING:
            if self.unlabelled:
                return None
            advice = "fill it in, or take rows without a label in with --allow-unlabelled"
            return self._bad(record, column, value, "missing label", advice)
        if known is None:
            return self._remember(value, text)
        return self._bad(record, column, text, "unknown label", self._nearest(text, known))

    def _remember(self, value: Value, text: str) -> str:
        # Texts alone: 1, 1.0 and True are one key of a dict and three labels.
        if isinstance(value, str) and len(self.seen) < REMEMBERED:
            self.seen[value] = text
        return text

    def _nearest(self, label: str, known: frozenset[str]) -> str:
        # The same misspelling tends to come in thousands, and the search is slow.
        known_advice = self._advice.get(label)
        if known_advice is not None:
            return known_advice
        close = nearest(label[:200], known, 1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        advice = f"{hint}mend the label, or add it to the labels of the project"
        if len(self._advice) < REMEMBERED:
            self._advice[label] = advice
        return advice

    def _bad(self, record: Record, column: str, value: Value, problem: str, advice: str) -> BadRow:
        shown = "" if value is None else str(value)[:1000]
        return BadRow(self.name, record.line, column, shown, problem, advice)

    def incoming(self, record: Record) -> Incoming | BadRow:
        """The row in a record, or its first fault: text, then label, then id."""
        values, columns = record.values, self.columns
        text = values.get(columns.text)
        if text.isspace() or not text if isinstance(text, str) else is_empty(text):
            advice = "write a text, or take the row out"
            return self._bad(record, columns.text, text, "empty text", advice)
        label: str | None = None
        if columns.label is not None:
            label = self.seen.get(values.get(columns.label))
            if label is None:
                found = self.label(record, columns.label)
                if isinstance(found, BadRow):
                    return found
                label = found
        row_id = None
        if columns.id is not None:
            row_id = as_text(values.get(columns.id))
            if not row_id:
                advice = "fill it in, or leave the column out: ids are made from the content then"
                return self._bad(record, columns.id, values.get(columns.id), "empty id", advice)
        for column, value in values.items():
            if isinstance(value, str) and not value.isascii() and has_halves(value):
                return self._bad(record, column, ascii(value), HALVES, MEND)
        apart = self.apart
        # `v == v` is false for NaN alone.
        fields: dict[str, Value] = {
            k: v for k, v in values.items() if v is not None and v != "" and v == v and k not in apart
        }
        return Incoming(row_id, fields, label, record.line, record.progress)


def prepare(
    source: Source,
    columns: Columns,
    *,
    known_labels: Collection[str] | None = None,
    limit: int | None = None,
    allow_unlabelled: bool = False,
) -> Iterator[Incoming | BadRow]:
    """Turn records into rows that can be taken in.

    Parameters
    ----------
    source : what `open_source` found.
    columns : what `guess_columns` found.
    known_labels : the labels that are allowed; by default any label is.
    limit : number of records to read, good and bad; by default all.
    allow_unlabelled : take a row without a label in with the label None.

    Yields
    ------
    Incoming | BadRow
        a `BadRow` for a row that the reader could not read, an empty text, a missing or unknown
        label, an empty id, and a text that no file can spell (see `has_halves`). A label counts as
        missing when the whole cell is empty, "nan", "null", "none", "n/a" or "?", unless it is one of
        `known_labels`.

    Raises
    ------
    InputError
        for a column that the source does not have or whose name no file can spell, and for a negative limit.
    """
    for name in (columns.text, columns.label, columns.id):
        if name is not None and name not in source.columns:
            raise InputError(
                f"{source.name} has no column {name!r}; its columns are {listed(source.columns)}"
            )
    if columns.text in (columns.label, columns.id):
        raise InputError(f"column {columns.text!r} cannot be the text and the label or id as well")
    for name in source.columns:
        if has_halves(name):
            raise InputError(f"{source.name}: the name of column {name!a} holds {HALVES}; {MEND}")
    if limit is not None and limit < 0:
        raise InputError(f"limit is {limit}; give a number of records from 0 up, or none")
    preparer = _Preparer(source.name, columns, known_labels, allow_unlabelled)
    return _rows(source, preparer, limit)


def _rows(source: Source, preparer: _Preparer, limit: int | None) -> Iterator[Incoming | BadRow]:
    incoming = preparer.incoming
    for record in islice(source.records(), limit):
        yield incoming(record) if isinstance(record, Record) else record


class BadRowLog:
    """Account of the rows that could not be read.

    Attributes
    ----------
    rows : the first 1,000.
    count : how many there are in all.
    """

    KEPT = 1000

    def __init__(self) -> None:
        self.rows: list[BadRow] = []
        self.count = 0

    def add(self, row: BadRow) -> None:
        """Take one bad row into account."""
        self.count += 1
        if len(self.rows) < self.KEPT:
            self.rows.append(row)

    def sift(self, rows: Iterable[Incoming | BadRow]) -> Iterator[Incoming]:
        """Pass the good rows through and keep account of the bad ones."""
        for row in rows:
            if isinstance(row, BadRow):
                self.add(row)
            else:
                yield row

    def raise_if_any(self) -> None:
        """Raise `BadRows` when there is a bad row.

        Raises
        ------
        BadRows
            with the first rows and the count of all.
        """
        if self.count:
            raise BadRows(self.rows, self.count)

    def write(self, path: str | Path) -> int:
        """Write the rows that were kept as JSON Lines, one object a row.

        Returns
        -------
        int
            number of rows written: at most 1,000, however many there are.

        Raises
        ------
        InputError
            when the file cannot be written.
        """
        file = Path(path)
        try:
            with file.open("w", encoding="ascii", newline="\n") as handle:
                # ASCII escapes: a bad value may be text that no encoding can write.
                handle.writelines(json.dumps(asdict(row)) + "\n" for row in self.rows)
        except OSError as error:
            raise InputError(
                f"cannot write {file}: {error.strerror}; check the folder and its permissions"
            ) from error
        return len(self.rows)
