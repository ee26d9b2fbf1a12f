"""The map's page: milliseconds to the first points, a frame while moving, a lasso; memory of page and server.

    python benchmarks/map_page.py [ROWS ...]     default 1000 10000 100000

Projects of BANKING77's rows (above 10,003 with a few words exchanged, 10 % of the labels wrong), text-linear.v1; headless Chromium
without a graphics card, 1,400 x 900. Layout: seconds of the positions alone, by the server's own clock, beside what else the server computes.
First points: from the start of the navigation to the first frame with points, positions known to the server. Frame: from a
key that moves the map to the first task after the frame it is drawn in; draw: script of that frame alone. Lasso: 60 corners, rows tested in
the page; choose: from there to the frame with the choice. Heap: of the page's script after a collection.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import banking77, save
from speed import rows

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "loop"))
from browser_kit import browser, chromium

READY = "document.getElementById('map-page').dataset.state === 'ready' && window.tilthFrame !== undefined"
FRAMES = """
(async () => {
  const over = document.getElementById('over'), frames = [], draws = [];
  const after = () => new Promise((done) => requestAnimationFrame(() => {
    const c = new MessageChannel(); c.port1.onmessage = done; c.port2.postMessage(0); }));
  await after();
  for (let k = 0; k < 60; k++) {
    const key = ['ArrowLeft', 'ArrowUp', 'ArrowRight', 'ArrowDown'][(k >> 2) % 4], began = performance.now();
    over.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));
    await after();
    frames.push(performance.now() - began); draws.push(window.tilthFrame);
  }
  return {frames, draws};
})()
"""


def project(folder: Path, n: int) -> None:
    """Project `p` of n rows."""
    texts, labels = rows(n)
    _, _, test, truth = banking77()
    for name, lines in (
        ("train.csv", zip(texts, labels, strict=True)),
        ("eval.csv", zip(test, truth, strict=True)),
    ):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("text", "label"))
            writer.writerows(lines)
    command = ["ingest", "train.csv", "--eval", "eval.csv", "--label", "label", "--project", "p"]
    subprocess.run([sys.executable, "-m", "tilth.cli", *command], cwd=folder, check=True, capture_output=True)


def spread(times: list[float]) -> dict[str, float]:
    """Percentiles, milliseconds; on a busy machine the 10th is the one to compare."""
    return {f"p{q}_ms": round(float(np.percentile(times, q)), 1) for q in (10, 50, 95)}


def lasso(tab: Any) -> dict[str, Any]:
    """Draw around a star in the middle with the mouse."""
    box = tab.js(
        "(() => { const r = document.getElementById('over').getBoundingClientRect(); return [r.x, r.y, r.width, r.height]; })()"
    )
    turn = np.linspace(0, 2 * np.pi, 60)
    star = np.stack([np.cos(turn), np.sin(turn)], axis=1) * (0.25 + 0.08 * np.cos(5 * turn))[:, None] * box[3]
    path = star + np.array([box[0] + box[2] / 2, box[1] + box[3] / 2])
    tab("Input.dispatchMouseEvent", type="mouseMoved", x=path[0][0], y=path[0][1])
    tab.key("l")
    for kind, (x, y) in [
        ("mousePressed", path[0]),
        *(("mouseMoved", p) for p in path[1:]),
        ("mouseReleased", path[-1]),
    ]:
        tab(
            "Input.dispatchMouseEvent",
            type=kind,
            x=float(x),
            y=float(y),
            button="left",
            buttons=1,
            clickCount=1,
        )
    tab.wait("!document.getElementById('chosen').hidden && window.tilthLasso?.painted")
    found = tab.js(
        "({ms: window.tilthLasso.ms, painted: window.tilthLasso.painted, said: document.getElementById('chosen-count').textContent})"
    )
    chosen = int(found["said"].split()[0].replace(",", ""))
    return {"lasso_ms": round(found["ms"], 1), "choose_ms": round(found["painted"], 1), "chosen": chosen}


def examine(tab: Any) -> dict[str, Any]:
    """The page, whose map is ready: first points, frames, a lasso, its heap."""
    first = []
    for _ in range(5):
        tab("Page.reload")
        tab.wait("window.tilthFirst !== undefined && " + READY, 60)
        first.append(tab.js("window.tilthFirst"))
    tab.wait("document.querySelectorAll('#list tr').length > 0")
    found = tab.js(FRAMES)
    around = lasso(tab)
    tab("HeapProfiler.collectGarbage")
    heap = tab.js("performance.memory.usedJSHeapSize") / 2**20
    return {
        "first_points_ms": spread(first), "frame": spread(found["frames"]), "draw": spread(found["draws"]), **around,
        "page_heap_mib": round(heap, 1), "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip


def measure(n: int) -> dict[str, Any]:
    """One size."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        project(folder, n)
        return serve(folder, n)


def serve(folder: Path, n: int) -> dict[str, Any]:
    """Start the server of a project and look at its map."""
    command = [sys.executable, "-m", "tilth.cli", "review", "--no-browser", "--json", "--project", "p"]
    server = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert server.stdout is not None
        address = json.loads(server.stdout.readline())["address"]
        base, _, query = address.partition("?")
        with browser(folder) as window:
            tab = window.tab()
            tab(
                "Emulation.setDeviceMetricsOverride",
                width=1400,
                height=900,
                deviceScaleFactor=1,
                mobile=False,
            )
            began = time.monotonic()
            tab.open(f"{base}map?{query}")
            tab.wait("window.tilthFrame !== undefined", 900)
            cold = time.monotonic() - began
            tab.wait(READY, 900)
            ready = time.monotonic() - began
            seconds = tab.js("fetch('/api/map').then((r) => r.json()).then((a) => a.seconds)")
            found = examine(tab)
        status = Path(f"/proc/{server.pid}/status").read_text().splitlines()
        peak = next(x for x in status if "VmHWM" in x)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
    return {
        "rows": n, "layout_s": seconds, "start_to_first_look_s": round(cold, 2), "start_to_layout_s": round(ready, 2),
        **found, "server_peak_mib": int(peak.split()[1]) // 1024,
    }  # fmt: skip


def main() -> None:
    """Measure, print, keep; results of other sizes stay."""
    if chromium() is None:
        sys.exit("no Chromium on this machine")
    sizes = [int(a) for a in sys.argv[1:]] or [1_000, 10_000, 100_000]
    path = Path(__file__).parent / "results" / "map_page.json"
    old = json.loads(path.read_text("utf-8"))["runs"] if path.is_file() else []
    out = {r["rows"]: r for r in old}
    for n in sizes:
        out[n] = measure(n)
        print(json.dumps(out[n]), flush=True)
    runs = [out[n] for n in sorted(out)]
    save("map_page", {"date": time.strftime("%Y-%m-%d"), "cores": os.cpu_count(), "runs": runs})


if __name__ == "__main__":
    main()
