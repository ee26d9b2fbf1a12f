"""Import of a file of any size: a three-way merge of file now, file at its last import, and head.

The rows go through temporary tables on disk, so memory does not grow with the file. Only what changed
*in the file* since its last import is applied; what Tilth or other sources changed since stays.

What the file said at its last import is kept as `claim`: the keys of the states that it agreed with,
as ranges. It cannot be told from the states born and died at imports alone: when file and head made
the same change between two imports, no state is made, and the next change of the head would be undone
by the import after it.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from tilth.data import Incoming, MultisetHash, Version, canonical
from tilth.errors import InputError
from tilth.patch import KINDS
from tilth.store import lines, patches
from tilth.store.codec import content_of, pack, row_digest, unpack
from tilth.store.commit import advance, digest_of, intern, open_line
from tilth.store.results import ImportResult, PatchInfo

__all__ = ["Origin", "merge", "repeated", "stage"]

EVERY = 10_000
"""Rows between two reports of progress."""

SCRATCH = (
    "PRAGMA temp_store = FILE",
    "PRAGMA cache_size = -65536",
    # made: 1 when the id is made of the fields
    "CREATE TEMP TABLE stage (id BLOB, made INTEGER, label BLOB, digest BLOB, body BLOB)",
    # the file now, the file then, and what is to be done to the head (content NULL: drop)
    """CREATE TEMP TABLE incoming (
        id BLOB PRIMARY KEY, label INTEGER, content INTEGER) WITHOUT ROWID""",
    """CREATE TEMP TABLE was (
        id BLOB PRIMARY KEY, label INTEGER, content INTEGER, state INTEGER) WITHOUT ROWID""",
    """CREATE TEMP TABLE todo (
        id BLOB PRIMARY KEY, label INTEGER, content INTEGER, old INTEGER, clash INTEGER
        ) WITHOUT ROWID""",
)

NEW_LABELS = """
INSERT OR IGNORE INTO label (name)
SELECT DISTINCT label FROM stage WHERE label IS NOT NULL ORDER BY label
"""
# in the order of the digest, so that its index is written from front to back
NEW_CONTENTS = """
INSERT OR IGNORE INTO content (digest, body)
SELECT digest, body FROM stage
WHERE NOT EXISTS (SELECT 1 FROM content c WHERE c.digest = stage.digest) ORDER BY digest
"""
# copies (rows without an id and with equal fields) are numbered by label, not by place in the file
NUMBERED = """
INSERT INTO incoming
SELECT CASE n.copy WHEN 1 THEN n.id ELSE CAST(n.id || '~' || n.copy AS BLOB) END, l.key, c.key
FROM (
    SELECT id, label, digest, CASE made WHEN 1 THEN
        row_number() OVER (PARTITION BY made, id ORDER BY label, digest) ELSE 1 END AS copy
    FROM stage
) n
JOIN content c ON c.digest = n.digest LEFT JOIN label l ON l.name = n.label
ORDER BY n.id, n.copy
"""
REPEATED = """
SELECT id, min(number), max(number) FROM (
    SELECT CASE copy WHEN 1 THEN id ELSE CAST(id || '~' || copy AS BLOB) END AS id, number FROM (
        SELECT id, rowid AS number, CASE made WHEN 1 THEN
            row_number() OVER (PARTITION BY made, id ORDER BY label, digest) ELSE 1 END AS copy
        FROM stage))
GROUP BY id HAVING count(*) > 1 ORDER BY 2 LIMIT 1
"""
LAST_TIME = """
INSERT INTO was
SELECT s.id, s.label, s.content, s.key
FROM claim c CROSS JOIN state s ON s.key BETWEEN c.first AND c.last
WHERE c.dataset = :dataset AND c.source = :source ORDER BY s.id
"""
TODO = f"""
INSERT INTO todo
SELECT n.id, n.label, n.content, h.key,
    w.id IS NOT NULL AND (h.key IS NULL OR h.label IS NOT w.label OR h.content <> w.content)
FROM incoming n LEFT JOIN was w ON w.id = n.id
LEFT JOIN state h ON h.dataset = :dataset AND h.id = n.id AND h.died = {lines.ALIVE}
WHERE (w.id IS NULL OR w.label IS NOT n.label OR w.content <> n.content)
  AND (h.key IS NULL OR h.label IS NOT n.label OR h.content <> n.content)
