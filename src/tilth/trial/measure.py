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
from tilth.errors import TrialError
from tilth.recipes import logistic
from tilth.recipes.base import Matrix

__all__ = ["METRICS", "Comparison", "Outcome", "compare", "jackknife_groups"]

GROUPS = 10
METRICS = ("accuracy", "balanced_accuracy", "log_loss")
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
    """

    before: np.ndarray
    after: np.ndarray
    deleted_before: np.ndarray
    deleted_after: np.ndarray
    weights: np.ndarray
    metric: str
    truth: np.ndarray

    def effect(self, rows: np.ndarray | None = None, *, level: float = 0.95) -> stats.Effect:
        """Effect on all evaluation rows or on a slice of them (boolean mask)."""
        keep = slice(None) if rows is None else rows
        w = self.weights[keep]
        if w.sum() <= 0:
            raise TrialError("the slice has no evaluation rows")
        w = w / w.sum()
        difference = (self.after - self.before)[keep]
        deleted = (self.deleted_after - self.deleted_before)[:, keep]
        return stats.effect(difference, deleted, level=level, weights=w)

    def score(self, arm: str, *, level: float = 0.95) -> stats.Interval:
        """Score of one arm ("before" or "after") with its interval over rows and training luck."""
        values = self.before if arm == "before" else self.after
        deleted = self.deleted_before if arm == "before" else self.deleted_after
        e = stats.effect(values, deleted, level=level, weights=self.weights)
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


def compare(
    x: Matrix,
    comparisons: Sequence[Comparison],
    classes: int,
    penalty: float,
    *,
    groups: np.ndarray,
    metric: str = "accuracy",
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

    Raises
    ------
    TrialError : no evaluation rows, or an arm without training rows.
    """
    count = int(groups.max(initial=0)) + 1
    parts = []
    for number, c in enumerate(comparisons):
        if not c.in_a.any() or not c.in_b.any():
            raise TrialError("one arm of the trial has no training rows")

        def step(done: int, number: int = number) -> None:
            if progress:
                total = len(comparisons) * (count + 1)
                progress("trial", number * (count + 1) + done, total)

        parts.append(_one(x, c, classes, penalty, groups, metric, step))
    truth = np.concatenate([c.truth for c in comparisons])
    before, after, deleted_before, deleted_after = (
        np.concatenate(p, axis=-1) for p in zip(*parts, strict=True)
    )
    weights = row_weights(truth, metric)
    return Outcome(before, after, deleted_before, deleted_after, weights, metric, truth)


def _one(
    x: Matrix,
    c: Comparison,
    classes: int,
    penalty: float,
    groups: np.ndarray,
    metric: str,
    step: Callable[[int], None],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Both arms of one comparison: values, and values in each replicate."""
    d = logistic.design(x[c.train], penalty)
    test = x[c.test]
    weight_a, weight_b = c.in_a.astype(np.float32), c.in_b.astype(np.float32)
    start = logistic.fit(d, c.labels_a, classes, weights=weight_a, tolerance=START_TOLERANCE)

    def refit(labels: np.ndarray, w: np.ndarray, head: logistic.Head, n: int) -> logistic.Head:
        return logistic.fit(d, labels, classes, weights=w, start=head, max_iter=n, tolerance=0.0)

    arm_a = refit(c.labels_a, weight_a, start, ARM_STEPS)
    arm_b = refit(c.labels_b, weight_b, start, ARM_STEPS)
    step(1)
    same = bool((weight_a == weight_b).all() and (c.labels_a == c.labels_b).all())
    smooth = _Smooth.of(arm_a.scores(test), c.truth, metric)
    group = groups[c.train]
    deleted_a, deleted_b = [], []
    for g in range(int(groups.max(initial=0)) + 1):
        kept = (group != g).astype(np.float32)
        head = refit(c.labels_a, weight_a * kept, arm_a, REPLICATE_STEPS)
        deleted_a.append(smooth(head.scores(test), c.truth))
        if not same:
            head = refit(c.labels_b, weight_b * kept, arm_b, REPLICATE_STEPS)
        deleted_b.append(smooth(head.scores(test), c.truth))
        step(g + 2)
    return (
        _values(arm_a.scores(test), c.truth, metric),
        _values(arm_b.scores(test), c.truth, metric),
        np.array(deleted_a),
        np.array(deleted_b),
    )
