"""The batteries catch what they are for: one broken plug-in for each clause."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from tilth.audit.base import Finding, Suggestion, View, needs_texts
from tilth.data import Row
from tilth.errors import CheckFailed, ContractError, TilthError
from tilth.recipes.base import FeatureMap, Matrix
from tilth.recipes.text import TextLinear
from tilth.testing import check_detector, check_recipe, view, worlds
from tilth.testing.detectors import broken_detector

SOME = ("faulty", "clean", "no rows", "one row")


@cache
def views() -> dict[str, View]:
    return {name: view(*worlds()[name]) for name in SOME}


class Shouting:
    """A detector as a third party writes it: sound."""

    code: Any = "ACME7"
    name: Any = "shouting"
    page: Any = "https://example.org/acme7"

    def applies(self, view: View) -> Any:
        return needs_texts(view)

    def find(self, view: View) -> Any:
        loud = [i for i, text in enumerate(view.texts) if text and text.upper() == text]
        return [self.one(view, i) for i in loud]

    def one(self, view: View, i: int) -> Finding:
        row = view.train.ids[i]
        return Finding(self.code, (row,), 1.0, "all capitals", 0.5, {"n": 1}, (Suggestion("drop", row),))


def with_finding(**changes: Any) -> type[Shouting]:
    """The same with something else in its findings."""

    class Changed(Shouting):
        def one(self, view: View, i: int) -> Finding:
            made = {k: v(view, i) if callable(v) else v for k, v in changes.items()}
            return replace(super().one(view, i), **made)

    return Changed


def with_find(find: Callable[[Any, View], Any]) -> type[Shouting]:
    return type("Changed", (Shouting,), {"find": find})


def with_face(**face: Any) -> type[Shouting]:
    return type("Changed", (Shouting,), face)


def suggesting(op: str, to: str | None = None, row: str = "") -> Callable[[View, int], Any]:
    return lambda view, i: (Suggestion(op, row or view.train.ids[i], to),)


def own_label(view: View, i: int) -> Any:
    return (Suggestion("relabel", view.train.ids[i], view.train.labels[i]),)


def changes_an_array(self: Shouting, view: View) -> list[Finding]:
    view.signals.probabilities[:1] += 1e-6
    return []


def changes_a_list(self: Shouting, view: View) -> list[Finding]:
    if view.texts:
        view.texts[0] += "!"  # type: ignore[index]
    return []


def remembers(self: Any, view: View) -> list[Finding]:
    self.runs = getattr(self, "runs", 0) + 1
    return []


def global_chance(self: Shouting, view: View) -> list[Finding]:
    found = Shouting.find(self, view)
    return [found[i] for i in np.random.permutation(len(found))]


def plain_chance(self: Shouting, view: View) -> list[Finding]:
    random.random()
    return []


def alternates(self: Any, view: View) -> list[Finding]:
    STATE.append(0)
    return Shouting.find(self, view)[len(STATE) % 2 :]


STATE: list[int] = []


def rising(self: Shouting, view: View) -> list[Finding]:
    return [replace(f, score=float(n)) for n, f in enumerate(Shouting.find(self, view))]


def of_nothing(self: Shouting, view: View) -> list[Finding]:
    return [] if len(view.train) else [Finding(self.code, ("x",), 1.0, "nothing there")]


def quits(self: Shouting, view: View) -> list[Finding]:
    raise SystemExit(3)


def says_nothing(self: Shouting, view: View) -> list[Finding]:
    raise CheckFailed("")


def fails_to_apply(self: Shouting, view: View) -> str:
    return view.texts[0]


BROKEN_DETECTORS: dict[str, tuple[type[Shouting], str]] = {
    "code of ours": (with_face(code="TIL999"), "TIL is Tilth's own"),
    "code in small letters": (with_face(code="acme7"), "a code is capital letters and digits"),
    "code without digits": (with_face(code="ACME"), "a code is capital letters and digits"),
    "code that is no text": (with_face(code=7), "its code is 7"),
    "no name": (with_face(name=""), "name is a few words"),
    "code that raises": (with_face(code=property(lambda self: 1 / 0)), "code and name can be read"),
    "page that is no address": (with_face(page="javascript:alert(1)"), "address of its documentation"),
    "nothing to call": (with_face(find=None), r"a method find\(view\)"),
    "silent without texts": (with_face(applies=None), "without texts it finds nothing"),
    "applies says yes": (with_face(applies=lambda self, view: True), "applies gives a reason on one line"),
    "applies raises": (with_face(applies=fails_to_apply), "no error but CheckFailed: IndexError"),
    "gives a generator": (with_find(lambda self, view: iter(())), "a list of Finding"),
    "gives something else": (with_find(lambda self, view: [{"code": "ACME7"}]), "item 0 is dict"),
    "gives nothing": (with_find(lambda self, view: None), "not NoneType"),
    "raises": (with_find(lambda self, view: [view.texts[5]]), "no error but CheckFailed: IndexError"),
    "leaves": (with_find(quits), "SystemExit"),
    "fails without a word": (with_find(says_nothing), "CheckFailed says why"),
    "changes an array": (with_find(changes_an_array), "changes nothing of what it looks at"),
    "changes a list": (with_find(changes_a_list), "changes nothing of what it looks at"),
    "keeps something": (with_find(remembers), "keeps nothing between runs"),
    "depends on chance": (with_find(global_chance), "the same view gives the same findings"),
    "draws from the global numbers": (with_find(plain_chance), "global random numbers alone"),
    "not twice the same": (with_find(alternates), "the same view gives the same findings"),
    "best first": (with_find(rising), "worst first"),
    "finds in nothing": (with_find(of_nothing), "'x' is not the id of a row"),
    "another code": (with_finding(code="ACME8"), "its code is 'ACME8'"),
    "no rows": (with_finding(rows=()), "at least one row id"),
    "rows in a list": (with_finding(rows=lambda v, i: [v.train.ids[i]]), "rows is a tuple"),
    "row that is not there": (with_finding(rows=("nobody",), suggestions=()), "'nobody' is not the id"),
    "position for an id": (with_finding(rows=(3,), suggestions=()), "3 is not the id"),
    "row twice": (with_finding(rows=lambda v, i: (v.train.ids[i],) * 2), "names a row twice"),
    "score that is no number": (with_finding(score=float("nan")), "score is a finite float"),
    "score of numpy": (with_finding(score=np.float32(1)), "score is a finite float"),
    "probability above one": (with_finding(probability=1.5), "from 0 to 1"),
    "probability of not-a-number": (with_finding(probability=float("nan")), "from 0 to 1"),
    "no message": (with_finding(message=" "), "message is one line"),
    "two lines of message": (with_finding(message="a\nb"), "message is one line"),
    "array as evidence": (with_finding(evidence={"x": np.zeros(2)}), "cannot be written as JSON"),
    "infinity as evidence": (with_finding(evidence={"x": float("inf")}), "cannot be written as JSON"),
    "numbers as keys": (with_finding(evidence={1: 2}), "does not come back from JSON"),
    "suggestions in a list": (with_finding(suggestions=[]), "suggestions is a tuple"),
    "a word as suggestion": (with_finding(suggestions=("drop",)), "a Suggestion, not str"),
    "unknown op": (with_finding(suggestions=suggesting("delete")), "not 'delete'"),
    "suggestion for another row": (with_finding(suggestions=suggesting("drop", row="few")), "not one of its"),
    "unknown label": (with_finding(suggestions=suggesting("relabel", "nonsense")), "which no row has"),
    "no label": (with_finding(suggestions=suggesting("relabel")), "which no row has"),
    "the label that it has": (with_finding(suggestions=own_label), "which has it already"),
    "drop with a label": (with_finding(suggestions=suggesting("drop", "card")), "takes no label"),
}  # fmt: skip


def test_a_sound_detector_passes() -> None:
    check_detector(Shouting())
    check_detector(Shouting(), views=views(), finds_in=[Row("a", {"text": "HELP ME"}, "x")])


@pytest.mark.parametrize(("kind", "words"), BROKEN_DETECTORS.values(), ids=BROKEN_DETECTORS)
def test_a_broken_detector_is_caught(kind: type[Shouting], words: str) -> None:
    before = (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index, union-attr]
    with pytest.raises(ContractError, match=words) as caught:
        check_detector(kind(), views=views())
    assert before == (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index, union-attr]
    assert isinstance(caught.value, AssertionError)
    assert isinstance(caught.value, TilthError)
    # one fault, one clause: a list that also names what is in order helps nobody
    assert len({b.split("(world")[0].split(": ", 1)[-1] for b in caught.value.broken}) <= 3


def test_a_detector_that_finds_nothing_is_caught_when_it_has_something_to_find() -> None:
    quiet = with_find(lambda self, view: [])
    check_detector(quiet(), views=views())
    with pytest.raises(ContractError, match="finds something"):
        check_detector(quiet(), views=views(), finds_in=[Row("a", {"text": "HELP ME"}, "x")])


def test_all_broken_clauses_are_told_with_their_world() -> None:
    broken = broken_detector(with_finding(score=2, message="")(), views=views())
    assert any("score" in b and "world 'faulty'" in b for b in broken)
    assert any("message" in b for b in broken)


# --- recipes ---


@dataclass(frozen=True)
class Letters:
    """Features of a sound recipe: shares of the letters a to z."""

    def transform(self, texts: Sequence[str]) -> Matrix:
        counts = np.array([[t.lower().count(c) for c in "abcdefghijklmnopqrstuvwxyz"] for t in texts])
        out = np.asarray(counts.reshape(len(texts), 26), dtype=np.float32)
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1)


@dataclass
class LetterRecipe:
    """A recipe as a third party writes it: sound."""

    name: Any = "acme-letters.v1"
    penalty: Any = 0.1

    def learn(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> tuple[FeatureMap, Matrix]:
        learned = self.map(texts)
        return learned, self.shaped(learned.transform(texts))

    def map(self, texts: Sequence[str]) -> Any:
        return Letters()

    def shaped(self, features: Any) -> Any:
        return features


def no_map(self: Any, texts: Sequence[str], progress: object = None) -> Any:
    return None, Letters().transform(texts)


def strict(texts: Sequence[str]) -> Any:
    return Letters().transform([t.encode().decode() for t in texts])


def made(**methods: Any) -> LetterRecipe:
    return type("Changed", (LetterRecipe,), methods)()  # type: ignore[no-any-return]


def mapping(transform: Callable[[Sequence[str]], Any]) -> LetterRecipe:
    @dataclass(frozen=True)
    class Map:
        def transform(self, texts: Sequence[str]) -> Any:
            return transform(texts)

    return made(map=lambda self, texts: Map())


def both(change: Callable[[Any], Any]) -> LetterRecipe:
    """The same change in learn and in transform."""
    return mapping(lambda texts: change(Letters().transform(texts)))


def centred(features: Any) -> Any:
    return features - features.mean(axis=0, keepdims=True) if len(features) else features


def no_texts_refused(self: Any, texts: Sequence[str]) -> Any:
    if not texts:
        raise ValueError("no texts")
    return Letters()


def sorts(self: Any, texts: Any) -> Any:
    texts.sort()
    return Letters()


def remembers_texts(self: Any, texts: Any) -> Any:
    self.penalty = 0.5
    return Letters()


def noise(scale: float) -> Callable[[Any, Any], Any]:
    return lambda self, x: (x + np.random.normal(0, scale, x.shape)).astype(np.float32)


def counter() -> Iterator[float]:
    while True:
        yield from (0.0, 0.25)


TICK = counter()

BROKEN_RECIPES: dict[str, tuple[LetterRecipe, str]] = {
    "no version": (LetterRecipe("letters"), "versioned name"),
    "capitals": (LetterRecipe("Letters.v1"), "versioned name"),
    "a name of ours": (LetterRecipe("text-linear.v2"), "text- are Tilth's own"),
    "no penalty": (LetterRecipe(penalty=0.0), "penalty is a finite number above 0"),
    "penalty in words": (LetterRecipe(penalty="0.1"), "penalty is a finite number"),
    "infinite penalty": (LetterRecipe(penalty=float("inf")), "penalty is a finite number"),
    "nothing to call": (made(learn=None), "a method learn"),
    "no progress": (made(learn=lambda self, texts: None), "raises no error: TypeError"),
    "no map": (made(learn=no_map), "feature map with a method"),
    "fails on no text": (made(map=no_texts_refused), r"ValueError: no texts \(no text\)"),
    "changes the texts": (made(map=sorts), "changes neither the texts nor itself"),
    "changes itself": (made(map=remembers_texts), "changes neither the texts nor itself"),
    "a list": (made(shaped=lambda self, x: x.tolist()), "numpy array or a CSR matrix, not list"),
    "another sparse format": (made(shaped=lambda self, x: sp.csc_matrix(x)), "numpy array or a CSR matrix"),
    "a row short": (made(shaped=lambda self, x: x[1:]), "one row a text"),
    "float64": (both(lambda x: x.astype(np.float64)), "float32, not float64"),
    "not a number": (both(lambda x: x * np.float32("nan")), "features are finite"),
    "raw counts": (both(lambda x: x * np.float32(9)), "length 0 to 2"),
    "noise": (made(shaped=noise(1e-3)), "the same texts give the same features"),
    "global chance": (made(shaped=noise(0.0)), "global random numbers alone"),
    "not twice the same": (made(shaped=lambda self, x: x * np.float32(1 - next(TICK))), "the same texts"),
    "training rows are not like new ones": (made(shaped=lambda self, x: x / 2), "training rows the features"),
    "depends on the texts beside it": (both(centred), "a text on its own"),
    "as wide as the batch": (mapping(lambda t: np.eye(len(t), dtype=np.float32)), "as many features"),
    "fails on new rows": (mapping(strict), "UnicodeEncodeError"),
}  # fmt: skip


def test_a_sound_recipe_passes() -> None:
    check_recipe(LetterRecipe())
    check_recipe(LetterRecipe("acme-letters.v1:0f3e"))
    check_recipe(TextLinear())
    sparse = mapping(lambda texts: sp.csr_matrix(Letters().transform(texts)))
    check_recipe(sparse)


@pytest.mark.parametrize(("recipe", "words"), BROKEN_RECIPES.values(), ids=BROKEN_RECIPES)
def test_a_broken_recipe_is_caught(recipe: LetterRecipe, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        check_recipe(recipe)
