"""What a server remembers: answers, feedback, questions to a person, releases. One SQLite file.

The server writes; whatever counts, compares or ingests opens the same folder from another process. What
`write` was given is on disk when it returns, also after a power cut.
"""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from tilth.errors import InputError, NotFound, ProjectBusy, ProjectError
from tilth.serve.schema import TABLES, VERSION, Answered, Escalated, Said, Served

__all__ = ["Answered", "Escalated", "Ids", "Receipt", "Said", "Served", "State", "new_id", "stamp"]

Receipt = Literal["new", "repeated", "conflict"]
"""What became of feedback: taken in, known already, or its key was used for something else."""

Table = Literal["answers", "feedback", "escalations", "releases"]
FILE = "serve.db"
PRAGMAS = (
    # on disk before a commit returns, also in WAL mode
    "PRAGMA synchronous = FULL",
    "PRAGMA journal_size_limit = 16777216",
    "PRAGMA cache_size = -16384",
)
ANSWER = "INSERT INTO answers VALUES(?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO NOTHING"
FEEDBACK = "INSERT INTO feedback VALUES(?,?,?,?,?,?,?,?,?) ON CONFLICT(key) DO NOTHING"
ESCALATION = "INSERT OR IGNORE INTO escalations SELECT id,'open',NULL,'',at FROM answers WHERE id=?"


