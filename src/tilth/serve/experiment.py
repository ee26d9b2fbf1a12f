"""Releases side by side: which is better, by what people said of their answers. Look as often as you like.

The goal is the share of judged answers that were right; guards are how often no answer is given and how
often an answer is complained of. Units are keys (callers, tickets), not answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilth.sequential import Arm, Experiment, Metric, compare
from tilth.serve.schema import Served
from tilth.serve.state import State

__all__ = ["Collected", "collect", "experiments", "over_time"]

RIGHT = Metric("right among judged answers", effect=0.02)
ABSTAINED = Metric("no answer given", effect=0.05, higher_is_better=False, role="guard")
WRONG = Metric("answers complained of", effect=0.02, higher_is_better=False, role="guard")
POINTS = 60
"""Points of a course over time."""


@dataclass(frozen=True)
class Collected:
    """n answers since the present releases are served together, in the order of time.

    Attributes
    ----------
    served : the releases whose answers people see.
    since : when these were put side by side.
    at : (n,) time stamps.
    arm : (n,) number of the release among `served`.
    unit : (n,) number of the key, or of the answer where there is no key.
    abstained : (n,) whether no answer was given.
    judged : (n,) 1 right, 0 wrong, -1 nobody said.
    """

    served: tuple[Served, ...]
    since: str
    at: Sequence[str]
    arm: np.ndarray
    unit: np.ndarray
    abstained: np.ndarray
    judged: np.ndarray


def collect(state: State) -> Collected | None:
    """What a comparison needs; None where fewer than two releases answer (a share of 0 gets no traffic)."""
    served = tuple(r for r in state.releases() if r.state in ("live", "candidate") and r.share > 0)
    if len(served) < 2:
        return None
    since = max(r.since for r in served)
    rows = state.columns("answers", ["id", "at", "arm", "key", "label", "abstained", "shadow"], since=since)
    number = {r.arm: i for i, r in enumerate(served)}
    keep = [
        i
        for i, (arm, hidden) in enumerate(zip(rows["arm"], rows["shadow"], strict=True))
        if arm in number and not hidden
    ]
    ids = [str(rows["id"][i]) for i in keep]
    place = {name: i for i, name in enumerate(ids)}
    judged = np.full(len(ids), -1, dtype=np.int8)
    said = state.columns("feedback", ["answer", "kind", "label", "explicit"], since=since)
    for answer, kind, label, explicit in zip(*said.values(), strict=True):
        i = place.get(str(answer))
        if i is None or not explicit or kind == "comment":
            continue
        given = rows["label"][keep[i]]
        judged[i] = kind == "right" or (kind == "label" and label == given)
    units: dict[str, int] = {}
    unit = [units.setdefault(str(rows["key"][i] or rows["id"][i]), len(units)) for i in keep]
    return Collected(
        served,
        since,
        [str(rows["at"][i]) for i in keep],
        np.array([number[str(rows["arm"][i])] for i in keep], dtype=np.int64),
        np.array(unit, dtype=np.int64),
        np.array([bool(rows["abstained"][i]) for i in keep], dtype=bool),
        judged,
    )


def experiments(found: Collected, until: int | None = None) -> list[Experiment]:
    """Each candidate against the live release, by the first `until` answers (default all)."""
    n = len(found.arm) if until is None else until
    names = [r.arm for r in found.served]
    live = next((r.arm for r in found.served if r.state == "live"), names[0])
    arm, unit = found.arm[:n], found.unit[:n]
    judged, abstained = found.judged[:n], found.abstained[:n]
    arms: dict[Metric, dict[str, Arm]] = {RIGHT: {}, ABSTAINED: {}, WRONG: {}}
    counts = {}
    for i, name in enumerate(names):
        mine = arm == i
        heard = mine & (judged >= 0) & ~abstained
        arms[RIGHT][name] = _arm(name, unit[heard], judged[heard] == 1)
        arms[ABSTAINED][name] = _arm(name, unit[mine], abstained[mine])
        arms[WRONG][name] = _arm(name, unit[mine], judged[mine] == 0)
        counts[name] = len(np.unique(unit[mine]))
    return compare(arms, counts, {r.arm: r.share for r in found.served}, control=live)


def over_time(found: Collected) -> list[dict[str, Any]]:
    """How the goal's interval of each candidate went, at the end of each day (at most the last sixty)."""
    days = [at[:10] for at in found.at]
    ends = [i + 1 for i in range(len(days)) if i + 1 == len(days) or days[i + 1] != days[i]]
    out = []
    for end in ends[-POINTS:]:
        for e in experiments(found, end):
            goal = e.to_json()["comparisons"][0]["difference"]
            out.append(
                {"day": days[end - 1], "candidate": e.candidate, "advice": e.advice}
                | {k: goal[k] for k in ("value", "low", "high")}
            )
    return out


def _arm(name: str, unit: np.ndarray, hit: np.ndarray) -> Arm:
    """One total and one count for each unit."""
    _, place = np.unique(unit, return_inverse=True)
    k = int(place.max()) + 1 if len(place) else 0
    counts = np.bincount(place, minlength=k)
    totals = np.bincount(place, weights=hit.astype(np.float64), minlength=k)
    return Arm.of_values(name, totals.tolist(), counts.tolist())
