"""What the verbs about sets of rows print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tilth.report.format import NONE, count, items, mapping, number, one_line
from tilth.report.screen import Col, Screen

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["decided", "preview", "sets"]

Json = Mapping[str, Any]
CLASSES = 8


def _counts(body: object) -> str:
    """Names with their numbers, the most frequent first."""
    known = list(mapping(body).items())
    more = f" and {len(known) - CLASSES} more" if len(known) > CLASSES else ""
    return ", ".join(f"{one_line(k, 40)} {count(n)}" for k, n in known[:CLASSES]) + more or "none"


def _short(key: object) -> str:
    """So much of a key as names it."""
    return one_line(str(key)[:12], 12)


def preview(console: Console, body: Json) -> None:
    """A set, and what a decision on it would do."""
    screen, found = Screen(console), mapping(body.get("preview"))
    screen.line(f"{count(found.get('count'))} rows, of whose labels about {found.get('errors')} are wrong")
    screen.line(f"labelled: {_counts(found.get('given'))}")
    screen.line(f"suggested: {_counts(found.get('suggested'))}")
    screen.line(f"have a verdict: {_counts(found.get('verdicts'))}")
    lines: list[list[str | Text]] = [
        [
            one_line(r.get("id"), 32), screen.data(r.get("text"), 90), screen.data(r.get("given"), 40),
            screen.data(r.get("suggested"), 40),
            NONE if number(r.get("p_wrong")) is None else f"{r['p_wrong']:.2f}",
        ]
        for r in items(found.get("sample"))
    ]  # fmt: skip
    heads = [Col("row"), Col("text"), Col("label"), Col("suggested"), Col("P(wrong)", "num")]
    if lines:
        screen.line()
        screen.table(heads, lines)
    if not found.get("decision"):
        screen.next("add --decide keep, relabel, ambiguous or drop")
        return
    to = f" to {one_line(found.get('label'), 60)}" if found.get("label") is not None else ""
    rest = number(found.get("mistaken"))
    words = "" if rest is None else f"; about {rest:g} of these verdicts would be wrong"
    screen.line(
        f"{found['decision']}{to}: {count(found.get('takes'))} rows would get the verdict, "
        f"{count(found.get('changes'))} would change{words}"
    )
    screen.next("the same with --yes")


def decided(console: Console, body: Json) -> None:
    """A decision on a set that was taken, or undone."""
    screen, done = Screen(console), mapping(body.get("decided"))
    if done.get("undone"):
        screen.line(f"undone: {count(done.get('back'))} of {count(done.get('count'))} rows are as before")
        return
    to = f" to {one_line(done.get('label'), 60)}" if done.get("label") is not None else ""
    screen.line(f"{done.get('decision')}{to}: {count(done.get('count'))} rows, as one decision")
    if number(done.get("left")):
        screen.line(f"left as they were: {count(done.get('left'))} rows with a verdict, or without a label")
    screen.line(f"undo: tilth verdict --undo {_short(done.get('key'))}", style="dim")
    screen.next("tilth relabel")


def sets(console: Console, body: Json) -> None:
    """Kept sets, and decisions on sets."""
    screen = Screen(console)
    kept, done = items(body.get("sets")), items(body.get("decided"))
    lines: list[list[str | Text]] = [
        [
            one_line(s.get("id"), 12), screen.data(s.get("name") or "", 40),
            NONE if s.get("rows") is None else count(s["rows"]), screen.data(s.get("where") or "", 80),
        ]
        for s in kept
    ]  # fmt: skip
    if lines:
        screen.table([Col("set"), Col("name"), Col("rows", "num"), Col("filter")], lines)
    else:
        screen.line("no set is kept")
    if done:
        screen.line()
        told: list[list[str | Text]] = [
            [
                _short(d.get("key")), one_line(d.get("decision"), 12), screen.data(d.get("label") or "", 40),
                count(d.get("count")), screen.data(d.get("where") or d.get("set") or "", 60),
                "undone" if d.get("undone") else "",
            ]
            for d in done
        ]  # fmt: skip
        heads = [Col("decision"), Col("what"), Col("label"), Col("rows", "num"), Col("set"), Col("state")]
        screen.table(heads, told)
    screen.next("tilth verdict --where 'p_wrong > 0.9' --decide drop")
