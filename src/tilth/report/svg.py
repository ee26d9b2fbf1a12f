"""Charts as rows of a table: every mark stands beside its number.

All x positions are percentages and all y positions are the middle of the cell, so a chart fills
whatever width it is given and its text and dots keep their size: no script and no scaling. Only
numbers come in here; colours are classes of report.css.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from tilth.report.format import Tone
from tilth.report.markup import Html, join, tag

__all__ = [
    "Axis",
    "axis_of",
    "bar",
    "dumbbell",
    "forest_axis",
    "interval_mark",
    "ruler",
    "score_mark",
    "slice_mark",
]

INSET = 5.0
SHAPES = {"better": "M-6 5L0 -6L6 5Z", "worse": "M-6 -5L0 6L6 -5Z"}


@dataclass(frozen=True)
class Axis:
    """A linear scale. low < high; ticks ascend."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def at(self, x: float) -> float:
        """Position in percent of the width; what lies outside is put on the edge."""
        part = (x - self.low) / (self.high - self.low)
        return INSET + (100 - 2 * INSET) * min(max(part, -0.03), 1.03)

    def holds(self, x: float) -> bool:
        """Whether a value lies on the scale."""
        slack = 1e-9 * (self.high - self.low)
        return self.low - slack <= x <= self.high + slack


def axis_of(values: Iterable[float | None], *, parts: int = 4) -> Axis:
    """A scale with round ticks that holds all values (None is left out)."""
    found = [v for v in values if v is not None]
    low, high = (min(found), max(found)) if found else (0.0, 1.0)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    raw = (high - low) / parts
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * f for f in (1, 2, 2.5, 5, 10) if power * f >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(round(i * step, 10) for i in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks)


def forest_axis(spans: Sequence[tuple[float | None, ...]]) -> Axis:
    """A scale around zero for (value, low, high) triples.

    An interval far wider than the others (a slice of three rows) would press all others into a
    line: the scale ends at five times the median reach, and what goes beyond is drawn with an arrow.
    """
    reach = [max(abs(v) for v in span if v is not None) for span in spans if any(v is not None for v in span)]
    if not reach:
        return axis_of([-1.0, 1.0])
    limit = 5 * median(reach) or 1.0
    values = [v for span in spans for v in span if v is not None]
    return axis_of([0.0, max(min(values), -limit), min(max(values), limit)])


def _pc(x: float) -> str:
    return f"{x:.2f}%"


def _line(a: float, b: float, class_: str) -> Html:
    return tag("line", x1=_pc(a), x2=_pc(b), y1="50%", y2="50%", class_=class_)


def _at(x: float, *shapes: Html, class_: str = "") -> Html:
    """Shapes in pixels around a point in percent."""
    return tag("svg", *shapes, x=_pc(x), y="50%", width="1", height="1", class_=f"at {class_}".strip())


def _grid(axis: Axis) -> Html:
    return join(
        tag(
            "line",
            x1=_pc(axis.at(t)),
            x2=_pc(axis.at(t)),
            y1="0",
            y2="100%",
            class_="zero" if t == 0 else "grid",
        )
        for t in axis.ticks
    )


def _picture(*parts: Html | None, class_: str = "") -> Html:
    """A drawing whose numbers stand in the same row of the table."""
    return tag("svg", *parts, class_=f"chart {class_}".strip(), aria_hidden="true", focusable="false")


def ruler(axis: Axis, label: str, *, signed: bool = False, unit: str = "") -> Html:
    """The heading of a chart column: tick labels above the grid; screen readers get the label."""
    digits = max(len(f"{t:g}".partition(".")[2]) for t in axis.ticks)
    texts = []
    for t in axis.ticks:
        sign = "+" if signed and t > 0 else ""
        words = f"{sign}{t:.{digits if t else 0}f}{unit}".replace("-", "−")
        texts.append(tag("text", words, x=_pc(axis.at(t)), y="100%", dy="-11", class_="tick"))
    hidden = tag("span", label, class_="hidden")
    return join([hidden, _picture(*texts, class_="ruler")])


def _ends(axis: Axis, low: float, high: float) -> Html:
    """Caps of an interval; an arrow where it leaves the scale."""
    left = "M5 -5L-1 0L5 5" if not axis.holds(low) else "M0 -5V5"
    right = "M-5 -5L1 0L-5 5" if not axis.holds(high) else "M0 -5V5"
    return join(
        [
            _at(axis.at(low), tag("path", d=left, class_="cap")),
            _at(axis.at(high), tag("path", d=right, class_="cap")),
        ]
    )


