"""Pictures of a map: colours of neighbours differ, names have their place, PNG and SVG can be read."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as tree
import zlib

import numpy as np

from tilth.map_picture import TONES, png, svg, territory


def grid(side: int = 6, per: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Classes in the squares of a board."""
    rng = np.random.default_rng(0)
    number = np.repeat(np.arange(side * side), per)
    corner = np.stack([number % side, number // side], axis=1)
    xy = (corner + rng.uniform(0.05, 0.95, (len(number), 2))) / side * 2 - 1
    return xy.astype(np.float32), number


def test_classes_side_by_side_have_different_colours() -> None:
    xy, number = grid()
    found = territory(xy, number, 37)
    assert len(set(found.tone.tolist())) <= 6
    board = found.tone[:36].reshape(6, 6)
    assert (board[:, 1:] != board[:, :-1]).all()
    assert (board[1:] != board[:-1]).all()
    assert found.rows.tolist() == [40] * 36 + [0]
    assert np.isnan(found.anchor[36]).all()  # a class without rows has no place
    middle = (np.stack([np.arange(36) % 6, np.arange(36) // 6], axis=1) + 0.5) / 6 * 2 - 1
    assert np.abs(found.anchor[:36] - middle).max() < 0.34
    few = territory(xy[number < 5], number[number < 5], 5)
    assert sorted(few.tone) == [0, 1, 2, 3, 4]


def test_a_class_that_is_everywhere_is_not_gathered() -> None:
    xy, number = grid()
    spread = np.where(np.arange(len(xy)) % 2, number, 36)
    found = territory(xy, spread, 37)
    assert found.gathered[:36].min() > 0.25
    assert found.gathered[36] < 0.1


def test_no_rows_and_no_labels() -> None:
    empty = territory(np.zeros((0, 2)), np.zeros(0, dtype=int), 0)
    assert len(empty.tone) == 0
    none = territory(np.zeros((3, 2)), np.full(3, -1), 2)
    assert none.rows.tolist() == [0, 0]
    assert png(np.zeros((0, 2)), np.zeros(0, dtype=int))[:4] == b"\x89PNG"


def test_a_png_has_a_dot_where_a_row_is() -> None:
    xy = np.array([[-1.0, -1.0], [1.0, 1.0], [0.0, 0.0]])
    raw = png(xy, np.array([0, 5, -1]), size=200)
    at, parts = 8, {}
    while at < len(raw):
        size, kind = struct.unpack(">I4s", raw[at : at + 8])
        body = raw[at + 8 : at + 8 + size]
        assert zlib.crc32(kind + body) == struct.unpack(">I", raw[at + 8 + size : at + 12 + size])[0]
        parts[kind], at = body, at + 12 + size
    lines = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(200, 201)[:, 1:]
    assert (lines > 0).sum() == 27  # three dots of nine
    assert lines[190:, :10].max() == 2  # lower left: the first colour
    assert lines[:10, 190:].max() == 7
    assert bytes.fromhex(TONES[0][1:]) == parts[b"PLTE"][6:9]


def test_an_svg_is_well_formed_whatever_classes_are_called() -> None:
    xy, number = grid(2)
    names = ["<b>", "a & b", '"', "x"]
    found = territory(xy, number, 4)
    body = svg(xy, found.tone[number], title="a <map>", names=names, anchor=found.anchor)
    root = tree.fromstring(body)
    space = "{http://www.w3.org/2000/svg}"
    assert root.find(f"{space}title").text == "a <map>"  # type: ignore[union-attr]
    assert {t.text for t in root.iter(f"{space}text")} == set(names)
    assert sum(p.get("d", "").count("M") for p in root.iter(f"{space}path")) == len(xy)
