"""Hashed word and character n-grams of many texts at once, in numpy.

The texts are laid end to end as one array of code points. With S[i] = sum_{j<i} c_j B^j (mod 2^64, B odd)
the hash of any substring [a, b) is (S[b] - S[a]) B^-a: two look-ups and a product, for all n-grams of
all texts in a handful of array operations. That is about 15 times faster than a loop in Python and
needs no vocabulary in memory.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Grams", "char_grams", "fold", "layout", "word_grams"]

_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 2**64)
_TOKEN = re.compile(r"\w+|[^\w\s]+")
_MASK = 2**64 - 1
MAX_CHARS = 20_000
"""Characters of one text that are looked at; the rest of an absurdly long row adds nothing but cost."""


def fold(text: str) -> str:
    """NFKC, case-folded, tokens parted by single blanks: the form in which texts are compared."""
    folded = unicodedata.normalize("NFKC", text[:MAX_CHARS]).casefold()
    return " ".join(_TOKEN.findall(folded))


@dataclass(frozen=True)
class Grams:
    """Hashes of n-grams and the number of the text that each stands in, in order of the texts."""

    hashes: np.ndarray
    texts: np.ndarray


@dataclass(frozen=True)
class Layout:
    """Folded texts laid end to end: prefix hashes and positions."""

    prefix: np.ndarray
    inverse: np.ndarray
    owner: np.ndarray
    space: np.ndarray
    count: int

    def hash(self, start: np.ndarray, end: np.ndarray, salt: int) -> np.ndarray:
        """64-bit hashes of the substrings [start, end)."""
        raw = (self.prefix[end] - self.prefix[start]) * self.inverse[start]
        return _mix(raw + np.uint64(salt * 0xD6E8FEB86659FD93 & _MASK))


def _mix(x: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64: spreads the entropy over all bits."""
    x = x ^ (x >> np.uint64(30))
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def _powers(base: int, n: int) -> np.ndarray:
    out = np.full(n, np.uint64(base), dtype=np.uint64)
    out[0] = 1
    return np.cumprod(out, dtype=np.uint64)


def layout(folded: Sequence[str]) -> Layout:
    """Lay folded texts end to end, each with one blank before and after."""
    padded = [f" {t} " for t in folded]
    lengths = np.fromiter((len(t) for t in padded), dtype=np.int64, count=len(padded))
    raw = "".join(padded).encode("utf-32-le", "surrogatepass")
    points = np.frombuffer(raw, dtype="<u4").astype(np.uint64)
    n = len(points)
    prefix = np.zeros(n + 1, dtype=np.uint64)
    np.cumsum((points + np.uint64(1)) * _powers(_BASE, n + 1)[:n], out=prefix[1:], dtype=np.uint64)
    owner = np.repeat(np.arange(len(padded), dtype=np.int32), lengths)
    return Layout(prefix, _powers(_INVERSE, n + 1), owner, points == 32, len(padded))


def char_grams(text: Layout, n: int, *, within_words: bool) -> Grams:
    """All runs of n characters; `within_words`: none that crosses a blank (it may start or end on one)."""
    total = len(text.owner)
    if total < n:
        return Grams(np.empty(0, np.uint64), np.empty(0, np.int32))
    start = np.arange(total - n + 1)
    ok = text.owner[start] == text.owner[start + n - 1]
    if within_words:
        blanks = np.concatenate([[0], np.cumsum(text.space)])
        ok &= blanks[start + n - 1] == blanks[start + 1]
    start = start[ok]
    return Grams(text.hash(start, start + n, n), text.owner[start])


def word_grams(text: Layout, n: int) -> Grams:
    """All runs of n tokens."""
    blank = np.flatnonzero(text.space)
    start, end = blank[:-1] + 1, blank[1:]
    ok = (text.owner[blank[:-1]] == text.owner[blank[1:]]) & (end > start)
    start, end = start[ok], end[ok]
    if len(start) < n:
        return Grams(np.empty(0, np.uint64), np.empty(0, np.int32))
    first, last = start[: len(start) - n + 1], end[n - 1 :]
    same = text.owner[first] == text.owner[last - 1]
    return Grams(text.hash(first[same], last[same], 100 + n), text.owner[first[same]])


def blocks(texts: Sequence[str], size: int = 20_000) -> Iterator[Layout]:
    """Layouts of at most `size` texts each (and about 4 million characters): bounded memory."""
    batch: list[str] = []
    chars = 0
    for text in texts:
        batch.append(fold(text))
        chars += len(batch[-1])
        if len(batch) >= size or chars > 4_000_000:
            yield layout(batch)
            batch, chars = [], 0
    if batch:
        yield layout(batch)
