"""Sample: rows as the drift checks see them, known or new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tilth.data import Value

__all__ = ["Sample"]


@dataclass(frozen=True)
class Sample:
    """n rows, in the order in which they came.

    Attributes
    ----------
    ids : (n,) names of the rows.
    texts : (n,) texts; empty where texts were not kept.
    columns : further columns by name, one value a row.
    probabilities : (s, k) calibrated probabilities of rows that the model was not trained on; s = n for new
        rows, for known rows those of `scored`.
    scored : (s,) positions of the rows with probabilities.
    labels : (s,) class numbers of these rows, -1 where unknown.
    classes : the k class names.
    vectors : (n, d) embeddings of the texts; empty without an encoder.
    said : (n,) label and probability of each answer where only these were kept; used without `probabilities`.
    """

    ids: Sequence[str]
    texts: Sequence[str] = ()
    columns: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    probabilities: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    scored: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    labels: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    classes: tuple[str, ...] = ()
    said: Sequence[tuple[str, float]] = ()
    vectors: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def confidence(self) -> np.ndarray:
        """(s,) negative entropy of the probabilities: of what was tried it sees new classes best."""
        if not len(self.probabilities):
            return np.array([p for _, p in self.said], dtype=np.float64)
        p = np.asarray(self.probabilities, dtype=np.float64)
        return np.asarray((p * np.log(np.maximum(p, 1e-12))).sum(axis=1))

    @property
    def best(self) -> np.ndarray:
        """(s,) the most probable class."""
        if self.probabilities.shape[1] == 0:
            return np.zeros(len(self.probabilities), dtype=np.int64)
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def answers(self) -> list[str]:
        """(s,) name of the most probable class."""
        if not len(self.probabilities):
            return [label for label, _ in self.said]
        return [self.classes[i] for i in self.best.tolist()]
