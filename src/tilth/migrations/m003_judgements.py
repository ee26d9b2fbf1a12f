"""Schema 3: files of judgements, as they were taken in.

A file is one line: a million judgements as compressed columns are four megabytes and are read in a
fraction of a second, and nothing asks for a single one.
Lines are added and never changed; of each source the newest one counts.
"""

from __future__ import annotations

import sqlite3

NUMBER = 3


def up(connection: sqlite3.Connection) -> None:
    """Add the table."""
    # names: zlib of JSON {items, texts, annotators, labels}; codes: zlib of three int32 columns
    connection.execute(
        """CREATE TABLE judgements (
        key INTEGER PRIMARY KEY, source BLOB NOT NULL, digest TEXT NOT NULL, created BLOB NOT NULL,
        votes INTEGER NOT NULL, columns BLOB NOT NULL, names BLOB NOT NULL, codes BLOB NOT NULL)"""
    )
    connection.execute("CREATE INDEX judgements_source ON judgements (source)")
