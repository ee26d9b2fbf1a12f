"""Slice: a named predicate over rows, written in a small language of its own; never evaluated as Python.

    channel == "email" and length > 200        text has "refund"          created >= "2026-01-01"
    label in ["a", "b"]                        age in 30..45              not (tier is missing)
    text has 2 of ["refund", "money back"]     text contains "e-mail"     id matches "^web-"

Names are columns, or one of the names that every table has: `text`, `length` (characters of the text),
`words` (of the text), `label`, `source` and `id`; a column of the data with such a name comes first, but
for `label`. Other names stand in back quotes. A missing value equals nothing: `x != 1` holds for it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn

import numpy as np

from tilth.data import Snapshot, Value
from tilth.errors import ConfigError
from tilth.recipes.ngrams import fold

__all__ = ["Slice", "Table", "literal", "moments", "name_of", "numbers"]

BUILT_IN = ("text", "length", "words", "label", "source", "id")
ORDERS = ("<", "<=", ">", ">=")
_TOKEN = re.compile(
    r"\s*(?:(?P<number>[-+]?\d+(?:\.(?!\.)\d+)?(?:[eE][-+]?\d+)?)|(?P<string>\"(?:[^\"\\]|\\.)*\")"
    r"|`(?P<quoted>[^`]+)`|(?P<word>[^\W\d]\w*)|(?P<sign>\.\.|[=!<>]=|[<>()\[\],]))"
)
_ESCAPE = re.compile(r"\\(.)")
_WORDS = ("and", "or", "not", "in", "has", "contains", "matches", "is", "of", "missing", "true", "false")
Mask = np.ndarray


def literal(value: Value) -> str:
    """A value as it is spelled in an expression."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:.10g}"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unescaped(found: re.Match[str]) -> str:
    """Quotes and backslashes lose their backslash; any other keeps it, as regular expressions need it."""
    return found[1] if found[1] in '"\\' else found[0]


def name_of(column: str) -> str:
    """A column's name as it is spelled in an expression."""
    plain = re.fullmatch(r"[^\W\d]\w*", column) and column not in _WORDS
    return column if plain else f"`{column}`"


def numbers(values: Sequence[Value]) -> np.ndarray:
    """(n,) values as numbers; what is none becomes NaN."""

    def one(value: Value) -> float:
        try:
            return float(value) if value is not None else np.nan
        except ValueError:
            return np.nan

    known: dict[Value, float] = {}
    return np.array([known[v] if v in known else known.setdefault(v, one(v)) for v in values], dtype=float)


def moments(values: Sequence[Value]) -> np.ndarray:
    """(n,) datetime64[s] of ISO 8601 dates and times, in UTC where they name a zone; else NaT."""
    from datetime import UTC, datetime

    def one(value: Value) -> np.datetime64:
        try:
            at = datetime.fromisoformat(str(value).strip()) if isinstance(value, str) else None
        except ValueError:
            at = None
        if at is None:
            return np.datetime64("NaT", "s")
        return np.datetime64(at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at, "s")

    known: dict[Value, np.datetime64] = {}
    found = [known[v] if v in known else known.setdefault(v, one(v)) for v in values]
    return np.array(found, dtype="datetime64[s]")


