"""Verbs about several reviewers: rows in hand, disagreements, who is at work."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from tilth.cli.console import open_project, out

__all__ = ["VERBS"]


def _reviewers(options: argparse.Namespace) -> int:
    from tilth.errors import InputError
    from tilth.report import reviewing as report

    if (options.lease is not None or options.give_back) and not options.reviewer:
        raise InputError("rows are in somebody's hands: say whose with --reviewer NAME")
    if options.out is not None and options.lease is None and not options.disagreements:
        raise InputError("--out goes with --lease N or with --disagreements")
    body: dict[str, Any]
    with open_project(options) as project:
        if options.lease is not None:
            hours = {} if options.hours is None else {"hours": options.hours}
            handout = project.lease(options.reviewer, options.lease, out=options.out, **hours)
            body = {"lease": handout.to_json() | {"file": options.out and str(options.out)}}
            out(options, body, report.lease)
        elif options.give_back:
            project.give_back(options.reviewer)
            out(options, {"given_back": options.reviewer}, report.given_back)
        elif options.disagreements:
            found = [x.to_json() for x in project.disagreements(out=options.out)]
            body = {"disagreements": found, "file": options.out and str(options.out)}
            out(options, body, report.disagreements)
        else:
            out(options, project.reviewers().to_json(), report.people)
    return 0


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {"reviewers": _reviewers}
