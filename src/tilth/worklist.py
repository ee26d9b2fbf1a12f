"""Worklist: every row that wants a verdict, the most useful first, and all that a person needs to decide.

The order is that of the review in a plan (tilth.actions), here without its end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tilth.actions import in_question
from tilth.audit.base import View, excerpt
from tilth.audit.evidence import nearest, telling_words
from tilth.audit.trust import Trust
from tilth.bodies import Fields
from tilth.guide import Guide, parse
from tilth.reviews import judge
from tilth.signals import Progress, Signals
from tilth.stats import Interval
from tilth.verdicts import Said, Verdict
from tilth.workspace import GUIDE, TRAIN, Workspace

__all__ = ["Worklist", "worklist"]

BEGINNING, LIKELY, COPIES, VOTES = 200, 9, 20, 20
"""Characters by which a row is called, classes by probability, copies and votes that a card holds."""


@dataclass(frozen=True)
class Worklist:
    """Rows that want a verdict, and what is believed at the moment.

    Attributes
    ----------
    version : head of train.
    mark : grows with every verdict; the order takes those up to here into account.
    order : positions of the rows, the best first; of exact copies one stands for all.
    view, trust : what the audit and the verdicts say of each row.
    claims : signals before any verdict was heard.
    guide, guide_version : the newest label guide; None before the first.
    words : class number to the number of its rows with each word, as far as it was counted.
    fields : which fields of a row are what.
    told : gives, by row, the findings of the newest audit.
    quality : of each annotator, where there are several.
    """

    version: str
    mark: int
    order: np.ndarray
    view: View
    trust: Trust
    claims: Signals
    guide: Guide | None
    guide_version: int
    words: dict[int, Counter[str]]
    fields: Fields
    told: Callable[[], Mapping[str, Sequence[Mapping[str, str]]]]
    quality: Sequence[Interval]

    @property
    def ids(self) -> list[str]:
        """Ids of the rows, the best first."""
        return [self.view.train.ids[i] for i in self.order.tolist()]

    def blind(self) -> Worklist:
        """The same with nothing on its cards that a verdict on the row made known."""
        return replace(self, view=replace(self.view, signals=self.claims), told=dict)

    def each(self) -> Iterator[str]:
        """Ids of the rows, the best first, one at a time: whoever wants a few does not pay for all."""
        return (self.view.train.ids[i] for i in self.order)

    def to_json(self, most: int = 2_000, first: int = 0) -> dict[str, Any]:
        """Where the review stands, and `most` rows from the one at `first` on."""
        return {
            "version": self.version,
            "mark": self.mark,
            "count": len(self.order),
            "rows": [self.view.train.ids[i] for i in self.order[first : first + most].tolist()],
            "classes": list(self.view.signals.classes),
            "errors": {k: round(v, 1) for k, v in asdict(self.trust.errors()).items()},
            "basis": self.trust.basis,
            "judged": self.trust.judged,
            "of": len(self.view.train),
        }

    def cards(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """What is to be seen of each row; those that are not in train are left out."""
        at = np.array([i for x in ids if (i := self.view.train.index.get(x)) is not None], dtype=np.int64)
        suggested = self.trust.suggested
        near = nearest(self.view, at, suggested) if len(self.view.signals.classes) > 1 else {}
        words = telling_words(self.view, at, suggested, self.words)
        p = self.view.signals.p_wrong()
        return [self._card(i, float(p[i]), near.get(i, []), words.get(i, [])) for i in at.tolist()]

    def _card(
        self, i: int, p: float, near: Sequence[dict[str, object]], words: Sequence[dict[str, object]]
    ) -> dict[str, Any]:
        view, s = self.view, self.view.signals
        text, given = view.texts[i], view.train.labels[i]
        other = s.classes[int(self.trust.suggested[i])] if len(s.classes) > 1 else None
        likely = np.argsort(-s.posterior[i], kind="stable")[:LIKELY].tolist()
        return {
            "id": view.train.ids[i],
            "text": text[:BEGINNING],
            "bodies": self.fields.bodies(view.train, i),
            "given": given,
            "suggested": other,
            "p_wrong": round(p, 4),
            "p_suggested": round(float(s.posterior[i, self.trust.suggested[i]]), 4),
            "likely": [{"label": s.classes[c], "p": round(float(s.posterior[i, c]), 4)} for c in likely],
            "nearest": list(near),
            "words": list(words),
            "copies": self._copies(i),
            "guide": self._clause(given, other),
            "findings": [dict(f) for f in self.told().get(view.train.ids[i], ())],
            "votes": self._votes(i),
        }

    def _copies(self, i: int) -> list[dict[str, Any]]:
        """Other rows of train with the same text, with their labels."""
        rows, group = self.view.train, self.view.copies.exact[: len(self.view.train)]
        same = np.flatnonzero(group == group[i])
        return [
            {"id": rows.ids[j], "label": rows.labels[j], "text": excerpt(self.view.texts[j])}
            for j in same[same != i][:COPIES].tolist()
        ]

    def _votes(self, i: int) -> list[dict[str, Any]]:
        """What each annotator said of a row, with how good they are."""
        judged = self.view.judged
        if judged is None:
            return []
        votes, out = judged.votes, []
        for item in np.flatnonzero(judged.train == i).tolist():
            first, last = np.searchsorted(votes.item, [item, item + 1])
            for v in range(first, min(last, first + VOTES)):
                who = int(votes.annotator[v])
                q = self.quality[who] if self.quality else None
                out.append(
                    {
                        "annotator": votes.annotators[who],
                        "label": votes.labels[votes.label[v]],
                        "quality": q and {k: round(x, 4) for k, x in asdict(q).items() if x == x},
                    }
                )
        return out

    def _clause(self, given: str | None, other: str | None) -> dict[str, Any] | None:
        if self.guide is None or given is None or other is None:
            return None
        clause = self.guide.clause(given, other)
        if clause is None:
            return None
        return {"version": self.guide_version, "clause": clause.title, "rule": clause.rule}

    def judged(self, ws: Workspace, said: Said, reviewer: str) -> Verdict:
        """What a person said of a row, with what was known of it; nothing is written.

        Raises
        ------
        NotFound, InputError : as for `Project.verdict`.
        """
        return judge(ws, [said], reviewer, self.view.train, self.trust)[0]


def worklist(ws: Workspace, progress: Progress | None = None) -> Worklist:
    """The rows of the head of train that want a verdict now."""
    mark, head = ws.store.verdict_mark(TRAIN), ws.head(TRAIN)
    view, trust, claims = ws.view(progress), ws.trust(), ws.claims().signals
    order = np.zeros(0, dtype=np.int64)
    if len(view.signals.classes) > 1:
        response = ws.response(progress)
        order = in_question(view, response, trust.open & ~trust.disputed, ws.config.minutes.relabel)
    guides = ws.store.records(GUIDE)
    guide = parse(guides[-1]["text"]) if guides else None
    version = guides[-1]["version"] if guides else 0
    fields = Fields(ws.config.columns.text, ws.config.review.pair)
    return Worklist(
        head.id, mark, order, view, trust, claims, guide, version, ws.words(), fields, ws.told, ws.quality()
    )  # fmt: skip
