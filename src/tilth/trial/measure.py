"""With and without: the paired effect of changing training rows, with an honest interval.

Two arms are fitted with the same recipe on the same features; they differ in nothing but the patch. The
interval covers both sources of chance: which rows are in the evaluation set (paired differences) and
which rows happened to be trained on (delete-a-group jackknife: each replicate leaves the same tenth of
the training rows out of both arms and starts warm from the full fit). Both arms start from one common
fit and get the same number of further iterations, so that optimisation effort cannot pass for an
effect.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tilth import stats
from tilth.config import METRICS
from tilth.errors import TrialError
from tilth.recipes import logistic
from tilth.recipes.base import Matrix

__all__ = [
    "METRICS",
    "Base",
    "Comparison",
    "Outcome",
    "compare",
    "expected",
    "expected_slope",
    "jackknife_groups",
    "row_weights",
    "score",
    "smooth_of",
]

GROUPS, FEW = 10, 4
SMOOTH = 0.5
START_TOLERANCE, ARM_STEPS, REPLICATE_STEPS = 1e-2, 20, 4
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Comparison:
    """One pair of arms over one set of evaluation rows. All numbers are lines of one feature matrix.

    Attributes
    ----------
    train : lines that are in either arm.
    labels_a, labels_b : class numbers of those lines without and with the patch.
    in_a, in_b : whether each line is in the arm.
    test, truth : evaluation lines and their class numbers.
    """

    train: np.ndarray
    labels_a: np.ndarray
    labels_b: np.ndarray
    in_a: np.ndarray
    in_b: np.ndarray
    test: np.ndarray
    truth: np.ndarray


@dataclass(frozen=True)
class Outcome:
    """What was measured, row by row; everything else is derived from it.

    Attributes
    ----------
    before, after : (n,) the metric of each evaluation row in the two arms (higher is better).
    deleted_before, deleted_after : (g, n) the same, smoothed, in each jackknife replicate.
    weights : (n,) weight of each row in the metric; they sum to one.
    metric : its name.
    truth : (n,) class numbers of the evaluation rows.
    parts : number of groups that the training rows were cut into; g of them were left out in turn.
    """

    before: np.ndarray
    after: np.ndarray
    deleted_before: np.ndarray
    deleted_after: np.ndarray
    weights: np.ndarray
    metric: str
    truth: np.ndarray
    parts: int

    def effect(self, rows: np.ndarray | None = None, *, level: float = 0.95) -> stats.Effect:
        """Effect on all evaluation rows or on a slice of them (boolean mask)."""
        keep = slice(None) if rows is None else rows
        w = self.weights[keep]
        if w.sum() <= 0:
            raise TrialError("the slice has no evaluation rows")
        w = w / w.sum()
        difference = (self.after - self.before)[keep]
        deleted = (self.deleted_after - self.deleted_before)[:, keep]
        return stats.effect(difference, deleted, level=level, weights=w, parts=self.parts)

    def score(self, arm: str, *, level: float = 0.95) -> stats.Interval:
        """Score of one arm ("before" or "after") with its interval over rows and training luck."""
        values = self.before if arm == "before" else self.after
        deleted = self.deleted_before if arm == "before" else self.deleted_after
        e = stats.mean_interval(values, deleted, level=level, weights=self.weights, parts=self.parts)
        if self.metric == "log_loss":
            return stats.Interval(-e.value, -e.high, -e.low)
        return stats.Interval(e.value, max(0.0, e.low), min(1.0, e.high))


def jackknife_groups(
    clusters: np.ndarray, touched: np.ndarray, groups: int = GROUPS, seed: int = 0
) -> np.ndarray:
    """(n,) group numbers: copies together, the rows that the patch touches spread evenly."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(clusters))
    order = order[np.argsort(~touched[order], kind="stable")]
    _, first, member = np.unique(clusters[order], return_index=True, return_inverse=True)
    leaders = np.sort(first)
    place = np.full(len(order), -1)
    place[leaders] = np.arange(len(leaders)) % groups
    out = np.empty(len(order), dtype=np.int64)
    out[order] = place[first[member]]
    return out


def _values(logits: np.ndarray, truth: np.ndarray, metric: str) -> np.ndarray:
    """The metric of each row, higher is better."""
    if metric == "log_loss":
        p = stats.softmax(logits.astype(np.float64))
        return np.asarray(np.log(np.maximum(p[np.arange(len(truth)), truth], 1e-9)))
    return np.asarray(logits.argmax(axis=1) == truth, dtype=np.float64)


