"""Hashed n-grams against a slow enumeration in plain Python."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilth.recipes import ngrams
from tilth.recipes.ngrams import Grams, blocks, char_grams, fold, layout, word_grams

ODD = [
    "\ud800",
    "\udfff",
    "\0",
    "\u2028",
    "\u202e",
    "\u200f",
    "ﬁ",
    "İ",
    "ß",
    "e\u0301",
    "👩‍👩‍👧",
    "日本語",
    " ",
    "\n",
]
pieces = st.sampled_from([*ODD, "a", "b", "ab", "a b", "ba!", "..", "1", "x" * 30]) | st.text(
    st.characters(exclude_categories=()), max_size=3
)
some_texts = st.lists(st.lists(pieces, max_size=6).map("".join), max_size=6)


def slow_chars(folded: Sequence[str], n: int, *, within_words: bool) -> list[tuple[int, str]]:
    out = []
    for number, text in enumerate(folded):
        padded = f" {text} "
        for i in range(len(padded) - n + 1):
            gram = padded[i : i + n]
            if not within_words or " " not in gram[1:-1]:
                out.append((number, gram))
    return out


def slow_words(folded: Sequence[str], n: int) -> list[tuple[int, str]]:
    out = []
    for number, text in enumerate(folded):
        tokens = text.split(" ") if text else []
        out += [(number, " ".join(tokens[i : i + n])) for i in range(len(tokens) - n + 1)]
    return out


def agree(found: Grams, slow: list[tuple[int, str]]) -> None:
    """The same grams in the same order, and hashes equal exactly where the substrings are equal."""
    assert found.texts.tolist() == [number for number, _ in slow]
    hash_of: dict[str, int] = {}
    for value, (_, gram) in zip(found.hashes.tolist(), slow, strict=True):
        assert hash_of.setdefault(gram, value) == value
    assert len(set(found.hashes.tolist())) == len(hash_of)


@settings(deadline=None)
@given(some_texts, st.integers(2, 6), st.booleans())
def test_char_grams_agree_with_the_enumeration(texts: list[str], n: int, within_words: bool) -> None:
    folded = [fold(t) for t in texts]
    agree(
        char_grams(layout(folded), n, within_words=within_words),
        slow_chars(folded, n, within_words=within_words),
    )


@settings(deadline=None)
@given(some_texts, st.integers(1, 3))
def test_word_grams_agree_with_the_enumeration(texts: list[str], n: int) -> None:
    folded = [fold(t) for t in texts]
    agree(word_grams(layout(folded), n), slow_words(folded, n))


def test_many_texts_have_as_many_hashes_as_substrings() -> None:
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefgh"), rng.integers(1, 9))) for _ in range(400)]
    folded = [" ".join(rng.choice(words, rng.integers(0, 30))) for _ in range(800)]
    text = layout(folded)
    for n in (2, 3, 4, 5):
        for within in (True, False):
            agree(char_grams(text, n, within_words=within), slow_chars(folded, n, within_words=within))
    for n in (1, 2, 3):
        agree(word_grams(text, n), slow_words(folded, n))


def test_a_hash_does_not_depend_on_where_the_substring_stands() -> None:
    far = layout(["x " * 50_000 + "needle", "needle"])  # the powers have wrapped around many times
    grams = char_grams(far, 8, within_words=True)
    first, second = (grams.hashes[grams.texts == i][-1] for i in (0, 1))
    assert first == second


def test_lengths_and_kinds_do_not_share_hashes() -> None:
    # "a b" is a run of three characters and a run of two words: two features
    text = layout(["a b"])
    chars = char_grams(text, 3, within_words=False)
    assert word_grams(text, 2).hashes[0] not in chars.hashes
    by_length = [
        set(char_grams(layout(["aaaaaaaa"]), n, within_words=True).hashes.tolist()) for n in (2, 3, 4)
    ]
    assert not by_length[0] & by_length[1] | by_length[1] & by_length[2]


def test_upper_bits_are_as_good_as_random() -> None:
    # features and shingles keep the top bits only
    text = layout([f"{i}" for i in range(20_000)])
    top = word_grams(text, 1).hashes >> np.uint64(44)
    expected = 2**20 * (1 - np.exp(-20_000 / 2**20))
    assert len(np.unique(top)) == pytest.approx(expected, abs=5 * np.sqrt(200))


@settings(deadline=None)
@given(some_texts, st.integers(1, 5))
def test_block_boundaries_do_not_matter(texts: list[str], size: int) -> None:
    def everything(size: int) -> list[list[tuple[int, int]]]:
        out: list[list[tuple[int, int]]] = [[], []]
        at = 0
        for text in blocks(texts, size):
            assert text.count <= size
            for kind, grams in enumerate((char_grams(text, 3, within_words=True), word_grams(text, 2))):
                out[kind] += zip((grams.texts + at).tolist(), grams.hashes.tolist(), strict=True)
            at += text.count
        assert at == len(texts)
        return out

    assert everything(size) == everything(1000)


def test_long_texts_make_smaller_blocks() -> None:
    counts = [text.count for text in blocks(["ab " * 6_000] * 500)]
    assert sum(counts) == 500
    assert len(counts) == 3, "about 4 million characters a block"


def test_no_texts_and_empty_texts() -> None:
    assert list(blocks([])) == []
    for folded in ([], [""], ["", ""], ["a"], ["", "ab", ""]):
        text = layout(folded)
        assert text.count == len(folded)
        for n in (2, 3, 4, 5):
            agree(char_grams(text, n, within_words=False), slow_chars(folded, n, within_words=False))
        for n in (1, 2, 3):
            agree(word_grams(text, n), slow_words(folded, n))


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("  Hello,\tWORLD\n", "hello , world"),
        ("Ｆｕｌｌ　ｗｉｄｔｈ", "full width"),
        ("Straße", "strasse"),
        ("ﬁne", "fine"),
        ("e\u0301", "é"),
        ("a\u2028b\u00a0c", "a b c"),
        ("don't stop!!", "don ' t stop !!"),
        ("", ""),
        (" \n\t", ""),
        ("\ud800", "\ud800"),
    ],
)
def test_fold(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_fold_reads_no_more_than_it_says() -> None:
    assert len(fold("x" * 1_000_000)) == ngrams.MAX_CHARS
