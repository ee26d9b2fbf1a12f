"""Row, Version, Snapshot: the nouns of the data, without any input or output.

A row's digest covers what a model can see (id, fields, label), not where it came from. A version's id
is the digest of the *multiset* of its rows: it does not depend on their order and is updated in time
proportional to a change, not to the data set.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from tilth.errors import InputError, TilthError

__all__ = ["Incoming", "MultisetHash", "Row", "Snapshot", "Value", "Version", "content_id", "json_lines"]

Value = str | int | float | bool | None
"""What a field of a row may hold."""


def canonical(value: object) -> bytes:
    """UTF-8 JSON with sorted keys and no blanks: the one spelling that digests are taken of.

    Lone surrogates (possible in JSON Lines input) are kept as escapes, so no text fails to hash.
    """
    return json.dumps(
        value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=True
    ).encode("utf-8", "surrogatepass")


_HALVES = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def has_halves(value: object) -> bool:
    """Whether a text holds the two halves of a character (a surrogate pair) as two characters.

    No decoder makes such a text, and no JSON file can spell it: the escapes of the halves are read as the
    one character. What is taken in must not hold it.
    """
    return isinstance(value, str) and not value.isascii() and _HALVES.search(value) is not None


def _present(fields: Mapping[str, Value]) -> dict[str, Value]:
    """Without the fields that are None: a snapshot cannot tell them from absent ones."""
    return {name: value for name, value in fields.items() if value is not None}


def content_id(fields: Mapping[str, Value], copy: int = 1) -> str:
    """The id of a row that came without one: 16 hex digits of its fields, not of its label.

    Parameters
    ----------
    fields : the row's columns without the label; their order does not matter, and a column that is
        None counts as absent.
    copy : 1 for the first row with these fields, 2 for the second ...: copies get ids of their own.
    """
    digest = hashlib.blake2b(canonical(_present(fields)), digest_size=8).hexdigest()
    return digest if copy == 1 else f"{digest}~{copy}"


@dataclass(frozen=True, slots=True)
class Row:
    """One example.

    Attributes
    ----------
    id : stable name; survives relabelling and re-ingest.
    fields : column name to value, without the label; those that are None are left out.
    label : the class, or None for a row without a label.
    source : where the row came from; not part of the digest.
    """

    id: str
    fields: Mapping[str, Value]
    label: str | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not self.id:
            raise ValueError(f"a row id is a non-empty string, not {self.id!r}")
        object.__setattr__(self, "fields", MappingProxyType(_present(self.fields)))

    def digest(self) -> bytes:
        """SHA-256 of id, fields and label (32 bytes)."""
        return hashlib.sha256(canonical([self.id, dict(self.fields), self.label])).digest()

    def __reduce__(self) -> tuple[object, ...]:
        return (Row, (self.id, dict(self.fields), self.label, self.source))


@dataclass(frozen=True, slots=True)
class Incoming:
    """A row on its way in: what a reader found, and what the store takes.

    Attributes
    ----------
    id : its own id; None: the store gives it `content_id` of its fields.
    fields : column name to value, without id and label.
    label : the class, or None for a row without a label.
    line : physical line at which it starts in its source, from 1; the row number in binary formats;
        0 where there is no source.
    progress : bytes (text formats) or rows (binary formats) of the source that were read so far.
    """

    id: str | None
    fields: Mapping[str, Value]
    label: str | None = None
    line: int = 0
    progress: int = 0


class MultisetHash:
    """LtHash: a digest of a multiset of rows that can be updated row by row, in any order.

    Each row's SHA-256 is expanded by SHAKE-128 to 1,024 numbers of 16 bits; the state is their sum
    modulo 2**16. 2 KiB of state give over 200 bits of collision resistance, unlike a plain 256-bit
    sum.

    References
    ----------
    Bellare and Micciancio, "A new paradigm for collision-free hashing", EUROCRYPT 1997;
    Lewi et al., "Securing update propagation with homomorphic hashing", 2019 (LtHash16).
    """

    WIDTH = 1024

    def __init__(self, state: bytes | None = None, count: int = 0) -> None:
        self._sum = (
            np.zeros(self.WIDTH, dtype=np.uint16)
            if state is None
            else np.frombuffer(state, dtype="<u2").astype(np.uint16)
        )
        self.count = count

    def _expand(self, digests: Sequence[bytes]) -> np.ndarray:
        raw = b"".join(hashlib.shake_128(d).digest(2 * self.WIDTH) for d in digests)
        wide = np.frombuffer(raw, dtype="<u2").reshape(-1, self.WIDTH)
        return np.asarray(wide.sum(axis=0, dtype=np.uint16))

    def add(self, digests: Sequence[bytes]) -> None:
        """Add rows by their digests."""
        for start in range(0, len(digests), 4096):
            self._sum += self._expand(digests[start : start + 4096])
        self.count += len(digests)

    def remove(self, digests: Sequence[bytes]) -> None:
        """Take rows out by their digests; the caller knows that they are in."""
        for start in range(0, len(digests), 4096):
            self._sum -= self._expand(digests[start : start + 4096])
        self.count -= len(digests)

    def state(self) -> bytes:
        """The 2,048 bytes from which the hash can be continued."""
        return self._sum.astype("<u2").tobytes()

    def version_id(self) -> str:
        """20 hex digits that name a version with these rows."""
        return hashlib.sha256(self.state() + str(self.count).encode()).hexdigest()[:20]


@dataclass(frozen=True, slots=True)
class Version:
    """One immutable state of a data set.

    Attributes
    ----------
    id : digest of the rows; equal rows have equal ids, whatever their order or history.
    dataset : "train", "eval" ...
    seq : 1, 2, 3 ... along the line of this data set. Two versions with equal rows (after a revert)
        share an id and differ in seq.
    rows : number of rows.
    created : ISO 8601, UTC.
    patch : id of the patch that made it from the version before.
    note : one line for the log.
    """

    id: str
    dataset: str
    seq: int
    rows: int
    created: str
    patch: str
    note: str


@dataclass(frozen=True)
class Snapshot:
    """The rows of one version in memory, by column, sorted by row id.

    Attributes
    ----------
    ids : row ids, ascending, without repetition.
    labels : one label (or None) a row.
    columns : field name to one value a row; a row without the field has None there.
    sources : one source a row.
    """

    ids: Sequence[str]
    labels: Sequence[str | None]
    columns: Mapping[str, Sequence[Value]]
    sources: Sequence[str] = field(default=())

    @staticmethod
    def of(rows: Iterable[Row]) -> Snapshot:
        """Collect rows; they are sorted by id. A repeated id is a ValueError."""
        ordered = sorted(rows, key=lambda r: r.id)
        names: dict[str, None] = {}
        for row in ordered:
            names.update(dict.fromkeys(row.fields))
        ids = [r.id for r in ordered]
        if len(set(ids)) != len(ids):
            raise ValueError("row ids are not unique")
        columns = {n: [r.fields.get(n) for r in ordered] for n in names}
        return Snapshot(ids, [r.label for r in ordered], columns, [r.source for r in ordered])

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Row id to position."""
        return {row_id: i for i, row_id in enumerate(self.ids)}

    def row(self, position: int) -> Row:
        """The row at a position; a field that is None there is left out."""
        fields = {n: c[position] for n, c in self.columns.items() if c[position] is not None}
        source = self.sources[position] if self.sources else ""
        return Row(self.ids[position], fields, self.labels[position], source)

    def rows(self) -> Iterator[Row]:
        """All rows in order of their ids."""
        return (self.row(i) for i in range(len(self)))

    def take(self, positions: Iterable[int]) -> Snapshot:
        """The rows at these positions (ascending), as a new snapshot."""
        keep = list(positions)
        return Snapshot(
            [self.ids[i] for i in keep],
            [self.labels[i] for i in keep],
            {n: [c[i] for i in keep] for n, c in self.columns.items()},
            [self.sources[i] for i in keep] if self.sources else (),
        )

    def texts(self, column: str) -> list[str]:
        """One column as text; a missing value is the empty text."""
        values = self.columns.get(column, [None] * len(self))
        return ["" if v is None else str(v) for v in values]


def json_lines(
    text: str, name: str, error: type[TilthError] = InputError
) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """The objects of JSON Lines, each behind its line number and file:line; blank lines are left out.

    Raises
    ------
    error : a line is no JSON object.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{name}:{number}"
        try:
            body = json.loads(line)
        except json.JSONDecodeError as bad:
            raise error(f"{where}: not JSON ({bad.msg}, column {bad.colno})") from bad
        except (ValueError, RecursionError) as bad:  # a number of 5,000 digits, a thousand brackets
            raise error(f"{where}: JSON that cannot be read ({bad})") from bad
        if not isinstance(body, dict):
            raise error(f"{where}: a line is a JSON object, not {type(body).__name__}")
        yield number, where, body
