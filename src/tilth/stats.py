"""Intervals, paired effects, calibration, noise and power: pure; every formula has its one home here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal

import numpy as np

__all__ = [
    "Calibration",
    "Effect",
    "Interval",
    "Verdict",
    "binomial_tail",
    "calibrate",
    "clopper_pearson",
    "effect",
    "expected_calibration_error",
    "holm_adjusted",
    "holm_levels",
    "log_sum_exp",
    "mean_interval",
    "robust_z",
    "softmax",
    "t_quantile",
    "verdict",
    "wilson",
]

Array = np.ndarray[Any, Any]
Verdict = Literal["better", "worse", "no evidence"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its confidence interval, in the unit of the value."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Effect:
    """A paired difference, after minus before, with both sources of chance.

    Attributes
    ----------
    value : the difference; positive is better.
    low, high : interval at `level`.
    se_rows : standard error from which rows are in the evaluation set.
    se_training : standard error from which rows happened to be trained on.
    df : degrees of freedom (Welch and Satterthwaite).
    detectable : smallest true effect that this comparison would call better in 80 % of cases.
    rows : number of evaluation rows.
    """

    value: float
    low: float
    high: float
    level: float
    se_rows: float
    se_training: float
    df: float
    detectable: float
    rows: int

    @property
    def verdict(self) -> Verdict:
        """better or worse when the interval excludes zero, else no evidence."""
        return verdict(self.low, self.high)


def verdict(low: float, high: float) -> Verdict:
    """Verdict of an interval of a difference where positive is better."""
    if low > 0:
        return "better"
    return "worse" if high < 0 else "no evidence"


def t_quantile(p: float, df: float) -> float:
    """Quantile of Student's t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(max(df, 1.0), p))


def wilson(hits: float, n: float, level: float = 0.95) -> Interval:
    """Wilson's score interval of a share; [0, 1] when n is 0.

    References
    ----------
    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.
    """
    if n <= 0:
        return Interval(float("nan"), 0.0, 1.0)
    z = t_quantile(0.5 + level / 2, 1e9)
    p = hits / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Interval(p, max(0.0, centre - half), min(1.0, centre + half))


def clopper_pearson(hits: int, n: int, level: float = 0.95) -> Interval:
    """Clopper and Pearson's interval of a share: it covers at least `level` at every n; [0, 1] when n is 0.

    References
    ----------
    Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the
    binomial", Biometrika 1934.
    """
    from scipy.special import betaincinv

    if n <= 0:
        return Interval(float("nan"), 0.0, 1.0)
    tail = (1.0 - level) / 2
    low = float(betaincinv(hits, n - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1.0 - tail)) if hits < n else 1.0
    return Interval(hits / n, low, high)


def binomial_tail(hits: Array, n: Array, share: float) -> Array:
    """P(at most so many hits of n) where each comes with this probability; 1 where n is 0."""
    from scipy.special import bdtr

    hits, n = np.asarray(hits, dtype=np.float64), np.asarray(n, dtype=np.int64)
    return np.asarray(np.where(n > 0, bdtr(np.minimum(hits, n), np.maximum(n, 1), share), 1.0))


def effect(
    differences: Array,
    deleted: Array,
    *,
    level: float = 0.95,
    weights: Array | None = None,
    parts: int = 0,
) -> Effect:
    """Interval of a mean paired difference over evaluation rows and training luck.

    Parameters
    ----------
    differences : (n,) difference of each evaluation row, models fitted on all training rows.
    deleted : (g, n) the same when one of g groups of training rows is left out of both arms
        (delete-a-group jackknife).
    weights : (n,) weights of the rows that sum to one, default equal.
    parts : number of groups in all when only g of them were left out in turn; default g.

    Notes
    -----
    Var(mean) = E Var(mean | training rows) + Var E(mean | training rows). The first part is the usual
    variance of a weighted mean. The second is (p - 1)^2 / (p (g - 1)) sum_j m_j^2 over the g of p groups
    that were left out (the usual (g - 1) / g sum when all were), for the jackknife's deviations
    m_j = theta_j - thetabar *in the population*; on n evaluation rows m_j^2 is too large by the
    sampling variance of m_j itself (a handful of rows that flip at random), which would be
    multiplied by g - 1: it is estimated from the rows and subtracted. Without this the interval of an
    accuracy is two to three times too wide. Degrees of freedom by Welch and Satterthwaite.

    Rows that all moved alike have no variance, but are no certainty: under symmetric chance all n go the
    same way with probability 2^(1 - n). Where every row moved, the first part is at least so large that
    the p value is not below that of the sign test: five rows are never evidence. With rows that did not
    move among them the t interval holds its level by itself (simulated), so it is left alone.

    References
    ----------
    Dixon and Mood, "The statistical sign test", JASA 1946;
    Efron and Stein, "The jackknife estimate of variance", Annals of Statistics 1981;
    Kott, "The delete-a-group jackknife", Journal of Official Statistics 2001.
    """
    n, g = len(differences), len(deleted)
    w = np.full(n, 1.0 / n) if weights is None else np.asarray(weights, dtype=np.float64)
    value, rows_var, train_var = _parts_of_variance(differences, deleted, w, parts or g)
    if np.count_nonzero(differences) == n > 0:
        rows_var = max(rows_var, _sign_floor(value, n))
    total = rows_var + train_var
    df = _welch([(rows_var, n - 1), (train_var, g - 1)])
    se = sqrt(total)
    t = t_quantile(0.5 + level / 2, df)
    return Effect(
        value=value,
        low=value - t * se,
        high=value + t * se,
        level=level,
        se_rows=sqrt(rows_var),
        se_training=sqrt(train_var),
        df=df,
        detectable=(t + t_quantile(0.8, df)) * se,
        rows=n,
    )


def mean_interval(
    values: Array, deleted: Array, *, level: float = 0.95, weights: Array | None = None, parts: int = 0
) -> Interval:
    """Interval of a mean over evaluation rows and training luck; parameters as for `effect`.

    Notes
    -----
    As `effect`, but where all rows have the same value of 0 or 1 (every answer right), the variance is
    that of Agresti and Coull, p (1 - p) / (n + 4) with p = (hits + 2) / (n + 4): ten of ten is no certainty.

    References
    ----------
    Agresti and Coull, "Approximate is better than exact", The American Statistician 1998.
    """
    n, g = len(values), len(deleted)
    w = np.full(n, 1.0 / n) if weights is None else np.asarray(weights, dtype=np.float64)
    value, rows_var, train_var = _parts_of_variance(values, deleted, w, parts or g)
    if rows_var < 1e-12 and min(abs(value), abs(value - 1.0)) < 1e-9:
        size = 1.0 / float(w @ w)
        p = (size * round(value) + 2.0) / (size + 4.0)
        rows_var = p * (1.0 - p) / (size + 4.0)
    df = _welch([(rows_var, n - 1), (train_var, g - 1)])
    half = t_quantile(0.5 + level / 2, df) * sqrt(rows_var + train_var)
    return Interval(value, value - half, value + half)


def _parts_of_variance(values: Array, deleted: Array, w: Array, parts: int) -> tuple[float, float, float]:
    """Weighted mean, its variance from the rows and that from training; see `effect`."""
    rows_var, train_var = _mean_variance(values, w), 0.0
    if (g := len(deleted)) > 1:
        moved = deleted - deleted.mean(axis=0)
        own_noise = np.array([_mean_variance(row, w) for row in moved])
        spread = float(((moved @ w) ** 2 - own_noise).sum()) / (g - 1)
        train_var = max(0.0, (parts - 1) ** 2 / parts * spread)
    return float(w @ values), rows_var, train_var


def _sign_floor(value: float, n: int) -> float:
    """Least variance of a mean of n differences none of which is zero: see `effect`."""
    # beyond 50 rows the bound is below what a t test can give
    return (value / max(1.0, t_quantile(1.0 - 0.5 ** min(n, 50), n - 1))) ** 2


def _mean_variance(values: Array, w: Array) -> float:
    """Sampling variance of a weighted mean of independent rows."""
    n = len(values)
    centred = values - float(w @ values)
    return float((w**2) @ centred**2) * n / max(n - 1, 1)


