"""Actions on sets of rows: keep one, look at it, decide on all of it, undo that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tilth import sets
from tilth.errors import InputError
from tilth.review.desk import Desk
from tilth.review.routes import Route
from tilth.sets import Where

__all__ = ["SetActions"]

MOST = 2_000
"""Ids in one answer."""


@dataclass
class NewSet:
    """Rows as `ids`, or as bits: `mask` of `version`; or a filter `where`.

    `mask` is base64 of one bit a row of train in the order of ids, the first in the lowest bit of a byte.
    """

    ids: list[str] | None = None
    mask: str | None = None
    version: str = ""
    where: str = ""
    name: str = ""
    author: str = "person"


@dataclass
class OneForAll:
    """A decision on the rows of a kept set, of a filter, or of these ids.

    `key` is the browser's own name of it; `expected` is the digest of the preview.
    """

    key: str
    decision: str
    reviewer: str
    label: str | None = None
    note: str = ""
    where: str = ""
    set: str = ""
    ids: list[str] | None = None
    again: bool = False
    expected: str = ""


@dataclass
class Who:
    """Who undoes."""

    reviewer: str


class SetActions:
    """Sets of rows, and the same decision for all rows of one.

    Parameters
    ----------
    desk : what the server holds in memory.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk, self.project, self.sets = desk, desk.project, desk.sets

    def keep(self, body: NewSet) -> Any:
        """Keep a list of rows, or a filter: `tilth sets`."""
        ids = body.ids
        if body.mask is not None:
            ids = sets.unpack_mask(self.project.workspace, body.mask, body.version)
        made = self.project.keep_set(ids, where=body.where, name=body.name, author=body.author)
        return made.to_json() | {"url": "/decide/set?" + urlencode({"set": made.id})}

    def kept(self) -> Any:
        """Kept sets: `tilth sets`."""
        return [s.to_json() for s in self.project.sets()]

    def rows(
        self, start: int = 0, count: int = 100, where: str = "", set: str = "", given: str | None = None,
        suggested: str | None = None, least: float | None = None, most: float | None = None, text: str = "",
        slice: str = "", code: str = "", copies: str = "", undecided: bool = False,
    ) -> Any:  # fmt: skip
        """Ids of the rows of a set or filter, the most suspicious first, a page at a time."""
        if not (start >= 0 and 0 < count <= MOST):
            raise InputError(f"start is from 0 up and count from 1 to {MOST}, not {start} and {count}")
        asked = self.sets.where(
            where, set, given, suggested, least, most, text, slice, code, copies, undecided
        )
        at, ids = self.sets.positions(asked), self.sets.facts().rows.ids
        page = [ids[i] for i in at[start : start + count].tolist()]
        return asked.to_json() | {"count": len(at), "start": start, "rows": page}

    def look(self, body: OneForAll) -> Any:
        """What a decision on a set would do: `tilth verdict --where`."""
        where = _where(body)
        at = self.sets.positions(where)
        found = self.sets.preview(where, at, body.decision, body.label, body.again)
        return found.to_json()

    def decide(self, body: OneForAll) -> Any:
        """Take one decision on all rows of a set, once for its key: `tilth verdict --where --decide`."""
        if not body.reviewer.strip():
            raise InputError("no reviewer: a verdict says who decided")
        if not body.key:
            raise InputError("no key: of two decisions with the same key one counts")
        where = _where(body)
        made = sets.decide(
            self.project.workspace, self.sets.facts(), where, self.sets.positions(where), key=body.key,
            decision=body.decision, label=body.label, note=body.note, reviewer=body.reviewer.strip(),
            again=body.again, expected=body.expected,
        )  # fmt: skip
        return made.to_json()

    def undo(self, key: str, body: Who) -> Any:
        """Undo a decision on a set as one: `tilth verdict --undo`."""
        return self.project.undo_set(key, reviewer=body.reviewer).to_json()

    def decided(self) -> Any:
        """Decisions on sets, oldest first."""
        return [d.to_json() for d in self.project.set_decisions()]

    def routes(self) -> list[Route]:
        """Method, path and handler of each action."""
        return [
            ("POST", "/sets", self.keep), ("GET", "/sets", self.kept), ("GET", "/sets/rows", self.rows),
            ("POST", "/sets/look", self.look), ("POST", "/sets/decide", self.decide),
            ("GET", "/sets/decided", self.decided), ("POST", "/sets/decided/{key}/undo", self.undo),
        ]  # fmt: skip


def _where(body: OneForAll) -> Where:
    return Where(body.where, body.set, None if body.ids is None else tuple(body.ids))
