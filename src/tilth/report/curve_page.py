"""The page of `tilth curve`: placeholder until the charts are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tilth.report.markup import tag

__all__ = ["render"]


def render(body: Mapping[str, Any]) -> str:
    """One HTML page."""
    return "<!DOCTYPE html>\n" + tag("html", tag("body", tag("p", str(body.get("advice")))), lang="en") + "\n"
