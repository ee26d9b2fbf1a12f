"""A layout of rows in the plane from the graph of their nearest rows: t-SNE with forces on a mesh.

Each row is pulled to its nearest rows and pushed away by all others. The push is a convolution with a
fixed kernel, so it is computed on a mesh with Fourier transforms: one iteration costs n k + m log m for m
mesh points, however many rows there are. Nothing in it is drawn by chance but the jitter at the start.
Memory: the edges (16 bytes each, at most 2 n k) and a few meshes of at most `CELLS` * 2 squared.

References
----------
van der Maaten and Hinton, "Visualizing data using t-SNE", JMLR 2008; Linderman, Rachh, Hoskins,
Steinerberger and Kluger, "Fast interpolation-based t-SNE", Nature Methods 2019 (the mesh); Kobak and Berens,
"The art of using t-SNE", Nature Communications 2019 (start at the principal components, learning rate
n / exaggeration); Boehm, Berens and Kobak, "Attraction-repulsion spectrum", JMLR 2022 (equal weights for
the nearest rows do as well as perplexities).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import scipy.fft
import scipy.sparse as sp
from scipy.spatial import cKDTree

from tilth.recipes.base import Matrix

__all__ = ["Faithfulness", "faithfulness", "principal", "unfold"]

EARLY, LATE = 150, 350
EXAGGERATION = 12.0
"""Of the pull in the early iterations, in which the rows find their place at large."""
CELLS = 1_000
"""Most mesh points a side."""
SPACING = 0.5
"""Of the mesh, where the kernel's width is 1; rows nearer than that push as if smeared over a cell."""
FINE = 160
"""Mesh points a side while the layout is small."""
SAMPLE, BLOCK = 500, 50
Watch = Callable[[int, int, np.ndarray], None]
"""watch(done, total, xy): called after some of the iterations; xy must not be kept or changed."""


def principal(x: np.ndarray) -> np.ndarray:
    """(n, 2) float32 first two principal components of (n, d) rows, the first with a deviation of 1.

    Signs are fixed: the largest absolute value of each component is positive. Data without two directions
    get zeros.
    """
    n, d = x.shape
    out = np.zeros((n, 2), dtype=np.float32)
    if n < 2 or d < 1:
        return out
    mean = x.mean(axis=0, dtype=np.float64)
    scatter = np.zeros((d, d))
    for a in range(0, n, 8_192):
        part = x[a : a + 8_192] - mean
        scatter += part.T @ part
    _, vectors = np.linalg.eigh(scatter)
    for column, v in enumerate(vectors[:, ::-1].T[:2]):
        found = (x @ v.astype(np.float32) - np.float32(mean @ v)).astype(np.float32)
        peak = found[np.abs(found).argmax()]
        out[:, column] = found * (1.0 if peak >= 0 else -1.0)
    spread = float(out[:, 0].std())
    return np.asarray(out / spread if spread > 1e-9 else np.zeros_like(out))


def unfold(
    near: np.ndarray, start: np.ndarray, *, seed: int = 0, watch: Watch | None = None, every: int = 10
) -> np.ndarray:
    """(n, 2) float32 positions in which near rows lie together, centred, the largest coordinate 1.

    Parameters
    ----------
    near : (n, k) positions of the nearest other rows of each row.
    start : (n, 2) where the rows begin, such as their principal components.
    seed : of a jitter of 1e-4 at the start, without which equal rows would never part.
    watch : told how far it is, each `every` iterations.
    """
    n = len(near)
    if n < 3 or near.shape[1] == 0:
        return _framed(np.asarray(start, dtype=np.float32))
    graph = _graph(near)
    lines = np.repeat(np.arange(n, dtype=np.int32), np.diff(graph.indptr))
    pull, weights = graph.copy(), graph.data.copy()
    y = (_framed(start) * 0.02).astype(np.float32)
    y += np.random.default_rng(seed).normal(0.0, 1e-4, y.shape).astype(np.float32)
    push, done, total = _Push(), 0, EARLY + LATE
    for rounds, exaggeration, momentum in ((EARLY, EXAGGERATION, 0.5), (LATE, 1.0, 0.8)):
        speed, gain = np.zeros_like(y), np.ones_like(y)
        rate = np.float32(4.0 * n / exaggeration)
        for _ in range(rounds):
            away = y[lines] - y[graph.indices]
            pull.data = weights / (1.0 + np.einsum("ij,ij->i", away, away))
            inward = np.asarray(pull.sum(axis=1)) * y - pull @ y
            slope = np.float32(exaggeration) * inward - push.of(y)
            gain = np.where((slope > 0) == (speed > 0), gain * 0.8, gain + 0.2)
            np.maximum(gain, 0.01, out=gain)
            speed = momentum * speed - rate * gain * slope
            # a row that is thrown out of the mesh would make the mesh coarse for all
            step = np.sqrt(np.einsum("ij,ij->i", speed, speed))
            speed *= (5.0 / np.maximum(step, 5.0))[:, None]
            y = (y + speed).astype(np.float32)
            y -= y.mean(axis=0)
            done += 1
            if watch is not None and (done % every == 0 or done == total):
                watch(done, total, y)
    return _framed(y)


