"""Nearest rows: exact where it says so, recall where it does not, calm with next to nothing."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from tilth import neighbours as nb
from tilth.neighbours import Index, Neighbours


def brute(x: np.ndarray, k: int) -> np.ndarray:
    """Similarities of the k nearest other rows, descending."""
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-30)
    similar = unit @ unit.T
    np.fill_diagonal(similar, -np.inf)
    return -np.sort(-similar, axis=1)[:, :k]


def clusters(n: int, d: int, k: int, noise: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(k, d))[rng.integers(0, k, n)] + noise * rng.normal(size=(n, d))).astype(
        np.float32
    )


def surface(n: int, d: int, inner: int, seed: int = 0) -> np.ndarray:
    """Points near a smooth surface of few dimensions, as embeddings are."""
    rng = np.random.default_rng(seed)
    low = np.tanh(rng.normal(size=(n, inner)) @ rng.normal(size=(inner, 3 * inner)))
    return (low @ rng.normal(size=(3 * inner, d)) + 0.02 * rng.normal(size=(n, d))).astype(np.float32)


GEOMETRIES = {
    "clusters": lambda n: clusters(n, 48, 30, 1.0),
    "one cluster": lambda n: clusters(n, 24, 1, 0.3),
    "surface": lambda n: surface(n, 48, 6),
    "uneven": lambda n: np.concatenate(
        [clusters(n // 2, 32, 2, 0.05), clusters(n - n // 2, 32, 500, 0.4, 1)]
    ),
    "no structure": lambda n: np.random.default_rng(5).normal(size=(n, 32)).astype(np.float32),
    "far from the origin": lambda n: clusters(n, 32, 10, 0.5) + 20,
}


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells already for few rows."""
    monkeypatch.setattr(nb, "EXACT", 500)


def consistent(found: Neighbours, x: np.ndarray, k: int) -> None:
    n = len(x)
    assert found.index.shape == found.similarity.shape == (n, min(k, n - 1))
    assert (found.index != np.arange(n)[:, None]).all(), "nobody is his own neighbour"
    assert ((found.index >= 0) & (found.index < n)).all()
    assert (np.diff(np.sort(found.index, axis=1), axis=1) > 0).all(), "each neighbour once"
    assert (np.diff(found.similarity, axis=1) <= 0).all()
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-30)
    own = np.einsum("id,ikd->ik", unit, unit[found.index])
    np.testing.assert_allclose(found.similarity, own, atol=2e-5)


@pytest.mark.parametrize("name", list(GEOMETRIES))
def test_exact(name: str) -> None:
    x = GEOMETRIES[name](3_000)
    found = Index.build(x).within(10)
    assert found.exact
    assert found.recall == 1.0
    consistent(found, x, 10)
    np.testing.assert_allclose(found.similarity, brute(x, 10), atol=2e-5)


@pytest.mark.parametrize("name", list(GEOMETRIES))
@pytest.mark.usefixtures("cells")
def test_recall_by_cells_is_what_it_says(name: str) -> None:
    x = GEOMETRIES[name](6_000)
    found = Index.build(x).within(10)
    consistent(found, x, 10)
    truth = brute(x, 10)
    true_recall = float((found.similarity >= truth[:, -1:] - 1e-6).mean())
    assert true_recall >= 0.985
    assert abs(true_recall - found.recall) <= 0.01
    assert found.recall_low <= true_recall + 0.002


@pytest.mark.usefixtures("cells")
def test_work_is_bounded_and_what_was_missed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nb, "WORK", 40)
    x = GEOMETRIES["no structure"](6_000)
    found = Index.build(x).within(10)
    truth = brute(x, 10)
    true_recall = float((found.similarity >= truth[:, -1:] - 1e-6).mean())
    assert not found.exact
    assert found.recall < 0.6, "this much work cannot find more"
    assert abs(true_recall - found.recall) <= 0.05
    assert found.pairs <= 6_000 * (40 * np.log2(6_000) + nb.SAMPLE)


