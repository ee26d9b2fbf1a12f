"""TIL104: annotators do not agree with the label that is stored, or not with each other.

The consensus weighs each vote by how good its annotator is and adds what a model says that did not see
the row (see tilth.consensus); the evidence is the votes.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from tilth.agreement import Judged, Votes
from tilth.audit.base import Finding, Suggestion, View, excerpt
from tilth.consensus import Consensus, fit
from tilth.signals import Signals

__all__ = ["ContestedLabel", "consensus_of", "votes_of"]

VOTES_SHOWN = 20


def consensus_of(judged: Judged, signals: Signals | None) -> Consensus:
    """Consensus on every judged item; the model has a word on training rows, where there is a model."""
    names = judged.votes.labels
    inside = np.flatnonzero(judged.train >= 0)
    if signals is None or len(signals.classes) < 2 or not (signals.labels >= 0).any() or not len(inside):
        return fit(judged.votes)
    number = {name: i for i, name in enumerate(signals.classes)}
    known = np.array([i for i, name in enumerate(names) if name in number], dtype=np.int64)
    columns = np.array([number[names[i]] for i in known], dtype=np.int64)
    p = np.full((len(judged.votes.items), len(names)), np.nan, dtype=np.float32)
    p[inside] = 0.0
    p[np.ix_(inside, known)] = signals.probabilities[np.ix_(judged.train[inside], columns)]
    return fit(judged.votes, p)


def votes_of(votes: Votes, item: int) -> list[dict[str, str]]:
    """Who said what about an item, at most 20."""
    first, last = np.searchsorted(votes.item, [item, item + 1])
    return [
        {"annotator": votes.annotators[votes.annotator[i]], "label": votes.labels[votes.label[i]]}
        for i in range(first, min(last, first + VOTES_SHOWN))
    ]


class ContestedLabel:
    """Rows whose consensus is another label than the stored one, and rows without a clear consensus."""

    code = "TIL104"
    name = "contested label"

    def __init__(self, threshold: float = 0.5, contested: float = 0.2) -> None:
        for value in (threshold, contested):
            if not 0 < value < 1:
                raise ValueError(f"a threshold is in (0, 1), not {value}")
        self.threshold, self.contested = threshold, contested

    def find(self, view: View) -> list[Finding]:
        """One finding for each judged row with P(wrong) above a threshold; calm without judgements."""
        if view.judged is None:
            return []
        judged, votes = view.judged, view.judged.votes
        consensus = consensus_of(judged, view.signals)
        number = {name: i for i, name in enumerate(votes.labels)}
        inside = np.flatnonzero((judged.train >= 0) & (votes.per_item > 0))
        stored = np.array([number.get(view.train.labels[r] or "", -1) for r in judged.train[inside]], int)
        p = np.where(stored >= 0, 1.0 - consensus.posterior[inside, stored], 1.0 - consensus.p_wrong[inside])
        wrong = (p > self.threshold) | (stored < 0)
        divided = votes.split[inside] & (p > self.contested)
        flagged = np.flatnonzero(wrong | divided)
        flagged = flagged[np.argsort(-p[flagged], kind="stable")]
        return [self._finding(view, consensus, int(inside[i]), float(p[i])) for i in flagged]

    def _finding(self, view: View, consensus: Consensus, item: int, p: float) -> Finding:
        assert view.judged is not None
        votes = view.judged.votes
        at = int(view.judged.train[item])
        given, best = view.train.labels[at], votes.labels[int(consensus.label[item])]
        told = votes_of(votes, item)
        counts = Counter(v["label"] for v in told)
        said = ", ".join(f"{n} {name}" for name, n in sorted(counts.items(), key=lambda x: (-x[1], x[0])))
        row = view.train.ids[at]
        usable = best != given and best in view.signals.classes
        if given is None:
            words, chance = f"no label, annotators say {said}", None
        else:
            words, chance = f"labelled {given}, annotators say {said}, P(wrong) = {p:.2f}", p
        return Finding(
            code=self.code,
            rows=(row,),
            score=round(p, 6),
            probability=chance,
            message=" ".join(words.split()),
            evidence={
                "given": given,
                "suggested": best if best != given else _second(consensus, item),
                "consensus": best,
                "p_consensus_wrong": round(float(consensus.p_wrong[item]), 4),
                "votes": told,
                "text": excerpt(view.texts[at], 240),
            },
            suggestions=(Suggestion("relabel", row, best),) if usable and (p > self.threshold) else (),
        )


def _second(consensus: Consensus, item: int) -> str:
    """The class that competes with the consensus."""
    order = np.argsort(-consensus.posterior[item], kind="stable")
    return consensus.votes.labels[int(order[1])] if len(order) > 1 else consensus.votes.labels[0]
