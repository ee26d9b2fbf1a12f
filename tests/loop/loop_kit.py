"""Small data with known truth, and the command line as a person uses it."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tilth.cli import main

# numpy is not imported yet: two BLAS threads on a small machine cost several times the CPU of one
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

CLASSES = ("billing", "cards", "login", "refund", "shipping")
HEADER = ("id", "text", "label")
Line = tuple[str, str, str, str]
"""id, text, label as given, true label"""


def words(rng: random.Random, count: int, syllables: int) -> list[str]:
    """Made-up words."""
    parts = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
    return ["".join(rng.choice(parts) for _ in range(syllables)) for _ in range(count)]


def lines(count: int, seed: int, *, wrong: float = 0.15) -> list[Line]:
    """Rows of five classes: each class talks about four things, with four words for each.

    A row has two words of its thing, one of any other and two that all rows share, so that a model
    gets most rows right and a wrong label does harm.
    """
    fixed, rng = random.Random(7), random.Random(seed)
    things = [[words(fixed, 4, 3) for _ in range(4)] for _ in CLASSES]
    common = words(fixed, 60, 2)
    out = []
    for number in range(count):
        true, thing = rng.randrange(len(CLASSES)), rng.randrange(4)
        text = rng.sample(things[true][thing], 2)
        text += [rng.choice(things[rng.randrange(len(CLASSES))][rng.randrange(4)])]
        text += rng.sample(common, 2)
        rng.shuffle(text)
        others = [c for c in range(len(CLASSES)) if c != true]
        given = rng.choice(others) if rng.random() < wrong else true
        out.append((f"r{number:03}", " ".join(text), CLASSES[given], CLASSES[true]))
    return out


def write(path: Path, rows: Iterable[Sequence[str]], header: Sequence[str] = HEADER, **options: Any) -> Path:
    """A CSV file of the first cells of each row, as many as the header has."""
    with path.open("w", newline="", encoding=options.get("encoding", "utf-8")) as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(row[: len(header)] for row in rows)
    return path


@dataclass(frozen=True)
class Run:
    """What one command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The JSON that it printed."""
        return json.loads(self.out)


def tilth(*argv: object, cwd: Path) -> Run:
    """The real command line in this process: no interpreter to start, so tests take milliseconds."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), chdir(cwd):
        try:
            code = main([str(a) for a in argv])
        except SystemExit as leave:
            code = int(leave.code or 0)
    return Run(code, out.getvalue(), err.getvalue())


def good(*argv: object, cwd: Path) -> Run:
    """A command that must succeed."""
    run = tilth(*argv, cwd=cwd)
    assert run.code == 0, run
    return run


def js(*argv: object, cwd: Path) -> Any:
    """What a command that must succeed prints as JSON."""
    return good(*argv, "--json", cwd=cwd).json


def start(*argv: object, cwd: Path, **options: Any) -> subprocess.Popen[str]:
    """The command line in a process of its own, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tilth.cli", *map(str, argv)],
        cwd=cwd,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        **options,
    )


def finish(process: subprocess.Popen[str]) -> Run:
    """Wait for a process."""
    out, err = process.communicate(timeout=300)
    return Run(process.returncode, out, err)
