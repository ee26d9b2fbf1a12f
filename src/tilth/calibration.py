"""From a claimed probability to a believed one: a prior from past data sets, updated by verdicts.

logit P = intercept + slope * logit(claimed) + offset of the claim's bin: Platt's curve with a small
deviation for each of nine bins, so that many verdicts can bend it where it does not fit. Intercept and
slope are normal, the offsets are normal around zero; how far apart they lie between data sets was
measured (`benchmarks/calibration.py --prior`). The posterior is found on a grid and drawn from, which
gives an interval for everything that is computed from it, before the first verdict and after.

References
----------
Platt, "Probabilistic outputs for support vector machines", 1999; Kull, Silva Filho and Flach, "Beta
calibration", AISTATS 2017; Little, "To model or not to model? Competing modes of inference for finite
population sampling", JASA 2004 (estimating a total by a model that respects the sampling weights).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tilth.stats import Interval, log_sum_exp

__all__ = ["RIGHT", "WRONG", "Belief", "Judged", "Prior", "Reach", "believe", "largest_set", "platt", "total"]

LOWEST = 1e-4
"""Claims are cut to [LOWEST, 1 - LOWEST]: beyond, float32 probabilities say nothing."""
EDGES = np.log(np.array([0.005, 0.02, 0.08, 0.25, 0.5, 0.75, 0.92, 0.98]))
EDGES = EDGES - np.log1p(-np.exp(EDGES))
BINS = len(EDGES) + 1
STEP = 0.2
"""Width of the cells of logit(claimed) in which rows are counted."""
DRAWS = 1_000
POINTS = 25


Matrix2 = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Prior:
    """What is known about a curve before any verdict.

    Attributes
    ----------
    mean : intercept and slope.
    covariance : of the two, between data sets.
    spread : standard deviation of the offset of a bin.
    settings : number of (data set, kind of noise, rate) that they were measured on.
    by_copy : how the mean follows from the curve of errors planted in a copy of the data: two lines
        (constant, factor of its intercept, factor of its slope), by least squares over the settings.
    left : covariance that remains then.
    """

    mean: tuple[float, float]
    covariance: Matrix2
    spread: float
    settings: int
    by_copy: tuple[tuple[float, float, float], tuple[float, float, float]] | None = None
    left: Matrix2 | None = None

    def after_copy(self, intercept: float, slope: float) -> Prior:
        """The prior once errors were planted in a copy and their curve was found."""
        if self.by_copy is None or self.left is None:
            return self
        first, second = (float(np.dot(line, [1.0, intercept, slope])) for line in self.by_copy)
        return Prior((first, second), self.left, self.spread, self.settings)


WRONG = Prior(
    (0.250, 0.815), ((1.931, 0.345), (0.345, 0.171)), 0.65, 144,
    by_copy=((-0.677, -0.250, 0.989), (0.254, -0.125, 0.604)), left=((1.881, 0.313), (0.313, 0.151)),
)  # fmt: skip
"""Of P(wrong) as `tilth.signals` claims it; measured by `benchmarks/calibration.py --prior`.

The spread was measured as 0.33 on 1,500 rows a setting and 0.66 on 3,000; with the smaller one a count
of errors was further off than without a model.
"""
RIGHT = Prior((0.234, 0.802), ((1.800, 0.305), (0.305, 0.162)), 0.65, 144)
"""Of the probability that the suggested label is the right one; measured alike."""


@dataclass(frozen=True)
class Judged:
    """Verdicts as numbers.

    Attributes
    ----------
    claimed : (m,) probability of the event as claimed when the verdict was given.
    happened : (m,) 1.0 where the event was true, 0.0 where not.
    weight : (m,) proportional to 1 / inclusion probability, mean 1 in each draw; 1 for rows that a
        person chose.
    """

    claimed: np.ndarray
    happened: np.ndarray
    weight: np.ndarray

    @staticmethod
    def none() -> Judged:
        """No verdicts."""
        return Judged(np.empty(0), np.empty(0), np.empty(0))

    def __len__(self) -> int:
        return len(self.claimed)


def logit(p: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)), cut to probabilities in [LOWEST, 1 - LOWEST]."""
    cut = np.clip(np.asarray(p, dtype=np.float64), LOWEST, 1 - LOWEST)
    return np.asarray(np.log(cut) - np.log1p(-cut))


