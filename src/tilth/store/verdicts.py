"""Verdicts in the store: added, never changed; the newest on a row stands."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import cast

from tilth.store.codec import pack, unpack
from tilth.verdicts import Drawn, Kind, Said, Verdict

__all__ = ["add", "mark", "standing", "take_back"]

COLUMNS = (
    "id, decision, label, note, given, suggested, p_wrong, p_suggested, inclusion, draw, reviewer, created"
)


def _packed(text: str | None) -> bytes | None:
    return None if text is None else pack(text)


def _text(blob: bytes | None) -> str | None:
    return None if blob is None else unpack(blob)


def add(connection: sqlite3.Connection, dataset: str, verdicts: Iterable[Verdict]) -> None:
    """Write verdicts down."""
    name = pack(dataset)
    connection.executemany(
        f"INSERT INTO verdict (dataset, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                name, pack(v.row.id), v.said.decision, _packed(v.said.label), pack(v.said.note),
                _packed(v.row.given), _packed(v.row.suggested), v.row.p_wrong, v.row.p_suggested,
                v.row.inclusion, pack(v.row.draw), pack(v.reviewer), pack(v.created),
            )
            for v in verdicts
        ),
    )  # fmt: skip


def standing(connection: sqlite3.Connection, dataset: str, *, every: bool = False) -> list[Verdict]:
    """The newest verdict on each row, or all of them; oldest first."""
    newest = "" if every else "AND key IN (SELECT max(key) FROM verdict WHERE dataset = ? GROUP BY id)"
    parameters = (pack(dataset),) * (1 if every else 2)
    found = connection.execute(
        f"SELECT {COLUMNS} FROM verdict WHERE dataset = ? {newest} ORDER BY key", parameters
    )
    out = []
    for row, decision, label, note, given, suggested, wrong, right, chance, draw, who, when in found:
        name, of = unpack(row), unpack(draw)
        said = Said(name, cast(Kind, decision), _text(label), unpack(note), of)
        drawn = Drawn(name, _text(given), _text(suggested), wrong, right, chance, of)
        out.append(Verdict(said, drawn, unpack(who), unpack(when)))
    return out


def take_back(
    connection: sqlite3.Connection, dataset: str, draw: str, passed: Iterable[str], reviewer: str, now: str
) -> int:
    """Write down again what stood before a draw, on each row whose newest verdict is of that draw.

    Parameters
    ----------
    passed : other draws that do not count as what stood before.

    Returns
    -------
    Number of rows.
    """
    name, left = pack(dataset), [pack(x) for x in (draw, *passed)]
    marks = ",".join("?" * len(left))
    found = connection.execute(
        "SELECT v.key, (SELECT max(b.key) FROM verdict b WHERE b.dataset = v.dataset AND b.id = v.id "
        f"AND b.key < v.key AND b.draw NOT IN ({marks})) FROM verdict v WHERE v.dataset = ? AND v.draw = ? "
        "AND v.key = (SELECT max(n.key) FROM verdict n WHERE n.dataset = v.dataset AND n.id = v.id)",
        (*left, name, pack(draw)),
    ).fetchall()
    connection.executemany(
        f"INSERT INTO verdict (dataset, {COLUMNS}) SELECT dataset, {COLUMNS} FROM verdict WHERE key = ?",
        ((before,) for _, before in found if before is not None),
    )
    connection.executemany(
        f"INSERT INTO verdict (dataset, {COLUMNS}) SELECT dataset, id, 'skip', NULL, ?, given, suggested, "
        "p_wrong, p_suggested, NULL, ?, ?, ? FROM verdict WHERE key = ?",
        ((pack("undo"), pack(""), pack(reviewer), pack(now), key) for key, before in found if before is None),
    )
    return len(found)


def mark(connection: sqlite3.Connection, dataset: str) -> int:
    """A number that grows with every verdict; 0 when there is none."""
    (found,) = connection.execute(
        "SELECT max(key) FROM verdict WHERE dataset = ?", (pack(dataset),)
    ).fetchone()
    return int(found or 0)
