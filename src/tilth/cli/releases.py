"""Verbs about releases: make one, answer a file with one."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable
from typing import IO

from tilth.arguments import parser
from tilth.cli.console import console, open_project, out, plain, progress_bars

__all__ = ["VERBS"]


def _release(options: argparse.Namespace) -> int:
    from tilth.report import releases

    with open_project(options) as project:
        made = project.release(
            options.out, precision=options.precision, name=options.name, force=options.force
        )
        out(options, made.to_json(), releases.release)
    return 0


def _predict(options: argparse.Namespace) -> int:
    from tilth.release import load
    from tilth.release.stream import predict_file
    from tilth.report import releases

    if options.json and options.out is None:
        parser().error("--json describes what was done: give --out FILE for the answers")
    release = load(options.bundle)
    stream: IO[str] | None = None
    if options.out is None:
        binary = getattr(sys.stdout, "buffer", None)
        stream = sys.stdout if binary is None else io.TextIOWrapper(binary, "utf-8", "surrogatepass", "")
    with progress_bars() as progress:
        done = predict_file(
            release,
            options.file,
            options.out if stream is None else stream,
            text=options.text,
            sets=options.sets,
            skip_bad=options.skip_bad,
            progress=progress,
        )
    if stream is not None:
        stream.flush()
        if isinstance(stream, io.TextIOWrapper) and stream is not sys.stdout:
            stream.detach()  # standard output stays open
        console(err=True).print(plain(releases.summary(done.to_json())), soft_wrap=True)
        return 0
    out(options, done.to_json(), releases.predicted)
    return 0


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {"release": _release, "predict": _predict}
