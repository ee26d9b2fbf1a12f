"""Verbs about what comes in while a model serves."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

from tilth.cli.console import open_project, out

__all__ = ["VERBS"]


def _drift(options: argparse.Namespace) -> int:
    from tilth.report import drift

    with open_project(options) as project:
        found = project.drift(
            options.file, reference=options.reference, out=options.out, keep=options.keep, level=options.level
        )
        out(options, found.to_json(), partial(drift.drift, limit=options.limit))
    return 0


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {"drift": _drift}
"""Name of a verb to what it does."""
