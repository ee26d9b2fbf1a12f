"""Verbs about data sets: take in, improve, look at versions, write out."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from tilth.arguments import parser
from tilth.cli.console import console, file_options, open_project, out, plain, written
from tilth.cli.serving import feedback

__all__ = ["VERBS"]


def _ingest_arguments(options: argparse.Namespace) -> dict[str, Any]:
    return file_options(
        options, "text", "label", "id", "eval", "encoding", "delimiter", "skip_bad", "allow_unlabelled",
        "recipe", "encoder",
    )  # fmt: skip


def _improve(options: argparse.Namespace) -> int:
    from tilth.report import terminal

    arguments = _ingest_arguments(options)
    with open_project(options, options.file) as project:
        if options.file:
            _say_intake(project.ingest(options.file, **arguments).to_json())
        result = project.improve()
        out(options, result.to_json(), terminal.improve)
        if not options.json:
            console().print(f"Report: {project.folder / 'report.html'}", markup=False, soft_wrap=True)
    return 0


def _say_intake(body: dict[str, Any]) -> None:
    """What was taken in and how the columns were chosen, on standard error."""
    screen = console(err=True)
    columns = body["columns"]
    for name in ("text", "label", "id"):
        why = body["reasons"].get(name, "")
        shown = columns[name] or "(from the content)"
        if why:
            screen.print(f"{name} column: [bold]{plain(shown)}[/]  [dim]{plain(why)}[/]")
    for name in ("train", "eval"):
        counts = body[name]
        if counts is None:
            continue
        kinds = ("added", "relabelled", "edited", "dropped", "unchanged", "conflicts")
        done = ", ".join(f"{counts[k]:,} {k}" for k in kinds if counts[k])
        screen.print(f"{name}: {done or 'nothing new'}" if counts["changed"] else f"{name}: nothing new")
    if body["bad"]:
        screen.print(f"[yellow]{body['bad']:,} rows set aside[/] in {plain(body['bad_file'])}")
    for note in body["notes"]:
        screen.print(plain(note))


def _ingest(options: argparse.Namespace) -> int:
    if options.state is not None:
        if options.file != "feedback":
            parser().error(f"one file at a time, found {options.file} and {options.state}")
        return feedback(options)
    with open_project(options, options.file) as project:
        body = project.ingest(options.file, **_ingest_arguments(options)).to_json()
        if options.json:
            out(options, body, lambda console, value: None)
        else:
            _say_intake(body)
            folder = shlex.quote(str(project.folder))
            words = f"Project: {project.folder}. Next: tilth improve --project {folder}"
            console().print(words, markup=False, soft_wrap=True)
    return 0


def _status(options: argparse.Namespace) -> int:
    from tilth.report import terminal

    with open_project(options) as project:
        out(options, project.status(), terminal.status)
    return 0


def _log(options: argparse.Namespace) -> int:
    from tilth.report import history, terminal

    with open_project(options) as project:
        versions = [asdict(v) for v in project.log(options.dataset)]
        if options.scores:
            body = {"dataset": options.dataset, "versions": project.history(options.dataset)}
            out(options, body, history.scores)
            return 0
        out(options, {"dataset": options.dataset, "versions": versions}, terminal.log)
    return 0


def _diff(options: argparse.Namespace) -> int:
    from tilth.report import terminal

    with open_project(options) as project:
        body = project.compare(options.a, options.b, start=options.start, count=options.limit)
        out(options, body, terminal.diff)
    return 0


def _checkout(options: argparse.Namespace) -> int:
    with open_project(options) as project:
        written(options, project.checkout(options.version, options.out))
    return 0


def _report(options: argparse.Namespace) -> int:
    with open_project(options) as project:
        written(options, project.report(options.out))
    return 0


def _example(options: argparse.Namespace) -> int:
    from importlib.resources import files

    from tilth.errors import InputError

    names = ("tickets.csv", "tickets_eval.csv", "truth.csv", "DATASHEET.md")
    try:
        options.folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (options.folder / name).write_bytes((files("tilth") / "examples" / name).read_bytes())
    except OSError as error:
        raise InputError(f"cannot write into {options.folder}: {error.strerror}; choose another") from error
    body = {"folder": str(options.folder), "files": list(names)}
    out(options, body, lambda c, b: c.print(f"written to {plain(b['folder'])}: {', '.join(names)}"))
    return 0


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    "improve": _improve,
    "ingest": _ingest,
    "status": _status,
    "log": _log,
    "diff": _diff,
    "checkout": _checkout,
    "report": _report,
    "example": _example,
}