UNION ALL
SELECT w.id, NULL, NULL, h.key, h.label IS NOT w.label OR h.content <> w.content
FROM was w CROSS JOIN state h ON h.dataset = :dataset AND h.id = w.id AND h.died = {lines.ALIVE}
WHERE NOT EXISTS (SELECT 1 FROM incoming n WHERE n.id = w.id)
"""
CHANGES = """
SELECT t.id, nl.name, nc.body, ol.name, oc.body, t.clash,
    CASE WHEN t.old IS NULL THEN 'add' WHEN t.content IS NULL THEN 'drop'
    WHEN h.content = t.content THEN 'relabel' ELSE 'edit' END
FROM todo t LEFT JOIN content nc ON nc.key = t.content LEFT JOIN label nl ON nl.key = t.label
LEFT JOIN state h ON h.key = t.old LEFT JOIN content oc ON oc.key = h.content
LEFT JOIN label ol ON ol.key = h.label
ORDER BY t.id
"""
# a row keeps the source that it came from
BORN = """
INSERT INTO state (dataset, id, label, content, source, born)
SELECT :dataset, t.id, t.label, t.content, coalesce(h.source, :source), :seq
FROM todo t LEFT JOIN state h ON h.key = t.old WHERE t.content IS NOT NULL ORDER BY t.id
"""
DIED = """
UPDATE state SET died = :seq WHERE key IN (SELECT old FROM todo WHERE old IS NOT NULL)
"""
# A row that did not change in the file keeps its claim, also on a state that died since; for any
# other the head now says what the file says. Neighbouring keys become one range.
CLAIMED = f"""
INSERT INTO claim (dataset, source, first, last)
SELECT :dataset, :source, min(key), max(key) FROM (
    SELECT key, key - row_number() OVER (ORDER BY key) AS island FROM (
        SELECT CASE WHEN w.label IS n.label AND w.content = n.content THEN w.state ELSE h.key END
            AS key
        FROM incoming n LEFT JOIN was w ON w.id = n.id
        LEFT JOIN state h ON h.dataset = :dataset AND h.id = n.id AND h.died = {lines.ALIVE}))
GROUP BY island
"""


@dataclass(frozen=True, slots=True)
class Origin:
    """What is imported into which data set, when, and the note of the version."""

    dataset: str
    source: str
    file_digest: str
    note: str
    now: str


@dataclass
class _Tally:
    """What the changes add up to, while they stream by."""

    total: MultisetHash
    patch: hashlib._Hash
    kinds: Counter[str] = field(default_factory=Counter)
    conflicts: int = 0


def repeated(connection: sqlite3.Connection, origin: Origin) -> ImportResult | None:
    """The result when this very file was the last import of its source, else None."""
    found = connection.execute(
        "SELECT i.digest, i.rows FROM import i JOIN dataset d ON d.key = i.dataset "
        "JOIN source s ON s.key = i.source WHERE d.name = ? AND s.name = ? "
        "ORDER BY i.key DESC LIMIT 1",
        (pack(origin.dataset), pack(origin.source)),
    ).fetchone()
    if found is None or not origin.file_digest or found[0] != pack(origin.file_digest):
        return None
    return ImportResult(lines.head(connection, origin.dataset), False, unchanged=found[1])


def stage(
    connection: sqlite3.Connection,
    rows: Iterable[Incoming],
    progress: Callable[[int], None] | None,
) -> None:
    """Read all rows into a temporary table, without a lock on the store."""
    for statement in SCRATCH:
        connection.execute(statement)
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO stage VALUES (?, ?, ?, ?, ?)", _staged(rows, progress))
    connection.execute("COMMIT")


def _staged(
    rows: Iterable[Incoming], progress: Callable[[int], None] | None
) -> Iterator[tuple[bytes, int, bytes | None, bytes, bytes]]:
    number = 0
    for number, row in enumerate(rows, start=1):
        try:
            made, digest, body = content_of(row.fields)
            row_id = pack(made if row.id is None else row.id)
            label = None if row.label is None else pack(row.label)
        except (AttributeError, TypeError, ValueError) as error:
            raise InputError(
                f"row {number} cannot be taken in ({error}): id and label are texts or None; "
                "fields are texts, numbers, booleans or None"
            ) from error
        if not row_id:
            raise InputError(f"row {number} has an empty id; give it one, or None to have one made")
        yield row_id, int(row.id is None), label, digest, body
        if progress is not None and number % EVERY == 0:
            progress(number)
    if progress is not None and number % EVERY:
        progress(number)


def merge(connection: sqlite3.Connection, origin: Origin) -> ImportResult:
    """Apply what changed in the file, inside the caller's write transaction."""
    again = repeated(connection, origin)
    if again is not None:
        return again
    key, head = open_line(connection, origin.dataset)
    at = {"dataset": key, "source": intern(connection, "source", origin.source)}
    for statement in (NEW_LABELS, NEW_CONTENTS):
        connection.execute(statement)
    _number(connection)
    connection.execute(LAST_TIME, at)
    connection.execute(TODO, at)
    (count,) = connection.execute("SELECT count(*) FROM incoming").fetchone()
    tally = _tally(connection, origin, key, head)
    changed = bool(tally.kinds)
    seq = (head.seq if head else 0) + 1
    if changed:
        # first died, then born: a row is alive once at most
        connection.execute(DIED, {"seq": seq})
        connection.execute(BORN, at | {"seq": seq})
        head = _version(connection, origin, (key, seq), tally, head)
    connection.execute("DELETE FROM claim WHERE dataset = :dataset AND source = :source", at)
    connection.execute(CLAIMED, at)
    connection.execute(
        "INSERT INTO import (dataset, source, digest, rows, seq, created) VALUES (?, ?, ?, ?, ?, ?)",
        (key, at["source"], pack(origin.file_digest), count, seq if changed else None, pack(origin.now)),
    )
    kinds = tally.kinds
    return ImportResult(
        version=head,
        changed=changed,
        added=kinds["add"],
        relabelled=kinds["relabel"],
        edited=kinds["edit"],
        dropped=kinds["drop"],
        unchanged=count - kinds["add"] - kinds["relabel"] - kinds["edit"],
        conflicts=tally.conflicts,
    )


