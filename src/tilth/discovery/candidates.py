"""Candidate slices from columns: values, ranges, and pairs of columns.

All candidates of a kind stand in one sparse matrix of *cells* (rows x cells, 0/1); a candidate is a cell,
or a run of cells where `combine` says so (a range of bins). Counts of anything within all candidates are
then two sparse products.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations

import numpy as np
import scipy.sparse as sp

from tilth.data import Snapshot, Value
from tilth.slices import literal, moments, name_of, numbers

__all__ = ["Block", "Support", "bins_of", "of_columns", "one_hot"]

FEW_NUMBERS, MOST_VALUES = 12, 200
BINS, COARSE = 40, 4
PAIR_COLUMNS, PAIR_VALUES = 12, 60


@dataclass(frozen=True)
class Support:
    """How many rows a slice needs and may have."""

    least: int
    most: int

    def keeps(self, counts: np.ndarray) -> np.ndarray:
        """Which sizes are those of a slice."""
        return (counts >= self.least) & (counts <= self.most)


@dataclass(frozen=True)
class Block:
    """Candidates of one kind.

    Attributes
    ----------
    kind : "value", "pair", "range", "word" or "cluster".
    cells : (n, g) CSR float32 of 0 and 1.
    combine : (m, g) CSR of 0 and 1: the cells of each candidate; None: each cell is one.
    describe : number of a candidate to its expression.
    """

    kind: str
    cells: sp.csr_matrix
    combine: sp.csr_matrix | None
    describe: Callable[[int], str]

    def __len__(self) -> int:
        return int(self.cells.shape[1] if self.combine is None else self.combine.shape[0])

    def rows(self, number: int) -> np.ndarray:
        """(n,) mask of the rows in a candidate."""
        wanted = np.zeros(self.cells.shape[1], dtype=np.float32)
        wanted[[number] if self.combine is None else self.combine[number].indices] = 1.0
        return np.asarray(self.cells @ wanted) > 0


@dataclass(frozen=True)
class _Coded:
    """A column as codes: -1 where a row is in none of the named parts."""

    column: str
    codes: np.ndarray
    names: list[str]


def one_hot(codes: np.ndarray, width: int) -> sp.csr_matrix:
    """(n, width) CSR with a 1 at each row's code; rows with code -1 are empty."""
    known = codes >= 0
    indptr = np.concatenate([[0], np.cumsum(known)])
    data = np.ones(int(known.sum()), dtype=np.float32)
    return sp.csr_matrix((data, codes[known].astype(np.int32), indptr), shape=(len(codes), width))


def of_columns(
    rows: Snapshot, lengths: np.ndarray, support: Support, *, skip: Sequence[str], label: str
) -> list[Block]:
    """Blocks of values, ranges and pairs.

    Parameters
    ----------
    lengths : (n,) characters of the texts.
    skip : columns that are no attributes (the text itself).
    label : what the label column is called; classes stand in pairs only: a class on its own is hard or
        easy, which is not news about a slice.
    """
    values: list[_Coded] = []
    coarse: list[_Coded] = []
    ranges: list[tuple[str, np.ndarray, Callable[[float], str]]] = [("length", lengths, _number)]
    columns = {n: c for n, c in rows.columns.items() if n not in skip}
    if len(set(rows.sources)) > 1:
        columns.setdefault("source", rows.sources)
    for name, column in columns.items():
        ordered = _ordered(column)
        if ordered is not None:
            ranges.append((name, *ordered))
        elif (coded := _valued(name, column, support)) is not None:
            values.append(coded)
    coarse = [c for n, x, spell in ranges if (c := _cut(n, x, spell)) is not None]
    classes = _valued(name_of(label), rows.labels, support)
    paired = [*values, *coarse][:PAIR_COLUMNS] + ([classes] if classes is not None else [])
    blocks = [_ranges(n, x, spell, support) for n, x, spell in ranges]
    return [
        b for b in [_values(values, support), _pairs(paired, support), *blocks] if b is not None and len(b)
    ]


def _number(value: float) -> str:
    return literal(value)


def _moment(value: float) -> str:
    return f'"{datetime.fromtimestamp(value, UTC).replace(tzinfo=None).isoformat()}"'


