"""Leases in the store: which rows are in whose hands, and until when."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tilth.store.codec import pack, unpack

__all__ = ["Lease", "done", "put", "release", "renew", "standing"]


@dataclass(frozen=True, slots=True)
class Lease:
    """A row in somebody's hands.

    Attributes
    ----------
    id : the row.
    reviewer : who.
    seat : one window of theirs, or a file that they fill in.
    until : when it ends, seconds since 1970.
    """

    id: str
    reviewer: str
    seat: str
    until: float


def standing(connection: sqlite3.Connection, dataset: str, now: float) -> list[Lease]:
    """The leases that have not ended."""
    found = connection.execute(
        "SELECT id, reviewer, seat, until FROM lease WHERE dataset = ? AND until > ?", (pack(dataset), now)
    )
    return [Lease(unpack(row), unpack(who), unpack(seat), until) for row, who, seat, until in found]


def put(connection: sqlite3.Connection, dataset: str, found: Sequence[Lease], now: float) -> None:
    """Give rows out, in the place of those that the same seats held; what has ended is forgotten."""
    name = pack(dataset)
    connection.execute("DELETE FROM lease WHERE until <= ?", (now,))
    connection.executemany(
        "INSERT INTO lease (dataset, id, reviewer, seat, until) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (dataset, id) DO UPDATE SET "
        "reviewer = excluded.reviewer, seat = excluded.seat, until = excluded.until",
        [(name, pack(x.id), pack(x.reviewer), pack(x.seat), x.until) for x in found],
    )


def release(
    connection: sqlite3.Connection, dataset: str, reviewer: str, seat: str, rows: Iterable[str] | None = None
) -> None:
    """Take rows back from a seat; None: all of them."""
    whose = (pack(dataset), pack(reviewer), pack(seat))
    if rows is None:
        connection.execute("DELETE FROM lease WHERE dataset = ? AND reviewer = ? AND seat = ?", whose)
        return
    connection.executemany(
        "DELETE FROM lease WHERE dataset = ? AND reviewer = ? AND seat = ? AND id = ?",
        [(*whose, pack(row)) for row in rows],
    )


def done(connection: sqlite3.Connection, dataset: str, pairs: Iterable[tuple[str, str]]) -> None:
    """End the leases of rows that were decided.

    Parameters
    ----------
    pairs : row and reviewer of each verdict.
    """
    name = pack(dataset)
    connection.executemany(
        "DELETE FROM lease WHERE dataset = ? AND id = ? AND reviewer = ?",
        [(name, pack(row), pack(who)) for row, who in pairs],
    )


def renew(connection: sqlite3.Connection, dataset: str, until: float, reviewer: str | None = None) -> None:
    """Let leases end no sooner than this; of one person, or of all."""
    whose = "" if reviewer is None else " AND reviewer = ?"
    parameters = (until, pack(dataset)) + (() if reviewer is None else (pack(reviewer),))
    connection.execute(f"UPDATE lease SET until = max(until, ?) WHERE dataset = ?{whose}", parameters)
