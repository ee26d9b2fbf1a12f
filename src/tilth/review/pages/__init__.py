"""All pages; each group has a file."""

from __future__ import annotations

from tilth.review.desk import Desk
from tilth.review.pages.explore import ExplorePages
from tilth.review.pages.maps import MapPages
from tilth.review.pages.patches import PatchPages
from tilth.review.pages.sets import SetPages
from tilth.review.pages.work import WorkPages
from tilth.review.routes import PageRoute

__all__ = ["pages"]


def pages(desk: Desk) -> list[PageRoute]:
    """Path and handler of each page."""
    groups = (WorkPages(desk), PatchPages(desk), ExplorePages(desk), SetPages(desk), MapPages(desk))
    return [route for group in groups for route in group.routes()]
