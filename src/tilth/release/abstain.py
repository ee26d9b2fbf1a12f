"""When a release does not answer, and which of three reasons it gives.

A row is answered when it is familiar enough and its best class probable enough. Familiarity is the distance
of the best logit from the mean of all, times the share of the row that the model knows: a text with n-grams
that were never seen gets its logits from the rest alone, and a softmax does not show that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilth.release.forward import Seen

__all__ = ["OUTSIDE", "REASONS", "UNLIKE", "UNSURE", "Abstention", "familiarity", "judged", "softmax"]

UNSURE, UNLIKE, OUTSIDE = 1, 2, 3
REASONS: tuple[str | None, ...] = (None, "unsure", "unlike", "outside")


def softmax(logits: np.ndarray) -> np.ndarray:
    """(n, k) probabilities."""
    if not len(logits):
        return logits
    shifted = logits - logits.max(axis=1, keepdims=True)
    np.exp(shifted, out=shifted)
    shifted /= shifted.sum(axis=1, keepdims=True)
    return np.asarray(shifted)


def familiarity(seen: Seen) -> np.ndarray:
    """(n,) float64, larger is more like the rows that were learned from."""
    if not len(seen.logits):
        return np.zeros(0)
    spread = seen.logits.max(axis=1) - seen.logits.mean(axis=1, dtype=np.float64)
    return np.asarray(spread * seen.known)


@dataclass(frozen=True)
class Abstention:
    """Thresholds of one release.

    Attributes
    ----------
    probability : least probability of the best class of an answered row; above 1: nothing is answered.
    familiar : least familiarity of an answered row.
    known : share of the row that must be known for a refused row not to be called unlike all others.
    """

    probability: float
    familiar: float
    known: float

    @staticmethod
    def of(body: Mapping[str, Any]) -> Abstention:
        """From the manifest."""
        return Abstention(float(body["probability"]), float(body["familiar"]), float(body["known"]))

    def reasons(self, best: np.ndarray, familiar: np.ndarray, known: np.ndarray) -> np.ndarray:
        """(n,) int8: 0 answered, else the number of the reason.

        Parameters
        ----------
        best : (n,) probability of the best class.
        familiar, known : (n,) familiarity, and known share of the row.
        """
        # asked this way round, what is no number is no answer
        out = np.where(best >= self.probability, 0, UNSURE).astype(np.int8)
        strange = ~(familiar >= self.familiar)
        out[strange] = OUTSIDE
        out[strange & (known < self.known)] = UNLIKE
        return out


def judged(seen: Seen, temperature: float, limits: Abstention) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Calibrated (n, k) probabilities, (n,) familiarity, and (n,) number of the reason, 0 where answered.

    Release and evaluation both call this, so that what is reported is what will be answered.
    """
    p = softmax(seen.logits * np.float32(temperature))
    familiar = familiarity(seen)
    return p, familiar, limits.reasons(p.max(axis=1, initial=0.0), familiar, seen.known)
