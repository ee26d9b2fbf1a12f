"""What more rows of one class would bring: one class is thinned out while the others stay.

The classes are dealt into groups; the classes of a group lose half (and three quarters) of their rows
together and the head is refitted from the full fit. A held-out row that changes is put down to its own
class, or, when that stayed, to the strongest class of the group, which had stolen it. One class has few
held-out rows, so the effects are pooled: each is drawn towards what classes with so many errors lose on
average, by as much as its own noise calls for (empirical Bayes); how fast returns diminish is one number
for all classes.

References
----------
Efron and Morris, "Data analysis using Stein's estimator and its generalizations", JASA 1975.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilth.recipes import logistic
from tilth.trial.measure import smooth_of
from tilth.trial.subsample import Held, Progress

__all__ = ["ClassEffects", "Gains", "pool", "thin"]

Array = np.ndarray[Any, Any]
GROUPS, REPEATS, STEPS, CAP = 6, 2, 12, 20_000
KEPT = (0.5, 0.25)
RATIO, RATIO_SD, LEAST_RATIO, MOST_RATIO = 0.6, 0.15, 0.25, 1.0
"""Halving losses of well-behaved curves shrink to 0.5-0.7 at each doubling (power -1 to -0.5)."""


@dataclass(frozen=True)
class ClassEffects:
    """Measured losses of thinning one class.

    Attributes
    ----------
    sizes : (k,) rows of each class as thinned.
    loss : (2, k) fall of the metric when a half / a quarter of the class is kept.
    own : (k,) fall of the class's own recall (or rise of its own loss) at a half.
    variance : (k,) sampling variance of loss[0]; own_variance : of `own`.
    share : (k,) weight of the class's held-out rows in the metric.
    missed : (k,) part of the metric that the class's own errors cost.
    """

    sizes: Array
    loss: Array
    own: Array
    variance: Array
    own_variance: Array
    share: Array
    missed: Array


def _capped(labels: Array, cap: int, rng: np.random.Generator) -> Array:
    """Positions of at most `cap` rows: the largest classes are cut to one common size."""
    if len(labels) <= cap:
        return np.arange(len(labels))
    sizes = np.sort(np.bincount(labels))
    left, limit = cap, sizes[-1]
    for i, size in enumerate(sizes):
        limit = left // (len(sizes) - i)
        if size > limit:
            break
        left -= size
    shuffled = rng.permutation(len(labels))
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    counts = np.bincount(labels[order])
    at = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(order[at < limit])


@dataclass(frozen=True)
class _Full:
    """The fit with all rows, on which every thinned fit starts."""

    design: logistic.Design
    labels: Array
    head: logistic.Head
    logits: Array


def _full(p: Held, classes: int, penalty: float, seed: int) -> _Full:
    rng = np.random.default_rng(seed)
    keep = _capped(p.labels, CAP, rng)
    labels = p.labels[keep]
    d = logistic.design(p.x[keep], penalty)
    head = logistic.fit(d, labels, classes, tolerance=1e-3)
    return _Full(d, labels, head, head.scores(p.test))


def _ranks(labels: Array, rng: np.random.Generator) -> Array:
    """(n,) rank of each row within its class in [0, 1), in random order."""
    shuffled = rng.permutation(len(labels))
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    sizes = np.bincount(labels[order])
    at = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    out = np.empty(len(labels))
    out[order] = at / np.repeat(sizes, sizes)
    return out


def thin(
    parts: Sequence[Held],
    classes: int,
    penalty: float,
    weights: Array,
    *,
    metric: str = "accuracy",
    seed: int = 0,
    progress: Progress | None = None,
) -> ClassEffects:
    """Thin each class out and measure what is lost.

    Parameters
    ----------
    parts : as for subsample.measure.
    weights : (t,) weights of the held-out rows in the metric.
    """
    truth = np.concatenate([p.truth for p in parts])
    fulls = [_full(p, classes, penalty, seed) for p in parts]
    logits = np.concatenate([f.logits for f in fulls])
    smooth = smooth_of(logits, truth, metric)
    before = smooth(logits, truth)
    groups = min(GROUPS, classes)
    sums = np.zeros((REPEATS, len(KEPT), classes))
    own = np.zeros((REPEATS, classes))
    squares, own_squares = np.zeros(classes), np.zeros(classes)
    count = np.maximum(np.bincount(truth, minlength=classes), 1)
    rng = np.random.default_rng(seed)
    done, total = 0, REPEATS * groups * len(KEPT)
    for r in range(REPEATS):
        group_of = rng.permutation(classes) % groups
        ranks = [_ranks(f.labels, rng) for f in fulls]
        for g in range(groups):
            inside = group_of == g
            rival = np.where(inside[None, :], logits, -np.inf).argmax(axis=1)
            owner = np.where(inside[truth], truth, rival)
            for k, kept in enumerate(KEPT):
                after = np.concatenate(
                    [_thinned(p, f, rank, inside, kept, classes)
                     for p, f, rank in zip(parts, fulls, ranks, strict=True)]
                )  # fmt: skip
                fell = before - smooth(after, truth)
                sums[r, k] += np.bincount(owner, weights * fell, classes)
                if k == 0:
                    mine = inside[truth]
                    own[r] += np.bincount(truth[mine], fell[mine], classes) / count
                    squares += np.bincount(owner, (weights * fell) ** 2, classes) / REPEATS
                    own_squares += np.bincount(truth[mine], fell[mine] ** 2, classes) / count**2 / REPEATS
                done += 1
                if progress:
                    progress("classes", done, total)
    luck = ((sums[0, 0] - sums[1, 0]) ** 2 / 4).mean()
    own_luck = ((own[0] - own[1]) ** 2 / 4).mean()
    sizes = np.mean([np.bincount(f.labels, minlength=classes) for f in fulls], axis=0)
    share = np.bincount(truth, weights, classes)
    missed = np.bincount(truth, weights * (logits.argmax(axis=1) != truth), classes)
    return ClassEffects(
        sizes, sums.mean(axis=0), own.mean(axis=0), squares + luck, own_squares + own_luck, share, missed
    )


def _thinned(p: Held, f: _Full, rank: Array, inside: Array, kept: float, classes: int) -> Array:
    """(t, k) logits when the classes of a group keep a part of their rows (one at least)."""
    n = np.bincount(f.labels, minlength=classes)[f.labels]
    stays = ~inside[f.labels] | (rank * n < np.maximum(np.round(kept * n), 1))
    head = logistic.fit(
        f.design, f.labels, classes, weights=stays.astype(np.float32), start=f.head,
        max_iter=STEPS, tolerance=0.0,
    )  # fmt: skip
    return np.asarray(head.scores(p.test))


@dataclass(frozen=True)
class Gains:
    """Draws of what more rows of each class bring.

    Attributes
    ----------
    halving : (draws, k) fall of the metric when half of the class is lost.
    own : (draws, k) the same for the class's own recall.
    power : (draws,) gains fall off like rows to the minus this.
    sizes : (k,) rows of each class.
    most : (k,) no class can gain more than this.
    """

    halving: Array
    own: Array
    power: Array
    sizes: Array
    most: Array

    def of(self, number: int, rows: int) -> Array:
        """(draws,) gain of the metric by so many more rows of one class."""
        return np.asarray(np.minimum(self.halving[:, number] * self._reach(number, rows), self.most[number]))

    def own_of(self, number: int, rows: int) -> Array:
        """(draws,) gain of the class's own recall."""
        return np.asarray(self.own[:, number] * self._reach(number, rows))

    def _reach(self, number: int, rows: int) -> Array:
        """Gain of so many more rows in units of the loss by halving: one power law through both."""
        more = (self.sizes[number] + rows) / max(self.sizes[number], 1.0)
        return np.asarray((1.0 - more**-self.power) / (2.0**self.power - 1.0))


