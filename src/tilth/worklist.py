"""What waits for a person, ranked by expected gain per minute of their time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tilth.audit.base import Finding
from tilth.audit.run import Audit
from tilth.trial.propose import BY_PEOPLE, PROCEDURES, Lens, lens_of, predict_gain
from tilth.workspace import TRAIN, Workspace

__all__ = ["worklist"]

BATCH, LEAST_BATCH, EXAMPLES, MOST = 20, 4, 3, 12
COLLECT_TO = 40


def worklist(ws: Workspace, audit: Audit, patches: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Work items with expected gain, minutes and the command to start with.

    Gains are predictions of the closed form (P(wrong) times the effect of the fix), not measurements;
    where nothing can be predicted the gain is None and the item comes last.
    """
    lens = lens_of(ws.view())
    items = _reviews(ws, audit, lens)
    items += [i for i in (_group(ws, audit, lens, p.name) for p in PROCEDURES[3:]) if i]
    items += _near(ws, audit) + _contested(ws, audit, lens) + _collect(ws, audit, lens)
    items += [
        _item("evaluate", "", f"Audit check failed: {error}", [], None, 1.0, "not checked is not clean", "")
        for error in audit.failed.values()
    ]
    items.sort(key=lambda i: (i["per_minute"] is None, -(i["per_minute"] or 0.0)))
    return [{"rank": n} | item for n, item in enumerate(items[:MOST], start=1)]


def _item(
    kind: str,
    code: str,
    title: str,
    findings: Sequence[Finding],
    gain: float | None,
    minutes: float,
    why: str,
    command: str,
) -> dict[str, Any]:
    rows = [r for f in findings for r in f.rows]
    return {
        "kind": kind,
        "code": code,
        "title": title,
        "rows": rows[:200],
        "count": len(findings),
        "gain": gain,
        "low": None,
        "high": None,
        "minutes": minutes,
        "per_minute": None if gain is None else gain / max(minutes, 1e-9),
        "why": why,
        "command": command,
        "examples": [
            {"id": f.rows[0] if f.rows else "", "text": f.evidence.get("text", ""), "message": f.message}
            for f in findings[:EXAMPLES]
        ],
    }


def _reviews(ws: Workspace, audit: Audit, lens: Lens) -> list[dict[str, Any]]:
    """Doubtful labels in batches by the pair of classes that is confused."""
    rows = ws.snapshot(ws.head(TRAIN))
    pairs: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for f in audit.of("TIL101"):
        given, other = sorted((str(f.evidence["given"]), str(f.evidence["suggested"])))
        pairs[given, other].append(f)
    largest = sorted(pairs.items(), key=lambda p: -sum(f.score for f in p[1]))
    big = [(pair, found) for pair, found in largest[:5] if len(found) >= LEAST_BATCH]
    rest = [f for pair, found in largest if pair not in dict(big) for f in found]
    batches = [(f"between {a} and {b}", found[:BATCH]) for (a, b), found in big]
    if rest:
        batches.append(
            (
                "between other classes" if big else "whatever the classes",
                sorted(rest, key=lambda f: -f.score)[:BATCH],
            )
        )
    out = []
    for where, found in batches:
        ops = PROCEDURES[0].ops(found, rows)
        # the prediction takes every suggestion as right; a person will find a share of them wrong
        sure = float(np.mean([f.probability or 0.0 for f in found]))
        gain = max(0.0, predict_gain(lens, ops)) * sure
        n = len(found)
        title = f"Review {n} row{'s' if n > 1 else ''} whose label is doubtful, {where}"
        why = f"mean P(wrong) {sure:.2f}"
        minutes = ws.config.minutes.relabel * n
        out.append(_item("review", "TIL101", title, found, gain, minutes, why, "tilth audit --code TIL101"))
    return out


def _group(ws: Workspace, audit: Audit, lens: Lens, name: str) -> dict[str, Any] | None:
    """A structural patch that was not accepted."""
    p = next(p for p in PROCEDURES if p.name == name)
    found = [f for f in audit.findings if f.code in p.codes]
    ops = p.ops(found, ws.snapshot(ws.head(TRAIN)))
    if not ops:
        return None
    counts = {"relabel": sum(op.after is not None for op in ops), "drop": sum(op.after is None for op in ops)}
    gain = max(0.0, predict_gain(lens, ops))
    command = f"tilth propose; tilth trial PATCH   # origin propose:{name}"
    return _item(
        "relabel" if counts["relabel"] else "drop",
        p.codes[0],
        p.title.format(n=len(ops)),
        found,
        gain,
        ws.config.minutes.of(counts),
        p.why,
        command,
    )


def _near(ws: Workspace, audit: Audit) -> list[dict[str, Any]]:
    found = [f for f in audit.of("TIL202") if len(f.evidence.get("labels", {})) > 1]
    if not found:
        return []
    title = f"Look at {len(found)} groups of near copies with different labels"
    minutes = ws.config.minutes.relabel * sum(len(f.rows) for f in found)
    why = "texts that differ in a word or two seldom belong to different classes"
    return [_item("review", "TIL202", title, found, None, minutes, why, "tilth audit --code TIL202")]


def _contested(ws: Workspace, audit: Audit, lens: Lens) -> list[dict[str, Any]]:
    """Rows about which annotators disagree with the label or with each other."""
    found = audit.of("TIL104")
    if not found:
        return []
    ops = BY_PEOPLE[0].ops(found, ws.snapshot(ws.head(TRAIN)))
    sure = float(np.mean([f.score for f in found]))
    gain = max(0.0, predict_gain(lens, ops)) * sure if ops else None
    title = f"Review {len(found)} rows that annotators label differently"
    why = "several people judged these rows; their votes are the evidence"
    minutes = ws.config.minutes.relabel * len(found)
    return [_item("review", "TIL104", title, found, gain, minutes, why, "tilth audit --code TIL104")]


def _collect(ws: Workspace, audit: Audit, lens: Lens) -> list[dict[str, Any]]:
    """Starved classes: what the class would gain if it were as good as the median class."""
    s = lens.view.signals
    predicted = s.probabilities.argmax(axis=1)
    recall = [
        float((predicted[s.labels == c] == c).mean()) for c in range(len(s.classes)) if (s.labels == c).any()
    ]
    typical = float(np.median(recall)) if recall else 0.0
    evaluation = ws.evaluation()
    out = []
    for f in audit.of("TIL401"):
        name, n = str(f.evidence["class"]), int(f.evidence["rows"])
        share = sum(x == name for x in evaluation.labels) / max(len(evaluation), 1)
        need = max(COLLECT_TO - n, 10)
        gain = max(0.0, share * (typical - float(f.evidence["recall"])))
        title = f"Collect about {need} more rows of {name} (it has {n})"
        why = f"{f.message}. Rough: as if it became as good as the median class"
        minutes = ws.config.minutes.add * need
        out.append(_item("collect", "TIL401", title, [f], gain, minutes, why, "tilth ingest FILE"))
    return out
