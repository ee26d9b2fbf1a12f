"""Layout in the plane: forces against all pairs, clusters come apart, small and odd inputs."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from tilth.layout2d import _Push, faithfulness, principal, unfold
from tilth.neighbours import Index


def blobs(n: int, groups: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(groups, 30))
    number = rng.integers(0, groups, n)
    return (centres[number] + 0.3 * rng.normal(size=(n, 30))).astype(np.float32), number


@pytest.mark.parametrize("span", [0.1, 8.0, 60.0])
def test_forces_on_the_mesh_are_those_of_all_pairs(span: float) -> None:
    y = (np.random.default_rng(0).normal(size=(400, 2)) * span / 4).astype(np.float32)
    away = y[:, None].astype(float) - y[None]
    w = 1.0 / (1.0 + (away**2).sum(axis=2))
    np.fill_diagonal(w, 0.0)
    truth = (w[:, :, None] ** 2 * away).sum(axis=1) / w.sum()
    found = _Push().of(y)
    # a large layout has a coarse mesh, where two rows nearer than a cell push each other too little
    assert np.linalg.norm(found - truth) < (0.01 if span < 50 else 0.1) * np.linalg.norm(truth)


def test_near_rows_stay_near_and_groups_come_apart() -> None:
    x, number = blobs(1_200, 12)
    near = Index.build(x).within(10).index
    found = unfold(near, principal(x))
    assert found.shape == (1_200, 2)
    assert found.dtype == np.float32
    assert np.abs(found).max() == pytest.approx(1.0)
    quality, flat = faithfulness(x, found, number), faithfulness(x, principal(x), number)
    assert quality is not None
    assert flat is not None
    assert quality.label is not None
    assert quality.label > 0.99
    assert quality.trust > 0.98
    assert quality.kept > 2 * flat.kept


def test_the_same_rows_get_the_same_places() -> None:
    x, _ = blobs(300, 3)
    near, start = Index.build(x).within(10).index, principal(x)
    told: list[int] = []
    first = unfold(near, start, watch=lambda done, total, xy: told.append(done))
    assert (first == unfold(near, start)).all()
    assert told[0] == 10
    assert told[-1] == 500


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5])
def test_few_rows(n: int) -> None:
    x = np.random.default_rng(1).normal(size=(n, 4)).astype(np.float32)
    found = unfold(Index.build(x).within(10).index, principal(x))
    assert found.shape == (n, 2)
    assert np.isfinite(found).all()
    assert faithfulness(x, found, np.zeros(n, dtype=int)) is None


def test_copies_of_one_row_and_rows_of_zeros() -> None:
    for x in (np.ones((60, 5), np.float32), np.zeros((60, 5), np.float32)):
        found = unfold(Index.build(x).within(10).index, principal(x))
        assert np.isfinite(found).all()


def test_faithfulness_of_sparse_features_is_that_of_dense_ones() -> None:
    x, number = blobs(300, 3)
    x[x < 0.4] = 0.0
    xy = principal(x)
    assert faithfulness(sp.csr_matrix(x), xy, number) == faithfulness(x, xy, number)


def test_unlabelled_rows_have_no_share_of_labels() -> None:
    x, _ = blobs(100, 2)
    found = faithfulness(x, principal(x), np.full(100, -1))
    assert found is not None
    assert found.label is None
    assert found.to_json()["k"] == 10


def test_principal_components_have_a_fixed_sign_and_spread() -> None:
    x, _ = blobs(500, 4)
    found = principal(x)
    assert found[:, 0].std() == pytest.approx(1.0, abs=1e-3)
    assert np.abs(found - principal(x[:, ::-1])).max() < 1e-2  # order of columns does not matter
    assert (principal(np.zeros((9, 3), np.float32)) == 0).all()
