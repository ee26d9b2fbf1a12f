"""The score over the versions of a data set: a line where scores can be compared, a gap where they cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tilth.report.markup import Html, tag
from tilth.report.svg import Axis, axis_of

__all__ = ["Scored", "score_line"]

LEFT, RIGHT, TOP, BOTTOM = 9.0, 4.0, 6.0, 16.0
TICKS = 12
"""Version numbers under the chart at most."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A score of one version in the units that are shown.

    Attributes
    ----------
    seq : number of the version.
    value, low, high : with its interval.
    judge : what it was judged on; scores of one judge are comparable.
    """

    seq: int
    value: float
    low: float
    high: float
    judge: str


def score_line(points: Sequence[Scored], *, first: int, last: int, unit: str, label: str) -> Html:
    """A chart; screen readers get the label, the numbers stand in the table below it.

    Parameters
    ----------
    points : in the order of versions; those of one judge that follow one another are joined.
    first, last : versions that the chart reaches from and to.
    unit : behind the numbers of the y axis.
    """
    axis = axis_of([v for p in points for v in (p.low, p.high)])
    groups = _groups(points)
    parts = [*_grid(axis, first, last, unit)]
    for number, group in enumerate(groups):
        if number:  # the gap: half-way between the last of one judge and the first of the next
            x = (_x(groups[number - 1][-1], first, last, groups) + _x(group[0], first, last, groups)) / 2
            parts.append(tag("line", x1=_pc(x), x2=_pc(x), y1=_pc(TOP), y2=_pc(100 - BOTTOM), class_="now"))
        at = [(_x(p, first, last, groups), p) for p in group]
        for (xa, a), (xb, b) in pairwise(at):
            parts.append(
                tag("line", x1=_pc(xa), x2=_pc(xb), y1=_pc(_y(a.value, axis)), y2=_pc(_y(b.value, axis)),
                    class_="score")
            )  # fmt: skip
        for x, p in at:
            parts.append(
                tag("line", x1=_pc(x), x2=_pc(x), y1=_pc(_y(p.low, axis)), y2=_pc(_y(p.high, axis)),
                    class_="bar2")
            )  # fmt: skip
            parts.append(tag("circle", cx=_pc(x), cy=_pc(_y(p.value, axis)), r="4.5", class_="dot full"))
    picture = tag("svg", *parts, role="img", aria_label=label, focusable="false")
    return tag("div", picture, class_="xy score-line")


def _groups(points: Sequence[Scored]) -> list[list[Scored]]:
    """Points of one judge that follow one another."""
    out: list[list[Scored]] = []
    for p in points:
        if out and out[-1][-1].judge == p.judge:
            out[-1].append(p)
        else:
            out.append([p])
    return out


def _x(p: Scored, first: int, last: int, groups: Sequence[Sequence[Scored]]) -> float:
    """Position in percent; two scores of one version, by two judges, stand beside each other."""
    step = (100 - LEFT - RIGHT) / max(last - first + 1, 1)
    twice = [g for g in groups if any(q.seq == p.seq for q in g)]
    aside = 0.0
    if len(twice) > 1:
        aside = (0.18 if p.judge == twice[-1][0].judge else -0.18) * step
    return LEFT + (p.seq - first + 0.5) * step + aside


def _y(value: float, axis: Axis) -> float:
    return TOP + (100 - TOP - BOTTOM) * (1 - (value - axis.low) / (axis.high - axis.low))


def _pc(x: float) -> str:
    return f"{x:.2f}%"


def _grid(axis: Axis, first: int, last: int, unit: str) -> list[Html]:
    digits = max(len(f"{t:g}".partition(".")[2]) for t in axis.ticks)
    out = []
    for t in axis.ticks:
        y = _pc(_y(t, axis))
        out.append(tag("line", x1=_pc(LEFT), x2=_pc(100 - RIGHT), y1=y, y2=y, class_="grid"))
        words = f"{t:.{digits}f}{unit}".replace("-", "−")
        out.append(tag("text", words, x=_pc(LEFT - 1), y=y, dy="4", class_="tick ytick"))
    every = -(-(last - first + 1) // TICKS)
    for seq in range(first, last + 1, every):
        x = LEFT + (seq - first + 0.5) * (100 - LEFT - RIGHT) / max(last - first + 1, 1)
        out.append(tag("text", str(seq), x=_pc(x), y=_pc(100 - BOTTOM), dy="18", class_="tick"))
    out.append(tag("text", "version", x=_pc(50), y="100%", dy="-2", class_="tick"))
    return out
