"""What the rows of a version are: columns, gaps, lengths, dates, what looks like a person's data; pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tilth.data import Snapshot, Value

__all__ = ["PATTERNS", "ColumnProfile", "Profile", "profile"]

MOST_VALUES = 12
"""A column with so few values splits the rows into groups: as for the slices of a trial."""

PATTERNS: Mapping[str, str] = {
    "e-mail address": r"[\w.+-]{1,64}@[\w-]{1,63}\.\w",
    "web address": r"(?:https?://|\bwww\.)[^\s<>\"']",
    "telephone number": r"(?<![\w.])\+?\d[\d ()/-]{7,20}\d(?![\w.])",
    "card number": r"(?<!\d)(?:\d[ -]?){13,18}\d(?!\d)",
    "account number (IBAN)": r"\b[A-Z]{2}\d{2} ?(?:[A-Z0-9]{4} ?){2,7}[A-Z0-9]{1,4}\b",
    "network address": r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])",
}
"""What may name or reach a person. A pattern finds what is written in its way and no names."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column.

    Attributes
    ----------
    name, kind : its name; text, number, boolean, date or mixed.
    filled : rows that have a value.
    values : rows of each value, where there are at most twelve; else empty.
    first, last : of a column of dates; "" for others.
    """

    name: str
    kind: str
    filled: int
    values: Mapping[str, int]
    first: str = ""
    last: str = ""


@dataclass(frozen=True)
class Profile:
    """The rows of a version.

    Attributes
    ----------
    version, rows : which version, and its rows.
    unlabelled : rows without a label.
    classes : rows of each label, the most frequent first.
    columns : in order of their names.
    lengths : characters of the shortest, middle and longest text.
    empty : rows whose text is empty.
    patterns : rows whose text matches each of PATTERNS.
    """

    version: str
    rows: int
    unlabelled: int
    classes: Mapping[str, int]
    columns: Sequence[ColumnProfile]
    lengths: tuple[int, int, int]
    empty: int
    patterns: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """The profile as a JSON object."""
        return asdict(self) | {"columns": [asdict(c) for c in self.columns], "lengths": list(self.lengths)}


def profile(rows: Snapshot, version: str, text: str) -> Profile:
    """Look at every row once.

    Parameters
    ----------
    version : id of the version that the rows are.
    text : name of the text column.
    """
    texts = rows.texts(text)
    lengths = np.array([len(t) for t in texts] or [0])
    labels = Counter(label for label in rows.labels if label is not None)
    found = {name: re.compile(pattern) for name, pattern in PATTERNS.items()}
    return Profile(
        version=version,
        rows=len(rows),
        unlabelled=len(rows) - labels.total(),
        classes=dict(sorted(labels.items(), key=lambda item: (-item[1], item[0]))),
        columns=[_column(name, rows.columns[name]) for name in sorted(rows.columns)],
        lengths=(int(lengths.min()), int(np.median(lengths)), int(lengths.max())),
        empty=sum(not t.strip() for t in texts),
        patterns={name: sum(p.search(t) is not None for t in texts) for name, p in found.items()},
    )


def _column(name: str, values: Sequence[Value]) -> ColumnProfile:
    there = [v for v in values if v is not None]
    kinds = {_kind(v) for v in there}
    kind = next(iter(kinds)) if len(kinds) == 1 else ("text" if kinds <= {"text", "date"} else "mixed")
    few: Counter[str] = Counter()
    for v in there:
        few[str(v)] += 1
        if len(few) > MOST_VALUES:
            few.clear()
            break
    dates = sorted({str(v)[:10] for v in there}) if kind == "date" else []
    ordered = dict(sorted(few.items(), key=lambda item: (-item[1], item[0])))
    return ColumnProfile(name, kind, len(there), ordered, *([dates[0], dates[-1]] if dates else []))


def _kind(value: Value) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "date" if _DATE.match(str(value)) else "text"