def _framed(y: np.ndarray) -> np.ndarray:
    """Centred, and scaled so that the largest coordinate is 1."""
    if len(y) == 0:
        return np.zeros((0, 2), dtype=np.float32)
    middle = y - (y.max(axis=0) + y.min(axis=0)) / 2
    largest = float(np.abs(middle).max())
    return np.asarray(middle / (largest if largest > 0 else 1.0), dtype=np.float32)


def _graph(near: np.ndarray) -> sp.csr_matrix:
    """Symmetric weights of the pairs of near rows; they sum to 1."""
    n, k = near.shape
    ones = np.ones(n * k, dtype=np.float32)
    one = sp.csr_matrix((ones, near.ravel().astype(np.int32), np.arange(n + 1) * k), shape=(n, n))
    both = sp.csr_matrix(one + one.T, dtype=np.float32)
    both.sort_indices()
    both.data /= both.data.sum(dtype=np.float64)
    return both


class _Push:
    """The push of all rows on each: sum of w^2 (y_i - y_j) over the sum of all w, w = 1 / (1 + d^2).

    Rows are spread over the four mesh points around them, the mesh is convolved with the kernel, and the
    result is read off at the rows in the same way, so no row pushes itself.
    """

    def __init__(self) -> None:
        self._made: tuple[float, int] = (0.0, 0)
        self._kernels = np.zeros(0)

    def of(self, y: np.ndarray) -> np.ndarray:
        """(n, 2) push on each row."""
        low = y.min(axis=0)
        span = max(float((y.max(axis=0) - low).max()), 1e-6)
        spacing = max(min(_rounded(span / FINE), SPACING), _rounded(span / CELLS))
        side = int(span / spacing) + 3
        side = scipy.fft.next_fast_len(side + -side % 16, True)
        self._make(spacing, side)
        place = (y - low) / np.float32(spacing)
        cell = place.astype(np.int32)
        right, up = (place - cell).T
        corner = cell[:, 0] * side + cell[:, 1]
        at = (corner, corner + 1, corner + side, corner + side + 1)
        share = ((1 - right) * (1 - up), (1 - right) * up, right * (1 - up), right * up)
        mass = np.zeros(side * side)
        for a, w in zip(at, share, strict=True):
            mass += np.bincount(a, w, minlength=side * side)
        size = (2 * side, 2 * side)
        mesh = scipy.fft.rfft2(mass.reshape(side, side).astype(np.float32), s=size)
        fields = [
            scipy.fft.irfft2(mesh * kernel, s=size)[:side, :side].ravel() for kernel in self._kernels
        ]  # one at a time: three at once would need three times the memory
        found = [sum(f[a] * w for a, w in zip(at, share, strict=True)) for f in fields]
        total = max(float(np.sum(found[0], dtype=np.float64)) - len(y), 1e-12)
        return np.asarray(np.stack(found[1:], axis=1) / np.float32(total))

    def _make(self, spacing: float, side: int) -> None:
        """Fourier transforms of the kernels; they change only with the mesh."""
        if self._made == (spacing, side):
            return
        r = np.arange(2 * side, dtype=np.float32)
        r = np.where(r >= side, r - 2 * side, r) * np.float32(spacing)
        w = 1.0 / (1.0 + r[:, None] ** 2 + r[None, :] ** 2)
        kernels = (w, r[:, None] * w * w, r[None, :] * w * w)
        # spreading and reading off each smear by a cell; that is divided out
        smear = np.sinc(np.fft.fftfreq(2 * side))[:, None] * np.sinc(np.fft.rfftfreq(2 * side))[None, :]
        sharp = (1.0 / smear**4).astype(np.float32)
        self._kernels = np.stack([scipy.fft.rfft2(k.astype(np.float32)) * sharp for k in kernels])
        self._made = (spacing, side)


