"""What the verbs about the line of versions print: scores, what was restored, comments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tilth.report.format import NONE, count, items, mapping, measure_of, one_line, ops_text, stamp
from tilth.report.screen import Col, Screen

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["comments", "restored", "scores"]

Json = Mapping[str, Any]


def scores(console: Console, body: Json) -> None:
    """Versions with what the trial of each patch measured.

    Parameters
    ----------
    body : the object that `tilth log --scores --json` prints.
    """
    screen, lines = Screen(console), []
    for v in items(body.get("versions")):
        trial = mapping(v.get("trial"))
        measure, effect = measure_of(trial), mapping(trial.get("effect"))
        after = mapping(trial.get("after")).get("value")
        change = (
            f"{measure.change(effect.get('value'))} {measure.span(effect.get('low'), effect.get('high'))}"
        )
        row: list[str | Text] = [
            count(v.get("seq")),
            count(v.get("rows")),
            measure.value(after) if trial else NONE,
        ]
        words = screen.data(v.get("title") or v.get("note"), 80)
        if v.get("author"):
            words.append(f" by {one_line(v['author'], 40)}")
        lines.append(
            [*row, change if trial else NONE, one_line(trial.get("judge"), 18) if trial else "", words]
        )
    columns = [Col("version", "num"), Col("rows", "num"), Col("score", "num"), Col("effect", "num")]
    screen.table([*columns, Col("judged on", "id"), Col("what")], lines)
    screen.line("scores are comparable where they were judged on the same rows", style="dim")
    screen.next("tilth diff train~1 train")


def restored(console: Console, body: Json) -> None:
    """What `tilth restore` did, or would do."""
    screen, would, version = Screen(console), mapping(body.get("would")), mapping(body.get("version"))
    name = f"{one_line(would.get('dataset'), 40)}@{would.get('seq')}"
    undone = ", ".join(one_line(p, 20) for p in would.get("reverts") or ()) or "no patch"
    screen.line(f"back to {name}: undoes {undone}; rows that change: {ops_text(would.get('counts'))}")
    if version:
        made = f"{one_line(version.get('dataset'), 40)}@{version.get('seq')}"
        screen.line(f"restored; {made} has the rows of {name}")
        screen.next("tilth log --scores")
    else:
        screen.next(f"tilth restore {name}")


def comments(console: Console, body: Json) -> None:
    """Comments on a patch, oldest first."""
    screen, found = Screen(console), items(body.get("comments"))
    for c in found:
        screen.line(screen.data(c.get("author"), 60, "bold"), f"  {stamp(c.get('created'))}")
        screen.line("  ", screen.data(c.get("text"), 20_000))
    if not found:
        screen.line("nobody said anything about it yet")
    screen.next(f"tilth patch {one_line(body.get('patch'), 20)}")
