"""The recipe in docs/howto/ci.md, in a real git repository with the real script."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from loop_kit import CLASSES, good, js, lines, write

from tilth.patch import Op, Patch, render
from tilth.project import Project

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "ci.md"
HEADER = ("ticket", "text", "queue")
pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)


def bash(script: str, *argv: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A script as the runner starts it, with `tilth` from this environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    user = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = {**os.environ, **user, "PATH": path, "GIT_CONFIG_GLOBAL": os.devnull, "USER": "ann"}
    argv = ("bash", "-c", script, "bash", *argv)
    return subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Data and script on main, a branch for a pull request, and the project that the runner makes."""
    for name, rows in (("train", lines(400, seed=1)), ("eval", lines(200, seed=101, wrong=0.0))):
        (tmp_path / "data").mkdir(exist_ok=True)
        write(tmp_path / "data" / f"{name}.csv", rows, HEADER)
    (tmp_path / "ci").mkdir()
    (tmp_path / "ci" / "trial.sh").write_text(blocks("bash")[0], "utf-8")
    (tmp_path / ".gitignore").write_text("project/\ntrial.md\n", "utf-8")
    done = bash(
        "git init -q -b main && git add . && git commit -qm data && mkdir patches && "
        "git update-ref refs/remotes/origin/main main && git checkout -qb fix",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    ingest(tmp_path)
    return tmp_path


def ingest(repository: Path) -> None:
    """Make the project as the runner does."""
    command = re.search(r"tilth (ingest .*)", blocks("yaml")[0])
    assert command is not None
    good(*command[1].split(), cwd=repository)


def propose(repository: Path, name: str, label: Callable[[str, str, str], str]) -> None:
    """Commit a patch file that gives each row the label that a rule says: rule(id, given, true)."""
    with Project(repository / "project") as project:
        version = project.log()[-1]
        rows = {r.id: r for r in project.workspace.store.rows(version)}
    wanted = {i: label(i, given, true) for i, _, given, true in lines(400, seed=1)}
    ops = tuple(
        Op(r, type(r)(i, r.fields, wanted[i], r.source)) for i, r in rows.items() if wanted[i] != r.label
    )
    (repository / "patches" / name).write_text(render(Patch("train", version.id, ops, title=name)), "utf-8")
    assert bash("git add . && git commit -qm patch", cwd=repository).returncode == 0


def following(given: str) -> str:
    return CLASSES[(CLASSES.index(given) + 1) % len(CLASSES)]


def test_a_good_patch_passes_and_is_accepted_after_the_merge(repository: Path) -> None:
    propose(repository, "fix.jsonl", lambda i, given, true: true)
    done = bash(blocks("bash")[0], "origin/main", "trial.md", cwd=repository)
    assert done.returncode == 0, done.stderr
    table = (repository / "trial.md").read_text("utf-8")
    assert table.count("better") >= 1
    assert "| metric | rows | before | after |" in table
    shutil.rmtree(repository / "project")
    done = bash("set -e\n" + blocks("bash")[1], cwd=repository)
    assert done.returncode == 0, done.stderr
    written = (repository / "data" / "train.csv").read_text("utf-8").splitlines()
    assert sorted(written[1:]) == sorted(f"{i},{text},{true}" for i, text, _, true in lines(400, seed=1))
    assert bash("git status --porcelain", cwd=repository).stdout == ""
    # the next runner starts from the accepted version
    head = js("log", "--project", "project", cwd=repository)["versions"][-1]["id"]
    shutil.rmtree(repository / "project")
    ingest(repository)
    assert js("log", "--project", "project", cwd=repository)["versions"][-1]["id"] == head


def test_worse_and_unreadable_patches_fail_and_no_evidence_passes(repository: Path) -> None:
    propose(repository, "small one.jsonl", lambda i, given, true: true if i < "r010" else given)
    assert bash(blocks("bash")[0], "origin/main", "trial.md", cwd=repository).returncode == 0
    propose(repository, "worse.jsonl", lambda i, given, true: following(true) if i > "r150" else given)
    assert bash(blocks("bash")[0], "origin/main", "trial.md", cwd=repository).returncode == 1
    assert "worse" in (repository / "trial.md").read_text("utf-8")
    (repository / "patches" / "worse.jsonl").write_text("oops\n", "utf-8")
    bash("git commit -qam broken", cwd=repository)
    done = bash(blocks("bash")[0], "origin/main", "trial.md", cwd=repository)
    assert done.returncode == 1
    assert "worse.jsonl:1" in done.stderr
    assert "could not be measured" in (repository / "trial.md").read_text("utf-8")
