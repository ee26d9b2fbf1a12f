"""The map in a real browser: painted points, a lasso against numpy, a row by keyboard alone, sets, slices."""

from __future__ import annotations

import json
import struct
import urllib.request
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from browser_kit import Tab, browser, chromium
from loop_kit import js, lines, write
from page_kit import Server

pytest.importorskip("fastapi", reason="the extra `review` is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine: the page is not tried"),
]
EVIL = " <script>window.owned=1</script><b id=owned>\u202e"
READY = "document.getElementById('map-page').dataset.state === 'ready' && window.tilthFrame !== undefined"
SIZE = 900


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A project whose rows try to break the page, its server, a tab, and where the rows are by the server."""
    folder = tmp_path_factory.mktemp("map")
    write(folder / "train.csv", [(a, b + EVIL, c, d) for a, b, c, d in lines(400, seed=1)])
    write(folder / "eval.csv", lines(100, seed=2))
    js("ingest", "train.csv", "--eval", "eval.csv", "--project", "p", cwd=folder)
    server = Server(folder)
    try:
        with browser(folder) as window:
            tab = window.tab()
            base, _, query = server.start().partition("?")
            tab.open(f"{base}map?{query}")
            tab(
                "Emulation.setDeviceMetricsOverride",
                width=1400,
                height=SIZE,
                deviceScaleFactor=1,
                mobile=False,
            )
            tab.wait(READY, 120)
            ask = urllib.request.Request(
                f"{base}api/map/points", headers={"Authorization": "Bearer " + query.partition("=")[2]}
            )
            with urllib.request.urlopen(ask, timeout=60) as answer:
                raw = answer.read()
            n = struct.unpack("<I", raw[8:12])[0]
            xy = np.stack(
                [np.frombuffer(raw, "<f4", n, 16), np.frombuffer(raw, "<f4", n, 16 + 4 * n)], axis=1
            )
            yield SimpleNamespace(folder=folder, tab=tab, base=base, xy=xy.astype(float))
    finally:
        server.kill()


def visit(site: SimpleNamespace, query: str = "") -> Tab:
    site.tab.open(f"{site.base}map{query}")
    site.tab.wait(READY, 60)
    return site.tab


def box(tab: Tab) -> dict[str, float]:
    shape = "(() => { const r = document.getElementById('over').getBoundingClientRect();"
    return dict(tab.js(shape + " return {x: r.x, y: r.y, width: r.width, height: r.height}; })()"))


def on_screen(site: SimpleNamespace, at: Any, zoom: float = 1.0) -> np.ndarray:
    """Where rows are in the window when the middle of the map is in the middle."""
    b = box(site.tab)
    scale = zoom * 0.93 * min(round(b["width"]), round(b["height"])) / 2
    xy = site.xy[at] * [scale, -scale]
    return np.asarray(xy + np.array([b["x"] + b["width"] / 2, b["y"] + b["height"] / 2]))


def mouse(tab: Tab, kind: str, place: Any, **more: Any) -> None:
    x, y = (float(v) for v in place)
    tab("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1, **more)


def inside(xy: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Even-odd rule, by its definition: crossings of a ray to the right."""
    found = np.zeros(len(xy), dtype=bool)
    for (ax, ay), (bx, by) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        crosses = (ay > xy[:, 1]) != (by > xy[:, 1])
        with np.errstate(divide="ignore", invalid="ignore"):
            at = (bx - ax) * (xy[:, 1] - ay) / (by - ay) + ax
        found ^= crosses & (xy[:, 0] < at)
    return found


def test_every_row_is_painted_and_nothing_of_it_is_obeyed(site: SimpleNamespace) -> None:
    tab = visit(site, "?names=off")
    places = on_screen(site, slice(None)) - [box(tab)["x"], box(tab)["y"]]
    script = """
    (() => {
      const c = document.getElementById('points');
      const image = c.getContext('2d').getImageData(0, 0, c.width, c.height);
      const v = new Uint32Array(image.data.buffer), paper = v[0];
      return {painted: v.reduce((a, p) => a + (p !== paper), 0),
              missing: PLACES.filter(([x, y]) => v[(y | 0) * c.width + (x | 0)] === paper).length};
    })()
    """.replace("PLACES", json.dumps(places.tolist()))
    found = tab.js(script)
    assert found["missing"] == 0
    assert 400 * 20 < found["painted"] < 400 * 110
    mouse(tab, "mouseMoved", on_screen(site, 5))
    tab.wait("!document.getElementById('tip').hidden")
    tip = tab.js("document.getElementById('tip-text').textContent")
    assert "<script>" in tip
    assert "⟦U+202E⟧" in tip
    assert not tab.js("window.owned || document.getElementById('owned')")
    assert tab.faults() == []


def test_a_lasso_counts_what_numpy_counts_and_becomes_a_set(site: SimpleNamespace) -> None:
    tab = visit(site)
    b = box(tab)
    turn = np.linspace(0, 2 * np.pi, 60)
    star = (
        np.stack([np.cos(turn), np.sin(turn)], axis=1)
        * (0.28 + 0.1 * np.cos(5 * turn))[:, None]
        * b["height"]
    )
    path = star + np.array([b["x"] + b["width"] / 2 + 30, b["y"] + b["height"] / 2])
    tab.key("l")
    mouse(tab, "mousePressed", path[0])
    for place in path[1:]:
        mouse(tab, "mouseMoved", place)
    mouse(tab, "mouseReleased", path[-1])
    tab.wait("!document.getElementById('chosen').hidden")
    polygon = np.array(tab.js("window.tilthLasso.polygon"))
    wanted = inside(site.xy, polygon)
    assert 50 < wanted.sum() < 350
    said = tab.js("document.getElementById('chosen-count').textContent")
    assert said.startswith(f"{wanted.sum()} rows")
    tab.js("document.getElementById('review-chosen').click()")
    tab.wait("location.pathname === '/decide/set'")
    made = js("sets", "--project", "p", cwd=site.folder)
    sets = made if isinstance(made, list) else made["sets"]
    assert sets[-1]["rows"] == wanted.sum()
    there = "[...document.querySelectorAll('#count a')].find((a) => a.textContent === 'On the map')"
    tab.wait(f"Boolean({there})")
    tab.js(f"{there}.click()")
    tab.wait("location.pathname === '/map' && document.getElementById('chosen-count')?.textContent")
    assert tab.js("document.getElementById('chosen-count').textContent") == said


