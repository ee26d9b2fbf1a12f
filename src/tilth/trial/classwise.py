"""What more rows of one class would bring: one class is thinned out while the others stay.

The classes are dealt into groups; the classes of a group keep a half, a quarter, an eighth of their rows
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
GROUPS, REPEATS, STEPS, CAP, SCALE = 5, 2, 12, 20_000, 0.3
LEAST_KEPT, UNLIKE = 3.0, 0.2
"""Fewest rows that a thinned class is judged by; least spread between classes of equal error rate."""
KEPT = (0.5, 0.25, 0.125)
POWERS, OFFSETS, SHAPES = (0.35, 0.5, 0.7, 0.85, 1.0), (0.0, 1.0, 2.0, 4.0, 8.0), 40
"""Error falls like rows to the minus a half to one; a steeper fit mistakes lost recall for a steep curve."""


@dataclass(frozen=True)
class ClassEffects:
    """Measured losses of thinning one class.

    Attributes
    ----------
    sizes : (k,) rows of each class as thinned.
    loss : (3, k) fall of the metric when a half, a quarter, an eighth of the class is kept.
    own : (3, k) fall of the class's own recall (or rise of its own loss).
    variance, own_variance : (3, k) sampling variances.
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
    order, at, _ = _shuffled(labels, rng)
    return np.sort(order[at < limit])


