"""Every recipe of ours that can be loaded here passes the public battery."""

from __future__ import annotations

import pytest

from tilth.errors import TilthError
from tilth.recipes import NAMES, by_name
from tilth.recipes.base import Recipe
from tilth.testing import check_recipe


def recipe(name: str) -> Recipe:
    try:
        return by_name(name)
    except TilthError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", NAMES)
def test_the_battery(name: str) -> None:
    check_recipe(recipe(name))
