"""Label noise: the matrix, answers without what the model learned of it, and P(wrong)."""

from __future__ import annotations

import numpy as np
import pytest

from tilth.label_noise import noise_matrix, posterior, sharpen
from tilth.signals import group_folds, judge, out_of_sample
from tilth.stats import calibrate, expected_calibration_error, softmax


def world(n: int, k: int, seed: int, sharp: float = 8.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of a model that is mostly sure, and true classes drawn from them."""
    rng = np.random.default_rng(seed)
    p = softmax(sharp * rng.normal(size=(n, k)).astype(np.float32))
    return p, (p.cumsum(axis=1) > rng.uniform(size=(n, 1))).argmax(axis=1)


def shares(true: np.ndarray, given: np.ndarray, k: int) -> np.ndarray:
    real = np.zeros((k, k))
    np.add.at(real, (true, given), 1.0)
    return real / real.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.2, 0.4])
def test_symmetric_noise_is_found_and_comes_out_even(noise: float) -> None:
    p, true = world(8000, 5, 17)
    rng = np.random.default_rng(1)
    given = np.where(rng.uniform(size=8000) < noise, (true + rng.integers(1, 5, 8000)) % 5, true)
    matrix = noise_matrix(p, given)
    assert matrix.sum(axis=1) == pytest.approx(np.ones(5))
    assert np.abs(matrix - shares(true, given, 5)).max() < 0.04
    off = matrix[~np.eye(5, dtype=bool)]
    assert off.max() < 2.5 * off.min()


def test_one_class_taken_for_another_stands_out() -> None:
    p, true = world(8000, 5, 18)
    rng = np.random.default_rng(19)
    given = np.where((true == 0) & (rng.uniform(size=8000) < 0.3), 1, true)
    matrix = noise_matrix(p, given)
    assert matrix[0, 1] == pytest.approx(0.3, abs=0.05)
    assert matrix[1, 0] < 0.04
    assert matrix[2:, 2:].diagonal().min() > 0.95


def test_sharpen_takes_out_what_the_model_learned() -> None:
    true, matrix = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0), np.eye(3)
    matrix[0] = 0.7, 0.3, 0.0
    found = sharpen((true @ matrix).astype(np.float32), matrix)
    assert found[:4, 0].min() > 0.9
    assert found[4:] == pytest.approx(true[4:], abs=0.01)


def test_sharpen_leaves_even_noise_and_clean_answers_alone() -> None:
    p, _ = world(100, 4, 3)
    even = np.full((4, 4), 0.05) + 0.8 * np.eye(4)
    assert (sharpen(p, even) == p).all()
    assert (sharpen(p, np.eye(4)) == p).all()


def test_sharpen_in_blocks_is_sharpen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    p, _ = world(500, 4, 4)
    matrix = np.eye(4)
    matrix[1] = 0.2, 0.7, 0.1, 0.0
    whole = sharpen(p, matrix)
    monkeypatch.setattr("tilth.label_noise.BLOCK", 64)
    assert sharpen(p, matrix) == pytest.approx(whole)
    assert whole.sum(axis=1) == pytest.approx(np.ones(500), abs=1e-5)


def test_one_class_and_no_rows_are_calm() -> None:
    assert noise_matrix(np.ones((5, 1)), np.zeros(5, int)).tolist() == [[1.0]]
    assert sharpen(np.ones((5, 1)), np.ones((1, 1))).tolist() == [[1.0]] * 5
    empty = noise_matrix(np.empty((0, 3)), np.empty(0, int))
    assert empty.sum(axis=1) == pytest.approx(np.ones(3))
    assert sharpen(np.empty((0, 3)), empty).shape == (0, 3)


def test_posterior_is_bayes_rule() -> None:
    matrix = np.array([[0.9, 0.1], [0.2, 0.8]])
    found = posterior(np.array([[0.5, 0.5], [0.1, 0.9]]), np.array([0, 1]), matrix)
    assert found == pytest.approx(np.array([[0.45 / 0.55, 0.1 / 0.55], [0.01 / 0.73, 0.72 / 0.73]]))
    assert found.dtype == np.float32


def blobs(n: int, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    centres = 4.0 * np.eye(k, 8)
    return (centres[y] + rng.normal(size=(n, 8))).astype(np.float32), y


@pytest.mark.parametrize("kind", ["even", "one way"])
def test_errors_of_either_kind_are_found_and_counted(kind: str) -> None:
    # a quarter of the rows, all into one class: the model learns this noise, and it must not hide it
    x, y = blobs(3000, 4, 7)
    rng = np.random.default_rng(8)
    to = (y + rng.integers(1, 4, 3000)) % 4 if kind == "even" else np.where(y == 3, 3, (y + 1) % 4)
    labels = np.where(rng.uniform(size=3000) < 0.25, to, y)
    wrong = labels != y
    fold = group_folds(labels, np.arange(3000), 5)
    s = judge(tuple("abcd"), labels, out_of_sample(x, labels, 4, 1.0, fold=fold), fold)
    p = s.p_wrong()
    flagged = p > 0.5
    assert (flagged & wrong).sum() / wrong.sum() > 0.8
    assert (flagged & wrong).sum() / flagged.sum() > 0.9
    assert p.sum() == pytest.approx(wrong.sum(), rel=0.2)
    assert expected_calibration_error(p, wrong.astype(float)) < 0.05


def test_clean_labels_stay_clean() -> None:
    x, y = blobs(3000, 4, 9)
    fold = group_folds(y, np.arange(3000), 5)
    s = judge(tuple("abcd"), y, out_of_sample(x, y, 4, 1.0, fold=fold), fold)
    assert (s.p_wrong() > 0.5).sum() <= 15
    assert calibrate(out_of_sample(x, y, 4, 1.0, fold=fold), y).noise < 0.01


def test_a_small_class_is_given_by_mistake_as_seldom_as_it_is_given_at_all() -> None:
    # 10 % of errors into classes of 900, 900 and 20 rows: the small one must not look wholly wrong
    rng = np.random.default_rng(11)
    true = np.repeat([0, 1, 2], [900, 900, 20])
    p = softmax(8.0 * np.eye(3, dtype=np.float32)[true])
    given = np.where((rng.uniform(size=1820) < 0.1) & (true < 2), 1 - true, true)
    matrix = noise_matrix(p, given)
    assert matrix[0, 1] == pytest.approx(0.1, abs=0.04)
    assert 900 * (matrix[0, 2] + matrix[1, 2]) < 5


def test_errors_where_the_input_is_doubtful_do_not_make_a_pair_of_classes_suspect() -> None:
    # the doubtful rows between 0 and 1 are labelled by the other class; sure rows are all right but for
    # a few, which must not be taken for a habit of all rows of their class
    p, true = world(6000, 3, 13, sharp=3.0)
    runner = np.argsort(p, axis=1)[:, -2]
    doubt = np.sort(p, axis=1)[:, -2]
    given = np.where(doubt > np.quantile(doubt, 0.85), runner, true)
    given[np.flatnonzero((true == 2) & (p[:, 2] > 0.99))[:6]] = 0
    matrix = noise_matrix(p, given)
    off = matrix[~np.eye(3, dtype=bool)]
    assert off.max() < 2.0 * off.min()
