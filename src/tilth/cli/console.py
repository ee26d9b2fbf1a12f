"""What verbs share: consoles, progress, JSON on standard output, which project is meant."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilth.arguments import parser

if TYPE_CHECKING:
    from rich.console import Console

    from tilth.project import Project

__all__ = [
    "console", "fail", "file_options", "folder_of", "open_project", "out", "plain", "progress_bars", "write",
    "written",
]  # fmt: skip


def fail(options: argparse.Namespace, name: str, message: str) -> int:
    """Say what is wrong: a sentence on standard error, with --json also an object on standard output."""
    if options.json:
        write(json.dumps({"error": name, "message": message}) + "\n")
    console(err=True).print(f"[bold red]error:[/] {plain(message)}", highlight=False, soft_wrap=True)
    return 1


def plain(text: str) -> str:
    """Text that is shown as it is, whatever brackets it holds."""
    from rich.markup import escape

    return escape(text)


def console(err: bool = False) -> Console:
    """Standard output or standard error."""
    from rich.console import Console

    file = sys.stderr if err else sys.stdout
    # a pipe has no width of its own; 80 would cut tables
    return Console(stderr=err, width=None if file.isatty() else 110, highlight=False)


def file_options(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """What was asked for about how a file is read, and nothing else; without a file it is wrong usage."""
    found = {n: v for n in names if (v := getattr(options, n)) not in (None, False)}
    if found and not options.file:
        parser().error(f"--{next(iter(found)).replace('_', '-')} says how a file is read: give the FILE")
    return found


@contextmanager
def open_project(options: argparse.Namespace, data: str | None = None) -> Iterator[Project]:
    """The project that the options mean, with progress bars on standard error."""
    from tilth.project import Project

    with progress_bars() as report, Project(folder_of(options, data), progress=report) as project:
        yield project


def folder_of(options: argparse.Namespace, data: str | None) -> Path:
    """The folder given, else the project that we are in, else that of the data, else the only one here."""
    from tilth.errors import ProjectError
    from tilth.intake import default_folder

    if options.project is not None:
        return Path(options.project)
    here = Path.cwd()
    inside = next((p for p in (here, *here.parents) if (p / "tilth.toml").is_file()), None)
    if inside or data:
        return inside or default_folder(data or "")
    below = sorted(p.parent.relative_to(here) for p in here.glob("*/tilth.toml"))
    if len(below) > 1:
        names = ", ".join(map(str, below))
        raise ProjectError(f"there are several projects in {here}: {names}; choose one with --project")
    return below[0] if below else here


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """Bars on a terminal; one plain line a step elsewhere, or JSON for a program that asks for it."""
    if os.environ.get("TILTH_PROGRESS") == "json":
        yield _told
        return
    if not sys.stderr.isatty():
        seen: set[str] = set()

        def line(step: str, done: int, total: int) -> None:
            if step not in seen:
                seen.add(step)
                sys.stderr.write(f"{step} ...\n")

        yield line
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    with Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console(err=True),
        transient=True,
    ) as bars:
        tasks: dict[str, Any] = {}

        def bar(step: str, done: int, total: int) -> None:
            if step not in tasks:
                for old in tasks.values():
                    bars.update(old, visible=False)
                tasks[step] = bars.add_task(step, total=total or None)
            bars.update(tasks[step], completed=done, total=total or None, visible=True)

        yield bar


def _told(step: str, done: int, total: int) -> None:
    """Progress as one JSON object a line."""
    sys.stderr.write(json.dumps({"step": step, "done": done, "total": total}) + "\n")
    sys.stderr.flush()


def out(options: argparse.Namespace, body: Any, show: Callable[[Console, Any], None]) -> None:
    """JSON or tables."""
    if options.json:
        from tilth.report.format import finite

        write(json.dumps(finite(body), ensure_ascii=True, allow_nan=False) + "\n")
    else:
        show(console(), body)


def written(options: argparse.Namespace, path: Path) -> None:
    """The file that a verb wrote."""
    out(options, {"file": str(path)}, lambda c, b: c.print(f"written: {plain(b['file'])}", soft_wrap=True))


def write(text: str) -> None:
    """To standard output as UTF-8 whatever the terminal speaks: files and programs read this."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8"))
        sys.stdout.buffer.flush()
    else:
        sys.stdout.write(text)
