"""Actions on the map: positions and classes as one block of bytes, rows by position, slices as bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import fastapi
from fastapi.responses import Response

from tilth.review.atlas import Atlas
from tilth.review.desk import Desk
from tilth.review.routes import Route
from tilth.sets import unpack_mask

__all__ = ["MapActions"]


@dataclass
class Chosen:
    """Rows chosen on a map: `mask` of `version`, base64 of one bit a row, the first in the lowest bit."""

    mask: str
    version: str


@dataclass
class Named:
    """A slice of a person's own, and its floor, a score of the goal's metric."""

    name: str
    expression: str
    floor: float | None = None


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

    def mask(self, name: str = "", where: str = "", set: str = "") -> Response:
        """One bit a row, the lowest first: whether it is in a slice of tilth.toml, a filter or a kept set."""
        return Response(self.atlas.mask(name, where, set), media_type="application/octet-stream")

    def cards(self, version: str, at: list[int] = fastapi.Query(default=[])) -> Any:  # noqa: B008
        """What is to be seen of rows by their position on the map; at most 60 at once."""
        return self.atlas.cards(version, at)

    def describe(self, body: Chosen) -> Any:
        """Expressions that come near to chosen rows: `tilth slices --like`."""
        ids = unpack_mask(self.project.workspace, body.mask, body.version)
        return {"descriptions": [d.to_json() for d in self.project.describe_rows(ids)]}

    def slice(self, body: Named) -> Any:
        """Write a slice into tilth.toml: `tilth slices --keep NAME --where EXPR`."""
        with self.desk.alone:
            return self.project.add_slice(body.name.strip(), body.expression, floor=body.floor).to_json()

    def routes(self) -> list[Route]:
        """Method, path and handler of each action."""
        return [
            ("GET", "/map", self.map), ("GET", "/map/points", self.points), ("GET", "/map/slice", self.mask),
            ("GET", "/map/rows", self.cards), ("POST", "/map/describe", self.describe),
            ("POST", "/map/slice", self.slice),
        ]  # fmt: skip
