"""TIL105: an evaluation row whose label is probably wrong; and how many such rows there are.

A fit on all training rows says what each evaluation row should be called. It never saw the row, so no
folds are needed; the noise is estimated on the evaluation labels themselves, for the two sets are often
labelled by different people. Nothing that is decided about training rows looks at these findings.
"""

from __future__ import annotations

from math import exp, sqrt

import numpy as np

from tilth import stats
from tilth.audit.base import Finding, Suggestion, View, excerpt
from tilth.audit.leakage import leaked
from tilth.recipes import logistic
from tilth.recipes.base import Matrix
from tilth.signals import SMALL, Signals, encode_labels, judge

__all__ = ["EvaluationLabels", "evaluation_signals", "usable_rows", "wrong_share"]

ENOUGH = 500
"""Rows from which on temperature and noise can be told apart on the evaluation rows alone."""
SPREAD, FLOOR = 0.55, 0.01
"""The estimate's own error on data with known truth (benchmarks/gains.py): as a factor exp(+-spread),
and as a share, at one standard deviation."""


def evaluation_signals(
    features: Matrix, train: Signals, eval_features: Matrix, labels: list[str | None], penalty: float
) -> Signals:
    """What a fit on all training rows says about the evaluation rows.

    Parameters
    ----------
    features, train : (n, d) features of the training rows and their signals.
    eval_features, labels : (m, d) features and given labels of the evaluation rows; labels that train
        does not have count as none.
    penalty : of the recipe's head.
    """
    known = np.flatnonzero(train.labels >= 0)
    k = len(train.classes)
    steps, tolerance = (40, 1e-3) if len(known) <= SMALL else (12, 1e-2)
    d = logistic.design(features[known], penalty)
    head = logistic.fit(d, train.labels[known], k, max_iter=steps, tolerance=tolerance)
    logits = head.scores(eval_features)
    _, given = encode_labels(labels, train.classes)
    if (given >= 0).sum() < ENOUGH:
        # few rows: the temperature of the training rows holds, only the share of noise is their own
        logits = logits * np.float32(train.calibration.temperature)
    return judge(train.classes, given, logits, np.zeros(len(given), dtype=np.int64))


def usable_rows(view: View) -> np.ndarray:
    """Mask of evaluation rows that can be judged: of a known class, without a copy in train."""
    s = view.eval_signals
    if s is None:
        return np.zeros(len(view.evaluation), dtype=bool)
    return np.asarray((s.labels >= 0) & ~leaked(view)[1])


def wrong_share(p_wrong: np.ndarray, level: float = 0.95) -> stats.Interval:
    """Share of wrong labels among rows with these probabilities.

    Notes
    -----
    Three sources of error on the scale of log(share + floor): which rows happen to be wrong given the
    probabilities, p(1 - p) each; which rows are in the set; and the model behind the probabilities,
    whose error was measured on data sets with known truth and dominates. A prior, until a person has
    checked rows.
    """
    n = len(p_wrong)
    if n == 0:
        return stats.Interval(0.0, 0.0, 1.0)
    p = np.asarray(p_wrong, dtype=np.float64)
    share = float(p.mean())
    variance = float((p * (1 - p)).sum()) / n**2 + float(p.var()) / n
    spread = sqrt(SPREAD**2 + variance / (share + FLOOR) ** 2)
    t = stats.t_quantile(0.5 + level / 2, 1e9)
    low, high = ((share + FLOOR) * exp(sign * t * spread) - FLOOR for sign in (-1, 1))
    return stats.Interval(share, max(0.0, low), min(1.0, high))


class EvaluationLabels:
    """Wrong labels in the evaluation set, by confident disagreement of a fit on the training rows."""

    code = "TIL105"
    name = "label error in the evaluation set"

    def __init__(self, threshold: float = 0.5) -> None:
        if not 0 < threshold < 1:
            raise ValueError(f"threshold is in (0, 1), not {threshold}")
        self.threshold = threshold

    def applies(self, view: View) -> str:
        """Why nothing can be said about such data; "" where something can."""
        if not len(view.evaluation):
            return "there are no evaluation rows"
        return "" if view.eval_signals is not None else "features of the evaluation rows are not known"

    def find(self, view: View) -> list[Finding]:
        """One finding for each evaluation row whose P(wrong) is above the threshold."""
        s = view.eval_signals
        if s is None or len(s.classes) < 2:
            return []
        p = np.where(usable_rows(view), s.p_wrong(), 0.0)
        flagged = np.flatnonzero(p > self.threshold)
        suggested = s.suggestion()
        out = []
        for i in flagged[np.argsort(-p[flagged], kind="stable")].tolist():
            row_id, given, other = view.evaluation.ids[i], view.evaluation.labels[i], s.classes[suggested[i]]
            out.append(
                Finding(
                    code=self.code,
                    rows=(row_id,),
                    score=float(p[i]),
                    probability=float(p[i]),
                    message=f"evaluation row labelled {given}, model says {other}, P(wrong) = {p[i]:.2f}",
                    evidence={
                        "given": given,
                        "suggested": other,
                        "p_suggested": round(float(s.posterior[i, suggested[i]]), 4),
                        "text": excerpt(view.eval_texts[i], 240),
                    },
                    suggestions=(Suggestion("relabel", row_id, other),),
                )
            )
        return out
