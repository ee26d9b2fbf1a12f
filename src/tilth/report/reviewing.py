"""What the verb about several reviewers prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tilth.report.format import NONE, count, items, mapping, number, one_line
from tilth.report.screen import Col, Screen

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["agreement_words", "disagreements", "given_back", "lease", "people"]

Json = Mapping[str, Any]
SHOWN = 20


def agreement_words(body: Json) -> str:
    """How far people agree, in a sentence; "" where no row has two voices."""
    rows = count(body.get("rows"))
    alpha = mapping(body.get("alpha"))
    value, low, high = (number(alpha.get(k)) for k in ("value", "low", "high"))
    observed = number(body.get("observed"))
    if observed is None:
        return ""
    drawn = f"on {rows} rows that two people judged blind, {count(body.get('drawn'))} of them drawn"
    if value is None or low is None or high is None:
        return f"agreement {observed:.0%} {drawn}"
    return f"agreement {observed:.0%}, alpha {value:.2f} [{max(low, -1.0):.2f}, {high:.2f}] {drawn}"


def people(console: Console, body: Json) -> None:
    """Who reviews."""
    screen, found = Screen(console), items(body.get("people"))
    if not found:
        screen.line("nobody has decided anything yet")
        screen.next("tilth review")
        return
    lines: list[list[str | Text]] = [
        [
            screen.data(p.get("reviewer"), 40),
            count(p.get("verdicts")),
            f"{number(p.get('per_minute')) or 0:.1f}",
            count(p.get("leased")),
            one_line(p.get("last"), 25) or NONE,
        ]
        for p in found
    ]
    heads = [
        Col("reviewer"), Col("verdicts", "num"), Col("a minute", "num"), Col("in hand", "num"),
        Col("last", "id"),
    ]  # fmt: skip
    screen.table(heads, lines)
    waiting, differ = count(body.get("waiting")), count(body.get("disagreements"))
    screen.line(f"{waiting} rows wait for a second opinion, on {differ} people differ")
    if words := agreement_words(mapping(body.get("agreement"))):
        screen.line(words)
    if body.get("disagreements"):
        screen.next("tilth reviewers --disagreements --out differ.csv")


def lease(console: Console, body: Json) -> None:
    """Rows that were handed out."""
    screen, made = Screen(console), mapping(body.get("lease"))
    rows, who = items(made.get("rows")), one_line(made.get("reviewer"), 40)
    hours = number(made.get("hours")) or 0.0
    screen.line(
        f"{count(len(rows))} rows in the hands of {who} for {hours:g} hours; nobody else is handed them"
    )
    file = made.get("file")
    if file:
        screen.line("fill in `verdict` (keep, relabel, ambiguous, drop, skip) and, for relabel, `label`")
        screen.next(f"tilth verdict {one_line(file, 200)} --reviewer {who}")
        return
    screen.line()
    lines: list[list[str | Text]] = [
        [one_line(r.get("id"), 32), screen.data(r.get("text"), 90), screen.data(r.get("given"), 40)]
        for r in rows[:SHOWN]
    ]
    screen.table([Col("row"), Col("text"), Col("label")], lines)


def given_back(console: Console, body: Json) -> None:
    """Rows that went back."""
    Screen(console).line(f"{one_line(body.get('given_back'), 40)} holds no rows by file any more")


def disagreements(console: Console, body: Json) -> None:
    """Rows on which people differ."""
    screen, rows = Screen(console), items(body.get("disagreements"))
    if not rows:
        screen.line("people differ on no row")
        return
    lines: list[list[str | Text]] = []
    for r in rows[:SHOWN]:
        said = "; ".join(
            f"{v['reviewer']}: {v['verdict']}{' ' + v['label'] if v['label'] else ''}"
            for v in map(mapping, items(r.get("verdicts")))
        )
        lines.append([one_line(r.get("id"), 32), screen.data(r.get("text"), 60), screen.data(said, 120)])
    screen.table([Col("row"), Col("text"), Col("said")], lines)
    if len(rows) > SHOWN:
        screen.line(f"{SHOWN} of {count(len(rows))} rows shown", style="dim")
    file = body.get("file")
    screen.next(
        f"tilth verdict {one_line(file, 200)} --reviewer NAME"
        if file
        else "tilth reviewers --disagreements --out differ.csv"
    )
