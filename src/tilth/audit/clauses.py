"""What every finding must be, whoever wrote its detector. The audit and `tilth.testing` ask the same."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import pairwise

from tilth.audit.base import Detector, Finding, Suggestion, View

__all__ = ["broken_findings"]

OPS = ("relabel", "drop")
MOST = 20
"""So many broken findings are described; more would not help anybody."""


def broken_findings(check: Detector, findings: object, view: View) -> list[str]:
    """Sentences about what is wrong with the findings of a detector on a view; none when all is well.

    Parameters
    ----------
    findings : what `find` returned; anything.
    """
    if not isinstance(findings, list):
        return [f"find gives a list of Finding, not {type(findings).__name__}"]
    out: list[str] = []
    for number, finding in enumerate(findings):
        if not isinstance(finding, Finding):
            out.append(f"find gives a list of Finding, but item {number} is {type(finding).__name__}")
        else:
            out += [f"finding {number}: {fault}" for fault in _faults(check.code, finding, view)]
        if len(out) >= MOST:
            return out
    scores = [f.score for f in findings if isinstance(f, Finding)]
    if not out and any(b > a for a, b in pairwise(scores)):
        out.append("findings come worst first: scores must not rise")
    return out


def _faults(code: str, f: Finding, view: View) -> Iterator[str]:
    """What is wrong with one finding."""
    if f.code != code:
        yield f"its code is {f.code!r}, its detector's {code!r}"
    if not isinstance(f.rows, tuple) or not f.rows:
        yield "rows is a tuple of at least one row id"
        return
    there = view.rows_of(code).index
    unknown = [i for i in f.rows if not isinstance(i, str) or i not in there]
    if unknown:
        yield f"{unknown[0]!r} is not the id of a row of train"
    if len(set(f.rows)) != len(f.rows):
        yield "it names a row twice"
    if type(f.score) is not float or not math.isfinite(f.score):
        yield f"score is a finite float, not {f.score!r}"
    p = f.probability
    if p is not None and (type(p) is not float or not 0.0 <= p <= 1.0):
        yield f"probability is None or a float from 0 to 1, not {p!r}"
    if not isinstance(f.message, str) or not f.message.strip() or len(f.message.splitlines()) > 1:
        yield f"message is one line of text, not {f.message!r}"
    if not isinstance(f.suggestions, tuple):
        yield f"suggestions is a tuple, not {type(f.suggestions).__name__}"
        return
    for s in f.suggestions:
        yield from _unusable(s, f, view)
    yield from _unspeakable(f)


def _unusable(s: Suggestion, f: Finding, view: View) -> Iterator[str]:
    """What is wrong with a suggestion."""
    if not isinstance(s, Suggestion):
        yield f"a suggestion is a Suggestion, not {type(s).__name__}"
        return
    if s.op not in OPS:
        yield f"a suggestion is to {' or '.join(OPS)}, not {s.op!r}"
    there = view.rows_of(f.code)
    if s.row_id not in f.rows or s.row_id not in there.index:
        yield f"it suggests something about {s.row_id!r}, which is not one of its rows"
    elif s.op == "relabel" and s.to not in view.signals.classes:
        yield f"it suggests the label {s.to!r}, which no row has"
    elif s.op == "relabel" and s.to == there.labels[there.index[s.row_id]]:
        yield f"it suggests the label {s.to!r} for {s.row_id!r}, which has it already"
    elif s.op == "drop" and s.to is not None:
        yield "to drop a row takes no label"


def _unspeakable(f: Finding) -> Iterator[str]:
    """Whether a finding comes back the same from JSON."""
    try:
        body = f.to_json()
        again = json.loads(json.dumps(body, allow_nan=False))
    except Exception as error:
        yield f"it cannot be written as JSON (evidence: plain values only): {error}"
        return
    if again != body:
        yield "its evidence does not come back from JSON as it was (keys are text, sequences are lists)"
