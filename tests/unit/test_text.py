"""text-linear.v1: its features against scikit-learn's TF-IDF, and what a recipe promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from core_kit import RECIPE, clean
from sklearn.feature_extraction.text import TfidfVectorizer

from tilth.recipes import by_name
from tilth.recipes.ngrams import fold
from tilth.recipes.text import NgramMap, TextLinear

TEXTS = [str(r.fields["text"]) for r in clean(150)] + [
    "",
    "?!",
    "Ünï cödé 日本語 text",
    "\ud800 text",
    "text",
]


def same_angles(ours: Any, reference: Any) -> None:
    """Equal products of all pairs of texts, but for those with two n-grams in one column."""
    assert ours.shape[1] == pytest.approx(reference.shape[1], rel=0.01)
    gap = np.abs((ours @ ours.T - 0.5 * reference @ reference.T).toarray())
    assert np.quantile(gap, 0.9) < 1e-3
    assert gap.max() < 0.1


def test_word_features_are_those_of_scikit_learn() -> None:
    learned, x = TextLinear().learn_ngrams(TEXTS)
    words = x[:, : len(learned.columns[0])]
    reference = TfidfVectorizer(
        preprocessor=fold,
        tokenizer=str.split,
        token_pattern=None,
        ngram_range=(1, 2),
        min_df=2,
        sublinear_tf=True,
    ).fit_transform(TEXTS)
    same_angles(words, reference)


def test_char_features_are_those_of_an_enumeration() -> None:
    learned, x = TextLinear().learn_ngrams(TEXTS)
    chars = x[:, len(learned.columns[0]) :]

    def grams(text: str) -> list[str]:
        padded = f" {fold(text)} "
        found = [padded[i : i + n] for n in (2, 3, 4, 5) for i in range(len(padded) - n + 1)]
        return [g for g in found if " " not in g[1:-1]]

    reference = TfidfVectorizer(analyzer=grams, min_df=2, sublinear_tf=True).fit_transform(TEXTS)
    same_angles(chars, reference)


def test_learning_and_transforming_agree() -> None:
    learned, x = RECIPE.learn(TEXTS)
    assert abs(learned.transform(TEXTS) - x).max() < 1e-6
    assert x.dtype == np.float32
    assert sp.issparse(x)
    norms = np.sqrt(np.asarray(x.multiply(x).sum(axis=1)).ravel())
    assert norms.max() <= 1 + 1e-5
    assert norms[:150] == pytest.approx(np.ones(150), abs=1e-5)


def test_features_of_a_text_do_not_depend_on_its_neighbours() -> None:
    learned, _ = RECIPE.learn(TEXTS)
    alone = sp.vstack([learned.transform([t]) for t in TEXTS[-20:]])
    assert abs(alone - learned.transform(TEXTS)[-20:]).max() < 1e-6


def test_a_text_of_unknown_words_has_no_features_and_no_error() -> None:
    learned, _ = RECIPE.learn(["aaa bbb", "aaa bbb"])
    assert learned.transform(["zzz"]).nnz == 0 or abs(learned.transform(["zzz"])).max() < 1
    assert learned.transform([]).shape[0] == 0


@pytest.mark.parametrize("texts", [[], [""], ["one text only"], ["", ""]])
def test_next_to_nothing_makes_next_to_no_features(texts: list[str]) -> None:
    learned, x = RECIPE.learn(texts)
    assert isinstance(learned, NgramMap)
    assert x.shape[0] == len(texts)
    # no text kept all two million columns once: the lens then took 4 GB
    assert x.shape[1] < 100
    assert learned.transform(["one text"]).shape == (1, x.shape[1])


def test_learning_tells_how_many() -> None:
    told: list[int] = []
    RECIPE.learn(TEXTS, told.append)
    assert told[-1] == len(TEXTS)


def test_v1_never_changes() -> None:
    # a digest of what the recipe makes of a text: projects and releases rely on it
    learned, x = RECIPE.learn(["where is my card", "where is my loan", "my card is lost"])
    assert (RECIPE.name, RECIPE.penalty) == ("text-linear.v1", 1 / 30)
    assert by_name("text-linear.v1") == RECIPE
    assert isinstance(learned, NgramMap)
    assert [len(c) for c in learned.columns] == [7, 47]
    assert [int(c.sum()) for c in learned.columns] == [4316352, 22791262]
    assert x.sum() == pytest.approx(17.31208, rel=1e-5)
