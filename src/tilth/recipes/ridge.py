"""Regularised least squares with exact leave-one-out and leave-cluster-out from one factorisation.

With A = X'X + lambda I and H = X A^-1 X', the score that row i would get from a fit without it is
(s_i - h_ii y_i) / (1 - h_ii), exactly; for a cluster G of copies it is
y_G - (I - H_GG)^-1 (y_G - s_G). Labels enter only on the right-hand side, so the effect of any
relabelling on every score is one product, and dropped rows are a low-rank downdate of A. This is the
lens that *predicts* what a patch will do; trials then measure it with the project's own recipe.

References
----------
Allen, "The relationship between variable selection and data augmentation", Technometrics 1974 (PRESS);
Rahimi and Recht, "Random features for large-scale kernel machines", NIPS 2007.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from tilth.recipes.logistic import Matrix

__all__ = ["Ridge", "lens", "solve"]

WIDTH = 512


def lens(x: Matrix, *, width: int = WIDTH, seed: int = 0) -> np.ndarray:
    """Dense features (n, width + 1) on which least squares can work, with a constant column.

    Sparse n-grams are projected by random signs (Johnson and Lindenstrauss); dense vectors of unit
    length become random Fourier features of a Gaussian kernel.
    """
    rng = np.random.default_rng(seed)
    n, d = x.shape
    if sp.issparse(x):
        signs = rng.integers(0, 2, size=(d, width), dtype=np.int8).astype(np.float32)
        z = np.asarray(x @ (2 * signs - 1)) / np.float32(np.sqrt(width))
    else:
        turn = rng.normal(size=(d, width)).astype(np.float32) * np.float32(2.0)
        shift = rng.uniform(0, 2 * np.pi, width).astype(np.float32)
        z = np.cos(np.asarray(x) @ turn + shift) * np.float32(np.sqrt(2 / width))
    return np.hstack([z, np.full((n, 1), 0.1, dtype=np.float32)])


@dataclass(frozen=True)
class Ridge:
    """One factorisation of the features of n rows.

    Attributes
    ----------
    z : (n, w) features.
    factor : lower Cholesky factor of Z'WZ + lambda I.
    leverage : (n,) diagonal of H.
    weights : (n,) row weights.
    """

    z: np.ndarray
    factor: np.ndarray
    leverage: np.ndarray
    weights: np.ndarray

    def coefficients(self, targets: np.ndarray) -> np.ndarray:
        """(w, k) weights for (n, k) targets."""
        right = self.z.T @ (targets * self.weights[:, None])
        return np.asarray(scipy.linalg.cho_solve((self.factor, True), right, check_finite=False))

    def leave_one_out(self, targets: np.ndarray) -> np.ndarray:
        """(n, k) scores of each row from the fit without it; rows of weight 0 get plain scores."""
        fitted = self.z @ self.coefficients(targets)
        h = (self.leverage * self.weights)[:, None]
        return np.asarray((fitted - h * targets) / np.maximum(1 - h, 1e-6))

    def leave_cluster_out(self, targets: np.ndarray, clusters: np.ndarray) -> np.ndarray:
        """As leave_one_out, but every row of a cluster is left out together with it.

        Parameters
        ----------
        clusters : (n,) cluster numbers; a number that occurs once is an ordinary row.
        """
        fitted = self.z @ self.coefficients(targets)
        h = (self.leverage * self.weights)[:, None]
        out = (fitted - h * targets) / np.maximum(1 - h, 1e-6)
        order = np.argsort(clusters, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(clusters[order])) + 1)
        groups = [g for g in groups if len(g) > 1]
        if not groups:
            return np.asarray(out)
        every = np.concatenate(groups)
        solved = scipy.linalg.cho_solve((self.factor, True), self.z[every].T, check_finite=False)
        at = 0
        for members in groups:
            block = self.z[members] @ solved[:, at : at + len(members)]
            at += len(members)
            rest = np.eye(len(members)) * (1 + 1e-9) - block * self.weights[members][None, :]
            gap = targets[members] - fitted[members]
            out[members] = targets[members] - np.linalg.solve(rest, gap)
        return np.asarray(out)


def solve(z: np.ndarray, penalty: float, weights: np.ndarray | None = None) -> Ridge:
    """Factorise once; any number of targets can follow.

    Parameters
    ----------
    z : (n, w) features.
    penalty : lambda, added to the diagonal.
    weights : (n,) non-negative row weights, default 1; weight 0 leaves a row out.
    """
    w = np.ones(len(z), dtype=np.float32) if weights is None else weights.astype(np.float32)
    gram = (z * w[:, None]).T @ z
    gram[np.diag_indices_from(gram)] += penalty
    factor = np.linalg.cholesky(gram.astype(np.float64)).astype(z.dtype)
    half = scipy.linalg.solve_triangular(factor, z.T, lower=True, check_finite=False)
    return Ridge(z, factor, np.einsum("ij,ij->j", half, half), w)
