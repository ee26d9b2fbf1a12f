"""Body: what is to be drawn of a row, one kind for each sort of data; plain JSON, never markup.

A kind is a function here and a module of the same name in `review/static/bodies/` that draws it. A body names
its kind, its fields and their texts; of a long text the beginning, with its length, so that a page can ask
for the rest. The first body of a row is what the label is about, the others are what else is known of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tilth.data import Snapshot
from tilth.errors import NotFound

__all__ = ["KINDS", "LONG", "Body", "Fields", "part"]

Body = dict[str, Any]
LONG, OTHER = 20_000, 2_000
"""Characters that come at once: of what the label is about, and of another field."""
PART = 1_000_000
"""Characters of a further part."""


@dataclass(frozen=True)
class Fields:
    """Which fields of a row are what.

    Attributes
    ----------
    text : the column that the model reads.
    pair : the two columns of a pair, such as an instruction and its answer; empty for other data.
    """

    text: str = "text"
    pair: tuple[str, ...] = ()

    def bodies(self, rows: Snapshot, at: int) -> list[Body]:
        """What is to be drawn of a row: what the label is about, then all other fields."""
        main = (
            self.pair if len(self.pair) == 2 and all(p in rows.columns for p in self.pair) else (self.text,)
        )
        found = [KINDS["pair" if len(main) == 2 else "text"](rows, at, main)]
        others = tuple(c for c, values in rows.columns.items() if c not in main and values[at] is not None)
        return [*found, KINDS["table"](rows, at, others)] if others else found


def _field(rows: Snapshot, at: int, name: str, most: int) -> dict[str, Any]:
    """A field by its name, with the beginning of its text and its length."""
    text = _text(rows, at, name)
    return {"field": name, "text": text[:most], "length": len(text)}


def _text(rows: Snapshot, at: int, name: str) -> str:
    values = rows.columns.get(name)
    value = None if values is None else values[at]
    return "" if value is None else str(value)


def _one(rows: Snapshot, at: int, names: tuple[str, ...]) -> Body:
    """One text."""
    return {"kind": "text", **_field(rows, at, names[0], LONG)}


def _pair(rows: Snapshot, at: int, names: tuple[str, ...]) -> Body:
    """Two texts side by side, such as an instruction and its answer."""
    return {"kind": "pair", "panes": [_field(rows, at, name, LONG) for name in names]}


def _table(rows: Snapshot, at: int, names: tuple[str, ...]) -> Body:
    """Fields of a record, one a line."""
    return {"kind": "table", "fields": [_field(rows, at, name, OTHER) for name in names]}


KINDS: dict[str, Callable[[Snapshot, int, tuple[str, ...]], Body]] = {
    "text": _one, "pair": _pair, "table": _table,
}  # fmt: skip
"""Kind to what makes its body."""


def part(rows: Snapshot, row: str, name: str, start: int) -> dict[str, Any]:
    """A further part of a long field.

    Raises
    ------
    NotFound : no such row, or no such field.
    """
    at = rows.index.get(row)
    if at is None or name not in rows.columns:
        raise NotFound(f"no row {row!r} with a field {name!r} in train")
    text = _text(rows, at, name)
    return {"text": text[start : start + PART], "start": start, "length": len(text)}
