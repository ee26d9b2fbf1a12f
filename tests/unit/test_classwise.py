"""Where to collect, review or add: planted answers are found, and the same rows give the same answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tilth import learning
from tilth.trial import classwise, curve, fix_or_add, subsample
from tilth.trial.measure import row_weights
from tilth.trial.subsample import Held, head_scores

CLASSES, WIDTH, PENALTY = 20, 40, 1.0
CENTRES = np.random.default_rng(4).normal(size=(CLASSES, WIDTH)) * 0.75


def draw(rng: np.random.Generator, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y = np.repeat(np.arange(len(counts)), counts)
    return (CENTRES[y] + rng.normal(size=(len(y), WIDTH))).astype(np.float32), y


def held(counts: np.ndarray, seed: int = 0, tests: int = 40) -> Held:
    rng = np.random.default_rng(seed)
    x, y = draw(rng, counts)
    test, truth = draw(rng, np.full(CLASSES, tests))
    return Held(x, y, np.arange(len(y)), test, truth)


def accuracy(h: Held, x: np.ndarray, y: np.ndarray, penalty: float = PENALTY) -> float:
    logits = head_scores(x, y, np.arange(len(y)), h.test, CLASSES, penalty)
    return float((logits.argmax(axis=1) == h.truth).mean())


def test_the_starved_class_comes_first_and_its_rows_gain_more_than_any() -> None:
    counts = np.full(CLASSES, 40)
    counts[7] = 5
    h = held(counts, tests=100)
    weights = row_weights(h.truth, "accuracy")
    gains = classwise.pool(classwise.thin([h], CLASSES, PENALTY, weights))
    middle = [float(np.median(gains.of(c, 35))) for c in range(CLASSES)]
    assert int(np.argmax(middle)) == 7
    assert middle[7] > 3 * sorted(middle)[-2]
    rng = np.random.default_rng(9)
    own, same = draw(rng, 35 * (np.arange(CLASSES) == 7))
    mixed, any_ = draw(rng, rng.multinomial(35, np.full(CLASSES, 1 / CLASSES)))
    base = accuracy(h, h.x, h.labels)
    targeted = accuracy(h, np.vstack([h.x, own]), np.concatenate([h.labels, same])) - base
    spread = accuracy(h, np.vstack([h.x, mixed]), np.concatenate([h.labels, any_])) - base
    assert targeted > spread
    low, high = np.quantile(gains.of(7, 35), [0.02, 0.98])
    assert low <= targeted <= high


def test_effects_are_the_same_twice_and_bounded_by_the_errors() -> None:
    h = held(np.full(CLASSES, 12))
    weights = row_weights(h.truth, "accuracy")
    one, two = (classwise.thin([h], CLASSES, PENALTY, weights, seed=2) for _ in range(2))
    assert np.array_equal(one.loss, two.loss)
    gains = classwise.pool(one)
    assert np.array_equal(gains.of(3, 10), classwise.pool(two).of(3, 10))
    assert np.median(gains.of(3, 40)) > np.median(gains.of(3, 10)) > 0
    assert sum(np.median(gains.of(c, 12)) for c in range(CLASSES)) < one.missed.sum()


def test_a_class_without_held_out_rows_gains_nothing() -> None:
    h = held(np.full(CLASSES, 12))
    keep = h.truth != 3
    part = Held(h.x, h.labels, h.clusters, h.test[keep], h.truth[keep])
    weights = row_weights(part.truth, "accuracy")
    gains = classwise.pool(classwise.thin([part], CLASSES, PENALTY, weights))
    assert (gains.of(3, 10) == 0).all()


def test_the_largest_classes_are_cut_to_one_size() -> None:
    labels = np.repeat([0, 1, 2, 3], [10, 5_000, 400, 3_000])
    kept = classwise._capped(labels, 1_000, np.random.default_rng(0))
    counts = np.bincount(labels[kept])
    assert counts[0] == 10
    assert len(kept) <= 1_000
    assert counts[1] == counts[2] == counts[3] == 330


def posterior(y: np.ndarray, given: np.ndarray) -> np.ndarray:
    """What a good audit would claim: 0.9 where it is right."""
    p = np.full((len(y), CLASSES), 0.1 / (CLASSES - 1))
    p[np.arange(len(y)), y] = 0.9
    p[given == y] = 0.0
    p[np.arange(len(y)), given] += 0.01 * (given == y)
    p[np.flatnonzero(given == y), y[given == y]] = 1.0
    return np.asarray(p / p.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("rate", [0.2, 0.4])
def test_reviewing_planted_errors_gains_what_it_promises(rate: float) -> None:
    h = held(np.full(CLASSES, 30), tests=100)
    rng = np.random.default_rng(3)
    wrong = rng.random(len(h.labels)) < rate
    given = np.where(wrong, rng.integers(0, CLASSES, len(wrong)), h.labels)
    noisy = Held(h.x, given, h.clusters, h.test, h.truth)
    weights = row_weights(h.truth, "accuracy")
    found = fix_or_add.review(noisy, posterior(h.labels, given), CLASSES, PENALTY, weights)
    last = found[-1]
    assert [r.rows for r in found] == sorted(r.rows for r in found)
    gain = accuracy(
        h, h.x, np.where(np.isin(np.arange(len(given)), _worst(h, given, last.rows)), h.labels, given)
    )
    gain -= accuracy(h, h.x, given)
    assert last.low > 0
    assert 0.4 * gain <= last.value <= 1.6 * gain


def _worst(h: Held, given: np.ndarray, count: int) -> np.ndarray:
    doubt = 1 - posterior(h.labels, given)[np.arange(len(given)), given]
    return np.argsort(-doubt, kind="stable")[:count]


def test_nothing_to_review_in_clean_labels() -> None:
    h = held(np.full(CLASSES, 10))
    sure = np.eye(CLASSES)[h.labels]
    assert fix_or_add.review(h, sure, CLASSES, PENALTY, row_weights(h.truth, "accuracy")) == []


@pytest.mark.parametrize(("rate", "each", "right"), [(0.2, 30, "review"), (0.4, 30, "review")])
def test_the_better_of_review_and_add_is_chosen(rate: float, each: int, right: str) -> None:
    """Checking a label takes a quarter of a minute, a new row (as noisy) one minute."""
    penalty = 30.0  # with little of it the head learns the noise, and the curve rises: no forecast
    h = held(np.full(CLASSES, each), tests=100)
    rng = np.random.default_rng(11)
    wrong = rng.random(len(h.labels)) < rate
    given = np.where(wrong, rng.integers(0, CLASSES, len(wrong)), h.labels)
    noisy = Held(h.x, given, h.clusters, h.test, h.truth)
    weights = row_weights(h.truth, "accuracy")
    reviews = fix_or_add.review(noisy, posterior(h.labels, given), CLASSES, penalty, weights)
    scores = subsample.measure([noisy], CLASSES, penalty, budget=10_000)
    adds = learning._adds(curve.fit(subsample.points(scores, weights)))
    choice: dict[str, Any] = {
        "review": [
            {"minutes": 0.25 * r.rows, "gain": r.value, "low": r.low, "high": r.high} for r in reviews
        ],
        "add": [{"minutes": 1.0 * a["rows"]} | a for a in adds],
    }
    assert learning._better(choice) == right
    # the truth of both sides at that effort
    budget = choice["budget"]
    fixed = np.where(np.isin(np.arange(len(given)), _worst(h, given, int(4 * budget))), h.labels, given)
    base = accuracy(h, h.x, given, penalty)
    more, same = draw(rng, rng.multinomial(int(budget), np.full(CLASSES, 1 / CLASSES)))
    same = np.where(rng.random(len(same)) < rate, rng.integers(0, CLASSES, len(same)), same)
    review = accuracy(h, h.x, fixed, penalty) - base
    add = accuracy(h, np.vstack([h.x, more]), np.concatenate([given, same]), penalty) - base
    assert (review > add) == (right == "review")
