"""Several reviewers: rows in hand, disagreements, who is at work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tilth.project.opened import Opened

if TYPE_CHECKING:
    from tilth.handouts import Disagreement, Handout
    from tilth.reviewers import People

__all__ = ["ReviewingVerbs"]


class ReviewingVerbs(Opened):
    """Several reviewers: rows in hand, disagreements, who is at work."""

    def reviewers(self) -> People:
        """Who reviews, how fast, with how many rows in hand, and how far they agree."""
        from tilth.reviewers import Reviewers

        return Reviewers(self.workspace).people()

    def lease(
        self, reviewer: str, n: int = 60, *, hours: float = 24.0, out: str | Path | None = None
    ) -> Handout:
        """Hand rows to a person and to nobody else for a while, the most useful first.

        Parameters
        ----------
        reviewer : who.
        n : how many rows; at most 200.
        hours : for how long. What the person held before, by file, goes back.
        out : a .csv or .jsonl file to fill in and to give to `verdict`.

        Raises
        ------
        Refused : there is no row that wants a verdict and that nobody else holds.
        """
        from tilth.handouts import hand_out

        path = None if out is None else Path(out)
        return hand_out(self.workspace, reviewer, n, hours=hours, out=path, progress=self.progress)

    def give_back(self, reviewer: str) -> None:
        """Take the rows back that a person was handed by `lease`."""
        from tilth.handouts import FILE
        from tilth.reviewers import Reviewers

        Reviewers(self.workspace).release(reviewer, seat=FILE)

    def disagreements(self, *, out: str | Path | None = None) -> list[Disagreement]:
        """Rows on which people differ and that nobody settled, with what each said.

        Parameters
        ----------
        out : a .csv or .jsonl file to fill in; given to `verdict`, its verdicts settle.
        """
        from tilth.handouts import differ

        return differ(self.workspace, out=None if out is None else Path(out))
