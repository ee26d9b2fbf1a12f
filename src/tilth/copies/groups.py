"""Copies: who is a copy of whom, at any threshold; groups with a representative.

References
----------
Aslam, Pelekhov and Rus, "The star clustering algorithm for static and dynamic information organization",
Journal of Graph Algorithms and Applications 8, 2004.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

__all__ = ["Copies", "Group"]


@dataclass(frozen=True)
class Group:
    """A text and its copies.

    Attributes
    ----------
    rows : positions of the texts, the representative first, then by similarity.
    similarity : of each to the representative; 1 for the representative.
    exact : whether each is an exact copy of the representative.
    """

    rows: np.ndarray
    similarity: np.ndarray
    exact: np.ndarray


@dataclass(frozen=True)
class Copies:
    """Groups of copies among n texts.

    Attributes
    ----------
    exact : (n,) number of the group of exact copies, in order of the first text of each.
    verified : (m, 2) pairs of *exact groups*, first < second, that are at least `floor` alike.
    alike : (m,) their exact Jaccard similarity.
    threshold : from here up they count as near copies.
    floor : the least similarity that was looked for.
    skipped : comparisons that were left out because very many texts have a passage in common.
    """

    exact: np.ndarray
    verified: np.ndarray
    alike: np.ndarray
    threshold: float
    floor: float = 0.5
    skipped: int = 0

    @property
    def pairs(self) -> np.ndarray:
        """(k, 2) near copies at the threshold, as pairs of exact groups, first < second."""
        return self.verified[self.alike >= self.threshold]

    @property
    def similarity(self) -> np.ndarray:
        """(k,) Jaccard similarity of the pairs."""
        return self.alike[self.alike >= self.threshold]

    def at(self, threshold: float) -> Copies:
        """The same at another threshold, without a new search.

        Raises
        ------
        ValueError : not in (0, 1], or below the floor.
        """
        if not 0 < threshold <= 1:
            raise ValueError(f"threshold is in (0, 1], not {threshold}")
        if threshold < min(self.floor, self.threshold):
            raise ValueError(
                f"threshold {threshold} is below {self.floor}, the least similarity that was looked for; "
                f"search again with find_copies(texts, threshold={threshold})"
            )
        return replace(self, threshold=threshold)

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; texts are named by position, those without a copy are left out."""
        first = np.unique(self.exact, return_index=True)[1]
        order = np.argsort(self.exact, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(self.exact[order])) + 1)
        return {
            "texts": len(self.exact),
            "exact": [p.tolist() for p in parts if len(p) > 1],
            "pairs": first[self.verified].tolist() if len(self.verified) else [],
            "alike": self.alike.tolist(),
            "threshold": self.threshold,
            "floor": self.floor,
            "skipped": self.skipped,
        }

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> Copies:
        """The inverse of to_json."""
        first = np.arange(body["texts"])
        for group in body["exact"]:
            first[group] = group[0]
        exact = np.unique(first, return_inverse=True)[1]
        pairs = np.array(body["pairs"], dtype=np.int64).reshape(-1, 2)
        alike = np.array(body["alike"], dtype=float)
        return Copies(exact, exact[pairs], alike, body["threshold"], body["floor"], body["skipped"])

    def head(self, n: int) -> Copies:
        """Copies among the first n texts alone."""
        exact = self.exact[:n]
        # groups are numbered in order of their first text
        inside = (self.verified <= exact.max(initial=-1)).all(axis=1)
        return replace(self, exact=exact, verified=self.verified[inside], alike=self.alike[inside])

    def clusters(self, threshold: float | None = None) -> np.ndarray:
        """(n,) cluster numbers: exact copies and near copies at this threshold, transitively.

        For what must be held out together, where a chain that is too long does no harm.
        """
        if len(self.exact) == 0:
            return np.empty(0, dtype=np.int64)
        groups = int(self.exact.max()) + 1
        linked = self.pairs if threshold is None else self.at(threshold).pairs
        ones = np.ones(len(linked), dtype=np.int8)
        graph = sp.csr_matrix((ones, (linked[:, 0], linked[:, 1])), shape=(groups, groups))
        _, label = connected_components(graph, directed=False)
        return np.asarray(label[self.exact], dtype=np.int64)

    def groups(self) -> list[Group]:
        """Groups of two rows or more in which each is a copy of the representative itself: no chains.

        The representative is the text with the most copies (rows that are near to it or exactly it), of
        equals the one that comes first; its copies leave the contest, and so on. A text that is near to
        several representatives goes to the nearest. Two members of a group may be less alike than the
        threshold t, but not less than 2 t - 1, because 1 - Jaccard similarity is a metric.
        """
        if len(self.exact) == 0:
            return []
        leader, similarity = self._leaders()
        owner = leader[self.exact]
        alike = similarity[self.exact]
        lone = np.bincount(owner, minlength=len(leader))[owner] < 2
        rows = np.flatnonzero(~lone)
        rows = rows[np.lexsort((rows, -alike[rows], self.exact[rows] != owner[rows], owner[rows]))]
        if len(rows) == 0:
            return []
        parts = np.split(rows, np.flatnonzero(np.diff(owner[rows])) + 1)
        made = [Group(p, alike[p], self.exact[p] == owner[p[0]]) for p in parts]
        return sorted(made, key=lambda g: (-len(g.rows), int(g.rows[0])))

    def _leaders(self) -> tuple[np.ndarray, np.ndarray]:
        """For each exact group the exact group that represents it, and how alike the two are."""
        count = np.bincount(self.exact)
        n, pairs, alike = len(count), self.pairs, self.similarity
        leader, best = np.arange(n), np.ones(n)
        if len(pairs) == 0:
            return leader, best
        both = np.concatenate([pairs, pairs[:, ::-1]])
        weight = np.concatenate([alike, alike])
        graph = sp.csr_matrix((weight, (both[:, 0], both[:, 1])), shape=(n, n))
        rows_near = count + (graph != 0).astype(np.int64) @ count
        linked = np.flatnonzero(np.diff(graph.indptr))
        order = linked[np.lexsort((linked, -rows_near[linked]))]
        free, leads = np.ones(n, dtype=bool), np.zeros(n, dtype=bool)
        start, near = graph.indptr.tolist(), graph.indices
        for i in order.tolist():
            if free[i]:
                leads[i] = True
                free[near[start[i] : start[i + 1]]] = False
        spoke = leads[both[:, 0]] & ~leads[both[:, 1]]
        hub, member, w = both[spoke, 0], both[spoke, 1], weight[spoke]
        by = np.lexsort((hub, -w, member))
        _, first = np.unique(member[by], return_index=True)
        chosen = by[first]
        leader[member[chosen]], best[member[chosen]] = hub[chosen], w[chosen]
        return leader, best
