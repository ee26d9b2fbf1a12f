"""Planted copies of every degree, and texts that try to make the search slow."""

from __future__ import annotations

import time
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilth.copies import BUCKET, Copies, find_copies
from tilth.recipes.ngrams import fold

WORDS = """
    amber basin cedar delta ember fjord grove haven inlet jetty knoll ledge marsh north ocean prairie
    quartz ridge shoal tundra upland valley willow xylem yonder zephyr anchor beacon copper dagger
    engine falcon garnet hammer island jacket kettle ladder magnet nectar orchid pebble quiver rocket
    saddle timber umpire velvet wagon yellow
""".split()  # noqa: SIM905


def sentence(rng: np.random.Generator, words: int = 14) -> str:
    return " ".join(rng.choice(WORDS, words))


@cache
def shingles(text: str) -> set[str]:
    padded = f" {fold(text)} "
    return {padded[i : i + 5] for i in range(len(padded) - 4)}


def jaccard(a: str, b: str) -> float:
    one, other = shingles(a), shingles(b)
    return len(one & other) / max(len(one | other), 1)


def groups(numbers: np.ndarray) -> set[frozenset[int]]:
    """A partition, whatever its groups are called."""
    return {frozenset(np.flatnonzero(numbers == n).tolist()) for n in np.unique(numbers)}


def same(copies: Copies, *members: int) -> bool:
    return len(set(copies.clusters()[list(members)].tolist())) == 1


@pytest.fixture(scope="module")
def planted() -> tuple[list[str], Copies]:
    """300 texts; 300-319 are copies of 0-19 in other spelling, 320-359 are near copies of 20-59."""
    rng = np.random.default_rng(0)
    texts = [sentence(rng) for _ in range(300)]
    spellings = [
        lambda t: t,
        str.upper,
        lambda t: f"  {t}\n",
        lambda t: t.replace(" ", "\u00a0\t"),
        lambda t: "".join(chr(ord(c) + 0xFEE0) if c.isalpha() else c for c in t),  # full width
    ]
    texts += [spellings[i % 5](texts[i]) for i in range(20)]
    for i in range(20, 60):
        words = texts[i].split()
        words[int(rng.integers(1, 13))] = str(rng.choice(WORDS))
        texts.append(" ".join(words))
    return texts, find_copies(texts)


def test_exact_copies_are_those_with_equal_folded_text(planted: tuple[list[str], Copies]) -> None:
    texts, copies = planted
    by_fold: dict[str, set[int]] = {}
    for i, text in enumerate(texts):
        by_fold.setdefault(fold(text), set()).add(i)
    assert groups(copies.exact) == {frozenset(g) for g in by_fold.values()}
    for i in range(20):
        assert copies.exact[i] == copies.exact[300 + i]


def test_near_copies_are_found_with_their_similarity(planted: tuple[list[str], Copies]) -> None:
    texts, copies = planted
    first = {int(g): i for i, g in reversed(list(enumerate(copies.exact)))}
    found = {}
    for (a, b), similarity in zip(copies.pairs, copies.similarity, strict=True):
        assert a < b
        i, j = first[int(a)], first[int(b)]
        assert similarity == pytest.approx(jaccard(texts[i], texts[j]), abs=1e-3)
        assert similarity >= copies.threshold
        found[frozenset((i, j))] = similarity
    wanted = {
        frozenset((i, j))
        for i in range(300)
        for j in range(i + 1, 360)
        if jaccard(texts[i], texts[j]) >= 0.7 and copies.exact[i] != copies.exact[j]
    }
    assert set(found) <= wanted
    assert len(wanted) > 30
    # a pair at 0.7 is missed in 0.3 % of cases by design
    assert len(set(found) & wanted) >= len(wanted) - 1


def test_texts_with_little_in_common_stay_apart(planted: tuple[list[str], Copies]) -> None:
    clusters = planted[1].clusters()
    assert len(np.unique(clusters[:300])) == 300


