"""The command line: each verb is a method of Project and a section of docs/reference/cli.md.

Results go to standard output (as JSON with --json), progress to standard error. Exit codes: 0 done (a
trial: better), 1 an error that the message explains, 2 wrong usage, 3 a trial without evidence, 4 a trial
that is worse or has a slice that is worse, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from tilth.project import Project

__all__ = ["main", "parser"]

EXIT = {"better": 0, "no evidence": 3, "worse": 4}


def parser() -> argparse.ArgumentParser:
    """All verbs and their options."""
    top = argparse.ArgumentParser(
        prog="tilth",
        description="Pull requests for training data: find what is wrong, change it, measure what it did.",
        epilog="Start with: tilth improve FILE --label COLUMN",
    )
    top.add_argument("--version", action="version", version=_version())
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--project", type=Path, metavar="DIR", help="project folder (default: this one)")
    shared.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, help: str) -> argparse.ArgumentParser:
        return verbs.add_parser(name, help=help, description=help, parents=[shared])

    p = verb("improve", "ingest, audit, propose, try, and accept what is measured to be better")
    p.add_argument("file", nargs="?", help="data to take in; none: work on what is in the project")
    _ingest_options(p)
    p = verb("ingest", "take a file of rows into the project")
    p.add_argument("file")
    _ingest_options(p)
    verb("status", "where the project stands")
    p = verb("audit", "find wrong labels, conflicts, copies, leaks, outliers, starved classes, broken rows")
    p.add_argument("--code", metavar="TILnnn", help="only findings of this code")
    p.add_argument("--limit", type=int, default=20, metavar="N", help="findings to show (default 20)")
    verb("propose", "make a handful of patches out of the findings")
    p = verb("patches", "list patches")
    p.add_argument("--state", choices=["proposed", "accepted", "rejected", "reverted", "stale", "superseded"])
    p = verb("patch", "show a patch, or write it to a file that can be edited")
    p.add_argument("patch")
    p.add_argument("--out", type=Path, metavar="FILE")
    p = verb("trial", "measure a patch: the same recipe with and without it")
    p.add_argument("patch", nargs="?", help="id of a patch on record")
    p.add_argument("--patch", dest="patch_file", type=Path, metavar="FILE", help="a patch file")
    p.add_argument("--markdown", action="store_true", help="print the table for a git pull request")
    p = verb("accept", "make a patch part of the data set")
    p.add_argument("patch")
    p.add_argument("--force", default="", metavar="REASON", help="accept against the evidence; recorded")
    p.add_argument("--author", default="person")
    p = verb("reject", "put a patch aside")
    p.add_argument("patch")
    p.add_argument("--reason", required=True)
    p.add_argument("--author", default="person")
    p = verb("revert", "undo an accepted patch by its inverse")
    p.add_argument("patch")
    p.add_argument("--author", default="person")
    p = verb("rebase", "make a patch again on the present head")
    p.add_argument("patch")
    p = verb("log", "versions of a data set")
    p.add_argument("dataset", nargs="?", default="train")
    p = verb("diff", "what differs between two versions")
    p.add_argument("a", help="version: id, train@3, train~1 or train")
    p.add_argument("b")
    p.add_argument("--limit", type=int, default=20, metavar="N", help="changes to show (default 20)")
    p = verb("checkout", "write the rows of a version to a file")
    p.add_argument("version")
    p.add_argument("--out", type=Path, required=True, metavar="FILE", help=".csv .tsv .jsonl .parquet")
    p = verb("report", "write the HTML report of the last run")
    p.add_argument("--out", type=Path, metavar="FILE")
    p = verb("example", "write the example tickets into a folder")
    p.add_argument("folder", type=Path)
    return top


def _ingest_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("--label", metavar="COL", help="label column (default: guessed)")
    p.add_argument("--text", metavar="COL", help="text column (default: guessed)")
    p.add_argument("--id", metavar="COL", help="id column (default: guessed; none: from the content)")
    p.add_argument("--eval", metavar="FILE", help="evaluation rows (default: a share is set apart)")
    p.add_argument("--encoding", metavar="NAME", help="of a text file, e.g. cp1252 (default: UTF-8)")
    p.add_argument("--skip-bad", action="store_true", help="set rows that cannot be read aside")
    p.add_argument("--allow-unlabelled", action="store_true", help="take rows without a label in")
    p.add_argument("--recipe", metavar="NAME", help="text-linear.v1 (default) or text-embed.v1")
    p.add_argument("--encoder", metavar="DIR", help="sentence encoder for text-embed.v1")


def _version() -> str:
    from tilth import __version__

    return f"tilth {__version__}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    # Two BLAS threads on a shared small machine cost several times the CPU of one (measured).
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    options = parser().parse_args(argv)
    from tilth.errors import TilthError

    try:
        return _VERBS[options.verb](options)
    except TilthError as error:
        if options.json:
            print(json.dumps({"error": type(error).__name__, "message": str(error)}))  # noqa: T201
        _console(err=True).print(f"[bold red]error:[/] {_plain(str(error))}", highlight=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        _console(err=True).print("\ninterrupted; nothing is lost: run the same command to continue")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


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
    from tilth.intake import default_folder
    from tilth.project import Project

    folder = options.project
    if folder is None:
        here = Path.cwd()
        inside = next((p for p in (here, *here.parents) if (p / "tilth.toml").is_file()), None)
        folder = inside or (default_folder(data, None) if data else here)
    with _progress() as report, Project(folder, progress=report) as project:
        yield project


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
        print(json.dumps(body, ensure_ascii=True, default=str))  # noqa: T201
    else:
        show(_console(), body)


def _ingest_arguments(options: argparse.Namespace) -> dict[str, Any]:
    names = ("text", "label", "id", "eval", "encoding", "skip_bad", "allow_unlabelled", "recipe", "encoder")
    return {n: getattr(options, n) for n in names}


def _improve(options: argparse.Namespace) -> int:
    from tilth.report import terminal

    with _open(options, options.file) as project:
        if options.file:
            _say_intake(options, project.ingest(options.file, **_ingest_arguments(options)).to_json())
        result = project.improve()
        _out(options, result.to_json(), terminal.improve)
        if not options.json:
            _console().print(f"Report: {project.folder / 'report.html'}")
    return 0


def _say_intake(options: argparse.Namespace, body: dict[str, Any]) -> None:
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
            _say_intake(options, body)
            _console().print(f"Project: {project.folder}. Next: tilth improve --project {project.folder}")
    return 0


def _status(options: argparse.Namespace) -> int:
    from tilth.report import terminal

    with _open(options) as project:
        _out(options, project.status(), terminal.status)
    return 0


def _audit(options: argparse.Namespace) -> int:
    from tilth.report import terminal

    with _open(options) as project:
        body = project.audit().to_json()
    if options.code:
        body["findings"] = [f for f in body["findings"] if f["code"] == options.code.upper()]
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
            sys.stdout.write(render(project.patch(options.patch)))
    return 0


def _trial(options: argparse.Namespace) -> int:
    from tilth.errors import InputError
    from tilth.report import markdown, terminal

    if (options.patch is None) == (options.patch_file is None):
        raise InputError("give the id of a patch, or a file with --patch FILE")
    with _open(options) as project:
        patch = project.read_patch(options.patch_file) if options.patch_file else options.patch
        trial = project.trial(patch)
    if options.markdown:
        sys.stdout.write(markdown.trial(trial.to_json()))
    else:
        _out(options, trial.to_json(), terminal.trial)
    return EXIT["worse" if trial.regressions else trial.verdict]


def _accept(options: argparse.Namespace) -> int:
    with _open(options) as project:
        version = project.accept(options.patch, force=options.force, author=options.author)
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
        _out(options, {"id": info.id, "base": info.base}, lambda c, b: c.print(f"new patch {b['id']}"))
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

    options.folder.mkdir(parents=True, exist_ok=True)
    names = ("tickets.csv", "tickets_eval.csv", "truth.csv", "DATASHEET.md")
    for name in names:
        (options.folder / name).write_bytes((files("tilth") / "examples" / name).read_bytes())
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
