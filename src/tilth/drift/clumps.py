"""Rows that come in a rush and are near each other: a new class that shares all its words with known ones.

Every `STEP` rows each of the last 50 to 400 rows is asked how many of its nearest rows, among known and
earlier ones, are as new as it is. Under no change the order of the rows is random, so that this count has a
hypergeometric tail whatever the features are; the (larger) binomial tail is what is computed. Distances are
those of embeddings where there are any, else of n-grams and (half of the error each) of the model's
probabilities: a new class is often divided in an unusual way among the known ones.

References
----------
Schilling, "Multivariate two-sample tests based on nearest neighbors", JASA 1986; Chen, "Sequential
change-point detection based on nearest neighbors", Annals of Statistics 2019 (the sum over all rows; a new
class touches few of them, so this is the largest count).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from tilth.discovery.wording import project
from tilth.drift.sample import Sample
from tilth.recipes.text import TextLinear

__all__ = ["Clump", "clumps"]

STEP, WINDOWS = 25, (50, 100, 200, 400)
"""Rows between looks, and the windows in rows."""
NEAREST = (6, 12, 24, 48)
"""Nearest rows that are counted."""
LOOKS = 2
"""Independent looks that a row, a window and a number of nearest rows count for."""
LISTED = 96
"""Nearest rows that are kept: at an early look later rows among them do not count yet."""
KNOWN, EARLIER, NEW = 8_000, 4_000, 20_000
"""Known rows that are compared with (drawn), new ones before a row, and the newest ones looked at."""
SCORED, BLOCK, SHOWN = 200, 200, 3
WIDTH = 64
"""Directions of the n-grams."""


@dataclass(frozen=True)
class Clump:
    """Rows near each other of which too many came at the same time.

    Attributes
    ----------
    space : where they are near: "embeddings", "n-grams" or "probabilities".
    alarm : position of the row by which it was seen.
    began : position of the first row of the window in which it was seen.
    p : corrected p value.
    centre : position of the new row that the others are near to.
    nearest, late, hope : of the `nearest` rows nearest to it `late` are in the window; `hope` is chance.
    rows : positions of the new rows from `began` on that are as near, the nearest first.
    """

    space: str
    alarm: int
    began: int
    p: float
    centre: int
    nearest: int
    late: int
    hope: float
    rows: np.ndarray = field(repr=False)


def clumps(known: Sample, new: Sample, *, level: float, horizon: int = 10_000, seed: int = 0) -> list[Clump]:
    """What came in a rush, the earliest alarm first, at most three that have few rows in common.

    Parameters
    ----------
    level : probability of any false clump within `horizon` new rows.
    seed : of the known rows that are drawn where there are many.

    Notes
    -----
    A row is looked at up to 16 times with each window (7.5 times in the mean), and these looks differ by few
    rows. The correction counts `LOOKS` of them: a full count would be a bound without simulation and find
    new classes later; this one was held against streams without change (docs/decisions/0025-monitoring.md).
    """
    found = []
    spaces = _spaces(known, new, seed)
    for name, a, b, at in spaces:
        if len(a) >= SCORED and len(b) >= WINDOWS[0]:
            found += list(_scan(name, a, b, at, level / len(spaces), horizon))
    out: list[Clump] = []
    for clump in sorted(found, key=lambda c: (c.alarm, c.p)):
        if len(out) < SHOWN and not any(_alike(clump.rows, x.rows) for x in out):
            out.append(clump)
    return out


def _scan(
    name: str, a: np.ndarray, b: np.ndarray, at: np.ndarray, level: float, horizon: int
) -> Iterator[Clump]:
    """Clumps among new rows `b`, of the positions `at`, against known rows `a`; the earliest alarm first."""
    near, pool = _nearest(a, b)
    tests = LOOKS * horizon * len(WINDOWS) * len(NEAREST)
    seen: list[np.ndarray] = []
    for end, began, p, centre, k, late in _looks(near, pool, len(b)):
        if p * tests > level:
            continue
        others = near[centre][near[centre] < end][:k]
        edge = float((b if others[-1] >= 0 else a)[max(others[-1], -1 - others[-1])] @ b[centre])
        close = b[began:] @ b[centre]
        order = np.argsort(-close, kind="stable")
        rows = at[began + order[close[order] >= edge - 1e-6]]
        if not any(_alike(rows, x) for x in seen):
            seen.append(rows)
            hope = k * (end - began) / int(pool[centre] + end)
            place = int(at[end - 1]), int(at[began]), p * tests, int(at[centre])
            yield Clump(name, *place, k, late, hope, rows)
            if len(seen) == SHOWN:
                break


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    return len(np.intersect1d(a, b)) > 0.3 * min(len(a), len(b))


def _spaces(known: Sample, new: Sample, seed: int) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Name, unit vectors of known and of new rows, and positions of these new rows, for each space.

    A text that was seen before is left out: one caller who says the same ten times is no new class.
    """
    if not len(new.texts) or not len(known.texts):
        return []
    first = {t: i for i, t in reversed(list(enumerate(new.texts)))}
    for t in known.texts:
        first.pop(t, None)
    at = np.sort(np.fromiter(first.values(), dtype=np.int64))[-NEW:]
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.permutation(len(known))[:KNOWN])
    if len(known.vectors) and len(new.vectors):
        return [("embeddings", _unit(known.vectors[drawn]), _unit(new.vectors[at]), at)]
    texts = [known.texts[i] for i in drawn.tolist()] + [new.texts[i] for i in at.tolist()]
    z = project(TextLinear().learn(texts)[1], seed, WIDTH)
    out = [("n-grams", z[: len(drawn)], z[len(drawn) :], at)]
    if len(known.probabilities) and len(new.probabilities):
        # the Bhattacharyya coefficient: square roots of probabilities have length one
        rows = np.sort(rng.permutation(len(known.scored))[:KNOWN])
        p = np.sqrt(known.probabilities[rows]), np.sqrt(new.probabilities[at])
        out.append(("probabilities", _unit(p[0]), _unit(p[1]), at))
    return out