def score(logits: np.ndarray, truth: np.ndarray, metric: str, *, level: float = 0.95) -> stats.Interval:
    """Score of one model on rows, with the interval from the choice of rows alone.

    Raises
    ------
    TrialError : there are no rows.
    """
    weights = row_weights(truth, metric)
    e = stats.effect(_values(logits, truth, metric), np.zeros((0, len(truth))), level=level, weights=weights)
    if metric == "log_loss":
        return stats.Interval(-e.value, -e.high, -e.low)
    return stats.Interval(e.value, max(0.0, e.low), min(1.0, e.high))


def expected(logits: np.ndarray, target: np.ndarray, metric: str, sharpness: float) -> np.ndarray:
    """(n,) the metric of each row, smoothed, where its class is known as probabilities; higher is better.

    Parameters
    ----------
    logits : (n, k) of the model.
    target : (n, k) probability of each class to be the true one.
    sharpness : factor on the logits; the larger, the nearer to the hard accuracy.
    """
    if metric == "log_loss":
        return np.asarray((target * np.log(np.maximum(stats.softmax(logits), 1e-9))).sum(axis=1))
    return np.asarray((target * stats.softmax(logits * np.float32(sharpness))).sum(axis=1))


def expected_slope(logits: np.ndarray, target: np.ndarray, metric: str, sharpness: float) -> np.ndarray:
    """(n, k) derivative of `expected` in the logits."""
    if metric == "log_loss":
        return np.asarray(target - stats.softmax(logits))
    p = stats.softmax(logits * np.float32(sharpness))
    own = (p * target).sum(axis=1, keepdims=True)
    target = target - own
    target *= p
    target *= np.float32(sharpness)
    return np.asarray(target)


