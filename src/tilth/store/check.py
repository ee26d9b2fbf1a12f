"""Is the store sound? Everything that can be computed a second time is."""

from __future__ import annotations

import sqlite3

from tilth.data import MultisetHash
from tilth.store import lines
from tilth.store.codec import row_digest, unpack

__all__ = ["faults"]


def faults(connection: sqlite3.Connection) -> list[str]:
    """What is wrong, in words; empty when the store is sound."""
    found = [
        f"the file is damaged: {line}"
        for (line,) in connection.execute("PRAGMA integrity_check(20)")
        if line != "ok"
    ]
    if found:
        # what follows would only repeat the damage in other words
        return found
    for dataset in lines.datasets(connection):
        found += _line(connection, dataset)
    for patch, dataset, seq in connection.execute(
        "SELECT v.patch, d.name, v.seq FROM version v JOIN dataset d ON d.key = v.dataset "
        "WHERE v.patch NOT IN (SELECT id FROM patch)"
    ):
        found.append(f"{unpack(dataset)}@{seq} was made by patch {patch}, which is not in the store")
    (odd,) = connection.execute("SELECT count(*) FROM state WHERE died <= born").fetchone()
    return found + ([f"{odd} row states end before they begin"] if odd else [])


def _line(connection: sqlite3.Connection, dataset: str) -> list[str]:
    """Faults of one data set."""
    line = lines.versions(connection, dataset)
    head = line[-1]
    found = []
    if [v.seq for v in line] != list(range(1, len(line) + 1)):
        found.append(f"the versions of {dataset!r} are not numbered 1 to {len(line)}")
    total = MultisetHash()
    batch: list[bytes] = []
    for row_id, label, _, body in lines.raw_rows(connection, lines.pinned(connection, head)):
        batch.append(row_digest(unpack(row_id), body, None if label is None else unpack(label)))
        if len(batch) == 4096:
            total.add(batch)
            batch = []
    total.add(batch)
    if (total.version_id(), total.count) != (head.id, head.rows):
        found.append(
            f"the rows of {dataset}@{head.seq} ({total.count}) make version {total.version_id()}, "
            f"but {head.id} ({head.rows} rows) was written down"
        )
    (state,) = connection.execute(
        "SELECT hash FROM dataset WHERE key = ?", (lines.dataset_key(connection, dataset),)
    ).fetchone()
    if state != total.state():
        found.append(f"the running digest of {dataset!r} is not that of its rows")
    return found
