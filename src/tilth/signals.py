"""Signals: what the recipe says about each row of a version when that row was not trained on.

Computed once for a version under a recipe; every detector and every plan reads from here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from tilth import label_noise, stats
from tilth.recipes import logistic
from tilth.recipes.base import Matrix

__all__ = ["Signals", "encode_labels", "group_folds", "judge", "out_of_sample"]

SMALL = 5_000
DENSE_STEPS = 6
"""BANKING77 embeddings, 10 / 20 % planted: average precision .987 / .990 after 6, .986 / .989 after 12."""
SURE = 0.01
"""Left for the case that a reviewer errs."""
Progress = Callable[[str, int, int], None]
"""progress(step, done, total)"""


@dataclass(frozen=True)
class Signals:
    """Out-of-sample view of n labelled rows.

    Attributes
    ----------
    classes : the k class names, ascending.
    labels : (n,) class numbers as given; -1 for a row without label.
    probabilities : (n, k) out-of-sample probability of the true class, calibrated.
    posterior : (n, k) probability of the true class given input *and* given label.
    noise : (k, k) P(given | true).
    calibration : temperature and noise share.
    fold : (n,) the fold in which each row was held out.
    """

    classes: tuple[str, ...]
    labels: np.ndarray
    probabilities: np.ndarray
    posterior: np.ndarray
    noise: np.ndarray
    calibration: stats.Calibration
    fold: np.ndarray

    def p_wrong(self) -> np.ndarray:
        """(n,) probability that the given label is wrong; 0 for rows without label."""
        known = self.labels >= 0
        out = np.zeros(len(self.labels), dtype=np.float32)
        out[known] = 1.0 - self.posterior[np.flatnonzero(known), self.labels[known]]
        return out

    def suggestion(self) -> np.ndarray:
        """(n,) the most probable class other than the given one."""
        other = self.posterior.copy()
        known = np.flatnonzero(self.labels >= 0)
        other[known, self.labels[known]] = -1.0
        return np.asarray(other.argmax(axis=1))

    def recalibrate(self, wrong: Callable[[np.ndarray], np.ndarray], right: Mapping[int, int]) -> Signals:
        """The same with believed in the place of claimed P(wrong), and sure where a person decided.

        Parameters
        ----------
        wrong : P(wrong) as claimed to as believed; keeps the order.
        right : position of a row that a person judged, to its right class number (-1: none is).
        """
        known = np.flatnonzero(self.labels >= 0)
        given = self.labels[known]
        claimed = np.clip(self.p_wrong()[known].astype(np.float64), 1e-6, 1 - 1e-6)
        believed = wrong(claimed)
        post = self.posterior.copy()
        post[known] *= (believed / claimed)[:, None]
        post[known, given] = 1.0 - believed
        for position, number in right.items():
            at, share = (number, 1.0 - SURE) if number >= 0 else (self.labels[position], SURE)
            post[position, at] = 0.0
            post[position] *= (1.0 - share) / max(float(post[position].sum()), 1e-9)
            post[position, at] = share
        return replace(self, posterior=post)


def encode_labels(
    labels: Sequence[str | None], classes: tuple[str, ...] | None = None
) -> tuple[tuple[str, ...], np.ndarray]:
    """Class names, ascending, and class numbers (-1: no label, or one not among `classes`)."""
    names = classes or tuple(sorted({x for x in labels if x is not None}))
    number = {name: i for i, name in enumerate(names)}
    coded = [-1 if x is None else number.get(x, -1) for x in labels]
    return names, np.array(coded, dtype=np.int64)


def group_folds(labels: np.ndarray, clusters: np.ndarray, folds: int, seed: int = 0) -> np.ndarray:
    """(n,) fold numbers: stratified by class, copies always in the same fold.

    Rows are dealt out in an order that is random within each class; a cluster goes where its first
    row goes.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(labels))
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    _, first, member = np.unique(clusters[order], return_index=True, return_inverse=True)
    leaders = np.sort(first)
    fold_at = np.full(len(order), -1)
    fold_at[leaders] = np.arange(len(leaders)) % folds
    out = np.empty(len(order), dtype=np.int64)
    out[order] = fold_at[first[member]]
    return out


def out_of_sample(
    x: Matrix,
    labels: np.ndarray,
    classes: int,
    penalty: float,
    *,
    fold: np.ndarray,
    progress: Progress | None = None,
) -> np.ndarray:
    """(n, k) logits of each row from a fit without its fold."""
    out = np.zeros((len(labels), classes), dtype=np.float32)
    names = np.unique(fold)
    # few rows are cheap to fit to the end; with many the last digits cost minutes and change no ranking,
    # and dense features, whose curvature is known exactly, are there in half the steps
    steps, tolerance = (40, 1e-3) if len(labels) <= SMALL else (12 if sp.issparse(x) else DENSE_STEPS, 1e-2)
    every = None if sp.issparse(x) else logistic.design(x, penalty)
    for done, f in enumerate(names):
        inside = np.flatnonzero((fold != f) & (labels >= 0))
        held = np.flatnonzero(fold == f)
        if len(inside) == 0:
            continue
        d = logistic.design(x[inside], penalty) if every is None else every.part(inside)
        head = logistic.fit(d, labels[inside], classes, max_iter=steps, tolerance=tolerance)
        out[held] = head.scores(x[held])
        if progress:
            progress("out-of-sample", done + 1, len(names))
    return out


def judge(classes: tuple[str, ...], labels: np.ndarray, logits: np.ndarray, fold: np.ndarray) -> Signals:
    """Calibrate out-of-sample logits and estimate the noise in the given labels."""
    known = np.flatnonzero(labels >= 0)
    calibration = stats.calibrate(logits[known], labels[known])
    probabilities = stats.softmax(logits * np.float32(calibration.temperature))
    matrix = label_noise.noise_matrix(probabilities[known], labels[known])
    probabilities = label_noise.sharpen(probabilities, matrix)
    post = probabilities.copy()
    post[known] = label_noise.posterior(probabilities[known], labels[known], matrix)
    return Signals(classes, labels, probabilities, post, matrix, calibration, fold)
