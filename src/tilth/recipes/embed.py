"""Recipe text-embed.v1: sentence embeddings beside word and character n-grams, the same head.

The encoder runs as ONNX; embeddings are cached by content, so a relabel never embeds again. Both parts
are rows of unit length; the embedding is weighted 1.5 (LinearSVC on the same pair: 94.0 % on BANKING77).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from tilth.recipes.base import FeatureMap, Matrix
from tilth.recipes.encoder import EmbeddingCache, Encoder
from tilth.recipes.text import NgramMap, TextLinear

__all__ = ["EmbedMap", "TextEmbed"]

EMBEDDING_WEIGHT = 1.5


@dataclass(frozen=True)
class EmbedMap:
    """N-gram weights beside an encoder."""

    ngrams: NgramMap
    recipe: TextEmbed

    def transform(self, texts: Sequence[str]) -> Matrix:
        """(n, d) float32 CSR: n-grams, then the embedding."""
        return self.recipe.join(self.ngrams.transform(texts), texts)


@dataclass(frozen=True)
class TextEmbed:
    """The recipe as data; `.v1` never changes behaviour."""

    encoder: Encoder
    cache: Path | None = None
    penalty: float = 1 / 30

    @property
    def name(self) -> str:
        """text-embed.v1 with the digest of its encoder: another encoder is another recipe."""
        return f"text-embed.v1:{self.encoder.digest[:8]}"

    @staticmethod
    def open(encoder: str | Path, *, cache: Path | None = None) -> TextEmbed:
        """Load the encoder (exported once to ONNX)."""
        return TextEmbed(Encoder.open(encoder), cache)

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> np.ndarray:
        """(n, dim) float32 unit rows, from the cache where the content is known."""
        if self.cache is None:
            return np.asarray(self.encoder.encode(texts, progress=progress))
        return np.asarray(EmbeddingCache(self.cache).embed(self.encoder, texts, progress))

    def join(
        self,
        ngrams: Matrix,
        texts: Sequence[str],
        progress: Callable[[int], None] | None = None,
    ) -> Matrix:
        """N-grams and weighted embeddings side by side."""
        vectors = self.embed(texts, progress) * np.float32(EMBEDDING_WEIGHT)
        return sp.hstack([ngrams, sp.csr_matrix(vectors)], format="csr", dtype=np.float32)

    def learn(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> tuple[FeatureMap, Matrix]:
        """Learn n-gram weights; the encoder is fixed."""
        learned, counted = TextLinear().learn_ngrams(texts)
        return EmbedMap(learned, self), self.join(counted, texts, progress)
