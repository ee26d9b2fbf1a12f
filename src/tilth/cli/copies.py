"""The verb about copies."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

from tilth.cli.console import open_project, out

__all__ = ["VERBS"]


def _duplicates(options: argparse.Namespace) -> int:
    from tilth.report import copies

    with open_project(options) as project:
        body = project.duplicates(options.threshold).to_json()
        out(options, body, partial(copies.duplicates, limit=options.limit))
    return 0


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {"duplicates": _duplicates}
"""Verb to function."""
