"""The evaluation set first: how many of its labels are wrong, and what can be seen through that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tilth import stats
from tilth.audit.base import View, excerpt
from tilth.audit.eval_labels import EvaluationLabels, usable_rows, wrong_share
from tilth.data import Row
from tilth.patch import Op, Patch
from tilth.trial.measure import score
from tilth.trials import reporting_rows
from tilth.workspace import EVAL, Workspace

if TYPE_CHECKING:
    import pandas

    from tilth.audit.run import Audit
    from tilth.store import PatchInfo

__all__ = ["EvaluationQuality", "inspect", "propose_repair", "warning"]

FIRST, WANTED = 60, 0.01
ORIGIN = "propose:eval-labels"


@dataclass(frozen=True)
class EvaluationQuality:
    """What the evaluation set can show.

    Attributes
    ----------
    version : of the evaluation set.
    rows, judged : how many there are, and how many could be judged (known class, no copy in train).
    wrong : share of wrong labels with its interval.
    ceiling : the highest accuracy that can be seen: that of a model which is always right.
    metric, score : of the present head on those judged rows that decided nothing, with the interval from
        the choice of rows; None without rows.
    first : the rows to review first, the most probably wrong one first.
    """

    version: str
    rows: int
    judged: int
    wrong: stats.Interval
    ceiling: stats.Interval
    metric: str
    score: stats.Interval | None
    first: Sequence[dict[str, Any]]

    def hides(self, wanted: float | None) -> bool:
        """Whether more labels are wrong than the effect that one wants to see is large."""
        return wanted is not None and self.judged > 0 and self.wrong.value > max(wanted, 1 / self.judged)

    def to_json(self) -> dict[str, Any]:
        """The judgement as a JSON object."""
        return {
            "version": self.version,
            "rows": self.rows,
            "judged": self.judged,
            "wrong": asdict(self.wrong),
            "ceiling": asdict(self.ceiling),
            "metric": self.metric,
            "score": self.score and asdict(self.score),
            "first": list(self.first),
        }

    def to_pandas(self) -> pandas.DataFrame:
        """One line a row to review first."""
        from tilth.frames import frame

        return frame(list(self.first))

    def _repr_html_(self) -> str:
        from tilth.frames import html_table

        return html_table(f"{self.wrong.value:.1%} of the evaluation labels are wrong", list(self.first))


def inspect(ws: Workspace, view: View) -> EvaluationQuality | None:
    """Judge the evaluation set by a fit on the head of train; None without evaluation rows or a fit."""
    s = view.eval_signals
    if s is None or not len(view.evaluation):
        return None
    usable = np.flatnonzero(usable_rows(view))
    free = usable[reporting_rows(ws, view.evaluation)[0][usable]]
    p, metric = s.p_wrong(), ws.config.goal.metric
    wrong = wrong_share(p[usable])
    logits = np.log(np.maximum(s.probabilities, 1e-9))
    suggested = s.suggestion()
    order = usable[np.argsort(-p[usable], kind="stable")]
    first = [
        {
            "id": view.evaluation.ids[i],
            "text": excerpt(view.eval_texts[i]),
            "given": view.evaluation.labels[i],
            "suggested": s.classes[suggested[i]],
            "p_wrong": round(float(p[i]), 4),
        }
        for i in order[: min(FIRST, max(1, round(2 * wrong.high * len(usable))))].tolist()
        if p[i] > 0.05
    ]
    return EvaluationQuality(
        version=ws.eval_id(),
        rows=len(view.evaluation),
        judged=len(usable),
        wrong=wrong,
        ceiling=stats.Interval(1 - wrong.value, 1 - wrong.high, 1 - wrong.low),
        metric=metric,
        score=score(logits[free], s.labels[free], metric) if len(free) else None,
        first=first,
    )


def warning(ws: Workspace, audit: Audit) -> str:
    """Why the evaluation set comes first, in words; "" where it need not.

    The share is that of the findings alone, which is less than the whole. The effect that one wants to see
    is the distance to the target where the metric is the accuracy, else a point.
    """
    found, rows = audit.of(EvaluationLabels.code), len(ws.evaluation())
    away = ws.config.goal.distance(audit.accuracy) if ws.config.goal.metric == "accuracy" else None
    wanted = away if away is not None and away > 0 else WANTED
    share = sum(f.probability or 0.0 for f in found) / max(rows, 1)
    if share <= wanted:
        return ""
    return (
        f"at least {share:.1%} of the evaluation labels are wrong, more than the effect that you want to see "
        f"({wanted:.1%}): check these rows first, before anything is concluded from a score"
    )


def propose_repair(ws: Workspace) -> PatchInfo | None:
    """A patch of the evaluation set out of its findings, for a person to go through; None without any.

    It is no proposal like the others: nothing measures it, no machine accepts it, and scores before and
    after it are never compared.
    """
    rows, ops = ws.evaluation(), []
    for finding in EvaluationLabels().find(ws.view()):
        row = rows.row(rows.index[finding.rows[0]])
        after = Row(row.id, row.fields, finding.suggestions[0].to, row.source)
        ops.append(Op(row, after, finding.message))
    if not ops:
        return None
    patch = Patch(
        dataset=EVAL,
        base=ws.eval_id(),
        ops=tuple(ops),
        title=f"Check {len(ops)} evaluation rows whose label is probably wrong",
        reason="keep the lines that a person has checked; accept with: tilth accept --reason WHY",
        author="tilth",
        origin=ORIGIN,
        created=ws.clock(),
    )
    meta = {"predicted": None, "minutes": ws.config.minutes.of(patch.counts())}
    return ws.store.save_patch(patch, meta=meta, now=ws.clock())
