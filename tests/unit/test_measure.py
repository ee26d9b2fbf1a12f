"""Two arms and their difference; slices, weights and the record of a trial."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from tilth import stats
from tilth.data import Row, Snapshot
from tilth.errors import TrialError
from tilth.recipes import logistic
from tilth.trial.measure import METRICS, Base, Comparison, Outcome, compare, jackknife_groups, row_weights
from tilth.trial.record import LEAST_ROWS, MOST_VALUES, Trial, slice_effects, slices_of

K = 4
METRIC = pytest.mark.parametrize("metric", METRICS)


def blobs(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = 1.2 * np.random.default_rng(99).normal(size=(K, 8))
    y = rng.integers(0, K, n)
    return (centres[y] + 1.4 * rng.normal(size=(n, 8))).astype(np.float32), y


def trial_of(
    labels_a: np.ndarray,
    labels_b: np.ndarray,
    x: np.ndarray,
    *,
    in_a: np.ndarray | None = None,
    in_b: np.ndarray | None = None,
    tests: int = 400,
    seed: int = 1,
    **options: Any,
) -> Outcome:
    """Compare two arms on fresh evaluation rows."""
    n = len(x)
    test, truth = blobs(tests, seed)
    every = np.ones(n, dtype=bool)
    c = Comparison(
        np.arange(n),
        labels_a,
        labels_b,
        every if in_a is None else in_a,
        every if in_b is None else in_b,
        n + np.arange(tests),
        truth,
    )
    groups = np.zeros(n + tests, dtype=np.int64)
    groups[:n] = jackknife_groups(np.arange(n), (labels_a != labels_b) | (c.in_a != c.in_b))
    return compare(np.vstack([x, test]), [c], K, 1.0, groups=groups, **options)


def spoil(y: np.ndarray, share: float, seed: int = 2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.uniform(size=len(y)) < share, (y + 1) % K, y)


# --- the effect ---


@METRIC
def test_repairing_labels_is_better_and_spoiling_them_worse(metric: str) -> None:
    x, y = blobs(600, 3)
    bad = spoil(y, 0.35)
    good = trial_of(bad, y, x, metric=metric).effect()
    harm = trial_of(y, bad, x, metric=metric).effect()
    assert (good.verdict, harm.verdict) == ("better", "worse")
    assert good.value > 0 > harm.value
    assert good.value == pytest.approx(-harm.value, rel=0.3)


@METRIC
def test_equal_arms_have_no_effect_at_all(metric: str) -> None:
    x, y = blobs(300, 4)
    outcome = trial_of(y, y, x, metric=metric)
    effect = outcome.effect()
    assert (effect.value, effect.low, effect.high) == (0.0, 0.0, 0.0)
    assert effect.verdict == "no evidence"
    before, after = outcome.score("before"), outcome.score("after")
    assert before == after
    assert before.low < before.value < before.high, "the score itself is not certain"


def test_equal_rows_in_other_words_have_no_effect() -> None:
    # labels of rows that are in neither arm must not matter
    x, y = blobs(300, 5)
    kept = np.arange(300) % 3 > 0
    effect = trial_of(y, np.where(kept, y, 0), x, in_a=kept, in_b=kept).effect()
    assert effect.value == pytest.approx(0.0, abs=0.005)
    assert effect.verdict == "no evidence"


def test_more_rows_help() -> None:
    x, y = blobs(600, 6)
    effect = trial_of(y, y, x, in_a=np.arange(600) < 20).effect()
    assert effect.verdict == "better"
    assert effect.se_training > 0


def test_arms_are_what_fits_from_scratch_give() -> None:
    x, y = blobs(400, 7)
    bad = spoil(y, 0.3)
    in_b = np.arange(400) % 5 > 0
    outcome = trial_of(bad, y, x, in_b=in_b)
    test, truth = blobs(400, 1)
    for labels, kept, values in ((bad, np.ones(400, bool), outcome.before), (y, in_b, outcome.after)):
        head = logistic.fit(logistic.design(x[kept], 1.0), labels[kept], K, max_iter=300, tolerance=1e-6)
        right = head.scores(test).argmax(axis=1) == truth
        assert (values == right).mean() > 0.99


def test_replicates_leave_one_group_out_of_both_arms() -> None:
    x, y = blobs(400, 8)
    bad = spoil(y, 0.3)
    test, truth = blobs(400, 1)
    outcome = trial_of(bad, y, x, metric="log_loss")
    groups = jackknife_groups(np.arange(400), bad != y)
    assert len(outcome.deleted_before) == len(outcome.deleted_after) == 10
    for labels, full, deleted in (
        (bad, outcome.before, outcome.deleted_before),
        (y, outcome.after, outcome.deleted_after),
    ):
        moves, wanted = [], []
        for g in range(10):
            kept = groups != g
            head = logistic.fit(logistic.design(x[kept], 1.0), labels[kept], K, max_iter=300, tolerance=1e-6)
            p = stats.softmax(head.scores(test).astype(np.float64))
            wanted.append(np.log(p[np.arange(400), truth]).mean() - full.mean())
            moves.append(deleted[g].mean() - full.mean())
        # warm starts of a few steps: the movement is nearly that of a fit from scratch
        assert np.corrcoef(moves, wanted)[0, 1] > 0.85
        assert np.std(moves) == pytest.approx(np.std(wanted), rel=0.15)


def test_few_replicates_where_the_rows_alone_give_no_evidence() -> None:
    x, y = blobs(300, 20)
    moved = y.copy()
    moved[:6] = (moved[:6] + 1) % K
    quick, thorough = (trial_of(moved, y, x, thorough=t) for t in (False, True))
    assert (len(quick.deleted_before), len(thorough.deleted_before)) == (4, 10)
    assert (quick.deleted_after == thorough.deleted_after[:4]).all()
    assert quick.effect().verdict == thorough.effect().verdict == "no evidence"
    bad = spoil(y, 0.5)
    quick, thorough = (trial_of(bad, y, x, thorough=t) for t in (False, True))
    assert quick.effect() == thorough.effect(), "where there may be evidence nothing is saved"


def test_a_base_that_is_fitted_already_gives_the_same_outcome() -> None:
    x, y = blobs(300, 21)
    bad = spoil(y, 0.3)
    test, truth = blobs(200, 1)
    whole, groups = np.vstack([x, test]), np.arange(500) % 10
    every, some = np.ones(300, dtype=bool), np.arange(300) % 7 > 0
    patches = [
        Comparison(np.arange(300), bad, labels, every, kept, 300 + np.arange(200), truth)
        for labels, kept in ((y, every), (bad, some), (bad, every), (y, some))
    ]
    base = Base(whole, patches[0], K, 1.0, groups, "accuracy")
    for c in patches:
        one, other = (compare(whole, [c], K, 1.0, groups=groups, bases=b) for b in (None, [base]))
        for name in ("before", "after", "deleted_before", "deleted_after"):
            assert (getattr(one, name) == getattr(other, name)).all()


def test_smooth_replicates_move_as_much_as_the_accuracy_does() -> None:
    x, y = blobs(600, 9)
    bad = spoil(y, 0.35)
    outcome = trial_of(bad, y, x, tests=3000)
    assert ((outcome.deleted_before >= 0) & (outcome.deleted_before <= 1)).all()
    assert set(np.unique(outcome.before)) <= {0.0, 1.0}
    hard = outcome.effect().value
    smooth = (outcome.deleted_after - outcome.deleted_before).mean()
    assert smooth == pytest.approx(hard, rel=0.35)


@METRIC
def test_deterministic_and_without_side_effects(metric: str) -> None:
    x, y = blobs(200, 10)
    bad = spoil(y, 0.3)
    kept = (x.copy(), y.copy(), bad.copy())
    one, other = (trial_of(bad, y, x, metric=metric) for _ in range(2))
    for name in ("before", "after", "deleted_before", "deleted_after", "weights", "truth"):
        assert (getattr(one, name) == getattr(other, name)).all()
    assert all((a == b).all() for a, b in zip(kept, (x, y, bad), strict=True))


def test_sparse_features_give_the_same_outcome() -> None:
    x, y = blobs(300, 11)
    bad = spoil(y, 0.3)
    test, truth = blobs(300, 1)
    every = np.ones(300, dtype=bool)
    c = Comparison(np.arange(300), bad, y, every, every, 300 + np.arange(300), truth)
    groups = np.arange(600) % 10
    whole = np.vstack([x, test])
    one, other = (compare(m, [c], K, 1.0, groups=groups).effect() for m in (whole, sp.csr_matrix(whole)))
    assert one.value == pytest.approx(other.value, abs=0.01)
    assert one.se_training == pytest.approx(other.se_training, rel=0.3, abs=0.002)


def test_folds_are_laid_end_to_end() -> None:
    x, y = blobs(300, 12)
    bad = spoil(y, 0.3)
    parts = [np.flatnonzero(np.arange(300) % 3 == f) for f in range(3)]
    folds = []
    for held in parts:
        rest = np.setdiff1d(np.arange(300), held)
        every = np.ones(len(rest), dtype=bool)
        folds.append(Comparison(rest, bad[rest], y[rest], every, every, held, y[held]))
    groups = jackknife_groups(np.arange(300), bad != y)
    told: list[tuple[str, int, int]] = []
    whole = compare(x, folds, K, 1.0, groups=groups, progress=lambda *step: told.append(step))
    assert (whole.truth == y[np.concatenate(parts)]).all()
    alone = [compare(x, [c], K, 1.0, groups=groups) for c in folds]
    assert (whole.before == np.concatenate([o.before for o in alone])).all()
    assert whole.deleted_after.shape == (10, 300)
    assert told == [("trial", i, 13) for i in range(1, 14)]


def test_one_class_is_no_accident() -> None:
    x = np.zeros((30, 2), np.float32)
    every = np.ones(20, dtype=bool)
    none = np.zeros(20, dtype=int)
    c = Comparison(
        np.arange(20), none, none, every, ~every | (np.arange(20) > 3), 20 + np.arange(10), none[:10]
    )
    for metric in METRICS:
        effect = compare(x, [c], 1, 1.0, groups=np.arange(30) % 10, metric=metric).effect()
        assert effect.verdict == "no evidence"


# --- what cannot be measured ---


def test_refusals() -> None:
    x, y = blobs(50, 13)
    empty = np.zeros(50, dtype=bool)
    for arms in ({"in_a": empty}, {"in_b": empty}):
        with pytest.raises(TrialError, match="no training rows"):
            trial_of(y, y, x, **arms)
    with pytest.raises(TrialError, match="no evaluation rows"):
        trial_of(y, y, x, tests=0)
    with pytest.raises(TrialError, match="unknown metric 'f1'; it is one of accuracy"):
        trial_of(y, y, x, metric="f1")
    with pytest.raises(TrialError, match="slice has no evaluation rows"):
        trial_of(y, y, x).effect(np.zeros(400, dtype=bool))


# --- weights, slices ---


def test_row_weights() -> None:
    truth = np.array([0, 0, 0, 2])
    assert row_weights(truth, "accuracy").tolist() == [0.25] * 4
    assert row_weights(truth, "balanced_accuracy") == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])


def test_balanced_accuracy_is_the_mean_of_the_recalls() -> None:
    x, y = blobs(300, 14)
    rare = (y != 0) | (np.arange(300) % 10 == 0)
    outcome = trial_of(spoil(y, 0.3)[rare], y[rare], x[rare], metric="balanced_accuracy")
    for arm, values in (("before", outcome.before), ("after", outcome.after)):
        recalls = [values[outcome.truth == c].mean() for c in range(K)]
        assert outcome.score(arm).value == pytest.approx(np.mean(recalls))


def test_log_loss_is_shown_as_a_loss() -> None:
    x, y = blobs(300, 15)
    outcome = trial_of(spoil(y, 0.4), y, x, metric="log_loss")
    before, after = outcome.score("before"), outcome.score("after")
    assert before.value > after.value > 0
    assert before.low <= before.value <= before.high
    assert outcome.effect().value == pytest.approx(before.value - after.value)


def test_an_effect_on_a_slice_is_that_of_its_rows() -> None:
    x, y = blobs(400, 16)
    outcome = trial_of(spoil(y, 0.3), y, x)
    mask = outcome.truth == 1
    found = outcome.effect(mask)
    assert found.rows == mask.sum()
    assert found.value == pytest.approx((outcome.after - outcome.before)[mask].mean())
    alone = stats.effect(
        (outcome.after - outcome.before)[mask], (outcome.deleted_after - outcome.deleted_before)[:, mask]
    )
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high))


def test_slices_of_rows() -> None:
    rows = Snapshot.of(
        Row(
            f"{i:03}",
            {
                "text": f"t{i}",
                "channel": "ab"[i % 2],
                "year": i % 40,
                "same": 1,
                "seldom": "x" if i < 5 else None,
            },
            "pq"[i < 30],
        )
        for i in range(100)
    )
    found = slices_of(rows, "queue", ("text",))
    assert set(found) == {"queue = p", "queue = q", "channel = a", "channel = b"}
    assert int(found["queue = q"].sum()) == 30
    assert found["channel = a"].tolist() == [i % 2 == 0 for i in range(100)]
    assert slices_of(Snapshot.of([]), "queue") == {}
    few = rows.take(range(LEAST_ROWS - 1))
    assert slices_of(few, "queue") == {}
    assert len(set(rows.columns["year"])) > MOST_VALUES


def outcome_of(differences: np.ndarray) -> Outcome:
    """An outcome with these differences and no luck of training."""
    n = len(differences)
    none = np.zeros((10, n))
    return Outcome(np.zeros(n), differences, none, none, np.full(n, 1 / n), "accuracy", np.zeros(n, int), 10)


def test_slices_are_corrected_for_their_number() -> None:
    rng = np.random.default_rng(17)
    n, m = 60, 30
    noise = rng.normal(size=(m, n))
    noise = (noise - noise.mean(axis=1, keepdims=True)) / noise.std(axis=1, ddof=1, keepdims=True)
    means = np.zeros(m)
    means[0], means[1], means[2] = 2.3 / np.sqrt(n), 6 / np.sqrt(n), -6 / np.sqrt(n)  # t = 2.3, 6, -6
    outcome = outcome_of((noise + means[:, None]).ravel())
    slices = {f"s{i}": np.arange(n * m) // n == i for i in range(m)}
    found = slice_effects(outcome, slices)
    assert outcome.effect(slices["s0"]).verdict == "better", "on its own it would have been called better"
    assert [s.verdict for s in found[:4]] == ["no evidence", "better", "worse", "no evidence"]
    assert {s.verdict for s in found[3:]} == {"no evidence"}
    assert [s.rows for s in found] == [n] * m
    assert found[1].after - found[1].before == pytest.approx(found[1].value)
    assert slice_effects(outcome, {}) == ()


# --- jackknife groups ---


def test_groups_keep_copies_together_and_spread_what_was_touched() -> None:
    rng = np.random.default_rng(18)
    clusters = rng.integers(0, 700, 1000)
    touched = rng.uniform(size=1000) < 0.05
    groups = jackknife_groups(clusters, touched)
    assert groups.min() == 0
    assert groups.max() == 9
    for c in np.unique(clusters):
        assert len(np.unique(groups[clusters == c])) == 1
    assert np.ptp(np.bincount(groups, minlength=10)) < 60
    alone = jackknife_groups(np.arange(1000), touched)
    assert np.ptp(np.bincount(alone)) <= 1
    assert np.ptp(np.bincount(alone[touched], minlength=10)) <= 1
    assert (groups == jackknife_groups(clusters, touched)).all()
    assert (groups != jackknife_groups(clusters, touched, seed=1)).any()


@pytest.mark.parametrize("n", [0, 1, 3])
def test_groups_of_next_to_nothing(n: int) -> None:
    assert sorted(jackknife_groups(np.arange(n), np.zeros(n, bool)).tolist()) == list(range(n))


# --- the record ---


def test_a_trial_survives_json() -> None:
    x, y = blobs(200, 19)
    outcome = trial_of(spoil(y, 0.4), y, x)
    slices = slice_effects(outcome, {"label = 1": outcome.truth == 1, "label = 2": outcome.truth == 2})
    trial = Trial(
        "abc", "Relabel 3 rows", "v1", "text-linear.v1", "accuracy", "400 rows", "eval:e1", {"relabel": 3},
        outcome.effect(), outcome.score("before"), outcome.score("after"), slices, 1.5, 0.02, 3.0,
        ("a note",),
    )  # fmt: skip
    body = json.loads(json.dumps(trial.to_json()))
    again = Trial.from_json(body)
    assert again.effect == trial.effect
    assert tuple(again.slices) == slices
    assert body["verdict"] == trial.verdict == again.verdict == "better"
    assert again.to_json() == {**trial.to_json(), "notes": ["a note"]}
    assert trial.regressions == []
    hurt = replace(trial, slices=[replace(slices[0], verdict="worse"), slices[1]])
    assert [s.name for s in hurt.regressions] == ["label = 1"]
