"""TIL601: a slice in which the model is worse than its classes would make one expect."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np

from tilth.audit.base import Finding, View, excerpt
from tilth.discovery.search import Discovery, WeakSlice, discover

__all__ = ["WeakSlices", "judging_rows", "search", "slug"]

ROWS_SHOWN = 200


def judging_rows(view: View) -> tuple[np.ndarray, np.ndarray]:
    """Rows that can judge, and whether the model that did not see them is wrong about them.

    Rows without a label and all but the first of a group of copies are left out: copies are right or wrong
    together, which would look like evidence.

    Returns
    -------
    (m,) positions in train, and (m,) booleans.
    """
    labels = view.signals.labels
    known = np.flatnonzero(labels >= 0)
    groups = view.copies.clusters()[known]
    _, first = np.unique(groups, return_index=True)
    rows = known[np.sort(first)]
    return rows, np.asarray(view.signals.probabilities[rows].argmax(axis=1) != labels[rows])


def search(
    view: View, *, limit: int = 10, alpha: float = 0.05, seed: int = 0
) -> tuple[Discovery, np.ndarray]:
    """Weak slices among the rows that can judge, and the positions of these rows in train."""
    rows, wrong = judging_rows(view)
    every = len(rows) == len(view.train)
    part = view.train if every else view.train.take(rows.tolist())
    found = discover(
        part,
        view.texts if every else [view.texts[i] for i in rows.tolist()],
        wrong,
        view.signals.labels[rows],
        features=view.features if every else view.features[rows],
        text=view.text,
        limit=limit,
        alpha=alpha,
        seed=seed,
    )
    return found, rows


def slug(words: str, most: int = 40) -> str:
    """A name for a slice, made of its expression."""
    name = re.sub(r"\W+", "-", words.casefold()).strip("-")
    return name[:most].rstrip("-") or "slice"


class WeakSlices:
    """Parts of the data that can be described and in which the model fails more often."""

    code = "TIL601"
    name = "weak slice"

    def __init__(self, alpha: float = 0.05, limit: int = 10) -> None:
        if not 0 < alpha < 1 or limit < 1:
            raise ValueError("alpha is in (0, 1) and limit at least 1")
        self.alpha, self.limit = alpha, limit

    def find(self, view: View) -> list[Finding]:
        """One finding for each significant slice; what a better slice explains is folded into that."""
        if len(view.signals.classes) < 2:
            return []
        found, rows = search(view, limit=self.limit, alpha=self.alpha)
        findings, names = [], Counter[str]()
        for s in found.slices:
            name = slug(s.expression or "rows about " + " ".join(s.words[:4]))
            names[name] += 1
            name += f"-{names[name]}" if names[name] > 1 else ""
            findings.append(self._finding(view, s, name, found, rows))
        return sorted(findings, key=lambda f: -f.score)

    def _finding(self, view: View, s: WeakSlice, name: str, found: Discovery, rows: np.ndarray) -> Finding:
        at = rows[s.rows]
        p = view.signals.probabilities[at, view.signals.labels[at]]
        at = at[np.argsort(p, kind="stable")][:ROWS_SHOWN]
        words = ", ".join(s.words[:5])
        called = s.expression or (f"rows about {words}" if words else "a cluster that no words describe")
        return Finding(
            code=self.code,
            rows=tuple(view.train.ids[i] for i in at.tolist()),
            score=s.score,
            message=f"{excerpt(called, 120)}: {s.inside.value:.0%} of {len(s.rows):,} rows right "
            f"[{s.inside.low:.0%}, {s.inside.high:.0%}], {s.outside.value:.0%} elsewhere, "
            f"{s.expected:.0%} by their classes (adjusted p {s.p:.3f})",
            evidence={
                "name": name,
                "expression": s.expression,
                "kind": s.kind,
                "count": len(s.rows),
                "wrong": s.wrong,
                "accuracy": round(s.inside.value, 4),
                "low": round(s.inside.low, 4),
                "high": round(s.inside.high, 4),
                "outside": round(s.outside.value, 4),
                "outside_low": round(s.outside.low, 4),
                "outside_high": round(s.outside.high, 4),
                "expected": round(s.expected, 4),
                "p_adjusted": round(s.p, 4),
                "words": list(s.words),
                "fit": round(s.fit, 3),
                "also": list(s.also),
                "tried": dict(found.tried),
                "searched": found.rows,
            },
        )
