"""The self-test of an audit: what it found of planted faults, for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tilth.report.format import NONE, code_name, count, items, mapping, number, one_line
from tilth.report.markup import Column, Html, join, mono, num, table, tag
from tilth.report.screen import Col, Screen

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["lines", "section"]

Json = Mapping[str, Any]


def _span(value: object) -> str:
    """ "84 % [79, 88]"."""
    body = mapping(value)
    middle, low, high = (number(body.get(k)) for k in ("value", "low", "high"))
    if middle is None or low is None or high is None:
        return NONE
    return f"{100 * middle:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def _about(body: Json) -> str:
    of, rows = count(body.get("of")), count(body.get("rows"))
    part = f"{rows} of the {of} rows, taken at random" if rows != of else f"the {rows} rows"
    return f"Self-test: what this audit finds of faults planted in a copy of {part}"


def _ranking(body: Json) -> str:
    found = [number(s.get("average_precision")) for s in items(body.get("scores"))]
    value = next((v for v in found if v is not None), None)
    return "" if value is None else f"Average precision of the ranking by P(wrong): {value:.2f}."


def lines(screen: Screen, body: Json) -> None:
    """The self-test on a terminal; nothing where there is none."""
    if not body:
        return
    screen.line()
    if body.get("failed"):
        screen.line(f"no self-test: {one_line(body['failed'], 200)}", style="yellow")
        return
    screen.line(_about(body))
    rows: list[list[str | Text]] = [
        [
            one_line(s.get("code"), 12),
            code_name(s.get("code")) or NONE,
            count(s.get("planted")),
            _span(s.get("recall")),
            _span(s.get("precision")),
        ]
        for s in items(body.get("scores"))
    ]
    heads = [Col("code", "id"), Col("finding"), Col("planted", "num"), Col("found", "num")]
    screen.table([*heads, Col("right of flagged", "num")], rows)
    if words := _ranking(body):
        screen.line(words, style="dim")


def section(body: Json) -> Html | None:
    """The self-test on the page; None where there is none."""
    if not body:
        return None
    if body.get("failed"):
        return tag("p", f"No self-test: {one_line(body['failed'], 200)}", class_="note")
    rows = [
        (
            join([mono(s.get("code"), 12), f" {code_name(s.get('code'))}"]),
            num(count(s.get("planted"))),
            num(_span(s.get("recall"))),
            num(_span(s.get("precision"))),
        )
        for s in items(body.get("scores"))
    ]
    columns = [
        Column("Finding"),
        Column("Planted", "num"),
        Column("Found", "num"),
        Column("Right of flagged", "num"),
    ]
    note = tag("p", f"{_about(body)}. In brackets the 95 % interval. {_ranking(body)}", class_="note")
    return join([tag("div", table("Self-test", columns, rows)), note])
