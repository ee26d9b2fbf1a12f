"""Schema 1: temporal tables, one line for each state of a row.

Free text is kept as BLOB (UTF-8 with "surrogatepass"): the sqlite3 module cannot put a lone surrogate
into TEXT. The order of such BLOBs is the order of Python texts.
"""

from __future__ import annotations

import sqlite3

NUMBER = 1

TABLES = (
    # "Tlth", so that `file` and we can tell a Tilth store from another SQLite file
    "PRAGMA application_id = 0x546c7468",
    # hash: the MultisetHash state of the head, from which the next version id is made
    """CREATE TABLE dataset (
        key INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, hash BLOB)""",
    "CREATE TABLE label (key INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE)",
    "CREATE TABLE source (key INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE)",
    # body: canonical JSON of the fields, so that equal fields are equal contents
    """CREATE TABLE content (
        key INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, body BLOB NOT NULL)""",
    # A row is in this state in the versions born <= seq < died; 8388607 stands for "not yet".
    # Rows of this table are appended and `died` is set once: nothing else is ever changed.
    # Nothing that is written in place may grow, or full pages split, 4 KB for each row relabelled
    # (measured: 0 to 190 KB for 100 rows, by the luck of the length of ids). Hence a number as wide
    # as any to come for `died`, not NULL, and keys that start where they need 3 bytes.
    """CREATE TABLE state (
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        dataset INTEGER NOT NULL, id BLOB NOT NULL,
        label INTEGER, content INTEGER NOT NULL, source INTEGER NOT NULL,
        born INTEGER NOT NULL, died INTEGER NOT NULL DEFAULT 8388607)""",
    "INSERT INTO sqlite_sequence (name, seq) VALUES ('state', 32767)",
    # partial: a relabel takes one entry out and puts one of the same size in
    "CREATE UNIQUE INDEX state_alive ON state (dataset, id) WHERE died = 8388607",
    # The first version (all rows of a first import) is never the later side of a diff: 11 MB
    # less for a million rows.
    "CREATE INDEX state_born ON state (dataset, born) WHERE born > 1",
    "CREATE INDEX state_died ON state (dataset, died) WHERE died < 8388607",
    """CREATE TABLE version (
        key INTEGER PRIMARY KEY,
        dataset INTEGER NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL, rows INTEGER NOT NULL,
        created BLOB NOT NULL, patch TEXT NOT NULL, note BLOB NOT NULL, UNIQUE (dataset, seq))""",
    "CREATE INDEX version_id ON version (id)",
    "CREATE INDEX version_patch ON version (patch)",
    # ops: zlib of JSON Lines; NULL for an import, whose ops are the diff of two versions
    """CREATE TABLE patch (
        key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
        dataset BLOB NOT NULL, base TEXT NOT NULL, title BLOB NOT NULL, reason BLOB NOT NULL,
        author BLOB NOT NULL, origin BLOB NOT NULL, created BLOB NOT NULL, revises BLOB NOT NULL,
        state TEXT NOT NULL, counts TEXT NOT NULL, meta BLOB NOT NULL, ops BLOB)""",
    "CREATE INDEX patch_state ON patch (state)",
    """CREATE TABLE decision (
        key INTEGER PRIMARY KEY, patch TEXT NOT NULL, state TEXT NOT NULL,
        reason BLOB NOT NULL, author BLOB NOT NULL, created BLOB NOT NULL)""",
    "CREATE INDEX decision_patch ON decision (patch)",
    # seq: the version that the import made, NULL when it changed nothing
    """CREATE TABLE import (
        key INTEGER PRIMARY KEY, dataset INTEGER NOT NULL, source INTEGER NOT NULL,
        digest BLOB NOT NULL, rows INTEGER NOT NULL, seq INTEGER, created BLOB NOT NULL)""",
    "CREATE INDEX import_source ON import (dataset, source)",
    # What the last import of a source said, as ranges of state keys: a first import is one line.
    """CREATE TABLE claim (
        dataset INTEGER NOT NULL, source INTEGER NOT NULL,
        first INTEGER NOT NULL, last INTEGER NOT NULL,
        PRIMARY KEY (dataset, source, first)) WITHOUT ROWID""",
    """CREATE TABLE record (
        key INTEGER PRIMARY KEY, kind BLOB NOT NULL, id BLOB NOT NULL, subject BLOB NOT NULL,
        body BLOB NOT NULL, created BLOB NOT NULL, UNIQUE (kind, id))""",
    "CREATE INDEX record_subject ON record (kind, subject)",
)


def up(connection: sqlite3.Connection) -> None:
    """Make the tables of an empty store."""
    for statement in TABLES:
        connection.execute(statement)
