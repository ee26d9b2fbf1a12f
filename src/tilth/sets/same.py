"""The same decision for all rows of a set: looked at first, taken as one, undone as one.

A row in a set was not judged on its own, so its verdict settles the row and becomes an op of a patch, but
teaches nothing about P(wrong): see `tilth.audit.trust.judged` and docs/decisions/0019-same-decision.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

import numpy as np

from tilth.audit.base import excerpt
from tilth.errors import InputError, NotFound, Refused
from tilth.sets.where import Facts, Where, digest
from tilth.verdicts import TOGETHER, Drawn, Kind, Role, Said, Verdict
from tilth.workspace import TRAIN, Workspace

__all__ = ["DECIDE", "Preview", "SameDecision", "decide", "decided", "preview", "undo"]

KIND = "same-decision"
"""Kind of the records."""
DECIDE: tuple[Kind, ...] = ("keep", "relabel", "ambiguous", "drop")
SAMPLE = 8


@dataclass(frozen=True)
class Preview:
    """What a decision on a set would do.

    Attributes
    ----------
    where : the set.
    version : head of train.
    digest : names the rows with their labels; given back with the decision, so that no other rows are meant.
    count : rows of the set.
    given, suggested : number of rows by label and by suggestion, most frequent first.
    verdicts : number of rows by the verdict that they have already.
    errors : how many of the labels are believed to be wrong.
    decision, label : the decision; "" where only the set is looked at.
    takes : rows that would get the verdict; those that have one stay as they are unless they are asked for.
    changes : of these, rows whose label would change or that would be dropped.
    mistaken : how many of these verdicts are believed to be wrong; None without a decision.
    sample : some rows from the most to the least suspicious.
    """

    where: Where
    version: str
    digest: str
    count: int
    given: Mapping[str, int]
    suggested: Mapping[str, int]
    verdicts: Mapping[str, int]
    errors: float
    decision: str
    label: str | None
    takes: int
    changes: int
    mistaken: float | None
    sample: Sequence[Mapping[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        numbers = {
            "errors": round(self.errors, 1),
            "mistaken": None if self.mistaken is None else round(self.mistaken, 1),
        }
        return asdict(self) | self.where.to_json() | numbers | {"sample": [dict(s) for s in self.sample]}


@dataclass(frozen=True)
class SameDecision:
    """A decision that was taken on a set.

    Attributes
    ----------
    key : its name; sent twice it is taken once.
    where, set : the filter and the kept set, as they were asked for.
    decision, label, note : what was decided.
    count : rows that got the verdict.
    left : rows of the set that had a verdict and were left as they were.
    version : head of train at that time.
    reviewer, created : who, and when (ISO 8601).
    undone : when it was undone; "" while it stands.
    back : rows that the undoing set back; the others had been decided anew since.
    """

    key: str
    where: str
    set: str
    decision: Kind
    label: str | None
    note: str
    count: int
    left: int
    version: str
    reviewer: str
    created: str
    undone: str = ""
    back: int = 0

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


def _refuse_unreadable(facts: Facts, decision: str, label: str | None) -> None:
    if decision not in DECIDE:
        raise InputError(f"unknown decision {decision!r}; it is one of {', '.join(DECIDE)}")
    if (decision == "relabel") != (label is not None):
        raise InputError("the right label goes with relabel, and with nothing else")
    if label is not None and label not in facts.view.signals.classes:
        raise InputError(f"no row of train is labelled {label!r}; correct the spelling")


def _touched(facts: Facts, at: np.ndarray, decision: str, again: bool) -> np.ndarray:
    """Positions that get the verdict: without one so far, and with a label where it is kept."""
    fits = [
        (again or (i not in facts.decisions and i not in facts.disputed))
        and (decision not in ("keep", "ambiguous") or facts.rows.labels[i] is not None)
        for i in at.tolist()
    ]
    return np.asarray(at[np.array(fits, dtype=bool)])


def preview(
    facts: Facts,
    where: Where,
    at: np.ndarray,
    version: str,
    *,
    decision: str = "",
    label: str | None = None,
    again: bool = False,
    sample: int = SAMPLE,
) -> Preview:
    """Look at a set, and at what a decision on it would do.

    Parameters
    ----------
    at : positions of its rows.
    again : also decide on rows that have a verdict.

    Raises
    ------
    InputError : unknown decision or label.
    """
    if decision:
        _refuse_unreadable(facts, decision, label)
    labels, s = facts.rows.labels, facts.view.signals
    takes = _touched(facts, at, decision, again)
    mistaken, changes = None, 0
    if decision == "relabel":
        mistaken = float((1.0 - s.posterior[takes, s.classes.index(label or "")]).sum())
        changes = sum(labels[i] != label for i in takes.tolist())
    elif decision == "keep":
        mistaken = float(facts.p_wrong[takes].sum())
    elif decision == "drop":
        changes = len(takes)
    shown = at[np.unique(np.linspace(0, len(at) - 1, min(sample, len(at))).astype(int))]
    names = np.array(s.classes, dtype=object)
    return Preview(
        where=where, version=version, digest=digest(facts, at), count=len(at),
        given=_counted("no label" if (x := labels[i]) is None else x for i in at.tolist()),
        suggested=_counted(names[facts.trust.suggested[at]].tolist() if len(s.classes) > 1 else ()),
        verdicts=_counted(facts.decisions[i].said.decision for i in at.tolist() if i in facts.decisions),
        errors=float(facts.p_wrong[at].sum()), decision=decision, label=label, takes=len(takes),
        changes=changes, mistaken=mistaken, sample=[_line(facts, i) for i in shown.tolist()],
    )  # fmt: skip


def _counted(values: Any) -> dict[str, int]:
    return dict(Counter(values).most_common())


def _line(facts: Facts, i: int) -> dict[str, Any]:
    s = facts.view.signals
    return {
        "id": facts.rows.ids[i],
        "text": excerpt(facts.view.texts[i], 200),
        "given": facts.rows.labels[i],
        "suggested": s.classes[int(facts.trust.suggested[i])] if len(s.classes) > 1 else None,
        "p_wrong": round(float(facts.p_wrong[i]), 4),
        "verdict": v.said.decision if (v := facts.decisions.get(i)) else None,
    }


def decide(
    ws: Workspace,
    facts: Facts,
    where: Where,
    at: np.ndarray,
    *,
    key: str,
    decision: str,
    label: str | None = None,
    note: str = "",
    reviewer: str,
    again: bool = False,
    expected: str = "",
) -> SameDecision:
    """Take one decision on all rows of a set, in one transaction; a known key changes nothing.

    Parameters
    ----------
    at : positions of its rows.
    key : names the decision.
    again : also decide on rows that have a verdict.
    expected : digest of the rows that were looked at; "" asks for none.

    Raises
    ------
    InputError : unknown decision or label, or no row to decide on.
    Refused : other rows are in the set than were looked at, or somebody has decided on one meanwhile.
    """
    known = ws.store.record(KIND, key)
    if known is not None:
        return SameDecision(**known)
    _refuse_unreadable(facts, decision, label)
    if expected and expected != digest(facts, at):
        raise Refused(f"the set has changed since it was looked at ({len(at):,} rows now); look again")
    takes = _touched(facts, at, decision, again)
    if len(takes) == 0:
        why = "the set is empty" if len(at) == 0 else "all of its rows have a verdict already"
        raise InputError(f"there is nothing to decide: {why}")
    now = ws.clock()
    body = SameDecision(
        key, where.expression, where.kept, next(d for d in get_args(Kind) if d == decision), label, note,
        len(takes), len(at) - len(takes), ws.head(TRAIN).id, reviewer, now,
    )  # fmt: skip
    made = _verdicts(facts, takes, body)
    told = ws.store.add_verdicts_together(TRAIN, made, KIND, key, body.to_json(), now=now, since=facts.mark)
    return SameDecision(**told)


def _verdicts(facts: Facts, at: np.ndarray, body: SameDecision) -> list[Verdict]:
    """A verdict for each row, marked as one of many."""
    rows, trust, draw = facts.rows, facts.trust, TOGETHER + body.key
    claimed, fits = trust.claimed[at].tolist(), trust.fits[at].tolist()
    suggested, classes, out = trust.suggested[at].tolist(), trust.signals.classes, []
    for i, p, fit, other in zip(at.tolist(), claimed, fits, suggested, strict=True):
        given = rows.labels[i]
        same = body.decision == "relabel" and given == body.label
        to = "keep" if same else body.decision
        # where others have spoken it stands above them (as `again` asks), and goes with its undo
        role: Role = "settle" if i in facts.decisions or i in facts.disputed else ""
        said = Said(rows.ids[i], to, None if same else body.label, body.note, draw, role)
        drawn = Drawn(rows.ids[i], given, classes[other] if len(classes) > 1 else None, p, fit, None, draw)
        out.append(Verdict(said, drawn, body.reviewer, body.created))
    return out


def decided(ws: Workspace) -> list[SameDecision]:
    """Decisions on sets, oldest first, undone ones too."""
    return [SameDecision(**body) for body in ws.store.records(KIND, TRAIN)]


def undo(ws: Workspace, key: str, *, reviewer: str) -> SameDecision:
    """Set all rows of a decision back to the verdict that they had before; those decided anew since stay.

    Raises
    ------
    NotFound : no such decision, or several that begin so.
    """
    found = [d for d in decided(ws) if d.key == key] or [
        d for d in decided(ws) if len(key) > 3 and d.key.startswith(key)
    ]
    if len(found) != 1:
        raise NotFound(f"{'several decisions' if found else 'no decision'} on a set called {key!r}")
    if found[0].undone:
        return found[0]
    undone = [TOGETHER + d.key for d in decided(ws) if d.undone]
    body = ws.store.take_back_together(
        TRAIN, KIND, found[0].key, TOGETHER + found[0].key, undone, reviewer=reviewer, now=ws.clock()
    )
    return SameDecision(**body)
