"""Temperature and thresholds of a release, from rows that the model was not fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tilth import stats
from tilth.release.abstain import Abstention, familiarity, softmax
from tilth.release.forward import Seen
from tilth.release.thresholds import Choice, choose

__all__ = ["Deciding", "Decided", "decide"]

UNLIKE = 0.02
"""Share of known rows that know less of themselves than a row that is called unlike all others."""
LEAST = 1e-6


@dataclass(frozen=True)
class Deciding:
    """Rows that decide.

    Attributes
    ----------
    seen : what the model sees in them; for rows of train, a model that was fitted without them.
    truth : (n,) class numbers; -1 for a row outside the known classes.
    words : which rows they are.
    """

    seen: Seen
    truth: np.ndarray
    words: str


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


def decide(rows: Deciding, wanted: float, refuse: float) -> Decided:
    """Fit the temperature, then choose what is refused and what is answered.

    Parameters
    ----------
    wanted : share of the answers that shall be right.
    refuse : share of the known rows that may be refused for being unlike what was learned.
    """
    inside = rows.truth >= 0
    logits, truth = rows.seen.logits, rows.truth
    calibration = stats.calibrate(logits[inside], truth[inside])
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
