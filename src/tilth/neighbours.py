"""The nearest rows by cosine similarity, for dense features: exact where that is cheap, else by cells.

Up to `EXACT` rows every pair is compared, in blocks, each pair once. Above, rows are gathered in cells
(k-means, split again until they are small), and a row is compared with the rows of the cells whose
centres are nearest to it. How many cells are needed is measured, not assumed: for a sample of rows the
true neighbours are computed, and the cells in which they lie say how many must be searched for the
wanted recall. The recall that was reached on the sample is part of the result.

A row is compared with at most `WORK` * log2(n) others, so the whole grows as n log n. Data without any
structure would need more above some 50,000 rows; the result then says what recall the work bought.
Memory: one copy of the features in the order of cells, and blocks of a few MiB.

References
----------
Jegou, Douze and Schmid, "Product quantization for nearest neighbor search", TPAMI 2011 (inverted file);
Dhillon and Modha, "Concept decompositions for large sparse text data", 2001 (spherical k-means).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["Index", "Neighbours", "Space"]

EXACT = 16_000
WORK = 2_000
SAMPLE = 400
BLOCK = 2_048
GROUP = 32_768
"""Rows whose searches are sorted by cell at a time; bounds the memory of the queue."""
BRANCH = 256
"""Most parts that a set of rows is split into at once; keeps the assignment of rows to cells n log n."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest rows of m rows.

    Attributes
    ----------
    index : (m, k) int32 positions, the nearest first; k is less than asked for where there are fewer rows.
    similarity : (m, k) float32 cosine, descending, in [-1, 1].
    recall : share of the true k nearest that were found, measured on a sample of rows; 1.0 when exact.
    recall_low : lower end of its 95 % interval.
    exact : every pair was compared.
    pairs : number of similarities that were computed.
    """

    index: np.ndarray
    similarity: np.ndarray
    recall: float
    recall_low: float
    exact: bool
    pairs: int

    def agreement(self, labels: np.ndarray) -> np.ndarray:
        """(n,) share of the nearest rows that have the row's own label, in [0, 1].

        Parameters
        ----------
        labels : (n,) class numbers, -1 for a row without label.

        Returns
        -------
        NaN for a row without label or without a neighbour that has one.
        """
        near = labels[self.index]
        known = (near >= 0).sum(axis=1)
        same = ((near == labels[:, None]) & (near >= 0)).sum(axis=1)
        share = same / np.maximum(known, 1)
        return np.asarray(np.where((known > 0) & (labels >= 0), share, np.nan))


@dataclass(frozen=True)
class Index:
    """Rows ready to be searched.

    Attributes
    ----------
    rows : (n, d) float32 rows of length 1 (zero rows stay zero), in the order of cells.
    order : (n,) where each of them was in the array given.
    starts : (c + 1,) where each cell begins in `rows`.
    centres : (c, d) the centre of each cell, of length 1.
    seed : of k-means and of the sample that recall is measured on.
    """

    rows: np.ndarray
    order: np.ndarray
    starts: np.ndarray
    centres: np.ndarray
    seed: int

    @staticmethod
    def build(x: np.ndarray, *, seed: int = 0) -> Index:
        """Sort rows into cells; `x` is (n, d), any float type, finite, and not changed.

        Raises
        ------
        ValueError : not two-dimensional, or not finite.
        """
        if x.ndim != 2:
            raise ValueError(f"features are (rows, columns), not an array of {x.ndim} dimension(s)")
        scale = _scale(x)
        n = len(x)
        cells = [np.arange(n)] if n <= EXACT else _cells(x, scale, max(int(n**0.5), 16), seed)
        order = np.concatenate(cells)
        rows = np.empty(x.shape, dtype=np.float32)
        for start in range(0, n, BLOCK):
            part = order[start : start + BLOCK]
            rows[start : start + BLOCK] = _unit(x, scale, part)
        starts = np.concatenate([[0], np.cumsum([len(c) for c in cells])])
        centres = np.zeros((len(cells), x.shape[1]), dtype=np.float32)
        if n:
            sums = np.add.reduceat(rows, starts[:-1], axis=0)
            centres = _unit(sums, _scale(sums), np.arange(len(sums)))
        return Index(rows, order, starts, centres, seed)

    def within(self, k: int = 10, *, recall: float = 0.99) -> Neighbours:
        """The k nearest *other* rows of each row."""
        n = len(self.rows)
        k = min(k, max(n - 1, 0))
        if k == 0:
            return Neighbours(np.empty((n, 0), np.int32), np.empty((n, 0), np.float32), 1.0, 1.0, True, 0)
        if len(self.centres) == 1:
            return self._finish(self._every_pair(k), np.arange(n), (1.0, 1.0, True, n * (n - 1) // 2))
        cell = np.repeat(np.arange(len(self.centres)), np.diff(self.starts))
        sample = np.sort(np.random.default_rng(self.seed).choice(n, min(SAMPLE, n), replace=False))
        truth = self._compare(self.rows[sample], k, sample)
        probes, pairs = self._depth(self.rows[sample], cell[sample], truth, recall)
        if pairs > n / 2 and n / 2 <= WORK * np.log2(n):
            return self._finish(self._every_pair(k), np.arange(n), (1.0, 1.0, True, n * (n - 1) // 2))
        top = _Top(n, k)
        for a in range(0, n, GROUP):
            part = np.arange(a, min(a + GROUP, n))
            found = self._search(self.rows[part], k, self._probe(self.rows[part], probes, cell[part]), a)
            top.similarity[part], top.index[part] = found.similarity, found.index
        measured = _recall(top.similarity[sample], truth.similarity)
        return self._finish(top, np.arange(n), (*measured, False, int(pairs * n) + len(sample) * n))

    def nearest(self, queries: np.ndarray, k: int = 1, *, recall: float = 0.99) -> Neighbours:
        """The k nearest rows of each of (m, d) other rows."""
        n, m = len(self.rows), len(queries)
        k = min(k, n)
        if k == 0 or m == 0:
            return Neighbours(np.empty((m, k), np.int32), np.empty((m, k), np.float32), 1.0, 1.0, True, 0)
        scale = _scale(queries)
        few = len(self.centres) == 1 or m * n <= EXACT**2
        top, measured, pairs, probes = _Top(m, k), (1.0, 1.0), float(n), 0
        if not few:
            sample = np.sort(np.random.default_rng(self.seed).choice(m, min(SAMPLE, m), replace=False))
            asked = _unit(queries, scale, sample)
            truth = self._compare(asked, k, None)
            probes, pairs = self._depth(asked, None, truth, recall)
        for a in range(0, m, GROUP):
            part = np.arange(a, min(a + GROUP, m))
            unit = _unit(queries, scale, part)
            if few:
                found = self._compare(unit, k, None)
            else:
                found = self._search(unit, k, self._probe(unit, probes, None), None)
            top.similarity[part], top.index[part] = found.similarity, found.index
        if not few:
            measured = _recall(top.similarity[sample], truth.similarity)
        return self._finish(top, None, (*measured, few, int(pairs * m)))

    def _finish(self, top: _Top, own: np.ndarray | None, about: tuple[float, float, bool, int]) -> Neighbours:
        """Positions as in the array given; for searches within, lines too."""
        index = self.order[top.index].astype(np.int32)
        similarity = np.clip(top.similarity, -1.0, 1.0)
        if own is not None:
            back = np.empty(len(self.order), dtype=np.int64)
            back[self.order] = own
            index, similarity = index[back], similarity[back]
        return Neighbours(index, similarity, *about)

    def _every_pair(self, k: int) -> _Top:
        """All pairs, each computed once and offered to both its rows; diagonal blocks first."""
        n = len(self.rows)
        top = _Top(n, k)
        blocks = [np.arange(a, min(a + BLOCK, n)) for a in range(0, n, BLOCK)]
        for rows in blocks:
            block = self.rows[rows[0] : rows[-1] + 1]
            similar = block @ block.T
            np.fill_diagonal(similar, -np.inf)
            top.offer(rows, rows, similar)
        for number, rows in enumerate(blocks):
            for others in blocks[number + 1 :]:
                similar = self.rows[rows[0] : rows[-1] + 1] @ self.rows[others[0] : others[-1] + 1].T
                top.offer(rows, others, similar)
                top.offer_across(rows, others, similar)
        top.merge()
        return top

    def _compare(self, queries: np.ndarray, k: int, own: np.ndarray | None) -> _Top:
        """Every row against unit queries; `own` are the positions of the queries, to be left out."""
        top = _Top(len(queries), k)
        for a in range(0, len(queries), BLOCK):
            rows = np.arange(a, min(a + BLOCK, len(queries)))
            for b in range(0, len(self.rows), BLOCK):
                columns = np.arange(b, min(b + BLOCK, len(self.rows)))
                similar = queries[rows] @ self.rows[b : b + BLOCK].T
                if own is not None:
                    here = np.flatnonzero((own[rows] >= b) & (own[rows] < b + len(columns)))
                    similar[here, own[rows[here]] - b] = -np.inf
                top.offer(rows, columns, similar)
        top.merge()
        return top

    def _depth(
        self, queries: np.ndarray, cell: np.ndarray | None, truth: _Top, recall: float
    ) -> tuple[int, float]:
        """How many cells to search for the wanted recall, and how many pairs a row that costs."""
        sizes = np.diff(self.starts)
        order = np.argsort(-self._affinity(queries, cell), axis=1, kind="stable")
        place = np.empty_like(order)
        np.put_along_axis(place, order, np.arange(len(sizes))[None, :], axis=1)
        home = np.searchsorted(self.starts, truth.index, side="right") - 1
        needed = np.sort(np.take_along_axis(place, home, axis=1).ravel())
        # a little more than asked for: the sample has chance in it
        wanted = min(recall + 0.25 * (1 - recall), 1.0)
        probes = int(needed[min(int(np.ceil(wanted * len(needed))), len(needed)) - 1]) + 1
        cost = np.cumsum(sizes[order], axis=1).mean(axis=0)
        allowed = int(np.searchsorted(cost, WORK * np.log2(len(self.rows)), side="right"))
        probes = max(min(probes, allowed), 1)
        return probes, float(cost[probes - 1])

    def _affinity(self, queries: np.ndarray, cell: np.ndarray | None) -> np.ndarray:
        """(m, c) similarity to the centres; a row's own cell comes first."""
        near = np.asarray(queries @ self.centres.T)
        if cell is not None:
            near[np.arange(len(queries)), cell] = 2.0
        return near

    def _probe(self, queries: np.ndarray, probes: int, cell: np.ndarray | None) -> np.ndarray:
        """(m, probes) cells to search, the nearest first."""
        out = np.empty((len(queries), probes), dtype=np.int32)
        for a in range(0, len(queries), BLOCK):
            near = self._affinity(queries[a : a + BLOCK], None if cell is None else cell[a : a + BLOCK])
            if probes < near.shape[1]:
                best = np.argpartition(near, near.shape[1] - probes, axis=1)[:, -probes:]
            else:
                best = np.broadcast_to(np.arange(near.shape[1]), near.shape)
            rank = np.argsort(-np.take_along_axis(near, best, axis=1), axis=1)
            out[a : a + BLOCK] = np.take_along_axis(best, rank, axis=1)
        return out

    def _search(self, queries: np.ndarray, k: int, probes: np.ndarray, first: int | None) -> _Top:
        """The k best of the rows in each query's cells; query i is row first + i where that is given."""
        top = _Top(len(queries), k)
        for part in (probes[:, :1], probes[:, 1:]):
            for cell, rows in _by_cell(part, len(self.centres)):
                start, end = int(self.starts[cell]), int(self.starts[cell + 1])
                columns = np.arange(start, end)
                for a in range(0, len(rows), BLOCK):
                    some = rows[a : a + BLOCK]
                    similar = queries[some] @ self.rows[start:end].T
                    if first is not None:
                        here = np.flatnonzero((some + first >= start) & (some + first < end))
                        similar[here, some[here] + first - start] = -np.inf
                    top.offer(some, columns, similar)
            top.merge()
        return top