def _margins(logits: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Logit of the true class less the largest other: positive where the answer is right."""
    at = np.arange(len(truth))
    other = logits.copy()
    other[at, truth] = -np.inf
    return np.asarray(logits[at, truth] - other.max(axis=1), dtype=np.float64)


@dataclass(frozen=True)
class _Smooth:
    """The metric for replicates, where only its *movement* counts.

    A hard accuracy moves by single rows that flip at random, and the jackknife multiplies that noise.
    A steep sigmoid of the margin moves by the same amount on average, without the flips.
    """

    metric: str
    width: float

    @staticmethod
    def of(logits: np.ndarray, truth: np.ndarray, metric: str) -> _Smooth:
        margins = _margins(logits, truth) if logits.shape[1] > 1 else np.ones(1)
        return _Smooth(metric, max(SMOOTH * float(np.median(np.abs(margins))), 1e-6))

    def __call__(self, logits: np.ndarray, truth: np.ndarray) -> np.ndarray:
        if self.metric == "log_loss" or logits.shape[1] < 2:
            return _values(logits, truth, self.metric)
        x = np.clip(_margins(logits, truth) / self.width, -30, 30)
        return np.asarray(1.0 / (1.0 + np.exp(-x)))


def smooth_of(
    logits: np.ndarray, truth: np.ndarray, metric: str, scale: float = 1.0
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The metric of each row for telling small movements, smoothed on the scale of these (t, k) logits.

    `scale` below 1 is for larger movements: closer to the hard metric, and noisier.
    """
    usual = _Smooth.of(logits, truth, metric)
    return _Smooth(metric, usual.width * scale)


def row_weights(truth: np.ndarray, metric: str) -> np.ndarray:
    """Weights of evaluation rows, summing to one: equal, or equal for each class."""
    if metric not in METRICS:
        raise TrialError(f"unknown metric {metric!r}; it is one of {', '.join(METRICS)}")
    if len(truth) == 0:
        raise TrialError("there are no evaluation rows to measure on")
    if metric != "balanced_accuracy":
        return np.full(len(truth), 1.0 / len(truth))
    sizes = np.bincount(truth)
    weights = 1.0 / sizes[truth]
    return np.asarray(weights / weights.sum())


class Base:
    """The arm without the patch, fitted once for any number of patches on the same rows.

    Parameters
    ----------
    x : (lines, d) features.
    c : the comparison; only what concerns the arm without the patch is read.
    groups : (lines,) jackknife groups.
    """

    def __init__(
        self, x: Matrix, c: Comparison, classes: int, penalty: float, groups: np.ndarray, metric: str
    ) -> None:
        if not c.in_a.any():
            raise TrialError("the arm without the patch has no training rows")
        self.design = logistic.design(x[c.train], penalty)
        self.test, self.truth, self.classes, self.metric = x[c.test], c.truth, classes, metric
        self.labels, self.weights = c.labels_a, c.in_a.astype(np.float32)
        self.group = groups[c.train]
        self.start = logistic.fit(
            self.design, c.labels_a, classes, weights=self.weights, tolerance=START_TOLERANCE
        )
        self.head = self.refit(self.labels, self.weights, self.start, ARM_STEPS)
        logits = self.head.scores(self.test)
        self.values = _values(logits, self.truth, metric)
        self.smooth = _Smooth.of(logits, self.truth, metric)
        self._deleted: dict[int, np.ndarray] = {}

    def refit(self, labels: np.ndarray, w: np.ndarray, start: logistic.Head, steps: int) -> logistic.Head:
        """So many more iterations from a neighbouring solution."""
        return logistic.fit(
            self.design, labels, self.classes, weights=w, start=start, max_iter=steps, tolerance=0.0
        )

    def replicate(self, labels: np.ndarray, w: np.ndarray, head: logistic.Head, group: int) -> np.ndarray:
        """(n,) smoothed metric when a group of training rows is left out."""
        kept = (self.group != group).astype(np.float32)
        fitted = self.refit(labels, w * kept, head, REPLICATE_STEPS)
        return self.smooth(fitted.scores(self.test), self.truth)

    def deleted(self, group: int) -> np.ndarray:
        """The replicate of this arm; computed once."""
        if group not in self._deleted:
            self._deleted[group] = self.replicate(self.labels, self.weights, self.head, group)
        return self._deleted[group]


class _Patched:
    """The arm with the patch, next to its base."""

    def __init__(self, base: Base, c: Comparison) -> None:
        if not c.in_b.any():
            raise TrialError("the arm with the patch has no training rows")
        self.base, self.labels, self.weights = base, c.labels_b, c.in_b.astype(np.float32)
        self.same = bool((self.weights == base.weights).all() and (self.labels == base.labels).all())
        self.head = base.head
        if not self.same:
            self.head = base.refit(self.labels, self.weights, base.start, ARM_STEPS)
        self.values = _values(self.head.scores(base.test), base.truth, base.metric)

    def deleted(self, group: int) -> np.ndarray:
        if self.same:
            return self.base.deleted(group)
        return self.base.replicate(self.labels, self.weights, self.head, group)


def compare(
    x: Matrix,
    comparisons: Sequence[Comparison],
    classes: int,
    penalty: float,
    *,
    groups: np.ndarray,
    metric: str = "accuracy",
    bases: Sequence[Base] | None = None,
    thorough: bool = True,
    level: float = 0.95,
    progress: Progress | None = None,
) -> Outcome:
    """Measure one change; several comparisons are the folds of one cross-fitted decision.

    Parameters
    ----------
    x : (lines, d) features of training and evaluation rows alike.
    comparisons : pairs of arms with disjoint evaluation rows.
    classes : number of classes.
    penalty : of the recipe's head.
    groups : (lines,) jackknife group of each line; the same for all comparisons, so that a replicate
        leaves out the same rows everywhere and the overlap of folds is accounted for.
    bases : the arms without the patch, where they are fitted already.
    thorough : compute all replicates. Otherwise only a few when the rows alone give no evidence at
        `level`: the part from training can only widen the interval (the few give it fewer degrees of
        freedom, so it stays honest).

    Raises
    ------
    TrialError : no evaluation rows, or an arm without training rows.
    """
    truth = np.concatenate([c.truth for c in comparisons])
    weights = row_weights(truth, metric)
    parts = int(groups.max(initial=0)) + 1
    arms = []
    for number, c in enumerate(comparisons):
        base = bases[number] if bases else Base(x, c, classes, penalty, groups, metric)
        arms.append(_Patched(base, c))
        if progress:
            progress("trial", number + 1, len(comparisons) + parts)
    before = np.concatenate([arm.base.values for arm in arms])
    after = np.concatenate([arm.values for arm in arms])
    rows_only = stats.effect(after - before, np.zeros((0, len(truth))), level=level, weights=weights)
    needed = parts if thorough or rows_only.verdict != "no evidence" else min(FEW, parts)
    deleted_before, deleted_after = [], []
    for g in range(needed):
        deleted_before.append(np.concatenate([arm.base.deleted(g) for arm in arms]))
        deleted_after.append(np.concatenate([arm.deleted(g) for arm in arms]))
        if progress:
            progress("trial", len(comparisons) + g + 1, len(comparisons) + needed)
    return Outcome(
        before, after, np.array(deleted_before), np.array(deleted_after), weights, metric, truth, parts
    )
