"""TIL101: the given label is probably wrong.

P(wrong) is Bayes' rule over out-of-sample probabilities and an estimated noise matrix (see
tilth.signals); the suggestion is the most probable other class; the evidence is the nearest rows.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tilth.audit.base import Finding, Suggestion, View, excerpt

__all__ = ["LabelError"]

EVIDENCE_ROWS = 200
"""The nearest rows are looked up for so many of the worst findings: the rest of a list is rarely read."""


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
                        "nearest": near.get(int(i), []),
                    },
                    suggestions=(Suggestion("relabel", view.train.ids[i], other),),
                )
            )
        return out


def nearest(
    view: View, positions: np.ndarray, suggested: np.ndarray, count: int = 3
) -> dict[int, list[dict[str, object]]]:
    """For each position the most similar rows of the suggested and of the given class."""
    if len(positions) == 0:
        return {}
    labels = view.signals.labels
    out: dict[int, list[dict[str, object]]] = {}
    for line, i in zip(_similarities(view, positions), positions.tolist(), strict=True):
        line[i] = -1.0
        rows = []
        for number in (suggested[i], labels[i]):
            members = np.flatnonzero(labels == number)
            best = members[np.argsort(-line[members], kind="stable")[:count]]
            rows += [
                {
                    "id": view.train.ids[j],
                    "label": view.train.labels[j],
                    "similarity": round(float(line[j]), 3),
                    "text": excerpt(view.texts[j]),
                }
                for j in best
                if line[j] > 0
            ]
        out[int(i)] = rows
    return out


def _similarities(view: View, positions: np.ndarray) -> Iterator[np.ndarray]:
    """(n,) similarity of each position to all rows; a few positions at a time, for memory."""
    x = view.features
    step = max(1, 2_000_000 // max(x.shape[0], 1))
    for start in range(0, len(positions), step):
        block = x[positions[start : start + step]] @ x.T
        yield from np.asarray(block.toarray() if hasattr(block, "toarray") else block)
