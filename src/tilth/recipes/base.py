"""What a recipe is: a feature map learned from inputs alone, and a head fitted to labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from tilth.recipes.logistic import Matrix

__all__ = ["FeatureMap", "Matrix", "Recipe"]


class FeatureMap(Protocol):
    """Inputs to features; learned without labels, so it cannot leak them."""

    def transform(self, texts: Sequence[str]) -> Matrix:
        """(n, d) float32 features."""


class Recipe(Protocol):
    """What is trained and how, as data. A `.v1` never changes behaviour."""

    @property
    def name(self) -> str:
        """Versioned name, e.g. "text-linear.v1"."""

    @property
    def penalty(self) -> float:
        """Ridge penalty of the head, per unit of squared weight."""

    def learn(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> tuple[FeatureMap, Matrix]:
        """Learn the feature map from the training inputs; return it with their features."""
