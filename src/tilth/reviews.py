"""Reviews: draw rows for a person, take their verdicts in, make a patch of what was decided."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tilth import sampling
from tilth.audit.trust import Trust
from tilth.data import Row, Snapshot
from tilth.errors import InputError, NotFound, Refused
from tilth.files import write_text
from tilth.patch import Op, Patch
from tilth.stats import Interval
from tilth.trial.propose import STARVED
from tilth.verdicts import DECISIONS, Drawn, Said, Verdict, as_jsonl, render
from tilth.workspace import TRAIN, Workspace

if TYPE_CHECKING:
    import pandas

    from tilth.store import PatchInfo

__all__ = ["Batch", "Relabelling", "Verdicts", "at_rate", "draw", "drawn", "judge", "relabel", "take_in"]


@dataclass(frozen=True)
class Batch:
    """Rows drawn for review, in random order: a part of a batch, read from the top, counts too.

    Attributes
    ----------
    id : name of the draw.
    version : version of train that it was drawn from.
    rows : the rows, with P(wrong), the suggestion and the inclusion probability.
    texts : their texts.
    population : number of rows that could have been drawn.
    """

    id: str
    version: str
    rows: tuple[Drawn, ...]
    texts: tuple[str, ...]
    population: int

    def to_json(self) -> dict[str, Any]:
        """The batch as a JSON object."""
        rows = [asdict(d) | {"text": t} for d, t in zip(self.rows, self.texts, strict=True)]
        return {"id": self.id, "version": self.version, "population": self.population, "rows": rows}

    def to_pandas(self) -> pandas.DataFrame:
        """One line a row."""
        from tilth.frames import frame

        return frame(self.to_json()["rows"])

    def _repr_html_(self) -> str:
        from tilth.frames import html_table

        return html_table(f"draw {self.id}: {len(self.rows)} rows", self.to_json()["rows"])


@dataclass(frozen=True)
class Verdicts:
    """Where a review stands.

    Attributes
    ----------
    added : number of verdicts of each kind that were taken in now.
    standing : number of rows by the newest verdict on them.
    trust : what is believed by now, as in an audit.
    """

    added: Mapping[str, int]
    standing: Mapping[str, int]
    trust: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object."""
        return {"added": dict(self.added), "standing": dict(self.standing), "trust": dict(self.trust)}


