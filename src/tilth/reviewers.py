"""Reviewers: rows handed out so that nobody does the work of another, second opinions, who is at work."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from tilth.agreement import Agreement, Votes, agreement
from tilth.data import Snapshot
from tilth.errors import InputError
from tilth.store.leases import Lease
from tilth.verdicts import Opinions, Register, Verdict
from tilth.workspace import TRAIN, Workspace

if TYPE_CHECKING:
    import pandas

__all__ = ["DISAGREEMENTS", "People", "Person", "Reviewers"]

DISAGREEMENTS = "disagreements"
"""Name of the queue of rows on which people differ."""
LARGEST = 200
"""Rows that one seat may hold: what is held by one is withheld from all others."""
SECONDS = 4
"""Every so many-th row handed out is a second opinion, while there are any: nobody can tell which."""
WINDOW = 600.0
"""Seconds over which a pace is measured."""


@dataclass(frozen=True, slots=True)
class Person:
    """What one reviewer did and does.

    Attributes
    ----------
    reviewer : name.
    verdicts : rows that they decided or settled, as it stands.
    per_minute : decisions a minute in the last ten minutes.
    leased : rows in their hands.
    last : time of their newest verdict, ISO 8601; "" before the first.
    """

    reviewer: str
    verdicts: int
    per_minute: float
    leased: int
    last: str


@dataclass(frozen=True)
class People:
    """Who reviews, and how far they agree.

    Attributes
    ----------
    people : those at work first, then by number of verdicts.
    leased : rows in somebody's hands.
    waiting : rows that wait for a second opinion.
    disagreements : rows on which people differ and that nobody settled.
    agreement : of people who judged the same rows, blind to each other's verdict; None without such rows.
    drawn : of these rows, those that were drawn (`[review] second_opinion`) and not asked about.
    """

    people: tuple[Person, ...]
    leased: int
    waiting: int
    disagreements: int
    agreement: Agreement | None
    drawn: int

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object."""
        found = self.agreement
        return {
            "people": [asdict(p) for p in self.people],
            "leased": self.leased,
            "waiting": self.waiting,
            "disagreements": self.disagreements,
            "agreement": found
            and {
                "alpha": asdict(found.alpha),
                "observed": found.observed,
                "rows": found.items,
                "drawn": self.drawn,
            },
        }

    def to_pandas(self) -> pandas.DataFrame:
        """One line a person."""
        from tilth.frames import frame

        return frame(self.to_json()["people"])

    def _repr_html_(self) -> str:
        from tilth.frames import html_table

        return html_table(f"{len(self.people)} reviewers", self.to_json()["people"])


class Reviewers:
    """Who has which rows, and what was said so far; safe to use from several threads and processes.

    What counts is in the store; this object remembers what it has read of it.

    Parameters
    ----------
    ws : the open project.
    """

    def __init__(self, ws: Workspace) -> None:
        self.ws = ws
        self._lock = threading.Lock()
        self._register, self._mark = Register(ws.config.review.second_opinion), 0
        self._recent: deque[tuple[float, str]] = deque(maxlen=20_000)
        self._last: dict[str, str] = {}
        self._agreement: tuple[int, Agreement | None, int] = (-1, None, 0)

    @property
    def seconds(self) -> float:
        """How long a row is held."""
        return self.ws.config.review.lease * 60

    def now(self) -> float:
        """Seconds since 1970 by the project's clock."""
        return _seconds(self.ws.clock())

    def register(self) -> Register:
        """What was said of every row up to now; not to be changed."""
        with self._lock:
            self._mark, new = self.ws.store.verdicts_since(TRAIN, self._mark)
            self._register.add(new)
            for v in new:
                self._last[v.reviewer] = v.created
            self._recent += [
                (_seconds(v.created), v.reviewer) for v in new[-20_000:] if v.said.decision != "skip"
            ]
            return self._register

    def lease(
        self,
        reviewer: str,
        order: Iterable[str],
        rows: Snapshot,
        *,
        n: int,
        seat: str = "",
        was: str | None = None,
        have: Sequence[str] = (),
        without: Collection[str] = (),
        queue: str = "",
        seconds: float | None = None,
    ) -> list[str]:
        """Hand rows to a seat of a reviewer, in the place of those that it held.

        Parameters
        ----------
        reviewer, seat : who, and which window of theirs.
        was : the seat that this one takes over, such as that of the same window before a reload.
        order : ids of the rows that want a verdict, the most useful first; only as many as needed are read.
        rows : the head of train.
        n : how many rows the seat shall hold, `have` included; at most 200.
        have : rows on the person's screen, kept where nobody else holds them.
        without : rows not to hand out: decided there a moment ago, and on their way.
        queue : "" or "disagreements".
        seconds : for how long; by default as tilth.toml says.

        Returns
        -------
        Ids, the first to be shown first: rows that nobody decided and nobody else holds, with second opinions
        among them, which nothing tells apart; rows that this person skipped come last.
        """
        if not reviewer.strip():
            raise InputError("no reviewer: rows are handed to somebody; say who")
        if queue not in ("", DISAGREEMENTS):
            raise InputError(f"unknown queue {queue!r}; there is {DISAGREEMENTS!r}")
        now, n = self.now(), max(0, min(n, LARGEST))

        def choose(others: Mapping[str, Lease]) -> list[str]:
            # nobody writes while this runs, so what is read here is all that was ever decided
            found = self.register()
            with self._lock:
                hand = _Hand(found, rows, reviewer, others, frozenset(without))
                return hand.settle(n, have) if queue else hand.review(n, have, order)

        until = now + (self.seconds if seconds is None else seconds)
        return self.ws.store.lease(
            TRAIN, choose, reviewer=reviewer, seat=seat, was=was or seat, now=now, until=until
        )

    def release(self, reviewer: str, *, seat: str = "", rows: Sequence[str] | None = None) -> None:
        """Take rows back from a seat; None: all that it holds."""
        self.ws.store.release(TRAIN, reviewer, seat, rows)

    def resume(self) -> None:
        """Let every lease begin anew: whoever could not reach the server meanwhile keeps their rows."""
        self.ws.store.renew_leases(TRAIN, self.now() + self.seconds)

    def disagreements(self) -> list[dict[str, Any]]:
        """Rows on which people differ, with what each said; the longest known first."""
        found = self.register()
        with self._lock:
            return [{"id": row, "verdicts": _said(found.rows[row])} for row in found.disputed]

    def people(self) -> People:
        """Who reviews, and how far they agree."""
        found, now = self.register(), self.now()
        leases = self.ws.store.leases(TRAIN, now)
        with self._lock:
            held: dict[str, int] = {}
            for lease in leases:
                held[lease.reviewer] = held.get(lease.reviewer, 0) + 1
            pace = self._pace(now)
            people = [
                Person(
                    name, found.tally[name], pace.get(name, 0.0), held.get(name, 0), self._last.get(name, "")
                )
                for name in found.tally.keys() | held.keys()
            ]
            people.sort(key=lambda p: (not p.leased, -p.verdicts, p.reviewer))
            agreed, drawn = self._agreed(found)
            waiting, differ = len(found.waiting), len(found.disputed)
        return People(tuple(people), len(leases), waiting, differ, agreed, drawn)

    def _pace(self, now: float) -> dict[str, float]:
        """Decisions a minute of everyone who took one lately."""
        first: dict[str, float] = {}
        count: dict[str, int] = {}
        for when, who in self._recent:
            if now - when <= WINDOW:
                first.setdefault(who, when)
                count[who] = count.get(who, 0) + 1
        return {who: round(n / max(1.0, (now - first[who]) / 60), 1) for who, n in count.items()}

    def _agreed(self, found: Register) -> tuple[Agreement | None, int]:
        """Agreement on the rows with two voices; computed when a verdict was added, and no more often."""
        if self._agreement[0] != self._mark:
            voices = [(row, v) for row in found.double for v in found.rows[row].voices if not v.together]
            votes = Votes.of(
                [row for row, _ in voices],
                [v.reviewer for _, v in voices],
                [repr(v.outcome) for _, v in voices],
            )
            drawn = sum(map(found.drawn, found.double))
            self._agreement = (self._mark, agreement(votes) if voices else None, drawn)
        return self._agreement[1:]