def expit(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x))."""
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


@dataclass(frozen=True)
class Belief:
    """Draws from the posterior of a curve.

    Attributes
    ----------
    intercept, slope : (d,) draws.
    offset : (d, BINS) draws.
    seen : (m,) claims of the verdicts behind it, ascending; none: the prior.
    """

    intercept: np.ndarray
    slope: np.ndarray
    offset: np.ndarray
    seen: np.ndarray

    @property
    def verdicts(self) -> int:
        """Number of verdicts behind it."""
        return len(self.seen)

    def draws(self, x: np.ndarray) -> np.ndarray:
        """(d, m) probabilities at logits x of the claim."""
        offset = self.offset[:, np.searchsorted(EDGES, x)]
        return expit(self.intercept[:, None] + self.slope[:, None] * x + offset)

    @cached_property
    def _curve(self) -> tuple[np.ndarray, np.ndarray]:
        """Logits of the claim and of the believed mean, both strictly ascending."""
        x = np.arange(-9.4, 9.41, STEP)
        middle = np.concatenate([[EDGES[0] - 1], (EDGES[1:] + EDGES[:-1]) / 2, [EDGES[-1] + 1]])
        smooth = np.array([np.interp(x, middle, line) for line in self.offset])
        mean = expit(self.intercept[:, None] + self.slope[:, None] * x + smooth).mean(axis=0)
        y = np.log(mean) - np.log1p(-mean)
        # the order of the rows is the audit's; a flat piece would lose it
        least = 0.02 * STEP
        return x, np.maximum.accumulate(y - least * np.arange(len(x))) + least * np.arange(len(x))

    def __call__(self, claimed: np.ndarray) -> np.ndarray:
        """(n,) believed probabilities of these claims; keeps their order."""
        x, y = self._curve
        return expit(np.interp(logit(claimed), x, y))

    def interval(self, claimed: float, level: float = 0.9) -> Interval:
        """What a claim stands for, with an interval."""
        found = self.draws(logit(np.array([claimed])))[:, 0]
        low, high = np.quantile(found, [0.5 - level / 2, 0.5 + level / 2])
        return Interval(float(found.mean()), float(low), float(high))


def platt(claimed: np.ndarray, happened: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Intercept and slope of the logit, by weighted maximum likelihood with a faint pull to (0, 1).

    Parameters
    ----------
    claimed, happened, weight : (n,) as in `Judged`.
    """
    x, point = logit(claimed), np.array([0.0, 1.0])
    design = np.stack([np.ones_like(x), x], axis=1)
    for _ in range(30):
        p = expit(design @ point)
        slope = design.T @ (weight * (happened - p)) - (point - [0.0, 1.0])
        curve = (design * (weight * p * (1 - p))[:, None]).T @ design + np.eye(2)
        step = np.linalg.solve(curve, slope)
        point = point + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-6:
            break
    return float(point[0]), float(point[1])