def interval_mark(
    axis: Axis,
    span: tuple[float | None, float | None, float | None],
    tone: Tone,
    forecast: float | None = None,
) -> Html:
    """One row of a forest plot.

    Parameters
    ----------
    span : value, low, high in the units of the axis; the interval may be missing.
    tone : fills the mark and gives it its shape; "none" is an open circle.
    forecast : what was predicted, drawn as a diamond.
    """
    value, low, high = span
    parts: list[Html | None] = [_grid(axis)]
    if low is not None and high is not None:
        parts += [_line(axis.at(low), axis.at(high), "whisker"), _ends(axis, low, high)]
    if forecast is not None:
        parts.append(_at(axis.at(forecast), tag("path", d="M0 -5.5L5.5 0L0 5.5L-5.5 0Z", class_="forecast")))
    if value is not None:
        shape = SHAPES.get(tone)
        mark = tag("path", d=shape, class_="mark") if shape else tag("circle", r="4.5", class_="mark")
        parts.append(_at(axis.at(value), mark))
    return _picture(*parts, class_=tone)


def score_mark(axis: Axis, span: tuple[float | None, float | None, float | None], which: str) -> Html:
    """A score with its interval; `which` is "before" (open dot) or "after" (filled dot)."""
    value, low, high = span
    parts: list[Html | None] = [_grid(axis)]
    if low is not None and high is not None:
        parts += [_line(axis.at(low), axis.at(high), "whisker"), _ends(axis, low, high)]
    if value is not None:
        parts.append(_at(axis.at(value), tag("circle", r="5.5", class_="mark")))
    return _picture(*parts, class_=which)


def slice_mark(
    axis: Axis, span: tuple[float | None, ...], *, outside: float | None, floor: float | None, tone: Tone
) -> Html:
    """A score with its interval, that of all other rows as a tick, and the floor as a dashed line."""
    value, low, high = span
    parts: list[Html | None] = [_grid(axis)]
    if floor is not None:
        x = _pc(axis.at(floor))
        parts.append(tag("line", x1=x, x2=x, y1="0", y2="100%", class_="least"))
    if outside is not None:
        parts.append(_at(axis.at(outside), tag("path", d="M0 -8V8", class_="elsewhere")))
    if low is not None and high is not None:
        parts += [_line(axis.at(low), axis.at(high), "whisker"), _ends(axis, low, high)]
    if value is not None:
        shape = SHAPES.get(tone)
        mark = tag("path", d=shape, class_="mark") if shape else tag("circle", r="4.5", class_="mark")
        parts.append(_at(axis.at(value), mark))
    return _picture(*parts, class_=tone)


def bar(value: float | None, top: float, *, ghost: float | None = None) -> Html:
    """A bar from zero to `value`, and an outline over the part from there to `ghost` (the size before).

    Where the bar has outgrown its earlier size, a notch in the bar marks that size.
    """
    scale = 100 / top if top > 0 else 0.0
    now, was = (min(100.0, max(0.0, v or 0.0) * scale) for v in (value, ghost))
    parts: list[Html | None] = []
    if now > 0:
        parts.append(_rect(0, now, "bar"))
    if was > now:
        parts.append(_rect(now, was, "ghost"))
    elif 0 < was < now:
        parts.append(_at(was, tag("path", d="M0 -7V7", class_="notch")))
    return _picture(*parts, class_="bars")


def _rect(start: float, end: float, class_: str) -> Html:
    return tag("rect", x=_pc(start), y="50%", width=_pc(end - start), height="14", class_=class_)


def dumbbell(axis: Axis, before: float | None, after: float | None) -> Html:
    """From an open dot (before) to a filled one (after)."""
    parts: list[Html | None] = [_grid(axis)]
    if before is not None and after is not None:
        parts.append(_line(axis.at(before), axis.at(after), "whisker"))
    for value, class_ in ((before, "before"), (after, "after")):
        if value is not None:
            parts.append(_at(axis.at(value), tag("circle", r="4.5", class_="mark"), class_=class_))
    return _picture(*parts, class_="dumbbell")
