"""Verbs about sets of rows, and the same decision for all rows of one."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from tilth.cli.console import open_project, out
from tilth.errors import InputError

__all__ = ["VERBS", "on_set"]


def on_set(options: argparse.Namespace) -> int | None:
    """`tilth verdict` about a whole set; None where no set is named."""
    named = bool(options.where.strip() or options.set)
    if options.undo is None and not named:
        if options.decide or options.label or options.yes:
            raise InputError("a decision on a set names the set: --where FILTER, or --set SET")
        return None
    if options.file:
        raise InputError("give a file of verdicts, or one decision for a set; not both")
    from tilth.report import sets as report
    from tilth.sets import Where

    with open_project(options) as project:
        if options.undo is not None:
            done = project.undo_set(options.undo, reviewer=options.reviewer)
            out(options, {"decided": done.to_json()}, report.decided)
            return 0
        where = Where(options.where, options.set)
        decision, label, again = options.decide or "", options.label, options.again
        found = project.look_at_set(where, decision=decision, label=label, again=again)
        if not (options.yes and decision):
            out(options, {"preview": found.to_json()}, report.preview)
            return 0
        done = project.decide_set(
            where, decision, label=label, note=options.note, reviewer=options.reviewer, again=again,
            expected=found.digest,
        )  # fmt: skip
        out(options, {"decided": done.to_json()}, report.decided)
    return 0


def _sets(options: argparse.Namespace) -> int:
    from tilth.files import read_text
    from tilth.report import sets as report

    with open_project(options) as project:
        if options.ids is not None or options.where.strip():
            ids = None if options.ids is None else [x for x in read_text(options.ids).splitlines() if x]
            project.keep_set(ids, where=options.where, name=options.name)
        body = {
            "sets": [s.to_json() for s in project.sets()],
            "decided": [d.to_json() for d in project.set_decisions()],
        }
        out(options, body, report.sets)
    return 0


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {"sets": _sets}
