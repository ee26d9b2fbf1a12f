"""The installed plug-ins in two processes: a set of texts is walked in an order that differs between them.

Within one process a detector that walks a set gives the same twice, so `check_detector` cannot see it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import cast

from tilth import recipes
from tilth.audit import run
from tilth.audit.base import Detector
from tilth.plugins import DETECTORS, RECIPES
from tilth.recipes.base import Recipe
from tilth.testing.worlds import fingerprint, texts_of, view, worlds

__all__ = ["digests", "restless"]

WORLDS = ("faulty", "clean", "classes of one row")
SEEDS = ("1", "2")


def digests() -> dict[str, str]:
    """What each plug-in gives here, as a digest; "" where it fails."""
    found: dict[str, str] = {}
    views = [view(*worlds()[name]) for name in WORLDS]
    for plugin in run.offered():
        if plugin.made is not None:
            detector = cast(Detector, plugin.made)
            try:
                found[f"{DETECTORS.group} {plugin.name}"] = fingerprint([detector.find(v) for v in views])
            except (Exception, SystemExit):
                found[f"{DETECTORS.group} {plugin.name}"] = ""
    texts, new = ([t for t, _ in texts_of(60, seed)] for seed in (0, 5))
    for plugin in recipes.offered():
        if plugin.made is not None:
            try:
                learned, features = cast(Recipe, plugin.made).learn(texts)
                found[f"{RECIPES.group} {plugin.name}"] = fingerprint([features, learned.transform(new)])
            except (Exception, SystemExit):
                found[f"{RECIPES.group} {plugin.name}"] = ""
    return found


def restless() -> set[str]:
    """Names of plug-ins that give something else in another process; two processes are started."""
    first, second = (_elsewhere(seed) for seed in SEEDS)
    return {key.split(" ", 1)[1] for key in first if first[key] != second.get(key, "")}


def _elsewhere(seed: str) -> dict[str, str]:
    """`digests` of a process whose texts have other hashes."""
    paths = os.pathsep.join(p for p in sys.path if p)
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, "-m", "tilth.testing.processes"],
        env=environment, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    # a plug-in may print; what counts is the last line
    line = done.stdout.strip().rpartition("\n")[2]
    return dict(json.loads(line)) if done.returncode == 0 and line else {}


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(digests()) + "\n")
