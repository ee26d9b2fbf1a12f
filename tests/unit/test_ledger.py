"""Predictions against what was realised: the factor, its interval, the correlation."""

from __future__ import annotations

import numpy as np
import pytest

from tilth.ledger import kind_of
from tilth.trial.ledger import PRIOR, Entry, correlation, recalibrate


def entries(factor: float, n: int, seed: int, *, se: float = 0.004) -> list[Entry]:
    """Trials whose gains are the predictions times a factor, with scatter and noise as assumed."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(n):
        predicted = float(rng.uniform(0.002, 0.03))
        gain = predicted * (factor + PRIOR.scatter * rng.normal())
        out.append(Entry("relabel", predicted, gain + se * rng.normal(), se))
    return out


def test_without_trials_it_is_the_prior_and_says_so() -> None:
    f = recalibrate("relabel", ())
    assert (f.value, f.sd) == pytest.approx((PRIOR.factor, PRIOR.sd))
    assert f.trials == 0
    assert f.low < f.value < f.high


def test_each_kind_learns_from_its_own_trials() -> None:
    found = entries(3.0, 40, 0)
    assert recalibrate("drop", found).trials == 0
    f = recalibrate("relabel", found)
    assert f.trials == 40
    assert f.value == pytest.approx(3.0, abs=0.3)
    assert f.sd < PRIOR.sd / 4


def test_a_noisy_trial_moves_little() -> None:
    loud = recalibrate("relabel", [Entry("relabel", 0.01, 0.05, 0.2)])
    clear = recalibrate("relabel", [Entry("relabel", 0.01, 0.05, 0.001)])
    assert abs(loud.value - PRIOR.factor) < 0.05 < abs(clear.value - PRIOR.factor)


def test_intervals_cover() -> None:
    """Factors drawn from the prior: 95 % intervals of the factor and of a new gain cover in 95 %."""
    rng = np.random.default_rng(1)
    inside = np.zeros(2)
    runs = 2_000
    for run in range(runs):
        factor = PRIOR.factor + PRIOR.sd * rng.normal()
        f = recalibrate("relabel", entries(factor, int(rng.integers(0, 8)), run))
        inside[0] += f.low <= factor <= f.high
        predicted, se = 0.01, 0.001
        truth = predicted + se * rng.normal()
        gain = f.gain(predicted, se)
        realised = truth * (factor + PRIOR.scatter * rng.normal())
        inside[1] += gain.low <= realised <= gain.high
    assert inside / runs == pytest.approx(0.95, abs=0.02)


def test_correlation_has_an_interval_and_wants_four() -> None:
    found = entries(1.5, 60, 3)
    assert correlation(found[:3]) is None
    r = correlation(found)
    assert r is not None
    assert 0 < r.low < r.value < r.high < 1
    assert correlation([Entry("drop", 0.01, 0.02, 0.1)] * 5) is None


def test_kinds() -> None:
    assert kind_of("propose:relabel-likely", {"relabel": 9}) == "relabel"
    assert kind_of("propose:drop-leaks", {"drop": 2}) == "drop"
    assert kind_of("verdicts", {"relabel": 9, "drop": 1}) == "review"
    assert kind_of("ingest:x.csv", {"add": 9}) == "collect"
    assert kind_of("relabel:fdr-0.05", {"relabel": 9}) == "relabel"
