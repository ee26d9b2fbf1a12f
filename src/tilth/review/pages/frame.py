"""Frame of every page: HTML of the same objects as the API's JSON; strings of data are always escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
from fastapi.responses import HTMLResponse

from tilth.report import format as form
from tilth.report.cards import change_text
from tilth.report.format import Measure, measure_of
from tilth.review.desk import Desk
from tilth.review.guard import WHO
from tilth.review.looks import Look

__all__ = ["Frame", "Part", "paged"]

PLACES = (
    ("inbox", "/", "Inbox", "w"),
    ("decide", "/decide", "Decide", "r"),
    ("map", "/map", "Map", "m"),
    ("patches", "/patches", "Patches", "p"),
    ("history", "/history", "History", "h"),
    ("explore", "/slices", "Explore", "x"),
    ("monitor", "/monitor", "Monitor", "o"),
)
"""Pages of the navigation: name, address, what it is called, the key after `g`."""
EXPLORE = (
    ("slices", "/slices", "Slices", "s"),
    ("confusions", "/confusions", "Confusions", "c"),
    ("curve", "/curve", "Learning curve", "l"),
    ("duplicates", "/duplicates", "Duplicates", "d"),
    ("annotators", "/annotators", "Annotators", "a"),
    ("guide", "/guide", "Guide", "u"),
)
"""A second line of the navigation, shown on these pages; its keys work on every page."""


@dataclass(frozen=True, slots=True)
class Part:
    """One page of a long list.

    Attributes
    ----------
    items : what it shows.
    page, pages : this one, from 1, and how many there are, at least 1.
    start, total : position of its first item, from 0, and number of all items.
    """

    items: Sequence[Any]
    page: int
    pages: int
    start: int
    total: int


def paged(items: Sequence[Any], page: int, size: int) -> Part:
    """The page of a list, the nearest there is."""
    pages = max(1, -(-len(items) // size))
    page = min(max(page, 1), pages)
    start = (page - 1) * size
    return Part(items[start : start + size], page, pages, start, len(items))


class Frame:
    """Templates, and what each of them knows.

    Parameters
    ----------
    desk : what the server holds in memory.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.jinja = jinja2.Environment(
            loader=jinja2.PackageLoader("tilth.review"), autoescape=True, undefined=jinja2.StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self.jinja.filters |= {
            "visible": form.visible, "minutes": form.minutes, "count": form.count, "stamp": form.stamp,
            "ops": form.ops_text,
        }  # fmt: skip

    def page(self, name: str, here: str, status: int = 200, **more: Any) -> HTMLResponse:
        """A template as an answer; `here` is the page's name in the navigation."""
        project = self.desk.project.workspace.config.name
        places = {"places": PLACES, "explore": EXPLORE, "exploring": here in {name for name, *_ in EXPLORE}}
        body = self.jinja.get_template(name).render(
            here=here, project=project, who=WHO.get(), logins=self.desk.logins, **places, **more
        )
        # a lone surrogate in a row is no reason to show no page
        return HTMLResponse(body.encode("utf-8", "replace"), status)

    def plan_says(self, look: Look, *about: str) -> list[dict[str, Any]]:
        """What the newest plan would do about findings of these codes, or of these kinds; best first.

        A plan takes the rows, too: none is begun while `look` still waits for them.
        """
        plan = self.desk.plan_at_hand()[0] if look.fresh else None
        measure, found = self.measure(), []
        for a in plan["actions"] if plan else ():
            if a["code"] in about or a["kind"] in about:
                shown = {"value": a["gain"], "low": a["low"], "high": a["high"]}
                found.append({**a, "change": None if a["gain"] is None else change_text(shown, measure)})
        return found

    def measure(self) -> Measure:
        """How scores of the goal's metric are written."""
        return measure_of({"metric": self.desk.project.workspace.config.goal.metric})
