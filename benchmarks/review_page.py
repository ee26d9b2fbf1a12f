"""The review page: milliseconds from a key to the next row on the screen, in a real browser, by number of rows.

    python benchmarks/review_page.py [KEYS] [NAME ...]

Headless Chromium presses keep and relabel in turn on the Decide page, once calmly (4 a second), once as a burst (20 a
second) and once as quickly as rows are painted (decisions a minute), on the example tickets, on BANKING77 (10,003 rows, 77
classes; 20 % of the labels wrong), and on its texts with a third of their words replaced (1,000 and 100,000 rows, 10 % wrong, as
in speed.py). A time runs from the key's own time stamp to the first task after the frame in which the next row was drawn.
Also: seconds from the start of the server to the first row on the screen, the first time (the model is computed) and again
(it is on disk); seconds until the queue knows a batch of verdicts; load times of pages; a decision on a set and its
undo; the server's memory; and whether each verdict is in the store once, in order, on the row that was on the screen.
A project in TILTH_KEEP/NAME/p is used as it is; its first start is then as quick as the second.
No peer is run: ten stacks were compared before this page was written, see docs/decisions/0016-review-page.md.
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
import urllib.request
from pathlib import Path
from typing import Any

from common import Missing, banking77, plant, save
from speed import rows

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
    write(folder, (texts, given), (test, truth))


def varied(n: int) -> Any:
    """Makes project `p` of n rows: BANKING77's texts, words of them replaced."""

    def make(folder: Path) -> None:
        texts, labels = rows(n)
        _, _, test, truth = banking77()
        write(folder, (texts, labels), (test[:1_000], truth[:1_000]))

    return make


def write(folder: Path, train: Any, test: Any) -> None:
    """Take rows into project `p`."""
    for name, (texts, labels) in (("train.csv", train), ("eval.csv", test)):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("text", "label"))
            writer.writerows(zip(texts, labels, strict=True))
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


def race(tab: Any, count: int) -> dict[str, Any]:
    """A reviewer who decides as soon as a row is there; decisions a minute, and the rows."""
    tab.js("window.tilthTimes = []; window.tilthRows = []; true")
    name = "document.querySelector('#row-name code').textContent"
    began, shown = time.monotonic(), tab.js(name)
    for n in range(count):
        tab.key("ka"[n % 2])
        while (now := tab.js(name)) == shown:
            pass
        shown = now
    took = time.monotonic() - began
    tab.wait("document.getElementById('save').dataset.open === '0'", 120)
    return {"out": round(60 * count / took), "rows": tab.js("window.tilthRows")}


