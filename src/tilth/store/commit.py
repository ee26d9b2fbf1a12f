"""Making a version: what commits and imports have in common, and the commit of a patch."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Literal

from tilth.data import MultisetHash, Row, Value, Version
from tilth.errors import HeadMoved, InputError
from tilth.patch import Patch, check
from tilth.store import lines, patches
from tilth.store.codec import content_of, pack

__all__ = ["advance", "commit", "digest_of", "intern", "open_line"]


def intern(connection: sqlite3.Connection, table: Literal["dataset", "label", "source"], name: str) -> int:
    """The key of a name, given on first use."""
    connection.execute(f"INSERT OR IGNORE INTO {table} (name) VALUES (?)", (pack(name),))
    (key,) = connection.execute(f"SELECT key FROM {table} WHERE name = ?", (pack(name),)).fetchone()
    return int(key)


def open_line(connection: sqlite3.Connection, dataset: str) -> tuple[int, Version | None]:
    """Key and head of a data set, made when there is none of this name yet."""
    if not dataset or not dataset.isprintable() or dataset != dataset.strip() or set("@~") & set(dataset):
        raise InputError(
            f"{dataset!r} cannot be the name of a data set: it needs printable characters, "
            "neither '@' nor '~' (train@3 and train~1 name versions), no blanks at its ends"
        )
    return intern(connection, "dataset", dataset), lines.head(connection, dataset)


def digest_of(connection: sqlite3.Connection, key: int, head: Version | None) -> MultisetHash:
    """The digest of the head, ready to be continued."""
    (state,) = connection.execute("SELECT hash FROM dataset WHERE key = ?", (key,)).fetchone()
    return MultisetHash(state, head.rows if head else 0)


def advance(
    connection: sqlite3.Connection,
    key: int,
    total: MultisetHash,
    version: Version,
) -> Version:
    """Write down a version and make it the head."""
    connection.execute("UPDATE dataset SET hash = ? WHERE key = ?", (total.state(), key))
    connection.execute(
        "INSERT INTO version (dataset, seq, id, rows, created, patch, note) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            key,
            version.seq,
            version.id,
            version.rows,
            pack(version.created),
            version.patch,
            pack(version.note),
        ),
    )
    return version


def commit(connection: sqlite3.Connection, patch: Patch, note: str, now: str, undoes: str = "") -> Version:
    """Apply a patch to the head, inside the caller's write transaction; see `Store.commit`."""
    info = patches.record_of(patch, "proposed", None, now)
    key, head = open_line(connection, patch.dataset)
    if patch.base != (head.id if head else ""):
        raise _moved(patch, head)
    seq = head.seq + 1 if head else 1
    total = digest_of(connection, key, head)
    removed, added = [], []
    for op in sorted(patch.ops, key=lambda op: op.row_id):
        old = lines.alive(connection, key, op.row_id)
        check(op, None if old is None else old.row)
        if old is not None:
            connection.execute("UPDATE state SET died = ? WHERE key = ?", (seq, old.key))
            removed.append(old.row.digest())
        if op.after is not None:
            _bear(connection, (key, seq), op.after, old)
            added.append(op.after.digest())
    total.remove(removed)
    total.add(added)
    version = Version(total.version_id(), patch.dataset, seq, total.count, now, patch.id, note)
    advance(connection, key, total, version)
    patches.save(connection, info, patch.ops)
    patches.set_state(connection, patch.id, "accepted", reason=note, author=patch.author, now=now)
    if undoes:
        reason = f"by patch {patch.id}"
        patches.set_state(connection, undoes, "reverted", reason=reason, author=patch.author, now=now)
    return version


def _bear(connection: sqlite3.Connection, at: tuple[int, int], row: Row, old: lines.Alive | None) -> None:
    """Write the new state of a row. A row keeps its source when the patch does not name one."""
    dataset, seq = at
    source = old.source if old and not row.source else intern(connection, "source", row.source)
    label = None if row.label is None else intern(connection, "label", row.label)
    connection.execute(
        "INSERT INTO state (dataset, id, label, content, source, born) VALUES (?, ?, ?, ?, ?, ?)",
        (dataset, pack(row.id), label, _content(connection, row.fields), source, seq),
    )


def _content(connection: sqlite3.Connection, fields: Mapping[str, Value]) -> int:
    _, digest, body = content_of(fields)
    connection.execute("INSERT OR IGNORE INTO content (digest, body) VALUES (?, ?)", (digest, body))
    (key,) = connection.execute("SELECT key FROM content WHERE digest = ?", (digest,)).fetchone()
    return int(key)


def _moved(patch: Patch, head: Version | None) -> HeadMoved:
    made_on = patch.base or "none (an empty data set)"
    found = f"{head.id} ({head.dataset}@{head.seq}: {head.note})" if head else "none: it is empty"
    return HeadMoved(
        f"the patch {patch.id} was made on version {made_on} of {patch.dataset!r}, but the head is "
        f"now {found}. Make the patch again on the present version; nothing was changed."
    )
