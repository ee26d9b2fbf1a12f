"""All pages; each group has a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tilth.review.desk import Desk
from tilth.review.pages.copies import CopyPages
from tilth.review.pages.explore import ExplorePages
from tilth.review.pages.guide import GuidePages
from tilth.review.pages.history import HistoryPages
from tilth.review.pages.maps import MapPages
from tilth.review.pages.patches import PatchPages
from tilth.review.pages.service import ServicePages
from tilth.review.pages.sets import SetPages
from tilth.review.pages.work import WorkPages
from tilth.review.routes import PageRoute

__all__ = ["pages"]


GROUPS: tuple[Callable[[Desk], Any], ...] = (
    WorkPages,
    PatchPages,
    HistoryPages,
    ExplorePages,
    CopyPages,
    GuidePages,
    SetPages,
    MapPages,
    ServicePages,
)


def pages(desk: Desk) -> list[PageRoute]:
    """Path and handler of each page."""
    return [route for group in GROUPS for route in group(desk).routes()]
