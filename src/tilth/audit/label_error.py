"""TIL101: the given label is probably wrong.

P(wrong) is Bayes' rule over out-of-sample probabilities and an estimated noise matrix (see
tilth.label_noise); the suggestion is the most probable other class; the evidence is the nearest rows and
the words that stand in one of the two classes far more often than in the other.
"""

from __future__ import annotations

import numpy as np

from tilth.audit.base import Finding, Suggestion, View, excerpt
from tilth.audit.evidence import EVIDENCE_ROWS, nearest, telling_words

__all__ = ["LabelError"]


class LabelError:
    """Wrong labels by confident disagreement of a model that did not see the row."""

    code = "TIL101"
    name = "label error"

    def __init__(self, threshold: float = 0.5) -> None:
        if not 0 < threshold < 1:
            raise ValueError(f"threshold is in (0, 1), not {threshold}")
        self.threshold = threshold

    def find(self, view: View) -> list[Finding]:
        """One finding for each row whose P(wrong) is above the threshold."""
        s = view.signals
        if len(s.classes) < 2:
            return []
        p = s.p_wrong()
        flagged = np.flatnonzero(p > self.threshold)
        flagged = flagged[np.argsort(-p[flagged], kind="stable")]
        suggested = s.suggestion()
        near = nearest(view, flagged[:EVIDENCE_ROWS], suggested)
        words = telling_words(view, flagged[:EVIDENCE_ROWS], suggested)
        out = []
        for i in flagged.tolist():
            given, other = view.train.labels[i], s.classes[suggested[i]]
            q = float(s.posterior[i, suggested[i]])
            out.append(
                Finding(
                    code=self.code,
                    rows=(view.train.ids[i],),
                    score=float(p[i]),
                    probability=float(p[i]),
                    message=f"labelled {given}, model says {other}, P(wrong) = {p[i]:.2f}",
                    evidence={
                        "given": given,
                        "suggested": other,
                        "p_suggested": round(q, 4),
                        "text": excerpt(view.texts[i], 240),
                        "nearest": near.get(i, []),
                        "words": words.get(i, []),
                    },
                    suggestions=(Suggestion("relabel", view.train.ids[i], other),),
                )
            )
        return out
