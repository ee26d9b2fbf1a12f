"""The page with the map."""

from __future__ import annotations

from fastapi.responses import HTMLResponse

from tilth.review.pages.frame import Frame
from tilth.review.routes import PageRoute

__all__ = ["MapPages"]


class MapPages(Frame):
    """The map; map.js does the rest."""

    def routes(self) -> list[PageRoute]:
        """Path and handler of each page."""
        return [("/map", self.map)]

    def map(self) -> HTMLResponse:
        """The rows of train in the plane."""
        return self.page("map.html", "map")
