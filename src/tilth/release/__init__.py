"""Releases: a frozen bundle with a model that answers, and what is known about it.

>>> from tilth.release import load
"""

from __future__ import annotations

from tilth.release.bundle import Answer, Release, Scores, load

__all__ = ["Answer", "Release", "Scores", "load"]
