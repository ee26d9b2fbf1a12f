"""Votes of several annotators, and how far they agree beyond chance: pure.

A vote says that one annotator gave one item one label. Votes are three arrays of numbers; a million of
them are a few megabytes, and nothing here loops over them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from tilth.stats import Interval, t_quantile

__all__ = ["Agreement", "Judged", "Judgements", "Pair", "Votes", "agreement", "disagreements"]

GROUPS = 2_000
"""Items are resampled in so many groups: beyond that a finer bootstrap changes no digit that is shown."""


@dataclass(frozen=True)
class Judgements:
    """The judgements of one file, in its order: v of them on n items.

    Attributes
    ----------
    items : (n,) name of each item: its id, or its text where `by` is "text".
    texts : (n,) text of each item; empty where the file has none.
    annotators, labels : names, ascending.
    item, annotator, label : (v,) int32 numbers into these.
    by : "id" or "text": how items are matched to rows.
    """

    items: Sequence[str]
    texts: Sequence[str]
    annotators: Sequence[str]
    labels: Sequence[str]
    item: np.ndarray
    annotator: np.ndarray
    label: np.ndarray
    by: str = "id"

    def __len__(self) -> int:
        return len(self.item)


@dataclass(frozen=True)
class Votes:
    """One label by each annotator for each item that they judged.

    Attributes
    ----------
    items, annotators, labels : names; what the numbers stand for.
    item, annotator, label : (v,) numbers, ordered by item, then by annotator; no pair occurs twice.
    repeated : judgements that a later one by the same annotator on the same item replaced.
    """

    items: Sequence[str]
    annotators: Sequence[str]
    labels: Sequence[str]
    item: np.ndarray
    annotator: np.ndarray
    label: np.ndarray
    repeated: int = 0

    @staticmethod
    def of(items: Sequence[str], annotators: Sequence[str], labels: Sequence[str]) -> Votes:
        """Votes from three equally long lists, one entry for each judgement; the last one counts."""
        names, codes = zip(*(_encode(x) for x in (items, annotators, labels)), strict=True)
        return Votes.coded(names[0], names[1], names[2], *codes)

    @staticmethod
    def coded(
        items: Sequence[str],
        annotators: Sequence[str],
        labels: Sequence[str],
        item: np.ndarray,
        annotator: np.ndarray,
        label: np.ndarray,
    ) -> Votes:
        """Votes from numbers in the order in which they were given; the last one counts."""
        key = item.astype(np.int64) * max(len(annotators), 1) + annotator
        order = np.argsort(key, kind="stable")
        last = np.append(key[order][1:] != key[order][:-1], True) if len(key) else np.empty(0, bool)
        keep = order[last]
        return Votes(
            items, annotators, labels, item[keep], annotator[keep], label[keep], len(key) - len(keep)
        )

    def __len__(self) -> int:
        return len(self.item)

    @cached_property
    def counts(self) -> Any:
        """(n, k) sparse number of votes of each item for each label."""
        shape = (len(self.items), len(self.labels))
        return csr_matrix((np.ones(len(self), np.float64), (self.item, self.label)), shape=shape)

    @cached_property
    def per_item(self) -> np.ndarray:
        """(n,) number of votes of each item."""
        return np.asarray(np.bincount(self.item, minlength=len(self.items)))

    @cached_property
    def split(self) -> np.ndarray:
        """(n,) whether an item has votes for more than one label."""
        return np.asarray(np.diff(self.counts.indptr) > 1)

    def majority(self) -> np.ndarray:
        """(n,) label with the most votes, -1 without votes; ties are drawn, always in the same way.

        Giving ties to the more frequent label looks wise and is not: its errors then all go one way, and
        a model that learns from them loses up to 9 points (benchmarks/annotators.py).
        """
        counts = self.counts.tocoo()
        score = counts.data + np.random.default_rng(0).random(counts.nnz) / 2
        order = np.lexsort((score, counts.row))
        out = np.full(len(self.items), -1, dtype=np.int64)
        out[counts.row[order]] = counts.col[order]
        return out


@dataclass(frozen=True)
class Judged:
    """All votes of a project, and which rows they are about.

    Attributes
    ----------
    votes : the votes; its labels are those of the votes and of the training rows.
    train, evaluation : (n,) position of each item among the rows of train or of the evaluation set; -1
        where it is not there.
    texts : (n,) text of each item that is in neither; else empty.
    """

    votes: Votes
    train: np.ndarray
    evaluation: np.ndarray
    texts: Sequence[str]


def _encode(names: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Names, ascending, and the number of each entry."""
    known = sorted(set(names))
    number = {name: i for i, name in enumerate(known)}
    return known, np.fromiter(map(number.__getitem__, names), np.int64, len(names))


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far annotators agree.

    Attributes
    ----------
    alpha : Krippendorff's alpha with its interval: 1 is perfect, 0 is chance; NaN where it is undefined
        (no item has two votes, or only one label was ever used).
    observed : share of pairs of votes on one item that are equal, each item with equal weight per vote.
    items, votes : with at least two votes an item; the others say nothing about agreement.
    """

    alpha: Interval
    observed: float
    items: int
    votes: int


def agreement(votes: Votes, *, level: float = 0.95, draws: int = 1_000, seed: int = 0) -> Agreement:
    """Krippendorff's alpha for nominal labels with missing votes; interval by a bootstrap over items.

    Parameters
    ----------
    level : of the interval.
    draws : bootstrap samples.
    seed : of the bootstrap.

    Notes
    -----
    alpha = 1 - observed / expected disagreement, where an item with m votes adds
    (m^2 - sum_c n_c^2) / (m - 1) to the observed one and the expected one is that of two votes drawn from
    all. The interval is the bootstrap's on the scale log(1 - alpha), which is nearer to normal than alpha
    near 1, with Student's t for the number of items.

    References
    ----------
    Krippendorff, "Content analysis", 4th edition, 2019, chapter 12;
    Hayes and Krippendorff, "Answering the call for a standard reliability measure", 2007 (bootstrap).
    """
    enough = np.flatnonzero(votes.per_item > 1)
    counts = votes.counts[enough]
    m = votes.per_item[enough].astype(np.float64)
    n = len(enough)
    if n == 0:
        return Agreement(Interval(float("nan"), float("nan"), float("nan")), float("nan"), 0, 0)
    same = np.asarray(counts.multiply(counts).sum(axis=1)).ravel()
    apart = (m * m - same) / (m - 1)
    rng = np.random.default_rng(seed)
    groups = min(n, GROUPS)
    group = np.arange(n) if n == groups else rng.permutation(n) % groups
    fold = csr_matrix((np.ones(n), (group, np.arange(n))), shape=(groups, n))
    parts = np.column_stack([fold @ apart, fold @ m, (fold @ counts).toarray()])
    value = float(_alpha(parts.sum(axis=0, keepdims=True))[0])
    drawn = _alpha(rng.multinomial(groups, np.full(groups, 1 / groups), size=draws) @ parts)
    low, high = _spread(value, drawn, groups, level)
    total = m.sum()
    return Agreement(Interval(value, low, high), 1 - float(apart.sum() / total), n, int(total))


def _alpha(sums: np.ndarray) -> np.ndarray:
    """Alpha from lines of (observed disagreement, votes, votes for each label)."""
    total, labels = sums[:, 1], sums[:, 2:]
    chance = total**2 - (labels**2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        out = 1 - sums[:, 0] * (total - 1) / chance
    out[chance <= 0] = np.nan
    return np.asarray(out)


def _spread(value: float, drawn: np.ndarray, n: int, level: float) -> tuple[float, float]:
    """Interval of alpha from bootstrap draws."""
    known = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or len(known) < 2 or n < 2:
        return float("nan"), float("nan")
    if value >= 1:  # no disagreement was seen: rule of three on the items
        return 1 - 3.0 / n, 1.0
    t = t_quantile(0.5 + level / 2, n - 1)
    logs = np.log(np.maximum(1 - known, 1e-9))
    half = t * float(logs.std(ddof=1)) * np.sqrt(n / max(n - 1, 1))
    return float(1 - (1 - value) * np.exp(half)), float(1 - (1 - value) * np.exp(-half))


@dataclass(frozen=True, slots=True)
class Pair:
    """Two labels that annotators give to the same items.

    Attributes
    ----------
    a, b : label numbers, a < b.
    votes : pairs of votes on one item of which one says a and the other b.
    items : items with votes for both.
    share : of the pairs of votes on one item that say a or b on both sides, those that differ.
    """

    a: int
    b: int
    votes: int
    items: int
    share: float


def disagreements(votes: Votes, most: int = 20) -> list[Pair]:
    """The pairs of labels between which annotators disagree most, by number of pairs of votes."""
    counts = votes.counts
    between = (counts.T @ counts).tocoo()
    touched = counts.sign()
    items = (touched.T @ touched).tocsr()
    single = np.asarray(counts.multiply(counts).sum(axis=0)).ravel() - np.asarray(counts.sum(axis=0)).ravel()
    upper = between.row < between.col
    row, col, data = between.row[upper], between.col[upper], between.data[upper]
    order = np.lexsort((col, row, -data))[:most]
    return [
        Pair(int(a), int(b), int(x), int(items[a, b]), float(x / (x + (single[a] + single[b]) / 2)))
        for a, b, x in zip(row[order], col[order], data[order], strict=True)
    ]