def _cells(judged: Judged) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, effective verdicts and effective events, in cells of logit(claimed).

    Weights count within a bin: there they sum to Kish's effective number of verdicts.
    """
    x = logit(judged.claimed)
    bin_of = np.searchsorted(EDGES, x)
    first = np.bincount(bin_of, judged.weight, BINS)
    second = np.bincount(bin_of, judged.weight**2, BINS)
    weight = judged.weight * (first / np.maximum(second, 1e-12))[bin_of]
    # a cell lies in one bin: cells are numbered by bin first
    code = bin_of * 1_000 + np.round(x / STEP).astype(np.int64) + 500
    _, cell = np.unique(code, return_inverse=True)
    n = np.bincount(cell, weight)
    return np.bincount(cell, weight * x) / n, n, np.bincount(cell, weight * judged.happened)


def believe(prior: Prior, judged: Judged, *, draws: int = DRAWS, seed: int = 0) -> Belief:
    """The posterior of the curve given verdicts; the prior where there are none.

    Parameters
    ----------
    prior : where the curve is expected to lie.
    judged : the verdicts.
    draws : how many draws to take; deterministic for a seed.
    """
    rng = np.random.default_rng(seed)
    mean, root = np.array(prior.mean), np.linalg.cholesky(np.array(prior.covariance))
    delta = np.linspace(-3, 3, 21) * max(prior.spread, 1e-3)
    log_delta = -0.5 * (delta / max(prior.spread, 1e-3)) ** 2
    log_delta -= np.log(np.exp(log_delta).sum())
    if len(judged) == 0:
        ab = mean + rng.standard_normal((draws, 2)) @ root.T
        return Belief(ab[:, 0], ab[:, 1], prior.spread * rng.standard_normal((draws, BINS)), judged.claimed)
    cells = _cells(judged)
    centre, scale = mean, root
    # the second grid lies where the first one found the mass
    for width in (4.0, 3.5):
        line = np.linspace(-width, width, POINTS)
        unit = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
        grid = centre + unit @ scale.T
        by_bin = _likelihood(grid, delta, cells) + log_delta
        away = np.linalg.solve(root, (grid - mean).T)
        log_mass = log_sum_exp(by_bin).sum(axis=1) - 0.5 * (away**2).sum(axis=0)
        mass = np.exp(log_mass - log_mass.max())
        mass /= mass.sum()
        centre = mass @ grid
        around = (grid - centre) * np.sqrt(mass)[:, None]
        scale = np.linalg.cholesky(around.T @ around + 1e-8 * np.eye(2))
    picked = rng.choice(len(grid), draws, p=mass)
    step = 2 * width / (POINTS - 1)
    jitter = (rng.random((draws, 2)) - 0.5) * step
    ab = grid[picked] + jitter @ np.asarray(np.linalg.lstsq(unit, grid - grid.mean(axis=0), rcond=None)[0])
    share = np.exp(by_bin[picked] - log_sum_exp(by_bin[picked])[..., None])
    chosen = (share.cumsum(axis=2) < rng.random((draws, BINS, 1))).sum(axis=2)
    return Belief(ab[:, 0], ab[:, 1], delta[np.minimum(chosen, len(delta) - 1)], np.sort(judged.claimed))


def _likelihood(
    grid: np.ndarray, delta: np.ndarray, cells: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> np.ndarray:
    """(g, BINS, t) log likelihood of the verdicts in each bin, for curves and offsets."""
    x, n, hits = cells
    z = grid[:, :1] + grid[:, 1:] * x
    z = z[:, :, None] + delta
    # log p and log(1 - p) without overflow
    soft = np.logaddexp(0.0, z)
    value = hits[None, :, None] * z - n[None, :, None] * soft
    out = np.zeros((len(grid), BINS, len(delta)))
    bin_of = np.searchsorted(EDGES, x)
    for b in np.unique(bin_of):
        out[:, b] = value[:, bin_of == b].sum(axis=1)
    return out


def total(
    belief: Belief, claimed: np.ndarray, *, known: float = 0.0, level: float = 0.95, seed: int = 0
) -> Interval:
    """How many of these rows the event is true of, with an interval.

    Parameters
    ----------
    claimed : (n,) claims of the rows without a verdict.
    known : how many rows with a verdict are to be added.
    level : of the interval, which covers doubt about the curve and the luck of these very rows.
    """
    if len(claimed) == 0:
        return Interval(known, known, known)
    x, count = _histogram(logit(claimed), STEP)
    p = belief.draws(x)
    found = known + np.random.default_rng(seed).binomial(count, p).sum(axis=1)
    low, high = np.quantile(found, [0.5 - level / 2, 0.5 + level / 2])
    value = float(known + (p @ count).mean())  # next to zero it lies above every count that is likely
    return Interval(value, min(value, float(low)), max(value, float(high)))


def _histogram(x: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and number of the values in each filled cell, ascending; a cell lies in one bin of offsets."""
    code = np.searchsorted(EDGES, x) * 100_000 + np.round(x / step).astype(np.int64) + 50_000
    _, cell, count = np.unique(code, return_inverse=True, return_counts=True)
    return np.bincount(cell, x) / count, count


@dataclass(frozen=True)
class Reach:
    """The largest set of rows that keeps a false-discovery rate.

    Attributes
    ----------
    least : the claim from which on rows are in the set; above 1 when it is empty.
    count : number of rows in the set.
    rate : estimated share of false discoveries, with its interval.
    """

    least: float
    count: int
    rate: Interval


def largest_set(
    belief: Belief, claimed: np.ndarray, rate: float, *, level: float = 0.95, seed: int = 0
) -> Reach:
    """The largest set of rows with the highest claims whose false-discovery rate is at most `rate`.

    The share of false discoveries in these very rows stays below the rate in `level` of the draws; a set
    has 1 / rate rows at least (in a smaller one a single error breaks the rate) and half as many verdicts
    among claims as high (else only the shape of the curve would vouch for it). So before the first
    verdicts there is none.

    Parameters
    ----------
    claimed : (n,) claimed probability that changing the row is right.
    rate : the false-discovery rate asked for, in (0, 1).
    level : how sure it has to be that the rate is kept.

    References
    ----------
    Benjamini and Hochberg, 1995; Efron, "Large-scale inference", 2010 (the rate as the mean of local
    false-discovery rates over the set).
    """
    nothing = Reach(2.0, 0, Interval(0.0, 0.0, 0.0))
    if len(claimed) == 0:
        return nothing
    x, count = _histogram(logit(claimed), 0.05)
    x, count = x[::-1], count[::-1]
    false, size = 1.0 - belief.draws(x), np.cumsum(count)
    lucky = np.random.default_rng(seed).binomial(count, false).cumsum(axis=1) / size
    low, high = np.quantile(lucky, [1 - level, level], axis=0)
    seen = belief.verdicts - np.searchsorted(np.sort(logit(belief.seen)), x - 0.025)
    fits = np.flatnonzero((high <= rate) & (size >= 1 / rate) & (seen >= 0.5 / rate))
    if len(fits) == 0:
        return nothing
    last = int(fits[-1])
    order = np.sort(np.asarray(claimed, dtype=np.float64))[::-1]
    mean = float((false.mean(axis=0) * count)[: last + 1].sum() / size[last])
    found = Interval(mean, float(low[last]), float(high[last]))
    return Reach(float(order[size[last] - 1]), int(size[last]), found)
