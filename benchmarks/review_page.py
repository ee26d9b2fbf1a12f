"""The review page: milliseconds from a key to the next row on the screen, in a real browser.

    python benchmarks/review_page.py [KEYS]

Headless Chromium presses keep and relabel in turn on the Decide page, once calmly (4 a second) and once as a burst (20 a
second), on the example tickets and on BANKING77 (10,003 rows, 77 classes; 20 % of the labels wrong). A time runs from the
key's own time stamp to the first task after the frame in which the next row was drawn. Also: seconds from the start of the
server to the first row on the screen, seconds until the queue knows a batch of verdicts, the server's peak memory, and
whether each verdict is in the store once, in order, on the row that was on the screen. No peer is run: ten stacks were
compared before this page was written, see docs/decisions/0016-review-page.md.
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

from common import Missing, banking77, plant, save

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "loop"))
from browser_kit import WATCH, browser, chromium, sign_in


def tilth(folder: Path, *argv: str) -> None:
    """One command that must succeed."""
    subprocess.run([sys.executable, "-m", "tilth.cli", *argv], cwd=folder, check=True, capture_output=True)


def tickets(folder: Path) -> None:
    """Project `p` of the example tickets."""
    tilth(folder, "example", "demo")
    files = ("demo/tickets.csv", "--eval", "demo/tickets_eval.csv", "--label", "queue")
    tilth(folder, "ingest", *files, "--project", "p")


def banking(folder: Path) -> None:
    """Project `p` of BANKING77 with planted errors."""
    texts, labels, test, truth = banking77()
    given = plant(labels, 0.2, "symmetric", 0, {})
    for name, rows in (
        ("train.csv", zip(texts, given, strict=True)),
        ("eval.csv", zip(test, truth, strict=True)),
    ):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("text", "label"))
            writer.writerows(rows)
    tilth(folder, "ingest", "train.csv", "--eval", "eval.csv", "--label", "label", "--project", "p")


def keys(tab: Any, count: int, gap: float) -> dict[str, Any]:
    """Press keys; the times, and the rows that were on the screen."""
    tab.js("window.tilthTimes = []; window.tilthRows = []; true")
    for n in range(count):
        began = time.monotonic()
        tab.key("ka"[n % 2])
        time.sleep(max(0.0, gap - (time.monotonic() - began)))
    tab.wait("document.getElementById('save').dataset.open === '0'", 120)
    times, rows = tab.js("window.tilthTimes"), tab.js("window.tilthRows")
    p50, p95 = np.percentile(times, [50, 95])
    out = {
        "keys": len(rows),
        "painted": len(times),
        "p50_ms": round(float(p50), 1),
        "p95_ms": round(float(p95), 1),
    }
    return {"out": out | {"max_ms": round(max(times), 1)}, "rows": rows}


def measure(name: str, make: Any, count: int) -> dict[str, Any]:
    """One data set."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make(folder)
        began = time.monotonic()
        command = [sys.executable, "-m", "tilth.cli", "review", "--no-browser", "--json", "--project", "p"]
        server = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            assert server.stdout is not None
            address = json.loads(server.stdout.readline())["address"]
            with browser(folder) as window:
                tab = window.tab()
                began_page = time.monotonic()
                base, _, query = address.partition("?")
                tab.open(f"{base}decide?{query}")
                tab.wait("!document.getElementById('desk').hidden", 300)
                first = time.monotonic()
                sign_in(tab, address, "script")
                warm = time.monotonic() - first
                tab.js(WATCH)
                calm, burst = keys(tab, count, 0.25), keys(tab, count, 0.05)
                began_list = time.monotonic()
                tab.js("fetch('/api/queue').then((r) => r.json()).then((q) => q.count)")
                refreshed = time.monotonic() - began_list
            peak = next(
                x for x in Path(f"/proc/{server.pid}/status").read_text().splitlines() if "VmHWM" in x
            )
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()
        from tilth.project import Project

        with Project(folder / "p") as project:
            stored = [v.row.id for v in project.workspace.store.verdicts("train", every=True)]
    return {
        "data": name, "start_to_first_row_s": round(first - began, 2), "of_that_browser_s": round(first - began_page, 2),
        "warm_load_s": round(warm, 2), "calm": calm["out"], "burst": burst["out"], "queue_after_verdicts_s": round(refreshed, 2),
        "server_peak_mib": int(peak.split()[1]) // 1024,
        "verdicts_right": stored == calm["rows"] + burst["rows"], "verdicts": len(stored),
    }  # fmt: skip


def main() -> None:
    """Measure, print, keep."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    if chromium() is None:
        sys.exit("no Chromium on this machine")
    out = []
    for name, make in (("tickets", tickets), ("banking77", banking)):
        try:
            out.append(measure(name, make, count))
        except Missing as why:
            print(why)
            continue
        print(json.dumps(out[-1]))
    save(
        "review_page",
        {"date": time.strftime("%Y-%m-%d"), "cores": os.cpu_count(), "load": os.getloadavg()[0], "runs": out},
    )


if __name__ == "__main__":
    main()
