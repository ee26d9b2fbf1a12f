"""Reading the line of a data set: heads, versions, the rows of a version, the diff of two.

Functions over an open connection; each reads with one statement, which sees one state of the store.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from tilth.data import Row, Snapshot, Value, Version
from tilth.errors import InputError, NotFound
from tilth.patch import KINDS, Op
from tilth.store.codec import fields_of, pack, unpack

__all__ = [
    "Alive",
    "alive",
    "counts_by_label",
    "dataset_key",
    "datasets",
    "diff",
    "diff_counts",
    "head",
    "pinned",
    "raw_rows",
    "resolve",
    "rows",
    "snapshot",
    "versions",
]

SHORTEST = 4
"""Characters that a prefix of an id needs at least."""

ALIVE = 8388607
"""`died` of the states in a head. Spelled out in queries: the partial indexes have it as condition."""

# the rows of one version, by id: those still alive in the order of their index, merged with those
# that died since, which are sorted (there are few)
ROWS = f"""
SELECT s.id AS id, l.name, o.name, c.body
FROM state s INDEXED BY state_alive
JOIN content c ON c.key = s.content JOIN source o ON o.key = s.source
LEFT JOIN label l ON l.key = s.label
WHERE s.dataset = :dataset AND s.died = {ALIVE} AND s.born <= :seq
UNION ALL
SELECT s.id, l.name, o.name, c.body
FROM state s INDEXED BY state_died
JOIN content c ON c.key = s.content JOIN source o ON o.key = s.source
LEFT JOIN label l ON l.key = s.label
WHERE s.dataset = :dataset AND s.died < {ALIVE} AND s.died > :seq AND s.born <= :seq
ORDER BY id
"""

# side 0: states of version :low that are gone in :high; side 1: states of :high that are new
CHANGED = f"""
SELECT s.id AS id, 0 AS side, s.label AS label, s.content AS content, s.source AS source
FROM state s INDEXED BY state_died
WHERE s.dataset = :dataset AND s.died < {ALIVE} AND s.died > :low AND s.died <= :high
  AND s.born <= :low
UNION ALL
SELECT s.id, 1, s.label, s.content, s.source
FROM state s {{index}}
WHERE s.dataset = :dataset AND s.born > :low AND s.born <= :high {{first}}
  AND s.died > :high
