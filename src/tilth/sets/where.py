"""Where: which rows a set holds; the language of slices, over columns and over what is believed of a row.

given == "billing" and suggested == "technical" and p_wrong > 0.8
finding has "TIL201" and verdict is missing            copies == "ticket-17"
text contains "refund" and channel == "email"
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tilth.audit.base import Finding, View
from tilth.audit.trust import Trust
from tilth.data import Value
from tilth.errors import ConfigError, InputError
from tilth.sets.kept import KeptSet
from tilth.slices import Slice, Table, literal
from tilth.verdicts import Verdict
from tilth.workspace import TRAIN, Workspace

if TYPE_CHECKING:
    from tilth.signals import Progress

__all__ = ["Facts", "Where", "ask", "digest", "facts_of", "positions"]

BELIEVED = ("given", "suggested", "p_wrong", "verdict", "finding", "copies")
"""Names that a filter has beside the columns; they come before a column of the same name."""
EVALUATION = "TIL105"
"""Findings of this code are about evaluation rows."""


@dataclass(frozen=True)
class Where:
    """Rows that are in a kept set, among these ids, and fit an expression; what is empty asks nothing.

    Attributes
    ----------
    expression : in the language of slices.
    kept : id or name of a kept set.
    ids : row ids; None: any row.
    """

    expression: str = ""
    kept: str = ""
    ids: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; ids are counted."""
        return {
            "where": self.expression,
            "set": self.kept,
            "ids": None if self.ids is None else len(self.ids),
        }


class Facts(Table):
    """The rows of train as a filter sees them.

    Parameters
    ----------
    view, trust : what the audit and the verdicts say of each row.
    standing : the verdict that counts of each row, and the ids of rows on which people differ; perhaps newer
        than `trust`.
    findings : gives the findings of the audit; called when a filter asks for them.
    text, label : what the text column and the label column are called.
    mark : grows with every verdict; `standing` has all up to here.

    Attributes
    ----------
    decisions : position to the verdict that counts.
    disputed : positions of the rows on which people differ.
    """

    def __init__(
        self,
        view: View,
        trust: Trust,
        standing: tuple[Sequence[Verdict], Sequence[str]],
        findings: Callable[[], Sequence[Finding]],
        *,
        text: str,
        label: str,
        mark: int,
    ) -> None:
        super().__init__(view.train, text=text, label=label, also=view.evaluation.columns)
        self.view, self.trust, self.mark, self._findings = view, trust, mark, findings
        self.p_wrong = view.signals.p_wrong()
        verdicts, disputed = standing
        self.decisions: Mapping[int, Verdict] = {
            at: v
            for v in verdicts
            if v.said.decision != "skip" and (at := view.train.index.get(v.row.id)) is not None
        }
        places = (view.train.index.get(x) for x in disputed)
        self.disputed = frozenset(at for at in places if at is not None)

    def remember(self, earlier: Facts) -> None:
        """Take over what an earlier look at the same rows converted and no verdict changes."""
        changing = ("p_wrong", "verdict", "finding")
        self._known |= {k: v for k, v in earlier._known.items() if k[0] not in changing}

    def names(self) -> list[str]:
        """What can be named."""
        return list(dict.fromkeys([*BELIEVED, *super().names()]))

    def values(self, name: str) -> Sequence[Value]:
        """The values of a column, one a row."""
        rows, n = self.rows, len(self.rows)
        if name == "given":
            return rows.labels
        if name == "p_wrong":
            return [float(p) for p in self.p_wrong]
        if name == "suggested":
            classes = self.view.signals.classes
            return [classes[c] for c in self.trust.suggested.tolist()] if len(classes) > 1 else [None] * n
        if name == "verdict":
            return [v.said.decision if (v := self.decisions.get(i)) else None for i in range(n)]
        if name == "finding":
            return self._codes()
        return self._copies() if name == "copies" else super().values(name)

    def as_kind(self, name: str, kind: str) -> Any:
        """A column as `Table` gives it; P(wrong) is a number already."""
        return self.p_wrong if (name, kind) == ("p_wrong", "numbers") else super().as_kind(name, kind)

    def _codes(self) -> list[Value]:
        """Codes of the findings that are about each row, with blanks between."""
        found: dict[int, dict[str, None]] = {}
        for f in self._findings():
            if f.code != EVALUATION:
                for row in f.rows:
                    if (at := self.rows.index.get(row)) is not None:
                        found.setdefault(at, {})[f.code] = None
        return [" ".join(found[i]) if i in found else None for i in range(len(self))]

    def _copies(self) -> list[Value]:
        """The first row of the group of exact and near copies that each row is in."""
        out: list[Value] = [None] * len(self)
        for group in self.view.copies.groups():
            inside = [i for i in group.rows.tolist() if i < len(self)]
            if len(inside) > 1:
                name = self.rows.ids[min(inside)]
                for i in inside:
                    out[i] = name
        return out


