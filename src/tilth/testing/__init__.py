"""Batteries for plug-ins: does my detector or recipe keep its contract?

Needs no test framework: a broken clause raises ContractError, which is an AssertionError, so that a test
is one line.

>>> from tilth.testing import check_detector
>>> from tilth.audit.broken import BrokenRows
>>> check_detector(BrokenRows())
"""

from __future__ import annotations

from tilth.errors import ContractError
from tilth.testing.detectors import check_detector
from tilth.testing.recipes import check_recipe
from tilth.testing.worlds import fingerprint, view, worlds

__all__ = ["ContractError", "check_detector", "check_recipe", "fingerprint", "view", "worlds"]
