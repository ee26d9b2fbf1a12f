"""The head against scikit-learn, and what trials rely on: weights, warm starts, determinism."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression

from tilth.recipes import logistic
from tilth.recipes.logistic import Head, design, fit
from tilth.stats import softmax

Array = np.ndarray[Any, Any]
CONVERGED: dict[str, Any] = {"max_iter": 500, "tolerance": 1e-6}


def dense(n: int = 300, d: int = 8, k: int = 4, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(k, d))
    y = rng.integers(0, k, n)
    return (centres[y] + rng.normal(size=(n, d))).astype(np.float32), y


def sparse(n: int = 300, d: int = 400, k: int = 4, seed: int = 0) -> tuple[Any, Array]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    columns = np.where(
        rng.uniform(size=(n, 12)) < 0.5,
        rng.integers(0, d, (n, 12)),
        y[:, None] * 20 + rng.integers(0, 20, (n, 12)),
    )
    x = sp.csr_matrix((np.ones(n * 12), (np.repeat(np.arange(n), 12), columns.ravel())), shape=(n, d))
    x.sum_duplicates()
    norm = np.sqrt(np.asarray(x.multiply(x).sum(axis=1)))
    return sp.csr_matrix(x.multiply(1 / norm), dtype=np.float32), y


KINDS = pytest.mark.parametrize("make", [dense, sparse])


def proba(head: Head, x: Any) -> Array:
    return softmax(head.scores(x).astype(np.float64))


def reference(x: Any, y: Array, penalty: float, weights: Array | None = None) -> Array:
    """scikit-learn with the intercept as a column, because ours is penalised like any other weight."""
    one = np.ones((x.shape[0], 1))
    full = sp.hstack([x, one], format="csr") if sp.issparse(x) else np.hstack([x, one])
    model = LogisticRegression(C=1 / penalty, fit_intercept=False, tol=1e-8, max_iter=5000)
    return model.fit(full.astype(np.float64), y, sample_weight=weights).predict_proba(full)


@KINDS
@pytest.mark.parametrize("penalty", [1 / 30, 1.0, 10.0])
def test_agrees_with_scikit_learn(make: Any, penalty: float) -> None:
    x, y = make()
    head = fit(design(x, penalty), y, 4, **CONVERGED)
    assert np.abs(proba(head, x) - reference(x, y, penalty)).max() < 1e-2


@KINDS
def test_weighted_rows_agree_with_scikit_learn(make: Any) -> None:
    x, y = make()
    weights = np.random.default_rng(1).uniform(0, 3, len(y)).astype(np.float32)
    head = fit(design(x, 1.0), y, 4, weights=weights, **CONVERGED)
    assert np.abs(proba(head, x) - reference(x, y, 1.0, weights)).max() < 1e-2


@KINDS
def test_the_default_stop_is_near_the_optimum(make: Any) -> None:
    x, y = make()
    rough = proba(fit(design(x, 1 / 30), y, 4), x)
    exact = reference(x, y, 1 / 30)
    assert (rough.argmax(axis=1) == exact.argmax(axis=1)).mean() > 0.98
    assert np.abs(rough - exact).mean() < 0.02


@KINDS
def test_gradient_is_the_slope_of_the_objective(make: Any) -> None:
    x, y = make(n=40, d=120 if make is sparse else 5)
    d = design(x, 0.5)
    rng = np.random.default_rng(2)
    w = 0.1 * rng.normal(size=(d.x.shape[1], 4))
    weights = rng.uniform(0, 2, 40)
    _, gradient = logistic._objective(d, y, weights, w)
    for _ in range(5):
        step = 1e-5 * rng.normal(size=w.shape)
        up, down = (logistic._objective(d, y, weights, w + s * step)[0] for s in (1, -1))
        assert (up - down) / 2 == pytest.approx(float(np.vdot(gradient, step)), rel=1e-3, abs=1e-8)


@KINDS
def test_weight_zero_is_as_if_the_row_were_not_there(make: Any) -> None:
    x, y = make()
    d = design(x, 1.0)
    kept = np.random.default_rng(3).uniform(size=len(y)) < 0.7
    weighted = fit(d, y, 4, weights=kept.astype(np.float32), **CONVERGED)
    rows = np.flatnonzero(kept)
    fresh = fit(design(x[rows], 1.0), y[rows], 4, **CONVERGED)
    assert np.abs(proba(weighted, x) - proba(fresh, x)).max() < 2e-3


@KINDS
def test_a_warm_start_leads_to_the_same_solution_in_fewer_steps(make: Any) -> None:
    x, y = make()
    d = design(x, 1.0)
    other = y.copy()
    other[:30] = (other[:30] + 1) % 4
    near = fit(d, other, 4, **CONVERGED)
    cold, warm = fit(d, y, 4, **CONVERGED), fit(d, y, 4, start=near, **CONVERGED)
    assert np.abs(proba(cold, x) - proba(warm, x)).max() < 2e-3
    again = fit(d, y, 4, start=cold, max_iter=500, tolerance=1e-3)
    assert again.iterations == 0


@KINDS
def test_a_fit_is_deterministic_and_changes_nothing(make: Any) -> None:
    x, y = make()
    d = design(x, 1.0)
    start = fit(d, y, 4, max_iter=3)
    kept = start.weights.copy()
    before = (x.copy(), y.copy())
    one, other = (fit(d, y, 4, start=start, max_iter=7, tolerance=0.0) for _ in range(2))
    assert (one.weights == other.weights).all()
    assert one.iterations == other.iterations == 7
    assert (start.weights == kept).all()
    assert (abs(x - before[0]).sum(), abs(y - before[1]).sum()) == (0, 0)
    assert one.weights.dtype == np.float32


def test_sparse_and_dense_features_give_the_same_answer() -> None:
    x, y = dense()
    one = fit(design(x, 1.0), y, 4, **CONVERGED)
    other = fit(design(sp.csr_matrix(x), 1.0), y, 4, **CONVERGED)
    assert np.abs(proba(one, x) - proba(other, x)).max() < 5e-3


def test_a_class_without_rows_gets_no_probability_worth_naming() -> None:
    x, y = dense(k=3)
    p = proba(fit(design(x, 0.1), y, 4, **CONVERGED), x)
    assert p[:, 3].max() < 0.1
    assert np.isfinite(p).all()


@pytest.mark.parametrize(("n", "k"), [(5, 1), (1, 1), (1, 3), (2, 2)])
def test_tiny_problems(n: int, k: int) -> None:
    x, y = dense(n=n, k=k)
    for features in (x, sp.csr_matrix(x)):
        head = fit(design(features, 0.1), y, k)
        assert head.scores(features).shape == (n, k)
        assert (proba(head, features).argmax(axis=1) == y).all()


def test_no_weight_at_all_leaves_the_head_at_zero() -> None:
    x, y = dense()
    head = fit(design(x, 1.0), y, 4, weights=np.zeros(len(y), dtype=np.float32))
    assert not head.weights.any()


def test_constant_features_learn_the_share_of_each_class() -> None:
    y = np.repeat([0, 1, 2], [60, 30, 10])
    p = proba(
        fit(design(np.zeros((100, 2), np.float32), 1e-3), y, 3, **CONVERGED), np.zeros((1, 2), np.float32)
    )
    assert p[0] == pytest.approx([0.6, 0.3, 0.1], abs=2e-3)
