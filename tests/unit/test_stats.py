"""Every formula against a known value, a closed form, another library, or what was planted."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from tilth import stats
from tilth.stats import (
    Calibration,
    Effect,
    calibrate,
    effect,
    expected_calibration_error,
    holm_levels,
    p_value,
    robust_z,
    softmax,
    t_quantile,
    verdict,
    wilson,
)

Array = np.ndarray[Any, Any]


# --- intervals ---


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [  # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_against_published_values(hits: int, n: int, low: float, high: float) -> None:
    found = wilson(hits, n)
    assert found.value == hits / n
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500), st.data(), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_wilson_against_scipy(n: int, data: st.DataObject, level: float) -> None:
    hits = data.draw(st.integers(0, n))
    known = scipy.stats.binomtest(hits, n).proportion_ci(level, "wilson")
    found = wilson(hits, n, level)
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=1e-6)


def test_wilson_of_nothing_is_everything() -> None:
    found = wilson(0, 0)
    assert np.isnan(found.value)
    assert (found.low, found.high) == (0.0, 1.0)


def test_t_quantile_against_the_table() -> None:
    assert t_quantile(0.975, 10) == pytest.approx(2.2281, abs=1e-4)
    assert t_quantile(0.95, 4) == pytest.approx(2.1318, abs=1e-4)
    assert t_quantile(0.975, 0.2) == t_quantile(0.975, 1), "fewer than one degree of freedom counts as one"


def test_verdict_is_whether_the_interval_excludes_zero() -> None:
    assert verdict(0.1, 0.2) == "better"
    assert verdict(-0.2, -0.1) == "worse"
    for low, high in [(-0.1, 0.1), (0.0, 0.1), (-0.1, 0.0), (0.0, 0.0)]:
        assert verdict(low, high) == "no evidence"


# --- paired effects ---


def numbers(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


NO_REPLICATES = np.empty((0, 40))


def test_effect_without_training_luck_is_the_paired_t_interval() -> None:
    differences = numbers(1, 40) + 0.3
    found = effect(differences, NO_REPLICATES, level=0.9)
    known = scipy.stats.ttest_1samp(differences, 0.0)
    low, high = known.confidence_interval(0.9)
    assert found.value == pytest.approx(differences.mean())
    assert (found.low, found.high, found.df) == pytest.approx((low, high, 39))
    assert p_value(found) == pytest.approx(known.pvalue)
    assert (found.se_training, found.rows, found.level) == (0.0, 40, 0.9)


def test_effect_adds_the_delete_a_group_jackknife() -> None:
    # replicates that move all rows alike have no sampling noise of their own: the textbook formula is left
    differences, moves = numbers(2, 40) + 0.3, 0.05 * numbers(3, 10)
    found = effect(differences, np.repeat(moves[:, None], 40, axis=1))
    training = 9 / 10 * ((moves - moves.mean()) ** 2).sum()
    rows = differences.var(ddof=1) / 40
    assert found.se_rows**2 == pytest.approx(rows)
    assert found.se_training**2 == pytest.approx(training)
    df = (rows + training) ** 2 / (rows**2 / 39 + training**2 / 9)
    assert found.df == pytest.approx(df)
    half = scipy.stats.t.ppf(0.975, df) * sqrt(rows + training)
    assert (found.low, found.high) == pytest.approx((differences.mean() - half, differences.mean() + half))
    detectable = (scipy.stats.t.ppf(0.975, df) + scipy.stats.t.ppf(0.8, df)) * sqrt(rows + training)
    assert found.detectable == pytest.approx(detectable)


def test_a_part_of_the_replicates_estimates_the_same_luck() -> None:
    rng = np.random.default_rng(22)
    every, few = [], []
    for _ in range(300):
        deleted = np.repeat(0.1 * rng.normal(size=(10, 1)), 40, axis=1)
        every.append(effect(numbers(2, 40), deleted))
        few.append(effect(numbers(2, 40), deleted[:4], parts=10))
    assert effect(numbers(2, 40), deleted, parts=10) == every[-1]
    assert np.mean([e.se_training**2 for e in few]) == pytest.approx(
        np.mean([e.se_training**2 for e in every]), rel=0.15
    )
    rows, training = few[0].se_rows ** 2, few[0].se_training ** 2
    assert few[0].df == pytest.approx((rows + training) ** 2 / (rows**2 / 39 + training**2 / 3))


def test_noise_of_the_rows_is_not_taken_for_luck_of_training() -> None:
    # rows that move on their own in each replicate: the true movement of the mean is zero
    rng = np.random.default_rng(4)
    naive, found = [], []
    for _ in range(60):
        deleted = rng.normal(size=(10, 400))
        moved = deleted - deleted.mean(axis=0)
        naive.append(9 / 10 * (moved.mean(axis=1) ** 2).sum())
        found.append(effect(rng.normal(size=400), deleted).se_training ** 2)
    assert np.mean(naive) == pytest.approx(9 / 10 * 9 / 400, rel=0.15)
    assert np.mean(found) < 0.3 * np.mean(naive)


def test_planted_luck_of_training_is_recovered_under_noise_of_the_rows() -> None:
    rng = np.random.default_rng(5)
    found = []
    for _ in range(200):
        common = 0.1 * rng.normal(size=(10, 1))
        found.append(effect(rng.normal(size=400), common + rng.normal(size=(10, 400))).se_training ** 2)
    assert np.mean(found) == pytest.approx(9 / 10 * 9 * 0.1**2, rel=0.15)


def test_weights_are_shares_of_the_rows() -> None:
    differences, deleted = numbers(6, 30), numbers(7, 10, 30)
    even = effect(differences, deleted)
    same = effect(differences, deleted, weights=np.full(30, 1 / 30))
    assert same == even
    weights = np.r_[np.full(15, 1 / 15), np.zeros(15)]
    half = effect(differences, deleted, weights=weights)
    assert half.value == pytest.approx(differences[:15].mean())
    # the formula's n / (n - 1) counts all rows, hence the factor
    wanted = differences[:15].var() / 15 * 30 / 29
    assert half.se_rows**2 == pytest.approx(wanted)


def test_effect_turns_with_its_sign() -> None:
    differences, deleted = numbers(8, 30) + 1, numbers(9, 10, 30)
    plus, minus = effect(differences, deleted), effect(-differences, -deleted)
    assert (minus.value, minus.low, minus.high) == pytest.approx((-plus.value, -plus.high, -plus.low))
    assert (plus.verdict, minus.verdict) == ("better", "worse")


def test_no_change_at_all_is_no_evidence() -> None:
    none = effect(np.zeros(50), np.zeros((10, 50)))
    assert (none.value, none.low, none.high, none.detectable) == (0.0, 0.0, 0.0, 0.0)
    assert none.verdict == "no evidence"
    assert p_value(none) == 1.0


@pytest.mark.parametrize("n", range(1, 60))
@pytest.mark.parametrize("value", [-1.0, 0.25, 1.0])
def test_rows_that_all_moved_alike_are_a_sign_test(n: int, value: float) -> None:
    found = effect(np.full(n, value), np.zeros((10, n)))
    if n >= 3:
        exact = scipy.stats.binomtest(n, n).pvalue
        assert p_value(found) == pytest.approx(max(exact, 2.0**-49), rel=1e-2)
    assert (found.verdict != "no evidence") == (p_value(found) < 0.05) == (n >= 6)
    assert found.low < value < found.high
    assert found.detectable > 0


@given(
    st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), min_size=1, max_size=30),
    st.sampled_from([0.8, 0.95, 0.99]),
)
def test_verdict_and_p_value_never_disagree(differences: list[float], level: float) -> None:
    n = len(differences)
    found = effect(np.array(differences), np.zeros((10, n)), level=level)
    p = p_value(found)
    assert 0.0 <= p <= 1.0
    if abs(p - (1 - level)) > 1e-9:
        assert (p < 1 - level) == (found.verdict != "no evidence")


@pytest.mark.parametrize("n", [4, 5, 6, 10, 60])
@pytest.mark.parametrize("moved", [0.3, 0.7, 1.0])
def test_rows_that_move_by_chance_are_no_evidence(n: int, moved: float) -> None:
    rng = np.random.default_rng([n, int(10 * moved)])
    flips = (rng.random((1500, n)) < moved) * rng.choice([-1.0, 1.0], (1500, n))
    called = sum(effect(row, np.zeros((0, n))).verdict != "no evidence" for row in flips)
    # a t test on so few and so coarse numbers is not exact; 6 % was 12.5 % at four rows that all moved
    assert called <= 0.06 * 1500 + 3 * sqrt(1500 * 0.06 * 0.94)


def test_a_mean_of_all_right_or_all_wrong_is_no_certainty() -> None:
    for n in (1, 10, 200):
        right, wrong = (stats.mean_interval(np.full(n, v), np.zeros((10, n))) for v in (1.0, 0.0))
        assert right.low < 1.0 == pytest.approx(right.value)
        assert wrong.value == 0.0 < wrong.high
        assert right.low == pytest.approx(1 - wrong.high)
    assert right.low == pytest.approx(wilson(200, 200).low, abs=0.01)
    values, deleted = numbers(31, 40) > 0, 0.1 * numbers(32, 10, 40)
    found, known = stats.mean_interval(values * 1.0, deleted), effect(values * 1.0, deleted)
    assert (found.low, found.high) == pytest.approx((known.low, known.high))


def test_detectable_is_called_better_in_80_percent() -> None:
    rng = np.random.default_rng(10)
    found = [effect(rng.normal(size=100), NO_REPLICATES) for _ in range(400)]
    true = float(np.mean([e.detectable for e in found]))
    called = sum(e.low + true > 0 for e in found)
    assert scipy.stats.binomtest(called, 400, 0.8).pvalue > 0.01


def test_effect_covers_the_mean() -> None:
    rng = np.random.default_rng(11)
    inside = 0
    for _ in range(400):
        luck = 0.2 * rng.normal()
        deleted = np.repeat(0.2 / 3 * np.sqrt(10 / 9) * rng.normal(size=(10, 1)), 50, axis=1)
        e = effect(rng.normal(size=50) + 1 + luck, deleted)
        inside += e.low <= 1 <= e.high
    assert scipy.stats.binomtest(inside, 400, 0.95).pvalue > 0.01


def effect_of(value: float, se: float) -> Effect:
    return Effect(value, value - 2 * se, value + 2 * se, 0.95, se, 0.0, 30.0, 3 * se, 31)


def test_p_value_agrees_with_the_interval() -> None:
    assert p_value(effect_of(0.0, 1.0)) == pytest.approx(1.0)
    t = scipy.stats.t.ppf(0.975, 30)
    assert p_value(effect_of(t, 1.0)) == pytest.approx(0.05)
    assert p_value(effect_of(-t, 1.0)) == pytest.approx(0.05)


# --- multiplicity ---


def test_holm_against_a_worked_example() -> None:
    # 0.005 <= .05/4 and 0.01 <= .05/3, then 0.03 > .05/2 stops: 0.04 <= .05/1 comes too late
    assert holm_levels([0.01, 0.04, 0.03, 0.005]) == [True, False, False, True]
    assert holm_levels([]) == []
    assert holm_levels([0.05]) == [True]
    assert holm_levels([0.026, 0.026]) == [False, False]
    assert holm_levels([0.02, 0.02], alpha=0.1) == [True, True]


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_lies_between_bonferroni_and_none(p: list[float]) -> None:
    rejected = holm_levels(p)
    for one, is_rejected in zip(p, rejected, strict=True):
        assert is_rejected or one > 0.05 / len(p)
        assert not is_rejected or one <= 0.05
    worst = max((x for x, r in zip(p, rejected, strict=True) if r), default=-1.0)
    assert all(r for x, r in zip(p, rejected, strict=True) if x < worst)


def test_holm_keeps_the_family_wise_error() -> None:
    rng = np.random.default_rng(12)
    wrong = sum(any(holm_levels(rng.uniform(size=12).tolist())) for _ in range(2000))
    assert scipy.stats.binomtest(wrong, 2000, 0.05, "greater").pvalue > 0.001


# --- probabilities ---


def test_softmax() -> None:
    p = softmax(np.array([[0.0, np.log(3.0)], [1e4, 0.0], [-1e4, -1e4]]))
    assert p == pytest.approx(np.array([[0.25, 0.75], [1.0, 0.0], [0.5, 0.5]]))
    logits = numbers(13, 5, 3)
    kept = logits.copy()
    softmax(logits)
    assert (logits == kept).all()


def world(
    n: int, k: int, seed: int, *, noise: float = 0.0, temperature: float = 1.0
) -> tuple[Array, Array, Array]:
    """Logits, true labels drawn from softmax(temperature * logits), labels with a share given at random."""
    rng = np.random.default_rng(seed)
    logits = 2.0 * rng.normal(size=(n, k)).astype(np.float32)
    p = softmax(logits * np.float32(temperature))
    true = (p.cumsum(axis=1) > rng.uniform(size=(n, 1))).argmax(axis=1)
    given = np.where(rng.uniform(size=n) < noise, rng.integers(0, k, n), true)
    return logits, true, given


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("noise", [0.0, 0.1, 0.2])
def test_calibrate_recovers_temperature_and_uniform_noise(temperature: float, noise: float) -> None:
    logits, _, labels = world(20_000, 6, 14, noise=noise, temperature=temperature)
    found = calibrate(logits, labels)
    assert found.temperature == pytest.approx(temperature, rel=0.1)
    assert found.noise == pytest.approx(noise, abs=0.02)


def test_calibrated_probabilities_are_calibrated() -> None:
    logits, true, labels = world(8000, 6, 15, noise=0.2, temperature=2.0)
    found = calibrate(logits, labels)
    p = softmax(logits * np.float32(found.temperature))
    hits = (p.argmax(axis=1) == true).astype(float)
    assert expected_calibration_error(p.max(axis=1), hits) < 0.02
    raw = softmax(logits.copy())
    assert expected_calibration_error(raw.max(axis=1), hits) > 0.05


def test_calibrate_without_labels_changes_nothing() -> None:
    assert calibrate(np.empty((0, 3), np.float32), np.empty(0, int)) == Calibration(1.0, 0.0)


def test_calibrate_reads_no_more_rows_than_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, _, labels = world(45_000, 3, 16, noise=0.1, temperature=2.0)
    seen = []
    real = stats.softmax
    monkeypatch.setattr(stats, "softmax", lambda x: seen.append(len(x)) or real(x))
    found = calibrate(logits, labels)
    assert set(seen) == {20_000}
    assert found.temperature == pytest.approx(2.0, rel=0.1)
    assert found.noise == pytest.approx(0.1, abs=0.02)


def test_expected_calibration_error_by_hand() -> None:
    # bins of a tenth: two rows claim 0.15 and none hits; two claim 0.95, one hits
    p, hits = np.array([0.15, 0.15, 0.95, 0.95]), np.array([0.0, 0.0, 1.0, 0.0])
    assert expected_calibration_error(p, hits, bins=10) == pytest.approx((0.3 + 0.9) / 4)
    assert expected_calibration_error(np.array([1.0, 0.0]), np.array([1.0, 0.0])) == 0.0
    assert expected_calibration_error(np.empty(0), np.empty(0)) == 0.0


def test_robust_z() -> None:
    assert robust_z(np.array([1.0, 2.0, 3.0, 4.0, 100.0]))[-1] == pytest.approx(97 / 1.4826)
    assert robust_z(np.full(5, 3.0)).tolist() == [0.0] * 5
    z = robust_z(numbers(21, 20_000) * 7 + 3)
    assert z.std() == pytest.approx(1.0, abs=0.03)
