"""Atlas: the map as the page's server holds it: positions that are computed behind the page, and bytes."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilth import maps
from tilth.audit.base import excerpt
from tilth.errors import HeadMoved, InputError, NotFound
from tilth.layout2d import Faithfulness, faithfulness
from tilth.map_picture import Territory, territory
from tilth.maps import Map
from tilth.review.desk import Desk
from tilth.sets import Where
from tilth.slices import Slice
from tilth.worklist import Worklist
from tilth.workspace import TRAIN

__all__ = ["Atlas"]

MAGIC = b"TMAP"
NONE = 0xFFFF
DISAGREES, JUDGED = 1, 2
CARDS, TEXT = 60, 240
RETRY = 10.0
"""Seconds after which what failed is tried again when somebody asks."""
REDRAW = 50
"""Iterations after which the page may draw the layout that is not done yet."""


@dataclass
class _Sheet:
    """Positions of the rows of one version; `drawn` grows when they change."""

    version: str
    xy: np.ndarray
    drawn: int = 0
    done: int = 0
    total: int = 1
    ready: bool = False
    seconds: float = 0.0
    measured: Faithfulness | None = None
    places: tuple[int, Territory] | None = None


class Atlas:
    """The map of the head of train.

    Parameters
    ----------
    desk : what the server holds in memory; its rows are those of the map.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._sheet: _Sheet | None = None
        self._begin = threading.Lock()
        self._worker: threading.Thread | None = None
        self._error, self._failed = "", ("", 0.0)

    def state(self) -> dict[str, Any]:
        """How far the map is, and what its rows are; the page asks again until it is ready."""
        sheet = self._present()
        if sheet is None:
            failed = bool(self._error)
            return {
                "state": "failed" if failed else "reading", "step": "" if failed else self.desk.step,
                "error": self._error, "rows": 0,
            }  # fmt: skip
        found = self._rows(sheet)
        chart = self._map(sheet, found)
        if sheet.places is None or sheet.places[0] != sheet.drawn:
            sheet.places = (sheet.drawn, territory(sheet.xy, chart.given, len(chart.classes)))
        places = sheet.places[1]
        config = self.desk.project.workspace.config
        body = chart.to_json() | {
            "state": "ready" if sheet.ready else "failed" if self._error else "unfolding",
            "error": self._error,
            "step": "", "done": sheet.done, "total": sheet.total,
            "seconds": round(sheet.seconds, 2), "drawn": sheet.drawn,
            "faithfulness": None if sheet.measured is None else sheet.measured.to_json(),
            "flat": sheet.ready and not sheet.xy.any(),
            "slices": [{"name": n, "expression": e} for n, e in config.slices.items()],
        }  # fmt: skip
        columns = (chart.classes, places.rows, places.tone, places.gathered, places.anchor.tolist())
        body["classes"] = [
            {
                "name": name, "rows": int(rows), "tone": int(tone), "gathered": round(float(share), 3),
                "x": _place(x), "y": _place(y),
            }
            for name, rows, tone, share, (x, y) in zip(*columns, strict=True)
        ]  # fmt: skip
        return body

    def points(self) -> bytes:
        """All rows in little-endian columns: see docs/howto/map.md."""
        sheet = self._needed()
        chart = self._map(sheet, self._rows(sheet))
        flags = DISAGREES * ((chart.given >= 0) & (chart.given != chart.predicted)) + JUDGED * chart.judged
        return b"".join(
            [
                MAGIC, struct.pack("<III", 1, len(chart.ids), sheet.drawn),
                sheet.xy[:, 0].astype("<f4").tobytes(), sheet.xy[:, 1].astype("<f4").tobytes(),
                np.where(chart.given < 0, NONE, chart.given).astype("<u2").tobytes(),
                chart.predicted.astype("<u2").tobytes(),
                np.rint(chart.p_wrong * 255).astype(np.uint8).tobytes(), flags.astype(np.uint8).tobytes(),
            ]
        )  # fmt: skip

    def mask(self, name: str = "", where: str = "", kept: str = "") -> bytes:
        """One bit a row, the lowest first: whether it is in a named slice, a filter or a kept set."""
        sheet, ws = self._needed(), self.desk.project.workspace
        rows = self._rows(sheet).view.train
        if where or kept:
            inside = np.zeros(len(rows), dtype=bool)
            inside[self.desk.sets.positions(Where(where, kept))] = True
        elif name in ws.config.slices:
            inside = Slice.parse(name, ws.config.slices[name]).mask(ws.table(rows))
        else:
            raise NotFound(
                f"no slice {name!r} in tilth.toml; there are {', '.join(ws.config.slices) or 'none'}"
            )
        return np.packbits(inside, bitorder="little").tobytes()

    def cards(self, version: str, at: Sequence[int]) -> list[dict[str, Any]]:
        """What is shown of rows by their position on the map."""
        sheet = self._of(version)
        found = self._rows(sheet)
        chart, n = self._map(sheet, found), len(found.view.train)
        if len(at) > CARDS or any(not 0 <= i < n for i in at):
            raise InputError(f"ask for at most {CARDS} rows by positions from 0 to {n - 1:,}")
        return [self._card(chart, found, i) for i in at]

    def _card(self, chart: Map, found: Worklist, i: int) -> dict[str, Any]:
        given = int(chart.given[i])
        return {
            "at": i,
            "id": chart.ids[i],
            "text": excerpt(found.view.texts[i], TEXT),
            "given": None if given < 0 else chart.classes[given],
            "predicted": chart.classes[int(chart.predicted[i])],
            "suggested": chart.classes[int(chart.suggested[i])] if len(chart.classes) > 1 else None,
            "p_wrong": round(float(chart.p_wrong[i]), 4),
            "judged": bool(chart.judged[i]),
        }

    def _present(self) -> _Sheet | None:
        """The sheet of the head; begun where there is none. None while there is nothing to draw."""
        head = self.desk.project.workspace.head(TRAIN).id
        sheet = self._sheet
        if sheet is not None and sheet.version == head:
            return sheet
        with self._begin:
            again = self._failed[0] != head or time.monotonic() - self._failed[1] > RETRY
            if again and (self._worker is None or not self._worker.is_alive()):
                self._error = ""
                self._worker = threading.Thread(target=self._work, daemon=True)
                self._worker.start()
        return None

    def _work(self) -> None:
        """Rows, then positions; each stage is there to be seen."""
        try:
            found = self.desk.worklist(newest=False)
            n = len(found.view.train)
            sheet = _Sheet(found.version, np.zeros((n, 2), dtype=np.float32))

            def watch(done: int, total: int, xy: np.ndarray) -> None:
                sheet.done, sheet.total = done, total
                if done % REDRAW == 0:
                    largest = max(float(np.abs(xy).max(initial=0.0)), 1e-9)
                    sheet.xy = np.asarray(xy / largest, dtype=np.float32)
                    sheet.drawn += 1
                    self._sheet = sheet

            began = time.monotonic()
            sheet.xy = maps.positions(self.desk.project.workspace, found.view, watch=watch)
            sheet.seconds = time.monotonic() - began
            sheet.ready, sheet.drawn, self._sheet = True, sheet.drawn + 1, sheet
            sheet.measured = faithfulness(found.view.features, sheet.xy, found.view.signals.labels)
        except Exception as error:  # a thread has nobody above it: the page has to say what went wrong
            self._failed = (self.desk.project.workspace.head(TRAIN).id, time.monotonic())
            self._error = str(error) or type(error).__name__

    def _rows(self, sheet: _Sheet) -> Worklist:
        found = self.desk.worklist(newest=False)
        if found.version != sheet.version:
            raise HeadMoved("train has a new version; load the page again")
        return found

    def _map(self, sheet: _Sheet, found: Worklist) -> Map:
        name = self.desk.project.workspace.recipe.name
        return maps.drawn(sheet.version, name, found.view, found.trust, sheet.xy, measured=False)

    def _needed(self) -> _Sheet:
        sheet = self._present()
        if sheet is None:
            raise NotFound("the map is not there yet; ask GET /api/map until its state says so")
        return sheet

    def _of(self, version: str) -> _Sheet:
        sheet = self._needed()
        if sheet.version != version:
            raise HeadMoved("train has a new version; load the page again")
        return sheet


def _place(x: float) -> float | None:
    return round(x, 4) if x == x else None
