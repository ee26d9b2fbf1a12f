"""What speaks for one class and against another; rows that belong to two."""

from __future__ import annotations

import numpy as np
import pytest

from tilth.audit.ambiguous import Ambiguous
from tilth.audit.base import View
from tilth.audit.evidence import nearest, telling_words
from tilth.audit.label_error import LabelError
from tilth.audit.run import look
from tilth.data import Snapshot
from tilth.recipes.text import TextLinear

TOPICS = {
    "refund": "money back for my order please return the payment",
    "login": "password reset account sign in code locked",
    "delivery": "parcel courier late tracking shipment address",
}


def view(extra: list[tuple[str, str]]) -> View:
    rng = np.random.default_rng(0)
    rows = [
        (" ".join(rng.permutation(words.split())[:5]), topic)
        for topic, words in TOPICS.items()
        for _ in range(60)
    ]
    rows += extra
    texts = [t for t, _ in rows]
    train = Snapshot([f"r{i}" for i in range(len(rows))], [c for _, c in rows], {"text": texts})
    return look(TextLinear(), train, Snapshot([], [], {}), "text")


def test_a_wrong_label_comes_with_the_words_and_rows_that_say_so() -> None:
    wrong = ["courier late with parcel tracking", "tracking parcel address shipment", "late parcel courier"]
    found = LabelError().find(view([(text, "login") for text in wrong]))
    assert {"r180", "r181"} <= {f.rows[0] for f in found} <= {"r180", "r181", "r182"}
    first = next(f for f in found if f.rows[0] == "r180")
    words = {w["word"]: w for w in first.evidence["words"]}
    assert set(words) <= {"courier", "late", "parcel", "tracking"}
    assert len(words) >= 3
    assert all(w["suggested"] > 0.4 and w["given"] < 0.1 for w in words.values())
    near = first.evidence["nearest"]
    assert [n["label"] for n in near][:3] == ["delivery"] * 3
    assert "r180" not in [n["id"] for n in near]


def test_a_text_of_two_classes_is_ambiguous_and_not_wrong() -> None:
    rng = np.random.default_rng(1)
    halves = [
        " ".join(
            [*rng.permutation(TOPICS["login"].split())[:3], *rng.permutation(TOPICS["delivery"].split())[:3]]
        )
        for _ in range(24)
    ]
    v = view([(text, "login" if i % 2 else "delivery") for i, text in enumerate(halves)])
    found = Ambiguous().find(v)
    assert len(found) >= 4
    for f in found:
        assert int(f.rows[0][1:]) >= 180
        assert {f.evidence["given"], f.evidence["other"]} == {"login", "delivery"}
        assert min(f.evidence["p_given"], f.evidence["p_other"]) >= 0.35
        assert f.suggestions == ()
    wrong = {f.rows[0] for f in LabelError().find(v)}
    assert not wrong & {f.rows[0] for f in found}


def test_plain_rows_are_not_ambiguous() -> None:
    assert Ambiguous().find(view([])) == []


def test_no_evidence_is_asked_for_no_rows() -> None:
    v = view([])
    none = np.empty(0, dtype=np.int64)
    assert telling_words(v, none, none) == {}
    assert nearest(v, none, none) == {}


@pytest.mark.parametrize("least", [0.0, 0.5, 1.0])
def test_least_is_a_share_of_two(least: float) -> None:
    with pytest.raises(ValueError, match="least"):
        Ambiguous(least)
