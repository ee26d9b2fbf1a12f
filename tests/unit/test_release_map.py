"""The package says where each of its modules belongs."""

from __future__ import annotations

import re
from pathlib import Path

import tilth.release


def test_every_module_has_its_place_in_the_docstring() -> None:
    folder = Path(tilth.release.__file__).parent
    named = {name.split(".")[0] for name in re.findall(r"`(\w+(?:\.\w+)?)`", tilth.release.__doc__ or "")}
    assert named == {p.stem for p in folder.glob("*.py")} - {"__init__"}
