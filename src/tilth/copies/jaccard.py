"""Exact Jaccard similarity of the sets of character 5-grams of pairs of texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tilth.copies.words import Lines, blocks, distinct, parts, ranges

__all__ = ["SHINGLE", "similarities"]

SHINGLE = 5
BATCH = 200_000
"""5-grams that are sorted at once."""
READ = 16_000_000
"""Characters of pairs whose 5-grams are kept at once: 8 bytes each, at most."""
_BITS = np.uint64(40)


def similarities(
    texts: Sequence[str], pairs: np.ndarray, floor: float, report: Callable[[int, int], None]
) -> np.ndarray:
    """(m,) Jaccard similarity of pairs of texts; 0 where their sizes alone say that it is below the floor.

    Parameters
    ----------
    pairs : (m, 2) numbers of texts.
    report : called with pairs done and all pairs.
    """
    out = np.zeros(len(pairs))
    length = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    for part in parts(np.arange(len(pairs)), length[pairs].sum(axis=1), READ):
        out[part] = _batch(texts, pairs[part], floor)
        report(int(part[-1]) + 1, len(pairs))
    return out


def _batch(texts: Sequence[str], pairs: np.ndarray, floor: float) -> np.ndarray:
    used = distinct(pairs.ravel())
    grams, starts = _sets(texts, used)
    size = np.diff(starts)
    local = np.searchsorted(used, pairs)
    sizes = size[local]
    out = np.zeros(len(pairs))
    able = np.flatnonzero(sizes.min(axis=1) >= floor * sizes.max(axis=1))
    for part in parts(able, sizes[able].sum(axis=1), BATCH):
        a, b = local[part].T
        both = _shared(grams, starts, a, b)
        out[part] = both / np.maximum(size[a] + size[b] - both, 1)
    return out


def _sets(texts: Sequence[str], numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted distinct 5-grams of these texts end to end, and (n + 1,) where each text starts."""
    size = np.zeros(len(numbers), dtype=np.int64)
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for block in blocks(texts, numbers):
        at = np.searchsorted(numbers, block.numbers)
        gram, owner = _grams(block)
        key = (owner << _BITS) | gram
        key = distinct(key)
        count = np.bincount((key >> _BITS).astype(np.int64), minlength=len(at))
        size[at] = count
        parts.append((at, key & ((np.uint64(1) << _BITS) - np.uint64(1))))
    starts = np.concatenate([[0], np.cumsum(size)])
    out = np.empty(int(starts[-1]), dtype=np.uint64)
    for at, values in parts:
        out[ranges(starts[at], size[at])] = values
    return out, starts


def _grams(block: Lines) -> tuple[np.ndarray, np.ndarray]:
    """All 5-grams of a block, and the number of the text within the block.

    Five ASCII characters fill 40 bits exactly; others are hashed into them.
    """
    c = block.codes.astype(np.uint64)
    if block.codes.dtype != np.uint8:
        wide = c > 127
        c[wide] = (c[wide] * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(24)
    n = max(len(c) - SHINGLE + 1, 0)
    gram = c[:n].copy()
    for j in range(1, SHINGLE):
        # rotated within 40 bits, so that no part of a wide character is lost
        shift, back = np.uint64(8 * j), np.uint64(40 - 8 * j)
        part = c[j : j + n]
        gram ^= (part << shift) ^ (part >> back)
    gram &= (np.uint64(1) << _BITS) - np.uint64(1)
    owner = np.repeat(np.arange(len(block.starts), dtype=np.uint64), block.ends - block.starts + 1)[:n]
    inside = np.ones(n, dtype=bool)
    late = (block.ends[:, None] - np.arange(SHINGLE)).ravel()
    inside[late[(late >= 0) & (late < n)]] = False
    return gram[inside], owner[inside]


def _shared(grams: np.ndarray, starts: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(m,) how many 5-grams each pair has in common: equal neighbours once both sets are sorted as one."""
    m = len(a)
    if m == 0:
        return np.zeros(0, dtype=np.int64)
    side = np.concatenate([a, b])
    size = np.diff(starts)[side]
    key = grams[ranges(starts[side], size)]
    key |= np.repeat(np.tile(np.arange(m, dtype=np.uint64) << _BITS, 2), size)
    key.sort()
    twice = key[1:][key[1:] == key[:-1]] >> _BITS
    return np.bincount(twice.astype(np.int64), minlength=m)
