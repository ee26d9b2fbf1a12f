"""From picked rows to the rule that finds them."""

from __future__ import annotations

import numpy as np
import pytest

from tilth.data import Snapshot
from tilth.discovery.describe import describe
from tilth.slices import Slice, Table

N = 600


def table() -> Table:
    """Rows of two channels, three classes, ages, and words that tell half of a class."""
    rng = np.random.default_rng(0)
    labels = [("a", "b", "c")[i % 3] for i in range(N)]
    words = [f"word{rng.integers(60)} word{rng.integers(60)}" for _ in range(N)]
    texts = [f"{w} {'refund money' if labels[i] == 'a' and i % 2 else 'hello'}" for i, w in enumerate(words)]
    columns = {"body": texts, "channel": [("mail", "chat")[i % 5 == 0] for i in range(N)],
               "age": [int(x) for x in rng.integers(18, 90, N)]}  # fmt: skip
    return Table(Snapshot([f"r{i}" for i in range(N)], labels, columns), text="body", label="kind")


@pytest.mark.parametrize(
    ("rule", "least"),
    [
        ('channel == "chat"', 1.0),
        ('kind == "b"', 1.0),
        ('text has "refund"', 1.0),
        ("age <= 40", 0.9),
        ('kind == "c" and channel == "chat"', 1.0),
        ('label == "a" and text has "hello"', 1.0),
    ],
)
def test_rows_of_a_rule_are_found_again(rule: str, least: float) -> None:
    rows = table()
    chosen = Slice.parse("x", rule).mask(rows)
    found = describe(rows, chosen)
    best = found[0]
    assert best.f1 >= least
    mask = Slice.parse("x", best.expression).mask(rows)
    assert (best.rows, best.inside, best.picked) == (mask.sum(), (mask & chosen).sum(), chosen.sum())
    assert [d.f1 for d in found] == sorted((d.f1 for d in found), reverse=True)


def test_rows_at_random_have_no_rule_that_comes_near() -> None:
    chosen = np.random.default_rng(3).random(N) < 0.1
    assert describe(table(), chosen)[0].f1 < 0.5


@pytest.mark.parametrize("chosen", [np.zeros(N, dtype=bool), np.ones(N, dtype=bool)])
def test_no_row_or_every_row(chosen: np.ndarray) -> None:
    assert describe(table(), chosen) == []
