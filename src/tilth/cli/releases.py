"""Verbs about releases: make one, answer a file with one."""

from __future__ import annotations

import argparse
import io
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
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


@contextmanager
def _stopped_as_by_keys() -> Iterator[None]:
    """A termination signal ends the run in order, so that no draft of the answers is left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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
    with progress_bars() as progress, _stopped_as_by_keys():
        done = predict_file(
            release,
            options.file,
            options.out if stream is None else stream,
            text=options.text,
            sets=options.sets,
            skip_bad=options.skip_bad,
            encoding=options.encoding,
            delimiter=options.delimiter,
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