def _shuffled(labels: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Rows class by class in random order, the place of each in its class, and the sizes of the classes."""
    shuffled = rng.permutation(len(labels))
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    sizes = np.bincount(labels[order])
    return order, np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes), sizes


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
    order, at, sizes = _shuffled(labels, rng)
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
    smooth = smooth_of(logits, truth, metric, SCALE)
    before = smooth(logits, truth)
    groups = min(GROUPS, classes)
    sums = np.zeros((REPEATS, len(KEPT), classes))
    own = np.zeros((REPEATS, len(KEPT), classes))
    squares, own_squares = np.zeros((len(KEPT), classes)), np.zeros((len(KEPT), classes))
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
                mine = inside[truth]
                own[r, k] += np.bincount(truth[mine], fell[mine], classes) / count
                squares[k] += np.bincount(owner, (weights * fell) ** 2, classes) / REPEATS
                own_squares[k] += np.bincount(truth[mine], fell[mine] ** 2, classes) / count**2 / REPEATS
                done += 1
                if progress:
                    progress("classes", done, total)
    return _effects(fulls, truth, weights, logits, sums, own, squares, own_squares)


def _effects(
    fulls: Sequence[_Full],
    truth: Array,
    weights: Array,
    logits: Array,
    sums: Array,
    own: Array,
    squares: Array,
    own_squares: Array,
) -> ClassEffects:
    """Means over repeats, with the chance of the rows and of which rows were kept."""
    classes = sums.shape[2]
    sizes = np.mean([np.bincount(f.labels, minlength=classes) for f in fulls], axis=0)
    # a class of one or two rows has no recall left to lose: such a step says nothing about the next
    told = np.where(np.array(KEPT)[:, None] * sizes >= LEAST_KEPT, 1.0, 1e6)
    luck = ((sums[0] - sums[1]) ** 2 / 4).mean(axis=1, keepdims=True)
    own_luck = ((own[0] - own[1]) ** 2 / 4).mean(axis=1, keepdims=True)
    share = np.bincount(truth, weights, classes)
    missed = np.bincount(truth, weights * (logits.argmax(axis=1) != truth), classes)
    rate = missed / np.maximum(share, 1e-12)
    count = np.maximum(np.bincount(truth, minlength=classes), 1)
    return ClassEffects(
        sizes,
        sums.mean(axis=0),
        own.mean(axis=0),
        (_evened(squares, missed) + luck + 1e-10) * told,
        (_evened(own_squares * count, rate) / count + own_luck + 1e-6) * told,
        share,
        missed,
    )


def _evened(squares: Array, size: Array) -> Array:
    """(steps, k) sampling variances in proportion to what a class could lose.

    The squares of a class itself will not do: classes that happened to lose little would look sure of
    it, and draw all others down.
    """
    could = size + 0.5 * size.mean() + 1e-9
    return np.asarray(squares.sum(axis=1, keepdims=True) / could.sum() * could)


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
    reducible : (draws, k) part of the metric that endless rows of a class would win back.
    own : (draws, k) the same for the class's own recall.
    power, offset : (draws,) the reducible part falls like (rows + offset) ** -power.
    sizes : (k,) rows of each class.
    """

    reducible: Array
    own: Array
    power: Array
    offset: Array
    sizes: Array

    def of(self, number: int, rows: int) -> Array:
        """(draws,) gain of the metric by so many more rows of one class."""
        return np.asarray(self.reducible[:, number] * self._reach(number, rows))

    def own_of(self, number: int, rows: int) -> Array:
        """(draws,) gain of the class's own recall."""
        return np.asarray(self.own[:, number] * self._reach(number, rows))

    def _reach(self, number: int, rows: int) -> Array:
        """Share of the reducible part that so many more rows win back."""
        n = max(self.sizes[number], 1.0)
        return np.asarray(1.0 - ((n + rows + self.offset) / (n + self.offset)) ** -self.power)


def pool(e: ClassEffects, *, draws: int = 400, seed: int = 0) -> Gains:
    """Fit the losses of all classes by one shape, and shrink each class's size of it.

    Where n rows of a class are kept, what it costs is a_c ((n + offset) ** -power - (n_c + offset) **
    -power): power and offset are the same for all classes, so that a class of five rows learns from
    the others thinned to five. The offset lets the first rows bring little.
    """
    rng = np.random.default_rng(seed)
    shapes = np.array([(p, d) for p in POWERS for d in OFFSETS])
    steps = np.maximum(np.round(np.array(KEPT)[:, None] * e.sizes), 1.0)
    reach = _profile(steps, e.sizes, shapes)
    seen = e.share > 0
    misfit = _misfit(reach[:, :, seen], e.loss[:, seen], e.variance[:, seen])
    sampled = rng.multinomial(int(seen.sum()), np.full(int(seen.sum()), 1 / max(int(seen.sum()), 1)), SHAPES)
    scale = max(1.0, float(misfit.sum(axis=1).min()) / max(2.0 * seen.sum(), 1.0))
    fits = sampled @ misfit.T / scale
    weights = np.exp(-0.5 * (fits - fits.min(axis=1, keepdims=True)))
    weights /= weights.sum(axis=1, keepdims=True)
    each = max(draws // SHAPES, 1)
    rate = e.missed / np.maximum(e.share, 1e-12)
    whole, own, chosen = [], [], []
    for w in weights:
        g = int(rng.choice(len(shapes), p=w))
        chosen += [g] * each
        whole.append(_shrunk(*_amplitude(reach[g], e.loss, e.variance), e.missed, seen, each, rng))
        own.append(_shrunk(*_amplitude(reach[g], e.own, e.own_variance), rate, seen, each, rng))
    power, offset = shapes[chosen].T
    return Gains(np.vstack(whole), np.vstack(own), power, offset, e.sizes)


def _profile(steps: Array, sizes: Array, shapes: Array) -> Array:
    """(shapes, steps, k) loss at these sizes in units of the reducible part."""
    power, offset = shapes[:, 0, None, None], shapes[:, 1, None, None]
    return np.asarray(((steps + offset) / (np.maximum(sizes, 1.0) + offset)) ** -power - 1.0)


def _amplitude(reach: Array, loss: Array, variance: Array) -> tuple[Array, Array]:
    """(k,) weighted least squares of the reducible part, and its variance.

    The thinned sets are nested and scored on the same rows, so their errors go together: the
    variance is that of one of them, not of three independent ones.
    """
    w = 1.0 / variance
    bottom = np.maximum((w * reach**2).sum(axis=0), 1e-12)
    return (w * reach * loss).sum(axis=0) / bottom, len(KEPT) / bottom


def _misfit(reach: Array, loss: Array, variance: Array) -> Array:
    """(shapes, k) weighted squares that a shape leaves of each class."""
    out = np.empty((len(reach), loss.shape[1]))
    for g, profile in enumerate(reach):
        amplitude, _ = _amplitude(profile, loss, variance)
        out[g] = ((loss - amplitude * profile) ** 2 / variance).sum(axis=0)
    return out


def _shrunk(
    y: Array, variance: Array, size: Array, seen: Array, draws: int, rng: np.random.Generator
) -> Array:
    """(draws, k) from the posterior of each effect around a line through the origin in `size`."""
    between, slope, bottom = UNLIKE**2, 0.0, 0.0
    scale = np.maximum(size, 0.25 * size[seen].mean() if seen.any() else 1.0) ** 2 + 1e-12
    for _ in range(20):  # the spread between classes is in units of what each could gain
        w = seen / (variance + between * scale)
        bottom = float((w * size**2).sum())
        slope = max(0.0, float((w * size * y).sum()) / bottom) if bottom > 0 else 0.0
        rest = ((y - slope * size) ** 2 - variance)[seen] / scale[seen]
        new = (
            max(UNLIKE**2, float(np.average(rest, weights=(w * scale)[seen] ** 2)))
            if seen.any()
            else UNLIKE**2
        )
        if abs(new - between) < 1e-3 * between:
            break
        between = new
    part = between * scale / (between * scale + variance)
    centre = np.where(seen, part * y + (1 - part) * slope * size, 0.0)
    slope_variance = 1.0 / bottom if bottom > 0 else 0.0
    sd = np.sqrt(part * variance + ((1 - part) * size) ** 2 * slope_variance)
    return np.asarray(centre + np.where(seen, sd, 0.0) * rng.normal(size=(draws, len(y))))
