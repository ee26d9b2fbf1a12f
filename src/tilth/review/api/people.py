"""Actions of people who work side by side: rows in hand, who is at work, where they differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tilth.review.desk import Desk
from tilth.review.routes import Route

__all__ = ["PeopleActions"]


@dataclass
class Wanted:
    """Rows for one window (`seat`) of a person: those on its screen, and more up to `n`.

    `was`: its seat before a reload. `without`: decided there a moment ago. `queue`: nothing or disagreements.
    `asked`: the set whose rows are wanted, in the words of the address of its page; nothing: the worklist.
    """

    reviewer: str
    seat: str = ""
    was: str = ""
    n: int = 40
    have: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    queue: str = ""
    asked: str = ""


@dataclass
class Given:
    """Rows that a window does not want any more; none named: all that it holds."""

    reviewer: str
    seat: str = ""
    rows: list[str] | None = None


class PeopleActions:
    """What several people need of each other.

    Parameters
    ----------
    desk : what the server holds in memory.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def lease(self, body: Wanted) -> Any:
        """Hand rows to a person and to nobody else for a while: `tilth reviewers --lease`."""
        return self.desk.lease(
            body.reviewer.strip(), seat=body.seat, was=body.was, n=body.n, have=body.have,
            without=body.without, queue=body.queue,
            order=self.desk.sets.ids(body.asked) if body.asked else None,
        )  # fmt: skip

    def release(self, body: Given) -> Any:
        """Give rows back that were handed out: `tilth reviewers --give-back`."""
        self.desk.reviewers.release(body.reviewer.strip(), seat=body.seat, rows=body.rows)
        return {"released": True}

    def reviewers(self) -> Any:
        """Who is at work, how fast, with how many rows in hand, and how far they agree: `tilth reviewers`."""
        return self.desk.reviewers.people().to_json()

    def disagreements(self) -> Any:
        """Rows on which people differ, with what each said: `tilth reviewers --disagreements`."""
        return {"rows": self.desk.reviewers.disagreements()}

    def routes(self) -> list[Route]:
        """Method, path and handler of each action."""
        return [
            ("POST", "/lease", self.lease), ("POST", "/lease/release", self.release),
            ("GET", "/reviewers", self.reviewers), ("GET", "/disagreements", self.disagreements),
        ]  # fmt: skip
