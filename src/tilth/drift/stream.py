"""The confidence of one answer after the other: when did it fall? Exact under no change.

Each new value is ranked among all known values and the new ones before it, ties broken at random: if the
rows are exchangeable, these conformal p values are independent and uniform whatever the model and however
few rows are known. A Shiryaev-Roberts sum (the sibling of CUSUM that averages over the time of the change
instead of maximising) bets against uniform.

References
----------
Vovk, Gammerman and Shafer, "Algorithmic learning in a random world", 2nd ed. 2022, chapter 8;
Volkhonskiy et al., "Inductive conformal martingales for change-point detection", COPA 2017.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Fall", "conformal_ranks", "fall"]

SHARES, SHAPES = (0.03, 0.1, 0.3), (0.1, 0.3, 0.6)
"""Bets: a share of the rows has p values of density a p^(a - 1); all pairs together."""
UPWARD = 0.2
"""Weight of bets that the confidence rises."""
CHUNK = 1_000


@dataclass(frozen=True)
class Fall:
    """Whether and when the confidence changed.

    Attributes
    ----------
    alarm : position of the row at which the alarm was raised; None for none.
    began : position of the row at which the change most likely began; None without alarm.
    evidence : (n,) log of the Shiryaev-Roberts sum after each row.
    bar : the log evidence that raises the alarm.
    """

    alarm: int | None
    began: int | None
    evidence: np.ndarray
    bar: float


def conformal_ranks(known: np.ndarray, new: np.ndarray, seed: int = 0) -> np.ndarray:
    """(n,) conformal p value of each new value among the known ones and the new ones before it."""
    rng = np.random.default_rng(seed)
    pile, out = np.sort(known), np.empty(len(new))
    for start in range(0, len(new), CHUNK):
        part = new[start : start + CHUNK]
        below = np.searchsorted(pile, part, side="left")
        equal = np.searchsorted(pile, part, side="right") - below
        before = np.tri(len(part), k=-1, dtype=bool)
        below = below + (before & (part[None, :] < part[:, None])).sum(axis=1)
        equal = equal + (before & (part[None, :] == part[:, None])).sum(axis=1)
        size = len(pile) + np.arange(len(part)) + 1
        out[start : start + CHUNK] = (below + rng.random(len(part)) * (equal + 1)) / size
        pile = np.sort(np.concatenate([pile, part]), kind="stable")
    return np.clip(out, 1e-12, 1 - 1e-12)


def fall(known: np.ndarray, new: np.ndarray, *, level: float, horizon: int = 10_000, seed: int = 0) -> Fall:
    """Watch values row by row; within `horizon` rows a false alarm has probability `level` at most.

    Notes
    -----
    The sum R_t = (1 + R_{t-1}) f(p_t) minus t is a martingale, so P(max R >= horizon / level) <= level.
    """
    bar = float(np.log(horizon / level))
    if len(known) == 0 or len(new) == 0:
        return Fall(None, None, np.zeros(0), bar)
    p = conformal_ranks(known, new, seed)
    total = np.full(len(new), -np.inf)
    best, began = np.full(len(new), -np.inf), np.zeros(len(new), dtype=np.int64)
    bets = len(SHARES) * len(SHAPES)
    for side, weight in ((p, 1 - UPWARD), (1 - p, UPWARD)):
        for share in SHARES:
            for shape in SHAPES:
                walk = np.cumsum(np.log1p(share * (shape * side ** (shape - 1) - 1)))
                before = np.concatenate([[0.0], walk[:-1]])
                total = np.logaddexp(total, walk + np.logaddexp.accumulate(-before) + np.log(weight / bets))
                low = np.minimum.accumulate(before)
                found = np.where(before == low, np.arange(len(before)), 0)
                better = walk - low > best
                began = np.where(better, np.maximum.accumulate(found), began)
                best = np.maximum(best, walk - low)
    over = np.flatnonzero(total >= bar)
    alarm = int(over[0]) if len(over) else None
    return Fall(alarm, None if alarm is None else int(began[alarm]), total, bar)