def start(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """The server and its address."""
    command = [sys.executable, "-m", "tilth.cli", "review", "--no-browser", "--json", "--project", "p"]
    server = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdout is not None
    return server, json.loads(server.stdout.readline())["address"]


def stop(server: subprocess.Popen[str]) -> None:
    """End the server."""
    server.send_signal(signal.SIGTERM)
    server.wait()


def first_queue(folder: Path) -> float:
    """Seconds from the start of a server to its answer with the first rows."""
    began = time.monotonic()
    server, address = start(folder)
    try:
        base, _, token = address.partition("/?token=")
        ask = urllib.request.Request(
            f"{base}/api/queue?limit=40", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(ask, timeout=900) as answer:
            json.load(answer)
        return time.monotonic() - began
    finally:
        stop(server)


def load(tab: Any, address: str, there: str) -> float:
    """Milliseconds of the navigation to an address until something is there."""
    tab.open(address)
    tab.wait(there, 120)
    return round(float(tab.js("performance.getEntriesByType('navigation')[0].loadEventEnd")), 1)


def memory(server: subprocess.Popen[str]) -> dict[str, int]:
    """MiB of the server: now, of that its own and not of files, and at most."""
    lines = Path(f"/proc/{server.pid}/status").read_text().splitlines()
    found = {
        line.split(":")[0]: int(line.split()[1]) // 1024
        for line in lines
        if line.startswith(("VmHWM", "VmRSS", "RssAnon"))
    }
    return {"now": found["VmRSS"], "own": found["RssAnon"], "peak": found["VmHWM"]}


def one_decision(tab: Any) -> dict[str, Any]:
    """A decision on a set, and its undo, as the page sends them: seconds, and rows."""
    key = f"bulk-{time.time_ns()}"  # a kept project knows those of earlier runs
    call = """(path, body) => fetch('/api/sets/' + path, {method: 'POST', headers: {'content-type': 'application/json'},
        body: JSON.stringify(body)}).then((r) => r.json())"""
    body = {
        "where": 'text contains "card" and verdict is missing',
        "decision": "keep",
        "reviewer": "script",
        "key": key,
    }
    out: dict[str, Any] = {}
    for name, path, sent in (
        ("look", "look", body),
        ("decide", "decide", body),
        ("undo", f"decided/{key}/undo", {"reviewer": "script"}),
    ):
        began = time.monotonic()
        found = tab.js(f"({call})('{path}', {json.dumps(sent)})")
        out[f"{name}_s"] = round(time.monotonic() - began, 2)
        out["rows"] = found["count"]
    return out


def measure(name: str, make: Any, count: int) -> dict[str, Any]:
    """One data set."""
    kept = Path(os.environ.get("TILTH_KEEP", "")) / name
    with tempfile.TemporaryDirectory() as place:
        folder = kept if (kept / "p").is_dir() else Path(place)
        if folder != kept:
            make(folder)
        before = len(said(folder))
        cold, warm = first_queue(folder), first_queue(folder)
        began = time.monotonic()
        server, address = start(folder)
        try:
            with browser(Path(place)) as window:
                tab = window.tab()
                base, _, query = address.partition("?")
                began_page = time.monotonic()
                tab.open(f"{base}?{query}")
                tab.js("localStorage.setItem('tilth:reviewer', 'script'); true")
                tab.open(f"{base}decide")
                tab.wait("!document.getElementById('desk').hidden", 300)
                first = time.monotonic()
                sign_in(tab, address, "script")
                reload = time.monotonic() - first
                tab.wait("document.getElementById('standing').innerText.includes('Rows')", 120)
                tab.js(WATCH)
                calm, burst, fast = keys(tab, count, 0.25), keys(tab, count, 0.05), race(tab, count)
                began_list = time.monotonic()
                tab.js("fetch('/api/queue?limit=40').then((r) => r.json()).then((q) => q.count)")
                refreshed = time.monotonic() - began_list
                after = memory(server)
                pages = {
                    "decide": load(tab, f"{base}decide", "!document.getElementById('desk').hidden"),
                    "set": load(tab, f"{base}decide/set?text=card", "document.documentElement.dataset.ready"),
                    "inbox": load(tab, base, "document.readyState === 'complete'"),
                    "patches": load(tab, f"{base}patches", "document.readyState === 'complete'"),
                }
                stored = [v.row.id for v in said(folder)][before:]
                bulk = one_decision(tab)
        finally:
            stop(server)
    return {
        "data": name, "first_queue_s": {"model_computed": round(cold, 2), "on_disk": round(warm, 2)},
        "start_to_first_row_s": round(first - began, 2), "of_that_browser_s": round(first - began_page, 2),
        "reload_s": round(reload, 2), "calm": calm["out"], "burst": burst["out"], "decisions_a_minute": fast["out"],
        "queue_after_verdicts_s": round(refreshed, 2), "page_load_ms": pages, "set": bulk, "server_mib": after,
        "verdicts_right": stored == calm["rows"] + burst["rows"] + fast["rows"], "verdicts": len(stored),
    }  # fmt: skip


def said(folder: Path) -> list[Any]:
    """Every verdict in the store, oldest first."""
    from tilth.project import Project

    with Project(folder / "p") as project:
        return project.workspace.store.verdicts("train", every=True)


def main() -> None:
    """Measure, print, keep."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    if chromium() is None:
        sys.exit("no Chromium on this machine")
    out = []
    known = {
        "tickets": tickets,
        "rows-1000": varied(1_000),
        "banking77": banking,
        "rows-100000": varied(100_000),
    }
    for name in sys.argv[2:] or known:
        try:
            out.append(measure(name, known[name], count))
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
