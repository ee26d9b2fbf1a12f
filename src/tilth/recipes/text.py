"""Recipe text-linear.v1: TF-IDF of word and character n-grams, multinomial logistic regression.

Words 1-2 and characters 2-5 within words, hashed to 2^20 columns each, those in fewer than two texts
dropped; sublinear term frequency, smoothed inverse document frequency, each block of unit length.
No downloaded weights, no vocabulary file. BANKING77 test 92.0 %, CLINC150 in-scope 92.8 %.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from tilth.recipes import ngrams
from tilth.recipes.base import FeatureMap, Matrix

__all__ = ["NgramMap", "TextLinear"]

BITS = 20
_WORDS = (1, 2)
_CHARS = (2, 3, 4, 5)
_SHIFT = np.uint64(64 - BITS)


def _count_block(grams: Sequence[ngrams.Grams], count: int) -> sp.csr_matrix:
    """Sublinear counts of hashed n-grams, (count, 2^BITS)."""
    columns = np.concatenate([(g.hashes >> _SHIFT).astype(np.int32) for g in grams])
    rows = np.concatenate([g.texts for g in grams])
    ones = np.ones(len(columns), dtype=np.float32)
    matrix = sp.csr_matrix((ones, (rows, columns)), shape=(count, 1 << BITS))
    matrix.sum_duplicates()
    matrix.data = 1.0 + np.log(matrix.data, dtype=np.float32)
    return matrix


def _counts(texts: Sequence[str]) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Word and character blocks of all texts."""
    words, chars = [], []
    for text in ngrams.blocks(texts):
        words.append(_count_block([ngrams.word_grams(text, n) for n in _WORDS], text.count))
        chars.append(
            _count_block([ngrams.char_grams(text, n, within_words=True) for n in _CHARS], text.count)
        )
    if not words:
        empty = sp.csr_matrix((0, 1 << BITS), dtype=np.float32)
        return empty, empty
    return sp.vstack(words, format="csr"), sp.vstack(chars, format="csr")


def _select(block: sp.csr_matrix, columns: np.ndarray, idf: np.ndarray) -> sp.csr_matrix:
    """Keep columns, weight by idf, scale rows to length sqrt(1/2) (two blocks make length one)."""
    place = np.full(block.shape[1], -1, dtype=np.int32)
    place[columns] = np.arange(len(columns), dtype=np.int32)
    new = place[block.indices]
    keep = new >= 0
    kept = np.concatenate([[0], np.cumsum(keep)])
    indptr = kept[block.indptr]
    data = block.data[keep] * idf[new[keep]]
    lengths = np.diff(indptr)
    squares = np.add.reduceat(np.append(data**2, 0.0), np.minimum(indptr[:-1], len(data)))
    squares[lengths == 0] = 0.0
    norm = np.sqrt(2.0 * np.where(squares > 0, squares, 1.0))
    data = (data / np.repeat(norm, lengths)).astype(np.float32)
    return sp.csr_matrix((data, new[keep], indptr), shape=(block.shape[0], len(columns)))


@dataclass(frozen=True)
class NgramMap:
    """What text-linear.v1 learns from texts alone: which n-grams count, and how much.

    Attributes
    ----------
    columns : for each block the kept hash columns, ascending.
    idf : for each block their weights.
    """

    columns: tuple[np.ndarray, np.ndarray]
    idf: tuple[np.ndarray, np.ndarray]

    def transform(self, texts: Sequence[str]) -> Matrix:
        """(n, d) float32 CSR with rows of length at most one."""
        return self._weigh(_counts(texts))

    def _weigh(self, counts: tuple[sp.csr_matrix, sp.csr_matrix]) -> Matrix:
        parts = [_select(b, c, i) for b, c, i in zip(counts, self.columns, self.idf, strict=True)]
        return sp.hstack(parts, format="csr", dtype=np.float32)


@dataclass(frozen=True)
class TextLinear:
    """The recipe as data; `.v1` never changes behaviour."""

    name: str = "text-linear.v1"
    penalty: float = 1 / 30

    def learn(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> tuple[FeatureMap, Matrix]:
        """Learn the feature map from texts and return it with their features."""
        learned, features = self.learn_ngrams(texts)
        if progress:
            progress(len(texts))
        return learned, features

    def learn_ngrams(self, texts: Sequence[str]) -> tuple[NgramMap, Matrix]:
        """The same, typed: which n-grams count, and the features of these texts."""
        counts = _counts(texts)
        columns, idfs = [], []
        for block in counts:
            frequency = np.bincount(block.indices, minlength=block.shape[1])
            kept = np.flatnonzero(frequency >= (2 if len(texts) > 1 else 1))
            idf = np.log((1 + block.shape[0]) / (1 + frequency[kept])) + 1.0
            columns.append(kept)
            idfs.append(idf.astype(np.float32))
        learned = NgramMap((columns[0], columns[1]), (idfs[0], idfs[1]))
        return learned, learned._weigh(counts)
