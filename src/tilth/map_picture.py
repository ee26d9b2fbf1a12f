"""A map as a picture: colours of classes as in a political map, where their names go, PNG and SVG by hand."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree

__all__ = ["GREY", "TONES", "Territory", "png", "svg", "territory"]

TONES = ("#394bad", "#d4670b", "#198e66", "#ab63b6", "#897430", "#537683", "#534533", "#0c222d")
GREY = "#857c6c"
PAPER = "#ffffff"
SAMPLE, NEAR, CELLS = 30_000, 6, 32


@dataclass(frozen=True)
class Territory:
    """Where classes are on a map.

    Attributes
    ----------
    tone : (c,) number of the colour of each class; classes side by side have different ones.
    anchor : (c, 2) where a class is densest; NaN for a class without rows.
    rows : (c,) rows of each class.
    gathered : (c,) share of its rows around the anchor, 0 to 1; a class all over the map has no place.
    """

    tone: np.ndarray
    anchor: np.ndarray
    rows: np.ndarray
    gathered: np.ndarray


def territory(xy: np.ndarray, given: np.ndarray, classes: int, *, tones: int = 6) -> Territory:
    """Colours and places of classes.

    Parameters
    ----------
    xy : (n, 2) positions, from -1 to 1.
    given : (n,) class numbers, -1 for none.
    tones : number of colours where there are many classes; few are told apart more easily.
    """
    known = np.flatnonzero(given >= 0)
    rows = np.bincount(given[known], minlength=classes)
    tones = min(classes, len(TONES)) if classes <= 2 * len(TONES) else tones
    tone = _tones(_beside(xy[known], given[known], classes), rows, tones)
    anchor, gathered = _anchors(xy, given, rows)
    return Territory(tone, anchor, rows, gathered)


def _beside(xy: np.ndarray, given: np.ndarray, classes: int) -> sp.csr_matrix:
    """(c, c) how often a row of one class lies beside one of another."""
    if len(xy) < 2:
        return sp.csr_matrix((classes, classes))
    some = np.linspace(0, len(xy) - 1, min(SAMPLE, len(xy))).astype(np.int64)
    near = cKDTree(xy).query(xy[some], min(NEAR + 1, len(xy)))[1]
    pairs = np.repeat(given[some], near.shape[1]), given[near.ravel()]
    counts = sp.coo_matrix((np.ones(len(pairs[0])), pairs), shape=(classes, classes)).tocsr()
    return sp.csr_matrix(counts + counts.T)


def _tones(beside: sp.csr_matrix, rows: np.ndarray, tones: int) -> np.ndarray:
    """Largest class first, each gets the colour that its neighbours have least of."""
    out = np.full(len(rows), -1, dtype=np.int64)
    used = np.zeros(tones)
    for c in np.argsort(-rows, kind="stable").tolist():
        line = slice(beside.indptr[c], beside.indptr[c + 1])
        others, weight = beside.indices[line], beside.data[line]
        there = out[others] >= 0
        cost = np.bincount(out[others[there]], weight[there], minlength=tones)
        # equal costs (mostly 0): the colour that was used least
        out[c] = np.lexsort((used, np.round(cost, 6)))[0]
        used[out[c]] += 1
    return out


def _anchors(xy: np.ndarray, given: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean of the rows in and around the fullest cell of each class, and which share they are."""
    out, share = np.full((len(rows), 2), np.nan), np.zeros(len(rows))
    order = np.argsort(given, kind="stable")
    order = order[given[order] >= 0]
    cell = np.clip(((xy + 1.0) * (CELLS / 2)).astype(np.int64), 0, CELLS - 1)
    for c, part in enumerate(np.split(order, np.cumsum(rows)[:-1])):
        if len(part) == 0:
            continue
        count = np.zeros((CELLS + 2, CELLS + 2))
        np.add.at(count, (cell[part, 0] + 1, cell[part, 1] + 1), 1.0)
        around = sum(
            count[1 + a : CELLS + 1 + a, 1 + b : CELLS + 1 + b] for a in (-1, 0, 1) for b in (-1, 0, 1)
        )
        best = np.unravel_index(np.argmax(around + count[1:-1, 1:-1]), (CELLS, CELLS))
        inside = (np.abs(cell[part] - np.array(best)) <= 1).all(axis=1)
        out[c], share[c] = xy[part[inside]].mean(axis=0), inside.mean()
    return out, share


def png(xy: np.ndarray, tone: np.ndarray, *, size: int = 1_200) -> bytes:
    """An indexed PNG; a row is a dot of three by three, two by two with many rows.

    Parameters
    ----------
    tone : (n,) number of the colour of each row, -1 for grey.
    size : pixels a side.
    """
    dot = 3 if len(xy) <= 30_000 else 2
    pixels = np.zeros((size, size), dtype=np.uint8)
    at = ((xy * [1.0, -1.0] * 0.96 + 1.0) / 2 * (size - dot)).astype(np.int64)
    colour = (np.asarray(tone) + 2).astype(np.uint8)
    for dx in range(dot):
        for dy in range(dot):
            pixels[at[:, 1] + dy, at[:, 0] + dx] = colour
    palette = b"".join(bytes.fromhex(c[1:]) for c in (PAPER, GREY, *TONES))
    lines = np.concatenate([np.zeros((size, 1), dtype=np.uint8), pixels], axis=1).tobytes()
    head = struct.pack(">IIBBBBB", size, size, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", head), (b"PLTE", palette), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )


def svg(
    xy: np.ndarray,
    tone: np.ndarray,
    *,
    title: str,
    names: Sequence[str] = (),
    anchor: np.ndarray | None = None,
    size: int = 1_200,
) -> str:
    """An SVG without script: one path of dots for each colour, names of classes over it.

    Parameters
    ----------
    title : what a screen reader says.
    names, anchor : texts and their (c, 2) places; a name that would lie on one before it is left out.
    """
    at = np.round((xy * [1.0, -1.0] * 0.96 + 1.0) / 2 * size, 1)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" role="img">',
        f'<title>{escape(title)}</title><rect width="{size}" height="{size}" fill="{PAPER}"/>',
    ]
    width = float(np.clip(0.35 * size / max(len(xy), 1) ** 0.5, 1.5, 8.0))
    for number in np.unique(tone).tolist():
        dots = "".join(f"M{x:g} {y:g}h0" for x, y in at[tone == number].tolist())
        colour = GREY if number < 0 else TONES[number]
        out.append(f'<path d="{dots}" stroke="{colour}" stroke-width="{width:.1f}" stroke-linecap="round"/>')
    if anchor is not None:
        out += _names(names, np.asarray(anchor), size)
    return "\n".join([*out, "</svg>\n"])


def _names(names: Sequence[str], anchor: np.ndarray, size: int) -> list[str]:
    """Texts that do not lie on each other."""
    out: list[str] = []
    taken: list[tuple[float, float, float]] = []
    for name, (x, y) in zip(names, anchor.tolist(), strict=True):
        if x != x:
            continue
        px, py, half = (x * 0.96 + 1) / 2 * size, (1 - y * 0.96) / 2 * size, 4.0 * len(name) + 4
        if any(abs(px - a) < half + h and abs(py - b) < 18 for a, b, h in taken):
            continue
        taken.append((px, py, half))
        out.append(
            f'<text x="{px:.0f}" y="{py:.0f}" font-family="system-ui, sans-serif" font-size="14" '
            f'text-anchor="middle" fill="#211d17" stroke="{PAPER}" stroke-width="4" paint-order="stroke">'
            f"{escape(name)}</text>"
        )
    return out
