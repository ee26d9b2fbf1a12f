"""Charts with two axes in the manner of svg.py: positions in percent, text and dots keep their size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tilth.report.markup import Html, join, tag
from tilth.report.svg import Axis, axis_of

__all__ = ["Frame", "Series", "chart", "log_axis"]

LEFT, RIGHT, TOP, BOTTOM = 9.0, 4.0, 5.0, 14.0
Point = tuple[float, float]
Span = tuple[float, float, float, float]
"""x, value, low, high"""


@dataclass(frozen=True)
class Series:
    """What is drawn in one colour.

    Attributes
    ----------
    name : written at the end of the line; "" for none.
    class_ : of the style sheet.
    line : points of a line.
    band : (x, low, high) of an area around it.
    marks : (x, value, low, high) with whiskers.
    full : whether the marks are filled.
    """

    name: str
    class_: str
    line: Sequence[Point] = ()
    band: Sequence[tuple[float, float, float]] = ()
    marks: Sequence[Span] = ()
    full: bool = True


def log_axis(values: Iterable[float]) -> Axis:
    """A logarithmic scale in units of log10, with ticks at 1, 2 and 5 (or powers of ten alone)."""
    found = [v for v in values if v > 0]
    low, high = (min(found), max(found)) if found else (1.0, 10.0)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    wide = last - first > 2
    steps = [10.0**p * f for p in range(first, last + 1) for f in ((1.0,) if wide else (1.0, 2.0, 5.0))]
    ticks = tuple(math.log10(s) for s in steps if low * 0.999 <= s <= high * 1.001)
    margin = 0.02 * (math.log10(high / low) or 1.0)
    return Axis(math.log10(low) - margin, math.log10(high) + margin, ticks)


@dataclass(frozen=True)
class Frame:
    """Two scales; x in log10."""

    x: Axis
    y: Axis

    def at(self, x: float, y: float) -> Point:
        """Position in percent from the upper left corner; what lies outside is put on the edge."""
        across = (math.log10(x) - self.x.low) / (self.x.high - self.x.low)
        up = (y - self.y.low) / (self.y.high - self.y.low)
        return (
            LEFT + (100 - LEFT - RIGHT) * min(max(across, 0.0), 1.0),
            TOP + (100 - TOP - BOTTOM) * (1 - min(max(up, 0.0), 1.0)),
        )

    @staticmethod
    def of(series: Sequence[Series], more: Sequence[float] = ()) -> Frame:
        """Scales that hold everything drawn."""
        xs = [p[0] for s in series for p in (*s.line, *s.marks, *s.band)]
        ys = [p[1] for s in series for p in s.line] + [v for s in series for m in s.marks for v in m[1:]]
        ys += [v for s in series for b in s.band for v in b[1:]]
        return Frame(log_axis(xs), axis_of([*ys, *more]))


def chart(
    frame: Frame,
    series: Sequence[Series],
    *,
    label: str,
    x_ticks: Sequence[str],
    y_unit: str,
    x_name: str,
    now: float | None = None,
) -> Html:
    """A chart; screen readers get the label, the numbers stand in a table beside it.

    Parameters
    ----------
    x_ticks : words for the ticks of the x axis.
    y_unit : written after the numbers of the y axis.
    now : x of a vertical line.
    """
    parts = [*_grid(frame, x_ticks, y_unit, x_name)]
    if now is not None:
        x, _ = frame.at(now, frame.y.low)
        parts.append(tag("line", x1=_pc(x), x2=_pc(x), y1=_pc(TOP), y2=_pc(100 - BOTTOM), class_="now"))
    parts += [_series(frame, s) for s in series]
    picture = tag("svg", *parts, role="img", aria_label=label, focusable="false")
    return tag("div", picture, class_="xy")


def _pc(x: float) -> str:
    return f"{x:.2f}%"


def _grid(frame: Frame, x_ticks: Sequence[str], y_unit: str, x_name: str) -> Iterable[Html]:
    bottom, digits = 100 - BOTTOM, max(len(f"{t:g}".partition(".")[2]) for t in frame.y.ticks)
    for t in frame.y.ticks:
        _, y = frame.at(10**frame.x.low, t)
        yield tag("line", x1=_pc(LEFT), x2=_pc(100 - RIGHT), y1=_pc(y), y2=_pc(y), class_="grid")
        words = f"{t:.{digits}f}{y_unit}".replace("-", "−")
        yield tag("text", words, x=_pc(LEFT - 1), y=_pc(y), dy="4", class_="tick ytick")
    for t, words in zip(frame.x.ticks, x_ticks, strict=True):
        x, _ = frame.at(10**t, frame.y.low)
        yield tag("line", x1=_pc(x), x2=_pc(x), y1=_pc(TOP), y2=_pc(bottom), class_="grid")
        yield tag("text", words, x=_pc(x), y=_pc(bottom), dy="18", class_="tick")
    middle = LEFT + (100 - LEFT - RIGHT) / 2
    yield tag("text", x_name, x=_pc(middle), y="100%", dy="-4", class_="tick")


def _path(points: Sequence[Point], class_: str, *, closed: bool = False) -> Html:
    """A path in a drawing that is stretched over the whole chart."""
    d = "M" + "L".join(f"{x:.3f} {y:.3f}" for x, y in points) + ("Z" if closed else "")
    return tag(
        "svg", tag("path", d=d, class_=class_), viewBox="0 0 100 100", preserveAspectRatio="none",
        width="100%", height="100%",
    )  # fmt: skip


def _series(frame: Frame, s: Series) -> Html:
    parts: list[Html] = []
    if len(s.band) > 1:
        over = [frame.at(x, high) for x, _, high in s.band]
        under = [frame.at(x, low) for x, low, _ in reversed(s.band)]
        parts.append(_path([*over, *under], "band", closed=True))
    if len(s.line) > 1:
        parts.append(_path([frame.at(x, y) for x, y in s.line], "line"))
    for x, value, low, high in s.marks:
        (a, top), (_, bottom), (_, y) = frame.at(x, high), frame.at(x, low), frame.at(x, value)
        parts.append(tag("line", x1=_pc(a), x2=_pc(a), y1=_pc(top), y2=_pc(bottom), class_="bar2"))
        dot = "dot full" if s.full else "dot"
        parts.append(tag("circle", cx=_pc(a), cy=_pc(y), r="4.5", class_=dot))
    end = s.line[-1] if s.line else s.marks[-1][:2] if s.marks else None
    if s.name and end is not None:
        x, y = frame.at(*end)
        parts.append(tag("text", s.name, x=_pc(x), y=_pc(y), dx="-8", dy="-12", class_="name ytick"))
    return tag("g", join(parts), class_=s.class_)
