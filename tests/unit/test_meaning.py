"""TIL204, TIL205 and TIL301 from neighbours: thresholds that follow the data, and a search that runs once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tilth import arrays, neighbours
from tilth.audit.base import View
from tilth.audit.meaning import LeakedMeaning, SameMeaning, usual_similarity
from tilth.audit.outliers import Outliers
from tilth.neighbours import Neighbours


def at(angle: float, base: np.ndarray, aside: np.ndarray) -> np.ndarray:
    """A unit vector at this cosine to another."""
    aside = aside - (aside @ base) * base
    return np.asarray(angle * base + np.sqrt(1 - angle**2) * aside / np.linalg.norm(aside))


def view(pairs: list[tuple[float, str]], *, n: int = 300, texts: list[str] | None = None) -> View:
    """n rows of noise in two classes, then rows at these cosines to rows 0, 1, 2 ... with these labels."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n, 40))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    more = [at(c, x[i], rng.normal(size=40)) for i, (c, _) in enumerate(pairs)]
    rows = np.concatenate([x, np.array(more).reshape(-1, 40)]).astype(np.float32)
    labels = ["ab"[i % 2] for i in range(n)] + [y for _, y in pairs]
    train, _ = arrays._rows(labels, texts, None)
    evaluation, others = arrays._evaluation(rows, texts, None, None, None)
    draft = arrays._draft(train, evaluation, rows, others)
    p = np.full((len(rows), 2), 0.5, dtype=np.float32)
    return replace(draft, signals=arrays._signals(draft, ("a", "b"), p, None))


def found(check: SameMeaning, seen: View) -> set[tuple[str, ...]]:
    return {f.rows for f in check.find(seen)}


def test_the_threshold_follows_the_data() -> None:
    seen = view([(0.999, "a"), (0.97, "b"), (0.7, "a")])
    near = seen.neighbours
    assert near is not None
    usual = usual_similarity(near)
    assert 0.3 < usual < 0.6, "noise in 40 dimensions"
    assert SameMeaning(8).least(near) == pytest.approx(1 - (1 - usual) / 8)
    assert found(SameMeaning(), seen) == {("000", "300"), ("001", "301")}
    assert found(SameMeaning(400), seen) == {("000", "300")}
    assert found(SameMeaning(threshold=0.69), seen) == {("000", "300"), ("001", "301"), ("002", "302")}


def test_rows_that_contradict_each_other_need_to_be_half_as_near() -> None:
    # row 0 is an "a", row 1 a "b"; 0.9 is between 4 and 8 times nearer than usual
    assert found(SameMeaning(), view([(0.9, "a"), (0.9, "b")])) == set()
    seen = view([(0.9, "b"), (0.9, "b")])
    assert found(SameMeaning(), seen) == {("000", "300")}
    finding = SameMeaning().find(seen)[0]
    assert finding.evidence["labels"] == {"a": 1, "b": 1}
    assert "different labels" in finding.message
    assert finding.score > 1.0


def test_other_numbers_say_other_things() -> None:
    texts = [f"{chr(97 + i % 26)}{chr(97 + i // 26)} tells of something" for i in range(302)]
    texts[0], texts[300] = "please pay 50 to my friend", "kindly transfer 50 towards a buddy of mine"
    texts[1], texts[301] = "please pay 50 to my sister", "kindly transfer 500 towards the girl I grew up with"
    seen = view([(0.999, "a"), (0.999, "b")], texts=texts)
    assert found(SameMeaning(), seen) == {("000", "300")}


def test_copies_of_the_text_are_not_repeated() -> None:
    texts = [f"{chr(97 + i % 26)}{chr(97 + i // 26)} tells of something" for i in range(301)]
    texts[300] = texts[0].upper()
    assert found(SameMeaning(), view([(0.9999, "a")], texts=texts)) == set()


def test_usual_similarity_leaves_equal_rows_out() -> None:
    near = Neighbours(
        np.zeros((3, 2), np.int32), np.array([[1, 0.6], [1, 0.8], [1, 1]], np.float32), 1.0, 1.0, True, 3
    )
    assert usual_similarity(near) == pytest.approx(0.7)
    assert usual_similarity(replace(near, similarity=np.ones((3, 2), np.float32))) == 0.0


@pytest.mark.parametrize("bad", [{"nearer": 1}, {"threshold": 0.0}, {"threshold": 1.1}])
def test_bad_thresholds_are_refused(bad: dict[str, Any]) -> None:
    for kind in (SameMeaning, LeakedMeaning):
        with pytest.raises(ValueError, match="not"):
            kind(**bad)


def test_the_search_runs_once_and_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[int] = []
    real = neighbours.Index.build

    def counted(x: np.ndarray, **more: int) -> neighbours.Index:
        built.append(len(x))
        return real(x, **more)

    monkeypatch.setattr(neighbours.Index, "build", staticmethod(counted))
    seen = view([(0.999, "a")])
    assert built == []
    for check in (SameMeaning(), SameMeaning(4), LeakedMeaning(), Outliers()):
        check.find(seen)
        check.find(replace(seen, judged=None))
    assert built == [301]


def test_outliers_by_neighbours() -> None:
    rng = np.random.default_rng(0)
    centres, y = rng.normal(size=(3, 30)), np.arange(600) % 3
    x = (centres[y] + 0.4 * rng.normal(size=(600, 30))).astype(np.float32)
    odd = [17, 240, 399]
    x[odd] = 3 * rng.normal(size=(3, 30))
    train, _ = arrays._rows([str(v) for v in y], None, None)
    evaluation, others = arrays._evaluation(x, None, None, None, None)
    draft = arrays._draft(train, evaluation, x, others)
    p = np.eye(3, dtype=np.float32)[y]
    seen = replace(draft, signals=arrays._signals(draft, ("0", "1", "2"), p, None))
    flagged = [int(f.rows[0]) for f in Outliers().find(seen)]
    assert set(flagged[:3]) == set(odd)
    assert len(flagged) <= 12, "no more than 2 % without being far out"
    with pytest.raises(ValueError, match="positive"):
        Outliers(near_z=0)
