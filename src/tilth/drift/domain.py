"""Domain classifier: can a model tell the new rows from the known ones, and which rows give it away?

References
----------
Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", ICLR 2017;
Bates et al., "Testing for outliers with conformal p-values", Annals of Statistics 2023 (which rows).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tilth.drift.columns import benjamini_hochberg
from tilth.recipes import logistic
from tilth.recipes.text import TextLinear

__all__ = ["Domain", "tell_apart"]

MOST, LEAST = 3_000, 50
PENALTY = 1 / 30
RATE = 0.1
"""False-discovery rate of the rows that are named."""


@dataclass(frozen=True)
class Domain:
    """What the classifier saw.

    Attributes
    ----------
    auc : area under the curve on rows that it was not fitted on, mean of two halves; 0.5 is chance.
    p : p value of chance: the place of the ranks under permutations, by their normal limit.
    odds : (k,) how much likelier each known row of `known` is among the new rows, mean 1.
    known, new : positions of the rows that were looked at.
    scores : (n,) the same as a log for each row of `new`.
    drifted : positions of the new rows that stand out, the most telling first; at a false-discovery rate of
        10 %, none where p is above 0.01.
    """

    auc: float
    p: float
    known: np.ndarray = field(repr=False)
    odds: np.ndarray = field(repr=False)
    new: np.ndarray = field(repr=False)
    scores: np.ndarray = field(repr=False)
    drifted: np.ndarray = field(repr=False)


def tell_apart(
    known: Sequence[str], new: Sequence[str], *, first: np.ndarray, seed: int = 0
) -> Domain | None:
    """Fit on one half, look at the other, and the other way round; None with fewer than 50 rows of a kind.

    Parameters
    ----------
    first : positions of known rows that are looked at before others (those whose labels are known).
    """
    if min(len(known), len(new)) < LEAST:
        return None
    rng = np.random.default_rng(seed)
    others = np.setdiff1d(np.arange(len(known)), first)
    a = np.sort(np.concatenate([rng.permutation(first), rng.permutation(others)])[:MOST])
    b = np.sort(rng.permutation(len(new))[:MOST])
    texts = [known[i] for i in a.tolist()] + [new[i] for i in b.tolist()]
    is_new = np.repeat([0, 1], [len(a), len(b)])
    _, x = TextLinear().learn(texts)
    half = _halves(texts, rng)
    scores, p, auc = np.zeros(len(texts)), [], []
    for side in (0, 1):
        fit, held = np.flatnonzero(half != side), np.flatnonzero(half == side)
        if (
            min(np.bincount(is_new[fit], minlength=2).min(), np.bincount(is_new[held], minlength=2).min())
            < 10
        ):
            return None
        head = logistic.fit(logistic.design(x[fit], PENALTY), is_new[fit], 2, max_iter=12, tolerance=1e-2)
        z = head.scores(x[held])
        scores[held] = z[:, 1] - z[:, 0]
        area, chance = _rank_test(scores[held], is_new[held] == 1)
        auc.append(area)
        p.append(chance)
    both = min(1.0, 2 * min(p))
    drifted = np.zeros(0, dtype=np.int64)
    if both <= 0.01:
        drifted = _standing_out(scores, is_new, half)
        drifted = drifted[np.argsort(-scores[drifted], kind="stable")]
    ratio = np.exp(np.clip(scores[is_new == 0], -5, 5))
    return Domain(
        float(np.mean(auc)), both, a, ratio / ratio.mean(), b, scores[is_new == 1], b[drifted - len(a)]
    )


def _halves(texts: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    """(n,) 0 or 1; copies of a text stay together, else a text would vouch for itself."""
    _, member = np.unique(np.array(texts, dtype=object).astype(str), return_inverse=True)
    return np.asarray(rng.permutation(int(member.max()) + 1) % 2)[member]


def _rank_test(scores: np.ndarray, new: np.ndarray) -> tuple[float, float]:
    """Area under the curve and its one-sided p value (Mann and Whitney, ties averaged)."""
    from scipy.special import ndtr
    from scipy.stats import rankdata

    m, n = int(new.sum()), int((~new).sum())
    ranks = rankdata(scores)
    area = (float(ranks[new].sum()) - m * (m + 1) / 2) / (m * n)
    spread = float(ranks.std(ddof=1)) * np.sqrt(1 / m + 1 / n) / (m + n)
    z = (area - 0.5) / spread if spread > 0 else 0.0
    return area, float(ndtr(-z))


def _standing_out(scores: np.ndarray, is_new: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Positions of the new rows whose scores known rows do not have."""
    p, at = [], []
    for side in (0, 1):
        known = np.sort(scores[(half == side) & (is_new == 0)])
        rows = np.flatnonzero((half == side) & (is_new == 1))
        above = len(known) - np.searchsorted(known, scores[rows], side="left")
        p.append((above + 1) / (len(known) + 1))
        at.append(rows)
    every = np.concatenate(at)
    return np.asarray(every[benjamini_hochberg(np.concatenate(p), RATE)])
