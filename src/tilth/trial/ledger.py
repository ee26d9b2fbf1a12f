"""Predictions against what was realised: a factor for each kind of action, shrunk to what others saw.

A prediction p and the gain r measured for the same patch, with standard error s, obey r = f p + noise,
where f is the factor of the kind and single actions scatter around it by a share of p. With a normal
prior for f, the posterior is normal, in closed form, and narrows with each trial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import atanh, sqrt, tanh

import numpy as np

from tilth import stats

__all__ = ["PRIOR", "Entry", "Factor", "correlation", "recalibrate"]


@dataclass(frozen=True)
class Prior:
    """What was seen before this project.

    Attributes
    ----------
    factor, sd : realised over predicted, and how much it differs between data sets.
    scatter : how much single actions differ from their data set's factor, as a share of the prediction.
    source : where it was measured.
    """

    factor: float
    sd: float
    scatter: float
    source: str


PRIOR = Prior(1.1, 0.5, 0.7, "48 batches on three public data sets with planted errors, benchmarks/LOG.md")
"""Pooled over past projects. Errors that depend on the input itself are not foreseen at all (see there)."""


@dataclass(frozen=True)
class Entry:
    """A prediction and what became of it.

    Attributes
    ----------
    kind : of action: relabel, drop, review, collect ...
    predicted : gain as predicted by the closed form, before recalibration.
    realised, se : gain as measured and its standard error.
    """

    kind: str
    predicted: float
    realised: float
    se: float


@dataclass(frozen=True)
class Factor:
    """Realised over predicted gain of one kind of action.

    Attributes
    ----------
    value, low, high : posterior mean and 95 % interval.
    sd : posterior standard deviation.
    trials : how many measurements of this project are in it; with 0 it is the prior alone.
    """

    kind: str
    value: float
    low: float
    high: float
    sd: float
    trials: int

    def gain(self, predicted: float, se: float, level: float = 0.95) -> stats.Interval:
        """A prediction recalibrated, with an interval for the gain that will be measured.

        Parameters
        ----------
        predicted, se : of the closed form.
        """
        t = stats.t_quantile(0.5 + level / 2, 1e9)
        spread = sqrt(predicted**2 * (self.sd**2 + PRIOR.scatter**2) + (self.value * se) ** 2)
        value = self.value * predicted
        return stats.Interval(value, value - t * spread, value + t * spread)


def recalibrate(kind: str, entries: Sequence[Entry], prior: Prior = PRIOR) -> Factor:
    """The factor of a kind from the measurements of that kind."""
    precision, weighted = 1 / prior.sd**2, prior.factor / prior.sd**2
    mine = [e for e in entries if e.kind == kind and e.predicted != 0]
    for e in mine:
        variance = e.se**2 + (prior.scatter * e.predicted) ** 2
        precision += e.predicted**2 / variance
        weighted += e.predicted * e.realised / variance
    value, sd = weighted / precision, sqrt(1 / precision)
    t = stats.t_quantile(0.975, 1e9)
    return Factor(kind, value, value - t * sd, value + t * sd, sd, len(mine))


def correlation(entries: Sequence[Entry]) -> stats.Interval | None:
    """Pearson's correlation of predicted and realised gains; None with fewer than four.

    References
    ----------
    Fisher, "On the 'probable error' of a coefficient of correlation", Metron 1921, for the interval.
    """
    if len(entries) < 4:
        return None
    predicted, realised = np.array([(e.predicted, e.realised) for e in entries]).T
    if predicted.std() == 0 or realised.std() == 0:
        return None
    r = float(np.clip(np.corrcoef(predicted, realised)[0, 1], -0.999999, 0.999999))
    half = stats.t_quantile(0.975, 1e9) / sqrt(len(entries) - 3)
    return stats.Interval(r, tanh(atanh(r) - half), tanh(atanh(r) + half))
