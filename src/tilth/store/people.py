"""What people said: verdicts, rows in their hands, judgements of annotators."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tilth.agreement import Judgements
from tilth.errors import NotFound, Refused
from tilth.store import judgements, leases, records, verdicts
from tilth.store.connection import Pool
from tilth.verdicts import Register, Verdict

__all__ = ["Heard", "PeopleStore"]


class Heard:
    """Verdicts that this process has read already.

    Attributes
    ----------
    process : its number.
    lock : held while a register grows.
    registers : data set to the mark up to which it was read, and what was said of its rows.
    """

    def __init__(self) -> None:
        self.process, self.lock = os.getpid(), threading.Lock()
        self.registers: dict[str, tuple[int, Register]] = {}


class PeopleStore:
    """The part of the store that people write."""

    _pool: Pool
    _heard: Heard

    # verdicts

    def add_verdicts(self, dataset: str, found: Sequence[Verdict]) -> None:
        """Write verdicts on rows down, in one transaction; earlier ones stay on record."""
        with self._pool.write() as connection:
            verdicts.add(connection, dataset, found)
            leases.done(connection, dataset, [(v.row.id, v.reviewer) for v in found])

    def add_verdicts_once(
        self, dataset: str, found: Mapping[str, Verdict], *, now: str, until: float = 0.0
    ) -> list[str]:
        """Write verdicts down that each have a key of their own; a key that is known is passed over.

        One transaction: after a kill a verdict and its key are both there or neither is, so whoever does
        not know whether it was written may send it again. The leases of these rows end with it, and the
        other leases of the same people do not end before `until` (seconds since 1970).

        Returns
        -------
        The keys that were new.
        """
        with self._pool.write() as connection:
            new = [key for key in found if records.get(connection, "verdict-key", key) is None]
            verdicts.add(connection, dataset, [found[key] for key in new])
            records.put(connection, "verdict-key", [(k, {}) for k in new], subject=dataset, now=now)
            leases.done(connection, dataset, [(found[k].row.id, found[k].reviewer) for k in new])
            for who in {v.reviewer for v in found.values()}:
                leases.renew(connection, dataset, until, who)
        return new

    def add_verdicts_together(
        self,
        dataset: str,
        found: Sequence[Verdict],
        kind: str,
        key: str,
        body: Mapping[str, Any],
        *,
        now: str,
        since: int,
    ) -> dict[str, Any]:
        """Write many verdicts and one record about them down, all or none; a known key changes nothing.

        Parameters
        ----------
        since : a mark up to which verdicts were taken into account.

        Returns
        -------
        The record that is there.

        Raises
        ------
        Refused : somebody has spoken of one of the rows since.
        """
        with self._pool.write() as connection:
            known = records.get(connection, kind, key)
            if known is None:
                newer = {v.row.id for v in verdicts.since(connection, dataset, since)[1]}
                if both := newer & {v.row.id for v in found}:
                    raise Refused(f"{len(both):,} of the rows were decided on meanwhile; look again")
                verdicts.add(connection, dataset, found)
                leases.done(connection, dataset, [(v.row.id, v.reviewer) for v in found])
                records.put(connection, kind, [(key, body)], subject=dataset, now=now)
        return dict(body) if known is None else known

    def take_back_together(
        self, dataset: str, kind: str, key: str, draw: str, passed: Iterable[str], *, reviewer: str, now: str
    ) -> dict[str, Any]:
        """Set the rows of a draw back to its author's verdict before, once; the record says when, how many.

        Parameters
        ----------
        passed : draws that were taken back earlier: what they said does not come back.
        """
        with self._pool.write() as connection:
            body = records.get(connection, kind, key)
            if body is None:
                raise NotFound(f"no record {kind} {key!r}")
            if not body["undone"]:
                back = verdicts.take_back(connection, dataset, draw, passed, reviewer, now)
                body |= {"undone": now, "back": back}
                records.put(connection, kind, [(key, body)], subject=dataset, now=now)
        return body

    def verdicts(self, dataset: str, *, every: bool = False) -> list[Verdict]:
        """The verdict that counts of each row that has one, or every one ever given; oldest first."""
        return self.verdicts_since(dataset, 0)[1] if every else self.standing_verdicts(dataset)[0]

    def standing_verdicts(self, dataset: str) -> tuple[list[Verdict], list[str]]:
        """The verdict that counts of each row that has one, and the rows on which people differ.

        What was read before is remembered: only what was said since is read.
        """
        if self._heard.process != os.getpid():
            self._heard = Heard()  # a fork has the memory, and perhaps a lock that nobody opens
        heard = self._heard
        with heard.lock:
            mark, register = heard.registers.get(dataset) or (0, Register())
            mark, new = self.verdicts_since(dataset, mark)
            register.add(new)
            heard.registers[dataset] = mark, register
            return register.counting(), list(register.disputed)

    def verdicts_since(self, dataset: str, mark: int) -> tuple[int, list[Verdict]]:
        """The new mark, and every verdict after an older one, oldest first."""
        with self._pool.read() as connection:
            return verdicts.since(connection, dataset, mark)

    def verdict_mark(self, dataset: str) -> int:
        """A number that grows with every verdict; 0 when there is none."""
        with self._pool.read() as connection:
            return verdicts.mark(connection, dataset)

    # rows in people's hands

    def lease(
        self,
        dataset: str,
        choose: Callable[[Mapping[str, leases.Lease]], Sequence[str]],
        *,
        reviewer: str,
        seat: str,
        was: str,
        now: float,
        until: float,
    ) -> list[str]:
        """Give rows to one seat of a reviewer, in the place of those that it held; one transaction.

        Parameters
        ----------
        choose : from the rows in other hands to the rows wanted, none of those; nobody else writes meanwhile.
        was : an earlier seat of theirs whose rows are theirs to choose from, too; it ends. Or the same seat.
        now, until : seconds since 1970; what ended before `now` is free.
        """
        with self._pool.write() as connection:
            held = leases.standing(connection, dataset, now)
            seats = {seat, was}
            rows = list(choose({x.id: x for x in held if x.reviewer != reviewer or x.seat not in seats}))
            for one in seats:
                leases.release(connection, dataset, reviewer, one)
            leases.put(connection, dataset, [leases.Lease(r, reviewer, seat, until) for r in rows], now)
        return rows

    def release(self, dataset: str, reviewer: str, seat: str, rows: Sequence[str] | None = None) -> None:
        """Take rows back from a seat; None: all of them."""
        with self._pool.write() as connection:
            leases.release(connection, dataset, reviewer, seat, rows)

    def renew_leases(self, dataset: str, until: float) -> None:
        """Let every lease end no sooner than this (seconds since 1970): after a server was away."""
        with self._pool.write() as connection:
            leases.renew(connection, dataset, until)

    def leases(self, dataset: str, now: float) -> list[leases.Lease]:
        """Rows that are in somebody's hands now (seconds since 1970)."""
        with self._pool.read() as connection:
            return leases.standing(connection, dataset, now)

    # judgements of annotators

    def put_judgements(
        self, source: str, digest: str, found: Judgements, *, columns: Mapping[str, Any], now: str
    ) -> bool:
        """Keep the judgements of a file beside what it said before; False when it says nothing new.

        Parameters
        ----------
        source : name of the file; of files with one name the newest counts.
        digest : of its bytes and of how it was read.
        columns : which column was what.
        """
        with self._pool.write() as connection:
            return judgements.put(connection, source, digest, found, columns, now)

    def judgements(self) -> list[tuple[str, Judgements]]:
        """Source and judgements of the newest file of each source, oldest first."""
        with self._pool.read() as connection:
            return judgements.newest(connection)

    def judgements_digest(self) -> str:
        """Changes when judgements are taken in; empty without any."""
        with self._pool.read() as connection:
            return judgements.digest(connection)