class Space:
    """Embeddings of train and evaluation rows, and their neighbours: each computed once, on first use.

    Parameters
    ----------
    rows : gives the (n, d) embeddings of the train rows.
    others : gives the (m, d) embeddings of the evaluation rows; None where there are none.
    """

    def __init__(
        self, rows: Callable[[], np.ndarray], others: Callable[[], np.ndarray] | None = None
    ) -> None:
        self._rows, self._others = rows, others

    def __repr__(self) -> str:
        return "Space()"

    @cached_property
    def vectors(self) -> np.ndarray:
        """(n, d) embeddings of the train rows."""
        return self._rows()

    @cached_property
    def index(self) -> Index:
        """The train rows ready to be searched."""
        return Index.build(self.vectors)

    @cached_property
    def neighbours(self) -> Neighbours:
        """The ten nearest train rows of each train row."""
        return self.index.within(10)

    @cached_property
    def eval_neighbours(self) -> Neighbours | None:
        """The three nearest train rows of each evaluation row."""
        return None if self._others is None else self.index.nearest(self._others(), 3)

    def quality(self) -> dict[str, float | bool]:
        """How the neighbours were found, for a report; empty where nobody asked for them."""
        near = vars(self).get("neighbours")
        if near is None:
            return {}
        return {
            "recall": round(near.recall, 4), "recall_low": round(near.recall_low, 4), "exact": near.exact
        }  # fmt: skip


