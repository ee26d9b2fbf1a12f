"""The search for copies: its parts against brute force, and texts that try to make it wrong or slow."""

from __future__ import annotations

import re
import string
import time
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilth.copies import Copies, find_copies, joined
from tilth.copies.jaccard import similarities
from tilth.copies.words import blocks
from tilth.recipes.ngrams import fold

LETTERS = "ab cde fghij é ß . , ' ! ½ 東 कि 👍 \t\n\0_+-"
TEXTS = st.lists(st.text(alphabet=LETTERS, max_size=40), max_size=12)
ANY = st.lists(st.text(max_size=30), max_size=8)


def plain(text: str) -> str:
    """The words of a text, the slow way."""
    kept = []
    for token in fold(text).split(" "):
        word = token[:1] == "_" or token[:1].isalnum()
        bare = (
            token if word else "".join(c if unicodedata.category(c)[0] not in "PCZ" else " " for c in token)
        )
        kept += bare.split(" ")
    return " ".join(k for k in kept if k)


def grams(text: str) -> set[str]:
    padded = f" {plain(text)} "
    return {padded[i : i + 5] for i in range(len(padded) - 4)}


def silent(done: int, total: int) -> None:
    """No progress."""


def sentences(count: int, words: int = 14, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    known = ["".join(rng.choice(list(string.ascii_lowercase), 6)) for _ in range(3_000)]
    return [" ".join(rng.choice(known, words)) for _ in range(count)]


@settings(deadline=None)
@given(TEXTS | ANY)
def test_words_are_as_the_slow_way_says(texts: list[str]) -> None:
    for block in blocks(texts, np.arange(len(texts))):
        for number, start, end in zip(block.numbers, block.starts, block.ends, strict=True):
            found = "".join(map(chr, block.codes[start:end].tolist()))
            assert found == re.sub(" +", " ", f" {plain(texts[number])} ")


@settings(deadline=None)
@given(TEXTS | ANY)
def test_similarity_is_that_of_brute_force(texts: list[str]) -> None:
    pairs = [(i, j) for j in range(len(texts)) for i in range(j)]
    found = similarities(texts, np.array(pairs, dtype=np.int64).reshape(-1, 2), 0.01, silent)
    for (i, j), similarity in zip(pairs, found, strict=True):
        a, b = grams(texts[i]), grams(texts[j])
        wanted = len(a & b) / max(len(a | b), 1)
        assert similarity == pytest.approx(wanted if wanted >= 0.01 else 0, abs=1e-12)


@settings(deadline=None)
@given(TEXTS | ANY)
def test_exact_copies_and_equal_words(texts: list[str]) -> None:
    copies = find_copies(texts)
    pairs = {(int(a), int(b)): s for (a, b), s in zip(copies.pairs, copies.similarity, strict=True)}
    for j in range(len(texts)):
        for i in range(j):
            a, b = sorted((int(copies.exact[i]), int(copies.exact[j])))
            assert (a == b) == (fold(texts[i]) == fold(texts[j]))
            if a != b and plain(texts[i]) and plain(texts[i]) == plain(texts[j]):
                assert pairs[a, b] == 1.0


@settings(deadline=None)
@given(TEXTS)
def test_json_keeps_everything(texts: list[str]) -> None:
    copies = find_copies(texts, threshold=0.6)
    again = Copies.from_json(copies.to_json())
    for name in ("exact", "verified", "alike"):
        assert (getattr(again, name) == getattr(copies, name)).all()
    assert (again.threshold, again.floor, again.skipped) == (0.6, 0.5, 0)


def variants(count: int, edits: int, seed: int) -> list[str]:
    """Sentences, then as many with some words exchanged."""
    rng = np.random.default_rng(seed)
    texts = sentences(count, 30, seed)
    for text in texts[:count]:
        words = text.split()
        for at in rng.choice(30, edits, replace=False):
            words[at] = f"other{rng.integers(1_000)}"
        texts.append(" ".join(words))
    return texts


@pytest.mark.parametrize(("edits", "least"), [(1, 1.0), (2, 1.0), (3, 0.995), (5, 0.98)])
def test_share_of_planted_pairs_that_is_found(edits: int, least: float) -> None:
    n = 2_000
    texts = variants(n, edits, seed=edits)
    copies = find_copies(texts, threshold=0.5)
    truth = similarities(texts, np.stack([np.arange(n), n + np.arange(n)], axis=1), 0.01, silent)
    found = {(int(a), int(b)) for a, b in copies.pairs}
    wanted = [i for i in range(n) if truth[i] >= 0.5]
    assert len(wanted) > n // 3
    caught = sum((int(copies.exact[i]), int(copies.exact[n + i])) in found for i in wanted)
    assert caught / len(wanted) >= least
    assert all(b == a + n for a, b in found), "no pair that was not planted"


@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.75, 0.9, 1.0])
def test_another_threshold_is_as_a_new_search(threshold: float) -> None:
    texts = variants(300, 3, seed=1) + [t.upper() + "!" for t in variants(40, 1, seed=2)]
    kept, new = find_copies(texts).at(threshold), find_copies(texts, threshold=threshold)
    assert (kept.pairs == new.pairs).all()
    assert (kept.similarity == new.similarity).all()
    assert (kept.clusters() == new.clusters()).all()
    for a, b in zip(kept.groups(), new.groups(), strict=True):
        assert a.rows.tolist() == b.rows.tolist()


