"""JSON Lines, and a JSON file with one array of objects."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path

from tilth.data import Value
from tilth.errors import BadRow, InputError
from tilth.ingest import lines
from tilth.ingest.base import ROW, SAMPLE, Record, file_digest, file_size
from tilth.ingest.values import nested_text

__all__ = ["JsonSource", "open_json"]

ARRAY_LIMIT = 256_000_000
"""Bytes of a JSON array: it is held in memory, unlike JSON Lines."""
NESTED = frozenset({dict, list})
LINES_ADVICE = 'write one JSON object a line, such as {"text": "...", "label": "..."}'


class _Twice(ValueError):
    """A key occurs twice in an object: one of the values would be lost without a word."""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(next(n for n in names if names.count(n) > 1))
    return found


def _problem(error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        what = error.msg.removesuffix(" at").removesuffix(" starting")
        return f"not valid JSON: {what} at character {error.colno}"
    if isinstance(error, _Twice):
        return f"the key {error.args[0]!r} occurs twice"
    deep = isinstance(error, RecursionError)
    return "values nested too deeply" if deep else "a number with too many digits"


def _without_end(raw: str, error: ValueError | RecursionError) -> str:
    """What is wrong with a line: one that was cut in a text should not be blamed on its line end."""
    try:
        json.loads(raw.strip())
    except json.JSONDecodeError as better:
        return _problem(better)
    except (ValueError, RecursionError):
        pass
    return _problem(error)


@dataclass(frozen=True, slots=True)
class JsonSource:
    """A JSON Lines file, or a JSON file with one array.

    Attributes
    ----------
    text : the file and its encoding.
    array : the file is one array.
    columns : keys of the first 1,000 records in order of appearance; later ones may have more.
    """

    text: lines.TextFile
    array: bool
    columns: list[str]

    @property
    def name(self) -> str:
        """File name."""
        return self.text.path.name

    @property
    def size_hint(self) -> int | None:
        """Bytes of the file."""
        return file_size(self.text.path)

    def digest(self) -> str:
        """SHA-256 of the bytes of the file."""
        return file_digest([self.text.path])

    def records(self) -> Iterator[Record | BadRow]:
        """One record an object; blank lines are passed over."""
        return self._elements() if self.array else self._lines()

    def _lines(self) -> Iterator[Record | BadRow]:
        decode = json.JSONDecoder(object_pairs_hook=_object).decode
        for block in self.text.blocks():
            for number, raw in enumerate(block.lines, block.line):
                if block.faults and number in block.faults:
                    yield self._faulty(number, raw, block.faults[number])
                    continue
                try:
                    value = decode(raw)
                except (ValueError, RecursionError) as error:
                    if not raw.isspace():
                        yield self._bad(number, raw, _without_end(raw, error), LINES_ADVICE)
                    continue
                yield self._record(number, value, raw, block.end)

    def _record(self, line: int, value: object, raw: str, progress: int) -> Record | BadRow:
        if not isinstance(value, dict):
            names = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
            kind = names.get(type(value), "a number")
            return self._bad(line, raw, f"{kind}, not a JSON object", LINES_ADVICE)
        if not NESTED.isdisjoint(map(type, value.values())):
            try:
                value = {k: nested_text(v) if type(v) in NESTED else v for k, v in value.items()}
            except RecursionError as error:
                return self._bad(line, raw, _problem(error), "store the nested value as text")
        return Record(line, value, progress)

    def _bad(self, line: int, raw: str, problem: str, advice: str) -> BadRow:
        return BadRow(self.name, line, ROW, raw.strip()[:1000], problem, advice)

    def _faulty(self, line: int, raw: str, fault: lines.Fault) -> BadRow:
        """A line with a bad byte; its column is named when the rest of the line can be read."""
        fields: dict[str, Value] = {}
        try:
            value = json.loads(raw, strict=False)
            fields = value if isinstance(value, dict) else {}
        except (ValueError, RecursionError):
            pass
        for column, cell in fields.items():
            if fault.mark and isinstance(cell, str) and fault.mark in cell:
                return BadRow(self.name, line, column, cell[:1000], fault.problem, fault.advice)
        return self._bad(line, raw, fault.problem, fault.advice)

    def _elements(self) -> Iterator[Record | BadRow]:
        size = file_size(self.text.path)
        if size > ARRAY_LIMIT:
            raise InputError(
                f"{self.text.path} is one JSON array of {size:,} bytes and would be held in memory "
                f"as a whole (limit {ARRAY_LIMIT:,}); write it as JSON Lines, one object a line"
            )
        block = self.text.whole()
        starts = list(accumulate(map(len, block.lines), initial=0))
        body = "".join(block.lines)
        faults = block.faults
        del block
        for begin, end, value in self._split(body, starts):
            first, last = bisect_right(starts, begin), bisect_right(starts, end - 1)
            raw = body[begin:end]
            inside = (n for n in range(first, last + 1) if n in faults)
            number = next(inside, None) if faults else None
            if isinstance(value, _Twice):
                yield self._bad(first, raw, _problem(value), LINES_ADVICE)
            elif number is not None and faults[number].mark in raw:
                yield self._faulty(first, raw, faults[number])
            else:
                yield self._record(first, value, raw, size * end // len(body))

    def _split(self, body: str, starts: list[int]) -> Iterator[tuple[int, int, object]]:
        """Start, end and value of each element of the array."""
        # NUL bytes are let through here, so that they cost one row and not the file.
        decoder = json.JSONDecoder(object_pairs_hook=_object, strict="\0" not in body)
        blank = re.compile(r"[ \t\r\n]*+")

        def after(at: int) -> int:
            found = blank.match(body, at)
            return found.end() if found else at

        def broken(at: int, what: str) -> InputError:
            line = bisect_right(starts, min(at, len(body) - 1))
            return InputError(
                f"{self.name}:{line}: the JSON array is broken: {what} (found "
                f"{body[at : at + 40]!r}); what follows cannot be told apart: mend the file, or "
                "write JSON Lines, where a bad line costs one row"
            )

        at = after(after(0) + 1)
        closed = body.startswith("]", at)
        while not closed:
            try:
                value, end = decoder.raw_decode(body, at)
            except _Twice as error:
                value, end = error, json.JSONDecoder(strict=decoder.strict).raw_decode(body, at)[1]
            except (ValueError, RecursionError) as error:
                place = error.pos if isinstance(error, json.JSONDecodeError) else at
                raise broken(place, _problem(error)) from error
            yield at, end, value
            at = after(end)
            closed = body.startswith("]", at)
            if not closed and not body.startswith(",", at):
                raise broken(at, "expected ',' or ']'")
            at = at if closed else after(at + 1)
        at = after(at + 1)
        if at < len(body):
            raise broken(at, "text after the end of the array")


def open_json(path: Path, *, encoding: str | None = None) -> JsonSource:
    """Settle encoding, form and columns of a JSON Lines file or a JSON array.

    Raises
    ------
    InputError
        when the file is not text, has nothing in it, or is one object spread over lines.
    """
    text = lines.open_text(path, encoding)
    # Not through blocks: an array may be a single line of any length.
    found = [one.strip() for one in re.split(r"[\r\n]+", text.head()) if one.strip()]
    if not found:
        raise InputError(f"{path} begins with nothing but blank lines; {LINES_ADVICE}")
    first, second = [*found, ""][:2]
    array = first.startswith("[")
    if not array and not second.startswith("{"):
        _refuse_spread(path, first, second)
    draft = JsonSource(text, array, [])
    names: dict[str, None] = {}
    for record in islice(draft.records(), SAMPLE):
        if isinstance(record, Record):
            names.update(dict.fromkeys(record.values))
    return JsonSource(text, array, list(names))


def _refuse_spread(path: Path, first: str, second: str) -> None:
    """One object over several lines is not JSON Lines; every line would be called bad."""
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        if first in ("{", "{}") or (first.startswith("{") and second.startswith('"')):
            raise InputError(
                f"{path} is one JSON object spread over lines, not JSON Lines; write one object a "
                "line, or a file with one array of objects: [{...}, {...}]"
            ) from None
