"""The detectors and recipes that there are, on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tilth.report.format import NONE, items, one_line
from tilth.report.screen import Col, Screen

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["plugins"]


def plugins(console: Console, body: Mapping[str, Any]) -> None:
    """A table, and below it what is wrong.

    Parameters
    ----------
    body : the object that `tilth plugins --json` prints.
    """
    screen, found = Screen(console), items(body.get("plugins"))
    columns = [Col("kind"), Col("name", "id"), Col("what"), Col("package", "id"), Col("state", "id")]
    screen.table(
        columns,
        [
            [
                one_line(e.get("kind"), 12),
                one_line(e.get("name"), 40),
                one_line(e.get("title"), 60),
                one_line(e.get("package"), 60),
                one_line(e.get("state"), 20),
            ]
            for e in found
        ],
    )
    for e in found:
        problems = e.get("problems") or []
        if problems:
            screen.line()
            name = f"{one_line(e.get('name'), 40)} ({one_line(e.get('package'), 60)}): {e.get('state', NONE)}"
            screen.line(name, style="yellow" if e.get("state") == "not checked" else "bold yellow")
            for problem in problems:
                screen.line("  ", screen.data(problem, 400))
    if not body.get("checked"):
        screen.next("tilth plugins --check")