def _rounded(spacing: float) -> float:
    """Up to a power of 2 ** (1 / 4), so that the mesh changes seldom while the layout grows."""
    return float(2.0 ** (np.ceil(4.0 * np.log2(spacing)) / 4.0))


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """How far a layout can be believed, measured on a sample of rows.

    Attributes
    ----------
    kept : share of the k nearest rows by features that are among the k nearest in the layout.
    trust : trustworthiness: 1 where no row is near in the layout that is far by features, 0.5 by chance.
    label : share of labelled rows whose label most of the k nearest in the layout have.
    label_features : the same by features: what there was to show.
    k, rows : neighbours compared, rows in the sample.

    References
    ----------
    Venna and Kaski, "Local multidimensional scaling", Neural Networks 2006 (trustworthiness).
    """

    kept: float
    trust: float
    label: float | None
    label_features: float | None
    k: int
    rows: int

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {n: round(v, 4) if isinstance(v, float) else v for n, v in asdict(self).items()}


def faithfulness(
    features: Matrix, xy: np.ndarray, labels: np.ndarray, *, k: int = 10, seed: int = 0
) -> Faithfulness | None:
    """Compare near rows by cosine of the features with near rows in a layout.

    Parameters
    ----------
    features : (n, d) dense or CSR.
    xy : (n, 2) the layout.
    labels : (n,) class numbers, -1 for a row without label.
    seed : of the sample of rows.

    Returns
    -------
    None where there are too few rows to compare (fewer than 2 k + 2).
    """
    n = len(xy)
    if n < 2 * k + 2:
        return None
    rows = np.sort(np.random.default_rng(seed).choice(n, min(SAMPLE, n), replace=False))
    found = cKDTree(xy).query(xy[rows], k + 1)[1]
    # the row itself goes; where copies lie on it, it may not be among them, and then the last one goes
    own = found == rows[:, None]
    own[~own.any(axis=1), k] = True
    shown = found[~own].reshape(len(rows), k)
    near, lost = np.empty_like(shown), 0.0
    length = np.asarray(features.power(2).sum(axis=1)).ravel() if sp.issparse(features) else None
    squares = np.einsum("ij,ij->i", features, features) if length is None else length
    scale = 1.0 / np.sqrt(np.maximum(squares, 1e-30))
    for a in range(0, len(rows), BLOCK):
        part = rows[a : a + BLOCK]
        product = features[part] @ features.T
        similar = np.asarray(product.toarray() if sp.issparse(product) else product) * scale[None, :]
        similar[np.arange(len(part)), part] = -np.inf
        near[a : a + BLOCK] = np.argpartition(-similar, k, axis=1)[:, :k]
        for one in np.take_along_axis(similar, shown[a : a + BLOCK], axis=1).T:
            rank = (similar > one[:, None]).sum(axis=1)
            lost += float(np.maximum(rank - k + 1, 0).sum())
    kept = (shown[:, :, None] == near[:, None, :]).any(axis=2).mean()
    trust = 1.0 - 2.0 * lost / (len(rows) * k * (2 * n - 3 * k - 1))
    known = rows[labels[rows] >= 0]
    told = [_majority(labels, x[labels[rows] >= 0], labels[known]) for x in (shown, near)]
    return Faithfulness(float(kept), float(trust), told[0], told[1], k, len(rows))


def _majority(labels: np.ndarray, near: np.ndarray, given: np.ndarray) -> float | None:
    """Share of rows whose label is the most frequent among those near, the lowest number first in a tie."""
    if len(given) == 0:
        return None
    votes = np.zeros((len(given), int(labels.max()) + 2), dtype=np.int32)
    np.add.at(votes, (np.repeat(np.arange(len(given)), near.shape[1]), labels[near].ravel() + 1), 1)
    return float((votes[:, 1:].argmax(axis=1) == given).mean())
