"""A set of rows as a grid of cards, on which one decision is taken for all or for some."""

from __future__ import annotations

import shlex
from typing import Any
from urllib.parse import urlencode

import fastapi
from fastapi.responses import HTMLResponse

from tilth import sets
from tilth.audit.base import excerpt
from tilth.audit.run import detectors
from tilth.errors import InputError, NotFound, TilthError
from tilth.review.pages.frame import Frame
from tilth.review.routes import PageRoute
from tilth.review.set_desk import NUMBERS, TEXTS

__all__ = ["SetPages"]

CARDS, TEXT, CLASSES, DECIDED = 48, 280, 12, 8
"""Cards of a page, characters on one, classes in a table, decisions listed."""


class SetPages(Frame):
    """A set of rows as a grid of cards."""

    def routes(self) -> list[PageRoute]:
        """Path and handler of each page."""
        return [("/decide/set", self.grid)]

    def grid(self, request: fastapi.Request) -> HTMLResponse:
        """The rows of a filter or a kept set."""
        asked = {k: v for k, v in request.query_params.items() if v.strip()}
        form = {k: asked.get(k, "") for k in (*TEXTS, *NUMBERS)} | {"undecided": "undecided" in asked}
        base: dict[str, Any] = {
            "form": form,
            "classes": list(self.desk.worklist(newest=False).view.signals.classes),
            "codes": [(d.code, d.name) for d in detectors(()) if d.code != "TIL105"],
            "decided": [d.to_json() for d in reversed(self.desk.project.set_decisions())][:DECIDED],
        }
        try:
            start = _number(asked.get("start", "0"))
            where = self.desk.sets.of_address(asked)
            at = self.desk.sets.positions(where)
            found = self.desk.sets.preview(where, at).to_json()
        except TilthError as error:
            status = 404 if isinstance(error, NotFound) else 422
            return self.page("set.html", "decide", status, message=str(error), found=None, **base)
        facts, query = self.desk.sets.facts(), {k: v for k, v in asked.items() if k != "start"}
        kept = None if not where.kept else sets.find(self.desk.project.workspace, where.kept)
        return self.page(
            "set.html", "decide", message="", found=found, kept=kept, start=start,
            cards=[_card(facts, i) for i in at[start : start + CARDS].tolist()],
            before=None if start == 0 else _address(query, max(0, start - CARDS)),
            after=None if start + CARDS >= len(at) else _address(query, start + CARDS),
            given=_top(found["given"]), suggested=_top(found["suggested"]), query=urlencode(query),
            command=_command(where), **base,
        )  # fmt: skip


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 12:
        raise InputError(f"start is the number of a row, not {text[:40]!r}")
    return int(text)


def _card(facts: sets.Facts, i: int) -> dict[str, Any]:
    signals = facts.view.signals
    other = signals.classes[int(facts.trust.suggested[i])] if len(signals.classes) > 1 else None
    verdict = facts.decisions.get(i)
    return {
        "id": facts.rows.ids[i], "text": excerpt(facts.view.texts[i], TEXT), "given": facts.rows.labels[i],
        "suggested": other, "p_wrong": float(facts.p_wrong[i]),
        "verdict": verdict and f"{verdict.said.decision} {verdict.said.label or ''}".strip(),
    }  # fmt: skip


def _top(counts: dict[str, int]) -> list[tuple[str, int]]:
    """The most frequent classes, and the number of rows in all others."""
    listed = list(counts.items())
    rest = sum(n for _, n in listed[CLASSES:])
    return listed[:CLASSES] + ([(f"{len(listed) - CLASSES} others", rest)] if rest else [])


def _address(query: dict[str, str], start: int) -> str:
    return "/decide/set?" + urlencode(query | {"start": str(start)})


def _command(where: sets.Where) -> str:
    """The same set on the command line."""
    parts = ["tilth", "verdict"]
    parts += ["--set", where.kept] if where.kept else []
    parts += ["--where", where.expression] if where.expression else []
    return shlex.join(parts) if len(parts) > 2 else "tilth verdict --where 'p_wrong >= 0'"