"""
# "born > 1" is spelled out because the index has this condition; only from nothing (low = 0), where
# all rows are new, is it not true
LATER = CHANGED.format(index="INDEXED BY state_born", first="AND s.born > 1")
FROM_NOTHING = CHANGED.format(index="", first="")


@dataclass(frozen=True, slots=True)
class Alive:
    """A row of a head and the keys of its state."""

    key: int
    content: int
    source: int
    row: Row


def dataset_key(connection: sqlite3.Connection, name: str) -> int | None:
    """The key of a data set, None when there is none of this name."""
    found = connection.execute("SELECT key FROM dataset WHERE name = ?", (pack(name),)).fetchone()
    return None if found is None else int(found[0])


def datasets(connection: sqlite3.Connection) -> list[str]:
    """Names of the data sets that have a version, ascending."""
    found = connection.execute(
        "SELECT name FROM dataset WHERE key IN (SELECT dataset FROM version) ORDER BY name"
    )
    return [unpack(name) for (name,) in found]


def _versions(connection: sqlite3.Connection, tail: str, parameters: tuple[Any, ...]) -> list[Version]:
    found = connection.execute(
        "SELECT v.id, d.name, v.seq, v.rows, v.created, v.patch, v.note "
        "FROM version v JOIN dataset d ON d.key = v.dataset " + tail,
        parameters,
    )
    return [
        Version(row_id, unpack(name), seq, rows, unpack(created), patch, unpack(note))
        for row_id, name, seq, rows, created, patch, note in found
    ]


def versions(connection: sqlite3.Connection, dataset: str) -> list[Version]:
    """The line of a data set, oldest first."""
    return _versions(connection, "WHERE d.name = ? ORDER BY v.seq", (pack(dataset),))


def head(connection: sqlite3.Connection, dataset: str) -> Version | None:
    """The newest version of a data set."""
    found = _versions(connection, "WHERE d.name = ? ORDER BY v.seq DESC LIMIT 1", (pack(dataset),))
    return found[0] if found else None


def made_by(connection: sqlite3.Connection, patch: str) -> Version | None:
    """The first version that a patch made."""
    found = _versions(connection, "WHERE v.patch = ? ORDER BY v.key LIMIT 1", (patch,))
    return found[0] if found else None


def resolve(connection: sqlite3.Connection, ref: str, dataset: str | None) -> Version:
    """The version that a person named; see `Store.version`."""
    if "@" in ref or "~" in ref:
        name, mark, number = ref.rpartition("@" if "@" in ref else "~")
        return _numbered(connection, ref, name or dataset or "", mark, number)
    latest = head(connection, ref)
    if latest is not None:
        return latest
    if len(ref) < SHORTEST or not set(ref) <= set("0123456789abcdef"):
        known = ", ".join(datasets(connection)) or "none yet"
        raise NotFound(
            f"no data set or version {ref!r}. Data sets: {known}. A version is named by the first "
            f"{SHORTEST} or more characters of its id, or as train (newest), train@3 or train~1."
        )
    # "g" comes after every hexadecimal digit, so this is a range of the index
    found = _versions(connection, "WHERE v.id >= ? AND v.id < ? ORDER BY v.key", (ref, ref + "g"))
    found = [v for v in found if dataset in (None, v.dataset)]
    newest = {(v.dataset, v.id): v for v in found}
    if not newest:
        inside = f" in {dataset!r}" if dataset is not None else ""
        raise NotFound(f"no version whose id starts with {ref!r}{inside}; see `tilth log`")
    if len(newest) > 1:
        listed = ", ".join(f"{v.id} ({v.dataset}@{v.seq})" for v in newest.values())
        raise NotFound(f"{ref!r} can mean more than one version: {listed}. Give more of it.")
    return next(iter(newest.values()))


def _numbered(connection: sqlite3.Connection, ref: str, name: str, mark: str, number: str) -> Version:
    latest = head(connection, name)
    if latest is None:
        known = ", ".join(datasets(connection)) or "none yet"
        raise NotFound(f"{ref!r}: no data set {name!r}. Data sets: {known}.")
    # isdecimal would let other scripts' digits through
    if not (number.isascii() and number.isdecimal() and len(number) < 16):
        raise NotFound(f"{ref!r}: a whole number was expected after {mark!r}, found {number!r}")
    seq = int(number) if mark == "@" else latest.seq - int(number)
    found = _versions(connection, "WHERE d.name = ? AND v.seq = ?", (pack(name), seq))
    if not found:
        raise NotFound(f"{ref!r}: {name!r} has the versions @1 to @{latest.seq}")
    return found[0]


def pinned(connection: sqlite3.Connection, version: Version) -> dict[str, int]:
    """Key and seq of a version of this store, as parameters of a query."""
    found = connection.execute(
        "SELECT v.dataset FROM version v JOIN dataset d ON d.key = v.dataset "
        "WHERE d.name = ? AND v.seq = ? AND v.id = ?",
        (pack(version.dataset), version.seq, version.id),
    ).fetchone()
    if found is None:
        raise NotFound(f"version {version.id} ({version.dataset}@{version.seq}) is not in this project")
    return {"dataset": found[0], "seq": version.seq}


def raw_rows(
    connection: sqlite3.Connection, at: dict[str, int]
) -> Generator[tuple[bytes, bytes | None, bytes, bytes], None, None]:
    """Id, label, source and body of the rows of a version, by id, as they are stored."""
    with closing(connection.execute(ROWS, at)) as cursor:
        yield from cursor


def rows(connection: sqlite3.Connection, version: Version) -> Generator[Row, None, None]:
    """The rows of a version by id, one at a time."""
    for row_id, label, source, body in raw_rows(connection, pinned(connection, version)):
        yield _row(row_id, label, source, body)


def _row(row_id: bytes, label: bytes | None, source: bytes, body: bytes) -> Row:
    name = None if label is None else unpack(label)
    return Row(unpack(row_id), fields_of(body), name, unpack(source))


class _Shared:
    """One object for equal texts, as long as there are few: a million labels are 77 strings.

    Only texts: 1 and True are equal and must not replace one another.
    """

    LIMIT = 4096

    def __init__(self) -> None:
        self._seen: dict[Value, Value] = {}

    def __call__(self, value: Value) -> Value:
        if type(value) is not str:
            return value
        if len(self._seen) < self.LIMIT:
            return self._seen.setdefault(value, value)
        return self._seen.get(value, value)


def snapshot(connection: sqlite3.Connection, version: Version) -> Snapshot:
    """The rows of a version as columns."""
    ids: list[str] = []
    labels: list[str | None] = []
    sources: list[str] = []
    columns: dict[str, list[Value]] = {}
    shared: dict[str, _Shared] = {}
    names: dict[bytes | None, str | None] = {None: None}
    for row_id, label, source, body in raw_rows(connection, pinned(connection, version)):
        for blob in (label, source):
            if blob is not None and blob not in names:
                names[blob] = unpack(blob)
        fields = fields_of(body)
        for name, value in fields.items():
            if name not in columns:
                columns[name] = [None] * len(ids)
                shared[name] = _Shared()
            columns[name].append(shared[name](value))
        ids.append(unpack(row_id))
        labels.append(names[label])
        sources.append(names[source] or "")
        if len(fields) < len(columns):
            for column in columns.values():
                if len(column) < len(ids):
                    column.append(None)
    return Snapshot(ids, labels, columns, sources)


def alive(connection: sqlite3.Connection, dataset: int, row_id: str) -> Alive | None:
    """A row of the head."""
    found = connection.execute(
        "SELECT s.key, s.content, s.source, s.id, l.name, o.name, c.body "
        "FROM state s INDEXED BY state_alive JOIN content c ON c.key = s.content "
        "JOIN source o ON o.key = s.source LEFT JOIN label l ON l.key = s.label "
        f"WHERE s.dataset = ? AND s.id = ? AND s.died = {ALIVE}",
        (dataset, pack(row_id)),
    ).fetchone()
    if found is None:
        return None
    key, content, source, *row = found
    return Alive(key, content, source, _row(*row))


def counts_by_label(connection: sqlite3.Connection, version: Version) -> dict[str | None, int]:
    """Rows of each label, most frequent first."""
    found = connection.execute(
        f"""
        SELECT l.name, count(*) FROM (
            SELECT label FROM state INDEXED BY state_alive
            WHERE dataset = :dataset AND died = {ALIVE} AND born <= :seq
            UNION ALL
            SELECT label FROM state INDEXED BY state_died
            WHERE dataset = :dataset AND died < {ALIVE} AND died > :seq AND born <= :seq
        ) s LEFT JOIN label l ON l.key = s.label
        GROUP BY s.label ORDER BY count(*) DESC, l.name
        """,
        pinned(connection, version),
    )
    return {None if name is None else unpack(name): count for name, count in found}


def _range(connection: sqlite3.Connection, a: Version, b: Version) -> dict[str, int]:
    if a.dataset != b.dataset:
        raise InputError(
            f"cannot compare {a.dataset}@{a.seq} with {b.dataset}@{b.seq}: only versions of one "
            "data set can be compared"
        )
    pinned(connection, b)
    low, high = sorted((a.seq, b.seq))
    return {"dataset": pinned(connection, a)["dataset"], "low": low, "high": high}


def _pairs(
    connection: sqlite3.Connection, between: dict[str, int], query: str
) -> Generator[tuple[Any, Any], None, None]:
    """The state before and after of each row whose state changed between two versions."""
    with closing(connection.execute(query, between)) as cursor:
        for _, group in groupby(cursor, key=itemgetter(0)):
            sides = {state[1]: state for state in group}
            before, after = sides.get(0), sides.get(1)
            # a row that was changed and changed back in between is as it was
            if before is None or after is None or before[2:4] != after[2:4]:
                yield before, after


def diff(connection: sqlite3.Connection, a: Version, b: Version) -> Generator[Op, None, None]:
    """The ops that turn version a into version b of the same data set, by row id."""
    with closing(diff_between(connection, _range(connection, a, b), LATER)) as forward:
        for op in forward:
            yield op if a.seq <= b.seq else op.inverse()


def diff_between(
    connection: sqlite3.Connection, between: dict[str, int], changed: str
) -> Generator[Op, None, None]:
    """The ops from version :low to :high; `changed` is LATER, or FROM_NOTHING for low = 0."""
    query = (
        f"SELECT s.id, s.side, s.label, s.content, l.name, o.name, c.body FROM ({changed}) s "
        "JOIN content c ON c.key = s.content JOIN source o ON o.key = s.source "
        "LEFT JOIN label l ON l.key = s.label ORDER BY s.id, s.side"
    )
    for before, after in _pairs(connection, between, query):
        yield Op(
            None if before is None else _row(before[0], *before[4:]),
            None if after is None else _row(after[0], *after[4:]),
        )


def diff_counts(connection: sqlite3.Connection, a: Version, b: Version) -> dict[str, int]:
    """Number of ops of each kind that `diff` gives, without reading the rows."""
    swap = {"add": "drop", "drop": "add"} if a.seq > b.seq else {}
    found: Counter[str] = Counter()
    for before, after in _pairs(connection, _range(connection, a, b), LATER + " ORDER BY 1, 2"):
        if before is None or after is None:
            kind = "add" if before is None else "drop"
        else:
            kind = "relabel" if before[3] == after[3] else "edit"
        found[swap.get(kind, kind)] += 1
    return {kind: found[kind] for kind in KINDS if found[kind]}
