"""Label noise: P(given | true) from the rows that a model is surest of, and what follows for each row.

A model that was trained on noisy labels has learned the noise: where a tenth of class t was labelled g, it
says "g: 0.1" for every plain t. Read as probabilities of the true class such answers hide the very errors
that are many. Three steps undo this, each by numbers alone:

1. `noise_matrix`: in the surest quarter of what is predicted as t there is hardly anything but t, so the
   labels given there are row t of the noise matrix. Rates are shrunk towards their common mean as far as
   they do not differ by more than chance.
2. `sharpen`: answers q = p M are turned back into p, for the part of M that stands out.
3. `posterior`: Bayes' rule for each row with its given label.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

__all__ = ["noise_matrix", "posterior", "sharpen"]

Array = np.ndarray[Any, Any]

SURE = 0.25
"""Share of the rows predicted as a class that counts as certain: 0.25, 0.5, 0.75 and 1 were tried."""
LEAST = 0.005
"""Noise that is assumed at least, else nothing could ever be found."""
MOST = 0.9
DOUBT, PLAIN = 0.22, 0.33
"""Share of the disagreements that the rates explain: up to DOUBT they are made even, from PLAIN on kept."""
ROUNDS = 5
"""Of `sharpen`: 1 to 20 were tried, the ranking is best at 5 to 20."""
BLOCK = 20_000


def noise_matrix(probabilities: Array, labels: Array) -> Array:
    """P(given label | true class), (k, k).

    Parameters
    ----------
    probabilities : (n, k) out-of-sample probabilities.
    labels : (n,) given labels.

    Notes
    -----
    Off-diagonal counts are Poisson with rates that, relative to how often the given class is used, are
    Gamma distributed over the k (k - 1) pairs; mean and spread of that distribution are fitted by moments,
    so even rates come out even and rates that stand out are kept (one class often taken for another).

    Where people err just where the input is doubtful, sure rows hold few errors, and the pairs of classes
    that they hold say nothing about the rest. Such noise shows: the rates explain only a small part of the
    rows on which label and model disagree (at most 26 % of them in 19 of 24 planted settings; 35 % and more
    in all 48 with symmetric or confusable errors, in 18 of 24 with class-conditional ones). The rates are
    then made even, and P(wrong) ranks by the model's answer alone. See docs/decisions/0015.

    References
    ----------
    Northcutt et al., "Confident learning", JAIR 2021, for counting where the model is sure;
    Patrini et al., "Making deep neural networks robust to label noise", CVPR 2017, for anchor points;
    Robbins, "An empirical Bayes approach to statistics", 1956, for the shrinkage.
    """
    n, k = probabilities.shape
    if k < 2:
        return np.ones((k, k))
    predicted, top = probabilities.argmax(axis=1), probabilities.max(axis=1)
    order = np.lexsort((-top, predicted))
    count = np.bincount(predicted, minlength=k)
    rank = np.empty(n)
    rank[order] = np.arange(n) - (np.cumsum(count) - count)[predicted[order]]
    sure = rank + 0.5 <= np.maximum(SURE * count, 1.0)[predicted]
    seen = np.zeros((k, k))
    np.add.at(seen, (predicted[sure], labels[sure]), 1.0)
    used = np.bincount(labels, minlength=k)
    rates = _shrunken(seen, used)
    share = rates.sum(axis=1)
    rates *= (np.minimum(share, MOST) / share)[:, None]
    expected = float(count @ rates.sum(axis=1))
    trust = (expected / max(int((predicted != labels).sum()), 1) - DOUBT) / (PLAIN - DOUBT)
    if trust < 1.0 and n:
        rates = _towards_even(rates, used, expected / n, max(trust, 0.0))
    return np.asarray(rates + np.diag(1.0 - rates.sum(axis=1)))


def _towards_even(rates: Array, used: Array, noise: float, trust: float) -> Array:
    """Geometric mean of rates and of even ones of the same sum, with weight `trust` on the former."""
    even = noise / (len(used) - 1) * _usage(used)
    with np.errstate(divide="ignore"):
        mixed = np.exp(trust * np.log(np.maximum(rates, 1e-12)) + (1.0 - trust) * np.log(even))
    np.fill_diagonal(mixed, 0.0)
    return np.asarray(mixed)


def _usage(used: Array) -> Array:
    """How often each class is given, (k, k), as factors whose mean off the diagonal is 1 in each line."""
    k = len(used)
    share = np.where(~np.eye(k, dtype=bool), used + 1.0, 0.0)
    return np.asarray(share * (k - 1) / share.sum(axis=1, keepdims=True))


def _shrunken(seen: Array, used: Array) -> Array:
    """Off-diagonal rates of counts, (k, k): Gamma-Poisson posterior means.

    used : (k,) how often each label was given. Before anything is seen, a class is taken for another one in
    proportion to it: people err towards the labels that they use, and a class of ten rows would
    otherwise be expected to hold more errors of the others than rows of its own.
    """
    k = len(seen)
    off = ~np.eye(k, dtype=bool)
    share = _usage(used)
    exposure = seen.sum(axis=1, keepdims=True) * share
    counts, trials = seen[off], exposure[off]
    mean = max(float(counts.sum() / max(trials.sum(), 1.0)), LEAST / (k - 1))
    excess = float(((counts - mean * trials) ** 2).sum() - mean * trials.sum())
    shape = mean**2 * float((trials**2).sum()) / excess if excess > 0 else np.inf
    shape = min(max(shape, 1e-3), 1e6)
    return np.asarray((shape + seen) / (shape / mean + exposure) * share)


def sharpen(probabilities: Array, matrix: Array) -> Array:
    """P(true class | input) from answers that have learned the noise, (n, k) float32.

    Only rates of twice the common level are undone: noise that is the same for all pairs is what
    `stats.calibrate` has taken out already.

    References
    ----------
    Richardson, "Bayesian-based iterative method of image restoration", 1972; Lucy, 1974.
    """
    k = len(matrix)
    out = np.array(probabilities, dtype=np.float32)
    if k < 2:
        return out
    common = np.quantile(matrix[~np.eye(k, dtype=bool)], 0.25, method="lower")
    extra = np.where(matrix > 2.0 * common + 1e-4, matrix - common, 0.0)
    np.fill_diagonal(extra, 0.0)
    if not extra.any():
        return out
    moved = csr_matrix(extra, dtype=np.float32)
    back = moved.T.tocsr()
    stay = (1.0 - extra.sum(axis=1)).astype(np.float32)
    for begin in range(0, len(out), BLOCK):
        answer = np.asarray(probabilities[begin : begin + BLOCK], dtype=np.float32)
        p = answer.copy()
        for _ in range(ROUNDS):
            ratio = answer / np.maximum(p * stay + (back @ p.T).T, 1e-12)
            p *= ratio * stay + (moved @ ratio.T).T
            p /= p.sum(axis=1, keepdims=True)
        out[begin : begin + BLOCK] = p
    return out


def posterior(probabilities: Array, labels: Array, matrix: Array) -> Array:
    """P(true class | input, given label), (n, k) float32: Bayes' rule with a noise matrix."""
    joint = probabilities * matrix[:, labels].T.astype(np.float32)
    joint /= np.maximum(joint.sum(axis=1, keepdims=True), 1e-30)
    return np.asarray(joint, dtype=np.float32)
