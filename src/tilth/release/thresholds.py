"""From which probability on a release answers, so that a wanted share of its answers is right.

Learn then Test: for each probability of a fixed grid the hypothesis "fewer than the wanted share of the
answers from here on is right" is tested by the exact binomial test, along the grid from high to low, until
one is not rejected. For any model that does not depend on these rows, with probability 1 - delta the
precision at the chosen threshold is at least the wanted one, on rows like them. Temperature and limit of
familiarity are chosen on the same rows; that the promise holds all the same is shown by simulation
(tests/unit/test_thresholds.py), not by proof.

References
----------
Angelopoulos, Bates, Candès, Jordan and Lei, "Learn then test: calibrating predictive algorithms to achieve
risk control", 2021 (fixed-sequence testing with several starts).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tilth import stats

__all__ = ["DELTA", "Choice", "choose", "missed"]

DELTA = 0.05
"""Probability with which the promise may fail over the draw of the deciding rows."""
STARTS = (0.998, 0.98, 0.8)
"""Where the walk begins, each with its part of DELTA: a weak model has too few rows above 0.98 to prove
anything there, and where much is wanted an early start stumbles over the first wrong row. The last is lower
where less is wanted."""
GRID = np.concatenate([np.arange(0.0, 0.95, 0.005), np.arange(0.95, 0.9995, 0.001)])
NEVER = 2.0
"""A threshold that no probability reaches."""


@dataclass(frozen=True)
class Choice:
    """A threshold and what is promised of it.

    Attributes
    ----------
    probability : least probability of an answer; 2 where no threshold can be proven to be good enough.
    wanted, delta : the promise: at least `wanted` of the answers are right, but for a chance of `delta`.
    bound : the share that is proven: `wanted`, or more where every familiar row is answered; None where
        nothing is. Where the walk stopped earlier, a bound computed at that point would profit from the luck
        that carried it there.
    precision, answered : on the deciding rows; flattered a little, since they chose.
    rows : number of deciding rows.
    """

    probability: float
    wanted: float
    delta: float
    bound: float | None
    precision: float | None
    answered: float
    rows: int

    @property
    def kept(self) -> bool:
        """Whether the promise can be given."""
        return self.bound is not None

    def to_json(self) -> dict[str, Any]:
        """The choice as a JSON object."""
        return {**asdict(self), "kept": self.kept}


def choose(
    best: np.ndarray, right: np.ndarray, familiar: np.ndarray, wanted: float, *, delta: float = DELTA
) -> Choice:
    """The lowest threshold at which at least `wanted` of the answers are proven to be right.

    Parameters
    ----------
    best : (n,) probability of the best class of each deciding row.
    right : (n,) whether it is right; False for a row outside the known classes.
    familiar : (n,) whether the row is familiar enough to be answered at all.
    """
    n = len(best)
    answered, wrong = _counts(best[familiar]), _counts(best[familiar & ~right])
    p = stats.binomial_tail(wrong, answered, 1.0 - wanted)
    found: int | None = None
    for start in (*STARTS[:-1], min(STARTS[-1], wanted)):
        at = int(np.searchsorted(GRID, start))
        while at >= 0 and p[at] <= delta / len(STARTS):
            found = at if found is None else min(found, at)
            at -= 1
    if found is None:
        return Choice(NEVER, wanted, delta, None, None, 0.0, n)
    count, hits = int(answered[found]), int(answered[found] - wrong[found])
    bound = wanted
    if found == 0:  # the end of the walk is not chosen by the rows
        bound = max(bound, stats.clopper_pearson(hits, count, 1 - 2 * delta / len(STARTS)).low)
    return Choice(float(GRID[found]), wanted, delta, bound, hits / max(count, 1), count / max(n, 1), n)


def missed(said: np.ndarray, right: np.ndarray, classes: int, wanted: float) -> list[int]:
    """Classes whose answers are less often right than wanted, for all that chance can do.

    Exact binomial tests, corrected for the number of classes by Holm's procedure: at most one run in 20 names
    a class wrongly.

    Parameters
    ----------
    said, right : (n,) class number of each answer, and whether it is right.
    classes : number of classes.
    """
    count = np.bincount(said, minlength=classes)
    hits = np.bincount(said[right], minlength=classes)
    asked = np.flatnonzero(count)
    p = stats.binomial_tail(hits[asked], count[asked], wanted)
    rejected = stats.holm_levels(p.tolist(), 0.05)
    return [int(c) for c, bad in zip(asked, rejected, strict=True) if bad]


def _counts(values: np.ndarray) -> np.ndarray:
    """For each point of the grid how many values are at least so large."""
    return len(values) - np.searchsorted(np.sort(values), GRID, side="left")