class Table:
    """A snapshot as slices see it; what a column is converted to is kept.

    Parameters
    ----------
    rows : the rows.
    text, label : what the text column and the label column are called in the project.
    also : further columns that may be named: those of another data set. They are missing here.
    """

    def __init__(
        self, rows: Snapshot, *, text: str = "text", label: str = "label", also: Iterable[str] = ()
    ) -> None:
        self.rows, self.text, self.label = rows, text, label
        self.also = frozenset(also)
        self._known: dict[tuple[str, str], Any] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def names(self) -> list[str]:
        """What can be named, the columns of the data first."""
        return list(dict.fromkeys([*self.rows.columns, *sorted(self.also), self.label, *BUILT_IN]))

    def values(self, name: str) -> Sequence[Value]:
        """The values of a column, one a row.

        Raises
        ------
        KeyError : there is no such column.
        """
        rows = self.rows
        if name in (self.label, "label"):
            return rows.labels
        if name in rows.columns:
            return rows.columns[name]
        if name in self.also:
            return [None] * len(rows)
        if name == "text":
            return rows.columns.get(self.text, [None] * len(rows))
        if name == "length":
            return [len(t) for t in rows.texts(self.text)]
        if name == "words":
            return [len(t.split()) for t in rows.texts(self.text)]
        if name == "source":
            return rows.sources or [""] * len(rows)
        if name == "id":
            return rows.ids
        raise KeyError(name)

    def as_kind(self, name: str, kind: str) -> Any:
        """A column as "strings" (None where missing), "numbers", "moments" or "folded" texts."""
        if (name, kind) not in self._known:
            values = self.values(name)
            if kind == "numbers":
                self._known[name, kind] = numbers(values)
            elif kind == "moments":
                self._known[name, kind] = moments(values)
            elif kind == "folded":
                self._known[name, kind] = ["" if v is None else f" {fold(str(v))} " for v in values]
            else:
                found = [None if v is None else str(v) for v in values]
                self._known[name, kind] = np.array([*found, None], dtype=object)[:-1]
        return self._known[name, kind]


@dataclass(frozen=True, slots=True)
class _Join:
    """and, or, not."""

    word: str
    parts: tuple[_Join | _Test, ...]

    def mask(self, table: Table) -> Mask:
        masks = [p.mask(table) for p in self.parts]
        if self.word == "not":
            return np.asarray(~masks[0])
        return np.asarray(np.logical_and.reduce(masks) if self.word == "and" else np.logical_or.reduce(masks))


@dataclass(frozen=True, slots=True)
class _Test:
    """One column against constants."""

    column: str
    op: str
    values: tuple[Value, ...] = ()
    least: int = 1

    def mask(self, table: Table) -> Mask:
        if self.op == "missing":
            return np.array([v is None for v in table.values(self.column)], dtype=bool)
        if self.op in ("==", "in"):
            return self._any(table, self.values)
        if self.op == "!=":
            return np.asarray(~self._any(table, self.values))
        if self.op in ORDERS or self.op == "range":
            return self._ordered(table)
        strings = table.as_kind(self.column, "strings")
        if self.op == "matches":
            found = re.compile(str(self.values[0])).search
            return np.array([v is not None and found(v) is not None for v in strings], dtype=bool)
        if self.op == "contains":
            part = str(self.values[0]).casefold()
            return np.array([v is not None and part in v.casefold() for v in strings], dtype=bool)
        folded = table.as_kind(self.column, "folded")
        count = np.zeros(len(table), dtype=np.int32)
        for value in self.values:
            part = f" {fold(str(value))} "
            count += np.array([part in t for t in folded], dtype=bool)
        return np.asarray(count >= self.least)

    def _any(self, table: Table, values: Iterable[Value]) -> Mask:
        out = np.zeros(len(table), dtype=bool)
        for value in values:
            if isinstance(value, bool):
                found = [v is not None and str(v).casefold() == literal(value) for v in
                         table.as_kind(self.column, "strings")]  # fmt: skip
                out |= np.array(found, dtype=bool)
            elif isinstance(value, str):
                # as an object: numpy would cut zero characters off the end of a plain text
                wanted = np.array(value, dtype=object)
                out |= np.asarray(table.as_kind(self.column, "strings") == wanted, dtype=bool)
            else:
                out |= table.as_kind(self.column, "numbers") == value
        return out

    def _ordered(self, table: Table) -> Mask:
        dates = isinstance(self.values[0], str)
        column = table.as_kind(self.column, "moments" if dates else "numbers")
        ends = moments(self.values) if dates else numbers(self.values)
        if dates and self.op in ("range", "<=", ">") and len(str(self.values[-1]).strip()) == 10:
            ends[-1] += np.timedelta64(86_399, "s")  # a date without a time is the whole day
        if self.op == "range":
            return np.asarray((column >= ends[0]) & (column <= ends[1]))
        compare = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}[self.op]
        return np.asarray(compare(column, ends[0]))