def test_a_row_by_keyboard_alone(site: SimpleNamespace) -> None:
    tab = visit(site)
    for _ in range(40):
        tab.key("Tab")
        if tab.js("document.activeElement.id") == "over":
            break
    assert tab.js("document.activeElement.id") == "over"
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "+", "+"):
        tab.key(key)
    tab.key("Enter")
    tab.wait("document.activeElement.dataset.row !== undefined")
    tab.wait("new URLSearchParams(location.search).get('zoom') === '2.250'")
    query = tab.js("Object.fromEntries(new URLSearchParams(location.search))")
    middle = np.array([float(query["x"]), float(query["y"])])
    assert middle == pytest.approx([0.2, 0.1], abs=1e-4)
    order = np.argsort(((site.xy - middle) ** 2).sum(axis=1))
    rows = tab.js("[...document.querySelectorAll('#list button')].map((b) => Number(b.dataset.row))")
    assert rows == order[:20].tolist()
    tab.key("ArrowDown")
    tab.key("Enter")
    tab.wait("document.getElementById('row-card').open")
    assert "<script>" in tab.js("document.getElementById('row-card-text').textContent")
    tab.key("Escape")
    tab.wait("!document.getElementById('row-card').open")
    # the same view from its address
    tab.open(tab.js("location.href"))
    tab.wait("document.querySelectorAll('#list button').length === 20", 60)
    again = tab.js("[...document.querySelectorAll('#list button')].map((b) => Number(b.dataset.row))")
    assert again == rows


def test_a_circle_a_class_and_a_slice(site: SimpleNamespace) -> None:
    tab = visit(site)
    tab.key("]")
    tab.key("]")
    tab.wait("!document.getElementById('chosen').hidden || true")
    near = np.sqrt((site.xy**2).sum(axis=1)) <= 0.05 * 1.25
    if near.any():
        assert tab.js("document.getElementById('chosen-count').textContent").startswith(f"{near.sum()} rows")
    tab.key("Escape")
    tab.key("/")
    tab.type("refu")
    tab.wait("document.querySelector('#class-list [aria-selected=true]')?.dataset.label === 'refund'")
    tab.key("Enter")
    tab.wait("new URLSearchParams(location.search).get('class') === 'refund'")
    tab.js("document.activeElement.blur()")
    tab.key("c")
    tab.wait("!document.getElementById('chosen').hidden")
    tab.js("document.getElementById('slice-chosen').click()")
    tab.wait("document.getElementById('slicer-rule').value === 'label == \"refund\"'", 60)
    tab.type("refunds")
    tab.key("Enter")
    tab.wait("document.getElementById('colour').value === 'slice:refunds'", 60)
    assert "refunds = " in (site.folder / "p" / "tilth.toml").read_text("utf-8")
    assert tab.faults() == []


def test_very_many_rows_are_a_density_with_the_choice_on_top(site: SimpleNamespace) -> None:
    tab = visit(site)
    found = tab.js("""
    Promise.all([import('/static/map_draw.js'), import('/static/map_data.js')]).then(([d, m]) => {
      const n = 400000, x = new Float32Array(n), y = new Float32Array(n);
      const canvas = document.createElement('canvas');
      let s = 1;
      const draw = () => (s = (s * 48271) % 2147483647) / 2147483647 - 0.5;
      for (let i = 0; i < n; i++) { x[i] = draw() + draw(); y[i] = draw() + draw(); }
      const painter = new d.Painter(canvas);
      painter.resize(600, 600);
      const red = d.colour('#ff0000'), paper = d.colour('#ffffff'), ink = d.colour('#000');
      const order = Uint32Array.from({length: n}, (_, i) => i), colours = new Uint32Array(n).fill(red);
      const look = {colours, order, split: n - 5, radius: 1, raised: 3, paper, ink};
      const view = {cx: 0, cy: 0, scale: 280};
      painter.draw({x, y, n}, view, look);
      const at = (i) => painter.pixels[((300 - y[i] * 280) | 0) * 600 + ((x[i] * 280 + 300) | 0)];
      const cells = new m.Cells(x, y), near = cells.nearest(0.1, 0.2, 20).map((f) => f.d);
      const all = Array.from(x, (v, i) => Math.hypot(v - 0.1, y[i] - 0.2)).sort((a, b) => a - b);
      return {dense: n > d.DENSE, top: [1, 2, 3, 4, 5].every((k) => at(n - k) === red),
              red: painter.pixels.reduce((a, p) => a + (p === red), 0),
              painted: painter.pixels.reduce((a, p) => a + (p !== paper), 0),
              nearest: near.every((v, i) => Math.abs(v - all[i]) < 1e-6),
              empty: m.inside(x, y, [[0, 0], [1, 1]]).includes(1)};
    })
    """)  # fmt: skip
    assert found["dense"]
    assert found["top"]
    assert found["nearest"]
    assert not found["empty"]
    assert 5 * 20 <= found["red"] <= 5 * 37  # the five alone: the others are grey
    assert 600 * 600 / 4 < found["painted"] < 600 * 600
