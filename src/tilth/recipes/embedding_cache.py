"""Vectors by content: one SQLite file, so that no text is embedded twice.

Embedding costs 15 times what everything after it costs.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np

from tilth.errors import InputError

__all__ = ["EmbeddingCache", "Progress", "SentenceEncoder"]

Progress = Callable[[int], None]
"""Called with the number of texts finished since the call before."""


class SentenceEncoder(Protocol):
    """What turns texts into vectors."""

    @property
    def digest(self) -> str:
        """Names the function from text to vector: equal digests give equal vectors."""

    @property
    def dim(self) -> int:
        """Numbers in a vector."""

    def encode(
        self, texts: Sequence[str], *, batch: int = 32, progress: Progress | None = None
    ) -> np.ndarray:
        """(len(texts), dim) float32, rows of length one."""


_SCHEMA = """
CREATE TABLE IF NOT EXISTS embedding (
    encoder TEXT NOT NULL, text BLOB NOT NULL, vector BLOB NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY (encoder, text))
"""
_SCHEMA_VERSION = 1
_COMMIT = 512


class EmbeddingCache:
    """Vectors that were computed before, in one SQLite file, by encoder and text.

    No text is stored, only its SHA-256; a relabelled or moved row therefore costs nothing. Any
    number of processes may use the file at once.

    Parameters
    ----------
    path : the file; it is made, with its folder, when something is embedded.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def embed(
        self, encoder: SentenceEncoder, texts: Sequence[str], progress: Progress | None = None
    ) -> np.ndarray:
        """Vectors of texts; only those that are not in the file are computed, each text once.

        Every 512 texts are committed, so that an interrupted run continues where it was.

        Parameters
        ----------
        encoder : its digest is part of the key.
        texts : any texts; order and repetitions are kept in the result.
        progress : called with the number of texts finished since the call before.

        Returns
        -------
        (len(texts), encoder.dim) float32, rows of length one.

        Raises
        ------
        InputError
            The file is not a cache of this Tilth, is damaged, or cannot be written.
        """
        if isinstance(texts, str):
            raise InputError("embed() takes a list of texts, not one text; pass [text]")
        result = np.empty((len(texts), encoder.dim), dtype=np.float32)
        first: dict[bytes, int] = {}
        source = np.empty(len(texts), dtype=np.intp)
        for position, text in enumerate(texts):
            if not isinstance(text, str):
                raise InputError(f"text {position} is not a text but {text!r:.60}")
            key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
            source[position] = first.setdefault(key, position)
        # of like length together: a batch is padded to its longest text
        keys = sorted(first, key=lambda key: len(texts[first[key]]))
        repeated = len(texts) - len(keys)
        with _opened(self.path) as database:
            for start in range(0, len(keys), _COMMIT):
                block = keys[start : start + _COMMIT]
                found = _look_up(database, encoder, block)
                missing = [key for key in block if key not in found]
                if missing:
                    computed = encoder.encode([texts[first[key]] for key in missing])
                    found |= _keep(database, encoder, missing, computed)
                for key in block:
                    result[first[key]] = found[key]
                if progress:
                    progress(len(block))
        copies = np.flatnonzero(source != np.arange(len(texts)))
        result[copies] = result[source[copies]]
        if progress and repeated:
            progress(repeated)
        return result


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The database, with its table; every SQLite error becomes an InputError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"no folder for the embedding cache {path}: {error}") from error
    try:
        database = sqlite3.connect(path, timeout=60.0)
        try:
            _start(database, path)
            yield database
        finally:
            database.close()
    except sqlite3.Error as error:
        raise InputError(
            f"the embedding cache {path} cannot be used: {error}. Check the disk; if the file is "
            "damaged, delete it: it only holds what can be computed again."
        ) from error


def _start(database: sqlite3.Connection, path: Path) -> None:
    """Refuse a file of something else, then WAL and the table."""
    tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if tables and version != _SCHEMA_VERSION:
        raise InputError(
            f"{path} is no embedding cache of this Tilth (version {version}, wanted "
            f"{_SCHEMA_VERSION}); name another file"
        )
    database.execute("PRAGMA page_size = 8192")  # 5 vectors of 384 numbers a page
    deadline = time.monotonic() + 30.0
    while True:  # SQLite does not wait for a lock when it switches to WAL
        try:
            database.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    database.execute("PRAGMA synchronous = NORMAL")
    if not tables:
        with database:
            database.execute("BEGIN IMMEDIATE")
            database.execute(_SCHEMA)
            database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")


def _look_up(
    database: sqlite3.Connection, encoder: SentenceEncoder, keys: Sequence[bytes]
) -> dict[bytes, np.ndarray]:
    """The sound entries among these keys; wrong size or checksum counts as not there."""
    marks = ",".join("?" * len(keys))
    query = f"SELECT text, vector, crc FROM embedding WHERE encoder = ? AND text IN ({marks})"
    rows = database.execute(query, [encoder.digest, *keys]).fetchall()
    return {
        key: np.frombuffer(vector, dtype="<f4")
        for key, vector, crc in rows
        if len(vector) == 4 * encoder.dim and zlib.crc32(vector) == crc
    }


def _keep(
    database: sqlite3.Connection,
    encoder: SentenceEncoder,
    keys: Sequence[bytes],
    vectors: np.ndarray,
) -> dict[bytes, np.ndarray]:
    """Commit new vectors in place of damaged ones; return what now stands in the file.

    A sound entry that another process wrote meanwhile stays, so that all processes see one vector.
    """
    content = np.ascontiguousarray(vectors, dtype="<f4")
    with database:
        database.execute("BEGIN IMMEDIATE")
        sound = _look_up(database, encoder, keys)
        rows = [
            (encoder.digest, key, vector.tobytes(), zlib.crc32(vector.tobytes()))
            for key, vector in zip(keys, content, strict=True)
            if key not in sound
        ]
        drop = "DELETE FROM embedding WHERE encoder = ? AND text = ?"
        database.executemany(drop, [row[:2] for row in rows])
        database.executemany("INSERT OR IGNORE INTO embedding VALUES (?, ?, ?, ?)", rows)
    return dict(zip(keys, content, strict=True)) | sound
