"""Connections to the store: a pool, transactions, and sqlite3's errors in our own words."""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tilth.errors import ProjectBusy, ProjectError

__all__ = ["Pool", "explain"]

PRAGMAS = (
    # on disk before commit returns, also in WAL mode: an acknowledged version survives a power cut
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = OFF",
    # a bulk import leaves a write-ahead log as large as itself; cut it back at the next write
    "PRAGMA journal_size_limit = 16777216",
    "PRAGMA cache_size = -32768",
    # Debian builds overwrite freed bytes with zeros, which we do not need
    "PRAGMA secure_delete = OFF",
)


class Pool:
    """Connections to one file: each is used by one thread at a time and never crosses a fork.

    Parameters
    ----------
    path : the file; it must exist.
    wait : seconds to wait for another writer before ProjectBusy.
    """

    def __init__(self, path: Path, *, wait: float) -> None:
        self.path = path
        self.wait = wait
        # a deque's append and pop are atomic, so no lock that a fork could copy while it is held
        self._idle: deque[sqlite3.Connection] = deque()
        self._abandoned: list[sqlite3.Connection] = []
        self._pid = os.getpid()
        self._closed = False

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection; sqlite3's errors come out as TilthErrors."""
        connection = self._take()
        try:
            yield connection
        except sqlite3.Error as error:
            _close(connection)
            raise explain(error, self.path) from error
        except BaseException:
            self._give_back(connection)
            raise
        self._give_back(connection)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A connection inside a write transaction."""
        with self.read() as connection, self.transaction(connection):
            yield connection

    @contextmanager
    def scratch(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own, closed afterwards: so its temporary tables leave the disk."""
        connection = self._connect()
        try:
            yield connection
        except sqlite3.Error as error:
            raise explain(error, self.path) from error
        finally:
            _close(connection)

    @contextmanager
    def transaction(self, connection: sqlite3.Connection) -> Iterator[None]:
        """All or nothing, on disk when this returns. Readers go on meanwhile, writers wait."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself after some errors (disk full, for one)
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close what is idle now and the rest when it comes back."""
        self._closed = True
        self._after_fork()
        while self._idle:
            _close(self._idle.pop())

    def _after_fork(self) -> None:
        if self._pid != os.getpid():
            # Kept, not closed: closing the parent's connections here could remove its log.
            self._abandoned.extend(self._idle)
            self._idle = deque()
            self._pid = os.getpid()

    def _take(self) -> sqlite3.Connection:
        self._after_fork()
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        if self._closed:
            raise ProjectError(f"the store {self.path} was closed; open it again")
        try:
            connection = sqlite3.connect(
                # mode=rw: never make an empty file where a project was expected
                f"{self.path.absolute().as_uri()}?mode=rw",
                uri=True,
                timeout=self.wait,
                isolation_level=None,
                check_same_thread=False,
            )
            for pragma in PRAGMAS:
                connection.execute(pragma)
        except sqlite3.Error as error:
            raise explain(error, self.path) from error
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if self._pid != os.getpid():
            self._abandoned.append(connection)
            return
        if connection.in_transaction:
            try:
                connection.execute("ROLLBACK")
            except sqlite3.Error:
                _close(connection)
                return
        if self._closed:
            _close(connection)
        else:
            self._idle.append(connection)


def _close(connection: sqlite3.Connection) -> None:
    """Close; an open transaction is rolled back by it, and an error here hides the real one."""
    with suppress(sqlite3.Error):
        connection.close()


def explain(error: sqlite3.Error, path: Path) -> ProjectError:
    """The TilthError for an error of sqlite3: what happened, where, what to do."""
    # the low byte is the kind of error; the rest is detail
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return ProjectBusy(
            f"another process is writing to {path}; nothing was changed. "
            "Wait until it has finished and repeat the command."
        )
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return ProjectError(
            f"cannot write to {path} or to the folder for temporary files ({error}): the disk is "
            "full, a quota or file size limit is reached, or the disk is failing. Nothing was "
            "changed. Free some space (an import needs about three times the size of its file; "
            "SQLITE_TMPDIR names another folder for temporary files) and repeat the command."
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return ProjectError(
            f"{path} is damaged or is not a Tilth store ({error}). Keep a copy of the file as it "
            "is, then restore the project folder from a backup."
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return ProjectError(
            f"cannot open {path} for writing ({error}). Check that the project folder exists, "
            "that you may write to it and to the files in its data folder."
        )
    return ProjectError(f"the store {path} reported an error ({error}); nothing was changed.")
