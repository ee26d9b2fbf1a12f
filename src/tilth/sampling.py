"""Draw rows with known inclusion probabilities: pure functions of probabilities and a random generator."""

from __future__ import annotations

import numpy as np

__all__ = ["inclusion", "systematic"]

SUSPICION, DOUBT, UNIFORM = 0.35, 0.45, 0.2
"""Shares of a draw that go by P, by sqrt(P (1 - P)), and to all rows alike."""


def inclusion(p: np.ndarray, n: int) -> np.ndarray:
    """(N,) inclusion probabilities of a draw of n rows; they sum to n, none is 0 or above 1.

    A part goes by suspicion (P: these rows have to be repaired anyway), a part where a verdict tells
    most (sqrt(P (1 - P)), Neyman's allocation for a count), a part to all rows alike, so that an error
    that the audit does not suspect at all can be found.

    References
    ----------
    Neyman, "On the two different aspects of the representative method", JRSS 1934;
    Saerndal, Swensson and Wretman, "Model assisted survey sampling", 1992, chapter 3.
    """
    rows = len(p)
    if n >= rows:
        return np.ones(rows)
    p = np.clip(np.asarray(p, dtype=np.float64), 1e-6, 1 - 1e-6)
    doubt = np.sqrt(p * (1 - p))
    size = SUSPICION * p / p.sum() + DOUBT * doubt / doubt.sum() + UNIFORM / rows
    sure = np.zeros(rows, dtype=bool)
    while True:
        free = ~sure
        share = size * (n - sure.sum()) / size[free].sum()
        over = free & (share > 1)
        if not over.any():
            return np.where(sure, 1.0, share)
        sure |= over


def systematic(chance: np.ndarray, order: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Positions drawn with exactly these inclusion probabilities, spread evenly along `order`.

    Systematic sampling with a random start: along rows that are ordered by P the draw is a sample
    stratified by P as finely as it can be.

    References
    ----------
    Madow, "On the theory of systematic sampling, II", Annals of Mathematical Statistics 1949.
    """
    n = round(float(chance.sum()))
    if n == 0:
        return np.empty(0, dtype=np.int64)
    along = np.cumsum(chance[order])
    along *= n / along[-1]  # rounding of a long sum must not lose the last row
    marks = np.arange(n) + rng.random()
    return np.asarray(order[np.searchsorted(along, marks, side="right")], dtype=np.int64)
