"""Verbs about what a release says of itself: the datasheet and its open questions, and whether it is true."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from tilth.arguments import parser
from tilth.cli.console import open_project, out, progress_bars, write

__all__ = ["VERBS"]

OUTCOMES = {"recomputed": 0, "not recomputed": 3, "differs": 4}


def _datasheet(options: argparse.Namespace) -> int:
    from tilth.report import checks

    if options.form is not None and (options.answer or options.set):
        parser().error("--form writes the questions down: leave --answer and --set out")
    with open_project(options) as project:
        if options.answer or options.set:
            project.answer(options.answer, dict(options.set or ()), author=options.author)
        if options.form is not None:
            project.datasheet_form(options.form)
            out(options, {"file": str(options.form)}, lambda c, b: checks.form(c, b))
            return 0
        found = project.datasheet()
    if options.markdown and not options.json:
        write(found.markdown)
        return 0
    out(options, found.to_json(), checks.datasheet)
    return 0


def _verify(options: argparse.Namespace) -> int:
    from tilth.release.verify import verify
    from tilth.report import checks

    with progress_bars():
        found = verify(options.bundle, project=options.project, evaluation=options.eval, id=options.id)
    out(options, found.to_json(), checks.verification)
    return OUTCOMES[found.outcome]


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {"datasheet": _datasheet, "verify": _verify}
