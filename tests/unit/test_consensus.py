"""Consensus: calm where votes are few, right where annotators differ, better than the majority."""

from __future__ import annotations

import numpy as np
import pytest

from tilth.agreement import Votes
from tilth.consensus import Consensus, fit
from tilth.stats import expected_calibration_error

K, N, J = 4, 600, 12


def crowd(
    seed: int, per: int, accuracy: np.ndarray, wrong: np.ndarray | None = None, n: int = N
) -> tuple[np.ndarray, Votes]:
    """True classes and votes: `per` of the annotators on each item; errors by the lines of `wrong`."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(K, size=n)
    people = np.argsort(rng.random((n, len(accuracy))), axis=1)[:, :per].ravel()
    item = np.repeat(np.arange(n), per)
    right = rng.random(n * per) < accuracy[people]
    table = np.full((K, K), 1 / (K - 1)) if wrong is None else wrong
    np.fill_diagonal(table, 0)
    other = (rng.random((n * per, 1)) > (table / table.sum(1, keepdims=True)).cumsum(1)[truth[item]]).sum(1)
    label = np.where(right, truth[item], np.minimum(other, K - 1))
    names = [f"{i:05}" for i in range(n)]
    return truth, Votes.coded(
        names, [f"a{j}" for j in range(len(accuracy))], list("abcd"), item, people, label
    )


def model(truth: np.ndarray, seed: int, accuracy: float = 0.85) -> np.ndarray:
    """Probabilities of a model that is right as often as it says."""
    rng = np.random.default_rng(seed)
    right = rng.random(len(truth)) < accuracy
    said = np.where(right, truth, (truth + rng.integers(1, K, len(truth))) % K)
    p = np.full((len(truth), K), (1 - accuracy) / (K - 1), np.float32)
    p[np.arange(len(truth)), said] = accuracy
    return p


def share(found: np.ndarray, truth: np.ndarray) -> float:
    return float((found == truth).mean())


def test_one_vote_an_item_is_believed() -> None:
    _, votes = crowd(0, 1, np.linspace(0.5, 0.9, J))
    consensus = fit(votes)
    assert (consensus.label == votes.majority()).all()
    assert (consensus.without_own == -1).all(), "nothing else speaks for or against a vote"
    assert all(np.isnan(q.value) for q in consensus.quality())


def test_one_annotator_is_calm() -> None:
    _, votes = crowd(0, 1, np.array([0.8]))
    consensus = fit(votes)
    assert len(consensus.quality()) == 1
    assert np.isfinite(consensus.posterior).all()
    assert (consensus.value_of_vote() >= 0).all()
    assert (fit(votes, model(crowd(0, 1, np.array([0.8]))[0], 1)).posterior.sum(axis=1) > 0.999).all()


@pytest.mark.parametrize(
    "votes",
    [
        Votes.of(["x"], ["a"], ["p"]),
        Votes.of(["x", "y"], ["a", "a"], ["p", "p"]),
        Votes.of(["x", "x"], ["a", "b"], ["p", "q"]),
        Votes.of([], [], []),
    ],
)
def test_next_to_nothing(votes: Votes) -> None:
    for p in (None, np.full((len(votes.items), len(votes.labels)), np.nan)):
        consensus = fit(votes, p)
        assert consensus.posterior.shape == (len(votes.items), len(votes.labels))
        assert np.isfinite(consensus.posterior).all()
        assert len(consensus.confusions()) == len(consensus.quality()) == len(votes.annotators)
        assert consensus.value_of_vote().shape == (len(votes.items),)


@pytest.mark.parametrize("per", [2, 3, 5, 10])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_at_least_as_good_as_the_majority(per: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, votes = crowd(seed, per, rng.uniform(0.4, 0.95, J))
    alone, helped = fit(votes), fit(votes, model(truth, seed + 50))
    majority = share(votes.majority(), truth)
    assert share(alone.label, truth) >= majority - 0.005
    assert share(helped.label, truth) >= max(majority, 0.85) - 0.02
    assert share(helped.label, truth) >= share(alone.label, truth) - 0.01


def test_planted_confusions_are_recovered() -> None:
    """With many votes for each annotator and class the matrices come back within a few points."""
    rng = np.random.default_rng(3)
    n, annotators = 6_000, 5
    truth = rng.integers(K, size=n)
    planted = np.stack(
        [0.65 * np.eye(K) + 0.35 * rng.dirichlet(np.full(K, 0.7), K) for _ in range(annotators)]
    )
    item, who = np.repeat(np.arange(n), annotators), np.tile(np.arange(annotators), n)
    cumulated = planted.cumsum(2)[who, truth[item]]
    label = np.minimum((rng.random((len(item), 1)) > cumulated).sum(1), K - 1)
    votes = Votes.coded([f"{i:05}" for i in range(n)], list("vwxyz"), list("abcd"), item, who, label)
    consensus = fit(votes)
    found = np.zeros((annotators, K, K))
    found[consensus.pair_annotator, :, consensus.pair_label] = consensus.likelihood
    assert np.abs(found - planted).max() < 0.05
    off = planted * (1 - np.eye(K))
    for j, mixed in enumerate(consensus.confusions()):
        assert off[j][mixed[0][:2]] > off[j].max() - 0.03, "the worst confusion is named first"


def test_a_bad_annotator_is_outvoted_and_named() -> None:
    accuracy = np.array([0.95, 0.95, 0.3, 0.3, 0.3])
    truth, votes = crowd(4, 3, accuracy, n=2_000)
    consensus = fit(votes)
    assert share(consensus.label, truth) > share(votes.majority(), truth) + 0.03
    quality = consensus.quality()
    assert min(q.low for q in quality[:2]) > max(q.high for q in quality[2:])
    # others are no truth: agreement with bad colleagues makes a good annotator look worse than they are
    assert np.abs(consensus.expected_accuracy() - accuracy).max() < 0.05


def test_a_useless_model_is_not_trusted_and_many_votes_overrule_any() -> None:
    truth, votes = crowd(5, 3, np.full(J, 0.8))
    rng = np.random.default_rng(0)
    noise = rng.dirichlet(np.full(K, 0.3), N)
    assert fit(votes, noise).trust <= 0.3
    assert fit(votes, model(truth, 1)).trust >= 0.65
    assert share(fit(votes, noise).label, truth) > share(fit(votes).label, truth) - 0.03
    _, many = crowd(6, 12, np.full(J, 0.75))
    assert (fit(many, noise).label == fit(many).label).mean() > 0.99


def test_probability_of_a_wrong_consensus_is_one() -> None:
    truth, votes = crowd(7, 3, np.random.default_rng(7).uniform(0.5, 0.95, J), n=4_000)
    for consensus in (fit(votes), fit(votes, model(truth, 8))):
        hits = (consensus.label == truth).astype(float)
        assert expected_calibration_error(1 - consensus.p_wrong, hits) < 0.05


def test_intervals_of_quality_hold_the_accuracy() -> None:
    """Measured against others, not against a consensus that the annotator's own votes made."""
    covered, total = 0, 0
    for seed in range(10):
        truth, votes = crowd(seed, 5, np.random.default_rng(seed).uniform(0.5, 0.95, J), n=1_000)
        consensus = fit(votes, model(truth, seed, 0.95))
        for j, q in enumerate(consensus.quality()):
            mine = votes.annotator == j
            true = (votes.label[mine] == truth[votes.item[mine]]).mean()
            covered += q.low <= true <= q.high
            total += 1
    assert covered / total > 0.9


def test_value_of_a_vote_is_what_a_vote_brings() -> None:
    """Against the brute force over all classes, for two classes of doubt."""
    _, votes = crowd(9, 2, np.full(J, 0.7))
    consensus: Consensus = fit(votes)
    joint = consensus.posterior[:, :, None] * consensus.pooled[None]
    exact = joint.max(axis=1).sum(axis=1) - consensus.posterior.max(axis=1)
    assert (consensus.value_of_vote() <= exact + 1e-6).all()
    assert np.corrcoef(consensus.value_of_vote(), exact)[0, 1] > 0.95


def test_the_order_of_the_votes_does_not_matter() -> None:
    _, votes = crowd(1, 3, np.full(J, 0.8))
    order = np.random.default_rng(0).permutation(len(votes))
    again = Votes.coded(
        votes.items,
        votes.annotators,
        votes.labels,
        votes.item[order],
        votes.annotator[order],
        votes.label[order],
    )
    assert (fit(again).posterior == fit(votes).posterior).all()
