"""Votes and agreement: textbook values, missing votes, and intervals that hold what they say."""

from __future__ import annotations

import numpy as np
import pytest

from tilth.agreement import Votes, agreement, disagreements


def votes_of(table: list[str]) -> Votes:
    """One line an annotator, one character an item, '.' for no vote."""
    said = [(f"i{i:03}", f"a{a}", c) for a, line in enumerate(table) for i, c in enumerate(line) if c != "."]
    items, people, labels = zip(*said, strict=True)
    return Votes.of(items, people, labels)


def test_alpha_of_the_textbook() -> None:
    # Krippendorff, "Computing Krippendorff's alpha-reliability", 2011, example C: nominal alpha 0.743
    table = [
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    ]
    found = agreement(votes_of([line.replace(" ", "") for line in table]))
    assert found.alpha.value == pytest.approx(0.743, abs=5e-4)
    assert found.items == 11, "the unit with one vote says nothing"
    assert found.alpha.low < 0.743 < found.alpha.high


def test_perfect_chance_and_nothing() -> None:
    assert agreement(votes_of(["abab", "abab"])).alpha.value == 1.0
    assert agreement(votes_of(["abab", "abab"])).alpha.low < 1.0, "four items prove little"
    assert agreement(votes_of(["ab", "ba"])).alpha.value < 0
    for calm in (["ab"], ["aaa", "aaa"], ["a.", ".b"]):
        found = agreement(votes_of(calm))
        assert np.isnan(found.alpha.value), calm
        assert disagreements(votes_of(calm)) == []


def test_the_last_judgement_counts() -> None:
    votes = Votes.of(["x", "x", "x"], ["a", "b", "a"], ["p", "p", "q"])
    assert (len(votes), votes.repeated) == (2, 1)
    assert votes.counts.toarray().tolist() == [[1.0, 1.0]]


def test_majority_draws_ties_without_a_side() -> None:
    n = 400
    items = [f"{i:03}" for i in range(n) for _ in range(3)]
    said = ["q", "q", "p"] * (n // 2) + ["q", "p", "r"] * (n // 2)
    votes = Votes.of(items, ["a", "b", "c"] * n, said)
    found = np.array(votes.labels)[votes.majority()]
    assert (found[: n // 2] == "q").all()
    tied = {label: int((found[n // 2 :] == label).sum()) for label in "pqr"}
    assert all(45 < count < 90 for count in tied.values()), tied
    assert (votes.majority() == votes.majority()).all()


def test_disagreements_count_pairs_of_votes() -> None:
    pairs = disagreements(votes_of(["aab", "abb", "abc"]))
    assert [(p.a, p.b, p.votes, p.items) for p in pairs] == [(0, 1, 2, 1), (1, 2, 2, 1)]
    # a/b: item 1 is a a-a-a (3 equal pairs), item 2 a-b-b (2 differ, 1 equal), item 3 b-b-c (1 equal)
    assert pairs[0].share == pytest.approx(2 / 7)


@pytest.mark.slow
def test_interval_of_alpha_covers() -> None:
    """95 % intervals of alpha over 120 items cover the alpha of a very large sample in 92-98 %."""
    rng = np.random.default_rng(5)

    def draw(n: int) -> Votes:
        truth = rng.choice(3, n, p=[0.5, 0.3, 0.2])
        item = np.repeat(np.arange(n), 3)
        annotator = np.tile(np.arange(3), n)
        hard = rng.random(n) < 0.3
        right = rng.random(3 * n) < np.where(hard[item], 0.5, 0.95)
        label = np.where(right, truth[item], rng.integers(3, size=3 * n))
        keep = rng.random(3 * n) < 0.8
        names = [str(i) for i in range(n)]
        return Votes.coded(names, ["a", "b", "c"], ["p", "q", "r"], item[keep], annotator[keep], label[keep])

    true = agreement(draw(300_000), draws=2).alpha.value
    runs = 400
    found = [agreement(draw(120), draws=300, seed=i).alpha for i in range(runs)]
    covered = sum(a.low <= true <= a.high for a in found)
    assert 0.92 * runs <= covered <= 0.98 * runs
