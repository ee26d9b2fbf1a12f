"""Steps from one schema of the store to the next, in order; each has `NUMBER` and `up(connection)`.

A step that was released is never changed; a change of the schema is a new step.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Protocol, cast

from tilth.migrations import m001_initial, m002_verdicts, m003_judgements, m004_reviewers

__all__ = ["STEPS", "Step", "upgrade"]


class Step(Protocol):
    """One step; a module."""

    NUMBER: int

    def up(self, connection: sqlite3.Connection) -> None:
        """Bring a store from schema NUMBER - 1 to NUMBER, inside the caller's transaction."""


STEPS: tuple[Step, ...] = (
    cast(Step, m001_initial), cast(Step, m002_verdicts), cast(Step, m003_judgements),
    cast(Step, m004_reviewers),
)  # fmt: skip


def upgrade(connection: sqlite3.Connection, steps: Sequence[Step] = STEPS) -> None:
    """Run the steps that a store has not seen yet, inside the caller's transaction."""
    (present,) = connection.execute("PRAGMA user_version").fetchone()
    for step in steps:
        if present < step.NUMBER:
            step.up(connection)
            # a pragma takes no parameters; the number is ours
            connection.execute(f"PRAGMA user_version = {int(step.NUMBER)}")
