"""Closed forms against refits: equal, not similar."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp

from tilth.recipes.ridge import Ridge, lens, solve

Array = np.ndarray[Any, Any]


def problem(n: int = 60, w: int = 9, k: int = 3, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, w)), np.eye(k)[rng.integers(0, k, n)]


def refit(z: Array, targets: Array, penalty: float, weights: Array) -> Array:
    """(w, k) by the normal equations, nothing shared with the code under test."""
    gram = z.T @ (z * weights[:, None]) + penalty * np.eye(z.shape[1])
    return np.linalg.solve(gram, z.T @ (targets * weights[:, None]))


def without(z: Array, targets: Array, penalty: float, weights: Array, clusters: Array) -> Array:
    """Scores of each row from a refit without its cluster."""
    out = np.empty_like(targets)
    for name in np.unique(clusters):
        held = clusters == name
        out[held] = z[held] @ refit(z, targets, penalty, np.where(held, 0.0, weights))
    return out


def coefficients(fit: Ridge, z: Array, targets: Array, weights: Array) -> Array:
    """(w, k) from the factorisation."""
    right = z.T @ (targets * weights[:, None])
    return np.asarray(scipy.linalg.cho_solve((fit.factor, True), right))


def leave_one_out(z: Array, targets: Array, penalty: float, weights: Array) -> Array:
    """(n, k) by the leverages, without a refit."""
    fit = solve(z, penalty, weights)
    h = (fit.leverage * weights)[:, None]
    return np.asarray((z @ coefficients(fit, z, targets, weights) - h * targets) / (1 - h))


def some_weights(n: int, seed: int = 1) -> Array:
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.5, 2.0, n).astype(np.float32).astype(np.float64)
    weights[rng.permutation(n)[: n // 5]] = 0.0
    return weights


WEIGHTS = pytest.mark.parametrize("weights", [np.ones(60), some_weights(60)], ids=["equal", "some zero"])


@WEIGHTS
@pytest.mark.parametrize("penalty", [0.01, 1.0, 100.0])
def test_leave_one_out_equals_refits(weights: Array, penalty: float) -> None:
    z, targets = problem()
    found = leave_one_out(z, targets, penalty, weights)
    assert np.abs(found - without(z, targets, penalty, weights, np.arange(60))).max() < 1e-4


def test_a_relabel_needs_no_new_factorisation() -> None:
    z, targets = problem()
    changed = targets.copy()
    changed[:7] = np.roll(changed[:7], 1, axis=1)
    weights = some_weights(60)
    found = leave_one_out(z, changed, 1.0, weights)
    assert np.abs(found - without(z, changed, 1.0, weights, np.arange(60))).max() < 1e-4


def test_weight_zero_is_as_if_the_row_were_not_there() -> None:
    z, targets = problem()
    weights = np.r_[np.ones(40), np.zeros(20)]
    whole, part = solve(z, 1.0, weights), solve(z[:40], 1.0)
    alone = coefficients(part, z[:40], targets[:40], np.ones(40))
    assert coefficients(whole, z, targets, weights) == pytest.approx(alone)
    scores = leave_one_out(z, targets, 1.0, weights)
    assert scores[:40] == pytest.approx(leave_one_out(z[:40], targets[:40], 1.0, np.ones(40)))
    assert scores[40:] == pytest.approx(z[40:] @ alone)


def test_coefficients_are_the_normal_equations() -> None:
    z, targets = problem()
    weights = some_weights(60)
    found = coefficients(solve(z, 0.3, weights), z, targets, weights)
    assert found == pytest.approx(refit(z, targets, 0.3, weights))


def test_single_precision_is_enough_for_the_lens() -> None:
    rng = np.random.default_rng(4)
    x = sp.random(300, 5000, density=0.01, format="csr", dtype=np.float32, rng=rng)
    z = lens(x, width=64)
    targets = np.eye(5, dtype=np.float32)[rng.integers(0, 5, 300)]
    found = leave_one_out(z, targets, 0.1, np.ones(300, dtype=np.float32))
    slow = without(z.astype(np.float64), targets.astype(np.float64), 0.1, np.ones(300), np.arange(300))
    assert z.dtype == np.float32
    assert np.abs(found - slow).max() < 1e-3


def test_lens_keeps_the_angles_of_sparse_features() -> None:
    rng = np.random.default_rng(5)
    x = sp.random(40, 3000, density=0.02, format="csr", dtype=np.float32, rng=rng)
    x = sp.csr_matrix(x.multiply(1 / np.sqrt(np.asarray(x.multiply(x).sum(axis=1)))))
    z = lens(x, width=4096)
    assert z.shape == (40, 4097)
    assert np.abs(z[:, :-1] @ z[:, :-1].T - (x @ x.T).toarray()).max() < 0.1
    assert (z[:, -1] == np.float32(0.1)).all()


def test_lens_is_deterministic() -> None:
    x = sp.random(5, 4, density=0.5, format="csr", dtype=np.float32, rng=np.random.default_rng(7))
    assert (lens(x) == lens(x)).all()
    assert (lens(x) != lens(x, seed=1)).any()
    assert lens(x).shape == (5, 513)
