"""What `tilth fleet` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tilth.report.format import NONE, count, items, mapping, number, one_line
from tilth.report.screen import STYLES, Col, Screen

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["fleet"]

Json = Mapping[str, Any]


def fleet(console: Console, body: Json, *, limit: int = 40) -> None:
    """Projects, those that want somebody first.

    Parameters
    ----------
    body : the object that `tilth fleet --json` prints.
    limit : how many are shown, >= 0.
    """
    screen = Screen(console)
    found = items(body.get("projects"))
    counts = mapping(body.get("counts"))
    said = ", ".join(f"{count(n)} {one_line(state, 12)}" for state, n in counts.items() if number(n))
    screen.line(f"{count(len(found))} projects: {said}")
    heads = [
        Col("project"),
        Col("state", "id"),
        Col("rows", "num"),
        Col("days old", "num"),
        Col("patches", "num"),
    ]
    heads += [Col("questions", "num"), Col("findings", "num"), Col("released", "id"), Col("what")]
    screen.table(heads, [_line(screen, m) for m in found[:limit]])
    if len(found) > limit:
        screen.line(f"{limit} of {len(found)} shown; --limit shows more", style="dim")
    first = found[0] if found else {}
    where = one_line(f"{body.get('folder')}/{first.get('folder')}", 200)
    verb = {"drifted": "plan", "waiting": "patches"}.get(str(first.get("state")), "status")
    screen.next(f"tilth {verb} --project {where}")


def _line(screen: Screen, m: Json) -> list[str | Text]:
    bad = m.get("state") in ("broken", "drifted")
    days = number(m.get("days"))
    released = one_line(m.get("released"), 10) if m.get("released") else NONE
    what = m.get("error") or m.get("drift") or "; ".join(m.get("did") or ())
    return [
        screen.data(m.get("folder"), 40),
        screen.text(one_line(m.get("state"), 8), STYLES["worse"] if bad else ""),
        count(m.get("rows")),
        NONE if days is None else f"{days:.0f}",
        count(m.get("patches")),
        NONE if m.get("questions") is None else count(m.get("questions")),
        NONE if m.get("findings") is None else count(m.get("findings")),
        released + (" (behind)" if m.get("behind") else ""),
        screen.data(what, 160),
    ]
