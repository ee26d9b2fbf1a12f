"""What counts when people differ, and rows that are handed to one person at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tilth.config import Config, ReviewChoice
from tilth.data import Incoming, Snapshot
from tilth.errors import ConfigError, InputError
from tilth.reviewers import DISAGREEMENTS, Reviewers
from tilth.verdicts import Drawn, Kind, Register, Role, Said, Verdict
from tilth.workspace import Workspace

IDS = [f"r{i:02}" for i in range(40)]


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> str:
        return self.at.isoformat(timespec="seconds")

    def move(self, minutes: float) -> None:
        self.at += timedelta(minutes=minutes)


def said(
    who: str,
    row: str,
    decision: Kind,
    label: str | None = None,
    role: Role = "",
    at: str = "2026-01-01T00:00:00+00:00",
) -> Verdict:
    return Verdict(Said(row, decision, label, role=role), Drawn(row, "a", "b", 0.5, 0.5), who, at)


def heard(*verdicts: Verdict, share: float = 0.0) -> Register:
    found = Register(share)
    found.add(verdicts)
    return found


def counts(*verdicts: Verdict) -> tuple[str, str | None] | None:
    said = heard(*verdicts).rows["x"].counts
    return None if said is None else said.outcome


def test_what_counts() -> None:
    keep, to_b, drop = said("ann", "x", "keep"), said("ben", "x", "relabel", "b"), said("cy", "x", "drop")
    assert counts(keep) == ("label", "a")
    assert counts(keep, said("ben", "x", "relabel", "a")) == ("label", "a")  # in other words, the same
    assert counts(keep, to_b) is None
    assert counts(keep, to_b, drop) is None
    assert counts(keep, to_b, said("cy", "x", "relabel", "b")) == ("label", "b")  # two of three
    assert (
        counts(to_b, said("ann", "x", "relabel", "b"), said("ben", "x", "keep")) is None
    )  # ben thought again
    assert counts(keep, to_b, said("ann", "x", "skip")) == ("label", "b")  # ann takes hers back, not ben's
    assert counts(keep, said("ann", "x", "skip")) == ("skip", None)
    settled = said("cy", "x", "relabel", "c", "settle")
    assert counts(keep, to_b, settled) == ("label", "c")
    assert counts(keep, settled, to_b) == ("label", "c")  # later voices do not reopen it
    assert counts(keep, to_b, settled, said("dee", "x", "drop", None, "settle")) == ("drop", None)
    assert counts(keep, to_b, settled, said("cy", "x", "skip", None, "settle")) is None
    assert counts(keep, to_b, settled, said("cy", "x", "keep")) == ("label", "a")  # a voice in its place


def test_the_register_knows_what_is_open() -> None:
    found = heard(said("ann", "x", "keep"), said("ben", "x", "drop"), said("ann", "y", "keep", role="ask"))
    assert (list(found.disputed), list(found.waiting), list(found.double)) == (["x"], ["y"], ["x"])
    assert found.tally == {"ann": 2, "ben": 1}
    found.add([said("cy", "x", "drop", role="settle"), said("ben", "y", "keep")])
    assert (list(found.disputed), list(found.waiting), list(found.double)) == ([], [], ["x", "y"])
    found.add([said("ben", "y", "skip"), said("ann", "z", "skip", role="ask")])
    assert list(found.waiting) == ["y", "z"]
    assert [v.row.id for v in found.counting()] == ["x", "y", "z"]
    in_parts = heard()
    for v in (said("ann", "x", "keep"), said("ben", "x", "drop"), said("cy", "x", "drop", role="settle")):
        in_parts.add([v])
    assert in_parts.rows["x"].counts == found.rows["x"].counts


def test_a_share_of_the_rows_is_drawn_by_their_ids() -> None:
    ids = [f"row {i}" for i in range(5_000)]
    found = heard(*(said("ann", x, "keep") for x in ids), share=0.1)
    assert 430 < len(found.waiting) < 570
    assert list(found.waiting) == [x for x in ids if found.drawn(x)]
    assert not heard(*(said("ann", x, "keep") for x in ids)).waiting
    assert len(heard(*(said("ann", x, "keep") for x in ids), share=1.0).waiting) == 5_000


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(tmp_path: Path, clock: Clock) -> Iterator[tuple[Reviewers, Snapshot]]:
    """Reviewers of a project with 40 rows."""
    ws = Workspace.create(tmp_path / "p", Config(review=ReviewChoice(second_opinion=0.0)), clock)
    rows = [Incoming(x, {"text": x}, "a") for x in IDS]
    ws.store.import_rows("train", "f", rows, file_digest="d", note="", now=clock())
    yield Reviewers(ws), ws.snapshot(ws.head("train"))
    ws.close()


def test_nobody_gets_what_another_has(desk: tuple[Reviewers, Snapshot], clock: Clock) -> None:
    hands, rows = desk
    ann = hands.lease("ann", IDS, rows, n=10, seat="1")
    assert ann == IDS[:10]
    assert hands.lease("ann", IDS, rows, n=10, seat="1") == ann  # asked again: the same
    assert hands.lease("ben", IDS, rows, n=10) == IDS[10:20]
    assert hands.lease("ann", IDS, rows, n=10, seat="2") == IDS[20:30]  # her second window
    assert hands.lease("ann", IDS, rows, n=10, seat="3", was="1") == ann  # the first one after a reload
    assert hands.lease("ben", IDS, rows, n=3, have=[IDS[15], IDS[0]]) == [IDS[15], IDS[10], IDS[11]]
    hands.release("ann", seat="3", rows=ann[:2])
    assert hands.lease("cy", IDS, rows, n=4) == [IDS[0], IDS[1], IDS[12], IDS[13]]
    clock.move(10)
    assert hands.lease("dee", IDS, rows, n=200) == IDS  # all have ended
    with pytest.raises(InputError, match="no reviewer"):
        hands.lease(" ", IDS, rows, n=1)
    with pytest.raises(InputError, match="unknown queue"):
        hands.lease("ann", IDS, rows, n=1, queue="mine")


def test_leases_outlive_the_server_and_are_renewed_by_use(
    desk: tuple[Reviewers, Snapshot], clock: Clock
) -> None:
    hands, rows = desk
    first = hands.lease("ann", IDS, rows, n=5)
    again = Reviewers(hands.ws)
    assert again.lease("ben", IDS, rows, n=5) == IDS[5:10]
    clock.move(9)
    decided = replace(said("ann", first[0], "keep"), created=clock())
    until = hands.now() + hands.seconds
    assert hands.ws.store.add_verdicts_once("train", {"k": decided}, now=clock(), until=until) == ["k"]
    clock.move(9)  # ann's go on, ben's have ended, and the row that ann decided is done
    assert again.lease("cy", IDS, rows, n=7) == [*IDS[5:12]]
    clock.move(5)
    again.resume()  # a server that was away begins anew with what it finds
    clock.move(9)
    assert not set(again.lease("dee", IDS, rows, n=200)) & set(first)


def test_second_opinions_come_to_others_and_disagreements_to_whoever_settles(
    desk: tuple[Reviewers, Snapshot],
) -> None:
    hands, rows = desk
    ws = hands.ws
    ws.store.add_verdicts("train", [said("ann", x, "keep", role="ask") for x in IDS[:3]])
    ws.store.add_verdicts("train", [said("ann", "r03", "skip")])
    assert hands.lease("ann", IDS, rows, n=40)[:4] == IDS[4:8]
    assert hands.lease("ann", IDS, rows, n=40)[-1] == "r03"  # what she skipped comes last
    hands.release("ann")
    ben = hands.lease("ben", IDS, rows, n=12)
    assert set(IDS[:3]) < set(ben)
    assert ben[3] == "r00"  # one among others
    assert hands.people().waiting == 3
    ws.store.add_verdicts("train", [said("ben", "r00", "drop"), said("ben", "r01", "keep")])
    assert hands.people().disagreements == 1
    (differ,) = hands.disagreements()
    assert (differ["id"], [(v["reviewer"], v["verdict"]) for v in differ["verdicts"]]) == (
        "r00",
        [("ann", "keep"), ("ben", "drop")],
    )
    assert hands.lease("cy", IDS, rows, n=5, seat="s", queue=DISAGREEMENTS) == ["r00"]
    assert hands.lease("dee", IDS, rows, n=5, queue=DISAGREEMENTS) == []
    assert "r00" not in hands.lease("dee", IDS, rows, n=200)
    ws.store.add_verdicts("train", [said("cy", "r00", "drop", role="settle")])
    assert hands.disagreements() == []
    assert {v.row.id: v.said.decision for v in ws.store.verdicts("train")}["r00"] == "drop"
    assert len(ws.store.verdicts("train", every=True)) == 7  # both verdicts are kept
    found = hands.people()
    assert {p.reviewer: p.verdicts for p in found.people if p.verdicts} == {"ann": 3, "ben": 2, "cy": 1}
    assert found.agreement is not None
    assert (found.agreement.items, found.agreement.observed) == (2, 0.5)


def test_pace_and_rows_in_hand(desk: tuple[Reviewers, Snapshot], clock: Clock) -> None:
    hands, rows = desk
    for i in range(20):
        hands.ws.store.add_verdicts("train", [replace(said("ann", IDS[i], "keep"), created=clock())])
        clock.move(0.1)
    hands.lease("ben", IDS, rows, n=5)
    found = hands.people()
    assert [(p.reviewer, p.per_minute, p.leased) for p in found.people] == [("ben", 0.0, 5), ("ann", 10.0, 0)]
    clock.move(11)
    assert [p.per_minute for p in hands.people().people] == [0.0]


def test_settings() -> None:
    for bad in ({"second_opinion": 1.5}, {"lease": 0.0}):
        with pytest.raises(ConfigError):
            ReviewChoice(**bad)
