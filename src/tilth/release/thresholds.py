"""From which probability on a release answers, so that a wanted share of its answers is right.

Learn then Test: for each probability of a grid that was fixed before, the hypothesis "fewer than the wanted
share of the answers from here on is right" is tested by the exact binomial test, along the grid from high
to low, until one is not rejected. Whatever the model does, with probability 1 - delta the precision of the
chosen threshold is at least the wanted one, on rows like those that were looked at.

References
----------
Angelopoulos, Bates, Candès, Jordan and Lei, "Learn then test", Annals of Applied Statistics 2025;
Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 1934.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tilth import stats

__all__ = ["GRID", "Choice", "choose", "refusal"]

DELTA = 0.05
"""Probability with which the promise may fail over the draw of the rows that decide."""
STARTS = (0.35, 0.65, 0.9)
"""Where the grid is entered, as shares of the rows answered: a few answers prove nothing, so the walk does
not begin at one."""
GRID = 200


@dataclass(frozen=True)
class Choice:
    """A threshold and what is promised of it.

    Attributes
    ----------
    probability : least probability of an answer; above 1 where no threshold keeps the promise.
    wanted, delta : the promise: at least `wanted` of the answers are right, with probability 1 - delta.
    precision : share of right answers among the deciding rows that would be answered, with the exact
        interval (one-sided low end at delta).
    answered : share of the deciding rows that would be answered.
    rows : number of deciding rows.
    kept : whether the promise can be given.
    """

    probability: float
    wanted: float
    delta: float
    precision: stats.Interval
    answered: stats.Interval
    rows: int
    kept: bool

    def to_json(self) -> dict[str, Any]:
        """The choice as a JSON object."""
        return asdict(self)


def choose(
    probability: np.ndarray,
    right: np.ndarray,
    familiar: np.ndarray,
    grid: np.ndarray,
    wanted: float,
    *,
    delta: float = DELTA,
) -> Choice:
    """The lowest threshold at which at least `wanted` of the answers are right.

    Parameters
    ----------
    probability : (n,) of the best class of each deciding row.
    right : (n,) whether it is right; False for a row outside the known classes.
    familiar : (n,) whether the row is familiar enough to be answered at all.
    grid : ascending thresholds, chosen without these rows.
    """
    grid = np.asarray(grid, dtype=np.float64)
    answered = np.array([int((familiar & (probability >= t)).sum()) for t in grid], dtype=np.int64)
    wrong = np.array([int((familiar & (probability >= t) & ~right).sum()) for t in grid], dtype=np.int64)
    p = stats.binomial_tail(wrong, answered, 1.0 - wanted)
    best = _walk(p, grid, delta)
    n = len(probability)
    if best is None:
        none = stats.Interval(float("nan"), 0.0, 1.0)
        return Choice(2.0, wanted, delta, none, stats.clopper_pearson(0, n), n, False)
    count, bad = int(answered[best]), int(wrong[best])
    return Choice(
        probability=float(grid[best]),
        wanted=wanted,
        delta=delta,
        precision=stats.clopper_pearson(count - bad, count),
        answered=stats.clopper_pearson(count, n),
        rows=n,
        kept=True,
    )


def _walk(p: np.ndarray, grid: np.ndarray, delta: float) -> int | None:
    """Lowest index of the grid that is rejected by a walk down from one of the starts."""
    found: int | None = None
    for share in STARTS:
        at = min(int((1 - share) * len(grid)), len(grid) - 1)
        while at >= 0 and p[at] <= delta / len(STARTS):
            found = at if found is None else min(found, at)
            at -= 1
    return found


def refusal(familiar: np.ndarray, share: float) -> float:
    """Familiarity below which this share of known rows lies."""
    return float(np.quantile(familiar, share)) if len(familiar) else 0.0
