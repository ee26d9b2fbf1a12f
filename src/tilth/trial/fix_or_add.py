"""Quality against quantity: what reviewing the worst labels brings, beside what new rows bring.

The review is simulated: each of the k most doubtful rows gets the label that a person would find, drawn
from P(true class | input, given label), and the head is refitted from the full fit. The gain is measured
on held-out rows that the audit never saw; it rests on P(wrong) being calibrated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tilth import stats
from tilth.recipes import logistic
from tilth.trial.measure import smooth_of
from tilth.trial.subsample import Held, Progress

__all__ = ["Review", "review"]

Array = np.ndarray[Any, Any]
STEPS, SEEDS, GRID, ALMOST = 20, 2, (0.125, 0.25, 0.5, 1.0), 0.9
MANY, FEWER_STEPS, FEWER = 20_000, 8, (0.25, 1.0)
"""Rows from which on one simulated reviewer, two effort levels and fewer steps have to do."""


@dataclass(frozen=True)
class Review:
    """Reviewing the k most doubtful rows.

    Attributes
    ----------
    rows : k.
    errors : wrong labels expected among them.
    value, low, high : gain of the metric, with its interval at `level`.
    """

    rows: int
    errors: float
    value: float
    low: float
    high: float
    level: float


def review(
    p: Held,
    posterior: Array,
    classes: int,
    penalty: float,
    weights: Array,
    *,
    metric: str = "accuracy",
    level: float = 0.8,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Review]:
    """Gains of reviewing the worst 1/8, 1/4, 1/2 and all of the rows that hold 90 % of the errors.

    Parameters
    ----------
    posterior : (n, k) P(true class | input, given label) of the training rows.
    weights : (t,) weights of the held-out rows in the metric.
    """
    n = len(p.labels)
    doubt = 1.0 - posterior[np.arange(n), p.labels]
    order = np.argsort(-doubt, kind="stable")
    found = np.cumsum(doubt[order])
    if found[-1] < 1.0:
        return []
    most = min(int(np.searchsorted(found, ALMOST * found[-1])) + 1, n // 2)
    grid, seeds, steps = (GRID, SEEDS, STEPS) if n <= MANY else (FEWER, 1, FEWER_STEPS)
    counts = sorted({max(1, round(share * most)) for share in grid})
    chances = posterior[order[:most]].cumsum(axis=1)
    d = logistic.design(p.x, penalty)
    start = logistic.fit(d, p.labels, classes, max_iter=STEPS, tolerance=1e-2)
    base = logistic.fit(d, p.labels, classes, start=start, max_iter=steps, tolerance=0.0).scores(p.test)
    smooth = smooth_of(base, p.truth, metric)
    before = smooth(base, p.truth)
    gains = np.zeros((seeds, len(counts), len(p.truth)))
    for s in range(seeds):
        rng = np.random.default_rng([seed, s])
        point = rng.random((most, 1)) * chances[:, -1:]
        drawn = np.minimum((chances < point).sum(axis=1), classes - 1)
        for i, k in enumerate(counts):
            labels = p.labels.copy()
            labels[order[:k]] = drawn[:k]
            head = logistic.fit(d, labels, classes, start=start, max_iter=steps, tolerance=0.0)
            gains[s, i] = smooth(head.scores(p.test), p.truth) - before
            if progress:
                progress("review or add", s * len(counts) + i + 1, seeds * len(counts))
    return [
        Review(k, float(found[k - 1]), *_interval(gains[:, i], weights, level), level)
        for i, k in enumerate(counts)
    ]


def _interval(gains: Array, weights: Array, level: float) -> tuple[float, float, float]:
    """Mean over simulated reviewers; chance of the rows and of who reviews."""
    e = stats.effect(gains.mean(axis=0), np.zeros((0, gains.shape[1])), level=level, weights=weights)
    luck = float((gains @ weights).var(ddof=1)) if len(gains) > 1 else 0.0
    half = stats.t_quantile(0.5 + level / 2, 1e9) * (e.se_rows**2 + luck) ** 0.5
    return e.value, e.value - half, e.value + half
