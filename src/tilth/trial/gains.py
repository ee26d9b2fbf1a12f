"""What a change of labels would do to out-of-sample predictions, in closed form: P(wrong) times effect.

Relabelling row j from a to b changes the gradient of a logistic fit by exactly z_j (e_b - e_a)'. With one
fixed curvature A = Z'WZ + lambda I for all classes the logits of any other row i then move by
kappa z_i' A^-1 z_j (e_b - e_a): a rank-one update, an influence function. Dropping a row moves them by
(p_j - e_a) in the place of (e_b - e_a). kappa, how far the project's own recipe moves for one unit, is
measured once on these very data: errors are planted in the rows of four folds, the recipe is refitted,
and the logits of the fifth are compared with the closed form (measured: benchmarks/reviews.py).

The gain of a change is the mean change of the (smoothed) metric over rows whose class is known as
P(true class | text, given label); a row and its copies never vouch for themselves. To first order the
gains of all rows and all classes are two matrix products: queue() orders 10,000 rows in well under a
second and does so again after each verdict.

References
----------
Koh and Liang, "Understanding black-box predictions via influence functions", ICML 2017;
Böhning, "Multinomial logistic regression algorithm", 1992, for the fixed curvature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from tilth import label_noise, stats
from tilth.audit.base import View
from tilth.patch import Op
from tilth.recipes import logistic, ridge
from tilth.trial.measure import expected, expected_slope, row_weights

__all__ = ["Forecast", "Queue", "Response", "forecast", "queue", "respond"]

MOST = 20_000
"""Rows that stand for all: with more, the most suspicious half and a uniform sample of the rest."""
SHARPNESS, PLANTED = 1.0, 0.05
"""Sharpness 2 follows the accuracy more closely, but single rows less reliably (benchmarks/LOG.md)."""
CURVATURE = 0.05
"""Typical p(1 - p) near the end of a fit; what it is off by goes into kappa."""
WIDTH = 1024
"""Dense features up to this width are taken as they are."""
SHRUNK, LITTLE = 0.5, 0.05
LEAST = 30
"""Rows below which nothing is foreseen: the curvature would be that of the penalty alone."""


@dataclass(frozen=True)
class Forecast:
    """A predicted gain in the metric, positive is better.

    Attributes
    ----------
    value : expected change.
    se : standard error from which rows the expectation is taken over.
    """

    value: float
    se: float


@dataclass(frozen=True)
class Response:
    """How out-of-sample logits of m rows answer to changes of labels.

    Attributes
    ----------
    rows : (m,) positions in the version; the rows that stand for all n.
    weights : (m,) how many rows each stands for.
    z : (m, w) features of the closed form.
    factor : lower Cholesky factor of Z'WZ + lambda I.
    leverage : (m,) z_i' A^-1 z_i.
    clusters : (m,) numbers; copies share one.
    logits : (m, k) calibrated out-of-sample logits.
    target : (m, k) P(true class | input, given label).
    labels : (m,) class numbers as given, -1 for none.
    scale : kappa.
    metric : name of the metric.
    """

    rows: np.ndarray
    weights: np.ndarray
    z: np.ndarray
    factor: np.ndarray
    leverage: np.ndarray
    clusters: np.ndarray
    logits: np.ndarray
    target: np.ndarray
    labels: np.ndarray
    scale: float
    metric: str

    def values(self, logits: np.ndarray) -> np.ndarray:
        """(m,) metric of each row for these logits."""
        return expected(logits, self.target, self.metric, SHARPNESS)

    def shares(self) -> np.ndarray:
        """(m,) weight of each row in the metric; they sum to one."""
        w = row_weights(self.target.argmax(axis=1), self.metric) * self.weights
        return np.asarray(w / w.sum(), dtype=np.float32)

    def moved(self, at: np.ndarray, delta: np.ndarray) -> np.ndarray:
        """(m, k) logits after changes.

        Parameters
        ----------
        at : (r,) which of the m rows change.
        delta : (r, k) change of their targets: e_b - e_a for a relabel, p - e_a for a drop.
        """
        right = self.z[at].T @ delta
        w = scipy.linalg.cho_solve((self.factor, True), right, check_finite=False).astype(np.float32)
        out = self.z @ w
        own = np.zeros((int(self.clusters.max(initial=0)) + 1, delta.shape[1]), dtype=np.float32)
        np.add.at(own, self.clusters[at], delta)
        touched = np.flatnonzero(np.isin(self.clusters, self.clusters[at]))
        out[touched] -= self.leverage[touched, None] * own[self.clusters[touched]]
        return np.asarray(self.logits + np.float32(self.scale) * out)

    def gain(self, at: np.ndarray, delta: np.ndarray) -> Forecast:
        """Expected gain of changes; copies of changed rows count like any other row."""
        if len(at) == 0 or len(self.rows) < LEAST:
            return Forecast(0.0, 0.0)
        difference = self.values(self.moved(at, delta)) - self.values(self.logits)
        share = self.shares()
        value = float(share @ difference)
        return Forecast(value, sqrt(float(share**2 @ (difference - value) ** 2)))

    def review(self, at: np.ndarray) -> Forecast:
        """Expected gain when a person gives these rows their true class."""
        delta = self.target[at].copy()
        delta[np.arange(len(at)), self.labels[at]] -= 1.0
        return self.gain(at, delta)

    def each(self) -> np.ndarray:
        """(m,) expected gain of a verdict on each row alone, to first order; 0 for rows without label."""
        m, k = self.logits.shape
        if m < LEAST or k < 2:
            return np.zeros(m, dtype=np.float32)
        slope = expected_slope(self.logits, self.target, self.metric, SHARPNESS)
        slope *= self.shares()[:, None]
        right = self.z.T @ slope
        w = scipy.linalg.cho_solve((self.factor, True), right, check_finite=False).astype(np.float32)
        reach = self.z @ w
        own = np.zeros((int(self.clusters.max(initial=0)) + 1, k), dtype=np.float32)
        np.add.at(own, self.clusters, slope)
        reach -= self.leverage[:, None] * own[self.clusters]
        known = np.flatnonzero(self.labels >= 0)
        out = np.zeros(m, dtype=np.float32)
        mean = np.einsum("ij,ij->i", self.target[known], reach[known])
        out[known] = np.float32(self.scale) * (mean - reach[known, self.labels[known]])
        return out


def respond(view: View, penalty: float, metric: str = "accuracy", *, seed: int = 0) -> Response:
    """Factorise once and measure kappa by one refit on planted errors.

    Parameters
    ----------
    penalty : of the recipe's head.
    metric : what the gains are in.
    """
    s = view.signals
    rows, weights = _standing(s.p_wrong(), seed)
    x = view.features[rows]
    z = _linear(x)
    labels = s.labels[rows]
    solved = ridge.solve(z, penalty / CURVATURE, weights * (labels >= 0))
    _, clusters = np.unique(view.copies.clusters()[: len(view.train)][rows], return_inverse=True)
    p = np.maximum(s.probabilities[rows], 1e-9).astype(np.float32)
    scale = _scale(x, z, labels, p, s.fold[rows], penalty, seed) * s.calibration.temperature
    return Response(
        rows, weights, z, solved.factor, solved.leverage, clusters, np.log(p),
        s.posterior[rows], labels, scale, metric,
    )  # fmt: skip


def _linear(x: logistic.Matrix) -> np.ndarray:
    """(m, w) dense features whose inner products are those that the head sees, with a constant column."""
    if sp.issparse(x):
        return ridge.lens(x)
    x = np.asarray(x, dtype=np.float32)
    if x.shape[1] > WIDTH:
        turn = np.random.default_rng(0).normal(size=(x.shape[1], WIDTH)).astype(np.float32)
        x = x @ (turn / np.float32(np.sqrt(WIDTH)))
    return np.hstack([x, np.ones((len(x), 1), dtype=np.float32)])


def _standing(p_wrong: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows that stand for all, and how many each stands for."""
    n = len(p_wrong)
    if n <= MOST:
        return np.arange(n), np.ones(n, dtype=np.float32)
    first = np.argpartition(-p_wrong, MOST // 2)[: MOST // 2]
    rest = np.setdiff1d(np.arange(n), first)
    pick = np.random.default_rng(seed).permutation(rest)[: MOST - len(first)]
    weights = np.ones(n, dtype=np.float32)
    weights[pick] = len(rest) / len(pick)
    rows = np.sort(np.concatenate([first, pick]))
    return rows, weights[rows]


def _scale(
    x: logistic.Matrix,
    z: np.ndarray,
    labels: np.ndarray,
    p: np.ndarray,
    fold: np.ndarray,
    penalty: float,
    seed: int,
) -> float:
    """kappa: least-squares slope of the refitted recipe's logits on those of the closed form."""
    k = p.shape[1]
    rng = np.random.default_rng(seed)
    inside, held = np.flatnonzero((fold != 0) & (labels >= 0)), np.flatnonzero(fold == 0)
    if len(inside) < LEAST or len(held) == 0 or k < 2:
        return 0.0
    inside = np.sort(rng.permutation(inside)[:8_000])
    given = labels[inside]
    planted = given.copy()
    pick = rng.permutation(len(inside))[: max(5, round(PLANTED * len(inside)))]
    # errors as they occur: to a class that the row could be of, by the model's own doubt
    doubt = np.sqrt(p[inside[pick]])
    doubt[np.arange(len(pick)), given[pick]] = 0.0
    reach = np.cumsum(doubt, axis=1)
    draw = rng.random(len(pick)) * reach[:, -1]
    planted[pick] = np.minimum((reach < draw[:, None]).sum(axis=1), k - 1)
    d = logistic.design(x[inside], penalty)
    start = logistic.fit(d, given, k, max_iter=12, tolerance=1e-2)
    arms = [
        logistic.fit(d, y, k, start=start, max_iter=8, tolerance=0.0).scores(x[held])
        for y in (given, planted)
    ]
    delta = np.zeros((len(pick), k), dtype=np.float32)
    delta[np.arange(len(pick)), planted[pick]] += 1.0
    delta[np.arange(len(pick)), given[pick]] -= 1.0
    part = ridge.solve(z[inside], penalty / CURVATURE)
    right = z[inside[pick]].T @ delta
    closed = z[held] @ scipy.linalg.cho_solve((part.factor, True), right, check_finite=False)
    real = arms[1] - arms[0]
    closed -= closed.mean(axis=1, keepdims=True)
    real -= real.mean(axis=1, keepdims=True)
    norm = float(np.vdot(closed, closed))
    return max(0.0, float(np.vdot(closed, real)) / norm) if norm > 0 else 0.0


def forecast(response: Response, view: View, ops: Sequence[Op]) -> Forecast:
    """Expected gain of a patch as it stands. Added and edited rows are not foreseen.

    Where more rows change than stand in the response, the effect of those that do is scaled up.
    """
    number = {name: i for i, name in enumerate(view.signals.classes)}
    place = np.full(len(view.train), -1)
    place[response.rows] = np.arange(len(response.rows))
    k = len(number)
    at, delta, asked = [], [], 0
    chance = stats.softmax(response.logits)
    for op in ops:
        position = view.train.index.get(op.row_id)
        if position is None or op.before is None:
            continue
        given = view.signals.labels[position]
        after = -1 if op.after is None else number.get(op.after.label or "", -1)
        if given < 0 or (op.after is not None and after in (-1, given)):
            continue
        asked += 1
        if (i := int(place[position])) < 0:
            continue
        change = chance[i].copy() if after < 0 else np.eye(k, dtype=np.float32)[after]
        change[given] -= 1.0
        at.append(i)
        delta.append(change)
    if not at or k < 2 or asked >= len(view.train):
        return Forecast(0.0, 0.0)
    found = response.gain(np.array(at), np.array(delta, dtype=np.float32))
    more = asked / len(at)
    return Forecast(found.value * more, found.se * more)


@dataclass(frozen=True)
class Queue:
    """Rows in order of expected gain a minute, and what verdicts have taught so far.

    Attributes
    ----------
    response : the present state: decided rows have their class, others what is believed of them.
    noise : (k, k) P(given | true).
    groups : (m,) numbers; rows of one group (copies) are decided together by one verdict.
    minutes : of a person's time for one verdict.
    open : (m,) rows without a verdict.
    gain : (m,) expected gain of a verdict on each row's group; 0 for decided rows.
    """

    response: Response
    noise: np.ndarray
    groups: np.ndarray
    minutes: float
    open: np.ndarray
    gain: np.ndarray

    @property
    def order(self) -> np.ndarray:
        """Positions (in the version) of open rows, the best gain a minute first; one for each group."""
        at = np.flatnonzero(self.open)
        at = at[np.argsort(-self.gain[at], kind="stable")]
        _, first = np.unique(self.groups[at], return_index=True)
        return np.asarray(self.response.rows[at[np.sort(first)]])

    @property
    def per_minute(self) -> np.ndarray:
        """(m,) expected gain a minute."""
        return np.asarray(self.gain / max(self.minutes, 1e-9))

    def after_verdict(self, position: int, label: int) -> Queue:
        """The queue after a person gave a row its class; see `after_verdicts`."""
        return self.after_verdicts(np.array([position]), np.array([label]))

    def after_verdicts(self, positions: np.ndarray, labels: np.ndarray) -> Queue:
        """The queue after verdicts: labels, logits of all other rows and their gains follow.

        Parameters
        ----------
        positions : in the version.
        labels : (r,) class numbers that a person gave; -1: no class is right (drop).
        """
        r = self.response
        place = np.searchsorted(r.rows, positions)
        if (place >= len(r.rows)).any() or (r.rows[np.minimum(place, len(r.rows) - 1)] != positions).any():
            raise ValueError("a verdict on a row that is not in the queue")
        verdict = dict(zip(self.groups[place].tolist(), labels.tolist(), strict=True))
        at = np.flatnonzero(np.isin(self.groups, list(verdict)) & self.open)
        truth = np.array([verdict[g] for g in self.groups[at].tolist()], dtype=np.int64)
        return self._decided(at, truth)

    def _decided(self, at: np.ndarray, truth: np.ndarray) -> Queue:
        r, k = self.response, self.response.logits.shape[1]
        eye = np.vstack([np.eye(k, dtype=np.float32), np.zeros((1, k), dtype=np.float32)])
        chance = stats.softmax(r.logits[at])
        wanted = np.where((truth >= 0)[:, None], eye[truth], chance)
        delta = wanted - np.where((r.labels[at] >= 0)[:, None], eye[r.labels[at]], chance)
        moved = np.abs(delta).sum(axis=1) > 0
        logits = r.moved(at[moved], delta[moved]) if moved.any() else r.logits
        labels, left = r.labels.copy(), self.open.copy()
        labels[at], left[at] = truth, False
        target = r.target.copy()
        again = np.flatnonzero(left & (labels >= 0))
        target[again] = label_noise.posterior(stats.softmax(logits[again]), labels[again], self.noise)
        target[at] = wanted
        response = replace(r, logits=logits, labels=labels, target=target)
        return replace(self, response=response, open=left, gain=_grouped(response, self.groups, left))


def queue(
    response: Response,
    noise: np.ndarray,
    *,
    minutes: float = 0.25,
    groups: np.ndarray | None = None,
    left: np.ndarray | None = None,
) -> Queue:
    """The order in which verdicts pay most.

    Parameters
    ----------
    noise : (k, k) P(given | true), from the signals.
    minutes : of a person's time for one verdict.
    groups : (n,) numbers over all rows of the version: exact copies share one; default all alone.
    left : (n,) rows that have no verdict yet; default all with a label.
    """
    m = len(response.rows)
    own = np.arange(m) if groups is None else np.unique(groups[response.rows], return_inverse=True)[1]
    unseen = response.labels >= 0
    if left is not None:
        unseen &= left[response.rows]
    return Queue(response, noise, own, minutes, unseen, _grouped(response, own, unseen))


def _grouped(response: Response, groups: np.ndarray, left: np.ndarray) -> np.ndarray:
    """(m,) gain of a verdict on each row's group.

    The effect of a single row is a noisy estimate, and the largest of many noisy ones are largest by
    luck: effects are shrunk to their mean among wrong labels until they differ by half of it.
    """
    at = np.flatnonzero(left)
    p = np.maximum(1.0 - response.target[at, response.labels[at]], 1e-6)
    effect = response.each()[at] / p
    each = np.zeros(len(left))
    if len(at) and (mean := float(p @ effect / p.sum())) > 0:
        spread = float(np.sqrt(p @ (effect - mean) ** 2 / p.sum())) or 1.0
        each[at] = p * mean * np.maximum(1 + SHRUNK * (effect - mean) / spread, LITTLE)
    elif len(at):
        each[at] = p * max(float(np.abs(effect).mean()), 1e-12)
    total = np.bincount(groups, weights=each)
    return np.asarray(np.where(left, total[groups], 0.0))
