"""The command line: each verb is a method of Project and a section of docs/reference/cli.md.

Results go to standard output (as JSON with --json), progress to standard error. Exit codes: 0 done (a
trial: better), 1 an error that the message explains, 2 wrong usage, 3 a trial without evidence, 4 a trial
that is worse or has a slice that is worse, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilth.arguments import parser

if TYPE_CHECKING:
    from rich.console import Console

    from tilth.project import Project

__all__ = ["main", "parser"]

EXIT = {"better": 0, "no evidence": 3, "worse": 4}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    # Two BLAS threads on a shared small machine cost several times the CPU of one (measured).
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    options = parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # an arrow that a terminal cannot show is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    from tilth.errors import TilthError

    try:
        return _VERBS[options.verb](options)
    except TilthError as error:
        return _fail(options, type(error).__name__, str(error))
    except KeyboardInterrupt:
        _console(err=True).print("\ninterrupted; nothing is lost: run the same command to continue")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        words = f"cannot use {error.filename or 'a file'}: {error.strerror or error}; check its permissions"
        return _fail(options, "OSError", words)


def _fail(options: argparse.Namespace, name: str, message: str) -> int:
    """Say what is wrong: a sentence on standard error, with --json also an object on standard output."""
    if options.json:
        _write(json.dumps({"error": name, "message": message}) + "\n")
    _console(err=True).print(f"[bold red]error:[/] {_plain(message)}", highlight=False, soft_wrap=True)
    return 1


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _console(err: bool = False) -> Console:
    from rich.console import Console

    file = sys.stderr if err else sys.stdout
    # a pipe has no width of its own; 80 would cut tables
    return Console(stderr=err, width=None if file.isatty() else 110, highlight=False)


@contextmanager
def _open(options: argparse.Namespace, data: str | None = None) -> Iterator[Project]:
    """The project that the options mean, with progress bars on standard error."""
    from tilth.project import Project

    with _progress() as report, Project(_folder(options, data), progress=report) as project:
        yield project


def _folder(options: argparse.Namespace, data: str | None) -> Path:
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
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Bars on a terminal; one plain line a step elsewhere."""
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
        console=_console(err=True),
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


def _out(options: argparse.Namespace, body: Any, show: Callable[[Console, Any], None]) -> None:
    """JSON or tables."""
    if options.json:
        _write(json.dumps(_finite(body), ensure_ascii=True, allow_nan=False) + "\n")
    else:
        show(_console(), body)


