"""Verdicts in the store: added, never changed; which one counts is said in tilth.verdicts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import cast

from tilth.store.codec import pack, unpack
from tilth.verdicts import Drawn, Kind, Role, Said, Verdict

__all__ = ["add", "mark", "since", "take_back"]

COLUMNS = (
    "id, decision, label, note, given, suggested, p_wrong, p_suggested, inclusion, draw, reviewer, created, "
    "role"
)


def _packed(text: str | None) -> bytes | None:
    return None if text is None else pack(text)


def _text(blob: bytes | None) -> str | None:
    return None if blob is None else unpack(blob)


def add(connection: sqlite3.Connection, dataset: str, verdicts: Iterable[Verdict]) -> None:
    """Write verdicts down."""
    name = pack(dataset)
    connection.executemany(
        f"INSERT INTO verdict (dataset, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                name, pack(v.row.id), v.said.decision, _packed(v.said.label), pack(v.said.note),
                _packed(v.row.given), _packed(v.row.suggested), v.row.p_wrong, v.row.p_suggested,
                v.row.inclusion, pack(v.row.draw), pack(v.reviewer), pack(v.created),
                v.said.role,
            )
            for v in verdicts
        ),
    )  # fmt: skip


def since(connection: sqlite3.Connection, dataset: str, key: int = 0) -> tuple[int, list[Verdict]]:
    """Every verdict that was written after the one with this key, oldest first, and the key of the last."""
    found = connection.execute(
        f"SELECT key, {COLUMNS} FROM verdict WHERE dataset = ? AND key > ? ORDER BY key", (pack(dataset), key)
    )
    out = []
    for key, *told in found:  # noqa: B007  the last one is returned
        row, decision, label, note, given, suggested, wrong, right, chance, draw, who, when, role = told
        name, of = unpack(row), unpack(draw)
        said = Said(name, cast(Kind, decision), _text(label), unpack(note), of, cast(Role, role))
        drawn = Drawn(name, _text(given), _text(suggested), wrong, right, chance, of)
        out.append(Verdict(said, drawn, unpack(who), unpack(when)))
    return key, out


def take_back(
    connection: sqlite3.Connection, dataset: str, draw: str, passed: Iterable[str], reviewer: str, now: str
) -> int:
    """Write down again what the author of a draw said before, on each row where they said nothing since.

    Parameters
    ----------
    passed : other draws that do not count as what stood before.

    Returns
    -------
    Number of rows.
    """
    name, left = pack(dataset), [pack(x) for x in (draw, *passed)]
    note = f"undo by {reviewer}"
    marks = ",".join("?" * len(left))
    same = "dataset = v.dataset AND {0}.id = v.id AND {0}.reviewer = v.reviewer"
    found = connection.execute(
        f"SELECT v.key, (SELECT max(b.key) FROM verdict b WHERE b.{same.format('b')} "
        f"AND b.key < v.key AND b.draw NOT IN ({marks})) FROM verdict v WHERE v.dataset = ? AND v.draw = ? "
        f"AND v.key = (SELECT max(n.key) FROM verdict n WHERE n.{same.format('n')})",
        (*left, name, pack(draw)),
    ).fetchall()
    connection.executemany(
        f"INSERT INTO verdict (dataset, {COLUMNS}) SELECT dataset, {COLUMNS} FROM verdict WHERE key = ?",
        ((before,) for _, before in found if before is not None),
    )
    connection.executemany(
        f"INSERT INTO verdict (dataset, {COLUMNS}) SELECT dataset, id, 'skip', NULL, ?, given, suggested, "
        "p_wrong, p_suggested, NULL, ?, reviewer, ?, role FROM verdict WHERE key = ?",
        ((pack(note), pack(""), pack(now), key) for key, before in found if before is None),
    )
    return len(found)


def mark(connection: sqlite3.Connection, dataset: str) -> int:
    """A number that grows with every verdict; 0 when there is none."""
    (found,) = connection.execute(
        "SELECT max(key) FROM verdict WHERE dataset = ?", (pack(dataset),)
    ).fetchone()
    return int(found or 0)
