"""Projects that many tests start from: made once, copied for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from loop_kit import good, lines, write


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train.csv with planted errors, eval.csv without; project `taken` after ingest, `done` after improve."""
    folder = tmp_path_factory.mktemp("originals")
    write(folder / "train.csv", lines(400, seed=1))
    write(folder / "eval.csv", lines(200, seed=101, wrong=0.0))
    good("ingest", "train.csv", "--eval", "eval.csv", "--project", "taken", cwd=folder)
    shutil.copytree(folder / "taken", folder / "done")
    good("improve", "--project", "done", cwd=folder)
    return folder


@pytest.fixture
def work(originals: Path, tmp_path: Path) -> Path:
    """A folder with train.csv, eval.csv and a project `p` that took them in."""
    for name in ("train.csv", "eval.csv"):
        shutil.copy(originals / name, tmp_path / name)
    shutil.copytree(originals / "taken", tmp_path / "p")
    return tmp_path


@pytest.fixture
def done(originals: Path, tmp_path: Path) -> Path:
    """The same after `improve`."""
    for name in ("train.csv", "eval.csv"):
        shutil.copy(originals / name, tmp_path / name)
    shutil.copytree(originals / "done", tmp_path / "p")
    return tmp_path
