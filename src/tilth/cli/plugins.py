"""The verb about plug-ins."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from tilth.cli.console import out

__all__ = ["VERBS"]

BROKEN = 5


def _plugins(options: argparse.Namespace) -> int:
    from tilth.report import plugins
    from tilth.roster import checked, roster

    entries = checked(roster()) if options.check else roster()
    body = {"checked": options.check, "plugins": [e.to_json() for e in entries]}
    out(options, body, plugins.plugins)
    return BROKEN if any(e.state in ("refused", "breaks") for e in entries) else 0


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {"plugins": _plugins}
