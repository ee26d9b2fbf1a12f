"""Charts over days or rows, in the manner of plot.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tilth.report.markup import Html
from tilth.report.plot import Frame, Series, chart
from tilth.report.svg import Axis, axis_of

__all__ = ["timeline"]

TICKS = 6


def timeline(
    series: Sequence[Series], names: Sequence[str], *, label: str, y_unit: str, x_name: str, zero: bool = True
) -> Html:
    """A chart whose x axis is evenly spaced.

    Parameters
    ----------
    series : with x = 0, 1, 2 ... the places of `names`.
    names : what stands at each place; about six are written.
    zero : whether the y axis begins at zero.
    """
    n = len(names)
    at = sorted({round(i * (n - 1) / max(min(TICKS, n) - 1, 1)) for i in range(min(TICKS, n))})
    ys = [y for s in series for _, y in s.line]
    ys += [v for s in series for _, *b in (*s.band, *s.marks) for v in b] + ([0.0] if zero else [])
    # plot.py measures x in log10, so a place is its power of ten: 1e200 is still a number
    scale = 200 / max(n - 1, 200)
    frame = Frame(Axis(0.0, max(n - 1, 1) * scale, tuple(i * scale for i in at)), axis_of(ys))
    moved = [
        replace(
            s,
            line=[(10 ** (x * scale), y) for x, y in s.line],
            band=[(10 ** (x * scale), a, b) for x, a, b in s.band],
            marks=[(10 ** (x * scale), v, a, b) for x, v, a, b in s.marks],
        )
        for s in series
    ]
    return chart(frame, moved, label=label, x_ticks=[names[i] for i in at], y_unit=y_unit, x_name=x_name)
