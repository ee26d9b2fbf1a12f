"""Finding, View, Detector: what an audit says, what it looks at, and what a detector must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from tilth.agreement import Judged
from tilth.copies import Copies
from tilth.data import Snapshot
from tilth.neighbours import Neighbours, Space
from tilth.recipes.base import Matrix
from tilth.signals import Signals

__all__ = ["Detector", "Finding", "Suggestion", "View", "needs_texts"]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What could be done about a row: relabel it (`to` names the class) or drop it."""

    op: str
    row_id: str
    to: str | None = None


@dataclass(frozen=True)
class Finding:
    """A detector's claim about rows. Changes nothing.

    Attributes
    ----------
    code : stable code with a docs page, e.g. "TIL101".
    rows : ids of the rows that it is about, the most suspicious first.
    score : for ranking within a code, larger is worse.
    probability : calibrated probability that the claim holds, None where there is none.
    message : one sentence for a person.
    evidence : JSON-able facts behind the claim.
    suggestions : what could be done.
    """

    code: str
    rows: tuple[str, ...]
    score: float
    message: str
    probability: float | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    suggestions: tuple[Suggestion, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The finding as a JSON object."""
        return {
            "code": self.code,
            "rows": list(self.rows),
            "score": round(self.score, 6),
            "probability": None if self.probability is None else round(self.probability, 4),
            "message": self.message,
            "evidence": dict(self.evidence),
            "suggestions": [
                {"op": s.op, "id": s.row_id} | ({"to": s.to} if s.to is not None else {})
                for s in self.suggestions
            ],
        }

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> Finding:
        """The inverse of to_json."""
        return Finding(
            code=body["code"],
            rows=tuple(body["rows"]),
            score=body["score"],
            probability=body["probability"],
            message=body["message"],
            evidence=body["evidence"],
            suggestions=tuple(Suggestion(s["op"], s["id"], s.get("to")) for s in body["suggestions"]),
        )


@dataclass(frozen=True)
class View:
    """Everything that detectors look at; they must not change any of it.

    Attributes
    ----------
    train : the rows under audit (n of them).
    texts : their input texts.
    features : (n, d) features.
    signals : out-of-sample view of the same rows.
    copies : groups of copies among train rows followed by evaluation rows.
    evaluation : the evaluation rows, possibly none.
    eval_texts : their input texts.
    judged : votes of several annotators; None where there are none.
    text : name of the column that the texts stand in.
    space : embeddings of the rows and their neighbours, computed on first use; None without embeddings.
    has_texts : False where only features are known; the texts are empty then.
    eval_signals : what a fit on the train rows says about the evaluation rows; None where the features
        of the evaluation rows are not known.
    """

    train: Snapshot
    texts: Sequence[str]
    features: Matrix
    signals: Signals
    copies: Copies
    evaluation: Snapshot
    eval_texts: Sequence[str]
    judged: Judged | None = None
    text: str = "text"
    space: Space | None = None
    has_texts: bool = True
    eval_signals: Signals | None = None

    @property
    def neighbours(self) -> Neighbours | None:
        """The ten nearest train rows of each train row; None without embeddings. Computed once."""
        return None if self.space is None else self.space.neighbours

    @property
    def eval_neighbours(self) -> Neighbours | None:
        """The three nearest train rows of each evaluation row; None without embeddings of both."""
        return None if self.space is None else self.space.eval_neighbours

    def rows_of(self, code: str) -> Snapshot:
        """The rows that findings of a code are about: those of train, for TIL105 the evaluation rows."""
        return self.evaluation if code == "TIL105" else self.train

    def classes_of(self, positions: np.ndarray) -> list[str | None]:
        """Given labels at these positions."""
        return [self.train.labels[i] for i in positions]


class Detector(Protocol):
    """A check: pure, deterministic, and calm with no rows, one row or one class.

    A detector may have two things more: `applies(view)`, a method that returns why the check can say
    nothing about such data, or "" (see `needs_texts`), because a check that did not apply is not clean; and
    `page`, the address of its documentation.
    """

    @property
    def code(self) -> str:
        """Stable code, "TIL" and three digits for our own."""

    @property
    def name(self) -> str:
        """A few words, as the literature calls it."""

    def find(self, view: View) -> list[Finding]:
        """Findings, worst first. Raises CheckFailed where it cannot be carried out."""


def needs_texts(view: View) -> str:
    """Why a check that reads texts cannot say anything about a view, or ""."""
    return "" if view.has_texts else "needs the texts of the rows"


def excerpt(text: str, width: int = 100) -> str:
    """A text on one line, cut to a width."""
    line = " ".join(text[: 4 * width].split())
    return line if len(line) <= width else line[: width - 1] + "…"
