"""Learning curves: several families fitted to repeated points, combined by fit, with an honest forecast.

Every family writes the error at m rows as b + a phi(m), with phi falling and convex, a >= 0 and b >= 0.
Given its shape parameters a family is linear in (a, b), so the bounded non-linear least squares is a
grid over shapes with two numbers in closed form at each (variable projection): no starting values, no
local minima, and a thousand noisy copies of the points are fitted at once. Shapes are weighted by their
likelihood, families have equal prior weight, and the spread over copies and shapes is the interval.

References
----------
Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose
variables separate", SIAM J. Numer. Anal. 1973;
Domhan, Springenberg and Hutter, "Speeding up automatic hyperparameter optimization of deep neural
networks by extrapolation of learning curves", IJCAI 2015 (combining families);
Mohr, Viering, Loog and van Rijn, "LCDB 1.0", ECML 2022, and Yan, Mohr and Viering, "LCDB 1.1", 2025
(families; ill-behaved curves);
Mahmood et al., "How much more data do I need?", CVPR 2022 (single power laws mislead).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from tilth.errors import TrialError

__all__ = ["FAMILIES", "Curve", "Forecast", "Luck", "Points", "fit", "luck_of"]

Array = np.ndarray[Any, Any]

LEAST_SIZES = 4
COPIES, DRAWS = 200, 20
UNLIKE, UNLIKE_LAST = 0.5, 0.15
"""What no family describes, as a standard deviation for one more doubling: a share of the fall that is
forecast and a share of the fall at the last doubling. Public data sets need it (decision 0011)."""
BEYOND = 0.01
"""Share of well-behaved curves that may be refused by chance."""
MATERIAL = 0.005
"""Bends smaller than half a point are never a reason to refuse."""


@dataclass(frozen=True)
class Family:
    """phi(m, shape) for sizes in units of the largest size, the shapes tried, and phi at infinity."""

    name: str
    phi: Callable[[Array, Array], Array]
    shapes: Array
    limit: float


def _grid(*axes: Any) -> Array:
    """(shapes, parameters): every combination."""
    return np.array(np.meshgrid(*axes, indexing="ij")).reshape(len(axes), -1).T


FAMILIES: tuple[Family, ...] = (
    Family("pow3", lambda m, s: m ** -s[:, :1], _grid(np.geomspace(0.05, 2.0, 40)), 0.0),
    Family(
        "pow4",
        lambda m, s: (m + s[:, 1:]) ** -s[:, :1],
        _grid(np.geomspace(0.1, 3.0, 18), [0.03, 0.1, 0.3, 1.0]),
        0.0,
    ),
    Family("exp3", lambda m, s: np.exp(-m * s[:, :1]), _grid(np.geomspace(0.3, 12.0, 24)), 0.0),
    Family(
        "wbl4",
        lambda m, s: np.exp(-s[:, :1] * m ** s[:, 1:]),
        _grid(np.geomspace(0.3, 8.0, 14), [0.3, 0.5, 0.7]),
        0.0,
    ),
    Family(
        "mmf4",
        lambda m, s: 1.0 / (1.0 + (m / s[:, 1:]) ** s[:, :1]),
        _grid(np.linspace(0.3, 1.0, 8), np.geomspace(0.03, 3.0, 8)),
        0.0,
    ),
    Family("log2", lambda m, s: -np.log(m) + 0 * s, _grid([0.0]), -np.inf),
)
"""Power laws with three and four parameters, exponential, Weibull, Morgan-Mercer-Flodin, logarithm."""


@dataclass(frozen=True)
class Luck:
    """Variance of the error of one fit: per_row / m from which m rows were drawn, flips at each fit anew."""

    per_row: float
    flips: float

    def between(self, n: float, more: float) -> float:
        """Variance of (error at `more` rows - error at n of them) around the expected difference."""
        return self.per_row * (1.0 / n - 1.0 / more) + self.flips


def luck_of(sizes: Array, errors: Array, total: float) -> Luck:
    """Estimate luck from the spread over repeats.

    Parameters
    ----------
    sizes : (s,) rows.
    errors : (r, s) error of each repeat at each size; NaN where it was not fitted.
    total : rows that the repeats were drawn from. Two subsamples of the same rows vary less than two
        draws from the population: per_row (1/m - 1/total) instead of per_row / m.
    """
    with np.errstate(invalid="ignore"):
        count = (~np.isnan(errors)).sum(axis=0)
        used = count > 1
        if not used.any():
            return Luck(0.0, 0.0)
        spread = np.nanvar(errors[:, used], axis=0, ddof=1)
    slope = np.maximum(1.0 / sizes[used] - 1.0 / total, 0.0)
    df = count[used] - 1.0
    # the variance of a variance grows with its square: weights from a first, unweighted guess
    guess = np.maximum(spread.mean(), 1e-12) * slope / max(slope.mean(), 1e-12) + 1e-12
    best = (np.inf, Luck(0.0, 0.0))
    for share in np.linspace(0.0, 1.0, 11):  # of the mean spread that is flips
        base = spread.mean()
        flips, per_row = share * base, (1 - share) * base / max(slope.mean(), 1e-12)
        model = flips + per_row * slope + 1e-12
        scale = float((df * spread / model).sum() / df.sum())
        model = model * scale + 1e-12
        loss = float((df * (np.log(model) + spread / model)).sum())
        best = min(best, (loss, Luck(per_row * scale, flips * scale)), key=lambda b: b[0])
    del guess
    return best[1]


@dataclass(frozen=True)
class Points:
    """What was measured.

    Attributes
    ----------
    sizes : (s,) training rows, ascending; the last is the size at present.
    errors : (s,) mean error over repeats (1 - score, or the loss).
    repeats : (s,) number of repeats of each.
    luck : of a single fit.
    rows : (b, s) copies of `errors` on resampled evaluation rows; (0, s) when there are none.
    """

    sizes: Array
    errors: Array
    repeats: Array
    luck: Luck
    rows: Array

    def covariance(self) -> Array:
        """(s, s) of the mean errors given the training rows at hand: repeats are nested subsamples."""
        larger = np.maximum.outer(self.sizes, self.sizes)
        shared = np.maximum.outer(self.repeats, self.repeats).astype(float)
        drawn = self.luck.per_row * np.maximum(1.0 / larger - 1.0 / self.sizes[-1], 0.0) / shared
        floor = max(self.luck.flips, 1e-7)
        return np.asarray(drawn + np.diag(floor / self.repeats))


@dataclass(frozen=True)
class Forecast:
    """What to expect at n rows.

    Attributes
    ----------
    rows : n.
    value, low, high : the score (or minus the loss), as these evaluation rows would show it.
    gain, gain_low, gain_high : the change from now in the population that they stand for.
    level : of both intervals.
    """

    rows: int
    value: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float
    level: float

    def to_json(self) -> dict[str, Any]:
        """The forecast as a JSON object."""
        return {
            "rows": self.rows,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "gain": self.gain,
            "gain_low": self.gain_low,
            "gain_high": self.gain_high,
            "level": self.level,
        }


@dataclass(frozen=True)
class _Fits:
    """Every shape fitted to every copy of the points: error now (c, g), amplitude (c, g), misfit (c, g)."""

    now: Array
    amplitude: Array
    misfit: Array


@dataclass(frozen=True)
class Curve:
    """A fitted learning curve, or the reason why there is none.

    Attributes
    ----------
    points : what it was fitted to.
    refused : "" or why no forecast is made.
    families : name to weight.
    used : how many of the sizes (the largest ones) were fitted.
    """

    points: Points
    refused: str
    families: dict[str, float]
    used: int
    fits: _Fits | None
    weights: Array
    seed: int
    loss: bool

    def forecast(self, n: int, *, level: float = 0.8) -> Forecast:
        """Forecast at n rows, from the size at present up.

        Raises
        ------
        TrialError : the curve is ill-behaved, or n lies below the size at present.
        """
        if self.fits is None:
            raise TrialError(f"this learning curve allows no forecast: {self.refused}")
        p, now = self.points, float(self.points.sizes[-1])
        if n < now:
            raise TrialError(f"a forecast is for more rows than the {int(now):,} there are; asked for {n:,}")
        rng = np.random.default_rng(self.seed)
        change = _change(np.array([n / now]))[:, 0]
        copies = COPIES
        fell, here = self._draw(self.fits, change, slice(0, copies), rng)
        fell = self._unlike(fell, n / now, rng)
        lucky = sqrt(p.luck.between(now, max(float(n), now + 1e-9))) if n > now else 0.0
        error = np.maximum(here - fell + lucky * rng.normal(size=len(fell)), 0.0)
        centre = float(np.median(error))
        if len(p.rows):
            fell, _ = self._draw(self.fits, change, slice(copies, None), rng)
            fell = self._unlike(fell, n / now, rng)
        tails = [0.5 - level / 2, 0.5, 0.5 + level / 2]
        low, _, high = np.quantile(error, tails)
        least, middle, most = np.quantile(fell, tails)
        top = 0.0 if self.loss else 1.0
        return Forecast(
            rows=n,
            value=top - max(centre, 0.0),
            low=float(top - high),
            high=float(top - low),
            gain=float(middle),
            gain_low=float(least),
            gain_high=float(most),
            level=level,
        )

    def _draw(
        self, fits: _Fits, change: Array, which: slice, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        """Draws of the fall of the error until then, and of the error now."""
        amplitude, now = fits.amplitude[which], fits.now[which]
        fall = np.clip(-amplitude * change[None, :], 0.0, now)
        shape = rng.choice(len(self.weights), size=(len(fall), DRAWS), p=self.weights)
        return np.take_along_axis(fall, shape, 1).ravel(), np.take_along_axis(now, shape, 1).ravel()

    def _unlike(self, fell: Array, times: float, rng: np.random.Generator) -> Array:
        """Draws of the fall with what no family describes; the expected error never rises."""
        half, now = self.error_at(self.points.sizes[-1] * np.array([0.5, 1.0]))
        spread = np.hypot(UNLIKE * fell, UNLIKE_LAST * (half - now)) * min(np.log2(times), 2.0)
        return np.asarray(np.maximum(fell + spread * rng.normal(size=len(fell)), 0.0))

    def error_at(self, sizes: Array) -> Array:
        """Expected error at sizes from the smallest fitted one up, for drawing the curve."""
        if self.fits is None:
            return np.full(len(sizes), np.nan)
        psi = _change(np.asarray(sizes, dtype=float) / self.points.sizes[-1])
        curve = self.fits.now[0][:, None] + self.fits.amplitude[0][:, None] * psi
        return np.asarray(np.maximum(self.weights @ curve, 0.0))


def _change(relative: Array) -> Array:
    """(shapes, sizes) phi(m) - phi(now) of every shape of every family."""
    one = np.ones(1)
    return np.vstack([f.phi(relative[None, :], f.shapes) - f.phi(one[None, :], f.shapes) for f in FAMILIES])


def _floors() -> Array:
    """(shapes,) phi(infinity) - phi(now)."""
    one = np.ones((1, 1))
    return np.concatenate([(f.limit - f.phi(one, f.shapes))[:, 0] for f in FAMILIES])


def _solve(psi: Array, precision: Array, y: Array) -> _Fits:
    """Weighted least squares of y (c, s) on 1 and each line of psi (g, s), within the bounds."""
    ones = np.ones(psi.shape[1])
    p1 = precision @ ones
    pp = psi @ precision
    a, b, d = float(ones @ p1), psi @ p1, (pp * psi).sum(axis=1)
    u, v = y @ p1, y @ pp.T
    determinant = np.maximum(a * d - b * b, 1e-300)
    now = (u[:, None] * d - b * v) / determinant
    amplitude = (a * v - b * u[:, None]) / determinant
    flat = amplitude <= 0
    now, amplitude = np.where(flat, (u / a)[:, None], now), np.where(flat, 0.0, amplitude)
    # an asymptote below zero: put it at zero, one number is left
    floor = _floors()
    below = np.isfinite(floor) & (now + amplitude * np.where(np.isfinite(floor), floor, 0.0) < 0)
    zero = psi - np.where(np.isfinite(floor), floor, 0.0)[:, None]
    zp = zero @ precision
    only = (y @ zp.T) / np.maximum((zp * zero).sum(axis=1), 1e-300)
    amplitude = np.where(below, np.maximum(only, 0.0), amplitude)
    now = np.where(below, -amplitude * np.where(np.isfinite(floor), floor, 0.0), now)
    square = ((y @ precision) * y).sum(axis=1)[:, None]
    misfit = square - 2 * (now * u[:, None] + amplitude * v)
    misfit += now**2 * a + 2 * now * amplitude * b + amplitude**2 * d
    return _Fits(now, amplitude, np.maximum(misfit, 0.0))


def bends(sizes: Array, errors: Array, covariance: Array, level: float = BEYOND) -> str:
    """Why these points are not falling and convex beyond chance, "" when they could be.

    Each pair must not rise and each three neighbours must not bend down, beyond a normal quantile that
    is corrected for the number of tests, and by more than half a point.
    """
    from scipy.special import ndtri

    s = len(sizes)
    tests: list[tuple[Array, str]] = []
    for i in range(s):
        for j in range(i + 1, s):
            row = np.zeros(s)
            row[[i, j]] = -1.0, 1.0
            words = f"the error rises from {errors[i]:.3f} at {sizes[i]:,.0f} rows to {errors[j]:.3f} at"
            tests.append((row, f"not monotone: {words} {sizes[j]:,.0f}"))
    for i in range(1, s - 1):
        part = (sizes[i] - sizes[i - 1]) / (sizes[i + 1] - sizes[i - 1])
        row = np.zeros(s)
        row[[i - 1, i, i + 1]] = -(1 - part), 1.0, -part
        words = f"the error at {sizes[i]:,.0f} rows lies above the line between its neighbours"
        tests.append((row, f"not convex: {words}"))
    limit = float(-ndtri(level / max(len(tests), 1)))
    worst, said = 0.0, ""
    for row, words in tests:
        by, sd = float(row @ errors), sqrt(max(float(row @ covariance @ row), 1e-14))
        if by > MATERIAL and by / sd > max(limit, worst):
            worst, said = by / sd, words
    return said


def _tail(points: Points, covariance: Array) -> tuple[int, str]:
    """How many of the largest sizes are well-behaved (the first bend may be a plateau of very few rows)."""
    s = len(points.sizes)
    reason = f"only {s} sizes were measured, and {LEAST_SIZES} are needed"
    for start in range(s - LEAST_SIZES + 1):
        cov = covariance[start:, start:]
        reason = bends(points.sizes[start:], points.errors[start:], cov)
        if not reason:
            return s - start, ""
    return 0, reason


def fit(points: Points, *, seed: int = 0, loss: bool = False) -> Curve:
    """Fit every family; a curve that is not falling and convex beyond chance is refused.

    Parameters
    ----------
    points : the measured points.
    seed : of the noisy copies.
    loss : the error is a loss, and a forecast's value minus that; else it is 1 - score.
    """
    covariance = points.covariance()
    used, refused = _tail(points, covariance)
    if refused:
        return Curve(points, refused, {}, 0, None, np.zeros(0), seed, loss)
    cov = covariance[-used:, -used:]
    errors, psi = points.errors[-used:], _change(points.sizes[-used:] / points.sizes[-1])
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(COPIES, used)) @ np.linalg.cholesky(cov).T
    noise[0] = 0.0
    y = errors + noise
    if len(points.rows):
        moved = points.rows[:, -used:] + noise[rng.integers(0, COPIES, len(points.rows))]
        y = np.vstack([y, moved])
    fits = _solve(psi, np.linalg.inv(cov), y)
    prior = np.concatenate([np.full(len(f.shapes), 1.0 / len(f.shapes)) for f in FAMILIES])
    misfit = fits.misfit[0] / max(1.0, float(fits.misfit[0].min()) / max(used - 2, 1))
    weights = prior * np.exp(-0.5 * (misfit - misfit.min()))
    weights /= weights.sum()
    ends = np.cumsum([0, *(len(f.shapes) for f in FAMILIES)])
    families = {f.name: float(weights[a:b].sum()) for f, a, b in zip(FAMILIES, ends, ends[1:], strict=False)}
    return Curve(points, "", families, used, fits, weights, seed, loss)
