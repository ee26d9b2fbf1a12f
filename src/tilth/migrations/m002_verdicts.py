"""Schema 2: verdicts of reviewers; lines are only ever added.

Free text is kept as BLOB, as in schema 1. `inclusion` is NULL where a person chose the row.
"""

from __future__ import annotations

import sqlite3

NUMBER = 2

TABLES = (
    """CREATE TABLE verdict (
        key INTEGER PRIMARY KEY, dataset BLOB NOT NULL, id BLOB NOT NULL,
        decision TEXT NOT NULL, label BLOB, note BLOB NOT NULL,
        given BLOB, suggested BLOB, p_wrong REAL NOT NULL, p_suggested REAL NOT NULL,
        inclusion REAL, draw BLOB NOT NULL, reviewer BLOB NOT NULL, created BLOB NOT NULL)""",
    "CREATE INDEX verdict_row ON verdict (dataset, id)",
)


def up(connection: sqlite3.Connection) -> None:
    """Make the table."""
    for statement in TABLES:
        connection.execute(statement)
