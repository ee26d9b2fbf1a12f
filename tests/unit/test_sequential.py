"""Always-valid inference: coverage under peeking, power, sample ratio, advice."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np
import pytest

from tilth.sequential import Arm, Metric, compare, difference, sample_ratio, share_interval

DAYS = 30


def looks(p: float, q: float, a_day: int, runs: int, seed: int) -> np.ndarray:
    """Cumulative hits, (runs, days, arms)."""
    rng = np.random.default_rng(seed)
    hits = [rng.binomial(a_day, share, (runs, DAYS)).cumsum(axis=1) for share in (p, q)]
    return np.stack(hits, axis=2)


def decided(hits: np.ndarray, a_day: int, effect: float) -> np.ndarray:
    """(runs,) whether some daily look excludes zero."""
    out = np.zeros(len(hits), dtype=bool)
    for r, run in enumerate(hits):
        for day, (a, b) in enumerate(run.tolist(), start=1):
            d = difference(
                Arm.of_share("a", a, day * a_day), Arm.of_share("b", b, day * a_day), effect=effect
            )
            if d.low > 0 or d.high < 0:
                out[r] = True
                break
    return out


@pytest.mark.parametrize(("p", "a_day"), [(0.1, 300), (0.005, 100), (0.5, 4)])
def test_peeking_every_day_keeps_the_level(p, a_day):
    effect = 2.8 * sqrt(2 * p * (1 - p) / (DAYS * a_day))
    wrong = decided(looks(p, p, a_day, 400, seed=1), a_day, effect)
    assert wrong.mean() <= 0.05


def test_nine_tenths_of_the_fixed_power_at_twice_the_detectable_effect():
    p, a_day = 0.1, 300
    n = DAYS * a_day
    effect = 2.8 * sqrt(2 * p * (1 - p) / n)
    hits = looks(p, p + 2 * effect, a_day, 200, seed=2)
    a, b = hits[:, -1, 0] / n, hits[:, -1, 1] / n
    fixed = (b - a) / np.sqrt((a * (1 - a) + b * (1 - b)) / n) > 1.96
    assert decided(hits, a_day, effect).mean() >= 0.9 * fixed.mean() > 0.8


def test_an_exact_sequence_covers_from_the_first_unit_on():
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(200):
        hits = (rng.random(150) < 0.2).cumsum()
        spans = [share_interval(int(k), n) for n, k in enumerate(hits, start=1)]
        missed += any(not low <= 0.2 <= high for low, high in spans)
    assert missed <= 10 + 6
    low, high = share_interval(0, 50)
    assert low == 0.0
    assert 0.02 < high < 0.2
    assert share_interval(0, 0) == (0.0, 1.0)


def test_answers_of_one_unit_do_not_count_as_many():
    rng = np.random.default_rng(4)
    right = (rng.random(300) < 0.5).astype(float)
    alone = Arm.of_values("a", right)
    talkative = Arm.of_values("a", right * 20, np.full(300, 20.0))
    assert talkative.mean == alone.mean
    assert talkative.variance == pytest.approx(alone.variance, rel=0.02)
    assert alone.hits == int(right.sum())
    assert talkative.hits is None


def test_no_interval_before_there_is_anything_to_say():
    few = Arm.of_values("a", [1.5, 2.0])
    same = Arm.of_values("b", [2.5] * 100)
    assert difference(few, few, effect=0.1).low == -inf
    assert difference(same, same, effect=0.1).method == "none"
    assert difference(Arm.of_share("a", 0, 0), Arm.of_share("b", 0, 0), effect=0.1).high == 1.0
    with pytest.raises(ValueError, match="positive"):
        difference(same, same, effect=0.0)
    with pytest.raises(ValueError, match="hits"):
        Arm.of_share("a", 3, 2)


def test_sample_ratio_sees_lost_traffic_and_keeps_its_level():
    assert not sample_ratio({"a": 50_000, "b": 48_500}, {"a": 1, "b": 1}).held
    assert sample_ratio({"a": 9_010, "b": 990}, {"a": 0.9, "b": 0.1}).held
    assert sample_ratio({"a": 0, "b": 0}, {"a": 1, "b": 1}).p == 1.0
    rng, alarms = np.random.default_rng(5), 0
    for _ in range(500):
        a = rng.binomial(200, 0.3, DAYS).cumsum()
        shares = {"a": 0.3, "b": 0.7}
        alarms += any(
            not sample_ratio({"a": int(x), "b": 200 * day - int(x)}, shares).held
            for day, x in enumerate(a, start=1)
        )
    assert alarms <= 10
    with pytest.raises(ValueError, match="share"):
        sample_ratio({"a": 1}, {"b": 1.0})


GOAL = Metric("answered right", 0.02)
GUARD = Metric("abstained", 0.05, higher_is_better=False, role="guard")


def advice(right: tuple[int, int], abstained: tuple[int, int], counts=(5000, 5000)):
    arms = {
        m: {n: Arm.of_share(n, h, c) for n, h, c in zip("ab", hits, counts, strict=True)}
        for m, hits in ((GOAL, right), (GUARD, abstained))
    }
    found = compare(arms, dict(zip("ab", counts, strict=True)), {"a": 1, "b": 1}, control="a")
    return found[0]


def test_advice_says_what_to_do_and_why():
    good = advice((4000, 4300), (500, 500))
    assert (good.advice, good.goal.verdict) == ("promote", "better")
    assert good.comparisons[1].verdict == "held"
    assert "+0.06" in good.words
    worse = advice((4300, 4000), (500, 500))
    assert worse.advice == "stop"
    assert "worse" in worse.words
    harmed = advice((4000, 4300), (500, 1500))
    assert harmed.advice == "stop"
    assert "abstained" in harmed.words
    odd = advice((4000, 3600), (500, 400), counts=(5000, 4500))
    assert odd.advice == "stop"
    assert "split" in odd.words
    assert advice((4000, 4010), (500, 500)).advice == "keep going"
    flat = advice((400_000, 400_100), (500, 500), counts=(500_000, 500_000))
    assert (flat.advice, flat.goal.verdict) == ("stop", "too small")


def test_several_candidates_share_the_level_and_one_goal_decides():
    counts = {"a": 1000, "b": 1000, "c": 1000}
    arms = {GOAL: {n: Arm.of_share(n, 800, 1000) for n in counts}}
    found = compare(arms, counts, dict.fromkeys(counts, 1.0), control="a")
    assert [e.candidate for e in found] == ["b", "c"]
    assert found[0].goal.difference.level == pytest.approx(0.975)
    assert found[0].to_json()["comparisons"][0]["difference"]["low"] < 0
    with pytest.raises(ValueError, match="one goal"):
        compare({GUARD: arms[GOAL]}, counts, counts, control="a")
    with pytest.raises(ValueError, match="control"):
        compare(arms, counts, counts, control="z")
