"""When a release does not answer, and which of three reasons it gives.

A row is answered when it is familiar enough and its best class probable enough. How familiar: the mean rank
of a few scores (see `Abstention.familiar`) among known rows that were held out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["OUTSIDE", "REASONS", "UNLIKE", "UNSURE", "Abstention"]

UNSURE, UNLIKE, OUTSIDE = 1, 2, 3
REASONS: tuple[str | None, ...] = (None, "unsure", "unlike", "outside")


@dataclass(frozen=True)
class Abstention:
    """Thresholds of one release.

    Attributes
    ----------
    probability : least probability of the best class of an answered row.
    familiar_least : least familiarity of an answered row.
    ranks : (s, q) for each score its quantiles among held-out known rows, ascending.
    """

    probability: float
    familiar_least: float
    ranks: np.ndarray

    @staticmethod
    def of(body: Mapping[str, Any], ranks: np.ndarray) -> Abstention:
        """From the manifest."""
        return Abstention(float(body["probability"]), float(body["familiar"]), ranks)

    def familiar(self, scores: Sequence[np.ndarray]) -> np.ndarray:
        """(n,) mean over the scores of the share of known rows that score lower, 0 to 1.

        Parameters
        ----------
        scores : (n,) each, larger is more familiar.
        """
        q = self.ranks.shape[1]
        total = np.zeros(len(scores[0]))
        for line, score in zip(self.ranks, scores, strict=True):
            total += np.interp(score, line, np.arange(1, q + 1) / (q + 1), left=0.0, right=1.0)
        return total / len(scores)

    def reasons(self, probabilities: np.ndarray, familiar: np.ndarray) -> np.ndarray:
        """(n,) int8: 0 answered, else the number of the reason."""
        out = np.zeros(len(familiar), dtype=np.int8)
        if not len(out):
            return out
        best = probabilities.max(axis=1)
        out[best < self.probability] = UNSURE
        out[familiar < self.familiar_least] = OUTSIDE
        return out
