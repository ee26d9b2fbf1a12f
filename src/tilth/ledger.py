"""Ledger: every prediction joined with the gain later realised; minutes and money in, measured gain out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

from tilth import stats
from tilth.trial.ledger import PRIOR, Entry, Factor, correlation, recalibrate
from tilth.workspace import Workspace

if TYPE_CHECKING:
    import pandas

    from tilth.store import PatchInfo

__all__ = ["Ledger", "Line", "kind_of", "ledger"]

KINDS = ("relabel", "drop", "review", "collect")


def kind_of(origin: str, ops: Mapping[str, int]) -> str:
    """The kind of action that a patch is: by who made it and what it does most."""
    most = max(ops, key=lambda kind: ops[kind]) if ops else "relabel"
    if origin.startswith("relabel:"):
        return "relabel"
    if not origin.startswith("propose:"):
        return "collect" if most == "add" else "review"
    return {"relabel": "relabel", "drop": "drop"}.get(most, "review")


@dataclass(frozen=True)
class Line:
    """One patch in the ledger.

    Attributes
    ----------
    patch, title, state, kind, judge : what it is and which rows judged it.
    predicted : gain by the closed form before it was measured; None where nothing was predicted.
    realised, low, high, se : gain as measured.
    minutes, money : what it cost.
    """

    patch: str
    title: str
    state: str
    kind: str
    judge: str
    predicted: float | None
    realised: float
    low: float
    high: float
    se: float
    minutes: float
    money: float


@dataclass(frozen=True)
class Ledger:
    """What was predicted, what came of it, what it cost.

    Attributes
    ----------
    metric : of all gains.
    lines : measured patches, oldest first.
    factors : realised over predicted for each kind.
    correlation : of predicted and realised; None with fewer than four.
    minutes, money : spent on accepted patches.
    gain : sum of the measured gains of accepted patches with its interval.
    accepted : how many patches were accepted.
    """

    metric: str
    lines: Sequence[Line]
    factors: Sequence[Factor]
    correlation: stats.Interval | None
    minutes: float
    money: float
    gain: stats.Interval
    accepted: int

    def factor(self, kind: str) -> Factor:
        """The factor of a kind; the prior for one that was never measured."""
        return next((f for f in self.factors if f.kind == kind), recalibrate(kind, ()))

    def totals(self) -> dict[str, Any]:
        """What went in and what came out, as a JSON object."""
        return {
            "minutes": self.minutes,
            "money": self.money,
            "gain": asdict(self.gain),
            "accepted": self.accepted,
        }

    def to_json(self) -> dict[str, Any]:
        """The ledger as a JSON object."""
        return {
            "metric": self.metric,
            "lines": [asdict(line) for line in self.lines],
            "factors": [asdict(f) for f in self.factors],
            "prior": {
                "factor": PRIOR.factor,
                "sd": PRIOR.sd,
                "scatter": PRIOR.scatter,
                "source": PRIOR.source,
            },
            "correlation": self.correlation and asdict(self.correlation),
            "totals": self.totals(),
        }

    def to_pandas(self) -> pandas.DataFrame:
        """One line a measured patch."""
        from tilth.frames import frame

        return frame([asdict(line) for line in self.lines])

    def _repr_html_(self) -> str:
        from tilth.frames import html_table

        return html_table("ledger", [asdict(line) for line in self.lines])


def ledger(ws: Workspace) -> Ledger:
    """Join the patches with their trials.

    Each patch counts once, with the trial on evaluation rows where there is one, else that on held-out
    rows. A trial measures the change alone, so it stays true when the evaluation set changes later.
    """
    found: dict[str, dict[str, Any]] = {}
    for body in ws.store.records("trial"):
        if body["metric"] != ws.config.goal.metric or body["recipe"] != ws.recipe.name:
            continue
        known = found.get(body["patch"])
        if known is None or not known["judge"].startswith("eval:") or body["judge"].startswith("eval:"):
            found[body["patch"]] = body
    infos = {info.id: info for info in ws.store.patches()}
    lines = [_line(ws, body, infos[patch]) for patch, body in found.items() if patch in infos]
    entries = [Entry(x.kind, x.predicted, x.realised, x.se) for x in lines if x.predicted is not None]
    paid = [i for i in infos.values() if i.state == "accepted" and i.dataset == "train" and _work(i)]
    minutes = sum(float(i.meta.get("minutes") or 0.0) for i in paid)
    taken = [x for x in lines if x.state == "accepted"]
    value, se = sum(x.realised for x in taken), sqrt(sum(x.se**2 for x in taken))
    t = stats.t_quantile(0.975, 1e9)
    kinds = [*KINDS, *sorted({e.kind for e in entries} - set(KINDS))]
    return Ledger(
        metric=ws.config.goal.metric,
        lines=tuple(lines),
        factors=tuple(recalibrate(kind, entries) for kind in kinds),
        correlation=correlation(entries),
        minutes=minutes,
        money=ws.config.money.of(minutes, sum(i.counts.get("add", 0) for i in paid)),
        gain=stats.Interval(value, value - t * se, value + t * se),
        accepted=len(paid),
    )


def _work(info: PatchInfo) -> bool:
    """Whether a patch was work on the data: not the taking in of a file."""
    return "minutes" in info.meta


def _line(ws: Workspace, body: Mapping[str, Any], info: PatchInfo) -> Line:
    effect = body["effect"]
    minutes = float(info.meta.get("minutes") or body.get("minutes") or 0.0)
    return Line(
        patch=info.id,
        title=body["title"],
        state=info.state,
        kind=kind_of(info.origin, body["ops"]),
        judge=body["judge"],
        predicted=body["predicted"],
        realised=effect["value"],
        low=effect["low"],
        high=effect["high"],
        se=sqrt(effect["se_rows"] ** 2 + effect["se_training"] ** 2),
        minutes=minutes,
        money=ws.config.money.of(minutes, int(body["ops"].get("add", 0))),
    )
