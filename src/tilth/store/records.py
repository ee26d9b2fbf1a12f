"""Records: findings, trials, audits, runs ... as JSON bodies under a kind and an id."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from tilth.store.codec import from_json, pack, to_json

__all__ = ["get", "last", "listed", "put"]


def put(
    connection: sqlite3.Connection,
    kind: str,
    bodies: Iterable[tuple[str, Mapping[str, Any]]],
    *,
    subject: str,
    now: str,
) -> None:
    """Write records; one with a known id is replaced and keeps its place in the order."""
    connection.executemany(
        "INSERT INTO record (kind, id, subject, body, created) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (kind, id) DO UPDATE SET "
        "subject = excluded.subject, body = excluded.body, created = excluded.created",
        (
            (pack(kind), pack(name), pack(subject), to_json(dict(body), f"{kind} {name!r}"), pack(now))
            for name, body in bodies
        ),
    )


def get(connection: sqlite3.Connection, kind: str, name: str) -> dict[str, Any] | None:
    """The body of one record."""
    found = connection.execute(
        "SELECT body FROM record WHERE kind = ? AND id = ?", (pack(kind), pack(name))
    ).fetchone()
    return None if found is None else dict(from_json(found[0]))


def listed(connection: sqlite3.Connection, kind: str, subject: str | None) -> list[dict[str, Any]]:
    """Bodies of a kind, or of a kind and a subject, oldest first."""
    where = "" if subject is None else " AND subject = ?"
    parameters = (pack(kind),) if subject is None else (pack(kind), pack(subject))
    found = connection.execute(f"SELECT body FROM record WHERE kind = ?{where} ORDER BY key", parameters)
    return [dict(from_json(body)) for (body,) in found]


def last(connection: sqlite3.Connection, kind: str, subject: str) -> dict[str, Any] | None:
    """The body of a kind and a subject that was first written last."""
    found = connection.execute(
        "SELECT body FROM record WHERE kind = ? AND subject = ? ORDER BY key DESC LIMIT 1",
        (pack(kind), pack(subject)),
    ).fetchone()
    return None if found is None else dict(from_json(found[0]))
