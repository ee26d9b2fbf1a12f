"""The label guide: shown, edited, versioned."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from fastapi.responses import HTMLResponse

from tilth.errors import TilthError
from tilth.review.pages.frame import Frame
from tilth.review.routes import PageRoute

__all__ = ["GuidePages"]

PAIRS = 8
"""Confused pairs without a clause that are offered."""


class GuidePages(Frame):
    """The label guide."""

    def routes(self) -> list[PageRoute]:
        """Path and handler of each page."""
        return [("/guide", self.guide)]

    def guide(self, a: int | None = None, b: int | None = None, between: str = "") -> HTMLResponse:
        """The guide as it stands, its versions, and what changed between two of them.

        Parameters
        ----------
        a, b : versions to compare; b None: the file.
        between : two classes as a JSON list: the editor begins at their clause.
        """
        project, error = self.desk.project, ""
        try:
            body = project.guide()
        except TilthError as problem:  # a file that cannot be read: its line is named
            body, error = None, str(problem)
        versions = project.guide_history()
        changes, wrong = None, ""
        if a is not None:
            try:
                changes = project.guide_diff(a, b)
            except TilthError as problem:
                wrong = str(problem)
        return self.page(
            "guide.html", "guide", guide=body, error=error, versions=versions[::-1], a=a, b=b, wrong=wrong,
            changes=changes and [_change(c) for c in changes] if changes else changes, between=between,
            pairs=self._pairs(body) if body else [],
        )  # fmt: skip

    def _pairs(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Confused pairs that have no clause, by what was computed already."""
        known = {(c["a"], c["b"]) for c in body["clauses"]}
        found: dict[tuple[str, str], dict[str, Any]] = {}
        look = self.desk.looks.known("annotators")
        for p in look["pairs"] if look else ():
            pair = tuple(sorted((p["a"], p["b"])))
            found[pair[0], pair[1]] = {"why": f"annotators disagree on {p['items']} items"}
        look = self.desk.looks.of("confusions", lambda: self.desk.project.confusions().to_json()).body
        for p in look["pairs"] if look else ():
            pair = tuple(sorted(p["classes"]))
            found.setdefault((pair[0], pair[1]), {"why": f"a model confuses {p['confused']} rows"})
        return [
            {"a": a, "b": b, "json": json.dumps([a, b]), **about,
             "rows_at": "/decide/set?" + urlencode({"given": a, "suggested": b})}
            for (a, b), about in found.items() if (a, b) not in known
        ][:PAIRS]  # fmt: skip


def _change(c: dict[str, str]) -> dict[str, Any]:
    """A change of one part, its lines with what became of each."""
    kinds = {"+": "ins", "-": "del"}
    lines = [(kinds.get(line[:1], ""), line[1:]) for line in c["diff"].split("\n") if line]
    return {"change": c["change"], "title": c["title"], "lines": lines}
