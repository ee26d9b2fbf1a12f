"""Regularised least squares: one factorisation, from which the effect of any relabelling follows.

With A = X'WX + lambda I and H = X A^-1 X', labels enter only on the right-hand side, so what a relabelling
does to every score is one product; h_ii tells how much a row speaks for itself. `tilth.trial.gains` predicts
with it what a patch will do; trials then measure it with the project's own recipe.

References
----------
Allen, "The relationship between variable selection and data augmentation", Technometrics 1974 (PRESS).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse as sp

__all__ = ["Ridge", "lens", "solve"]

WIDTH = 512


def lens(x: sp.csr_matrix, *, width: int = WIDTH, seed: int = 0) -> np.ndarray:
    """Dense features (n, width + 1) on which least squares can work, with a constant column.

    Sparse n-grams are projected by random signs (Johnson and Lindenstrauss).
    """
    rng = np.random.default_rng(seed)
    n, d = x.shape
    signs = rng.integers(0, 2, size=(d, width), dtype=np.int8).astype(np.float32)
    z = np.asarray(x @ (2 * signs - 1)) / np.float32(np.sqrt(width))
    return np.hstack([z, np.full((n, 1), 0.1, dtype=np.float32)])


@dataclass(frozen=True)
class Ridge:
    """One factorisation of the features of n rows.

    Attributes
    ----------
    factor : lower Cholesky factor of Z'WZ + lambda I.
    leverage : (n,) diagonal of H.
    """

    factor: np.ndarray
    leverage: np.ndarray


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
    return Ridge(factor, np.einsum("ij,ij->j", half, half))