@pytest.mark.parametrize("rows", [400, 3_000])
@pytest.mark.usefixtures("cells")
def test_rows_of_another_set(rows: int) -> None:
    x, queries = clusters(rows, 32, 20, 0.8), clusters(300, 32, 20, 0.8, 1)
    found = Index.build(x).nearest(queries, 3)
    a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (queries, x))
    truth = -np.sort(-(a @ b.T), axis=1)[:, :3]
    assert (found.similarity >= truth[:, -1:] - 1e-5).mean() >= 0.98
    np.testing.assert_allclose(np.einsum("id,ikd->ik", a, b[found.index]), found.similarity, atol=2e-5)


@pytest.mark.usefixtures("cells")
def test_many_queries_by_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nb, "GROUP", 700)
    x, queries = clusters(3_000, 32, 20, 0.8), clusters(2_000, 32, 20, 0.8, 1)
    monkeypatch.setattr(nb, "EXACT", 500)
    found = Index.build(x).nearest(queries, 2)
    assert not found.exact
    a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (queries, x))
    truth = -np.sort(-(a @ b.T), axis=1)[:, :2]
    assert (found.similarity >= truth[:, -1:] - 1e-5).mean() >= 0.98


@pytest.mark.parametrize("n", [500, 1_500])
@pytest.mark.usefixtures("cells")
def test_deterministic_and_pure(n: int) -> None:
    x = clusters(n, 16, 5, 1.0)
    before = x.copy()
    one, two = (Index.build(x).within(5) for _ in range(2))
    assert (one.index == two.index).all()
    assert (one.similarity == two.similarity).all()
    assert (x == before).all()


@pytest.mark.parametrize("n", [300, 2_000])
@pytest.mark.usefixtures("cells")
def test_copies_and_rows_of_zeros(n: int) -> None:
    x = clusters(n, 16, 5, 1.0)
    x[: n // 2] = x[0]
    x[n // 2 : n // 2 + 40] = 0
    found = Index.build(x).within(10)
    consistent(found, x, 10)
    assert (found.similarity[: n // 2] > 0.9999).all(), "a copy's neighbours are copies"
    assert (np.abs(found.similarity[n // 2 : n // 2 + 40]) < 1e-6).all()


@pytest.mark.usefixtures("cells")
def test_all_rows_equal() -> None:
    found = Index.build(np.ones((2_000, 8), dtype=np.float32)).within(10)
    assert (found.similarity > 0.9999).all()
    assert found.recall == 1.0


@pytest.mark.parametrize(("n", "k", "width"), [(0, 10, 0), (1, 10, 0), (2, 10, 1), (5, 10, 4), (11, 10, 10)])
def test_few_rows(n: int, k: int, width: int) -> None:
    x = clusters(n, 4, 2, 1.0)
    found = Index.build(x).within(k)
    assert found.index.shape == (n, width)
    assert Index.build(x).nearest(clusters(3, 4, 2, 1.0), k).index.shape == (3, min(n, k))
    assert Index.build(x).nearest(np.empty((0, 4), np.float32), k).index.shape == (0, min(n, k))


def test_other_number_types() -> None:
    x = clusters(200, 8, 3, 1.0)
    exact = Index.build(x).within(3)
    for kind in (np.float64, np.float16):
        assert np.abs(Index.build(x.astype(kind)).within(3).similarity - exact.similarity).max() < 5e-3


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    x = clusters(50, 4, 2, 1.0)
    x[17, 2] = bad
    with pytest.raises(ValueError, match="row 17"):
        Index.build(x)
    with pytest.raises(ValueError, match="dimension"):
        Index.build(x[0])


def test_agreement() -> None:
    found = Neighbours(np.array([[1, 2], [0, 2], [0, 1]]), np.ones((3, 2), np.float32), 1.0, 1.0, True, 3)
    share = found.agreement(np.array([4, 4, 7]))
    assert share.tolist() == [0.5, 0.5, 0.0]
    with_gaps = found.agreement(np.array([4, -1, -1]))
    assert np.isnan(with_gaps).all(), "no label, or no labelled neighbour: nothing can be said"
    assert found.agreement(np.array([4, -1, 4]))[0] == 1.0


def test_memory_is_one_copy_and_blocks() -> None:
    n, d = 24_000, 64
    x = clusters(n, d, 60, 0.8)
    tracemalloc.start()
    Index.build(x).within(10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # one copy of the features, results, queues and blocks; the matrix of all pairs would be 2.3 GB
    assert peak < x.nbytes + 80 * 2**20
