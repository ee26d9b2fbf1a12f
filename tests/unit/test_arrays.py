"""An audit of arrays: what it finds, what it refuses, and how it says what it could not look at."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import tilth
from tilth import arrays
from tilth.errors import InputError

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "arrays.md"


def world(n: int = 400, k: int = 4, d: int = 24, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    return rng.normal(size=(k, d))[y] + 0.5 * rng.normal(size=(n, d)), y


def soft(y: np.ndarray, k: int) -> np.ndarray:
    p = np.full((len(y), k), 0.02)
    p[np.arange(len(y)), y] = 1 - 0.02 * (k - 1)
    return p


def test_the_page_runs() -> None:
    done = doctest.testfile(str(HOWTO), module_relative=False, encoding="utf-8", optionflags=doctest.ELLIPSIS)
    assert done.attempted > 15
    assert done.failed == 0


def test_the_docstring_runs() -> None:
    assert doctest.testmod(arrays).failed == 0


@pytest.mark.parametrize("given", [True, False])
def test_planted_errors_are_found(given: bool) -> None:
    x, truth = world()
    y = truth.copy()
    y[:30] = (y[:30] + np.arange(30) % 3 + 1) % 4
    audit = tilth.audit_arrays(x, y, soft(truth, 4) if given else None)
    found = {int(f.rows[0]) for f in audit.of("TIL101")}
    assert len(found & set(range(30))) >= 28
    assert len(found - set(range(30))) <= 4
    assert audit.failed == {}
    assert 0.04 < audit.noise < 0.12
    relabel = audit.of("TIL101")[0]
    assert relabel.suggestions[0].to == str(truth[int(relabel.rows[0])])


def test_copies_leaks_and_outliers_are_found() -> None:
    x, y = world()
    x[390:400] = x[:10] * 1.5  # a longer vector in the same direction is the same row
    x[50] = 4 * np.random.default_rng(1).normal(size=24)
    other = np.concatenate([world(60, seed=9)[0], x[100:105] + 1e-4])
    audit = tilth.audit_arrays(x, y, eval_features=other)
    assert {f.rows for f in audit.of("TIL204")} == {(f"{i:03d}", f"{i + 390:03d}") for i in range(10)}
    assert audit.of("TIL301")[0].rows == ("050",)
    leaks = {(f.rows[0], f.evidence["eval_id"]) for f in audit.of("TIL205")}
    assert leaks == {(str(100 + i), str(60 + i)) for i in range(5)}


def test_wrong_labels_of_the_evaluation_set() -> None:
    x, y = world(460)
    given = y[400:].copy()
    given[:4] = (given[:4] + 1) % 4
    for p in (None, soft(y[:400], 4)):
        audit = tilth.audit_arrays(x[:400], y[:400], p, eval_features=x[400:], eval_labels=given)
        found = {int(f.rows[0]) for f in audit.of("TIL105")}
        assert len(found & {0, 1, 2, 3}) >= 3
        assert len(found) <= 5


def test_kinds_of_labels_agree() -> None:
    x, y = world()
    kinds: list[Any] = [
        y,
        y.tolist(),
        y.astype(float),
        y.astype(np.uint8),
        [str(v) for v in y],
        y.astype(object),
    ]
    first, *others = (tilth.audit_arrays(x, labels).to_json() for labels in kinds)
    for other in others:
        assert {**other, "seconds": 0} == {**first, "seconds": 0}


def test_rows_without_label_are_kept_out() -> None:
    x, y = world()
    given: list[Any] = y.tolist()
    given[3], given[4], given[5] = None, -1, float("nan")
    audit = tilth.audit_arrays(x, given)
    assert audit.rows == 400
    assert not {"003", "004", "005"} & {f.rows[0] for f in audit.of("TIL101")}


def test_order_and_names() -> None:
    x, y = world()
    y[7] = (y[7] + 1) % 4
    names = [f"row-{399 - i}" for i in range(400)]
    before = x.copy()
    audit = tilth.audit_arrays(x, y, soft(world()[1], 4), ids=names)
    assert [f.rows[0] for f in audit.of("TIL101")] == ["row-392"]
    assert (x == before).all()


def test_many_numbers_sort_as_numbers() -> None:
    x, y = world(k=12)
    audit = tilth.audit_arrays(x, y, soft(y, 12))
    assert audit.accuracy == 1.0, "class 10 is column 10, not column 2"


def test_classes_name_the_columns() -> None:
    x, y = world()
    names = np.array(["zebra", "ape", "cow", "dog"])
    audit = tilth.audit_arrays(x, names[y], soft(y, 4), classes=names)
    assert audit.accuracy == 1.0
    assert tilth.audit_arrays(x, names[y], soft(y, 4)).accuracy < 1.0, "ascending without classes="


def test_texts_bring_their_checks() -> None:
    x, y = world(60)
    texts = [f"a text about the number {i} and nothing else" for i in range(60)]
    texts[9] = ""
    audit = tilth.audit_arrays(x, y, texts=texts, eval_texts=[texts[3]])
    assert set(audit.not_applicable) == {"TIL105"}, "nobody knows features of the evaluation row"
    assert [f.rows[0] for f in audit.of("TIL501")] == ["09"]
    assert "03" in {f.rows[0] for f in audit.of("TIL203")}


def test_sparse_features() -> None:
    x, y = world()
    x[np.abs(x) < 0.5] = 0
    y[0] = (y[0] + 1) % 4
    audit = tilth.audit_arrays(sp.csr_matrix(x), y)
    assert "000" in {f.rows[0] for f in audit.of("TIL101")}
    assert {"TIL204", "TIL205"} <= set(audit.not_applicable)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_next_to_nothing(n: int) -> None:
    x, y = world()
    audit = tilth.audit_arrays(x[:n], y[:n], None if n else np.empty((0, 4)))
    assert audit.rows == n
    assert audit.failed == {}


def test_no_labels_at_all() -> None:
    x, _ = world()
    x[1] = x[0]
    audit = tilth.audit_arrays(x, [None] * 400)
    assert [f.rows for f in audit.of("TIL204")] == [("000", "001")]
    assert audit.of("TIL101") == []


X, Y = world()
NAN = X.copy()
NAN[7, 3] = np.nan
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "nan": ({"features": NAN}, r"features\[7, 3\] is nan"),
    "one dimension": ({"features": X[0]}, r"shape \(24,\)"),
    "texts as features": ({"features": [["a"]]}, "not numbers"),
    "sparse nan": ({"features": sp.csr_matrix(NAN)}, "NaN"),
    "too few labels": ({"labels": Y[:9]}, "9 labels for 400 rows"),
    "half a label": ({"labels": Y + 0.5}, "whole number"),
    "shape": ({"probabilities": soft(Y, 4)[:9]}, r"\(9, 4\)"),
    "no sum": ({"probabilities": soft(Y, 4) * 2}, r"probabilities\[0\] add up to"),
    "negative": ({"probabilities": soft(Y, 4) - [0.03, -0.03, 0, 0]}, "from 0 to 1"),
    "nan in p": ({"probabilities": soft(Y, 4) * np.nan}, "add up"),
    "column missing": ({"probabilities": soft(np.minimum(Y, 2), 3)}, "none of the 3 classes"),
    "classes too few": ({"probabilities": soft(Y, 4), "classes": ["a"]}, "4 columns, there are 1 classes"),
    "texts and probabilities": ({"labels": [f"c{v}" for v in Y], "probabilities": soft(Y, 5)}, "5 columns"),
    "unknown label": ({"classes": [0, 1, 2]}, "labels.* is '3'"),
    "ids repeat": ({"ids": ["a"] * 400}, "399 of 400 repeat"),
    "too few texts": ({"texts": ["a"]}, "1 texts for 400 rows"),
    "other columns": ({"eval_features": X[:, :3]}, "3 columns, features have 24"),
    "one text side": ({"eval_texts": ["a"]}, "both or neither"),
    "labels alone": ({"eval_labels": [1]}, "without eval_features"),
}


@pytest.mark.parametrize("name", list(BAD))
def test_what_is_refused(name: str) -> None:
    change, message = BAD[name]
    with pytest.raises(InputError, match=message):
        tilth.audit_arrays(**{"features": X, "labels": Y} | change)
