"""The verb about learning curves."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from tilth.cli.console import console, open_project, out, plain

__all__ = ["VERBS"]


def _curve(options: argparse.Namespace) -> int:
    from tilth.files import write_text
    from tilth.learning import adding, class_of
    from tilth.report import curves

    with open_project(options) as project:
        body = project.curve(worth=options.worth).to_json()
        name = project.workspace.config.name
    if options.add is not None:
        body = body | {"adding": adding(body, options.add)}
    if options.out:
        from tilth.report.curve_page import render

        write_text(options.out, render(body | {"project": name}))
        body = body | {"file": str(options.out)}
    if options.of_class is not None:
        body = body | {"classes": [class_of(body, options.of_class)]}
        out(options, body, curves.one_class)
    else:
        out(options, body, lambda console, b: curves.curve(console, b, limit=options.limit))
    if options.out and not options.json:
        console().print(f"Page: {plain(str(options.out))}", soft_wrap=True)
    return 0


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {"curve": _curve}
