"""What was computed of a version, kept on disk: arrays under a digest of all that they depend on.

Opened in place (memory-mapped), so that a project that has not changed is there at once however many rows it
has. Nothing here is needed: what is missing, cut short or made by another Tilth is computed again.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from tilth.audit.base import View
from tilth.audit.run import space_of
from tilth.copies import Copies
from tilth.data import Snapshot
from tilth.recipes import Recipe
from tilth.signals import Signals
from tilth.stats import Calibration
from tilth.trial.gains import Response

__all__ = ["Computed", "FROM_ROWS", "read_response", "read_view", "write_response", "write_view"]

FROM_ROWS = 2_000
"""Below, computing is as quick as reading."""
KEPT = 3
"""Results of a kind that stay."""
FACTS = "facts.json"
RESPONSE = ("rows", "weights", "z", "factor", "leverage", "clusters", "logits", "labels")
SIGNALS = ("labels", "probabilities", "posterior", "noise", "fold")


@dataclass(frozen=True)
class Computed:
    """Arrays of several kinds, each under a digest.

    Attributes
    ----------
    folder : where they lie.
    """

    folder: Path

    def read(self, kind: str, key: str) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """Arrays that must not be changed, and facts beside them; None where there are none."""
        place = self.folder / f"{kind}-{key}"
        try:
            facts = json.loads((place / FACTS).read_text("utf-8"))
            arrays = {
                name: np.load(place / f"{name}.npy", mmap_mode="r", allow_pickle=False).view(np.ndarray)
                for name in facts["arrays"]
            }
            os.utime(place)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return arrays, facts

    def write(self, kind: str, key: str, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
        """Keep arrays; the oldest of their kind go. A disk that is full is no reason to fail."""
        place = self.folder / f"{kind}-{key}"
        made = self.folder / f".{kind}-{key}-{os.getpid()}"
        with suppress(OSError):
            made.mkdir(parents=True, exist_ok=True)
            for name, array in arrays.items():
                with (made / f"{name}.npy").open("wb") as file:
                    np.save(file, np.ascontiguousarray(array), allow_pickle=False)
                    file.flush()
                    os.fsync(file.fileno())
            (made / FACTS).write_text(json.dumps({**facts, "arrays": list(arrays)}), "utf-8")
            shutil.rmtree(place, ignore_errors=True)  # it is there only where it could not be read
            made.rename(place)
        shutil.rmtree(made, ignore_errors=True)
        with suppress(OSError):
            there = sorted(self.folder.glob(f"{kind}-*"), key=lambda p: p.stat().st_mtime, reverse=True)
            for old in there[KEPT:]:
                shutil.rmtree(old, ignore_errors=True)


def write_view(at: Computed, key: str, view: View) -> None:
    """Keep what `look` computed of a version."""
    x, copies = view.features, view.copies
    arrays = {f"copies-{k}": getattr(copies, k) for k in ("exact", "verified", "alike")}
    if sp.issparse(x):
        arrays |= {"x-data": x.data, "x-indices": x.indices, "x-indptr": x.indptr}
    else:
        arrays["x"] = np.asarray(x)
    facts: dict[str, Any] = {
        "width": x.shape[1],
        "copies": {k: getattr(copies, k) for k in ("threshold", "floor", "skipped")},
    }
    for name, signals in (("train", view.signals), ("eval", view.eval_signals)):
        if signals is not None:
            arrays |= {f"{name}-{k}": getattr(signals, k) for k in SIGNALS}
            facts[name] = {"classes": signals.classes, "calibration": asdict(signals.calibration)}
    at.write("view", key, arrays, facts)


def read_view(
    at: Computed, key: str, train: Snapshot, evaluation: Snapshot, text: str, recipe: Recipe
) -> View | None:
    """The view of these rows as it was computed; None where it has to be computed."""
    found = at.read("view", key)
    if found is None:
        return None
    arrays, facts = found
    try:
        if "x" in arrays:
            features: Any = arrays["x"]
        else:
            parts = (arrays["x-data"], arrays["x-indices"], arrays["x-indptr"])
            features = sp.csr_matrix(parts, shape=(len(train), facts["width"]), copy=False)
        groups = (arrays["copies-exact"], arrays["copies-verified"], arrays["copies-alike"])
        copies = Copies(*groups, **facts["copies"])
        signals, tested = (_signals(name, arrays, facts) for name in ("train", "eval"))
    except (KeyError, ValueError, TypeError):
        return None
    if signals is None or len(signals.labels) != len(train) or features.shape[0] != len(train):
        return None
    texts, others = train.texts(text), evaluation.texts(text)
    return View(
        train, texts, features, signals, copies, evaluation, others,
        text=text, space=space_of(recipe, features, others), eval_signals=tested,
    )  # fmt: skip


def _signals(name: str, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Signals | None:
    if name not in facts:
        return None
    labels, probabilities, posterior, noise, fold = (arrays[f"{name}-{k}"] for k in SIGNALS)
    classes, calibration = tuple(facts[name]["classes"]), Calibration(**facts[name]["calibration"])
    return Signals(classes, labels, probabilities, posterior, noise, calibration, fold)


def write_response(at: Computed, key: str, response: Response) -> None:
    """Keep how predictions answer to changes, without what verdicts change."""
    arrays = {k: getattr(response, k) for k in RESPONSE}
    at.write("response", key, arrays, {"scale": response.scale, "metric": response.metric})


def read_response(at: Computed, key: str, target: np.ndarray) -> Response | None:
    """The response as it was computed; None where it has to be computed.

    Parameters
    ----------
    target : (n, k) P(true class | input, given label) of all rows by now.
    """
    found = at.read("response", key)
    if found is None:
        return None
    arrays, facts = found
    try:
        values = {k: arrays[k] for k in RESPONSE}
        return Response(**values, target=target[values["rows"]], scale=facts["scale"], metric=facts["metric"])
    except (KeyError, IndexError):
        return None
