"""Words, predicted classes and values that come in a rush: the quickest sign of a new class of texts.

A new class of which a model is wrongly sure leaves no trace in its confidence, but its rows share words.
Every `STEP` rows the last 50 to 400 rows are compared with all rows before them, word by word: under no
change the place of a word's rows is random, so the count in the window has a binomial tail, corrected for
all words and all looks.

References
----------
Kleinberg, "Bursty and hierarchical structure in streams", KDD 2002; Naus, "The distribution of the size of
the maximum cluster of points on a line", JASA 1965 (scan statistics).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from tilth.data import Value
from tilth.discovery.wording import Wording
from tilth.drift.sample import Sample
from tilth.slices import literal, name_of

__all__ = ["Surge", "surges"]

STEP, WINDOWS = 25, (2, 4, 8, 16)
"""Rows between looks, and windows in steps."""
LEAST, MOST_VALUES = 4, 200
"""Rows with a word below which nothing is tested; values of a column that are looked at."""
SCORED, UNSURE = 200, 0.25
"""Known rows with answers that are wanted, and the share of them of which the model counts as unsure."""
KNOWN, NEW = 50_000, 100_000
"""Rows looked at: the newest ones."""
SHOWN, CHUNK = 5, 500


@dataclass(frozen=True)
class Surge:
    """One word or value that came in a rush.

    Attributes
    ----------
    expression : a slice, e.g. `text has "esim"`; for a predicted class `label == "..."`.
    kind : "word", "label" or "value".
    alarm : position of the row by which it was seen.
    began : position of the first row of the window in which it was seen.
    p : corrected p value.
    before, now : share of the rows before and in the window.
    rows : positions of the new rows from `began` on that have it.
    unsure : whether only rows of which the model is unsure were counted.
    """

    expression: str
    kind: str
    alarm: int
    began: int
    p: float
    before: float
    now: float
    rows: np.ndarray = field(repr=False)
    unsure: bool = False


def surges(known: Sample, new: Sample, *, level: float, horizon: int = 10_000) -> list[Surge]:
    """What came in a rush, the earliest alarm first, at most five that have few rows in common.

    Half of the error goes to all rows, half to the rows of which the model is unsure: a new class made of
    known words stands out there, because among these rows its words are rare.

    Parameters
    ----------
    level : probability of any false surge within `horizon` new rows.
    """
    m, n = min(len(known), KNOWN), min(len(new), NEW)
    skipped = len(new) - n
    if n < WINDOWS[0] * STEP or m == 0:
        return []
    cells, name = _cells(known, new, m, n)
    doubtful = _unsure(known, new, cells, m, n)
    part = level if doubtful is None else level / 2
    found = {(g, 0): s for g, s in _scan(cells[:m], cells[m:], part, horizon).items()}
    tables = [cells[m:].tocsc()]
    if doubtful is not None:
        found |= {(g, 1): s for g, s in _scan(*doubtful, part, horizon).items()}
        tables.append(doubtful[1].tocsc())
    out: list[Surge] = []
    for (g, which), s in sorted(found.items(), key=lambda x: (x[1].alarm, x[1].p)):
        columns = tables[which]
        rows = np.sort(columns.indices[columns.indptr[g] : columns.indptr[g + 1]])
        rows = rows[rows >= s.began] + skipped
        if len(out) < SHOWN and not any(_alike(rows, x.rows) for x in out):
            kind, expression = name(g)
            at = s.alarm + skipped, s.began + skipped
            out.append(Surge(expression, kind, *at, s.p, s.before, s.now, rows, which == 1))
    return out


@dataclass(frozen=True)
class _Seen:
    """The first window in which a word came in a rush."""

    p: float
    alarm: int
    began: int
    before: float
    now: float


def _scan(known: sp.csr_matrix, new: sp.csr_matrix, level: float, horizon: int) -> dict[int, _Seen]:
    """Column number to where it was first too frequent."""
    m, steps = known.shape[0], new.shape[0] // STEP
    old = np.asarray(known.sum(axis=0)).ravel().astype(np.int64)
    table = _by_step(new[: steps * STEP], steps)
    often = old + np.asarray(new.sum(axis=0)).ravel() >= LEAST
    looks = sum(2 * horizon / (w * STEP) for w in WINDOWS)
    tests = max(int(often.sum()), 500) * looks
    found: dict[int, _Seen] = {}
    for first in range(0, table.shape[1], CHUNK):  # a table of all words and steps would not fit
        part = slice(first, first + CHUNK)
        total = np.zeros((steps + 1, len(old[part])), dtype=np.int32)
        np.cumsum(table[:, part].toarray(), axis=0, out=total[1:], dtype=np.int32)
        for width in WINDOWS:
            if width <= steps:
                for g, seen in _window(total, old[part], m, width, level / tests):
                    g += first
                    if g not in found or seen.alarm < found[g].alarm:
                        found[g] = replace(seen, p=seen.p * tests)
    return found


def _window(
    total: np.ndarray, old: np.ndarray, m: int, width: int, bar: float
) -> Iterator[tuple[int, _Seen]]:
    """Columns that are too frequent in some window of this width, each with the first one.

    Parameters
    ----------
    total : (steps + 1, g) rows that have each word before each step.
    old : (g,) known rows that have it, of m.
    bar : p value from which on it counts.
    """
    from scipy.special import betainc

    k = total[width:] - total[:-width]
    rest = old + total[:-width]
    size = m + STEP * np.arange(len(k))[:, None]
    hope = rest * (width * STEP / size)
    # no p value is small within four standard deviations
    step, g = np.nonzero((k >= LEAST) & (k > hope + 4.0 * np.sqrt(hope)))
    share = width * STEP / (width * STEP + size[step, 0])
    p = betainc(k[step, g], rest[step, g] + 1.0, share)
    seen: set[int] = set()
    for i in np.flatnonzero(p <= bar).tolist():  # in the order of time
        at, column = int(step[i]), int(g[i])
        if column not in seen:
            seen.add(column)
            before, now = rest[at, column] / size[at, 0], k[at, column] / (width * STEP)
            yield column, _Seen(float(p[i]), (at + width) * STEP - 1, at * STEP, float(before), float(now))


def _unsure(
    known: Sample, new: Sample, cells: sp.csr_matrix, m: int, n: int
) -> tuple[sp.csr_matrix, sp.csr_matrix] | None:
    """Cells of scored known rows and of new rows, emptied where the model is sure; None where too few."""
    scored = known.scored - (len(known) - m)
    scored = scored[scored >= 0]
    if len(scored) < SCORED or not len(new.probabilities):
        return None
    sure = known.confidence[-len(scored) :]
    bar = float(np.quantile(sure, UNSURE))
    old = sp.diags((sure <= bar).astype(np.float32)) @ cells[scored]
    late = sp.diags((new.confidence[-n:] <= bar).astype(np.float32)) @ cells[m:]
    old.eliminate_zeros()
    late.eliminate_zeros()
    return old.tocsr(), late.tocsr()


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    return len(np.intersect1d(a, b)) > 0.5 * min(len(a), len(b))


def _by_step(cells: sp.csr_matrix, steps: int) -> sp.csc_matrix:
    """(steps, g) rows that have each word, by step."""
    owner = np.repeat(np.arange(steps), STEP)
    ones = np.ones(len(owner), dtype=np.float32)
    gather = sp.csr_matrix((ones, (owner, np.arange(len(owner)))), shape=(steps, cells.shape[0]))
    return (gather @ cells).tocsc()


def _cells(known: Sample, new: Sample, m: int, n: int) -> tuple[sp.csr_matrix, Any]:
    """Words and pairs of words, predicted classes and values of all rows; a repeated text counts once."""
    parts: list[tuple[sp.csr_matrix, Any]] = []
    if len(known.texts) and len(new.texts):
        parts.append(_words([*known.texts[-m:], *new.texts[-n:]], m))
    if len(known.answers) == len(known):  # else the answers to some known rows are not known
        parts += _values("label", [*known.answers[-m:], *new.answers[-n:]], kind="label")
    for column in known.columns:
        if column in new.columns:
            parts += _values(column, [*known.columns[column][-m:], *new.columns[column][-n:]])
    if not parts:
        return sp.csr_matrix((m + n, 0), dtype=np.float32), None
    edges = np.cumsum([0, *(p.shape[1] for p, _ in parts)])

    def name(g: int) -> tuple[str, str]:
        part = int(np.searchsorted(edges, g, side="right")) - 1
        kind, words = parts[part][1](g - int(edges[part]))
        return str(kind), str(words)

    return sp.hstack([p for p, _ in parts], format="csr", dtype=np.float32), name


def _words(texts: Sequence[str], known: int) -> tuple[sp.csr_matrix, Any]:
    """Words and pairs of words in at least four texts."""
    every = Wording.counted(texts)
    # one caller who says the same ten times is no new class of texts
    reach, last, again = WINDOWS[-1] * STEP, dict[str, int](), np.zeros(len(texts), dtype=bool)
    for i, text in enumerate(texts):
        again[i] = text in last and (i < known or i - last[text] < reach)
        last[text] = i
    cells = sp.diags((~again).astype(np.float32)) @ every.cells
    kept = np.flatnonzero(np.asarray(cells.sum(axis=0)).ravel() >= LEAST)

    def spell(number: int) -> tuple[str, str]:
        return "word", f"text has {literal(every.spell(int(kept[number])))}"

    return cells.tocsc()[:, kept].tocsr(), spell


def _one_hot(codes: np.ndarray, width: int) -> sp.csr_matrix:
    rows = np.flatnonzero(codes >= 0)
    ones = np.ones(len(rows), dtype=np.float32)
    return sp.csr_matrix((ones, (rows, codes[rows])), shape=(len(codes), width))


def _values(column: str, values: Sequence[Value], kind: str = "value") -> list[tuple[sp.csr_matrix, Any]]:
    """Values of one column where there are few of them."""
    names = sorted({str(v) for v in values if v is not None})
    if not 1 < len(names) <= MOST_VALUES:
        return []
    number = {v: i for i, v in enumerate(names)}
    spelled = {str(v): literal(v) for v in values if v is not None}
    codes = np.array([-1 if v is None else number[str(v)] for v in values], dtype=np.int64)
    return [
        (
            _one_hot(codes, len(names)),
            lambda i: (kind, f"{name_of(column)} == {spelled[names[i]]}"),
        )
    ]
