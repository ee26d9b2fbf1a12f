"""The promise of precision, simulated; conformal sets; which reason is given."""

from __future__ import annotations

import numpy as np
import pytest

from tilth.release.abstain import OUTSIDE, REASONS, UNLIKE, UNSURE, Abstention, familiarity, softmax
from tilth.release.decide import Deciding, decide
from tilth.release.forward import Seen
from tilth.release.thresholds import GRID, NEVER, choose, missed

POPULATION = 200_000


def population(seed: int, *, power: float, strange: float) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and whether they are right; power > 1 is overconfident, some rows are never right."""
    rng = np.random.default_rng(seed)
    best = rng.beta(4, 0.8, POPULATION)
    right = rng.random(POPULATION) < best**power
    return best, right & (rng.random(POPULATION) >= strange)


@pytest.mark.parametrize(
    ("power", "strange", "wanted"), [(1.0, 0.0, 0.95), (1.5, 0.0, 0.9), (1.0, 0.03, 0.95), (0.7, 0.0, 0.98)]
)
@pytest.mark.parametrize("rows", [300, 2000])
def test_the_promise_is_kept_in_95_of_100_draws(
    power: float, strange: float, wanted: float, rows: int
) -> None:
    best, right = population(1, power=power, strange=strange)
    order = np.argsort(best)
    below = np.concatenate([[0], np.cumsum(right[order])])
    rng, broken, draws = np.random.default_rng(2), 0, 200
    for _ in range(draws):
        pick = rng.integers(0, POPULATION, rows)
        choice = choose(best[pick], right[pick], np.ones(rows, dtype=bool), wanted)
        first = int(np.searchsorted(best[order], choice.probability))
        count = POPULATION - first
        broken += count > 0 and (below[-1] - below[first]) / count < wanted
        assert choice.kept == (choice.probability < NEVER)
    # at a chance of 5 %, more than 18 broken promises in 200 draws happen in 1 of 100 runs
    assert broken <= 18


def test_a_threshold_without_a_bound_breaks_its_promise() -> None:
    """What the simulation would see if the bound were left out."""
    best, right = population(1, power=1.0, strange=0.03)
    rng, broken = np.random.default_rng(2), 0
    order = np.argsort(best)
    below = np.concatenate([[0], np.cumsum(right[order])])
    for _ in range(100):
        pick = rng.integers(0, POPULATION, 300)
        good = [t for t in GRID if (best[pick] >= t).any() and right[pick][best[pick] >= t].mean() >= 0.95]
        first = int(np.searchsorted(best[order], min(good, default=2.0)))
        broken += first < POPULATION and (below[-1] - below[first]) / (POPULATION - first) < 0.95
    assert broken > 30


def test_more_rows_answer_more() -> None:
    best, right = population(1, power=1.0, strange=0.0)
    rng = np.random.default_rng(0)
    shares = []
    for rows in (200, 1000, 10_000):
        pick = rng.integers(0, POPULATION, rows)
        choice = choose(best[pick], right[pick], np.ones(rows, dtype=bool), 0.95)
        shares.append(float((best >= choice.probability).mean()))
    assert shares[0] < shares[1] < shares[2]


def test_where_nothing_can_be_proven_nothing_is_promised() -> None:
    for rows in (0, 5, 40):
        choice = choose(np.full(rows, 0.99), np.ones(rows, dtype=bool), np.ones(rows, dtype=bool), 0.95)
        assert not choice.kept
        assert choice.probability == NEVER
        assert choice.to_json()["bound"] is None
    many = np.full(200, 0.99)
    assert choose(many, np.ones(200, dtype=bool), np.ones(200, dtype=bool), 0.95).kept
    assert not choose(many, np.zeros(200, dtype=bool), np.ones(200, dtype=bool), 0.95).kept


def test_the_bound_is_what_is_wanted_or_more() -> None:
    best, right = population(3, power=1.0, strange=0.0)
    choice = choose(best[:3000], right[:3000], np.ones(3000, dtype=bool), 0.95)
    assert choice.bound is not None
    assert choice.precision is not None
    assert 0.95 <= choice.bound <= choice.precision


def seen(rng: np.random.Generator, rows: int, classes: int = 5) -> tuple[Seen, np.ndarray]:
    truth = rng.integers(0, classes, rows)
    logits = rng.normal(size=(rows, classes)).astype(np.float32)
    logits[np.arange(rows), truth] += 2.0
    return Seen(logits, rng.uniform(0.5, 1.0, rows)), truth


def test_the_temperature_is_found_and_so_much_is_refused() -> None:
    rng = np.random.default_rng(0)
    part, truth = seen(rng, 4000)
    found = decide(Deciding(part, truth, "rows"), 0.8, 0.05)
    # these logits differ by 2 in the mean with variance 1: the log odds are twice as large
    assert found.calibration.temperature == pytest.approx(2.0, rel=0.15)
    strange = familiarity(part) < found.abstention.familiar
    assert strange.mean() == pytest.approx(0.05, abs=0.002)


def test_no_deciding_rows_promise_nothing() -> None:
    none = Seen(np.zeros((0, 3), dtype=np.float32), np.zeros(0))
    found = decide(Deciding(none, np.zeros(0, dtype=int), "none"), 0.9, 0.05)
    assert not found.choice.kept


def test_reasons_are_given_in_order() -> None:
    a = Abstention(probability=0.5, familiar=1.0, known=0.3)
    best = np.array([0.9, 0.4, 0.9, 0.9, 0.1])
    familiar = np.array([2.0, 2.0, 0.5, 0.5, 0.5])
    known = np.array([0.9, 0.1, 0.9, 0.1, 0.1])
    assert a.reasons(best, familiar, known).tolist() == [0, UNSURE, OUTSIDE, UNLIKE, UNLIKE]
    assert REASONS == (None, "unsure", "unlike", "outside")


def test_a_class_that_misses_is_named_and_chance_is_not() -> None:
    rng, false = np.random.default_rng(0), 0
    for _ in range(200):
        said = rng.integers(0, 50, 1500)
        right = rng.random(1500) < 0.95
        false += bool(missed(said, right, 50, 0.95))
        right[said == 7] = rng.random(int((said == 7).sum())) < 0.4
        assert 7 in missed(said, right, 50, 0.95)
    # at 5 %, more than 18 of 200 happen in 1 of 100 runs
    assert false <= 18
    assert missed(np.zeros(0, dtype=int), np.zeros(0, dtype=bool), 3, 0.95) == []


def test_few_rows_do_not_carry_the_temperature_away() -> None:
    sure = Seen(np.array([[9.0, 0.0], [0.0, 9.0]] * 20, dtype=np.float32), np.ones(40))
    truth = np.array([0, 1] * 20)
    alone = decide(Deciding(sure, truth, "rows"), 0.5, 0.05).calibration.temperature
    assert alone <= 5.0
    with_train = decide(Deciding(sure, truth, "rows", prior=1.6), 0.5, 0.05).calibration.temperature
    assert with_train == pytest.approx(1.6, rel=0.06)
    part, truth = seen(np.random.default_rng(0), 4000)
    many = decide(Deciding(part, truth, "rows", prior=1.6), 0.5, 0.05).calibration.temperature
    assert many == pytest.approx(2.0, rel=0.15)


def test_no_more_is_proven_than_was_tested() -> None:
    """Where the walk stopped is luck, so that a bound of its own there would not hold."""
    best, right = population(1, power=1.5, strange=0.0)
    pick = np.random.default_rng(0).integers(0, POPULATION, 2000)
    every = np.ones(2000, dtype=bool)
    stopped = choose(best[pick], right[pick], every, 0.9)
    assert stopped.probability > 0
    assert stopped.bound == 0.9
    whole = choose(best[pick], right[pick], every, 0.5)
    assert whole.probability == 0
    assert whole.bound is not None
    assert 0.5 < whole.bound < right.mean()


@pytest.mark.parametrize("rows", [150, 1000])
def test_the_promise_is_kept_where_the_same_rows_choose_all(rows: int) -> None:
    """Temperature and limit of familiarity come from the rows that prove the precision."""
    rng, k, n = np.random.default_rng(3), 5, 40_000
    truth = rng.integers(0, k, n)
    logits = rng.normal(0, 1.2, (n, k)).astype(np.float32)
    logits[np.arange(n), truth] += 3.0
    known = rng.beta(6, 1, n)
    logits *= (2.5 * np.sqrt(known))[:, None].astype(np.float32)  # too sure of itself
    broken, draws = 0, 120
    for _ in range(draws):
        pick = rng.integers(0, n, rows)
        found = decide(Deciding(Seen(logits[pick], known[pick]), truth[pick], ""), 0.9, 0.05)
        p = softmax(logits * np.float32(found.calibration.temperature))
        answered = found.abstention.reasons(p.max(axis=1), familiarity(Seen(logits, known)), known) == 0
        right = p.argmax(axis=1) == truth
        broken += bool(answered.any()) and right[answered].mean() < 0.9
    # at a chance of 5 %, more than 12 in 120 happen in 1 of 100 runs
    assert broken <= 12


@pytest.mark.parametrize("rows", [60, 500])
def test_a_model_that_knows_nothing_is_not_called_sure(rows: int) -> None:
    """Random labels: that all of them are wrong would explain them, and leave any temperature."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        logits = rng.normal(0, 1, (rows, 2)).astype(np.float32)
        truth = rng.integers(0, 2, rows)
        found = decide(Deciding(Seen(logits, np.ones(rows)), truth, ""), 0.95, 0.05)
        sure = softmax(logits * np.float32(found.calibration.temperature)).max(axis=1)
        assert sure.mean() < 0.7, found.calibration
