"""Draws with known inclusion probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from tilth.sampling import inclusion, systematic


@pytest.mark.parametrize("n", [1, 10, 199])
def test_probabilities_sum_to_the_size_of_the_draw(n: int) -> None:
    p = np.random.default_rng(0).beta(0.3, 2.0, 200)
    chance = inclusion(p, n)
    assert chance.sum() == pytest.approx(n)
    assert chance.min() > 0
    assert chance.max() <= 1


def test_suspicious_rows_are_drawn_more_often_and_none_never() -> None:
    p = np.array([0.0] * 900 + [0.5] * 50 + [0.99] * 50)
    chance = inclusion(p, 60)
    assert chance[-1] > 5 * chance[0] > 0
    assert chance[920] > chance[0]


def test_a_draw_of_everything_takes_every_row() -> None:
    assert inclusion(np.full(5, 0.1), 5).tolist() == [1.0] * 5
    assert inclusion(np.full(5, 0.1), 9).tolist() == [1.0] * 5
    drawn = systematic(np.ones(5), np.arange(5), np.random.default_rng(0))
    assert sorted(drawn.tolist()) == [0, 1, 2, 3, 4]


def test_rows_are_drawn_as_often_as_said_and_never_twice() -> None:
    rng = np.random.default_rng(1)
    p = rng.beta(0.3, 2.0, 60)
    chance, order = inclusion(p, 12), np.argsort(p)
    count, rounds = np.zeros(60), 4_000
    for _ in range(rounds):
        some = systematic(chance, order, rng)
        assert len(set(some.tolist())) == len(some) == 12
        count[some] += 1
    error = np.sqrt(chance * (1 - chance) / rounds)
    assert (np.abs(count / rounds - chance) <= 4.5 * error + 1e-9).all()


def test_an_estimate_weighted_by_them_is_unbiased() -> None:
    """Horvitz and Thompson's total of an arbitrary property."""
    rng = np.random.default_rng(2)
    p = rng.beta(0.3, 2.0, 300)
    odd = (np.arange(300) % 7 == 0).astype(float)
    chance, order = inclusion(p, 40), np.argsort(p)
    found = [(odd[s] / chance[s]).sum() for s in (systematic(chance, order, rng) for _ in range(3_000))]
    error = np.std(found) / np.sqrt(len(found))
    assert np.mean(found) == pytest.approx(odd.sum(), abs=4 * error)


def test_nothing_to_draw_from() -> None:
    assert len(systematic(np.empty(0), np.empty(0, dtype=int), np.random.default_rng(0))) == 0
