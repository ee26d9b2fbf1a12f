"""Map: the rows of train in the plane, near where the model sees them alike, with what is believed of each.

Positions depend on the texts alone: a relabel moves nothing. They are computed once for a set of rows under
a recipe and kept in data/maps; a file that cannot be read is computed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tilth import layout2d, map_picture
from tilth.audit.base import View
from tilth.audit.trust import Trust
from tilth.discovery.wording import project
from tilth.errors import InputError
from tilth.export import write_table
from tilth.files import replacing
from tilth.layout2d import Faithfulness, Watch
from tilth.neighbours import Index, Neighbours
from tilth.signals import Progress
from tilth.workspace import TRAIN, Workspace

if TYPE_CHECKING:
    import pandas

__all__ = ["Colour", "Map", "chart", "drawn", "positions", "vectors", "write"]

WIDTH = 256
"""Directions that n-grams are projected to.

BANKING77, share of rows whose label most of the nearest ten on the
map have: 66, 76, 79 % at 32, 128, 256; of the nearest ten by all n-grams, on the map: 24, 39, 47 %.
"""
KEPT = 4
"""Files in data/maps; the oldest goes."""
FORMAT = "tilth map 1"
ENDINGS = ".csv, .tsv, .jsonl, .parquet, .svg, .png"
Colour = Literal["label", "agree", "wrong"]
"""Of a picture: by class; rows of which the model says another class; rows more likely wrong than right."""


@dataclass(frozen=True)
class Map:
    """n rows in the plane.

    Attributes
    ----------
    version, recipe : what is shown, under what.
    ids : of the rows.
    classes : class names, ascending.
    xy : (n, 2) float32 positions, the largest coordinate 1.
    given : (n,) class number, -1 for a row without label.
    predicted : (n,) class number by a model that did not see the row.
    suggested : (n,) the most probable class other than the given one.
    p_wrong : (n,) probability that the given label is wrong.
    judged : (n,) whether a verdict says if the given label is right.
    faithfulness : how far near on the map means near by features; None with too few rows.
    """

    version: str
    recipe: str
    ids: Sequence[str]
    classes: tuple[str, ...]
    xy: np.ndarray
    given: np.ndarray
    predicted: np.ndarray
    suggested: np.ndarray
    p_wrong: np.ndarray
    judged: np.ndarray
    faithfulness: Faithfulness | None = None

    def to_json(self) -> dict[str, Any]:
        """Summary as a JSON object; the rows go to a file."""
        known = self.given >= 0
        return {
            "version": self.version,
            "recipe": self.recipe,
            "rows": len(self.ids),
            "classes": len(self.classes),
            "unlabelled": int((~known).sum()),
            "disagree": int((known & (self.given != self.predicted)).sum()),
            "judged": int(self.judged.sum()),
            "faithfulness": None if self.faithfulness is None else self.faithfulness.to_json(),
        }

    def lines(self) -> list[dict[str, Any]]:
        """One object a row: id, x, y, label, predicted, suggested, p_wrong, judged."""
        names = np.array([*self.classes, None], dtype=object)
        x, y = self.xy.astype(float).round(5).T.tolist() if len(self.ids) else ([], [])
        p = self.p_wrong.astype(float).round(4).tolist()
        said = (names[numbers].tolist() for numbers in (self.given, self.predicted, self.suggested))
        columns = (self.ids, x, y, *said, p, self.judged.tolist())
        keys = ("id", "x", "y", "label", "predicted", "suggested", "p_wrong", "judged")
        return [dict(zip(keys, line, strict=True)) for line in zip(*columns, strict=True)]

    def to_pandas(self) -> pandas.DataFrame:
        """One line a row."""
        from tilth.frames import frame

        return frame(self.lines())

    def _repr_html_(self) -> str:
        from tilth.frames import html_table

        return html_table(f"Map of {len(self.ids):,} rows", [self.to_json() | {"faithfulness": ""}])


def chart(ws: Workspace, progress: Progress | None = None) -> Map:
    """The map of the head of train; positions that are known are not computed again."""
    view, trust = ws.view(progress), ws.trust(progress)
    watch = None if progress is None else lambda done, total, xy: progress("layout", done, total)
    xy = positions(ws, view, watch=watch)
    return drawn(ws.head(TRAIN).id, ws.recipe.name, view, trust, xy)


def drawn(
    version: str, recipe: str, view: View, trust: Trust, xy: np.ndarray, *, measured: bool = True
) -> Map:
    """What is believed of each row, at its position.

    Parameters
    ----------
    measured : say how faithful the positions are; costs a second or two.
    """
    s = view.signals
    faith = layout2d.faithfulness(view.features, xy, s.labels) if measured else None
    return Map(
        version=version,
        recipe=recipe,
        ids=view.train.ids,
        classes=s.classes,
        xy=xy,
        given=s.labels,
        predicted=s.probabilities.argmax(axis=1),
        suggested=np.asarray(trust.suggested),
        p_wrong=s.p_wrong(),
        judged=(s.labels >= 0) & ~trust.open,
        faithfulness=faith,
    )


def write(chart: Map, path: Path, *, colour: Colour = "label") -> None:
    """Write the rows as a table, or a picture of them, by the ending of the name.

    Parameters
    ----------
    path : .csv, .tsv, .jsonl, .parquet, .svg or .png.
    colour : of the picture.

    Raises
    ------
    InputError : unknown ending, or the file cannot be written.
    """
    ending = path.suffix.lower()
    if ending in (".csv", ".tsv", ".jsonl", ".parquet"):
        lines = chart.lines()
        write_table(lambda: lines, path)
        return
    if ending not in (".svg", ".png"):
        raise InputError(f"cannot write {path.name!r}: end the name in {ENDINGS}")
    places = map_picture.territory(chart.xy, chart.given, len(chart.classes))
    order = np.argsort(-places.rows, kind="stable")
    names, anchor = [chart.classes[i] for i in order.tolist()], places.anchor[order]
    tone = np.where(chart.given >= 0, places.tone[chart.given], -1)
    if colour != "label":
        names, anchor = [], anchor[:0]
        doubt = chart.p_wrong if colour == "wrong" else (chart.given != chart.predicted) * 1.0
        tone = np.where((chart.given >= 0) & (doubt > 0.5), 1, -1)
    with replacing(path) as draft:
        if ending == ".png":
            draft.write_bytes(map_picture.png(chart.xy, tone))
        else:
            title = f"Map of {len(chart.ids):,} rows"
            draft.write_text(
                map_picture.svg(chart.xy, tone, title=title, names=names, anchor=anchor),
                "utf-8",
                newline="\n",
            )


def vectors(view: View) -> np.ndarray:
    """(n, d) float32: the embeddings, or the leading directions of the features where there are none."""
    if view.space is not None:
        return np.asarray(view.space.vectors, dtype=np.float32)
    if 0 in view.features.shape:
        return np.zeros((len(view.train), 0), dtype=np.float32)
    return project(view.features, width=WIDTH)


def positions(ws: Workspace, view: View, *, watch: Watch | None = None) -> np.ndarray:
    """(n, 2) float32 layout of the rows, from data/maps where it is known.

    Parameters
    ----------
    watch : told how far it is; first with the principal components, which are there at once.
    """
    path = ws.folder / "data" / "maps" / f"{_key(ws, view)}.npy"
    if (known := _read(path, len(view.train))) is not None:
        return known
    z = vectors(view)
    start = layout2d.principal(z)
    if watch is not None:
        watch(0, layout2d.EARLY + layout2d.LATE, start)
    xy = layout2d.unfold(_near(view, z).index, start, watch=watch)
    _write(path, xy)
    return xy


def _near(view: View, z: np.ndarray) -> Neighbours:
    """The ten nearest rows; those that the audit found already where there are embeddings."""
    if z.shape[1] == 0:
        return Neighbours(
            np.zeros((len(z), 0), np.int32), np.zeros((len(z), 0), np.float32), 1.0, 1.0, True, 0
        )
    if (found := view.neighbours) is not None:
        return found
    return Index.build(z).within(10)


def _key(ws: Workspace, view: View) -> str:
    """Digest of what positions depend on: ids and texts in their order, the recipe, this code."""
    digest = hashlib.sha256(f"{FORMAT}\0{WIDTH}\0{ws.recipe.name}\0{len(view.train)}\0".encode())
    for part in (view.train.ids, view.texts):
        for text in part:
            raw = text.encode("utf-8", "surrogatepass")
            digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()[:32]


def _read(path: Path, rows: int) -> np.ndarray | None:
    """A layout that was kept; None where there is none that can be read."""
    with suppress(OSError, ValueError, EOFError):
        found = np.load(path, allow_pickle=False)
        if found.shape == (rows, 2) and found.dtype == np.float32 and np.isfinite(found).all():
            return np.asarray(found)
    return None


def _write(path: Path, xy: np.ndarray) -> None:
    """Keep a layout, and few old ones."""
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as draft, draft.open("wb") as file:
        np.save(file, xy, allow_pickle=False)
    others = sorted(path.parent.glob("*.npy"), key=lambda p: p.stat().st_mtime)
    for old in others[:-KEPT]:
        old.unlink(missing_ok=True)
