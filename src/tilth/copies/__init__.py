"""Copies of texts: equal, equal but for case and blanks, equal but for punctuation, nearly equal.

*Exact copies* are equal after NFKC, case folding and normalising of blanks. *Near copies* are those whose
words have a Jaccard similarity of character 5-grams of at least a threshold; texts that differ in punctuation
alone have similarity 1. Candidates come from MinHash (`minhash`), and the similarity of each is computed
exactly (`jaccard`) and kept down to a low floor, so another threshold needs no new run.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

from tilth.copies.groups import Copies, Group
from tilth.copies.jaccard import similarities
from tilth.copies.minhash import BINS, BUCKET, NO_WORDS, candidates, signatures
from tilth.copies.words import Hashes, blocks

__all__ = ["BUCKET", "FLOOR", "Copies", "Group", "find_copies", "joined"]

FLOOR = 0.5
"""Similarities are kept from here up."""
_TOKEN = re.compile(r"\w+|[^\w\s]+")
Progress = Callable[[str, int, int], None]


def find_copies(
    texts: Sequence[str],
    *,
    threshold: float = 0.7,
    floor: float = FLOOR,
    progress: Progress | None = None,
) -> Copies:
    """Find exact and near copies; deterministic, independent of the order, memory linear in the texts.

    Parameters
    ----------
    texts : any texts; empty ones are copies of each other.
    threshold : least Jaccard similarity of near copies, in (0, 1]; can be set anew with `Copies.at`.
    floor : similarities are kept from here up (or from the threshold, if that is lower).
    progress : called as progress(step, done, total).
    """
    for name, value in (("threshold", threshold), ("floor", floor)):
        if not 0 < value <= 1:
            raise ValueError(f"{name} is in (0, 1], not {value}")
    say = progress or (lambda step, done, total: None)
    floor = min(floor, threshold)
    numbers: dict[str, int] = {}
    raw = np.fromiter((numbers.setdefault(t, len(numbers)) for t in texts), np.int64, len(texts))
    distinct = list(numbers)
    hashed, table = _sketch(distinct, say)
    exact, words = _equal(distinct, hashed)
    # one text stands for all with the same words, and they are taken in an order that is theirs
    _, stands = np.unique(words, return_index=True)
    stands = stands[np.argsort(hashed[stands], kind="stable")]
    found = candidates(table[stands], lambda done, total: say("candidates for copies", done, total))
    of_text = stands[found.pairs]
    similarity = similarities(
        distinct, of_text, floor, lambda done, total: say("comparing copies", done, total)
    )
    near = similarity >= floor
    number, source, left_out = _expand(exact, words, of_text[near])
    same, also_left_out = _same_words(exact, words)
    pairs = np.concatenate([number, exact[same]])
    alike = np.concatenate([similarity[near][source], np.ones(len(same))])
    pairs.sort(axis=1)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    skipped = found.skipped + left_out + also_left_out
    return Copies(exact[raw], pairs[order], alike[order], threshold, floor, skipped)


def joined(*columns: Sequence[object]) -> list[str]:
    """One text for each row of a table: its values in the order of the columns, None left out."""
    return ["\n".join(str(v) for v in row if v is not None) for row in zip(*columns, strict=True)]


def _sketch(distinct: list[str], say: Progress) -> tuple[np.ndarray, np.ndarray]:
    """Hash of the words of each text, and its signature."""
    n, done, hashes = len(distinct), 0, Hashes()
    hashed, table = np.zeros(n, dtype=np.uint64), np.empty((n, BINS), dtype=np.uint32)
    for block in blocks(distinct, np.arange(n)):
        hashed[block.numbers], table[block.numbers] = signatures(block, hashes)
        done += len(block.numbers)
        say("reading for copies", done, n)
    return hashed, table


def _equal(distinct: list[str], hashed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of exact groups, and numbers of groups with the same words, both in order of the first text.

    An equal hash is no proof of an exact copy: those few are folded and compared as they are.
    """
    _, first, inverse, count = np.unique(hashed, return_index=True, return_inverse=True, return_counts=True)
    exact, words = np.arange(len(distinct)), first[inverse]
    folds: dict[str, int] = {}
    for i in np.flatnonzero(count[inverse] > 1).tolist():
        folded = " ".join(_TOKEN.findall(unicodedata.normalize("NFKC", distinct[i]).casefold()))
        exact[i] = folds.setdefault(folded, i)
    words = np.where(hashed == NO_WORDS, exact, words)
    return np.unique(exact, return_inverse=True)[1], np.unique(words, return_inverse=True)[1]


def _same_words(exact: np.ndarray, words: np.ndarray) -> tuple[np.ndarray, int]:
    """(m, 2) texts that stand for two exact groups with the same words, and how many pairs were left out."""
    _, stands = np.unique(exact, return_index=True)
    order = stands[np.argsort(words[stands], kind="stable")]
    parts = np.split(order, np.flatnonzero(np.diff(words[order])) + 1)
    several = [p for p in parts if len(p) > 1]
    made = [
        np.array(list(combinations(p.tolist(), 2)))
        if len(p) <= BUCKET
        else np.stack([np.full(len(p) - 1, p[0]), p[1:]], axis=1)
        for p in several
    ]
    skipped = sum(len(p) * (len(p) - 1) // 2 - len(m) for p, m in zip(several, made, strict=True))
    return (np.concatenate(made) if made else np.empty((0, 2), dtype=np.int64)), skipped


def _expand(exact: np.ndarray, words: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Pairs of texts that stand for their words, as pairs of all exact groups with those words.

    Returns the pairs of exact groups, the number of the pair that each comes from, how many were left out.
    """
    first, second = exact[pairs[:, 0]], exact[pairs[:, 1]]
    number, source = np.stack([first, second], axis=1), np.arange(len(pairs))
    several = np.bincount(words[np.unique(exact, return_index=True)[1]], minlength=1)[words]
    many = np.flatnonzero((several[pairs] > 1).any(axis=1)) if len(pairs) else np.empty(0, np.int64)
    if len(many) == 0:
        return number, source, 0
    _, stands = np.unique(exact, return_index=True)
    order = stands[np.argsort(words[stands], kind="stable")]
    edge = np.searchsorted(words[order], np.arange(int(words.max()) + 2))
    more: list[np.ndarray] = []
    origin: list[np.ndarray] = []
    skipped = 0
    for i in many.tolist():
        a, b = (exact[order[edge[w] : edge[w + 1]]] for w in words[pairs[i]])
        # a great many spellings of the same words: the first of each with all of the other
        left, right = (a, b) if len(a) * len(b) <= BUCKET else (a[:1], b)
        made = np.stack([np.repeat(left, len(right)), np.tile(right, len(left))], axis=1)
        if len(left) < len(a):
            made = np.concatenate([made, np.stack([a[1:], np.full(len(a) - 1, b[0])], axis=1)])
        skipped += len(a) * len(b) - len(made)
        more.append(made)
        origin.append(np.full(len(made), i))
    rest = np.setdiff1d(source, many)
    return np.concatenate([number[rest], *more]), np.concatenate([rest, *origin]), skipped