class _Top:
    """The k best so far of m rows; candidates are kept back and merged in bulk."""

    def __init__(self, rows: int, k: int) -> None:
        self.similarity = np.full((rows, k), -np.inf, dtype=np.float32)
        self.index = np.full((rows, k), -1, dtype=np.int32)
        self.least = np.full(rows, -np.inf, dtype=np.float32)
        self._kept: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._count = 0

    def offer(self, rows: np.ndarray, columns: np.ndarray, block: np.ndarray) -> None:
        """Consider block[i, j], the similarity of row rows[i] to position columns[j]."""
        k = self.index.shape[1]
        if block.shape[1] > k and np.isneginf(self.least[rows[0]]):  # nothing to filter by yet
            at = np.argpartition(block, block.shape[1] - k, axis=1)[:, -k:].ravel()
            line = np.repeat(np.arange(len(rows)), k)
        else:
            line, at = np.divmod(np.flatnonzero(block > self.least[rows][:, None]), block.shape[1])
        self._keep(rows[line], columns[at], block[line, at])

    def offer_across(self, rows: np.ndarray, columns: np.ndarray, block: np.ndarray) -> None:
        """The same block for the other side: block[i, j] is the similarity of columns[j] to rows[i]."""
        line, at = np.divmod(np.flatnonzero(block > self.least[columns]), block.shape[1])
        self._keep(columns[at], rows[line], block[line, at])

    def _keep(self, rows: np.ndarray, index: np.ndarray, similarity: np.ndarray) -> None:
        self._kept.append((rows.astype(np.int32), index.astype(np.int32), similarity))
        self._count += len(rows)
        if self._count > 4 * len(self.least):
            self.merge()

    def merge(self) -> None:
        """Take what was kept back into the k best."""
        if self._count == 0:
            return
        row, index, similarity = (np.concatenate(part) for part in zip(*self._kept, strict=True))
        self._kept, self._count = [], 0
        k = self.index.shape[1]
        order = np.lexsort((index, -similarity, row))
        row, index, similarity = row[order], index[order], similarity[order]
        first = np.flatnonzero(np.concatenate([[True], row[1:] != row[:-1]]))
        size = np.diff(np.append(first, len(row)))
        line = np.repeat(np.arange(len(first)), size)
        rank = np.arange(len(row)) - np.repeat(first, size)
        keep = rank < k
        changed, line, rank = row[first], line[keep], rank[keep]
        both = np.full((len(first), 2 * k), -np.inf, dtype=np.float32)
        names = np.full((len(first), 2 * k), -1, dtype=np.int32)
        both[:, :k], names[:, :k] = self.similarity[changed], self.index[changed]
        both[line, k + rank], names[line, k + rank] = similarity[keep], index[keep]
        best = np.argsort(-both, axis=1, kind="stable")[:, :k]
        self.similarity[changed] = np.take_along_axis(both, best, axis=1)
        self.index[changed] = np.take_along_axis(names, best, axis=1)
        self.least[changed] = self.similarity[changed, -1]


