"""The verb about copies."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

from tilth.arguments import parser
from tilth.cli.console import open_project, out

__all__ = ["VERBS"]


def _duplicates(options: argparse.Namespace) -> int:
    from tilth import decisions
    from tilth.report import copies

    if options.label is not None and not options.keep:
        parser().error("--label is that of the row that is kept: give --keep ROW")
    with open_project(options) as project:
        if options.keep:
            info = project.keep_one(
                options.keep, label=options.label, threshold=options.threshold, author=options.author
            )
            out(options, {"proposed": decisions.line(info)}, copies.proposed)
            return 0
        body = project.duplicates(options.threshold).to_json()
        out(options, body, partial(copies.duplicates, limit=options.limit))
    return 0


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {"duplicates": _duplicates}
"""Verb to function."""
