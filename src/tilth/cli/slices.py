"""Verbs about parts of the data: slices and confused classes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

from tilth.arguments import parser
from tilth.cli.console import open_project, out

__all__ = ["VERBS"]


def _slices(options: argparse.Namespace) -> int:
    from tilth.report import maps, slices

    if options.floor is not None and not options.keep:
        parser().error("--floor is that of a slice that is kept: give --keep NAME")
    if options.where is not None and not options.keep:
        parser().error("--where is that of a slice that is kept: give --keep NAME")
    if options.like and options.keep:
        parser().error("--like describes a set, --keep writes a slice: one at a time")
    with open_project(options) as project:
        if options.like:
            found = [d.to_json() for d in project.describe_rows(options.like)]
            out(options, {"descriptions": found}, maps.described)
        elif options.keep and options.where is not None:
            made = project.add_slice(options.keep, options.where, floor=options.floor)
            out(options, made.to_json(), slices.kept)
        elif options.keep:
            out(options, project.keep_slice(options.keep, floor=options.floor).to_json(), slices.kept)
        else:
            out(options, project.slices().to_json(), partial(slices.slices, limit=options.limit))
    return 0


def _confusions(options: argparse.Namespace) -> int:
    from tilth.report import slices

    with open_project(options) as project:
        out(options, project.confusions().to_json(), partial(slices.confusions, limit=options.limit))
    return 0


def _map(options: argparse.Namespace) -> int:
    from tilth.report import maps

    with open_project(options) as project:
        body = project.map(out=options.out, colour=options.colour).to_json()
        out(options, body | {"file": str(options.out) if options.out else None}, maps.map_summary)
    return 0


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    "slices": _slices,
    "confusions": _confusions,
    "map": _map,
}
