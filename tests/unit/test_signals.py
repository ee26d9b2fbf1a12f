"""Folds, out-of-sample scores and what is concluded from them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from tilth.recipes import logistic
from tilth.signals import encode_labels, group_folds, judge, out_of_sample


def blobs(n: int, k: int, seed: int, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = 2.0 * np.random.default_rng(99).normal(size=(k, 6))
    y = rng.integers(0, k, n)
    return (centres[y] + spread * rng.normal(size=(n, 6))).astype(np.float32), y


def test_encode_labels() -> None:
    names, numbers = encode_labels(["b", None, "a", "b"])
    assert names == ("a", "b")
    assert numbers.tolist() == [1, -1, 0, 1]
    assert encode_labels(["b", "new", None], ("a", "b"))[1].tolist() == [1, -1, -1]
    assert encode_labels([])[0] == ()
    assert encode_labels([None])[1].tolist() == [-1]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 12)), max_size=60), st.integers(2, 6))
def test_copies_are_in_one_fold(rows: list[tuple[int, int]], folds: int) -> None:
    labels, clusters = (np.array([r[i] for r in rows], dtype=np.int64) for i in (0, 1))
    fold = group_folds(labels, clusters, folds)
    assert len(fold) == len(rows)
    for c in np.unique(clusters):
        assert len(np.unique(fold[clusters == c])) == 1
    if len(rows):
        assert fold.min() >= 0
        assert fold.max() < folds
    assert (fold == group_folds(labels, clusters, folds)).all()


def test_folds_are_stratified() -> None:
    labels = np.repeat([0, 1, 2], [500, 50, 10])
    fold = group_folds(labels, np.arange(560), 5)
    for label, count in ((0, 100), (1, 10), (2, 2)):
        assert np.bincount(fold[labels == label], minlength=5).tolist() == [count] * 5
    assert (fold != group_folds(labels, np.arange(560), 5, seed=1)).any()


def test_no_row_is_scored_by_a_model_that_saw_it_or_its_copies() -> None:
    # labels without any pattern on rows that are far apart: whoever saw a row would know its label
    rng = np.random.default_rng(0)
    x = np.repeat(np.eye(60, dtype=np.float32) * 5, 2, axis=0)
    labels = np.repeat(rng.integers(0, 2, 60), 2)
    kept_apart = group_folds(labels, np.repeat(np.arange(60), 2), 5)
    torn = group_folds(labels, np.arange(120), 5)
    honest, leaky = (
        (out_of_sample(x, labels, 2, 0.1, fold=f).argmax(axis=1) == labels).mean() for f in (kept_apart, torn)
    )
    assert honest < 0.65
    assert leaky > 0.8


@pytest.mark.parametrize("pack", [np.asarray, sp.csr_matrix])
def test_out_of_sample_is_a_fit_without_the_fold(pack: type) -> None:
    x, y = blobs(200, 3, 1)
    labels = np.where(np.arange(200) % 10 == 0, -1, y)
    fold = np.arange(200) % 4
    found = out_of_sample(pack(x), labels, 3, 1.0, fold=fold)
    for f in range(4):
        inside = (fold != f) & (labels >= 0)
        head = logistic.fit(logistic.design(x[inside], 1.0), labels[inside], 3, max_iter=200, tolerance=1e-5)
        assert (found[fold == f].argmax(axis=1) == head.scores(x[fold == f]).argmax(axis=1)).mean() > 0.95


def test_labels_of_a_fold_do_not_reach_its_own_scores() -> None:
    x, y = blobs(200, 3, 2)
    fold = np.arange(200) % 4
    changed = np.where(fold == 1, (y + 1) % 3, y)
    one, other = (out_of_sample(x, labels, 3, 1.0, fold=fold) for labels in (y, changed))
    assert (one[fold == 1] == other[fold == 1]).all()
    assert (one[fold == 0] != other[fold == 0]).any()


def test_progress_is_told() -> None:
    x, y = blobs(50, 2, 3)
    told: list[tuple[str, int, int]] = []
    fold = np.arange(50) % 5
    out_of_sample(x, y, 2, 1.0, fold=fold, progress=lambda *step: told.append(step))
    assert told == [("out-of-sample", i, 5) for i in range(1, 6)]


def test_judge_finds_planted_errors_and_counts_them() -> None:
    x, y = blobs(2000, 4, 4)
    rng = np.random.default_rng(5)
    wrong = rng.uniform(size=2000) < 0.15
    labels = np.where(wrong, (y + rng.integers(1, 4, 2000)) % 4, y)
    labels[:20] = -1
    wrong[:20] = False
    fold = group_folds(labels, np.arange(2000), 5)
    s = judge(tuple("abcd"), labels, out_of_sample(x, labels, 4, 1.0, fold=fold), fold)
    p = s.p_wrong()
    assert (p[:20] == 0).all()
    flagged = p > 0.5
    assert (flagged & wrong).sum() / flagged.sum() > 0.85
    assert (flagged & wrong).sum() / wrong.sum() > 0.85
    assert (s.suggestion() == y)[flagged & wrong].mean() > 0.95
    assert 1 - s.noise.diagonal().mean() == pytest.approx(0.15, abs=0.03)
    assert p.sum() == pytest.approx(wrong.sum(), rel=0.1)
    known = labels >= 0
    assert (s.suggestion()[known] != labels[known]).all()
    assert s.posterior.sum(axis=1) == pytest.approx(np.ones(2000), abs=1e-4)


def test_judge_of_one_class_finds_nothing_wrong() -> None:
    labels = np.array([0, 0, -1])
    s = judge(("a",), labels, np.zeros((3, 1), np.float32), np.zeros(3, int))
    assert s.p_wrong().tolist() == [0.0, 0.0, 0.0]
    assert s.noise.tolist() == [[1.0]]