@dataclass(frozen=True)
class Slice:
    """A named predicate.

    Attributes
    ----------
    name : what it is called in tables and floors.
    expression : its text.
    columns : the columns that it names.
    """

    name: str
    expression: str
    _node: _Join | _Test = field(repr=False, compare=False)

    @staticmethod
    def parse(name: str, expression: str) -> Slice:
        """Read an expression.

        Raises
        ------
        ConfigError : with the position of what cannot be read.
        """
        return Slice(name, expression, _Parser(name, expression).read())

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of columns, in order of appearance."""
        found: dict[str, None] = {}
        left: list[_Join | _Test] = [self._node]
        while left:
            node = left.pop(0)
            if isinstance(node, _Join):
                left = [*node.parts, *left]
            else:
                found[node.column] = None
        return tuple(found)

    def mask(self, table: Table) -> Mask:
        """(n,) which rows are in the slice.

        Raises
        ------
        ConfigError : a column that the table does not have, with the nearest name.
        """
        known = table.names()
        for column in self.columns:
            if column not in known:
                near = difflib.get_close_matches(column, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
                _fail(self, self.expression.find(column), f"there is no column {column!r}; {hint}")
        return self._node.mask(table)

    def to_json(self) -> dict[str, str]:
        """Name and expression."""
        return {"name": self.name, "expression": self.expression}


def _fail(at: Slice | _Parser, position: int, problem: str) -> NoReturn:
    shown = at.expression.replace("\n", " ").replace("\t", " ")
    mark = " " * max(position, 0) + "^"
    raise ConfigError(f"slice {at.name!r}, character {position + 1}: {problem}\n  {shown}\n  {mark}")


class _Parser:
    """Recursive descent: or, and, not, one test."""

    DEEPEST = 50

    def __init__(self, name: str, expression: str) -> None:
        self.name, self.expression = name, expression
        self.tokens: list[tuple[str, Any, int]] = []
        self.at = self.depth = 0

    def read(self) -> _Join | _Test:
        """The whole expression."""
        self._cut()
        node = self._either()
        if self._kind() != "end":
            self._wrong("expected 'and', 'or' or the end")
        return node

    def _cut(self) -> None:
        """Text to tokens (kind, value, position)."""
        position, text = 0, self.expression
        while text[position:].strip():
            found = _TOKEN.match(text, position)
            if found is None:
                begin = position + len(text[position:]) - len(text[position:].lstrip())
                what = (
                    "this text has no closing quote"
                    if text[begin] == '"'
                    else f"{text[begin]!r} has no meaning here"
                )
                if text[begin] == "=":
                    what = "equality is written =="
                if text[begin] == "'":
                    what = 'texts stand in double quotes: "..."'
                _fail(self, begin, what)
            kind = str(found.lastgroup)
            raw, begin = found.group(kind), found.start(kind)
            value: Any = raw
            if kind == "number":
                value = int(raw) if re.fullmatch(r"[-+]?\d+", raw) else float(raw)
            elif kind == "string":
                value = _ESCAPE.sub(_unescaped, raw[1:-1])
            elif kind == "word" and raw in _WORDS:
                kind = "sign"
            self.tokens.append(("name" if kind in ("word", "quoted") else kind, value, begin))
            position = found.end()
        self.tokens.append(("end", "the end", len(text.rstrip())))

    def _kind(self) -> str:
        return self.tokens[self.at][0]

    def _take(self, *signs: str) -> str:
        """The next token if it is one of these signs, else ""."""
        kind, value, _ = self.tokens[self.at]
        if kind == "sign" and value in signs:
            self.at += 1
            return str(value)
        return ""

    def _need(self, sign: str) -> None:
        if not self._take(sign):
            self._wrong(f"expected {sign!r}")

    def _wrong(self, expected: str) -> NoReturn:
        _, value, position = self.tokens[self.at]
        _fail(self, position, f"{expected}, found {value if value == 'the end' else repr(value)}")

    def _either(self) -> _Join | _Test:
        parts = [self._both()]
        while self._take("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else _Join("or", tuple(parts))

    def _both(self) -> _Join | _Test:
        parts = [self._one()]
        while self._take("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else _Join("and", tuple(parts))

    def _one(self) -> _Join | _Test:
        self.depth += 1
        if self.depth > self.DEEPEST:
            _fail(
                self, self.tokens[self.at][2], f"more than {self.DEEPEST} levels deep; make two slices of it"
            )
        if self._take("not"):
            node: _Join | _Test = _Join("not", (self._one(),))
        elif self._take("("):
            node = self._either()
            self._need(")")
        else:
            node = self._test()
        self.depth -= 1
        return node

    def _test(self) -> _Join | _Test:
        if self._kind() != "name":
            self._wrong("expected a column")
        column = str(self.tokens[self.at][1])
        self.at += 1
        if op := self._take("==", "!="):
            return _Test(column, op, (self._value(),))
        if op := self._take(*ORDERS):
            return _Test(column, op, (self._end(),))
        if op := self._take("contains", "matches"):
            return _Test(column, op, (self._string(regex=op == "matches"),))
        if self._take("has"):
            return self._has(column)
        if self._take("is"):
            negated = bool(self._take("not"))
            self._need("missing")
            missing = _Test(column, "missing")
            return _Join("not", (missing,)) if negated else missing
        if self._take("not"):
            self._need("in")
            return _Join("not", (self._in(column),))
        if self._take("in"):
            return self._in(column)
        self._wrong("expected a comparison: == != < <= > >= in, has, contains, matches, is missing")

    def _has(self, column: str) -> _Test:
        kind, value, position = self.tokens[self.at]
        if kind != "number":
            return _Test(column, "has", (self._string(),))
        self.at += 1
        self._need("of")
        values = self._list()
        if not isinstance(value, int) or not 1 <= value <= len(values):
            _fail(
                self,
                position,
                f"{value} of {len(values)} texts cannot be; give a number from 1 to {len(values)}",
            )
        return _Test(column, "has", tuple(str(v) for v in values), value)

    def _in(self, column: str) -> _Test:
        if self.tokens[self.at][:2] == ("sign", "["):
            return _Test(column, "in", self._list())
        position = self.tokens[self.at][2]
        low = self._end()
        self._need("..")
        high = self._end()
        if isinstance(low, str) != isinstance(high, str):
            _fail(self, position, "a range goes from number to number or from date to date")
        return _Test(column, "range", (low, high))

    def _list(self) -> tuple[Value, ...]:
        self._need("[")
        values = [self._value()]
        while self._take(","):
            values.append(self._value())
        self._need("]")
        return tuple(values)

    def _value(self) -> Value:
        if word := self._take("true", "false"):
            return word == "true"
        kind, value, _ = self.tokens[self.at]
        if kind not in ("number", "string"):
            self._wrong("expected a number or a text in double quotes")
        self.at += 1
        found: Value = value
        return found

    def _end(self) -> Value:
        """A number or a date: what can be put in order."""
        position, value = self.tokens[self.at][2], self._value()
        if isinstance(value, bool) or (isinstance(value, str) and np.isnat(moments([value])[0])):
            _fail(
                self,
                position,
                f'an order needs a number or a date such as "2026-01-31", not {literal(value)}',
            )
        return value

    def _string(self, regex: bool = False) -> str:
        kind, value, position = self.tokens[self.at]
        if kind != "string" or not value:
            self._wrong("expected a text in double quotes")
        if regex:
            try:
                re.compile(value)
            except re.error as error:
                _fail(self, position, f"not a regular expression: {error}")
        self.at += 1
        return str(value)
