"""Actions on the map: positions and classes as one block of bytes, rows by position, slices as bits."""

from __future__ import annotations

from typing import Any

import fastapi
from fastapi.responses import Response

from tilth.review.atlas import Atlas
from tilth.review.desk import Desk
from tilth.review.routes import Route

__all__ = ["MapActions"]


class MapActions:
    """The map of the head of train: `tilth map`.

    Parameters
    ----------
    desk : what the server holds in memory.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk, self.project, self.atlas = desk, desk.project, Atlas(desk)

    def map(self) -> Any:
        """How far the map is; its classes, slices and faithfulness: `tilth map`."""
        return self.atlas.state()

    def points(self) -> Response:
        """Every row in columns of little-endian numbers (docs/howto/map.md): `tilth map --out`."""
        return Response(self.atlas.points(), media_type="application/octet-stream")

    def mask(self, name: str) -> Response:
        """One bit a row, the lowest first: whether it is in a slice of tilth.toml."""
        return Response(self.atlas.mask(name), media_type="application/octet-stream")

    def cards(self, version: str, at: list[int] = fastapi.Query(default=[])) -> Any:  # noqa: B008
        """What is to be seen of rows by their position on the map; at most 60 at once."""
        return self.atlas.cards(version, at)

    def routes(self) -> list[Route]:
        """Method, path and handler of each action."""
        return [
            ("GET", "/map", self.map), ("GET", "/map/points", self.points), ("GET", "/map/slice", self.mask),
            ("GET", "/map/rows", self.cards),
        ]  # fmt: skip
