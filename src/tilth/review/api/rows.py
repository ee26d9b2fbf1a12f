"""Actions on rows: what to do next, the rows that want a verdict, verdicts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import fastapi

from tilth.bodies import part
from tilth.errors import InputError
from tilth.review.desk import Desk
from tilth.review.routes import Route

__all__ = ["RowActions"]


@dataclass
class Decision:
    """One verdict; `key` is the browser's own name of it, so that it counts once however often it is sent.

    `role`: "ask" for a second opinion with it, "settle" a disagreement, or nothing.
    """

    key: str
    id: str
    verdict: str
    label: str | None = None
    note: str = ""
    role: str = ""


@dataclass
class Decisions:
    """Verdicts of one person."""

    reviewer: str
    items: list[Decision] = field(default_factory=list)


class RowActions:
    """Where the project stands, the queue, cards, verdicts.

    Parameters
    ----------
    desk : what the server holds in memory.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk, self.project = desk, desk.project

    def status(self) -> Any:
        """Where the project stands: `tilth status`."""
        return self.project.status()

    def plan(self) -> Any:
        """What to do next: `tilth plan`."""
        return self.desk.plan()

    def queue(self, offset: int = 0, limit: int = 2_000) -> Any:
        """Ids of the rows that want a verdict, the most useful first, and errors left: `tilth plan --out`."""
        if offset < 0 or not 0 <= limit <= 10_000:
            raise InputError(f"offset {offset}, limit {limit}: ask for up to 10,000 rows from row 0 on")
        return self.desk.worklist().to_json(limit, offset)

    def rows(self, id: list[str] = fastapi.Query(default=[])) -> Any:  # noqa: B008
        """What is to be seen of rows; at most 50 at once."""
        if len(id) > 50:
            raise InputError(f"{len(id)} rows were asked for; ask for at most 50 at once")
        return self.desk.cards(id)

    def text(self, id: str, field: str, start: int = 0) -> Any:
        """A further part of a long field of a row."""
        if start < 0:
            raise InputError(f"start {start}: a text begins at 0")
        return part(self.desk.worklist(newest=False).view.train, id, field, start)

    def verdicts(self, body: Decisions) -> Any:
        """Take verdicts in, each once for its key; on disk before the answer: `tilth verdict`."""
        if not body.reviewer.strip():
            raise InputError("no reviewer: a verdict says who decided")
        return self.desk.record([asdict(item) for item in body.items], body.reviewer.strip())

    def routes(self) -> list[Route]:
        """Method, path and handler of each action."""
        return [
            ("GET", "/status", self.status), ("GET", "/plan", self.plan), ("GET", "/queue", self.queue),
            ("GET", "/rows", self.rows), ("GET", "/rows/text", self.text),
            ("POST", "/verdicts", self.verdicts),
        ]  # fmt: skip
