"""Floors: scores that must be kept on the whole, on every class, and on named slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tilth import stats
from tilth.trial.measure import Outcome

__all__ = ["FloorCheck", "FloorState", "check_floors", "score_on"]

LEAST_ROWS = 10
FloorState = Literal["held", "broken", "reached", "missed", "too few rows"]


@dataclass(frozen=True, slots=True)
class FloorCheck:
    """One floor in one trial.

    Attributes
    ----------
    name : "all rows", a class or a named slice.
    floor : least score in the goal metric (for log_loss: the largest).
    rows : number of judging rows.
    before, after : score without and with the patch; None with fewer than ten rows.
    state : held before and after; broken: held before alone; reached: after alone; missed: neither.
    """

    name: str
    floor: float
    rows: int
    before: float | None
    after: float | None
    state: FloorState


def score_on(outcome: Outcome, mask: np.ndarray, arm: str = "before") -> stats.Interval:
    """Score of one arm on a slice in the goal metric, with both sources of chance; NaN without rows."""
    values, deleted = (
        (outcome.before, outcome.deleted_before)
        if arm == "before"
        else (outcome.after, outcome.deleted_after)
    )
    w = outcome.weights[mask]
    if w.sum() <= 0:
        return stats.Interval(float("nan"), float("nan"), float("nan"))
    e = stats.effect(values[mask], deleted[:, mask], weights=w / w.sum(), parts=outcome.parts)
    if outcome.metric == "log_loss":
        return stats.Interval(-e.value, -e.high, -e.low)
    return stats.Interval(e.value, max(0.0, e.low), min(1.0, e.high))


def check_floors(
    outcome: Outcome,
    floors: Mapping[str, float],
    classes: Mapping[str, np.ndarray],
    named: Mapping[str, np.ndarray],
) -> tuple[FloorCheck, ...]:
    """Compare both arms with every floor.

    A floor is a promise about the score that is measured, so no interval stands between: a floor that the
    data held and do not hold any more is broken.

    Parameters
    ----------
    floors : "all", "class" (each class) or the name of a slice to the least score.
    classes, named : name to (n,) mask of the judging rows.
    """
    wanted: list[tuple[str, float, np.ndarray]] = []
    for name, floor in floors.items():
        if name == "all":
            wanted.append(("all rows", floor, np.ones(len(outcome.truth), dtype=bool)))
        elif name == "class":
            wanted += [(c, floor, mask) for c, mask in classes.items()]
        elif name in named:
            wanted.append((name, floor, named[name]))
    return tuple(_check(outcome, *one) for one in wanted)


def _check(outcome: Outcome, name: str, floor: float, mask: np.ndarray) -> FloorCheck:
    rows = int(mask.sum())
    if rows < LEAST_ROWS:
        return FloorCheck(name, floor, rows, None, None, "too few rows")
    before, after = (score_on(outcome, mask, arm).value for arm in ("before", "after"))
    sign = -1.0 if outcome.metric == "log_loss" else 1.0
    # a score is a sum of floats: one that equals its floor holds it
    was, now = (sign * (x - floor) >= -1e-9 for x in (before, after))
    state: FloorState = ("held" if was else "reached") if now else ("broken" if was else "missed")
    return FloorCheck(name, floor, rows, before, after, state)


def broken(checks: Sequence[FloorCheck]) -> list[FloorCheck]:
    """Floors that were held before and are not any more."""
    return [c for c in checks if c.state == "broken"]