def _ordered(column: Sequence[Value]) -> tuple[np.ndarray, Callable[[float], str]] | None:
    """A column of numbers or dates with more than a few values, as floats, and how one is spelled."""
    known = [v for v in column if v is not None]
    sample = known[:: max(1, len(known) // 1000)]
    if len(set(sample)) <= FEW_NUMBERS or any(isinstance(v, bool) for v in sample):
        return None
    if np.isfinite(numbers(sample)).mean() > 0.95:
        return numbers(column), _number
    if (~np.isnat(moments(sample))).mean() > 0.95:
        at = moments(column)
        return np.where(np.isnat(at), np.nan, at.astype(np.int64).astype(float)), _moment
    return None


def _valued(name: str, column: Sequence[Value], support: Support) -> _Coded | None:
    """A column by its frequent values; None when it has fewer than two."""
    places: dict[Value, int] = {}
    codes = np.array([places.setdefault(v, len(places)) for v in column], dtype=np.int64)
    if not len(places) > 1:
        return None
    counts = np.bincount(codes, minlength=len(places))
    order = np.argsort(-counts, kind="stable")[:MOST_VALUES]
    kept = order[counts[order] >= support.least]
    place = np.full(len(places), -1)
    place[kept] = np.arange(len(kept))
    spelled = list(places)
    column_name = name_of(name) if not name.startswith("`") else name
    names = [
        f"{column_name} is missing" if spelled[i] is None else f"{column_name} == {literal(spelled[i])}"
        for i in kept.tolist()
    ]
    return _Coded(name, place[codes], names) if len(kept) else None


def _values(columns: list[_Coded], support: Support) -> Block | None:
    cells, names = [], []
    for c in columns:
        one = one_hot(c.codes, len(c.names))
        kept = np.flatnonzero(support.keeps(np.bincount(c.codes[c.codes >= 0], minlength=len(c.names))))
        cells.append(one[:, kept])
        names += [c.names[i] for i in kept.tolist()]
    return Block("value", sp.hstack(cells, format="csr"), None, names.__getitem__) if names else None


def _pairs(columns: list[_Coded], support: Support) -> Block | None:
    """Conjunctions of two columns; those that hardly differ from one of their parts are left out."""
    n = len(columns[0].codes) if columns else 0
    cells, names = [], []
    for a, b in combinations(columns, 2):
        ka, kb = min(len(a.names), PAIR_VALUES), min(len(b.names), PAIR_VALUES)
        ca, cb = a.codes, b.codes
        both = (ca >= 0) & (cb >= 0) & (ca < ka) & (cb < kb)
        code = np.where(both, ca * kb + cb, -1)
        counts = np.bincount(code[both], minlength=ka * kb)
        alone_a = np.bincount(ca[ca >= 0], minlength=ka)[np.arange(ka * kb) // kb]
        alone_b = np.bincount(cb[cb >= 0], minlength=kb)[np.arange(ka * kb) % kb]
        kept = np.flatnonzero(support.keeps(counts) & (counts < 0.95 * np.minimum(alone_a, alone_b)))
        place = np.full(ka * kb + 1, -1)
        place[kept] = np.arange(len(kept))
        cells.append(one_hot(place[code], len(kept)))
        names += [f"{a.names[i // kb]} and {b.names[i % kb]}" for i in kept.tolist()]
    return Block("pair", sp.hstack(cells, format="csr"), None, names.__getitem__) if n and names else None


def _edges(x: np.ndarray, bins: int) -> np.ndarray:
    """Upper ends of at most so many bins of about equal size, the last one left out."""
    known = np.sort(x[np.isfinite(x)])
    if len(known) == 0:
        return known
    at = (np.arange(1, bins) * len(known) / bins).astype(int)
    return np.unique(known[np.maximum(at - 1, 0)])


def bins_of(x: np.ndarray, bins: int) -> np.ndarray:
    """(n,) number of the bin of each value, of at most so many about equally full ones; -1 for NaN."""
    return np.where(np.isfinite(x), np.searchsorted(_edges(x, bins), x, side="left"), -1)


def _span(name: str, x: np.ndarray, inside: np.ndarray, spell: Callable[[float], str]) -> str:
    """The expression of a run of bins."""
    low, high = float(x[inside].min()), float(x[inside].max())
    known, column = x[np.isfinite(x)], name_of(name)
    if low <= known.min():
        return f"{column} <= {spell(high)}"
    if high >= known.max():
        return f"{column} >= {spell(low)}"
    return f"{column} in {spell(low)}..{spell(high)}"


def _cut(name: str, x: np.ndarray, spell: Callable[[float], str]) -> _Coded | None:
    """A column of numbers in a few parts, for pairs."""
    codes = bins_of(x, COARSE)
    parts = np.unique(codes[codes >= 0])
    if len(parts) < 2:
        return None
    codes = np.where(codes >= 0, np.searchsorted(parts, codes), -1)
    return _Coded(name, codes, [_span(name, x, codes == i, spell) for i in range(len(parts))])


def _ranges(name: str, x: np.ndarray, spell: Callable[[float], str], support: Support) -> Block | None:
    """All runs of bins with the right number of rows."""
    codes = bins_of(x, BINS)
    width = int(codes.max(initial=0)) + 1
    total = np.concatenate([[0], np.cumsum(np.bincount(codes[codes >= 0], minlength=width))])
    first, last = np.triu_indices(width)
    kept = support.keeps(total[last + 1] - total[first])
    first, last = first[kept], last[kept]
    lengths = last - first + 1
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    indices = np.arange(int(lengths.sum())) - np.repeat(indptr[:-1], lengths) + np.repeat(first, lengths)
    ones = np.ones(len(indices), dtype=np.float32)
    combine = sp.csr_matrix((ones, indices, indptr), shape=(len(first), width))
    return Block(
        "range",
        one_hot(codes, width),
        combine,
        lambda i: _span(name, x, (codes >= first[i]) & (codes <= last[i]), spell),
    )
