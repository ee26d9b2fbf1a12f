"""Closed forms against refits: equal, not similar."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from tilth.recipes.ridge import lens, solve

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
    found = solve(z, penalty, weights).leave_one_out(targets)
    assert np.abs(found - without(z, targets, penalty, weights, np.arange(60))).max() < 1e-4


@WEIGHTS
@pytest.mark.parametrize("penalty", [0.01, 1.0, 100.0])
def test_leave_cluster_out_equals_refits(weights: Array, penalty: float) -> None:
    z, targets = problem()
    rng = np.random.default_rng(2)
    clusters = rng.integers(0, 25, 60) * 7  # clusters of one to six rows, numbers with gaps
    z[clusters == clusters[0]] = z[0]  # exact copies
    found = solve(z, penalty, weights).leave_cluster_out(targets, clusters)
    assert np.abs(found - without(z, targets, penalty, weights, clusters)).max() < 1e-4


def test_clusters_of_one_are_leave_one_out() -> None:
    z, targets = problem()
    fit = solve(z, 1.0)
    assert (fit.leave_cluster_out(targets, np.arange(60)) == fit.leave_one_out(targets)).all()


def test_everything_in_one_cluster_leaves_nothing_to_learn_from() -> None:
    z, targets = problem()
    assert np.abs(solve(z, 1.0).leave_cluster_out(targets, np.zeros(60, int))).max() < 1e-6


def test_copies_vouch_for_each_other_unless_they_leave_together() -> None:
    rng = np.random.default_rng(3)
    z = np.repeat(rng.normal(size=(20, 40)), 2, axis=0)
    targets = np.repeat(np.eye(2)[rng.integers(0, 2, 20)], 2, axis=0)  # labels without any pattern
    fit = solve(z, 0.01)
    given = targets.argmax(axis=1)
    one = (fit.leave_one_out(targets).argmax(axis=1) == given).mean()
    together = (fit.leave_cluster_out(targets, np.repeat(np.arange(20), 2)).argmax(axis=1) == given).mean()
    assert one == 1.0
    assert together < 0.8


def test_a_relabel_needs_no_new_factorisation() -> None:
    z, targets = problem()
    changed = targets.copy()
    changed[:7] = np.roll(changed[:7], 1, axis=1)
    weights = some_weights(60)
    found = solve(z, 1.0, weights).leave_one_out(changed)
    assert np.abs(found - without(z, changed, 1.0, weights, np.arange(60))).max() < 1e-4


def test_weight_zero_is_as_if_the_row_were_not_there() -> None:
    z, targets = problem()
    weights = np.r_[np.ones(40), np.zeros(20)]
    whole, part = solve(z, 1.0, weights), solve(z[:40], 1.0)
    assert whole.coefficients(targets) == pytest.approx(part.coefficients(targets[:40]))
    scores = whole.leave_one_out(targets)
    assert scores[:40] == pytest.approx(part.leave_one_out(targets[:40]))
    assert scores[40:] == pytest.approx(z[40:] @ part.coefficients(targets[:40]))


def test_coefficients_are_the_normal_equations() -> None:
    z, targets = problem()
    weights = some_weights(60)
    assert solve(z, 0.3, weights).coefficients(targets) == pytest.approx(refit(z, targets, 0.3, weights))


def test_single_precision_is_enough_for_the_lens() -> None:
    rng = np.random.default_rng(4)
    x = sp.random(300, 5000, density=0.01, format="csr", dtype=np.float32, rng=rng)
    z = lens(x, width=64)
    targets = np.eye(5, dtype=np.float32)[rng.integers(0, 5, 300)]
    clusters = rng.integers(0, 200, 300)
    found = solve(z, 0.1).leave_cluster_out(targets, clusters)
    slow = without(z.astype(np.float64), targets.astype(np.float64), 0.1, np.ones(300), clusters)
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


def test_lens_of_dense_features_is_a_gaussian_kernel() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(40, 10))
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    z = lens(x, width=8192)[:, :-1]
    apart = ((x[:, None] - x[None]) ** 2).sum(axis=2)
    assert np.abs(z @ z.T - np.exp(-0.5 * 2.0**2 * apart)).max() < 0.1


def test_lens_is_deterministic() -> None:
    x = np.random.default_rng(7).normal(size=(5, 4)).astype(np.float32)
    assert (lens(x) == lens(x)).all()
    assert (lens(x) != lens(x, seed=1)).any()
    assert lens(x).shape == (5, 513)
