"""Verbs about what comes in while a model serves."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

from tilth.arguments import parser
from tilth.cli.console import open_project, out, progress_bars

__all__ = ["VERBS"]


def _drift(options: argparse.Namespace) -> int:
    from tilth.report import drift

    with open_project(options) as project:
        found = project.drift(
            options.file, reference=options.reference, out=options.out, keep=options.keep, level=options.level
        )
        out(options, found.to_json(), partial(drift.drift, limit=options.limit))
    return 0


def _monitor(options: argparse.Namespace) -> int:
    from tilth.report import monitoring

    with open_project(options) as project:
        out(options, project.monitor(options.state).to_json(), monitoring.monitor)
    return 0


def _escalations(options: argparse.Namespace) -> int:
    from tilth.report import monitoring

    if (options.answer is None) != (options.label is None):
        parser().error("--answer ID and --label LABEL go together")
    with open_project(options) as project:
        show = partial(monitoring.questions, limit=options.limit)
        if options.answer is not None:
            found = project.answer_question(
                options.answer, options.label, person=options.person, state=options.state
            )
            out(options, found.to_json(), show)
        else:
            out(options, project.escalations(options.state).to_json(), show)
    return 0


def _fleet(options: argparse.Namespace) -> int:
    from tilth.fleet import fleet, nightly
    from tilth.report import fleet as show

    if options.nightly:
        with progress_bars() as report:
            found = nightly(options.folder, progress=report)
    else:
        found = fleet(options.folder)
    out(options, found.to_json(), partial(show.fleet, limit=options.limit))
    return int(options.nightly and found.counts["broken"] > 0)


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    "drift": _drift,
    "monitor": _monitor,
    "escalations": _escalations,
    "fleet": _fleet,
}