def test_a_threshold_below_the_floor_is_refused() -> None:
    copies = find_copies(["a b c d e f", "a b c d e g"])
    with pytest.raises(ValueError, match="search again"):
        copies.at(0.4)
    with pytest.raises(ValueError, match="threshold is in"):
        copies.at(1.2)
    assert find_copies(["a"], threshold=0.4).at(0.4).floor == 0.4


def test_every_member_is_a_copy_of_its_representative_no_chain() -> None:
    words = sentences(1, 40, seed=5)[0].split()
    chain = [" ".join(words)]
    for step in range(1, 12):
        for at in (3 * step, 3 * step + 1):
            words[at] = f"changed{step}{at}"
        chain.append(" ".join(words))
    copies = find_copies([*chain, chain[5].upper()], threshold=0.7)
    assert len(set(copies.clusters().tolist())) == 1, "transitively they are one"
    groups = copies.groups()
    assert len(groups) > 1
    seen = [i for g in groups for i in g.rows.tolist()]
    assert len(seen) == len(set(seen))
    for g in groups:
        hub = grams(chain[min(int(g.rows[0]), 5)] if g.rows[0] == 12 else chain[int(g.rows[0])])
        for i, similarity, exact in zip(g.rows[1:].tolist(), g.similarity[1:], g.exact[1:], strict=True):
            other = grams(chain[5] if i == 12 else chain[i])
            assert len(hub & other) / len(hub | other) == pytest.approx(similarity)
            assert similarity >= 0.7
            assert exact == (similarity == 1)


def test_groups_without_ties_do_not_depend_on_the_order() -> None:
    texts = variants(60, 2, seed=3)
    texts += [f"{t} and more" for t in texts[:20]] + [t.upper() for t in texts[:90]]
    order = np.random.default_rng(0).permutation(len(texts))
    there = {frozenset(g.rows.tolist()) for g in find_copies(texts).groups()}
    mixed = find_copies([texts[i] for i in order]).groups()
    assert {frozenset(order[g.rows].tolist()) for g in mixed} == there


def test_head_is_the_search_among_the_first_texts() -> None:
    texts = variants(50, 2, seed=4)
    part, alone = find_copies(texts).head(70), find_copies(texts[:70])
    for name in ("exact", "pairs", "similarity"):
        assert (getattr(part, name) == getattr(alone, name)).all()
    assert find_copies(texts).head(0).groups() == []


def cpu(texts: list[str]) -> tuple[float, Copies]:
    began = time.process_time()
    copies = find_copies(texts)
    return time.process_time() - began, copies


def test_texts_that_try_to_make_it_slow() -> None:
    base = sentences(5_000)
    for name, texts in {
        "all equal": ["the same text again"] * 50_000,
        "all empty": [""] * 50_000,
        "blanks": [" " * (i % 50) for i in range(20_000)],
        "spelled in many ways": [base[0].replace(" ", "!" * (i % 3_000 + 1) + " ") for i in range(6_000)],
        "one letter": ["x" * i for i in range(1_000)],
        "a number at the end": [f"{base[0]} {base[1]} {i}" for i in range(10_000)],
        "one beginning": [f"{base[0]} {base[1]} {base[2]} {t}" for t in base],
    }.items():
        took, copies = cpu(texts)
        assert took < 6, f"{name}: {took:.1f} s"
        assert len(copies.verified) < 60 * len(texts), name


def test_boilerplate_does_not_hide_the_copies_below_it() -> None:
    rng = np.random.default_rng(1)
    notice = " ".join(sentences(1, 12, seed=9))
    texts = [f"{t} {notice}" for t in sentences(3_000, 14, seed=8)]
    for i in range(100):
        words = texts[i].split()
        words[int(rng.integers(14))] = "exchanged"
        texts.append(" ".join(words))
    copies = find_copies(texts)
    assert copies.skipped > 0, "the crowd that shares the notice is not compared all with all"
    clusters = copies.clusters()
    assert np.mean([clusters[i] == clusters[3_000 + i] for i in range(100)]) >= 0.99


def test_all_of_a_long_text_counts() -> None:
    long = " ".join(sentences(1, 30_000))
    copies = find_copies([long, long + " end", long.upper()])
    assert copies.exact.tolist() == [0, 1, 0]
    assert copies.similarity.tolist() == [pytest.approx(1, abs=1e-3)]


def test_progress_is_told() -> None:
    seen: list[tuple[str, int, int]] = []
    find_copies(variants(50, 1, seed=6), progress=lambda *step: seen.append(step))
    assert [s for s, done, total in seen if done == total]
    assert {s for s, _, _ in seen} == {"reading for copies", "candidates for copies", "comparing copies"}


def test_rows_of_a_table_as_texts() -> None:
    columns = ["ann", "bob", "ann"], ["12 main street", None, "12 main street"], [1, 2, 1]
    assert joined(*columns) == ["ann\n12 main street\n1", "bob\n2", "ann\n12 main street\n1"]
    assert joined() == []
