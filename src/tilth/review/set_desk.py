"""Sets as the server looks them up: what a filter can ask is kept until a verdict changes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import numpy as np

from tilth import sets
from tilth.errors import InputError
from tilth.sets import Facts, Preview, Where
from tilth.workspace import TRAIN

if TYPE_CHECKING:
    from tilth.review.desk import Desk

__all__ = ["NUMBERS", "TEXTS", "SetDesk"]

TEXTS = ("where", "set", "given", "suggested", "text", "slice", "code", "copies")
NUMBERS = ("least", "most")
"""Words of an address that asks for a set; `undecided` besides."""


class SetDesk:
    """Filters, positions and previews of sets.

    Parameters
    ----------
    desk : what the server holds in memory.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk, self.project = desk, desk.project
        self._facts: tuple[tuple[str, int, int], Facts] | None = None

    def facts(self) -> Facts:
        """What a filter can ask; made anew after a verdict."""
        found, ws = self.desk.worklist(newest=False), self.project.workspace
        key = (found.version, found.mark, ws.store.verdict_mark(TRAIN))
        known = self._facts
        if known is None or known[0] != key:
            columns = ws.config.columns
            facts = Facts(
                found.view, found.trust, ws.store.standing_verdicts(TRAIN), self._findings,
                text=columns.text, label=columns.label, mark=key[2],
            )  # fmt: skip
            if known is not None and known[0][0] == found.version:
                facts.remember(known[1])
            known = self._facts = (key, facts)
        return known[1]

    def _findings(self) -> Any:
        with self.desk.alone:
            return self.project.workspace.audit(self.project.progress).findings

    def where(
        self, where: str = "", set: str = "", given: str | None = None, suggested: str | None = None,
        least: float | None = None, most: float | None = None, text: str = "", slice: str = "",
        code: str = "", copies: str = "", undecided: bool = False,
    ) -> Where:  # fmt: skip
        """The set that an address asks for."""
        slices = self.project.workspace.config.slices
        asked = sets.ask(
            self.facts(), slices, where=where, given=given, suggested=suggested, least=least, most=most,
            text=text, slice=slice, code=code, copies=copies, undecided=undecided,
        )  # fmt: skip
        return Where(asked, set)

    def positions(self, where: Where) -> np.ndarray:
        """Positions of the rows of a set, the most suspicious first."""
        return sets.positions(self.facts(), where, lambda ref: sets.find(self.project.workspace, ref))

    def of_address(self, words: Mapping[str, str]) -> Where:
        """The set that the words of an address ask for; unknown words are passed over.

        Raises
        ------
        InputError : a number that is none, or a filter that cannot be read.
        """
        asked = {k: v for k, v in words.items() if v.strip()}
        parts = {k: asked[k] for k in TEXTS if k in asked}
        try:
            limits = {k: float(asked[k]) for k in NUMBERS if k in asked}
        except ValueError as error:
            raise InputError(f"P(wrong) is a number: {error}") from None
        return self.where(**parts, **limits, undecided="undecided" in asked)  # type: ignore[arg-type]

    def ids(self, query: str) -> Iterator[str]:
        """Ids of the rows of a set by the query of its address, the most suspicious first."""
        where = self.of_address(dict(parse_qsl(query)))
        ids = self.facts().rows.ids
        return (ids[i] for i in self.positions(where).tolist())

    def preview(
        self, where: Where, at: np.ndarray, decision: str = "", label: str | None = None, again: bool = False
    ) -> Preview:
        """A set, and what a decision on it would do."""
        version = self.desk.worklist(newest=False).version
        return sets.preview(self.facts(), where, at, version, decision=decision, label=label, again=again)