def _by_cell(probes: np.ndarray, cells: int) -> Iterator[tuple[int, np.ndarray]]:
    """Each cell that some row searches, with those rows in ascending order."""
    if probes.size == 0:
        return
    order = np.argsort(probes, axis=None, kind="stable")
    ends = np.cumsum(np.bincount(probes.ravel(), minlength=cells))
    for cell, (start, end) in enumerate(zip(np.concatenate([[0], ends[:-1]]), ends, strict=True)):
        if end > start:
            yield cell, order[start:end] // probes.shape[1]


def _recall(found: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Share of true neighbours found, ties counted as found; and the lower end of its 95 % interval."""
    share = (found >= truth[:, -1:] - 1e-6).mean(axis=1)
    mean = float(share.mean())
    error = float(share.std(ddof=1)) / len(share) ** 0.5 if len(share) > 1 else 0.0
    return mean, max(mean - 1.96 * error, 0.0)


def _scale(x: np.ndarray) -> np.ndarray:
    """(n,) one over the length of each row; refuses what is not finite."""
    out = np.empty(len(x), dtype=np.float32)
    for start in range(0, len(x), BLOCK):
        block = np.asarray(x[start : start + BLOCK], dtype=np.float32)
        length = np.sqrt(np.einsum("ij,ij->i", block, block))
        if not np.isfinite(length).all():
            raise ValueError(
                f"row {start + int(np.argmin(np.isfinite(length)))} of the features is not finite"
            )
        out[start : start + BLOCK] = 1.0 / np.maximum(length, 1e-30)
    return out


def _unit(x: np.ndarray, scale: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """These rows, of length 1."""
    out = np.array(x[rows], dtype=np.float32)
    out *= scale[rows][:, None]
    return out


def _cells(x: np.ndarray, scale: np.ndarray, size: int, seed: int) -> list[np.ndarray]:
    """Positions by cell, at most 2 * size in each: k-means on a sample, and again on what is too large."""
    rng = np.random.default_rng(seed)
    todo, done = [np.arange(len(x))], []
    while todo:
        rows = todo.pop()
        if len(rows) <= 2 * size:
            done.append(rows)
            continue
        parts = min(BRANCH, -(-len(rows) // size))
        sample = rng.choice(rows, min(len(rows), 32 * parts), replace=False)
        centres = _kmeans(_unit(x, scale, np.sort(sample)), parts, rng)
        cell = np.concatenate(
            [
                (_unit(x, scale, rows[a : a + BLOCK]) @ centres.T).argmax(axis=1)
                for a in range(0, len(rows), BLOCK)
            ]
        )
        order = np.argsort(cell, kind="stable")
        pieces = np.split(rows[order], np.flatnonzero(np.diff(cell[order])) + 1)
        if max(map(len, pieces)) > 0.9 * len(rows):  # copies of one row: any cut is as good as another
            done += np.array_split(rows, -(-len(rows) // size))
        else:
            todo += pieces
    return done


def _kmeans(x: np.ndarray, parts: int, rng: np.random.Generator, rounds: int = 8) -> np.ndarray:
    """(parts or fewer, d) centres of unit length; a centre that loses all its rows goes."""
    centres = x[rng.choice(len(x), parts, replace=False)]
    for _ in range(rounds):
        cell = (x @ centres.T).argmax(axis=1)
        order = np.argsort(cell, kind="stable")
        first = np.flatnonzero(np.diff(cell[order], prepend=-1))
        sums = np.add.reduceat(x[order], first, axis=0)
        centres = _unit(sums, _scale(sums), np.arange(len(sums)))
    return centres
