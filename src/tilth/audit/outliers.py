"""TIL301: a row unlike all others.

With embeddings: the mean of two cosines, to the ten nearest rows and to the nearest centre of a class, of
every row; neither alone is best on all data. Without: the similarity of a row to its nearest other row, by
n-grams. Looking that up for every row would be quadratic, so a cheap screen comes first: rows far from the
centre of *every* class, and what is usual is read off a random sample of rows.

References
----------
Ramaswamy, Rastogi and Shim, "Efficient algorithms for mining outliers from large data sets", SIGMOD 2000
(distance to the nearest neighbours); Kuan and Mueller, "Back to the basics: revisiting out-of-distribution
detection baselines", 2022.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from tilth.audit.base import Finding, Suggestion, View, excerpt
from tilth.neighbours import Space
from tilth.recipes.base import Matrix

__all__ = ["Outliers"]

SAMPLE, SCREEN, MOST = 400, 0.05, 600
SURE, SHARE = 3.5, 0.02
"""With embeddings: rows this far out are all reported, of the others no more than make this share of all."""


class Outliers:
    """Off-topic rows: another language, spam, a test, a wrong file."""

    code = "TIL301"
    name = "outlier"

    def __init__(self, z: float = 3.0, *, near_z: float = 2.5) -> None:
        """Refuse thresholds that are not positive; `z` is for n-grams, `near_z` for embeddings."""
        if not z > 0 or not near_z > 0:
            raise ValueError(f"z and near_z are positive, not {z} and {near_z}")
        self.z = z
        self.near_z = near_z

    def find(self, view: View) -> list[Finding]:
        """One finding for each row whose nearest neighbour is unusually far."""
        n = len(view.train)
        if n < 20:
            return []
        if view.space is not None:
            return self._by_neighbours(view, view.space)
        to_class = _centre_similarity(view, view.features)
        suspects = np.argsort(to_class, kind="stable")[: min(MOST, max(10, int(SCREEN * n)))]
        sample = np.random.default_rng(0).choice(n, min(SAMPLE, n), replace=False)
        usual = _nearest_similarity(view, np.sort(sample))
        middle = float(np.median(usual))
        mad = float(np.median(np.abs(usual - middle))) * 1.4826 or 0.05
        floor = max(middle - self.z * mad, float(np.quantile(usual, 0.01)))
        similarity = _nearest_similarity(view, suspects)
        worst = np.argsort(similarity, kind="stable")
        worst = worst[similarity[worst] < floor]
        said = "unlike every other row: its nearest has similarity"
        return [self._finding(view, int(suspects[i]), said, float(similarity[i]), middle, mad) for i in worst]

    def _by_neighbours(self, view: View, space: Space) -> list[Finding]:
        """Rows far from the rows nearest to them and from the centre of every class."""
        similarity = (space.neighbours.similarity.mean(axis=1) + _centre_similarity(view, space.vectors)) / 2
        middle = float(np.median(similarity))
        mad = float(np.median(np.abs(similarity - middle))) * 1.4826 or 0.05
        order = np.argsort(similarity, kind="stable")
        far = (middle - similarity[order]) / mad
        rank = np.arange(len(order))
        suspects = order[(far > max(self.near_z, SURE)) | ((far > self.near_z) & (rank < SHARE * len(order)))]
        said = "unlike every other row: its similarity to the nearest rows and class is"
        return [self._finding(view, int(i), said, float(similarity[i]), middle, mad) for i in suspects]

    def _finding(
        self, view: View, i: int, said: str, similarity: float, middle: float, mad: float
    ) -> Finding:
        return Finding(
            code=self.code,
            rows=(view.train.ids[i],),
            score=(middle - similarity) / mad,
            message=f"{said} {similarity:.2f} (usual {middle:.2f})",
            evidence={
                "similarity": round(similarity, 3),
                "usual": round(middle, 3),
                "label": view.train.labels[i],
                "text": excerpt(view.texts[i], 240),
            },
            suggestions=(Suggestion("drop", view.train.ids[i]),),
        )


def _centre_similarity(view: View, x: Matrix) -> np.ndarray:
    """(n,) largest cosine to the centre of a class, the row itself taken out of its own centre."""
    labels, k = view.signals.labels, max(len(view.signals.classes), 1)
    known = np.flatnonzero(labels >= 0)
    member = sp.csr_matrix((np.ones(len(known), np.float32), (labels[known], known)), shape=(k, len(labels)))
    sums = member @ x
    sums = np.asarray(sums.toarray() if sp.issparse(sums) else sums)
    norms = np.maximum(np.linalg.norm(sums, axis=1), 1e-9)
    dots = np.asarray(x @ sums.T)
    squares = np.asarray(x.multiply(x).sum(axis=1)).ravel() if sp.issparse(x) else np.einsum("ij,ij->i", x, x)
    cosine = dots / norms
    own = dots[known, labels[known]] - squares[known]
    rest = norms[labels[known]] ** 2 - 2 * dots[known, labels[known]] + squares[known]
    cosine[known, labels[known]] = own / np.sqrt(np.maximum(rest, 1e-9))
    return np.asarray(cosine.max(axis=1) / np.sqrt(np.maximum(squares, 1e-9)))


def _nearest_similarity(view: View, positions: np.ndarray) -> np.ndarray:
    """(m,) cosine of each position to its nearest row that is not a copy of it."""
    exact = view.copies.exact[: len(view.train)]
    out = np.empty(len(positions))
    for start in range(0, len(positions), 100):
        rows = positions[start : start + 100]
        block = view.features[rows] @ view.features.T
        block = np.asarray(block.toarray() if sp.issparse(block) else block)
        block[exact[rows][:, None] == exact[None, :]] = -1.0
        out[start : start + 100] = block.max(axis=1)
    return np.maximum(out, 0.0)
