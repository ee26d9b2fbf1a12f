"""Temperature and thresholds of a release, from rows that the model was not fitted on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tilth import stats
from tilth.release.abstain import Abstention, familiarity, softmax
from tilth.release.forward import Seen
from tilth.release.thresholds import Choice, choose

__all__ = ["Decided", "Deciding", "calibrated", "decide"]

UNLIKE = 0.02
"""Share of known rows that know less of themselves than a row that is called unlike all others."""
RANGE = (0.25, 5.0)
"""Temperatures that are believed; 1.4 to 2.7 were seen where there were rows enough to tell."""
WRONG = 0.5
"""Share of wrong labels that is believed."""
PRIOR, APART = 300, 1.5
"""Rows that the temperature of train counts as, and how far the two may lie apart (docs/decisions/0022)."""


@dataclass(frozen=True)
class Deciding:
    """Rows that decide.

    Attributes
    ----------
    seen : what the model sees in them; for rows of train, a model that was fitted without them.
    truth : (n,) class numbers; -1 for a row outside the known classes.
    words : which rows they are.
    prior : temperature by held-out rows of train, where these rows are too few to tell; else None.
    """

    seen: Seen
    truth: np.ndarray
    words: str
    prior: float | None = None


@dataclass(frozen=True)
class Decided:
    """What the deciding rows decided.

    Attributes
    ----------
    calibration : temperature and share of wrong labels among them.
    abstention : thresholds.
    choice : the threshold of probability and its promise.
    held : ascending probabilities of the right class, for conformal sets.
    words : which rows they are.
    """

    calibration: stats.Calibration
    abstention: Abstention
    choice: Choice
    held: np.ndarray
    words: str

    def settings(self) -> dict[str, Any]:
        """For the manifest."""
        a = self.abstention
        return {
            "probability": a.probability, "familiar": a.familiar, "known": a.known,
            "precision": self.choice.wanted, "delta": self.choice.delta, "bound": self.choice.bound,
            "rows": self.choice.rows,
        }  # fmt: skip


def calibrated(logits: np.ndarray, truth: np.ndarray) -> stats.Calibration:
    """Temperature and share of wrong labels; the temperature alone where that share is not to be believed.

    Where a model knows nothing, "all labels are wrong" explains the rows as well as any temperature does, and
    its answers would be called sure.

    Parameters
    ----------
    logits : (n, k) of rows that the model was not fitted on.
    truth : (n,) class numbers.
    """
    found = stats.calibrate(logits, truth)
    if found.noise <= WRONG:
        return found
    tried = np.geomspace(0.05, RANGE[1], 60)
    at = np.arange(len(truth))
    losses = [-np.log(softmax(logits * np.float32(t))[at, truth] + 1e-12).mean() for t in tried]
    return stats.Calibration(float(tried[int(np.argmin(losses))]), 0.0)


def _steady(found: float, prior: float | None, rows: int) -> float:
    """A temperature that few rows cannot carry away.

    Where hardly a row is wrong, any temperature explains it as well as a larger one, and the estimate
    runs off: ten thousand was seen, and answers that are sure to the last digit.
    """
    if prior is None:
        return float(np.clip(found, *RANGE))
    prior = float(np.clip(prior, *RANGE))
    found = float(np.clip(found, prior / APART, prior * APART))
    return float(np.exp((rows * np.log(found) + PRIOR * np.log(prior)) / (rows + PRIOR)))


def decide(rows: Deciding, wanted: float, refuse: float) -> Decided:
    """Fit the temperature, then choose what is refused and what is answered.

    Parameters
    ----------
    wanted : share of the answers that shall be right.
    refuse : share of the known rows that may be refused for being unlike what was learned.
    """
    inside = rows.truth >= 0
    logits, truth = rows.seen.logits, rows.truth
    found = calibrated(logits[inside], truth[inside])
    calibration = replace(found, temperature=_steady(found.temperature, rows.prior, int(inside.sum())))
    p = softmax(logits * np.float32(calibration.temperature))
    familiar, known = familiarity(rows.seen), rows.seen.known
    least, share = 0.0, 0.0
    if inside.any():
        least = float(np.quantile(familiar[inside], refuse)) if refuse > 0 else float(familiar.min())
        share = float(np.quantile(known[inside], UNLIKE))
    best = p.max(axis=1, initial=0.0)
    right = p.argmax(axis=1) == truth if len(p) else np.zeros(0, dtype=bool)
    choice = choose(best, right, familiar >= least, wanted)
    held = np.sort(p[np.flatnonzero(inside), truth[inside]]).astype(np.float32)
    return Decided(calibration, Abstention(choice.probability, least, share), choice, held, rows.words)
