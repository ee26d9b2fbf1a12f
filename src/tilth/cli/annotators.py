"""Verbs about people who label: their judgements, and the guide that they follow."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from tilth.arguments import parser
from tilth.cli.console import console, file_options, open_project, out, plain
from tilth.files import read_text

if TYPE_CHECKING:
    from tilth.guide import Clause
    from tilth.project import Project

__all__ = ["VERBS"]


def _annotators(options: argparse.Namespace) -> int:
    from tilth.report import people

    names = ("item", "annotator", "label", "text", "encoding", "delimiter", "skip_bad")
    reading = file_options(options, *names)
    with open_project(options) as project:
        found = project.annotators(options.file, out=options.out, **reading)
        body = found.to_json()
        info = project.propose_judged() if options.propose else None
        body["proposed"] = None if info is None else info.id
    if body["intake"] and not options.json:
        screen = console(err=True)
        for role, name in body["intake"]["columns"].items():
            why = body["intake"]["reasons"].get(role, "the file has none")
            screen.print(f"{role} column: [bold]{plain(name or '(none)')}[/]  [dim]{plain(why)}[/]")
        if body["intake"]["bad"]:
            screen.print(f"[yellow]{body['intake']['bad']:,} judgements left out[/]")
    out(options, body, partial(people.annotators, limit=options.limit))
    return 0


def _drafts(options: argparse.Namespace, project: Project) -> list[Clause]:
    """The drafts that were asked for."""
    between = None if options.between is None else (options.between[0], options.between[1])
    return project.draft_guide(options.draft, between=between)


def _guide(options: argparse.Namespace) -> int:
    from tilth.report import people

    if options.diff is not None and len(options.diff) > 2:
        parser().error("--diff takes at most two versions")
    if options.between and options.draft is None:
        parser().error("--between names the classes of a draft: give --draft")
    text = None if options.file is None else read_text(options.file)
    with open_project(options) as project:
        more: dict[str, Any] = {}
        if options.draft is not None:
            more["drafted"] = [{"a": c.a, "b": c.b} for c in _drafts(options, project)]
        elif options.save:
            saved = project.save_guide(author=options.author, note=options.note, text=text, base=options.base)
            more["saved"] = None if saved is None else saved["version"]
        elif text is not None:
            more = project.try_guide(text)
        elif options.history:
            more["history"] = project.guide_history()
        elif options.diff is not None:
            more["diff"] = project.guide_diff(*options.diff)
        out(options, {**project.guide(), **more}, people.guide)
    return 0


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {"annotators": _annotators, "guide": _guide}
