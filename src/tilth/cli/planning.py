"""Verbs about what to do next and what came of it."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from tilth.cli.console import open_project, out

__all__ = ["VERBS"]


def _plan(options: argparse.Namespace) -> int:
    from tilth.report import planning

    with open_project(options) as project:
        out(options, project.plan(out=options.out).to_json(), planning.plan)
    return 0


def _ledger(options: argparse.Namespace) -> int:
    from tilth.report import planning

    with open_project(options) as project:
        out(options, project.ledger().to_json(), planning.ledger)
    return 0


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {"plan": _plan, "ledger": _ledger}