def _unit(x: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.maximum(length, 1e-12), dtype=np.float32)


def _nearest(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearest rows of each new row, and how many earlier rows there are to choose from.

    Returns
    -------
    (n, LISTED) positions among the new rows, known ones as -1 - position; the nearest first. The next 400
        rows are among them: the caller leaves out those that have not come yet.
    (n,) position of the first new row that was looked at, for each row.
    """
    n, m = len(b), len(a)
    near, pool = np.empty((n, min(LISTED, m)), dtype=np.int32), np.empty(n, dtype=np.int64)
    for start in range(0, n, BLOCK):
        stop, first = min(start + BLOCK, n), max(0, start - EARLIER)
        last = min(n, stop + WINDOWS[-1])
        close = np.concatenate([b[start:stop] @ a.T, b[start:stop] @ b[first:last].T], axis=1)
        each = np.arange(stop - start)
        close[each, m + start - first + each] = -2.0  # not itself
        top = np.argpartition(-close, near.shape[1] - 1, axis=1)[:, : near.shape[1]]
        order = np.argsort(-np.take_along_axis(close, top, axis=1), axis=1, kind="stable")
        top = np.take_along_axis(top, order, axis=1)
        near[start:stop] = np.where(top < m, -1 - top, top - m + first)
        pool[start:stop] = m - first
    return near, pool


def _looks(near: np.ndarray, pool: np.ndarray, n: int) -> Iterator[tuple[int, int, float, int, int, int]]:
    """The smallest p value of each look: end and begin of the window, p, centre, nearest rows, late ones."""
    from scipy.special import betainc

    for end in range(STEP * -(-WINDOWS[0] // STEP), n + 1, STEP):
        begin = max(0, end - WINDOWS[-1])
        part = near[begin:end]
        here = part < end
        rank = np.cumsum(here, axis=1)
        best = (1.0, 0, 0, 0, 0)
        for width in WINDOWS:
            if width > end:
                continue
            rows = slice(end - width - begin, None)
            late = here[rows] & (part[rows] >= end - width)
            for k in NEAREST:
                count = (late & (rank[rows] <= k)).sum(axis=1)
                i = int(count.argmax())
                x, centre = int(count[i]), end - width + i
                if x > 2:
                    others = int(pool[centre]) + end - 1
                    p = float(betainc(x, k - x + 1.0, (width - 1) / others))
                    best = min(best, (p, end - width, centre, k, x))
        p, began, centre, k, x = best
        if x:
            yield end, began, p, centre, k, x
