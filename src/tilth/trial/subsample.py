"""The points of a learning curve: the recipe's own head on repeated nested subsamples of train.

Copies stay together and classes keep their shares. Small sizes are cheap and noisy, so they are
repeated more often: each size gets an equal share of a budget of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from tilth.recipes import logistic
from tilth.recipes.base import Matrix
from tilth.stats import log_sum_exp
from tilth.trial import curve

__all__ = ["Held", "Plan", "Scores", "head_scores", "measure", "nested_order", "plan", "points"]

BUDGET, MOST, CONVERGED = 60_000, 12, 20_000
STEP = np.sqrt(0.5)
PARTS = 7
RESAMPLES = 100
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Plan:
    """Which sizes are fitted how often; the last is all rows, once.

    Attributes
    ----------
    sizes : (s,) rows, ascending.
    repeats : (s,) how often each.
    """

    sizes: tuple[int, ...]
    repeats: tuple[int, ...]

    @property
    def fits(self) -> int:
        """Number of fits in all."""
        return sum(self.repeats)


def plan(n: int, classes: int, *, budget: int = BUDGET) -> Plan:
    """Sizes from an eighth of the rows up, and repeats within a budget of rows fitted.

    Parameters
    ----------
    n : labelled rows.
    classes : a size has at least two rows for each class, where that leaves four sizes.
    budget : rows fitted in all, besides the fit on all of them.
    """
    sizes = sorted({round(n * STEP**i) for i in range(PARTS)})
    enough = [m for m in sizes if m >= min(2 * classes, n // 4)]
    if n > budget:  # the largest sizes alone would cost more than all others: halves, once each
        enough = sorted({round(n * 0.5**i) for i in range(5)})
    share = budget / max(len(enough) - 1, 1)
    repeats = [int(np.clip(round(share / m), 1, MOST)) for m in enough[:-1]]
    return Plan(tuple(enough), (*repeats, 1))


def nested_order(labels: np.ndarray, clusters: np.ndarray, seed: int) -> np.ndarray:
    """(n,) positions in an order whose every beginning is a stratified sample with copies together.

    Each row gets the rank (i + u) / n_c among the n_c rows of its class; a cluster goes where its first
    row goes.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    sizes = np.bincount(labels[by_class])
    at = np.arange(len(by_class)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    rank = np.empty(len(labels))
    rank[by_class] = (at + rng.random(len(by_class))) / np.repeat(sizes, sizes)
    _, member = np.unique(clusters, return_inverse=True)
    first = np.full(member.max(initial=0) + 1, np.inf)
    np.minimum.at(first, member, rank)
    return np.asarray(np.lexsort((rank, member, first[member])))


@dataclass(frozen=True)
class Held:
    """Rows to train on and rows to score on.

    Attributes
    ----------
    x, labels, clusters : (n, d) features, (n,) class numbers (all known) and copy clusters.
    test, truth : (t, d) features and (t,) class numbers of the held-out rows.
    """

    x: Matrix
    labels: np.ndarray
    clusters: np.ndarray
    test: Matrix
    truth: np.ndarray


@dataclass(frozen=True)
class Scores:
    """What each fit did on each held-out row.

    Attributes
    ----------
    plan : sizes and repeats.
    errors : repeat, size number and (rows,) error of each held-out row, a line a fit.
    truth : (rows,) class numbers of the held-out rows.
    predicted : (rows,) the answer of the fit on all rows.
    """

    plan: Plan
    errors: Sequence[tuple[int, int, np.ndarray]]
    truth: np.ndarray
    predicted: np.ndarray

    def weighted(self, weights: np.ndarray) -> np.ndarray:
        """(repeats, sizes) weighted mean error; NaN where there was no fit."""
        out = np.full((max(self.plan.repeats), len(self.plan.sizes)), np.nan)
        for r, s, values in self.errors:
            out[r, s] = float(values @ weights)
        return out


def _subset(x: Matrix, rows: np.ndarray, test: Matrix) -> tuple[Matrix, Matrix]:
    """Features of some rows; columns that none of them has would only cost time."""
    part = x[rows]
    if not sp.issparse(part):
        return part, test
    used = np.flatnonzero(np.bincount(part.indices, minlength=part.shape[1]))
    return part[:, used], test[:, used]


def head_scores(
    x: Matrix, labels: np.ndarray, rows: np.ndarray, test: Matrix, classes: int, penalty: float
) -> np.ndarray:
    """(t, k) logits of test rows from a fit on some rows."""
    part, test = _subset(x, rows, test)
    steps, tolerance = (40, 1e-3) if len(rows) <= CONVERGED else (12, 1e-2)
    d = logistic.design(part, penalty)
    head = logistic.fit(d, labels[rows], classes, max_iter=steps, tolerance=tolerance)
    return np.asarray(head.scores(test))


def _errors(logits: np.ndarray, truth: np.ndarray, loss: bool) -> np.ndarray:
    """(t,) float32 error of each row: wrong or not, or its log loss."""
    if not loss:
        return np.asarray(logits.argmax(axis=1) != truth, dtype=np.float32)
    loss_of = log_sum_exp(logits) - logits[np.arange(len(truth)), truth]
    return np.asarray(np.minimum(loss_of, 20.7), dtype=np.float32)


def measure(
    parts: Sequence[Held],
    classes: int,
    penalty: float,
    *,
    budget: int = BUDGET,
    loss: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> Scores:
    """Fit nested subsamples and score them on held-out rows.

    Parameters
    ----------
    parts : training and held-out rows; several parts are the folds of a cross-fit.
    classes, penalty : of the recipe's head.
    budget : rows fitted in all, besides the fit on all of them.
    loss : the error is the log loss instead of wrong or not.
    """
    n = min(len(p.labels) for p in parts)
    todo = plan(n, classes, budget=budget // len(parts))
    out: list[tuple[int, int, np.ndarray]] = []
    done, predicted = 0, np.zeros(0, dtype=np.int64)
    for r in range(max(todo.repeats)):
        orders = [nested_order(p.labels, p.clusters, seed + r) for p in parts]
        for s, (m, times) in enumerate(zip(todo.sizes, todo.repeats, strict=True)):
            if r >= times:
                continue
            logits = np.concatenate(
                [
                    head_scores(
                        p.x, p.labels, np.sort(order[:m] if m < n else order), p.test, classes, penalty
                    )
                    for p, order in zip(parts, orders, strict=True)
                ]
            )
            truth = np.concatenate([p.truth for p in parts])
            out.append((r, s, _errors(logits, truth, loss)))
            if m == n:
                predicted = logits.argmax(axis=1)
            done += 1
            if progress:
                progress("learning curve", done, todo.fits)
    return Scores(todo, out, np.concatenate([p.truth for p in parts]), predicted)


def points(scores: Scores, weights: np.ndarray, *, seed: int = 0) -> curve.Points:
    """Points of the curve of a weighted mean (the whole, a class, a slice) over the held-out rows.

    Parameters
    ----------
    weights : (t,) weights of the held-out rows that sum to one.
    """
    sizes = np.array(scores.plan.sizes, dtype=float)
    single = scores.weighted(weights)
    luck = curve.luck_of(sizes, single, sizes[-1])
    rng = np.random.default_rng(seed)
    mean = np.zeros((len(sizes), len(weights)), dtype=np.float32)
    for _, s, values in scores.errors:
        mean[s] += values / scores.plan.repeats[s]
    inside = np.flatnonzero(weights > 0)
    rows = np.empty((RESAMPLES, len(sizes)))
    for b in range(RESAMPLES):
        drawn = weights[inside] * rng.multinomial(len(inside), np.full(len(inside), 1 / len(inside)))
        rows[b] = mean[:, inside] @ (drawn / max(drawn.sum(), 1e-12))
    return curve.Points(sizes, np.nanmean(single, axis=0), np.array(scores.plan.repeats), luck, rows)