def _finite(value: Any) -> Any:
    """A value that JSON can spell: not-a-number and infinity become null, tuples become lists."""
    if isinstance(value, Mapping):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write(text: str) -> None:
    """To standard output as UTF-8 whatever the terminal speaks: files and programs read this."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8"))
        sys.stdout.buffer.flush()
    else:
        sys.stdout.write(text)


def _ingest_arguments(options: argparse.Namespace) -> dict[str, Any]:
    """What was asked for about the file; nothing else, so that `improve` can refuse it without one."""
    names = (
        "text", "label", "id", "eval", "encoding", "delimiter", "skip_bad", "allow_unlabelled",
        "recipe", "encoder",
    )  # fmt: skip
    return {n: v for n in names if (v := getattr(options, n)) not in (None, False)}


def _improve(options: argparse.Namespace) -> int:
    from tilth.report import terminal

    arguments = _ingest_arguments(options)
    if arguments and not options.file:
        parser().error(f"--{next(iter(arguments)).replace('_', '-')} says how a file is read: give the FILE")
    with _open(options, options.file) as project:
        if options.file:
            _say_intake(project.ingest(options.file, **arguments).to_json())
        result = project.improve()
        _out(options, result.to_json(), terminal.improve)
        if not options.json:
            _console().print(f"Report: {project.folder / 'report.html'}", markup=False, soft_wrap=True)
    return 0


def _say_intake(body: dict[str, Any]) -> None:
    """What was taken in and how the columns were chosen, on standard error."""
    console = _console(err=True)
    columns = body["columns"]
    for name in ("text", "label", "id"):
        why = body["reasons"].get(name, "")
        shown = columns[name] or "(from the content)"
        if why:
            console.print(f"{name} column: [bold]{_plain(shown)}[/]  [dim]{_plain(why)}[/]")
    for name in ("train", "eval"):
        counts = body[name]
        if counts is None:
            continue
        kinds = ("added", "relabelled", "edited", "dropped", "unchanged", "conflicts")
        done = ", ".join(f"{counts[k]:,} {k}" for k in kinds if counts[k])
        console.print(f"{name}: {done or 'nothing new'}" if counts["changed"] else f"{name}: nothing new")
    if body["bad"]:
        console.print(f"[yellow]{body['bad']:,} rows set aside[/] in {_plain(body['bad_file'])}")
    for note in body["notes"]:
        console.print(_plain(note))


def _ingest(options: argparse.Namespace) -> int:
    with _open(options, options.file) as project:
        body = project.ingest(options.file, **_ingest_arguments(options)).to_json()
        if options.json:
            _out(options, body, lambda console, value: None)
        else:
            _say_intake(body)
            folder = shlex.quote(str(project.folder))
            words = f"Project: {project.folder}. Next: tilth improve --project {folder}"
            _console().print(words, markup=False, soft_wrap=True)
    return 0


def _status(options: argparse.Namespace) -> int:
    from tilth.report import terminal

    with _open(options) as project:
        _out(options, project.status(), terminal.status)
    return 0


def _audit(options: argparse.Namespace) -> int:
    from tilth.errors import InputError
    from tilth.report import terminal

    with _open(options) as project:
        body = project.audit().to_json()
    if options.code:
        known, code = sorted({*body["counts"], *body["failed"]}), options.code.upper()
        if code not in known:
            raise InputError(f"no check has the code {options.code!r}; there are {', '.join(known)}")
        body["findings"] = [f for f in body["findings"] if f["code"] == code]
    _out(options, body, lambda console, b: terminal.audit(console, b, limit=options.limit))
    return 0


def _proposals(options: argparse.Namespace, infos: Sequence[Any]) -> None:
    from tilth.report import terminal

    body = [
        {
            "id": i.id,
            "title": i.title,
            "ops": dict(i.counts),
            "predicted": i.meta.get("predicted"),
            "minutes": i.meta.get("minutes"),
            "state": i.state,
            "reason": i.reason,
            "base": i.base,
        }
        for i in infos
    ]
    _out(options, body, terminal.proposals)


def _propose(options: argparse.Namespace) -> int:
    with _open(options) as project:
        _proposals(options, project.propose())
    return 0


def _patches(options: argparse.Namespace) -> int:
    with _open(options) as project:
        _proposals(options, project.patches(options.state))
    return 0


def _patch(options: argparse.Namespace) -> int:
    from tilth.patch import render

    with _open(options) as project:
        if options.out:
            path = project.write_patch(options.patch, options.out)
            _out(options, {"file": str(path)}, lambda c, b: c.print(f"written: {_plain(b['file'])}"))
        else:
            lines = render(project.patch(options.patch))
            if options.json:
                header, *ops = map(json.loads, lines.splitlines())
                _out(options, {**header, "ops": ops}, lambda console, body: None)
            else:
                _write(lines)
    return 0


def _patch_of(options: argparse.Namespace, project: Project) -> Any:
    """The id of a patch on record, or the patch in a file."""
    return project.read_patch(options.patch_file) if options.patch_file else options.patch


def _trial(options: argparse.Namespace) -> int:
    from tilth.report import markdown, terminal

    if options.markdown and options.json:
        parser().error("--markdown and --json exclude each other")
    with _open(options) as project:
        trial = project.trial(_patch_of(options, project))
    for note in trial.notes:
        _console(err=True).print(_plain(note), soft_wrap=True)
    if options.markdown:
        _write(markdown.trial(trial.to_json()))
    else:
        _out(options, trial.to_json(), terminal.trial)
    return EXIT["worse" if trial.regressions else trial.verdict]


def _accept(options: argparse.Namespace) -> int:
    with _open(options) as project:
        patch = _patch_of(options, project)
        version = project.accept(patch, force=options.force, author=options.author)
        _version_line(options, asdict(version), "accepted")
    return 0


def _version_line(options: argparse.Namespace, body: dict[str, Any], what: str) -> None:
    text = f"{what}; {body['dataset']}@{body['seq']} is {body['id'][:12]} with {body['rows']:,} rows"
    _out(options, body, lambda console, b: console.print(text))


def _reject(options: argparse.Namespace) -> int:
    with _open(options) as project:
        info = project.reject(options.patch, reason=options.reason, author=options.author)
        _out(options, {"id": info.id, "state": info.state}, lambda c, b: c.print(f"rejected {b['id']}"))
    return 0


def _revert(options: argparse.Namespace) -> int:
    with _open(options) as project:
        _version_line(options, asdict(project.revert(options.patch, author=options.author)), "reverted")
    return 0


def _rebase(options: argparse.Namespace) -> int:
    with _open(options) as project:
        info = project.rebase(options.patch)
        new = f"new patch {info.id}; measure it with: tilth trial {info.id}"
        words = new if not info.id.startswith(options.patch) else f"patch {info.id} is on the present head"
        _out(options, {"id": info.id, "base": info.base}, lambda c, b: c.print(words))
    return 0


def _log(options: argparse.Namespace) -> int:
    from tilth.report import terminal

    with _open(options) as project:
        versions = [asdict(v) for v in project.log(options.dataset)]
        _out(options, {"dataset": options.dataset, "versions": versions}, terminal.log)
    return 0


def _diff(options: argparse.Namespace) -> int:
    from tilth.patch import op_json
    from tilth.report import terminal

    with _open(options) as project:
        ops = [op_json(op) for op in islice(project.diff(options.a, options.b), options.limit)]
        counts = project.diff_counts(options.a, options.b)
        body = {"a": options.a, "b": options.b, "counts": counts, "ops": ops, "shown": len(ops)}
        _out(options, body, terminal.diff)
    return 0


def _checkout(options: argparse.Namespace) -> int:
    with _open(options) as project:
        path = project.checkout(options.version, options.out)
        _out(options, {"file": str(path)}, lambda c, b: c.print(f"written: {_plain(b['file'])}"))
    return 0


def _report(options: argparse.Namespace) -> int:
    with _open(options) as project:
        path = project.report(options.out)
        _out(options, {"file": str(path)}, lambda c, b: c.print(f"written: {_plain(b['file'])}"))
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
    _out(options, body, lambda c, b: c.print(f"written to {_plain(b['folder'])}: {', '.join(names)}"))
    return 0


_VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    "improve": _improve,
    "ingest": _ingest,
    "status": _status,
    "audit": _audit,
    "propose": _propose,
    "patches": _patches,
    "patch": _patch,
    "trial": _trial,
    "accept": _accept,
    "reject": _reject,
    "revert": _revert,
    "rebase": _rebase,
    "log": _log,
    "diff": _diff,
    "checkout": _checkout,
    "report": _report,
    "example": _example,
}

if __name__ == "__main__":
    sys.exit(main())
