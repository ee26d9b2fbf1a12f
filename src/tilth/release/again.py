"""The same release, made again from its project into a folder that is thrown away."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tilth.release.build import build
from tilth.release.bundle import MANIFEST
from tilth.workspace import TRAIN, Workspace

__all__ = ["made_again"]


def made_again(project: Path, facts: Mapping[str, Any]) -> tuple[dict[str, bytes], str]:
    """Every file of the release but its manifest, and "" or why it cannot be made again.

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
            names = [p for p in made.path.rglob("*") if p.is_file() and p.name != MANIFEST]
            return {p.relative_to(made.path).as_posix(): p.read_bytes() for p in names}, ""
    finally:
        ws.close()
