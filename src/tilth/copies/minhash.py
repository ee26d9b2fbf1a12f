"""Candidates for near copies: one-permutation MinHash of 12-character windows, and banding by sorting.

Every window of a text is hashed once; the first bits of the hash choose one of BINS bins, each bin keeps
its least hash. Two texts agree in a bin with about the Jaccard similarity of their windows. An empty bin
borrows from the next one (rotation). A band is a pair of bins; texts that agree in both of some band are
candidates, when they agree in AGREE bins altogether.

Windows are longer than the shingles that decide (`jaccard`), so that texts in one language, which share
many 5-grams, seldom share a band.

References
----------
Broder, "On the resemblance and containment of documents", 1997;
Li, Owen and Zhang, "One permutation hashing", NIPS 2012;
Shrivastava and Li, "Densifying one permutation hashing via rotation for fast near neighbor search",
ICML 2014;
Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", chapter 3, for the banding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tilth.copies.words import Hashes, Lines, distinct, parts, ranges

__all__ = ["BINS", "BUCKET", "NO_WORDS", "Candidates", "candidates", "signatures"]

WIDTH = 10
BINS = 32
STEPS = (1, 5)
"""A band is bins (i, i + step): 64 bands out of 32 bins."""
AGREE, AGREE_OF_MANY, MANY = 6, 8, 100_000
"""With more texts than MANY chance agreements would take more time than all the rest."""
BUCKET = 50
"""In a bucket with more members each is compared with the first one and with its two neighbours alone."""
EMPTY = 0xFFFFFFFF
NO_WORDS = 0
"""Hash of a text without words."""
CHUNK = 200_000


@dataclass(frozen=True)
class Candidates:
    """Pairs worth a comparison.

    Attributes
    ----------
    pairs : (m, 2) numbers of texts, first < second, ascending.
    skipped : comparisons left out in oversized buckets, counted in each bucket.
    """

    pairs: np.ndarray
    skipped: int


def signatures(block: Lines, hashes: Hashes) -> tuple[np.ndarray, np.ndarray]:
    """(n,) 64-bit hashes of the texts of a block, and (n, BINS) their least hashes."""
    prefix = hashes.prefix(block.codes)
    n, count = len(block.starts), len(block.codes)
    whole = hashes.whole(prefix, block.starts, block.ends)
    whole[block.ends - block.starts < 2] = NO_WORDS
    table = np.full(n * BINS, EMPTY, dtype=np.uint32)
    if count >= WIDTH:
        hashed = (hashes.windows(prefix, WIDTH) >> np.uint64(32)).astype(np.uint32)
        # a window must not reach into the next text; EMPTY is never less than what is there
        late = (block.ends[:, None] - np.arange(WIDTH)).ravel()
        hashed[late[(late >= 0) & (late < len(hashed))]] = EMPTY
        bins = np.repeat(np.arange(n) * BINS, block.ends - block.starts + 1)[: len(hashed)]
        bins += hashed >> np.uint32(32 - 5)
        np.minimum.at(table, bins, hashed)
    return whole, _densify(table.reshape(n, BINS))


def _densify(table: np.ndarray) -> np.ndarray:
    """Empty bins take the hash of the next bin that is not empty, changed by how far it is."""
    sparse = np.flatnonzero((table == EMPTY).any(axis=1) & ~(table == EMPTY).all(axis=1))
    if len(sparse):
        part = table[sparse]
        source = part.copy()
        for step in range(1, BINS):
            rolled = np.roll(source, -step, axis=1)
            fill = (part == EMPTY) & (rolled != EMPTY)
            if not (part == EMPTY).any():
                break
            part[fill] = rolled[fill] + np.uint32(step * 0x9E3779B1 & 0xFFFFFFFF)
        table[sparse] = part
    return table


def candidates(table: np.ndarray, report: Callable[[int, int], None]) -> Candidates:
    """Pairs of lines of signatures that share a band and agree in enough bins."""
    able = np.flatnonzero((table != EMPTY).any(axis=1))
    able_table = table[able]
    small = (able_table ^ (able_table >> np.uint32(16))).astype(np.uint8)
    least = AGREE if len(able) <= MANY else AGREE_OF_MANY
    found: list[np.ndarray] = []
    skipped = 0
    bands = [(i, (i + step) % BINS) for step in STEPS for i in range(BINS)]
    for done, (i, j) in enumerate(bands):
        order, edge = _buckets(able_table[:, i], able_table[:, j])
        skipped += _left_out(edge)
        found += [_agreeing(small, left, right, least) for left, right in _members(order, edge)]
        if done % 8 == 7 and found:
            found = [distinct(np.concatenate(found))]
        report(done + 1, len(bands))
    codes = distinct(np.concatenate(found)) if found else np.empty(0, np.int64)
    pairs = np.stack([able[codes >> 32], able[codes & 0xFFFFFFFF]], axis=1)
    return Candidates(pairs.reshape(-1, 2).astype(np.int64), skipped)


def _buckets(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lines in order of bucket (those alone in theirs are left out), and where each bucket starts and ends.

    Hash and line number are sorted as one integer: a third of the time of a sort of numbers by hash.
    """
    bits = np.uint64(max(len(first).bit_length(), 1))
    key = first.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    key += second * np.uint64(0xC2B2AE3D27D4EB4F)
    key ^= key >> np.uint64(29)
    key *= np.uint64(0xBF58476D1CE4E5B9)
    key >>= bits
    key <<= bits
    key |= np.arange(len(first), dtype=np.uint64)
    key.sort()
    bucket = key >> bits
    same = np.zeros(len(key) + 1, dtype=bool)
    same[1:-1] = bucket[1:] == bucket[:-1]
    shared = same[1:] | same[:-1]
    order = (key[shared] & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    begin = np.flatnonzero(~same[:-1][shared])
    return order, np.concatenate([begin, [len(order)]])


def _members(order: np.ndarray, edge: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of lines in one bucket: all of them, in an oversized one each with its next two and the first."""
    size = np.diff(edge)
    begin, length = np.repeat(edge[:-1], size), np.repeat(size, size)
    position = np.arange(len(order)) - begin
    after = np.where(length <= BUCKET, length - 1 - position, np.minimum(length - 1 - position, 2))
    for part in parts(np.arange(len(order)), after, CHUNK):
        left = np.repeat(part, after[part])
        yield order[left], order[left + 1 + ranges(np.zeros_like(part), after[part])]
    later = np.flatnonzero((length > BUCKET) & (position > 2))
    if len(later):
        yield order[begin[later]], order[later]


def _left_out(edge: np.ndarray) -> int:
    """How many pairs of an oversized bucket are not compared."""
    big = np.diff(edge)
    big = big[big > BUCKET].astype(object)
    return int((big * (big - 1) // 2 - (3 * big - 6)).sum())


def _agreeing(small: np.ndarray, left: np.ndarray, right: np.ndarray, least: int) -> np.ndarray:
    """Codes of the pairs that agree in at least so many bins."""
    near = np.count_nonzero(small[left] == small[right], axis=1) >= least
    a, b = left[near], right[near]
    return np.asarray((np.minimum(a, b) << 32) | np.maximum(a, b))
