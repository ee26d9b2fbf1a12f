"""What an action and a page are to the server. Handlers run in threads, so a slow one holds up no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["PageRoute", "Route"]

Route = tuple[str, str, Callable[..., Any]]
"""Method, path under /api, handler of an action."""
PageRoute = tuple[str, Callable[..., Any]]
"""Path and handler of a page."""
