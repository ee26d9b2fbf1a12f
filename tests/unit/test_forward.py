"""The forward pass of a release equals the training side."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from core_kit import RECIPE, clean

from tilth.recipes import logistic
from tilth.recipes.text import TextLinear
from tilth.release.export import model_files, rounded
from tilth.release.forward import Model
from tilth.signals import encode_labels

ROWS = clean(300)
TEXTS = [str(r.fields["text"]) for r in ROWS]
ODD = [
    "",
    "?!",
    " ",
    "Ünï cödé 日本語 text",
    "\ud800 text",
    "x " * 4000,
    TEXTS[0] * 3,
    TEXTS[1],
    "新しい カード",
]


def fitted() -> tuple[sp.csr_matrix, object, logistic.Head, Model]:
    learned, x = TextLinear().learn(TEXTS)
    classes, labels = encode_labels([r.label for r in ROWS])
    head = logistic.fit(logistic.design(x, RECIPE.penalty), labels, len(classes))
    return x, learned, head, Model.of(*model_files(learned, head, TEXTS))


def test_logits_are_those_of_the_training_side() -> None:
    _, learned, head, model = fitted()
    texts = TEXTS + ODD
    whole, scales = rounded(head.weights[:-1])
    weights = whole * scales[:, None].astype(np.float64)
    wanted = learned.transform(texts).astype(np.float64) @ weights + head.weights[-1]  # type: ignore[attr-defined]
    assert np.abs(model.run(texts).logits - wanted).max() < 2e-6


def test_a_text_does_not_change_what_another_gets() -> None:
    *_, model = fitted()
    texts = TEXTS[:40] + ODD
    together = model.run(texts)
    for i, text in enumerate(texts):
        alone = model.run([text])
        np.testing.assert_allclose(alone.logits[0], together.logits[i], atol=1e-6)
        assert alone.known[0] == pytest.approx(together.known[i])


def test_what_was_never_seen_is_not_known() -> None:
    *_, model = fitted()
    known = model.run([TEXTS[0], f"{TEXTS[0]} qwxzkj vvbnmq", "qwxzkj vvbnmq", ""]).known
    assert known[0] > known[1] > known[2]
    assert known[3] == 0.0


def test_no_texts_are_no_rows() -> None:
    *_, model = fitted()
    assert model.run([]).logits.shape[0] == 0


def test_a_bundle_is_read_without_scipy() -> None:
    script = (
        "import sys; from tilth.release import load; "
        "print([m for m in ('scipy', 'rich', 'pandas', 'tilth.workspace') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_rounding_to_16_bits_keeps_every_label_and_8_bits_nearly() -> None:
    x, _, head, _ = fitted()
    w = head.weights[:-1]
    exact = x @ w + head.weights[-1]
    for large, kind, most in ((1 << 30, np.int16, 1.0), (0, np.int8, 0.99)):
        whole, scales = rounded(w, large)
        assert whole.dtype == kind
        found = x @ (whole * scales[:, None]) + head.weights[-1]
        assert (found.argmax(axis=1) == exact.argmax(axis=1)).mean() >= most
    assert np.array_equal(rounded(np.zeros((3, 2), dtype=np.float32))[0], np.zeros((3, 2)))
