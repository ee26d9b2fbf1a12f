"""From whatever a library hands out to the plain values that a field may hold."""

from __future__ import annotations

import datetime
import decimal
import math
import reprlib
import uuid
from collections.abc import Iterator, Mapping, Sequence

from tilth.data import Value, canonical
from tilth.errors import BadRow, InputError
from tilth.ingest.base import Record

__all__ = ["Unusable", "column_records", "is_empty", "iso_text", "nested_text", "plain"]

PLAIN = frozenset({str, int, float, bool, type(None)})
MISSING = frozenset({"NAType", "NaTType"})
"""Type names of the markers of pandas, which is not imported to recognise them."""


class Unusable(Exception):
    """A value that cannot be a field; caught by the readers, never seen outside.

    Attributes
    ----------
    problem, advice : as in `BadRow`.
    by_type : every value of this type is unusable, not just this one.
    """

    def __init__(self, problem: str, advice: str, *, by_type: bool = False) -> None:
        super().__init__(problem, advice)
        self.problem = problem
        self.advice = advice
        self.by_type = by_type


def _wrong_type(value: object, advice: str) -> Unusable:
    kind = type(value).__name__
    return Unusable(f"a value of type {kind} cannot be a field of a row", advice, by_type=True)


def iso_text(moment: datetime.datetime, nanos: int = 0) -> str:
    """ISO 8601 text; nanoseconds below a microsecond (0-999) are kept as digits 7 to 9."""
    if not nanos:
        return moment.isoformat()
    whole = moment.replace(tzinfo=None).isoformat(timespec="microseconds")
    offset = moment.isoformat()[len(moment.replace(tzinfo=None).isoformat()) :]
    return f"{whole}{nanos:03d}{offset}"


def _nested(value: object) -> object:
    """A nested value with plain leaves, ready for `canonical`."""
    if isinstance(value, Mapping):
        return {str(k): _nested(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_nested(v) for v in value]
    return plain(value)


def _number(value: decimal.Decimal) -> int | float:
    whole = value.is_finite() and value == value.to_integral_value()
    return int(value) if whole else float(value)


def plain(value: object) -> Value:
    """One value as text, number, bool or None.

    Nested values become canonical JSON text, moments ISO 8601 text, durations seconds.

    Raises
    ------
    Unusable
        for bytes and for types that have no text of their own (images, open files ...).
    """
    kind = type(value)
    if kind in PLAIN or kind.__name__ in MISSING:
        return value if kind in PLAIN else None  # type: ignore[return-value]
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, bytes | bytearray | memoryview):
        raise _wrong_type(value, "decode it to text, or leave the column out")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, decimal.Decimal):
        return _number(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, list | tuple | Mapping):
        return nested_text(value)
    return _numpy(value)


def _numpy(value: object) -> Value:
    kind = type(value)
    if kind.__name__ == "datetime64":
        text = str(value)
        return None if text == "NaT" else text
    if kind.__module__.split(".")[0] == "numpy" and kind.__name__ != "void":
        inner = value.tolist() if hasattr(value, "tolist") else value
        if type(inner) is not kind:
            return plain(inner)
    if isinstance(value, Unusable):  # a reader found the fault before
        raise value
    raise _wrong_type(value, "turn it into text or a number, or leave the column out")


def nested_text(value: object) -> str:
    """Canonical JSON of a list or mapping, the text that a nested value becomes."""
    return canonical(_nested(value)).decode("utf-8", "surrogatepass")


def _plain_column(values: Sequence[object]) -> tuple[list[Value], dict[int, Unusable]]:
    """A column of plain values, and what is wrong at which position (None stands there)."""
    if PLAIN.issuperset(map(type, values)):
        return list(values), {}  # type: ignore[arg-type]
    out: list[Value] = []
    faults: dict[int, Unusable] = {}
    for at, value in enumerate(values):
        try:
            out.append(plain(value))
        except Unusable as error:
            faults[at] = error
            out.append(None)
        except (RecursionError, ValueError, OverflowError):
            faults[at] = Unusable("a value that is nested too deeply or out of range", "mend it")
            out.append(None)
    return out, faults


def column_records(
    name: str, names: Sequence[str], columns: Sequence[Sequence[object]], done: int
) -> Iterator[Record | BadRow]:
    """Records from a batch of columns.

    Parameters
    ----------
    name : of the source.
    names, columns : one list of values a column; all of the same length.
    done : rows in the batches before.

    Raises
    ------
    InputError
        when the first batch has a column without one usable value: it is the column that is wrong.
    """
    cells: list[list[Value]] = []
    faults: dict[int, BadRow] = {}
    for column, values in zip(names, columns, strict=True):
        good, bad = _plain_column(values)
        cells.append(good)
        first = next(iter(bad.values()), None)
        if first and first.by_type and not done and all(v is None for v in good):
            raise InputError(f"{name}: column {column!r}: {first.problem}; {first.advice}")
        for at, what in bad.items():
            shown = str(what.args[0]) if values[at] is what else reprlib.repr(values[at])
            fault = BadRow(name, done + at + 1, column, shown, what.problem, what.advice)
            faults.setdefault(done + at + 1, fault)
    for row, found in enumerate(zip(*cells, strict=True), done + 1):
        if row in faults:
            yield faults[row]
        else:
            yield Record(row, dict(zip(names, found, strict=True)), row)


def is_empty(value: Value) -> bool:
    """True for None, NaN and the empty text: what counts as no value at all."""
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))
