"""What `tilth map` prints, and the expressions that describe picked rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tilth.report.format import count, items, mapping, number, one_line
from tilth.report.screen import Col, Screen

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["described", "map_summary"]


def map_summary(console: Console, body: Mapping[str, Any]) -> None:
    """What there is to see, how far it can be believed, and where the file is.

    Parameters
    ----------
    body : the object that `tilth map --json` prints.
    """
    screen = Screen(console)
    screen.line(
        f"{count(body.get('rows'))} rows of {count(body.get('classes'))} classes; the model disagrees with "
        f"the label of {count(body.get('disagree'))}, {count(body.get('judged'))} have a verdict"
    )
    f = mapping(body.get("faithfulness"))
    if f:
        words = (
            f"of a row's {f.get('k')} nearest rows {_percent(f.get('kept'))} are among its nearest on the map"
        )
        if number(f.get("label")) is not None:
            own, features = _percent(f.get("label")), _percent(f.get("label_features"))
            words += f"; most of the nearest have the row's own label for {own} of the rows on the map, "
            words += f"{features} by features"
        screen.line(words, style="dim")
        screen.line("near on the map means alike; far apart on the map says little", style="dim")
    if body.get("file"):
        screen.line(f"written: {one_line(body.get('file'), 200)}")
    screen.next("tilth review" if body.get("file") else "tilth map --out map.svg")


def _percent(value: object) -> str:
    return f"{100 * (number(value) or 0):.0f} %"


def described(console: Console, body: Mapping[str, Any]) -> None:
    """Expressions beside the rows that they should hold, the nearest first.

    Parameters
    ----------
    body : the object that `tilth slices --like SET --json` prints.
    """
    screen, found = Screen(console), items(body.get("descriptions"))
    if not found:
        screen.line("nothing tells these rows apart from the others; keep them as a set")
        screen.next("tilth sets")
        return
    table: list[list[str | Text]] = []
    for d in found:
        others = (number(d.get("rows")) or 0) - (number(d.get("inside")) or 0)
        numbers = [f"{number(d.get('f1')) or 0:.2f}", f"{count(d.get('inside'))} of {count(d.get('picked'))}"]
        table.append([*numbers, f"{others:,.0f}", screen.data(d.get("expression"), 300)])
    screen.table([Col("F1", "num"), Col("of the set", "num"), Col("others", "num"), Col("expression")], table)
    screen.next("tilth slices --keep NAME --where EXPRESSION")
