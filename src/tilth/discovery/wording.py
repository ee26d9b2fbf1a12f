"""Candidate slices from texts and features: words, pairs of words, clusters; words that tell rows apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from tilth.discovery.candidates import Block, Support, one_hot
from tilth.recipes import ngrams
from tilth.recipes.base import Matrix
from tilth.slices import literal

__all__ = ["Wording", "clusters", "cluster_block", "project"]

MOST_WORDS = 4_000
SIZES = (12, 25, 50)
DIMENSIONS, SAMPLE, ROUNDS = 32, 10_000, 8
WORDS_TRIED = (3, 6, 12)


@dataclass(frozen=True)
class Wording:
    """Which frequent words and pairs of words stand in which text.

    Attributes
    ----------
    texts : the texts.
    hashes : (g,) 64-bit hash of each word or pair.
    pair : (g,) whether it is a pair.
    cells : (n, g) CSR of 0 and 1.
    """

    texts: Sequence[str]
    hashes: np.ndarray
    pair: np.ndarray
    cells: sp.csr_matrix

    @staticmethod
    def counted(texts: Sequence[str]) -> Wording:
        """All words and pairs of words of the texts."""
        found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        start = 0
        for block in ngrams.blocks(texts):
            for n in (1, 2):
                grams = ngrams.word_grams(block, n)
                found.append((grams.hashes, grams.texts + start, np.full(len(grams.hashes), n == 2)))
            start += block.count
        if not found:
            return Wording(texts, np.empty(0, np.uint64), np.empty(0, bool), sp.csr_matrix((len(texts), 0)))
        hashes, owner, pairs = (np.concatenate(part) for part in zip(*found, strict=True))
        names, first, column = np.unique(hashes, return_index=True, return_inverse=True)
        cells = sp.csr_matrix(
            (np.ones(len(owner), dtype=np.float32), (owner, column)), shape=(len(texts), len(names))
        )
        cells.sum_duplicates()
        cells.data[:] = 1.0
        return Wording(texts, names, pairs[first], cells)

    @staticmethod
    def of(texts: Sequence[str], support: Support) -> Wording:
        """The words and pairs of words of the right frequency."""
        every = Wording.counted(texts)
        frequency = np.bincount(every.cells.indices, minlength=len(every.hashes))
        kept = np.flatnonzero(support.keeps(frequency))
        kept = np.sort(kept[np.argsort(-frequency[kept], kind="stable")[:MOST_WORDS]])
        return Wording(texts, every.hashes[kept], every.pair[kept], every.cells[:, kept].tocsr())

    def spell(self, number: int) -> str:
        """The word or pair of words itself, read from a text that has it."""
        column = self.cells[:, [number]].tocsc()
        tokens = ngrams.fold(self.texts[int(column.indices[0])]).split()
        both = [" ".join(p) for p in pairwise(tokens)] if self.pair[number] else tokens
        found = ngrams.word_grams(ngrams.layout(both), 2 if self.pair[number] else 1)
        return both[int(found.texts[np.flatnonzero(found.hashes == self.hashes[number])[0]])]

    def block(self) -> Block:
        """Each word or pair as a candidate."""
        return Block("word", self.cells, None, lambda i: f"text has {literal(self.spell(i))}")

    def telling(self, inside: np.ndarray, most: int = 8) -> list[int]:
        """Words that are more frequent in a slice than elsewhere, the most telling first.

        References
        ----------
        Monroe, Colaresi and Quinn, "Fightin' words", Political Analysis 2008: log odds with a prior,
        divided by their standard error.
        """
        single = np.flatnonzero(~self.pair)
        if not len(single) or not inside.any() or inside.all():
            return []
        a = np.asarray(self.cells.T @ inside.astype(np.float32))[single] + 0.5
        b = np.asarray(self.cells.T @ (~inside).astype(np.float32))[single] + 0.5
        na, nb = inside.sum() + 1.0, (~inside).sum() + 1.0
        odds = np.log(a / (na - a)) - np.log(b / (nb - b))
        z = odds / np.sqrt(1 / a + 1 / b)
        best = np.argsort(-z, kind="stable")[:most]
        return [int(single[i]) for i in best if z[i] > 2.0]

    def rule(self, inside: np.ndarray) -> tuple[str, float]:
        """The expression "text has k of [...]" that comes nearest to a slice, and its F1.

        Returns
        -------
        ("", 0.0) where no word tells the slice apart.
        """
        words = self.telling(inside, max(WORDS_TRIED))
        best: tuple[float, int, int] = (0.0, 0, 0)
        for width in WORDS_TRIED:
            hits = np.asarray(self.cells[:, words[:width]].sum(axis=1)).ravel()
            for least in range(1, min(len(words[:width]), 3) + 1):
                chosen = hits >= least
                f1 = 2.0 * float((chosen & inside).sum()) / max(float(chosen.sum() + inside.sum()), 1.0)
                best = max(best, (f1, -width, -least))
        f1, width, least = best[0], -best[1], -best[2]
        if f1 == 0.0:
            return "", 0.0
        spelled = ", ".join(literal(self.spell(w)) for w in words[:width])
        return f"text has {least} of [{spelled}]", f1


def project(x: Matrix, seed: int = 0, width: int = DIMENSIONS) -> np.ndarray:
    """(n, width or less) float32 rows of unit length: leading singular directions of a sample.

    Parameters
    ----------
    seed : of the sample and of the directions that the search begins with.

    References
    ----------
    Halko, Martinsson and Tropp, "Finding structure with randomness", SIAM Review 2011.
    """
    rng = np.random.default_rng(seed)
    n, d = x.shape
    part = x[np.sort(rng.permutation(n)[:SAMPLE])]
    used = np.unique(part.indices) if sp.issparse(x) else np.arange(d)
    part, every = (part[:, used], x[:, used]) if len(used) < d else (part, x)
    width = min(width, *part.shape)
    # the side of the rows is the short one: a hundred thousand columns are never made orthogonal
    left = rng.standard_normal((part.shape[0], width), dtype=np.float32)
    for _ in range(3):
        left, _ = np.linalg.qr(np.asarray(part @ np.asarray(part.T @ left), dtype=np.float32))
    back = np.asarray(part.T @ left)
    power, turn = np.linalg.eigh(np.asarray(left.T @ np.asarray(part @ back), dtype=np.float64))
    turn = (turn[:, ::-1] / np.sqrt(np.maximum(power[::-1], 1e-12 * max(power[-1], 1e-300)))).astype(
        np.float32
    )
    z = np.asarray(every @ back) @ turn
    return np.asarray(z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12))


def clusters(z: np.ndarray, size: int, seed: int = 0) -> np.ndarray:
    """(n,) number of the nearest of `size` centres (spherical k-means on a sample of rows).

    References
    ----------
    Dhillon and Modha, "Concept decompositions for large sparse text data using clustering", 2001.
    """
    rng = np.random.default_rng(seed)
    sample = z[np.sort(rng.permutation(len(z))[:SAMPLE])]
    centres = sample[np.sort(rng.permutation(len(sample))[:size])]
    for _ in range(ROUNDS):
        nearest = (sample @ centres.T).argmax(axis=1)
        sums = np.asarray(one_hot(nearest, len(centres)).T @ sample)
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(norms > 1e-9, sums / np.maximum(norms, 1e-9), centres).astype(z.dtype)
    return np.asarray((z @ centres.T).argmax(axis=1))


def cluster_block(x: Matrix, wording: Wording, support: Support, seed: int = 0) -> Block | None:
    """Clusters of several sizes; each is described by the words that come nearest to it."""
    n = x.shape[0]
    sizes = [k for k in SIZES if k * support.least <= n]
    if n < 2 * support.least or x.shape[1] < 2 or not sizes:
        return None
    z, cells = project(x, seed), []
    for k in sizes:
        one = one_hot(clusters(z, k, seed), k)
        counts = np.asarray(one.sum(axis=0)).ravel()
        cells.append(one[:, np.flatnonzero(support.keeps(counts))])
    joined = sp.hstack(cells, format="csr")
    if joined.shape[1] == 0:
        return None

    def describe(number: int) -> str:
        return wording.rule(np.asarray(joined[:, [number]].sum(axis=1)).ravel() > 0)[0]

    return Block("cluster", joined, None, describe)
