"""Verbs about the verdicts of people: draw rows, take verdicts in, make a patch of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from tilth.cli.console import open_project, out

__all__ = ["VERBS"]


def _sample(options: argparse.Namespace) -> int:
    from tilth.report import reviews

    with open_project(options) as project:
        body = project.sample(options.n, out=options.out, seed=options.seed).to_json()
        body["file"] = None if options.out is None else str(options.out)
        out(options, body, reviews.sample)
    return 0


def _verdict(options: argparse.Namespace) -> int:
    from tilth.cli.sets import on_set
    from tilth.report import reviews

    if (done := on_set(options)) is not None:
        return done
    with open_project(options) as project:
        body = project.verdict(options.file or (), reviewer=options.reviewer).to_json()
        out(options, body, reviews.verdict)
    return 0


def _review(options: argparse.Namespace) -> int:
    def started(address: str) -> None:
        words = f"open {address}\nthe page is served to this machine alone; stop it with Ctrl-C"
        out(options, {"address": address}, lambda console, b: console.print(words, soft_wrap=True))
        sys.stdout.flush()

    with open_project(options) as project:
        project.review(port=options.port, browser=options.browser, started=started)
    return 0


def _relabel(options: argparse.Namespace) -> int:
    from tilth.report import reviews

    with open_project(options) as project:
        body = project.relabel(fdr=options.fdr, revises=options.revises).to_json()
        out(options, body, reviews.relabel)
    return 0


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    "sample": _sample,
    "verdict": _verdict,
    "review": _review,
    "relabel": _relabel,
}
