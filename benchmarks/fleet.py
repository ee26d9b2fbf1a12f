"""Many small projects in one folder: how long the list takes, and a nightly pass, and whether it is linear.

    python benchmarks/fleet.py [PROJECTS ...]      default 75 150 300

Each project has 300 rows, a release and a server's state with 200 answers, a twentieth of them escalated; every
tenth is broken. The first pass looks for drift and proposes patches in each; the second finds nothing new.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import clock, peak_mib, save

import numpy as np


def seed(folder: Path) -> Path:
    """One project, from which the others are copied."""
    from tilth.project import Project
    from tilth.release import load
    from tilth.serve.state import Answered, Served, State, new_id, stamp

    rng = np.random.default_rng(0)
    words = [[f"{c}{w}" for w in range(12)] for c in "abcde"]

    def write(path: Path, n: int) -> list[str]:
        y = rng.integers(0, 5, n)
        texts = [
            " ".join([*rng.choice(words[c], 3), *rng.choice(words[rng.integers(5)], 2)]) for c in y.tolist()
        ]
        lines = [
            f"{path.stem}{i},{t},class{c}" for i, (t, c) in enumerate(zip(texts, y.tolist(), strict=True))
        ]
        path.write_text("id,text,label\n" + "\n".join(lines) + "\n", "utf-8")
        return texts

    write(folder / "train.csv", 300)
    write(folder / "eval.csv", 250)
    texts = write(folder / "new.csv", 200)
    with Project(folder / "seed") as project:
        project.ingest(folder / "train.csv", eval=folder / "eval.csv", text="text", label="label", id="id")
        made = project.release()
    release = load(made.path)
    with State.open(folder / "seed" / "releases" / "serve-state", create=True) as state:
        state.deploy([Served(release.id, str(made.path), stamp(0), "live", 1.0, "a")], stamp(0))
        rows = [
            Answered(
                new_id(i), stamp(i), release.id, "a", "", "", a.best, a.probability, i % 20 == 0, None, t
            )
            for i, (t, a) in enumerate(zip(texts, release.predict(texts), strict=True), start=1)
        ]
        state.write(rows, escalate=[r.id for r in rows if r.abstained])
        for r in rows[19::40]:
            state.resolve(r.id, label="class1", person="ana", at=stamp(500))
    return folder / "seed"


def main(sizes: list[int]) -> dict[str, Any]:
    """List and pass for each number of projects."""
    from tilth.fleet import fleet, nightly

    out = []
    with tempfile.TemporaryDirectory() as base:
        first = seed(Path(base))
        for size in sizes:
            folder = Path(base) / f"fleet{size}"
            for i in range(size):
                shutil.copytree(first, folder / f"p{i:04}")
                if i % 10 == 9:
                    (folder / f"p{i:04}" / "tilth.toml").write_text("[broken\n", "utf-8")
            line: dict[str, Any] = {"projects": size}
            for name, run in (
                ("list", fleet),
                ("pass", nightly),
                ("pass_again", nightly),
                ("list_after", fleet),
            ):
                began, wall = time.process_time(), time.perf_counter()
                found = run(folder)
                line[name] = {
                    "cpu_s": round(time.process_time() - began, 2),
                    "wall_s": round(time.perf_counter() - wall, 2),
                }
            line["counts"] = found.counts
            out.append(line)
            print(line, flush=True)
            shutil.rmtree(folder)
    return {"runs": out, "peak_mib": peak_mib()}


if __name__ == "__main__":
    with clock() as spent:
        body = main([int(x) for x in sys.argv[1:]] or [75, 150, 300])
    save("fleet", body | spent)