def pool(e: ClassEffects, *, draws: int = 400, seed: int = 0) -> Gains:
    """Shrink the measured losses, and estimate how fast returns diminish over all classes."""
    rng = np.random.default_rng(seed)
    seen = e.share > 0
    halving = _shrunk(e.loss[0], e.variance, e.missed, seen, draws, rng)
    rate = e.missed / np.maximum(e.share, 1e-12)
    own = _shrunk(e.own, e.own_variance, rate, seen, draws, rng)
    k = len(seen)
    resampled = rng.multinomial(k, np.full(k, 1.0 / k), size=draws)
    half, quarter = resampled @ e.loss[0], resampled @ (e.loss[1] - e.loss[0])
    spread = np.where(quarter > 0, half / np.maximum(quarter, 1e-12), RATIO)
    spread = np.clip(spread, LEAST_RATIO, MOST_RATIO)
    own_variance = max(float(spread.var()), 1e-4)
    weight = own_variance / (own_variance + RATIO_SD**2)  # of the prior
    centre = (1 - weight) * float(np.median(spread)) + weight * RATIO
    sd = np.sqrt(own_variance * RATIO_SD**2 / (own_variance + RATIO_SD**2))
    ratio = np.clip(centre + sd * rng.normal(size=draws), LEAST_RATIO, 0.98)
    return Gains(halving, own, -np.log2(ratio), e.sizes, e.missed + e.share.sum() / max(k, 1))


def _shrunk(
    y: Array, variance: Array, size: Array, seen: Array, draws: int, rng: np.random.Generator
) -> Array:
    """(draws, k) from the posterior of each effect around a line through the origin in `size`."""
    variance = np.maximum(variance, 1e-12)
    between = 0.0
    for _ in range(20):
        w = seen / (variance + between)
        bottom = float((w * size**2).sum())
        slope = max(0.0, float((w * size * y).sum()) / bottom) if bottom > 0 else 0.0
        rest = (y - slope * size)[seen] ** 2 - variance[seen]
        new = max(0.0, float(np.average(rest, weights=w[seen] ** 2))) if seen.any() else 0.0
        if abs(new - between) < 1e-3 * between:
            break
        between = new
    part = between / (between + variance)
    centre = np.where(seen, part * y + (1 - part) * slope * size, 0.0)
    slope_variance = 1.0 / bottom if bottom > 0 else 0.0
    sd = np.sqrt(part * variance + ((1 - part) * size) ** 2 * slope_variance)
    return np.asarray(centre + sd * rng.normal(size=(draws, len(y))))
