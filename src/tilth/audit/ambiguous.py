"""TIL103: the text belongs to two classes; neither label is wrong, and no relabelling will settle it.

Found where the model, without the row, gives both the given class and another a large share and leaves
little for the rest, and where the label is not probably wrong (that is TIL101).
"""

from __future__ import annotations

import numpy as np

from tilth.audit.base import Finding, View, excerpt
from tilth.audit.evidence import EVIDENCE_ROWS, nearest

__all__ = ["Ambiguous"]


class Ambiguous:
    """Rows that belong to the given class and to another one.

    Parameters
    ----------
    least : probability that each of the two classes must have.
    """

    code = "TIL103"
    name = "ambiguous label"

    def __init__(self, least: float = 0.35) -> None:
        if not 0 < least < 0.5:
            raise ValueError(f"least is in (0, 0.5), not {least}")
        self.least = least

    def find(self, view: View) -> list[Finding]:
        """One finding for each ambiguous row, the most even first."""
        s = view.signals
        if len(s.classes) < 2:
            return []
        known = np.flatnonzero((s.labels >= 0) & (s.p_wrong() <= 0.5))
        given = s.probabilities[known, s.labels[known]]
        rest = s.probabilities[known].copy()
        rest[np.arange(len(known)), s.labels[known]] = -1.0
        other, share = rest.argmax(axis=1), rest.max(axis=1)
        both = np.minimum(given, share)
        hit = np.flatnonzero(both >= self.least)
        hit = hit[np.argsort(-both[hit], kind="stable")]
        rows, second = known[hit], np.zeros(len(s.labels), dtype=np.int64)
        second[known] = other
        near = nearest(view, rows[:EVIDENCE_ROWS], second)
        return [
            Finding(
                code=self.code,
                rows=(view.train.ids[i],),
                score=float(both[h]),
                message=f"labelled {view.train.labels[i]}, but belongs to {s.classes[other[h]]} as well",
                evidence={
                    "given": view.train.labels[i],
                    "other": s.classes[other[h]],
                    "p_given": round(float(given[h]), 4),
                    "p_other": round(float(share[h]), 4),
                    "text": excerpt(view.texts[i], 240),
                    "nearest": near.get(i, []),
                },
            )
            for i, h in zip(rows.tolist(), hit.tolist(), strict=True)
        ]
