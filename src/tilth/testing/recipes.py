"""The battery for recipes: features learned from inputs alone, the same for training and for new rows."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from tilth.audit.run import look
from tilth.data import Snapshot
from tilth.errors import ContractError
from tilth.plugins import RECIPES, is_own
from tilth.recipes.base import FeatureMap, Matrix, Recipe
from tilth.testing.worlds import fingerprint, state_of, texts_of, worlds

__all__ = ["broken_recipe", "check_recipe"]

ODD = ("", " ", "\n\t", "a", "é" * 3, "\ud800", "\x00", "🂡 e\u0301", "中文 文本", "no " * 5_000, "?!")
LONGEST, CLOSE = 2.0, 1e-4


def check_recipe(recipe: Recipe) -> None:
    """Raise unless a recipe keeps its contract.

    Raises
    ------
    ContractError : with every clause that it breaks, and where.

    Notes
    -----
    The clauses: a versioned name; a penalty above 0; `learn(texts, progress)` gives a feature map and
    finite (n, d) float32 features of length 0 to 2; the map gives the training rows the same features
    again (within 1e-4), any text on its own the same as among others, and no text fails; twice the same;
    the texts, the recipe and the global random numbers stay as they were; no text, one text, empty and
    equal texts are learned from; an audit can be run on its features.
    """
    broken = broken_recipe(recipe)
    if broken:
        raise ContractError(f"recipe {type(recipe).__name__}", broken)


def broken_recipe(recipe: Recipe) -> list[str]:
    """The clauses that a recipe breaks, as `check_recipe` tells them; none when all is well."""
    try:
        broken = list(_face(recipe))
    except Exception as error:
        return [f"name and penalty can be read: {type(error).__name__}: {error}"]
    if broken:
        return broken
    some = [t for t, _ in texts_of(60, 0)]
    for where, texts in {
        "60 texts": some, "odd texts": [*some[:20], *ODD], "no text": [], "one text": some[:1],
        "one empty text": [""], "empty texts": ["", " ", ""], "equal texts": ["the same"] * 9,
    }.items():  # fmt: skip
        try:
            broken += [f"{clause} ({where})" for clause in _learned(recipe, texts)]
        except (Exception, SystemExit) as error:
            broken.append(f"it raises no error: {type(error).__name__}: {error} ({where})")
    return broken or list(_audited(recipe))


def _face(recipe: Recipe) -> Iterator[str]:
    name, penalty = recipe.name, recipe.penalty
    if not isinstance(name, str) or not re.fullmatch(rf"{RECIPES.pattern}(:[!-~]+)?", name):
        yield f"{RECIPES.words}: its name is {name!r}"
    elif name.startswith("text-") and not is_own(recipe):
        yield f"names that begin with text- are Tilth's own: its name is {name!r}"
    number = isinstance(penalty, int | float) and not isinstance(penalty, bool)
    if not number or not math.isfinite(penalty) or penalty <= 0:
        yield f"penalty is a finite number above 0, not {penalty!r}"
    if not callable(getattr(recipe, "learn", None)):
        yield "it has a method learn(texts, progress)"


def _learned(recipe: Recipe, texts: Sequence[str]) -> Iterator[str]:
    """Clauses that it breaks when it learns from these texts."""
    given, state = list(texts), fingerprint(state_of(recipe))
    learned, features, tidy = _learn(recipe, given, 1)
    faults = list(_misshapen(features, len(texts)))
    yield from faults
    if not callable(getattr(learned, "transform", None)):
        yield "learn gives a feature map with a method transform(texts), and its features"
        return
    if not tidy:
        yield "it leaves the global random numbers alone: use numpy.random.default_rng(seed)"
    if given != list(texts) or fingerprint(state_of(recipe)) != state:
        yield "it changes neither the texts nor itself"
    if faults:
        return
    again = _learn(recipe, list(texts), 2)[1]
    if not _close(features, again, 0.0):
        yield "the same texts give the same features"
    if not _close(features, learned.transform(texts), CLOSE):
        yield "transform gives the training rows the features that learn gave"
    yield from _forward(learned, features.shape[1])


def _forward(learned: FeatureMap, width: int) -> Iterator[str]:
    """Clauses about rows that were not learned from."""
    new = [*(t for t, _ in texts_of(9, 5)), *ODD]
    forward = learned.transform(new)
    faults = list(_misshapen(forward, len(new)))
    yield from faults
    if faults:
        return
    if forward.shape[1] != width:
        yield f"new rows have as many features as training rows: {forward.shape[1]}, not {width}"
    for position in (0, 4, len(new) - 1):
        if not _close(forward[position : position + 1], learned.transform([new[position]]), CLOSE):
            yield "a text on its own has the features that it has among others"
            break
    yield from _misshapen(learned.transform([]), 0)


def _misshapen(features: Any, count: int) -> Iterator[str]:
    """What is wrong with a matrix of features."""
    if not isinstance(features, np.ndarray) and not (sp.issparse(features) and features.format == "csr"):
        yield f"features are a numpy array or a CSR matrix, not {type(features).__name__}"
    elif features.ndim != 2 or features.shape[0] != count:
        yield f"features have one row a text: {features.shape}, not ({count}, d)"
    elif features.dtype != np.float32:
        yield f"features are float32, not {features.dtype}"
    else:
        values = features.data if sp.issparse(features) else features
        if not np.isfinite(values).all():
            yield "features are finite"
        elif count and math.sqrt(_squares(features).max(initial=0.0)) > LONGEST:
            yield f"features have rows of length 0 to {LONGEST:g}: penalty and similarities count on it"


def _squares(features: Matrix) -> np.ndarray:
    if sp.issparse(features):
        return np.asarray(features.multiply(features).sum(axis=1)).ravel()
    return np.asarray((features.astype(np.float64) ** 2).sum(axis=1))


def _close(a: Any, b: Any, tolerance: float) -> bool:
    """Whether two matrices are the same but for rounding."""
    if a.shape != b.shape:
        return False
    gap = abs(a - b)
    return bool((gap.max() if 0 not in gap.shape else 0.0) <= tolerance)


def _learn(recipe: Recipe, texts: list[str], seed: int) -> tuple[FeatureMap, Any, bool]:
    """What it learns under this state of the global random numbers, and whether it left that alone."""
    plain, arrays = random.getstate(), np.random.get_state(legacy=False)
    done: list[int] = []
    try:
        random.seed(seed)
        np.random.seed(seed)
        here = (random.getstate(), fingerprint(np.random.get_state(legacy=False)))
        learned, features = recipe.learn(texts, done.append)
        return learned, features, here == (random.getstate(), fingerprint(np.random.get_state(legacy=False)))
    finally:
        random.setstate(plain)
        np.random.set_state(arrays)


def _audited(recipe: Recipe) -> Iterator[str]:
    """Whether what follows can work with its features."""
    for name, (train, evaluation) in worlds().items():
        try:
            look(recipe, Snapshot.of(train), Snapshot.of(evaluation), "text")
        except Exception as error:
            yield f"an audit can be run on its features: {type(error).__name__}: {error} (world {name!r})"
