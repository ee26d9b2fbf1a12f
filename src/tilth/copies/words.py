"""The words of texts, laid end to end as one array of code points, for any number of texts at once.

Words are what is left of a text after Unicode NFKC and case folding without blanks, punctuation and
control characters; letters, digits, symbols and marks stay. A word and a run of symbols are parted by a
blank. It is a function of `ngrams.fold`: texts that fold to the same have the same words.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

__all__ = ["Hashes", "Lines", "blocks", "distinct", "lines", "parts", "ranges"]

BLOCK = 250_000
"""Characters that are worked on at once: their hashes fit into a second-level cache."""
_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 2**64)
_BLANK, _END = 32, 10
_BETWEEN = " \0 "
_DROP, _WORD, _SYMBOL = 0, 1, 2


@dataclass(frozen=True)
class Lines:
    """Texts as code points: each with one blank before, between and after its words.

    Attributes
    ----------
    numbers : (n,) numbers of the texts.
    codes : (c,) code points, uint8 where all are ASCII, else uint32.
    starts, ends : (n,) text i is codes[starts[i]:ends[i]].
    """

    numbers: np.ndarray
    codes: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


def blocks(texts: Sequence[str], numbers: np.ndarray) -> Iterator[Lines]:
    """The texts with these numbers, in blocks of bounded size, ASCII texts first (they cost a quarter)."""
    ascii = np.fromiter((texts[i].isascii() for i in numbers.tolist()), dtype=bool, count=len(numbers))
    for part in (numbers[ascii], numbers[~ascii]):
        size = np.fromiter((len(texts[i]) + 3 for i in part.tolist()), dtype=np.int64, count=len(part))
        cut = np.flatnonzero(np.diff(np.cumsum(size) // BLOCK)) + 1
        for members in np.split(part, cut):
            if len(members):
                yield lines([texts[i] for i in members.tolist()], members)


def lines(texts: Sequence[str], numbers: np.ndarray) -> Lines:
    """The words of a few texts."""
    joined = " " + _BETWEEN.join(texts) + " "
    if joined.count("\0") != len(texts) - 1:
        joined = " " + _BETWEEN.join(t.replace("\0", " ") for t in texts) + " "
    if joined.isascii():
        kinds, plain = _ascii_tables()
        raw = joined.encode("ascii")
        codes = np.frombuffer(raw.translate(plain), dtype=np.uint8)
        kind = np.frombuffer(raw.translate(kinds), dtype=np.uint8)
    else:
        joined = unicodedata.normalize("NFKC", joined).casefold()
        codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        table = _kinds(codes)
        kind = table[codes]
        codes = np.where(kind == _DROP, np.where(codes == 0, _END, _BLANK), codes).astype(np.uint32)
    # word next to symbol: the one place where a blank comes in
    edge = np.flatnonzero(kind[1:] + kind[:-1] == _WORD + _SYMBOL) + 1
    edge = edge[(kind[edge] != _DROP) & (kind[edge - 1] != _DROP)]
    if len(edge):
        codes = np.insert(codes, edge, _BLANK)
    blank = codes == _BLANK
    keep = np.ones(len(codes), dtype=bool)
    np.logical_and(blank[1:], blank[:-1], out=keep[1:])
    np.logical_not(keep[1:], out=keep[1:])
    codes = codes[keep]
    ends = np.flatnonzero(codes == _END)
    starts = np.concatenate([[0], ends + 1])
    return Lines(numbers, codes, starts, np.concatenate([ends, [len(codes)]]))


@cache
def _ascii_tables() -> tuple[bytes, bytes]:
    """For each byte its kind, and what it becomes."""
    kinds = bytes(_kind(chr(c)) for c in range(128))
    plain = bytes(ord(chr(c).lower()) if kinds[c] else _BLANK for c in range(128))
    return kinds + bytes(128), bytes([_END]) + plain[1:] + bytes(128)


def _kinds(codes: np.ndarray) -> np.ndarray:
    """Table of kinds for all code points that occur."""
    present = np.zeros(int(codes.max(initial=0)) + 1, dtype=bool)
    present[codes] = True
    table = np.zeros(len(present), dtype=np.uint8)
    for c in np.flatnonzero(present).tolist():
        table[c] = _kind(chr(c))
    return table


def _kind(c: str) -> int:
    if c == "_" or c.isalnum():
        return _WORD
    return _DROP if c.isspace() or unicodedata.category(c)[0] in "PCZ" else _SYMBOL


class Hashes:
    """Hashes of substrings in two look-ups and a product, as in `ngrams`; powers are kept for all blocks."""

    def __init__(self) -> None:
        self.power = self.inverse = np.empty(0, dtype=np.uint64)

    def prefix(self, codes: np.ndarray) -> np.ndarray:
        """(c + 1,) S[i] = sum_{j<i} (code_j + 1) B^j modulo 2^64."""
        n = len(codes) + 1
        if len(self.power) < n:
            self.power, self.inverse = _powers(_BASE, 2 * n), _powers(_INVERSE, 2 * n)
        terms = np.add(codes, np.uint64(1), dtype=np.uint64)
        terms *= self.power[: n - 1]
        out = np.zeros(n, dtype=np.uint64)
        np.cumsum(terms, out=out[1:])
        return out

    def windows(self, prefix: np.ndarray, width: int) -> np.ndarray:
        """(c + 1 - width,) 64-bit hashes of all windows; the high bits are the good ones (multilinear)."""
        out = prefix[width:] - prefix[:-width]
        out *= self.inverse[: len(out)]
        return np.asarray(out)

    def whole(self, prefix: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """64-bit hashes of the substrings [start, end)."""
        return np.asarray((prefix[ends] - prefix[starts]) * self.inverse[starts])


def distinct(values: np.ndarray) -> np.ndarray:
    """Distinct integers, ascending. The `unique` of NumPy hashes first: ten times slower here."""
    values = np.sort(values)
    return values[np.concatenate([[True], values[1:] != values[:-1]])] if len(values) else values


def parts(numbers: np.ndarray, weight: np.ndarray, most: int) -> list[np.ndarray]:
    """The numbers in runs of about this weight."""
    cut = np.flatnonzero(np.diff(np.cumsum(weight) // most)) + 1
    return np.split(numbers, cut) if len(numbers) else []


def ranges(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The numbers start, start + 1 ... of several ranges end to end."""
    end = np.cumsum(sizes)
    out = np.repeat(starts - end + sizes, sizes)
    out += np.arange(len(out))
    return out


def _powers(base: int, n: int) -> np.ndarray:
    out = np.full(n, np.uint64(base), dtype=np.uint64)
    out[0] = 1
    return np.cumprod(out, dtype=np.uint64)