def _welch(parts: Sequence[tuple[float, float]]) -> float:
    """Degrees of freedom of a sum of independent variance estimates."""
    total = sum(v for v, _ in parts)
    if total == 0:
        return max(1.0, *(df for _, df in parts))
    return max(1.0, total**2 / sum(v * v / max(df, 1.0) for v, df in parts if v > 0))


def holm_levels(p_values: Sequence[float], alpha: float = 0.05) -> list[bool]:
    """Which hypotheses Holm's step-down procedure rejects at family-wise error alpha.

    References
    ----------
    Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statistics 1979.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    rejected = [False] * len(p_values)
    for rank, i in enumerate(order):
        if p_values[i] > alpha / (len(p_values) - rank):
            break
        rejected[i] = True
    return rejected


def holm_adjusted(p_values: Array, tests: int | None = None) -> Array:
    """(m,) p values corrected by Holm's step-down procedure, at most 1.

    Parameters
    ----------
    p_values : (m,) of those tests that may be small.
    tests : number of tests in all, at least m; the others have larger p values. Default m.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    factor = (tests or len(p)) - np.arange(len(p))
    out = np.empty(len(p))
    out[order] = np.minimum(np.maximum.accumulate(p[order] * factor), 1.0)
    return out


def p_value(effect: Effect) -> float:
    """Two-sided p value of a zero effect; below 1 - level exactly where the verdict is not "no evidence"."""
    from scipy.special import stdtr

    se = sqrt(effect.se_rows**2 + effect.se_training**2)
    if se == 0:
        return 1.0
    return float(2 * stdtr(effect.df, -abs(effect.value) / se))


def log_sum_exp(values: Array) -> Array:
    """log sum exp over the last axis."""
    top = values.max(axis=-1)
    return np.asarray(top + np.log(np.exp(values - top[..., None]).sum(axis=-1)))


def softmax(logits: Array) -> Array:
    """Row-wise softmax, (n, k)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    np.exp(shifted, out=shifted)
    shifted /= shifted.sum(axis=1, keepdims=True)
    return np.asarray(shifted)


@dataclass(frozen=True, slots=True)
class Calibration:
    """p = (1 - noise) softmax(temperature * logits) + noise / k, fitted on out-of-sample logits.

    `softmax(temperature * logits)` alone is the probability of the *true* class; the rest models
    labels given at random, so `noise` estimates their share.
    """

    temperature: float
    noise: float


def calibrate(logits: Array, labels: Array) -> Calibration:
    """Fit temperature and noise by maximum likelihood of the given labels.

    One temperature alone is wrong under label noise: it softens every answer to explain the few that
    cannot be explained.
    """
    from scipy.optimize import minimize

    k = logits.shape[1]
    if len(labels) == 0:
        return Calibration(1.0, 0.0)
    if len(labels) > 20_000:  # two numbers need no more rows than this
        pick = np.linspace(0, len(labels) - 1, 20_000).astype(int)
        logits, labels = logits[pick], labels[pick]
    at = np.arange(len(labels))

    def loss(point: Array) -> float:
        noise = 1.0 / (1.0 + np.exp(-point[1]))
        p = softmax(logits * np.float32(np.exp(point[0])))[at, labels]
        return float(-np.log((1 - noise) * p + noise / k + 1e-12).mean())

    best = min(
        (
            minimize(loss, [0.3, start], method="Nelder-Mead", options={"maxiter": 60, "xatol": 0.01})
            for start in (-4.0, -1.5)
        ),
        key=lambda r: float(r.fun),
    )
    return Calibration(float(np.exp(best.x[0])), float(1.0 / (1.0 + np.exp(-best.x[1]))))


def expected_calibration_error(probabilities: Array, hits: Array, bins: int = 15) -> float:
    """Mean gap between claimed probability and share of hits, over equal-width bins.

    References
    ----------
    Naeini et al., "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015.
    """
    bin_of = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = np.bincount(bin_of, weights=probabilities - hits, minlength=bins)
    return float(np.abs(gaps).sum() / max(len(hits), 1))


def robust_z(values: Array) -> Array:
    """Distance from the median in units of the scaled median absolute deviation."""
    middle = np.median(values)
    mad = float(np.median(np.abs(values - middle))) * 1.4826
    return np.asarray((values - middle) / (mad or 1.0))