@dataclass(frozen=True)
class Relabelling:
    """A proposed patch made of verdicts, and of rows relabelled at a false-discovery rate.

    Attributes
    ----------
    patch : the patch on record, None when there was nothing to change.
    decided : ops that a reviewer decided.
    bulk : ops that follow the suggestion at the rate.
    rate : the false-discovery rate asked for, None without bulk ops.
    estimate : its estimate for the bulk ops, with a 90 % interval.
    basis, verdicts : verdicts or prior, and how many verdicts there are.
    """

    patch: PatchInfo | None
    decided: int
    bulk: int
    rate: float | None
    estimate: Interval | None
    basis: str
    verdicts: int

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object."""
        return {
            "id": self.patch.id if self.patch else None,
            "title": self.patch.title if self.patch else None,
            "ops": dict(self.patch.counts) if self.patch else {},
            "decided": self.decided,
            "bulk": self.bulk,
            "fdr": self.rate,
            "estimate": asdict(self.estimate) if self.estimate else None,
            "basis": self.basis,
            "verdicts": self.verdicts,
        }


def drawn(trust: Trust, rows: Snapshot, at: int, chance: float | None, name: str) -> Drawn:
    """A row with what the audit claims about it now."""
    label = rows.labels[at]
    other = trust.signals.classes[int(trust.suggested[at])] if len(trust.signals.classes) > 1 else None
    return Drawn(rows.ids[at], label, other, float(trust.claimed[at]), float(trust.fits[at]), chance, name)


def draw(ws: Workspace, n: int, *, seed: int | None, out: Path | None) -> Batch:
    """Draw rows that have no verdict yet; see `Project.sample`."""
    if n < 1:
        raise InputError(f"cannot draw {n} rows; ask for one at least")
    jsonl = out is not None and as_jsonl(out)
    trust, head = ws.trust(), ws.head(TRAIN)
    rows = ws.snapshot(head)
    pool = np.flatnonzero(trust.open)
    if len(pool) == 0:
        raise Refused(f"all {len(rows):,} rows of train have a verdict or no label; there is nothing to draw")
    earlier = len(ws.store.records("draw", TRAIN))
    name = hashlib.sha256(f"{head.id}:{earlier}:{seed}:{n}".encode()).hexdigest()[:8]
    rng = np.random.default_rng(int(name, 16) if seed is None else seed)
    p = trust.signals.p_wrong()[pool]
    chance = sampling.inclusion(p, n)
    picked = rng.permutation(sampling.systematic(chance, np.argsort(p, kind="stable"), rng))
    found = [drawn(trust, rows, int(pool[i]), float(chance[i]), name) for i in picked]
    texts = rows.texts(ws.config.columns.text)
    batch = Batch(name, head.id, tuple(found), tuple(texts[pool[i]] for i in picked), len(pool))
    if out is not None:  # first, so that a draw that nobody can see is not on record
        write_text(out, render(zip(found, batch.texts, strict=True), jsonl=jsonl))
    body = {"id": name, "version": head.id, "population": len(pool), "rows": [asdict(d) for d in found]}
    ws.store.put_record("draw", name, body, subject=TRAIN, now=ws.clock())
    return batch


def take_in(ws: Workspace, said: Sequence[Said], reviewer: str) -> Verdicts:
    """Write verdicts down; see `Project.verdict`."""
    if said:
        ws.store.add_verdicts(TRAIN, judge(ws, said, reviewer, ws.snapshot(ws.head(TRAIN)), ws.trust()))
    standing = Counter(v.said.decision for v in ws.store.verdicts(TRAIN))
    return Verdicts(
        {d: n for d in DECISIONS if (n := sum(s.decision == d for s in said))},
        {d: standing[d] for d in DECISIONS if standing[d]},
        ws.trust().to_json(),
    )


def judge(ws: Workspace, said: Sequence[Said], reviewer: str, rows: Snapshot, trust: Trust) -> list[Verdict]:
    """What was said, with what was known of each row; nothing is written.

    Parameters
    ----------
    rows, trust : of the head of train.

    Raises
    ------
    NotFound, InputError : as for `Project.verdict`.
    """
    known = {x for x in rows.labels if x is not None}
    draws = {
        body["id"]: {r["id"]: Drawn(**r) for r in body["rows"]} for body in ws.store.records("draw", TRAIN)
    }
    latest = {row_id: name for name, members in draws.items() for row_id in members}
    now, out = ws.clock(), []
    for s in said:
        at = rows.index.get(s.id)
        if at is None:
            raise NotFound(
                f"a verdict on row {s.id!r}: there is no such row in train now; nothing was recorded"
            )
        if s.decision == "relabel" and s.label not in known:
            raise InputError(
                f"a verdict on row {s.id!r} says {s.label!r}, which no row of train is labelled; nothing was "
                "recorded. Correct the spelling, or bring the class in with rows of it: tilth ingest FILE"
            )
        if s.decision == "relabel" and s.label == rows.labels[at]:
            s = replace(s, decision="keep", label=None)
        row = draws.get(s.draw or latest.get(s.id, ""), {}).get(s.id)
        if row is None or row.given != rows.labels[at]:  # chosen by a person, or changed since it was drawn
            row = drawn(trust, rows, at, None, "")
        out.append(Verdict(s, row, reviewer, now))
    return out


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"


def relabel(ws: Workspace, *, rate: float | None, revises: str) -> Relabelling:
    """A proposed patch of verdicts, and of further rows at a false-discovery rate; see `Project.relabel`."""
    if rate is not None and not 0 < rate < 1:
        raise InputError(f"a false-discovery rate lies between 0 and 1, not {rate:g}; 0.05 is usual")
    trust, head = ws.trust(), ws.head(TRAIN)
    rows = ws.snapshot(head)
    verdicts = ws.store.verdicts(TRAIN)
    ops = _decided(rows, verdicts)
    if revises:
        old = ws.store.patch(revises)
        touched = {op.row_id for op in old.ops}
        ops = [op for op in ops if op.row_id in touched]
        revises = old.id
    decided, estimate = len(ops), None
    if rate is not None:
        more, estimate = at_rate(trust, rows, rate, touched if revises else None)
        ops += more
    bulk = len(ops) - decided
    info = _proposed(ws, ops, decided, rate, estimate, revises, trust) if ops else None
    return Relabelling(info, decided, bulk, rate, estimate, trust.basis, trust.wrong.verdicts)


def at_rate(
    trust: Trust, rows: Snapshot, rate: float, within: Container[str] | None = None
) -> tuple[list[Op], Interval | None]:
    """Relabels as suggested, of the largest set of rows at a false-discovery rate, and that rate's estimate.

    Rows of classes with fewer than 20 rows are left to a person, and so are rows on which people differ.
    `within`: ids of the rows that are looked at; by default all.
    """
    if len(trust.signals.classes) < 2:
        return [], None
    sizes = Counter(rows.labels)
    allowed = ~trust.disputed & np.array([sizes[x] >= STARVED for x in rows.labels], dtype=bool)
    if within is not None:
        allowed &= np.array([i in within for i in rows.ids], dtype=bool)
    reach = trust.reach(rate, allowed)
    chosen = np.flatnonzero(trust.open & allowed & (trust.fits >= reach.least))
    return [_suggested(rows, trust, int(i)) for i in chosen], reach.rate if reach.count else None


def _decided(rows: Snapshot, verdicts: Sequence[Verdict]) -> list[Op]:
    """An op for each row that a reviewer wants changed and that is not changed yet."""
    out = []
    for v in verdicts:
        at = rows.index.get(v.row.id)
        if at is None or v.said.decision not in ("relabel", "drop"):
            continue
        before = rows.row(at)
        why = f"{v.reviewer}: {v.said.note or v.said.decision}"
        if v.said.decision == "drop":
            out.append(Op(before, None, why))
        elif before.label != v.said.label:
            out.append(Op(before, Row(before.id, before.fields, v.said.label, before.source), why))
    return out


def _suggested(rows: Snapshot, trust: Trust, at: int) -> Op:
    """The op that follows the suggestion for a row."""
    before = rows.row(at)
    to = trust.signals.classes[int(trust.suggested[at])]
    right = float(trust.right(trust.fits[at : at + 1])[0])
    return Op(before, Row(before.id, before.fields, to, before.source), f"P({to} is right) = {right:.2f}")


def _proposed(
    ws: Workspace,
    ops: Sequence[Op],
    decided: int,
    rate: float | None,
    estimate: Interval | None,
    revises: str,
    trust: Trust,
) -> PatchInfo:
    """The ops as a patch on record, with what is known about it."""
    bulk = len(ops) - decided
    parts = [f"{_rows(decided)} as reviewers decided"] if decided else []
    parts += [f"{_rows(bulk)} at a false-discovery rate of {rate:g}"] if bulk else []
    reason = f"{trust.wrong.verdicts} verdicts" if trust.wrong.verdicts else "no verdicts: by the prior alone"
    if bulk and estimate:
        reason += f"; of the {bulk} about {estimate.value:.1%} wrong, at most {estimate.high:.1%}"
    patch = Patch(
        dataset=TRAIN,
        base=ws.head(TRAIN).id,
        ops=tuple(ops),
        title="Change " + " and ".join(parts),
        reason=reason,
        author="tilth" if bulk else "person",
        origin=f"relabel:fdr-{rate:g}" if bulk else "verdicts",
        created=ws.clock(),
        revises=revises,
    )
    meta: dict[str, Any] = {"minutes": ws.config.minutes.of(patch.counts())}
    if rate is not None and estimate is not None:
        meta |= {"fdr": rate, "estimate": asdict(estimate), "verdicts": trust.wrong.verdicts}
    return ws.store.save_patch(patch, meta=meta, now=ws.clock())
