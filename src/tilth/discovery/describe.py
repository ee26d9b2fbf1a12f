"""Say in the language of slices which rows a person picked: the expression that comes nearest to them.

A slice has to find rows that come later, and evaluation rows, so a list of rows is none. What is tried:
values, ranges and pairs of columns, one class, and the words that tell the rows apart; what comes out says
how many of the rows it holds and how many others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tilth.discovery.candidates import Block, Support, of_columns
from tilth.discovery.wording import Wording
from tilth.slices import Slice, Table, literal, name_of

__all__ = ["Description", "describe"]

OUTSIDE = 20_000
"""Rows outside that words are held against; more say no more."""


@dataclass(frozen=True, slots=True)
class Description:
    """An expression beside the rows that it should hold.

    Attributes
    ----------
    expression : in the language of slices.
    rows : how many rows it holds.
    inside : how many of them are among those picked.
    picked : how many were picked.
    f1 : harmonic mean of inside / rows and inside / picked; 1 where the two are the same rows.
    """

    expression: str
    rows: int
    inside: int
    picked: int
    f1: float

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self) | {"f1": round(self.f1, 4)}


def describe(table: Table, chosen: np.ndarray, *, most: int = 3, seed: int = 0) -> list[Description]:
    """Expressions that come near to the rows chosen, the nearest first.

    Parameters
    ----------
    table : the rows, as slices see them.
    chosen : (n,) mask.
    most : how many are given.
    seed : of the sample of rows outside that words are held against.

    Returns
    -------
    None at all where every row or no row is chosen, or nothing tells them apart.
    """
    if not chosen.any() or chosen.all():
        return []
    found: dict[str, Description] = {}
    for expression in _candidates(table, chosen, seed):
        mask = Slice.parse("chosen", expression).mask(table)
        rows, inside, picked = int(mask.sum()), int((mask & chosen).sum()), int(chosen.sum())
        if inside:
            found[expression] = Description(expression, rows, inside, picked, 2.0 * inside / (rows + picked))
    # of two that are as near, the shorter is the better sentence
    return sorted(found.values(), key=lambda d: (-round(d.f1, 3), len(d.expression)))[:most]


def _candidates(table: Table, chosen: np.ndarray, seed: int) -> Iterator[str]:
    """The best of each kind, alone and within the class that most of the rows have."""
    rows, n = table.rows, len(table)
    outside = np.flatnonzero(~chosen)
    if len(outside) > OUTSIDE:
        outside = np.random.default_rng(seed).choice(outside, OUTSIDE, replace=False)
    some = np.sort(np.concatenate([np.flatnonzero(chosen), outside]))
    texts = ["" if t is None else str(t) for t in table.values("text")]
    part, inside = [texts[i] for i in some.tolist()], chosen[some]
    words = Wording.of(part, Support(2, n)).rule(inside)[0]
    labels = Counter(rows.labels[i] for i in np.flatnonzero(chosen).tolist())
    top = labels.most_common(1)[0][0]
    label = "" if top is None else f"label == {literal(top)}"
    columns = []
    lengths = np.array([len(t) for t in texts], dtype=float)
    for block in of_columns(rows, lengths, Support(2, n - 1), skip=(table.text,), label=name_of(table.label)):
        columns.append(block.describe(_best(block, chosen)))
    plain = [e for e in (words, *columns) if e]
    yield from plain
    if label:
        yield label
        yield from (f"{label} and {e}" for e in plain if "label" not in e)


def _best(block: Block, chosen: np.ndarray) -> int:
    """The candidate with the largest F1."""
    rows = np.asarray(block.cells.sum(axis=0)).ravel()
    inside = np.asarray(block.cells.T @ chosen.astype(np.float32)).ravel()
    if block.combine is not None:
        rows, inside = block.combine @ rows, block.combine @ inside
    return int(np.argmax(2.0 * inside / (rows + chosen.sum())))
