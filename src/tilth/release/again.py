"""The same release, made again from its project into a folder that is thrown away, and how near it comes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tilth.errors import InputError
from tilth.release.build import build
from tilth.release.bundle import MANIFEST
from tilth.release.forward import array
from tilth.workspace import TRAIN, Workspace

__all__ = ["differences", "made_again"]

NEAR = 0.005
"""What another processor or numpy may change in a number, and in a weight by the largest of them all; 0.001
was seen where the linear algebra of another processor was used."""
SPREAD = 0.1
"""Share of the weights that another machine changes at least; 0.59 was seen."""


def made_again(project: Path, facts: Mapping[str, Any]) -> tuple[dict[str, bytes], str]:
    """Every file of the release, and "" or why it cannot be made again.

    Parameters
    ----------
    facts : those of card.json.
    """
    ws = Workspace.open(project)
    try:
        now = {"train": ws.head(TRAIN).id, "evaluation": ws.eval_id(), "recipe": ws.recipe.name}
        for key, value in now.items():
            if value != facts.get(key):
                return {}, (
                    f"the project has moved on: its {key} is {value or 'none'} now, the release is of "
                    f"{facts.get(key) or 'none'}"
                )
        with TemporaryDirectory() as folder:
            made = build(
                ws,
                out=Path(folder) / "again",
                precision=float(facts["wanted"]),
                name=str(facts["name"]),
                force=str(facts["forced"]),
            )
            names = [p for p in made.path.rglob("*") if p.is_file()]
            return {p.relative_to(made.path).as_posix(): p.read_bytes() for p in names}, ""
    finally:
        ws.close()


def differences(
    made: Mapping[str, bytes], held: Mapping[str, bytes], manifest: Mapping[str, Any]
) -> tuple[list[str], bool]:
    """Names of the files that differ, and whether only by what the arithmetic of another machine does.

    A sum is rounded another way by each processor and each version of numpy, and the fit ends elsewhere in
    the last digits. Texts, names, digests and whole numbers have to be equal.

    Parameters
    ----------
    made : all files of the release made again.
    held, manifest : of the bundle; `held` without the manifest.
    """
    whole = json.loads(made[MANIFEST])
    settings, there = ({k: v for k, v in m.items() if k not in ("files", "tilth")} for m in (whole, manifest))
    files = {name: body for name, body in made.items() if name != MANIFEST}
    odd = sorted(n for n in {*files, *held} if files.get(n) != held.get(n))
    near = files.keys() == held.keys() and _near(settings, there) and _only_rounding(files, held, odd)
    return [*odd, *([MANIFEST] if settings != there else [])], near


def _only_rounding(made: Mapping[str, bytes], held: Mapping[str, bytes], odd: Sequence[str]) -> bool:
    """Whether the files that differ do so in the last digits of their numbers."""
    weights = {"model/weights.npy", "model/scales.npy"}
    try:
        if weights & set(odd):
            here, there = _weights(made), _weights(held)
            # another machine moves most of the weights a little, and never one alone
            if not _near(here, there) or (here != there).mean() < SPREAD:
                return False
        return all(_near(_read(made, name), _read(held, name)) for name in odd if name not in weights)
    except (ValueError, RecursionError, InputError):
        return False


def _weights(files: Mapping[str, bytes]) -> np.ndarray:
    """(d, k) weights over the largest of them."""
    weights = array(files, "model/weights.npy") * array(files, "model/scales.npy")[:, None]
    return np.asarray(weights / max(float(np.abs(weights).max(initial=0.0)), 1e-9))


def _read(files: Mapping[str, bytes], name: str) -> Any:
    if name.endswith(".npy"):
        return array(files, name)
    return json.loads(files[name]) if name.endswith(".json") else files[name]


def _near(a: Any, b: Any) -> bool:
    """Whether two values are equal but for the last digits of their fractions."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        fractions = a.dtype.kind == "f" and a.shape == b.shape
        return bool(np.allclose(a, b, rtol=NEAR, atol=NEAR) if fractions else np.array_equal(a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_near(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(_near, a, b))
    if isinstance(a, float):
        return bool(abs(a - b) <= NEAR * max(1.0, abs(a)))
    return bool(a == b)
