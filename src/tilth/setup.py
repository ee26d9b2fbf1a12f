"""Make a project for its first rows; refuse settings that contradict one that is there."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tilth.config import FILE, ColumnNames, Config, Evaluation, RecipeChoice, save
from tilth.errors import InputError
from tilth.recipes import by_name
from tilth.workspace import Workspace, refuse_foreign

__all__ = ["make", "refuse_early", "same_settings"]


def refuse_early(folder: Path, recipe: str | None, encoder: str | None) -> None:
    """Refuse a folder, or an unknown or missing recipe, before anything is read."""
    if not (folder / FILE).is_file():
        refuse_foreign(folder)
    by_name(recipe or RecipeChoice.name, encoder=encoder or "")


def make(
    folder: Path,
    begun: Workspace | None,
    columns: ColumnNames,
    own_evaluation: bool,
    recipe: str | None,
    encoder: str | None,
    clock: Callable[[], str],
) -> Workspace:
    """Make the project, or complete one that was begun: its other settings stay."""
    name = os.fsencode(folder.resolve().name).decode("utf-8", "replace")
    config = begun.config if begun else Config(name)
    chosen = RecipeChoice(recipe or RecipeChoice.name, encoder or "")
    share = config.evaluation.share or Evaluation.share
    config = replace(
        config,
        columns=columns,
        recipe=chosen if recipe or encoder else config.recipe,
        evaluation=Evaluation("file", 0.0) if own_evaluation else Evaluation("split", share),
    )
    if begun is None:
        return Workspace.create(folder, config, clock)
    begun.config = config
    save(config, folder / FILE)
    return begun


def same_settings(config: Config, *given: str | None) -> None:
    """Refuse options that contradict the project: they would be passed over in silence."""
    columns, recipe = config.columns, config.recipe
    has = (columns.text, columns.label, columns.id or "none", recipe.name, recipe.encoder)
    names = ("text", "label", "id", "recipe", "encoder")
    for option, wanted, known in zip(names, given, has, strict=True):
        if wanted is not None and wanted != known:
            raise InputError(
                f"--{option} {wanted}: this project was made with {known!r}. Leave the option out, or "
                "make another project with --project"
            )
