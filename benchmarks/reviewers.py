"""Ten reviewers at once, 10,000 decisions through the HTTP API while the server is killed and started again.

    python benchmarks/reviewers.py [DECISIONS] [REVIEWERS] [KILLS] [ONLY]

The page's server with a password file, in a process of its own; the reviewers are threads of this process and do what the page
does (`tests/loop/reviewer_kit.py`): log in once, take 40 rows in hand, send each decision on its own as soon as it is taken, send
it again with the same key until it is answered, ask for rows after 20. They decide as fast as they are answered. The server
gets SIGKILL when equal parts of the decisions are taken, and is started on the same port. Every tenth row wants a second opinion. Data:
30,000 made-up texts of which enough want a verdict; and BANKING77 (10,003 rows, 77 classes, 20 % of the labels wrong), where the rows
that are worth a verdict end before. No peer is run: none of those in peers.md hands rows out by lease through an
API that can be driven this way without its own database server.

Also: the same reviewers on a server that nobody kills, and with the pace of people (a decision in 2 s each) the calls' latency alone.
"""

from __future__ import annotations

import csv
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import banking77, plant, save

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "loop"))
from loop_kit import lines, write
from reviewer_kit import Work, judge, review
from review_page import tilth


def settled(folder: Path) -> None:
    """Second opinions in project `p`."""
    settings = folder / "p" / "tilth.toml"
    settings.write_text(settings.read_text().replace("second_opinion = 0.0", "second_opinion = 0.1"))


def banking(folder: Path) -> dict[str, str]:
    """BANKING77 with planted errors; verdicts at random."""
    texts, labels, test, truth = banking77()
    given = plant(labels, 0.2, "symmetric", 0, {})
    files = (("train.csv", zip(texts, given, strict=True)), ("eval.csv", zip(test, truth, strict=True)))
    for name, rows in files:
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("text", "label"))
            writer.writerows(rows)
    tilth(folder, "ingest", "train.csv", "--eval", "eval.csv", "--label", "label", "--project", "p")
    settled(folder)
    return {}


def made_up(folder: Path) -> dict[str, str]:
    """Made-up texts, 30 % of the labels wrong: enough rows that want a verdict; verdicts by the truth."""
    rows = lines(30_000, 1, wrong=0.3)
    write(folder / "train.csv", rows)
    write(folder / "eval.csv", lines(300, 2, wrong=0.0))
    tilth(folder, "ingest", "train.csv", "--eval", "eval.csv", "--label", "label", "--project", "p")
    settled(folder)
    return {row: true for row, _, _, true in rows}


def latency(work: Work) -> dict[str, Any]:
    """Milliseconds of the calls that were answered."""
    out: dict[str, Any] = {}
    for path, seconds in work.times.items():
        p50, p95 = 1000 * np.percentile(seconds, [50, 95])
        out[path.rpartition("/")[2]] = {
            "calls": len(seconds), "p50_ms": round(float(p50), 1), "p95_ms": round(float(p95), 1),
            "max_ms": round(1000 * max(seconds), 1),
        }  # fmt: skip
    return out


def run(
    name: str,
    make: Callable[[Path], dict[str, str]],
    *,
    reviewers: int,
    wanted: int,
    kills: int,
    pause: float = 0.0,
) -> dict[str, Any]:
    """One run on a fresh project."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        truth = make(folder)
        work, about = review(
            folder, reviewers=reviewers, wanted=wanted, kills=kills, pause=pause, apart=0.5, truth=truth
        )
        found = judge(folder, work)
    assert not work.faults, work.faults
    seconds = about["seconds"]
    return {
        "run": name, "reviewers": reviewers, "kills": kills, **found, "acknowledged": len(work.saved),
        "seconds": round(seconds, 1), "server_away_s": round(about["away"], 1),
        "first_lease_s": round(about["first"], 1),
        "per_minute": round(60 * len(work.taken) / seconds),
        "per_minute_while_there": round(60 * len(work.taken) / (seconds - about["away"])),
        "calls": latency(work), "server_peak_mib": about["peak_mib"],
    }  # fmt: skip


def main() -> None:
    """Measure, print, keep."""
    given, only = [int(x) for x in sys.argv[1:4]], " ".join(sys.argv[4:])
    wanted, reviewers, kills = [*given, *(10_000, 10, 5)[len(given) :]]
    out = []
    for name, make, options in (
        ("killed", made_up, {"wanted": wanted, "kills": kills}),
        ("killed, BANKING77", banking, {"wanted": wanted, "kills": kills}),
        ("not killed, BANKING77", banking, {"wanted": wanted // 5, "kills": 0}),
        ("at the pace of people, BANKING77", banking, {"wanted": wanted // 50, "kills": 0, "pause": 2.0}),
    ):
        if only and only not in name:
            continue
        out.append(run(name, make, reviewers=reviewers, **options))
        print(json.dumps(out[-1]), flush=True)
    save(
        "reviewers",
        {"date": time.strftime("%Y-%m-%d"), "cores": os.cpu_count(), "load": os.getloadavg()[0], "runs": out},
    )


if __name__ == "__main__":
    main()
