"""The forward pass of a released model in numpy alone: texts to logits.

The same arithmetic as `tilth.recipes.text` and `tilth.recipes.logistic`, without scipy: a release runs
where only numpy is installed. `tests/unit/test_release.py` holds the two together to 1e-6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tilth.recipes import ngrams

__all__ = ["Features", "NgramModel"]

BITS = 20
WORDS, CHARS = (1, 2), (2, 3, 4, 5)
_SHIFT = np.uint64(64 - BITS)
_GATHER = 1 << 20
"""Weights that are gathered at once: they stay in the cache."""


@dataclass(frozen=True)
class Features:
    """Sparse features of n texts, row by row.

    Attributes
    ----------
    columns, values : feature numbers and values of all texts, one after the other.
    starts : (n + 1,) where each text begins.
    known : (n,) share of the n-grams of a text that the model knows; 1 for a text without any.
    """

    columns: np.ndarray
    values: np.ndarray
    starts: np.ndarray
    known: np.ndarray


class NgramModel:
    """Hashed n-grams to logits.

    Parameters
    ----------
    columns : for words and for characters the kept hash columns, ascending.
    idf : their weights.
    weights : (d, k) float16 or float32 weights of the features, words first.
    """

    def __init__(
        self,
        columns: tuple[np.ndarray, np.ndarray],
        idf: tuple[np.ndarray, np.ndarray],
        weights: np.ndarray,
    ) -> None:
        self.weights = weights
        self.idf = idf
        self._first = (0, len(columns[0]))
        self._place = []
        for kept in columns:
            place = np.full(1 << BITS, -1, dtype=np.int32)
            place[kept] = np.arange(len(kept), dtype=np.int32)
            self._place.append(place)

    def features(self, texts: Sequence[str]) -> Features:
        """Features of texts, as the recipe defines them."""
        layout = ngrams.layout([ngrams.fold(text) for text in texts])
        words = [ngrams.word_grams(layout, n) for n in WORDS]
        chars = [ngrams.char_grams(layout, n, within_words=True) for n in CHARS]
        n = layout.count
        blocks = [self._block(0, words, n), self._block(1, chars, n)]
        owner = np.concatenate([b[0] for b in blocks])
        order = np.argsort(owner, kind="stable")
        columns = np.concatenate([b[1] for b in blocks])[order]
        values = np.concatenate([b[2] for b in blocks])[order]
        starts = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=n))])
        seen, kept = sum(b[3] for b in blocks), sum(b[4] for b in blocks)
        return Features(columns, values, starts, np.where(seen > 0, kept / np.maximum(seen, 1), 1.0))

    def _block(self, block: int, grams: Sequence[ngrams.Grams], n: int) -> tuple[np.ndarray, ...]:
        """Text numbers, feature numbers and values of one block; n-grams there are, and those known."""
        hashed = np.concatenate([g.hashes for g in grams])
        owner = np.concatenate([g.texts for g in grams]).astype(np.int64)
        seen = np.bincount(owner, minlength=n)
        column = self._place[block][(hashed >> _SHIFT).astype(np.int32)]
        inside = column >= 0
        owner, column = owner[inside], column[inside]
        kept = np.bincount(owner, minlength=n)
        width = max(len(self.idf[block]), 1)
        key = np.sort(owner * width + column)
        first = np.flatnonzero(np.diff(key, prepend=-1))
        counts = np.diff(np.append(first, len(key))).astype(np.float32)
        owner, column = np.divmod(key[first], width)
        value = (1.0 + np.log(counts)) * self.idf[block][column]
        squares = np.bincount(owner, weights=value.astype(np.float64) ** 2, minlength=n)
        norm = np.sqrt(2.0 * np.where(squares > 0, squares, 1.0))
        value = (value / norm[owner]).astype(np.float32)
        return owner, column + self._first[block], value, seen, kept

    def logits(self, features: Features) -> np.ndarray:
        """(n, k) float32 scores without the intercept."""
        n, k = len(features.starts) - 1, self.weights.shape[1]
        out = np.zeros((n, k), dtype=np.float32)
        starts = features.starts
        step = max(_GATHER // k, 1)
        begin = 0
        while begin < n:
            end = max(int(np.searchsorted(starts, starts[begin] + step, side="right")) - 1, begin + 1)
            a, b = int(starts[begin]), int(starts[end])
            if b > a:
                part = self.weights[features.columns[a:b]].astype(np.float32)
                part *= features.values[a:b, None]
                filled = np.flatnonzero(np.diff(starts[begin : end + 1]))
                out[begin + filled] = np.add.reduceat(part, starts[begin:end][filled] - a, axis=0)
            begin = end
        return out