def facts_of(ws: Workspace, progress: Progress | None = None) -> Facts:
    """What a filter can ask about the head of train."""
    columns, mark = ws.config.columns, ws.store.verdict_mark(TRAIN)
    return Facts(
        ws.view(progress), ws.trust(progress), ws.store.standing_verdicts(TRAIN),
        lambda: ws.audit(progress).findings, text=columns.text, label=columns.label, mark=mark,
    )  # fmt: skip


def ask(
    facts: Facts,
    slices: Mapping[str, str],
    *,
    where: str = "",
    given: str | None = None,
    suggested: str | None = None,
    least: float | None = None,
    most: float | None = None,
    text: str = "",
    slice: str = "",
    code: str = "",
    copies: str = "",
    undecided: bool = False,
) -> str:
    """One expression for what was asked for in parts.

    Parameters
    ----------
    slices : name to expression of the named slices.
    where, slice : expressions; `slice` may be the name of one.
    given, suggested : classes.
    least, most : range of P(wrong).
    text : part of the text, case ignored.
    code : of a finding.
    copies : a row, for it and its copies.
    undecided : only rows without a verdict.
    """
    parts = [f"({x})" for x in (where.strip(), slices.get(slice, slice).strip()) if x]
    if given is not None:
        parts.append(f"given == {literal(given)}")
    if suggested is not None:
        parts.append(f"suggested == {literal(suggested)}")
    if least is not None:
        parts.append(f"p_wrong >= {least:g}")
    if most is not None:
        parts.append(f"p_wrong <= {most:g}")
    if text:
        parts.append(f"text contains {literal(text)}")
    if code:
        parts.append(f"finding has {literal(code)}")
    if copies:
        at = facts.rows.index.get(copies)
        name = None if at is None else facts.values("copies")[at]
        parts.append(f"copies == {literal(name)}" if name is not None else f"id == {literal(copies)}")
    if undecided:
        parts.append("verdict is missing")
    if len(parts) == 1 and parts[0].startswith("("):
        return parts[0][1:-1]
    return " and ".join(parts)


def positions(facts: Facts, where: Where, kept: Callable[[str], KeptSet]) -> np.ndarray:
    """Positions of the rows of a set, the most suspicious first.

    Parameters
    ----------
    kept : finds a kept set by its id or name.

    Raises
    ------
    InputError : the expression cannot be read, or names what there is not.
    NotFound : no such kept set.
    """
    inside = np.ones(len(facts), dtype=bool)
    expressions, lists = [where.expression], [where.ids]
    if where.kept:
        found = kept(where.kept)
        expressions.append(found.where)
        lists.append(found.ids)
    for expression in expressions:
        if expression.strip():
            try:
                inside &= Slice.parse("where", expression).mask(facts)
            except ConfigError as error:
                raise InputError(str(error).replace("slice 'where', ", "filter, ", 1)) from None
    for ids in lists:
        if ids is not None:
            index, some = facts.rows.index, np.zeros(len(facts), dtype=bool)
            some[[at for x in ids if (at := index.get(x)) is not None]] = True
            inside &= some
    found_at = np.flatnonzero(inside)
    return found_at[np.argsort(-facts.p_wrong[found_at], kind="stable")]


def digest(facts: Facts, at: np.ndarray) -> str:
    """16 hex digits that name these rows with their present labels."""
    ids, labels = facts.rows.ids, facts.rows.labels
    made = hashlib.sha256()
    for i in np.sort(at).tolist():
        made.update(repr((ids[i], labels[i])).encode("utf-8", "surrogatepass"))
    return made.hexdigest()[:16]
