"""Releases: from the head to a model that others run, and what they say of it back to rows."""

from __future__ import annotations

from tilth.project.opened import Opened

__all__ = ["ReleaseVerbs"]


class ReleaseVerbs(Opened):
    """Releases: from the head to a model that others run, and what they say of it back to rows."""