def stamp(now: float) -> str:
    """Seconds since 1970 as ISO 8601, UTC, milliseconds."""
    # from whole milliseconds, as an id is: rounding must not put an answer on two sides of one moment
    return (
        datetime.fromtimestamp(int(now * 1000) / 1000, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )


def new_id(now: float) -> str:
    """Id of an answer: 12 hex digits of time in milliseconds, 20 that nobody can guess."""
    return Ids()(now)


class Ids:
    """Ids of answers; asks the system for chance once for many of them (a call costs more than an id)."""

    def __init__(self) -> None:
        self._chance = ""

    def __call__(self, now: float) -> str:
        """The next one; `now` in seconds since 1970."""
        if not self._chance:
            self._chance = os.urandom(1_000).hex()
        found, self._chance = self._chance[:20], self._chance[20:]
        return f"{int(now * 1000):012x}{found}"


class State:
    """A server's folder; open it with `State.open`. Threads may share it: calls wait for each other."""

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        self.folder, self._connection, self._lock = folder, connection, threading.Lock()

    @classmethod
    def open(cls, folder: str | Path, *, create: bool = False, wait: float = 5.0) -> State:
        """Open the state in a folder.

        Parameters
        ----------
        folder : holds `serve.db`.
        create : make what is missing; without it a folder without state is an error.
        wait : seconds to wait for another writer.

        Raises
        ------
        NotFound : there is no state in the folder, and `create` is False.
        InputError : the folder cannot be used.
        ProjectError : the state is damaged, or newer than this Tilth.
        """
        folder = Path(folder)
        path = folder / FILE
        if create:
            try:
                if not folder.is_dir():  # it holds what people wrote: nobody else's business
                    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(
                    f"cannot make the folder {folder} for the server's state: {error}"
                ) from error
        elif not path.is_file():
            raise NotFound(f"no server's state in {folder}: {path} does not exist; was it another folder?")
        mode = "rwc" if create else "rw"
        try:
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=wait, isolation_level=None,
                check_same_thread=False,
            )  # fmt: skip
            for pragma in PRAGMAS:
                connection.execute(pragma)
            _prepare(connection, path)
        except sqlite3.Error as error:
            raise _explain(error, path) from error
        return cls(folder, connection)

    def write(
        self, answers: Sequence[Answered] = (), feedback: Sequence[Said] = (), escalate: Sequence[str] = ()
    ) -> list[Receipt]:
        """Write all or nothing; on disk when this returns.

        Parameters
        ----------
        answers : one whose id is known is left as it is.
        feedback : one whose key is known changes nothing.
        escalate : ids of answers, in `answers` or written before, that a person is asked for.

        Returns
        -------
        What became of each of `feedback`, in its order.
        """
        with self._transaction() as c:
            c.executemany(ANSWER, map(_answer_row, answers))
            receipts = [_say(c, said) for said in feedback]
            if escalate:
                c.executemany(ESCALATION, [(i,) for i in escalate])
        return receipts

    def resolve(self, answer: str, *, label: str, person: str, at: str) -> None:
        """A person's answer to an escalated question; a later one takes the place of an earlier one.

        Raises
        ------
        NotFound : the answer is not in the queue.
        """
        change = "UPDATE escalations SET state='answered', label=?, person=?, at=? WHERE answer=?"
        with self._transaction() as c:
            if not c.execute(change, (label, person, at, answer)).rowcount:
                raise NotFound(f"answer {answer!r} is not in the queue of {self.folder}; is the id right?")

    def deploy(self, releases: Sequence[Served], at: str) -> None:
        """What is served from now on; what was served before is retired."""
        rows = [(r.id, r.path, r.since, r.state, r.share, r.arm) for r in releases]
        with self._transaction() as c:
            c.execute("UPDATE releases SET state='retired', until=? WHERE until IS NULL", (at,))
            c.executemany("INSERT INTO releases(id,path,since,state,share,arm) VALUES(?,?,?,?,?,?)", rows)

    def set(self, name: str, value: str) -> None:
        """Remember a setting."""
        with self._transaction() as c:
            c.execute("INSERT OR REPLACE INTO settings VALUES(?,?)", (name, value))

    def forget(self, before: str, most: int = 5_000) -> int:
        """Delete answers older than a time stamp that no feedback or question is about.

        Returns
        -------
        How many; call it again until it is 0: a writer waits for no more than `most` at once.
        """
        free = "id NOT IN (SELECT answer FROM feedback) AND id NOT IN (SELECT answer FROM escalations)"
        old = f"SELECT id FROM answers WHERE id < ? AND {free} LIMIT ?"
        with self._transaction() as c:
            return c.execute(f"DELETE FROM answers WHERE id IN ({old})", (_first_id(before), most)).rowcount

    def setting(self, name: str) -> str | None:
        """A remembered setting; None where there is none."""
        found = self._rows("SELECT value FROM settings WHERE name=?", (name,))
        return str(found[0][0]) if found else None

    def answer(self, id: str) -> Answered | None:
        """One answer; None where there is none (lost in a crash, forgotten, or never given)."""
        found = self._rows("SELECT * FROM answers WHERE id=?", (id,))
        return _answered(found[0]) if found else None

    def escalation(self, answer: str) -> Escalated | None:
        """What became of the question about an answer; None where nobody was asked."""
        found = self._rows("SELECT * FROM escalations WHERE answer=?", (answer,))
        return Escalated(*found[0]) if found else None

    def answers(self, *, since: str = "", until: str = "", shadow: bool | None = False) -> Iterator[Answered]:
        """Answers in the order of time; `shadow` None gives both kinds. Memory is bounded.

        Parameters
        ----------
        since, until : time stamps as in `at`; the first is included, the second is not.
        """
        extra = "" if shadow is None else f" AND shadow={int(shadow)}"
        last, end = _first_id(since), _first_id(until) or "~"
        while True:  # in pages, so that no long read keeps the log of a busy server from being folded in
            page = self._rows(
                f"SELECT * FROM answers WHERE id>? AND id<?{extra} ORDER BY id LIMIT 5000", (last, end)
            )
            yield from map(_answered, page)
            if len(page) < 5000:
                return
            last = page[-1][0]

    def feedback(self, *, since: str = "") -> Iterator[Said]:
        """Feedback in the order of its arrival, from a time stamp on."""
        last = 0
        while True:
            page = self._rows(
                "SELECT rowid, * FROM feedback WHERE rowid>? AND at>=? ORDER BY rowid LIMIT 5000",
                (last, since),
            )
            for row in page:
                yield Said(*(*row[1:7], bool(row[7]), *row[8:]))
            if len(page) < 5000:
                return
            last = page[-1][0]

    def escalations(self, state: str | None = None) -> list[Escalated]:
        """Questions to a person, oldest first; `state` "open" or "answered", None for all."""
        where, given = ("", ()) if state is None else (" WHERE state=?", (state,))
        return [
            Escalated(*row) for row in self._rows(f"SELECT * FROM escalations{where} ORDER BY answer", given)
        ]

    def releases(self, *, retired: bool = False) -> list[Served]:
        """What is served, by arm; with `retired` also what was, oldest first."""
        where = "" if retired else " WHERE until IS NULL"
        names = "id,path,since,state,share,arm,until"
        return [Served(*row) for row in self._rows(f"SELECT {names} FROM releases{where} ORDER BY n", ())]

    def columns(
        self, table: Table, names: Sequence[str], *, since: str = "", until: str = ""
    ) -> dict[str, list[object]]:
        """Columns of a table as lists, in the order of time: for statistics over many rows.

        Parameters
        ----------
        names : columns, as the fields of `Answered`, `Said`, `Escalated`, `Served`.
        since, until : time stamps on `at` (`since` of a release); the first is included, the second is not.
        """
        known = {"answers": Answered, "feedback": Said, "escalations": Escalated, "releases": Served}[table]
        fields = [f.name for f in dataclasses.fields(known)]
        if wrong := [n for n in names if n not in fields]:
            raise InputError(f"no column {wrong[0]!r} in {table}; there are {', '.join(fields)}")
        if table == "answers":
            where, given = "id>=? AND id<? ORDER BY id", (_first_id(since), _first_id(until) or "~")
        else:
            at = "since" if table == "releases" else "at"
            where, given = f"{at}>=? AND {at}<? ORDER BY rowid", (since, until or "~")
        rows = self._rows(f"SELECT {','.join(names)} FROM {table} WHERE {where}", given)
        found: list[list[object]] = [list(c) for c in zip(*rows, strict=True)] or [[] for _ in names]
        return dict(zip(names, found, strict=True))

    def days(self) -> list[tuple[str, str | None, int, float, str]]:
        """Answers that people saw, counted in the file: day, reason (None: answered), rows, sum of their
        probabilities, newest time stamp."""
        query = (
            "SELECT substr(at,1,10), CASE abstained WHEN 1 THEN coalesce(reason,'unknown') END, count(*),"
            " sum(probability), max(at) FROM answers WHERE shadow=0 GROUP BY 1, 2 ORDER BY 1, 2"
        )
        return [(str(d), r, int(n), float(p), str(at)) for d, r, n, p, at in self._rows(query, ())]

    def counts(self, since: str) -> dict[str, tuple[int, int]]:
        """Answers, and those of them that abstained, by arm since a time stamp; counted in the file."""
        query = "SELECT arm, count(*), sum(abstained) FROM answers WHERE id>=? GROUP BY arm"
        return {str(arm): (int(n), int(k)) for arm, n, k in self._rows(query, (_first_id(since),))}

    def close(self) -> None:
        """Close the file."""
        with self._lock, suppress(sqlite3.Error):
            self._connection.close()

    def __enter__(self) -> State:
        """Itself; closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def _rows(self, query: str, given: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._connection.execute(query, given).fetchall()
            except sqlite3.Error as error:
                raise _explain(error, self.folder / FILE) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, on disk when this returns."""
        with self._lock:
            c = self._connection
            try:
                c.execute("BEGIN IMMEDIATE")
                yield c
                c.execute("COMMIT")
            except BaseException as error:
                if c.in_transaction:  # SQLite has rolled back by itself after some errors
                    with suppress(sqlite3.Error):
                        c.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise _explain(error, self.folder / FILE) from error
                raise


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables in a new file; refuse one that a newer Tilth made."""
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found == VERSION:
        return
    if found > VERSION:
        raise ProjectError(
            f"{path} was written by a newer Tilth (format {found}, this one knows {VERSION}); upgrade Tilth"
        )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute("PRAGMA user_version").fetchone()[0] == 0:  # another process may have been first
        for statement in TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _say(c: sqlite3.Connection, said: Said) -> Receipt:
    row = (
        said.key, said.answer, said.kind, said.label, said.comment, said.client, int(said.explicit), said.at,
        said.text,
    )  # fmt: skip
    if c.execute(FEEDBACK, row).rowcount:
        return "new"
    known = c.execute("SELECT * FROM feedback WHERE key=?", (said.key,)).fetchone()
    # when it was said does not matter: a client that got no answer says it again later
    same = known[:7] == row[:7] and known[8] == row[8]
    return "repeated" if same else "conflict"


def _answer_row(a: Answered) -> tuple[Any, ...]:
    return (
        a.id, a.at, a.release, a.arm, a.client, a.key, a.label, a.probability, int(a.abstained), a.reason,
        a.text, int(a.shadow),
    )  # fmt: skip


def _answered(row: tuple[Any, ...]) -> Answered:
    return Answered(*(*row[:8], bool(row[8]), *row[9:11], bool(row[11])))


def _first_id(at: str) -> str:
    """The smallest id of an answer at a time stamp; "" for ""."""
    if not at:
        return ""
    try:
        when = datetime.fromisoformat(at.replace("Z", "+00:00"))
    except ValueError:
        raise InputError(f"{at!r} is no time; write it as 2026-01-31T12:00:00Z") from None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return f"{int(when.timestamp() * 1000):012x}"


def _explain(error: sqlite3.Error, path: Path) -> ProjectError:
    """What happened, where, and what to do."""
    # the low byte is the kind of error; the rest is detail
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return ProjectBusy(f"another process is writing to {path}; nothing was changed; try it again")
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return ProjectError(f"cannot write to {path} ({error}): is the disk full? Nothing was changed.")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return ProjectError(f"cannot open {path} for writing ({error}); check that you may write there")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return ProjectError(f"{path} is damaged or no server's state ({error}); restore it from a backup")
    return ProjectError(f"{path}: {error}; nothing was changed")
