"""Serve releases over HTTP: answer, abstain, compare releases, take feedback that is not lost.

Nothing here needs a project: a folder of state (`state`) is all that a server and those who read it share.
"""

from __future__ import annotations

from tilth.serve.state import Answered, Escalated, Receipt, Said, Served, State

__all__ = ["Answered", "Escalated", "Receipt", "Said", "Served", "State"]
