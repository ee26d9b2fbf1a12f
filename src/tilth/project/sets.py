"""Sets of rows, and the same decision for all rows of one."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tilth.project.opened import Opened
from tilth.workspace import TRAIN

if TYPE_CHECKING:
    from tilth.sets import KeptSet, Preview, SameDecision, Where

__all__ = ["SetVerbs"]


class SetVerbs(Opened):
    """Sets of rows, and the same decision for all rows of one."""

    def sets(self) -> list[KeptSet]:
        """Kept sets, oldest first."""
        from tilth.sets import kept_sets

        return kept_sets(self.workspace)

    def keep_set(
        self, ids: Sequence[str] | None = None, *, where: str = "", name: str = "", author: str = "person"
    ) -> KeptSet:
        """Keep a list of rows, or a filter, under an id and a name; the same one again is one.

        Raises
        ------
        InputError : it holds nothing, an id is no row of train, or the name is taken.
        """
        from tilth.sets import keep

        return keep(self.workspace, ids, where=where, name=name, author=author)

    def look_at_set(
        self, where: Where, *, decision: str = "", label: str | None = None, again: bool = False
    ) -> Preview:
        """How many rows a set has, how their labels differ, and what a decision on all of them would do.

        Parameters
        ----------
        decision : keep, relabel (with `label`), ambiguous or drop; "" only looks at the set.
        again : also decide on rows that have a verdict.

        Raises
        ------
        InputError : the filter cannot be read, or the decision or label is unknown.
        NotFound : no such kept set.
        """
        from tilth import sets

        ws = self.workspace
        facts = sets.facts_of(ws, self.progress)
        at = sets.positions(facts, where, lambda ref: sets.find(ws, ref))
        head = ws.head(TRAIN).id
        return sets.preview(facts, where, at, head, decision=decision, label=label, again=again)

    def decide_set(
        self,
        where: Where,
        decision: str,
        *,
        label: str | None = None,
        note: str = "",
        reviewer: str = "person",
        again: bool = False,
        key: str = "",
        expected: str = "",
    ) -> SameDecision:
        """Take one decision on all rows of a set, in one transaction; `undo_set` undoes it as one.

        Such verdicts settle their rows; P(wrong) learns nothing from them.

        Parameters
        ----------
        again : also decide on rows that have a verdict.
        key : sent twice, a decision is taken once; by default each has its own.
        expected : `digest` of the preview, to refuse a set that has changed since.

        Raises
        ------
        InputError : nothing to decide, or the filter, the decision or the label is unknown.
        Refused : the set has changed since it was looked at.
        """
        from tilth import sets

        ws = self.workspace
        facts = sets.facts_of(ws, self.progress)
        at = sets.positions(facts, where, lambda ref: sets.find(ws, ref))
        return sets.decide(
            ws, facts, where, at, key=key or uuid.uuid4().hex, decision=decision, label=label, note=note,
            reviewer=reviewer, again=again, expected=expected,
        )  # fmt: skip

    def undo_set(self, key: str, *, reviewer: str = "person") -> SameDecision:
        """Set the rows of a decision on a set back to the verdict they had before; once.

        Raises
        ------
        NotFound : no such decision.
        """
        from tilth.sets import undo

        return undo(self.workspace, key, reviewer=reviewer)

    def set_decisions(self) -> list[SameDecision]:
        """Decisions on sets, oldest first, undone ones too."""
        from tilth.sets import decided

        return decided(self.workspace)
