"""What reviewers settled: findings about a label follow the verdict on the row, not the model.

A row that a reviewer called right has no finding about its label; one to relabel or drop keeps its TIL101
until that is done, and suggests what was decided; one that belongs to two classes is a TIL103 by verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tilth.audit.base import Finding, Suggestion, View, excerpt
from tilth.verdicts import Verdict

__all__ = ["settle"]

ABOUT_LABELS = ("TIL101", "TIL103", "TIL104")


def settle(findings: Sequence[Finding], view: View, verdicts: Sequence[Verdict]) -> list[Finding]:
    """The findings as the standing verdicts leave them, in the same order.

    Parameters
    ----------
    findings : in order of code, worst first within a code.
    verdicts : the newest one on each row; those that say nothing about its present label do not count.
    """
    rows = view.train
    told = {
        v.row.id: v
        for v in verdicts
        if v.row.id in rows.index and v.wrong_for(rows.labels[rows.index[v.row.id]]) is not None
    }
    several = len(view.signals.classes) > 1
    out: list[Finding] = []
    for f in findings:
        v = told.get(f.rows[0]) if f.code in ABOUT_LABELS and f.rows else None
        if v is None:
            out.append(f)
        elif f.code == "TIL101" and v.said.decision in ("relabel", "drop"):
            out.append(_decided(f, v))
    first = sum(f.code in ("TIL101", "TIL102") for f in out)
    both = [_ambiguous(view, v) for v in told.values() if v.said.decision == "ambiguous" and several]
    return out[:first] + both + out[first:]


def _by(v: Verdict) -> dict[str, Any]:
    return {"decision": v.said.decision, "reviewer": v.reviewer, "note": v.said.note}


def _decided(f: Finding, v: Verdict) -> Finding:
    """A TIL101 whose row waits to be relabelled or dropped as decided."""
    to = v.said.label
    words = f"{v.reviewer} decided: {to}" if to is not None else f"{v.reviewer} decided: drop"
    evidence = {**f.evidence, "verdict": _by(v)}
    if to is not None:
        evidence |= {"suggested": to}
    op = Suggestion("drop", f.rows[0]) if to is None else Suggestion("relabel", f.rows[0], to)
    message = f"labelled {f.evidence.get('given')}, by verdict: {' '.join(words.split())}"
    return replace(f, message=message, evidence=evidence, suggestions=(op,))


def _ambiguous(view: View, v: Verdict) -> Finding:
    """A row that belongs to two classes because a person says so."""
    s, at = view.signals, view.train.index[v.row.id]
    p, given = s.probabilities[at].copy(), view.train.labels[at]
    own = float(p[s.labels[at]]) if s.labels[at] >= 0 else 0.0
    if s.labels[at] >= 0:
        p[s.labels[at]] = -1.0
    drawn, who = v.row.suggested, " ".join(v.reviewer.split())
    other = drawn if drawn in s.classes and drawn != given else s.classes[int(p.argmax())]
    return Finding(
        code="TIL103",
        rows=(v.row.id,),
        score=1.0,
        message=f"labelled {given}, but belongs to {other} as well, by verdict of {who}",
        evidence={
            "given": given,
            "other": other,
            "p_given": round(own, 4),
            "p_other": round(float(s.probabilities[at, s.classes.index(other)]), 4),
            "text": excerpt(view.texts[at], 240),
            "nearest": [],
            "verdict": _by(v),
        },
    )