@dataclass(frozen=True)
class _Hand:
    """Rows for one person, chosen while nobody else writes."""

    found: Register
    rows: Snapshot
    who: str
    others: Mapping[str, Lease]
    without: frozenset[str]

    def settle(self, n: int, have: Sequence[str]) -> list[str]:
        """Rows on which people differ."""
        differ = self.found.disputed
        mine = (x for x in chain((x for x in have if x in differ), differ) if self._free(x))
        return list(dict.fromkeys(mine))[:n]

    def review(self, n: int, have: Sequence[str], order: Iterable[str]) -> list[str]:
        """Rows at hand, then those that nobody decided with second opinions among them."""
        out = dict.fromkeys(x for x in have if self._free(x) and self._stays(x))
        later: list[str] = []
        firsts, seconds = self._firsts(order, later), self._seconds()
        while len(out) < n:
            turn = (seconds, firsts) if len(out) % SECONDS == SECONDS - 1 else (firsts, seconds)
            row = next(chain.from_iterable(turn), None)
            if row is None:
                break
            out[row] = None
        return [*out, *(x for x in later if x not in out)][: max(n, 0)]

    def _free(self, row: str) -> bool:
        return row in self.rows.index and row not in self.others and row not in self.without

    def _told(self, said: Opinions, row: str) -> bool:
        """Whether a verdict that counts says if the present label is right."""
        counts = said.counts
        return counts is not None and counts.wrong_for(self.rows.labels[self.rows.index[row]]) is not None

    def _stays(self, row: str) -> bool:
        """Whether a row on the screen stays: nobody else decided it, or a second opinion is wanted."""
        said = self.found.rows.get(row)
        if said is None:
            return True
        return not said.disputed and (
            self.who in said.newest or row in self.found.waiting or not self._told(said, row)
        )

    def _firsts(self, order: Iterable[str], later: list[str]) -> Iterator[str]:
        """Rows without a verdict that counts; what this person skipped goes to `later`."""
        for row in order:
            if not self._free(row):
                continue
            said = self.found.rows.get(row)
            if said is None:
                yield row
            elif not said.disputed and not self._told(said, row):
                mine = said.newest.get(self.who)
                if mine is not None and mine.said.decision == "skip":
                    later.append(row)
                else:
                    yield row

    def _seconds(self) -> Iterator[str]:
        """Rows that wait for a second opinion, and of which this person has not spoken."""
        for row in self.found.waiting:
            if self._free(row) and self.who not in self.found.rows[row].newest:
                yield row


def _said(said: Opinions) -> list[dict[str, Any]]:
    return [_brief(v) for v in said.voices]


def _brief(v: Verdict) -> dict[str, Any]:
    keys = ("reviewer", "verdict", "label", "given", "note", "created")
    body = v.to_json()
    return {key: body[key] for key in keys}


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
