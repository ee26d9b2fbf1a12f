"""Findings to patches: a handful of coherent changes; tilth.trial.gains says what each would gain.

A procedure is named, so that the same rule can be followed on a part of the data by a decision that
must not see the rest (see tilth.trial.decide).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tilth.audit.base import Finding
from tilth.data import Row, Snapshot
from tilth.patch import Op

__all__ = ["ALTERNATIVES", "BY_PEOPLE", "PROCEDURES", "STARVED", "Procedure", "follow"]


STARVED = 20
"""Rows below which a class is left alone, as in TIL401."""


@dataclass(frozen=True)
class Procedure:
    """A rule that turns findings into ops.

    Attributes
    ----------
    name : stands in a patch's origin as "propose:<name>".
    title : with {n} for the number of rows.
    codes : the findings that it reads.
    why : reason given in the patch.
    wanted : which of these findings it takes.
    drop : drop the rows instead of following the suggestion.
    spare : leave rows of a class with fewer than 20 rows to a person: the model hardly knows that class,
        so its doubt about them says little, and relabelling them would starve the class for good.
    """

    name: str
    title: str
    codes: tuple[str, ...]
    why: str
    wanted: Callable[[Finding], bool] = lambda finding: True
    drop: bool = False
    spare: bool = False

    def ops(self, findings: Sequence[Finding], rows: Snapshot) -> tuple[Op, ...]:
        """One op for each row that the findings suggest to change; the first suggestion wins."""
        out: dict[str, Op] = {}
        sizes = Counter(rows.labels)
        for finding in findings:
            if finding.code not in self.codes or not self.wanted(finding):
                continue
            for s in finding.suggestions:
                at = rows.index.get(s.row_id)
                if at is None or s.row_id in out:
                    continue
                before = rows.row(at)
                if self.spare and sizes[before.label] < STARVED:
                    continue
                if self.drop or s.op == "drop":
                    out[s.row_id] = Op(before, None, finding.message)
                elif s.to is not None and s.to != before.label:
                    after = Row(before.id, before.fields, s.to, before.source)
                    out[s.row_id] = Op(before, after, finding.message)
        return tuple(out.values())


def _sure(finding: Finding) -> bool:
    return (finding.probability or 0.0) >= 0.8


PROCEDURES: tuple[Procedure, ...] = (
    Procedure(
        "relabel-likely",
        "Relabel {n} rows whose label is probably wrong",
        ("TIL101",),
        "out-of-sample P(wrong) above 0.5",
        spare=True,
    ),
    Procedure(
        "relabel-confident",
        "Relabel {n} rows whose label is almost surely wrong",
        ("TIL101",),
        "out-of-sample P(wrong) of at least 0.8",
        _sure,
        spare=True,
    ),
    Procedure(
        "drop-suspects",
        "Drop {n} rows whose label is probably wrong",
        ("TIL101",),
        "out-of-sample P(wrong) above 0.5; dropping makes no claim about the right label",
        drop=True,
        spare=True,
    ),
    Procedure(
        "resolve-conflicts",
        "Give {n} copies the label that their group agrees on",
        ("TIL102",),
        "copies of one text under different labels",
    ),
    Procedure(
        "drop-exact-copies",
        "Drop {n} exact copies",
        ("TIL201",),
        "copies count twice and teach nothing",
    ),
    Procedure(
        "drop-leaks",
        "Move {n} rows that leak into the evaluation set out of train",
        ("TIL203",),
        "a copy in train makes the score look better than it is",
    ),
    Procedure(
        "drop-broken",
        "Drop {n} broken rows and outliers",
        ("TIL301", "TIL501"),
        "rows that are no example of any class",
    ),
)
"""In the order in which they are tried when predicted gains are equal."""

BY_PEOPLE: tuple[Procedure, ...] = (
    Procedure(
        "relabel-consensus",
        "Give {n} rows the label that their annotators agree on",
        ("TIL104",),
        "consensus of several annotators and the model; P(stored label wrong) above 0.5",
    ),
)
"""Proposed, but never decided on held-out rows: people, not the rest of the data, are their evidence."""

ALTERNATIVES = ("relabel-likely", "relabel-confident", "drop-suspects")
"""Different treatments of the same rows: once one of them is accepted, the others have lost their base."""


def follow(code: str, about: Mapping[str, str]) -> Procedure:
    """Do what a plug-in suggests; a person decides on it, `improve` never tries it by itself.

    Parameters
    ----------
    about : name and package of the plug-in, as an audit lists them.
    """
    words = f"Do what {code} ({about['name']}) suggests about ".replace("{", "{{").replace("}", "}}")
    return Procedure(f"follow-{code}", words + "{n} rows", (code,), f"suggested by {about['package']}")
