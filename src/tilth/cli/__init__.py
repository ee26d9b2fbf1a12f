"""The command line: each verb is a method of Project and a section of docs/reference/cli.md.

Results go to standard output (as JSON with --json), progress to standard error. Exit codes: 0 done (a
trial: better), 1 an error that the message explains, 2 wrong usage, 3 a trial without evidence or a
bundle of which not all could be computed again, 4 a trial that is worse, has a slice that is worse or
breaks a floor, or a bundle that is not as it claims, 5 a plug-in that is refused or breaks its contract,
130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper

from tilth.arguments import parser
from tilth.cli import (
    annotators,
    cards,
    copies,
    curves,
    datasets,
    monitoring,
    patches,
    planning,
    plugins,
    releases,
    reviewing,
    reviews,
    serving,
    sets,
    slices,
)
from tilth.cli.console import console, fail

__all__ = ["main", "parser"]

_VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    **datasets.VERBS, **patches.VERBS, **plugins.VERBS, **reviews.VERBS, **annotators.VERBS,
    **reviewing.VERBS, **planning.VERBS, **curves.VERBS, **slices.VERBS, **copies.VERBS,
    **sets.VERBS, **releases.VERBS, **serving.VERBS, **monitoring.VERBS, **cards.VERBS,
}  # fmt: skip


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
        return fail(options, type(error).__name__, str(error))
    except KeyboardInterrupt:
        console(err=True).print("\ninterrupted; nothing is lost: run the same command to continue")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        words = f"cannot use {error.filename or 'a file'}: {error.strerror or error}; check its permissions"
        return fail(options, "OSError", words)
