"""Schema 4: several reviewers: what a verdict does besides deciding, and rows leased to people.

A lease is a line that comes and goes; losing all of them loses no work.
"""

from __future__ import annotations

import sqlite3

NUMBER = 4

STATEMENTS = (
    # role: "", "ask" (for a second opinion) or "settle" (a disagreement)
    "ALTER TABLE verdict ADD COLUMN role TEXT NOT NULL DEFAULT ''",
    # seat: one window of a person, or a file that they fill in; until: seconds since 1970
    """CREATE TABLE lease (
        dataset BLOB NOT NULL, id BLOB NOT NULL, reviewer BLOB NOT NULL, seat BLOB NOT NULL,
        until REAL NOT NULL, PRIMARY KEY (dataset, id)) WITHOUT ROWID""",
)


def up(connection: sqlite3.Connection) -> None:
    """Add the column and the table."""
    for statement in STATEMENTS:
        connection.execute(statement)
