"""Packages with plug-ins, as pip would install them, without pip."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def install(folder: Path, project: Mapping[str, Any], modules: Mapping[str, str]) -> Path:
    """Put a package into a folder that is then on the path: its modules, and its entry points.

    Parameters
    ----------
    project : the [project] table of a pyproject.toml.
    modules : file name to source.
    """
    name, version = project["name"], project["version"]
    about = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")
    groups = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in points.items())
        for group, points in project.get("entry-points", {}).items()
    ]
    (about / "entry_points.txt").write_text("\n".join(groups), "utf-8")
    for file, source in modules.items():
        (folder / file).write_text(source, "utf-8")
    return folder


def offer(folder: Path, name: str, group: str, points: Mapping[str, str], **modules: str) -> Path:
    """The same in short: a package at version 1.0 with plug-ins of one kind."""
    project = {"name": name, "version": "1.0", "entry-points": {f"tilth.{group}": points}}
    return install(folder, project, {f"{m}.py": source for m, source in modules.items()})


def from_page(page: str, folder: Path, module: str) -> Path:
    """The package that a page under docs/howto builds: its first toml block and its first python block."""
    text = (ROOT / "docs" / "howto" / page).read_text("utf-8")
    toml, source = (
        re.findall(rf"^```{kind}\n(.*?)^```$", text, re.M | re.S)[0] for kind in ("toml", "python")
    )
    assert f"`{module}.py`" in text
    return install(folder, tomllib.loads(toml)["project"], {f"{module}.py": source})


def checks_on(page: str) -> str:
    """The python block of a page that checks what the first one defines."""
    text = (ROOT / "docs" / "howto" / page).read_text("utf-8")
    return str(re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)[1])


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path of this process."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder
