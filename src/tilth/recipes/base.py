"""What a recipe is: a feature map learned from inputs alone, and a head fitted to labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

__all__ = ["FeatureMap", "Matrix", "Recipe"]

Matrix = Any
"""Rows of features: numpy array or scipy CSR matrix, float32."""


class FeatureMap(Protocol):
    """Inputs to features; learned without labels, so it cannot leak them."""

    def transform(self, texts: Sequence[str]) -> Matrix:
        """(n, d) float32 features, dense or CSR: finite, of length about one (0 to 2).

        The features of a text do not depend on the texts beside it, and those of a text that was learned
        from are the same as `learn` gave. No text fails: empty, very long, in any script.
        """


class Recipe(Protocol):
    """What is trained and how, as data. A `.v1` never changes behaviour.

    `tilth.testing.check_recipe` checks this contract.
    """

    @property
    def name(self) -> str:
        """Versioned name, e.g. "text-linear.v1"."""

    @property
    def penalty(self) -> float:
        """Ridge penalty of the head, per unit of squared weight; above 0."""

    def learn(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> tuple[FeatureMap, Matrix]:
        """Learn the feature map from the training inputs; return it with their features.

        Pure and deterministic, also with no text, one text, or all texts alike or empty.
        """