def _number(connection: sqlite3.Connection) -> None:
    """Give every staged row its id."""
    try:
        connection.execute(NUMBERED)
    except sqlite3.IntegrityError as error:
        row_id, first, last = connection.execute(REPEATED).fetchone()
        raise InputError(
            f"row id {unpack(row_id)!r} occurs more than once (rows {first} and {last} of the "
            "file); ids must be unique. Choose another id column, or none: ids are then made of "
            "the fields."
        ) from error


def _tally(connection: sqlite3.Connection, origin: Origin, key: int, head: Version | None) -> _Tally:
    """Digest of the version and id of the patch, from the changes as they stream by.

    The id is that of `tilth.patch.Patch` with the same ops: SHA-256 of the canonical JSON of data set,
    base and [row id, digest before, digest after], by row id.
    """
    start = canonical([origin.dataset, head.id if head else "", []])[:-2]
    tally = _Tally(digest_of(connection, key, head), hashlib.sha256(start))
    with closing(connection.execute(CHANGES)) as cursor:
        while batch := cursor.fetchmany(4096):
            removed, added, parts = [], [], []
            for row_id, label, body, old_label, old_body, clash, kind in batch:
                name = unpack(row_id)
                after = None if body is None else row_digest(name, body, _text(label))
                before = None if old_body is None else row_digest(name, old_body, _text(old_label))
                removed += [before] if before else []
                added += [after] if after else []
                parts.append(canonical([name, before and before.hex(), after and after.hex()]))
                tally.kinds[kind] += 1
                tally.conflicts += clash
            tally.total.remove(removed)
            tally.total.add(added)
            first = tally.kinds.total() == len(batch)
            tally.patch.update((b"" if first else b",") + b",".join(parts))
    tally.patch.update(b"]]")
    return tally


def _text(blob: bytes | None) -> str | None:
    return None if blob is None else unpack(blob)


def _version(
    connection: sqlite3.Connection,
    origin: Origin,
    at: tuple[int, int],
    tally: _Tally,
    head: Version | None,
) -> Version:
    """Write down the version and its patch, whose ops are not stored a second time."""
    key, seq = at
    total = tally.total
    patch_id = tally.patch.hexdigest()[:12]
    version = Version(total.version_id(), origin.dataset, seq, total.count, origin.now, patch_id, origin.note)
    advance(connection, key, total, version)
    info = PatchInfo(
        id=patch_id,
        dataset=origin.dataset,
        base=head.id if head else "",
        title=f"Import {origin.source}",
        origin=f"ingest:{origin.source}",
        author="",
        reason="",
        created=origin.now,
        revises="",
        state="proposed",
        counts={kind: tally.kinds[kind] for kind in KINDS if tally.kinds[kind]},
    )
    patches.save(connection, info, None)
    patches.set_state(connection, patch_id, "accepted", reason=origin.note, author="", now=origin.now)
    return version
