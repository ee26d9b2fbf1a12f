"""What the verbs about verdicts print, and the lines of an audit that rest on verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tilth.report.format import NONE, count, items, mapping, number, one_line, ops_text, share
from tilth.report.screen import Col, Screen

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["errors_line", "relabel", "sample", "trust", "verdict"]

Json = Mapping[str, Any]
SHOWN = 20


def sample(console: Console, body: Json) -> None:
    """Rows that were drawn."""
    screen, rows = Screen(console), items(body.get("rows"))
    screen.line(
        f"draw {one_line(body.get('id'), 12)}: {count(len(rows))} of {count(body.get('population'))} rows, "
        "in random order; each row's chance of being drawn is on record"
    )
    lines: list[list[str | Text]] = [
        [
            one_line(r.get("id"), 32),
            screen.data(r.get("text"), 90),
            screen.data(r.get("given"), 40),
            screen.data(r.get("suggested"), 40),
            NONE if number(r.get("p_wrong")) is None else f"{r['p_wrong']:.2f}",
        ]
        for r in rows[:SHOWN]
    ]
    screen.line()
    heads = [Col("row"), Col("text"), Col("label"), Col("suggested"), Col("P(wrong)", "num")]
    screen.table(heads, lines)
    if len(rows) > SHOWN:
        screen.line(f"{SHOWN} of {len(rows)} rows shown", style="dim")
    file = body.get("file")
    if file:
        screen.line("fill in `verdict` (keep, relabel, ambiguous, drop, skip) and, for relabel, `label`")
    screen.next(f"tilth verdict {one_line(file, 200)}" if file else "tilth sample --out review.csv")


def verdict(console: Console, body: Json) -> None:
    """What was taken in, and what is believed by now."""
    screen = Screen(console)
    for name, words in (("added", "taken in"), ("standing", "on record")):
        counts = mapping(body.get(name))
        listed = ", ".join(f"{count(n)} {one_line(k, 12)}" for k, n in counts.items())
        if listed or name == "standing":
            screen.line(f"verdicts {words}: {listed or 'none'}")
    trust(screen, mapping(body.get("trust")))
    screen.next("tilth relabel" if mapping(body.get("standing")) else "tilth sample --out review.csv")


def errors_line(body: Json) -> str:
    """How many labels are wrong, with the interval and what it rests on."""
    errors, n = mapping(body.get("errors")), count(body.get("verdicts"))
    value, low, high = (number(errors.get(k)) for k in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return ""
    rest = (
        f"by {n} verdicts"
        if body.get("basis") == "verdicts"
        else "uncalibrated: by what other data sets showed, no verdict yet"
    )
    return f"about {count(value)} labels are wrong [{count(low)} to {count(high)}], {rest}"


def trust(screen: Screen, body: Json) -> None:
    """Errors left, and what a claimed P(wrong) stands for."""
    if line := errors_line(body):
        screen.line(line)
    meaning = items(body.get("meaning"))
    if not meaning:
        return
    screen.line()
    lines: list[list[str | Text]] = [
        [f"{m['claimed']:.2f}", f"{m['value']:.2f}", f"[{m['low']:.2f}, {m['high']:.2f}]"] for m in meaning
    ]
    screen.table([Col("P(wrong) claimed", "num"), Col("believed", "num"), Col("90 % interval", "id")], lines)


def relabel(console: Console, body: Json) -> None:
    """The patch that was proposed."""
    screen = Screen(console)
    rate, estimate = number(body.get("fdr")), mapping(body.get("estimate"))
    n = count(body.get("verdicts"))
    rest = f"{n} verdicts" if body.get("basis") == "verdicts" else "the prior alone (no verdict yet)"
    if body.get("id") is None:
        why = "nothing was decided" if rate is None else f"no set of rows keeps a rate of {rate:g} by {rest}"
        screen.line(f"nothing to change: {why}")
        screen.next("tilth sample --out review.csv")
        return
    screen.line(screen.data(body.get("title"), 120, "bold"))
    screen.line(f"patch {one_line(body['id'], 16)}: {ops_text(body.get('ops'))}", style="dim")
    if rate is not None and number(estimate.get("value")) is not None:
        low, high = share(estimate.get("low")), share(estimate.get("high"))
        screen.line(
            f"of {count(body.get('bulk'))} rows in bulk about {share(estimate['value'])} wrong "
            f"[{low}, {high}], by {rest}"
        )
    screen.next(f"tilth trial {one_line(body['id'], 16)}")
