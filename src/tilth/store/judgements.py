"""Judgements of annotators: each file as it was taken in, kept for good; the newest of a source counts."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from tilth.agreement import Judgements
from tilth.store.codec import from_json, pack, to_json, unpack

__all__ = ["digest", "newest", "put"]

NEWEST = "SELECT max(key) FROM judgements GROUP BY source"


def put(
    connection: sqlite3.Connection,
    source: str,
    digest: str,
    judgements: Judgements,
    columns: Mapping[str, Any],
    now: str,
) -> bool:
    """Keep the judgements of a file; False when this source said just that last time."""
    last = connection.execute(
        "SELECT digest FROM judgements WHERE source = ? ORDER BY key DESC LIMIT 1", (pack(source),)
    ).fetchone()
    if last is not None and last[0] == digest:
        return False
    j = judgements
    names = {"items": j.items, "texts": j.texts, "annotators": j.annotators, "labels": j.labels, "by": j.by}
    codes = np.stack([j.item, j.annotator, j.label]).astype("<i4")
    connection.execute(
        "INSERT INTO judgements (source, digest, created, votes, columns, names, codes) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            pack(source),
            digest,
            pack(now),
            len(j),
            to_json(dict(columns), "columns"),
            zlib.compress(to_json(names, "names"), 1),
            zlib.compress(codes.tobytes(), 1),
        ),
    )
    return True


def newest(connection: sqlite3.Connection) -> list[tuple[str, Judgements]]:
    """Source and judgements of the newest file of each source, oldest first."""
    out = []
    for source, names, codes in connection.execute(
        f"SELECT source, names, codes FROM judgements WHERE key IN ({NEWEST}) ORDER BY key"
    ):
        n = from_json(zlib.decompress(names))
        item, annotator, label = np.frombuffer(zlib.decompress(codes), dtype="<i4").reshape(3, -1)
        body = Judgements(
            n["items"], n["texts"], n["annotators"], n["labels"], item, annotator, label, n["by"]
        )
        out.append((unpack(source), body))
    return out


def digest(connection: sqlite3.Connection) -> str:
    """Digests of the files that count, in order; empty without any."""
    found = connection.execute(f"SELECT digest FROM judgements WHERE key IN ({NEWEST}) ORDER BY key")
    return " ".join(d for (d,) in found)
