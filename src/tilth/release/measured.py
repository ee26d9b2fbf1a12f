"""What answers on evaluation rows are worth: scores, calibration, share answered; pure, and in one place.

`tilth release` writes these numbers into a bundle and `tilth verify` computes them again, by the same
function, from the bundle's own answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from tilth import stats
from tilth.data import canonical
from tilth.trial.measure import row_weights

__all__ = ["LEAST_ROWS", "Measured", "Part", "measure", "row_digest"]

LEAST_ROWS = 10
"""Rows below which a class or slice gets no score: as for the floors of a trial."""
BINS, DRAWS = 15, 2000
Array = np.ndarray[Any, Any]


def row_digest(text: object, label: object) -> str:
    """32 hex digits of what a score depends on: the text and the label of a row.

    Whoever has the rows can find those that were scored, and nobody can read a row out of its digest who
    does not guess it whole.
    """
    return hashlib.sha256(canonical([text, label])).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Part:
    """A class or a slice of the scored rows.

    Attributes
    ----------
    kind, name : "class" or "slice", and which.
    trained : rows of train with this label; None for a slice.
    rows : scored rows.
    score : in the metric, of these rows; None with fewer than ten.
    answered : share of these rows that were answered; None without rows.
    precision : of a class: share of right ones among the answers that say it; of a slice: among its
        answered rows. None where nothing was answered.
    """

    kind: Literal["class", "slice"]
    name: str
    trained: int | None
    rows: int
    score: stats.Interval | None
    answered: stats.Interval | None
    precision: stats.Interval | None


@dataclass(frozen=True)
class Measured:
    """Scores of one fixed model on the rows that report; intervals are from the choice of these rows.

    Attributes
    ----------
    metric, score : the goal's metric and its value.
    accuracy, balanced_accuracy, log_loss : all three, so that releases can be compared.
    calibration : expected calibration error of the probability of the best answer (15 bins).
    answered : share of the rows that the model answers, by the threshold of the release.
    precision : share of right ones among those (Clopper and Pearson's interval); None without any.
    rows, level : number of rows, and the level of every interval.
    parts : classes, then slices.
    """

    metric: str
    score: stats.Interval
    accuracy: stats.Interval
    balanced_accuracy: stats.Interval
    log_loss: stats.Interval
    calibration: stats.Interval
    answered: stats.Interval
    precision: stats.Interval | None
    rows: int
    level: float
    parts: Sequence[Part]

    def part(self, name: str, kind: str = "class") -> Part | None:
        """A class or slice by its name."""
        return next((p for p in self.parts if (p.kind, p.name) == (kind, name)), None)

    def to_json(self) -> dict[str, Any]:
        """The scores as a JSON object."""
        return asdict(self) | {"parts": [asdict(p) for p in self.parts]}

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> Measured:
        """The inverse of to_json."""
        whole = {key: _read(value) for key, value in body.items()}
        parts = [{key: _read(value) for key, value in part.items()} for part in body["parts"]]
        return Measured(**whole | {"parts": tuple(Part(**part) for part in parts)})


def _read(value: Any) -> Any:
    """An interval where there is one."""
    return (
        stats.Interval(value["value"], value["low"], value["high"]) if isinstance(value, Mapping) else value
    )


def measure(
    probabilities: Array,
    truth: Array,
    answered: Array,
    *,
    classes: Sequence[str],
    metric: str,
    slices: Mapping[str, Array] | None = None,
    trained: Mapping[str, int] | None = None,
    level: float = 0.95,
) -> Measured:
    """Score answers on evaluation rows.

    Parameters
    ----------
    probabilities : (n, k) calibrated probabilities.
    truth : (n,) number of the right class of each row, from 0.
    answered : (n,) whether the release answers the row; where not, it abstains.
    classes : names of the k classes.
    metric : accuracy, balanced_accuracy or log_loss.
    slices : name to (n,) mask of named slices.
    trained : class to its number of rows in train.

    Raises
    ------
    TrialError : there are no rows, or the metric is unknown.
    """
    p, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(truth)
    answered = np.asarray(answered, dtype=bool)
    scores = {name: _score(p, truth, name, level) for name in ("accuracy", "balanced_accuracy", "log_loss")}
    best = p.argmax(axis=1)
    right = best == truth
    whole = {"level": level, "metric": metric, "p": p, "truth": truth, "answered": answered}
    parts = [
        _part("class", name, truth == c, (trained or {}).get(name, 0), answered & (best == c), whole)
        for c, name in enumerate(classes)
    ]
    parts += [
        _part("slice", name, mask, None, answered & mask, whole) for name, mask in (slices or {}).items()
    ]
    n, hits = int(answered.sum()), int((right & answered).sum())
    return Measured(
        metric=metric,
        score=scores[metric],
        **scores,
        calibration=_calibration(p.max(axis=1), right, level),
        answered=stats.wilson(n, len(truth), level),
        precision=stats.clopper_pearson(hits, n, level) if n else None,
        rows=len(truth),
        level=level,
        parts=tuple(parts),
    )


def _part(
    kind: Literal["class", "slice"],
    name: str,
    mask: Array,
    trained: int | None,
    said: Array,
    whole: Mapping[str, Any],
) -> Part:
    """One class or slice; `said`: the answers whose precision is that of the part."""
    level, truth = whole["level"], whole["truth"]
    rows = int(mask.sum())
    right = whole["p"].argmax(axis=1) == truth
    score = None
    if rows >= LEAST_ROWS:
        score = _score(whole["p"], truth, whole["metric"], level, mask)
    return Part(
        kind=kind,
        name=name,
        trained=trained,
        rows=rows,
        score=score,
        answered=stats.wilson(int((whole["answered"] & mask).sum()), rows, level) if rows else None,
        precision=stats.clopper_pearson(int((right & said).sum()), int(said.sum()), level)
        if said.any()
        else None,
    )


def _score(p: Array, truth: Array, metric: str, level: float, mask: Array | None = None) -> stats.Interval:
    """The metric on all rows or on those of a mask, with the interval from the choice of rows."""
    weights = row_weights(truth, metric)
    keep = np.ones(len(truth), dtype=bool) if mask is None else mask
    right = (p.argmax(axis=1) == truth)[keep]
    if metric == "accuracy":
        return stats.wilson(int(right.sum()), len(right), level)
    w = weights[keep] / weights[keep].sum()
    values = right.astype(np.float64)
    if metric == "log_loss":
        values = -np.log(np.maximum(p[np.arange(len(truth)), truth], 1e-9))[keep]
    found = stats.mean_interval(values, np.zeros((0, len(values))), level=level, weights=w)
    top = np.inf if metric == "log_loss" else 1.0
    return stats.Interval(found.value, max(0.0, found.low), min(top, found.high))


def _calibration(top: Array, right: Array, level: float) -> stats.Interval:
    """Expected calibration error with a parametric bootstrap interval (seed 0), which costs no rows.

    The gap of each bin is drawn from a normal distribution with its own mean and variance. An expected
    calibration error is a sum of absolute values, so with few rows it is too large on average; and errors
    that cancel within a bin are not seen.
    """
    n = len(top)
    bins = np.minimum((top * BINS).astype(int), BINS - 1)
    gap = top - right
    mean = np.bincount(bins, weights=gap, minlength=BINS) / n
    variance = np.maximum(np.bincount(bins, weights=gap**2, minlength=BINS) / n - mean**2, 0.0) / n
    drawn = np.random.default_rng(0).normal(mean, np.sqrt(variance), size=(DRAWS, BINS))
    low, high = np.quantile(np.abs(drawn).sum(axis=1), [0.5 - level / 2, 0.5 + level / 2])
    value = stats.expected_calibration_error(top, right, BINS)
    return stats.Interval(value, min(value, float(low)), max(value, float(high)))
