"""The known rows shown beside an answer that was not given."""

from __future__ import annotations

import json

import numpy as np
import pytest
from core_kit import RECIPE, clean

from tilth.recipes import logistic
from tilth.recipes.text import TextLinear
from tilth.release import evidence
from tilth.release.evidence import ROWS, Evidence, evidence_files
from tilth.release.export import model_files
from tilth.release.forward import Model
from tilth.signals import encode_labels

KNOWN = [str(r.fields["text"]) for r in clean(300)]
ASKED = [*KNOWN[:20], "", "qwxzkj vvbnmq", "where is the parcel?", KNOWN[0] * 4, "日本語 text", "i " * 500]


def model() -> Model:
    learned, x = TextLinear().learn(KNOWN)
    classes, labels = encode_labels([r.label for r in clean(300)])
    head = logistic.fit(logistic.design(x, RECIPE.penalty), labels, len(classes))
    return Model.of(*model_files(learned, head, KNOWN))


def of(texts: list[str], m: Model) -> Evidence:
    return Evidence(evidence_files([f"r{i}" for i in range(len(texts))], texts, ["a"] * len(texts)), m)


def plain(m: Model, rows: list[str], asked: list[str]) -> np.ndarray:
    """(asked, rows) cosines, each a sum over the n-grams of a row."""
    columns = m.scales.shape[0]

    def whole(texts: list[str]) -> np.ndarray:
        found, out = m.features(texts), np.zeros((len(texts), columns))
        out[np.repeat(np.arange(len(texts)), np.diff(found.starts)), found.places] = found.values
        return out

    return np.asarray(whole(asked) @ whole(rows).T)


@pytest.mark.parametrize("common", [0.0, 0.05, 0.3, 1.0])
@pytest.mark.parametrize("n", [1, 2, 40, 300])
def test_cosines_are_the_plain_sums_however_few_ngrams_are_common(
    common: float, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "COMMON", common)
    m = model()
    found, seen = of(KNOWN[:n], m), m.run(ASKED)
    wanted = plain(m, KNOWN[:n], ASKED)
    for i in range(len(ASKED)):
        np.testing.assert_allclose(found._by_ngrams(seen, i), wanted[i], atol=1e-6)


def test_common_ngrams_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "DENSE_BYTES", 4 * 300 * 7)
    m = model()
    found, seen = of(KNOWN, m), m.run(ASKED)
    index = found._index
    assert index.dense.shape == (7, 300)
    counts = np.bincount(m.features(KNOWN).places)
    assert counts[np.flatnonzero(index.column[:-1] >= 0)].min() >= np.sort(counts)[-7]
    wanted = plain(m, KNOWN, ASKED)
    for i in range(len(ASKED)):
        np.testing.assert_allclose(found._by_ngrams(seen, i), wanted[i], atol=1e-6)


def test_the_common_ngrams_are_not_walked_entry_by_entry() -> None:
    m = model()
    index = of(KNOWN, m)._index
    assert len(index.dense) > 0
    # what is left is rare in each of its n-grams, so that few entries are walked
    assert np.diff(index.starts).max() <= evidence.COMMON * len(KNOWN)


def test_copies_come_in_their_order_and_no_more_than_asked_for() -> None:
    m = model()
    found = of([KNOWN[5], *KNOWN[:5], KNOWN[5], KNOWN[5], KNOWN[5]], m)
    near = found.nearest(m.run([KNOWN[5]]), 0)
    assert [row["id"] for row in near] == ["r0", "r6", "r7"]
    assert near[0]["similarity"] == 1.0


def test_nothing_alike_is_no_evidence() -> None:
    m = model()
    assert of(KNOWN, m).nearest(m.run([""]), 0) == ()
    assert Evidence({}, m).nearest(m.run(["where"]), 0) == ()
    assert json.loads(evidence_files(["a"], ["b\nc"], ["d"])[ROWS])["text"] == "b c"
