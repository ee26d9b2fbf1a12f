"""What benchmarks share: public data (never committed), planted errors, CPU seconds and peak memory."""

from __future__ import annotations

import csv
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np

HERE = Path(__file__).parent
DATA = Path(os.environ.get("TILTH_DATA", HERE.parent.parent / "shared" / "data"))
RESULTS = HERE / "results"


class Missing(Exception):
    """The public data are not on this machine."""


def banking77() -> tuple[list[str], list[str], list[str], list[str]]:
    """Train texts and labels, test texts and labels."""
    folder = DATA / "banking77"
    if not folder.is_dir():
        raise Missing(f"BANKING77 is not in {folder}; set TILTH_DATA")
    out: list[list[str]] = []
    for part in ("train", "test"):
        with (folder / f"{part}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        out += [[r["text"] for r in rows], [r["category"] for r in rows]]
    return out[0], out[1], out[2], out[3]


def clinc150() -> tuple[list[str], list[str], list[str], list[str]]:
    """In-scope train texts and labels, in-scope test texts and labels."""
    path = DATA / "clinc150" / "data_full.json"
    if not path.is_file():
        raise Missing(f"CLINC150 is not at {path}; set TILTH_DATA")
    body = json.loads(path.read_text("utf-8"))
    out: list[list[str]] = []
    for part in ("train", "test"):
        out += [[t for t, _ in body[part]], [c for _, c in body[part]]]
    return out[0], out[1], out[2], out[3]


def plant(labels: list[str], rate: float, kind: str, seed: int, confused: dict[str, str]) -> list[str]:
    """Labels with errors: "symmetric" to any other class, "confusable" to the class's nearest."""
    rng = np.random.default_rng(seed)
    classes = sorted(set(labels))
    out = list(labels)
    for i in np.flatnonzero(rng.random(len(labels)) < rate):
        if kind == "symmetric":
            others = [c for c in classes if c != labels[i]]
            out[i] = others[int(rng.integers(len(others)))]
        else:
            out[i] = confused[labels[i]]
    return out


@contextmanager
def clock() -> Iterator[dict[str, Any]]:
    """CPU seconds of this process and its children."""
    began, wall, out = os.times(), time.time(), {}
    yield out
    now = os.times()
    out["cpu_s"] = round(sum(now[:4]) - sum(began[:4]), 2)
    out["wall_s"] = round(time.time() - wall, 2)


def peak_mib() -> int:
    """Peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def in_process(script: str, *arguments: object, python: str = sys.executable) -> dict[str, Any]:
    """Run one case of a script in a process of its own; what its last line says, or the error."""
    done = subprocess.run([python, script, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1:]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def save(name: str, body: Any) -> None:
    """Write a result as JSON."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(body, indent=1) + "\n", "utf-8")


def confusions(texts: list[str], labels: list[str]) -> dict[str, str]:
    """For each class the one that out-of-sample predictions mix it up with most."""
    from tilth.recipes.text import TextLinear
    from tilth.signals import encode_labels, group_folds, out_of_sample
    from tilth.stats import softmax

    recipe = TextLinear()
    classes, y = encode_labels(labels)
    _, x = recipe.learn(texts)
    fold = group_folds(y, np.arange(len(y)), 5)
    p = softmax(2 * out_of_sample(x, y, len(classes), recipe.penalty, fold=fold))
    mean = np.array([p[y == c].mean(axis=0) for c in range(len(classes))])
    np.fill_diagonal(mean, 0)
    return {name: classes[int(mean[c].argmax())] for c, name in enumerate(classes)}
