"""Verbs about parts of the data: slices and confused classes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

from tilth.arguments import parser
from tilth.cli.console import open_project, out

__all__ = ["VERBS"]


def _slices(options: argparse.Namespace) -> int:
    from tilth.report import slices

    if options.floor is not None and not options.keep:
        parser().error("--floor is that of a slice that is kept: give --keep NAME")
    with open_project(options) as project:
        if options.keep:
            out(options, project.keep_slice(options.keep, floor=options.floor).to_json(), slices.kept)
        else:
            out(options, project.slices().to_json(), partial(slices.slices, limit=options.limit))
    return 0


def _confusions(options: argparse.Namespace) -> int:
    from tilth.report import slices

    with open_project(options) as project:
        out(options, project.confusions().to_json(), partial(slices.confusions, limit=options.limit))
    return 0


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {"slices": _slices, "confusions": _confusions}