def test_clusters_join_copies_of_copies() -> None:
    rng = np.random.default_rng(1)
    words = list(rng.permutation(WORDS)[:40])
    chain = [" ".join(words)]
    for step in range(1, 5):
        for at in (3 * step, 3 * step + 16):
            words[at] = f"changed{step}{at}"
        chain.append(" ".join(words))
    texts = [*chain, chain[0].upper(), "something else altogether that nobody ever copied"]
    copies = find_copies(texts, threshold=0.6)
    assert jaccard(chain[0], chain[4]) < 0.6 < jaccard(chain[0], chain[1])
    assert same(copies, 0, 1, 2, 3, 4, 5)
    assert not same(copies, 0, 6)
    assert copies.exact[0] == copies.exact[5] != copies.exact[1]


@pytest.mark.parametrize("higher", [0.7, 0.8, 0.9, 1.0])
def test_a_higher_threshold_needs_no_new_run(planted: tuple[list[str], Copies], higher: float) -> None:
    texts, _ = planted
    loose, strict = find_copies(texts, threshold=0.6), find_copies(texts, threshold=higher)
    assert groups(loose.clusters(higher)) == groups(strict.clusters())
    kept = loose.similarity >= higher
    assert (loose.pairs[kept] == strict.pairs).all()
    assert (loose.similarity[kept] == strict.similarity).all()


def test_deterministic(planted: tuple[list[str], Copies]) -> None:
    texts, copies = planted
    again = find_copies(texts)
    for name in ("exact", "pairs", "similarity"):
        assert (getattr(copies, name) == getattr(again, name)).all()


@settings(deadline=None)
@given(st.permutations(range(24)))
def test_order_of_the_texts_does_not_matter(order: list[int]) -> None:
    rng = np.random.default_rng(2)
    texts = [sentence(rng) for _ in range(8)]
    texts += [t.upper() for t in texts] + [t + " yes" for t in texts]
    mixed = groups(find_copies([texts[i] for i in order]).clusters())
    assert {frozenset(order[i] for i in g) for g in mixed} == groups(find_copies(texts).clusters())


def test_no_text_one_text_empty_texts() -> None:
    none = find_copies([])
    assert none.exact.shape == none.clusters().shape == (0,)
    assert none.pairs.shape == (0, 2)
    for texts, wanted in [
        (["a"], [{0}]),
        ([""], [{0}]),
        (["", " \n", "a", ""], [{0, 1, 3}, {2}]),
        (["a", "b", "A", "!"], [{0, 2}, {1}, {3}]),  # too short for a shingle: not near anything
        (["\ud800", "\u202e", "\ud800"], [{0, 2}, {1}]),
    ]:
        copies = find_copies(texts)
        assert groups(copies.clusters()) == {frozenset(g) for g in wanted}
        assert len(copies.pairs) == 0


@pytest.mark.parametrize("bad", [0, -1, 1.01, float("nan")])
def test_threshold_is_a_share(bad: float) -> None:
    with pytest.raises(ValueError, match="threshold is in"):
        find_copies(["a"], threshold=bad)


def test_a_text_of_a_million_characters() -> None:
    rng = np.random.default_rng(3)
    long = " ".join(rng.choice(WORDS, 160_000))
    assert len(long) > 1_000_000
    began = time.process_time()
    copies = find_copies([long, long.upper(), sentence(rng), "x" * 1_000_000])
    assert time.process_time() - began < 5
    assert groups(copies.clusters()) == {frozenset((0, 1)), frozenset((2,)), frozenset((3,))}


def test_a_big_bucket_is_walked_along_and_not_crossed() -> None:
    # 2,000 texts with one long beginning are near copies of each other: two million pairs
    rng = np.random.default_rng(4)
    start = sentence(rng, 60)
    texts = [f"{start} {i:04d}" for i in range(2_000)] + [sentence(rng, 60) for _ in range(20)]
    began = time.process_time()
    copies = find_copies(texts)
    took = time.process_time() - began
    assert took < 10, f"{took:.1f} s"
    assert len(copies.pairs) < 2_000 * BUCKET
    assert same(copies, *range(2_000))
    assert len(np.unique(copies.clusters())) == 21
