"""All drift checks on new rows, with one error rate over all of them, and which rows to label next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import pi
from typing import Any

import numpy as np

from tilth.discovery.candidates import Support
from tilth.discovery.wording import Wording
from tilth.drift.clumps import Clump, clumps
from tilth.drift.columns import ColumnTest, benjamini_hochberg, column_tests
from tilth.drift.domain import Domain, tell_apart
from tilth.drift.performance import Estimate, estimate
from tilth.drift.sample import Sample
from tilth.drift.stream import Fall, fall
from tilth.drift.surges import Surge, surges

__all__ = ["Drift", "examine"]

LABEL, AT_RANDOM = 40, 10
"""Rows to label, and how many of them are drawn from all new rows alike."""
RARE = 0.005
"""Share of known rows with a word below which rows with it are unlike any known one."""
FITS = 0.5
"""F1 from which on words stand for the rows of a clump."""
POINTS = 200
"""Points of the curve of the confidence."""


@dataclass(frozen=True)
class Drift:
    """What the checks say.

    Attributes
    ----------
    known, new : numbers of rows.
    level : probability of any false alarm in this look, at most.
    columns : tests of columns, the most drifted first.
    auc, auc_p, auc_drifted : domain classifier, whether it stands; None where it does not apply.
    fall : row by row: position of the alarm and of the likely begin; curve of (position, log evidence, bar).
    surges : words and values that came in a rush.
    clumps : rows near each other that came in a rush.
    rows : ids of the new rows that drifted, the most telling first.
    label : ids of the rows to label in order to confirm.
    estimate : accuracy of the new rows; None where it cannot be estimated.
    slice : expression of what drifted, where there is one; else "".
    drifted : whether anything drifted.
    words : what happened, in sentences.
    """

    known: int
    new: int
    level: float
    columns: tuple[ColumnTest, ...]
    auc: float | None
    auc_p: float | None
    auc_drifted: bool
    fall: Mapping[str, Any]
    surges: tuple[Mapping[str, Any], ...]
    clumps: tuple[Mapping[str, Any], ...]
    rows: tuple[str, ...]
    label: tuple[str, ...]
    estimate: Estimate | None
    slice: str
    drifted: bool
    words: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object."""
        body = asdict(self)
        body["columns"] = [
            asdict(c) | {"moved": [{"value": v, "before": b, "now": n} for v, b, n in c.moved]}
            for c in self.columns
        ]
        return body


def examine(
    known: Sample,
    new: Sample,
    *,
    level: float = 0.05,
    looks: int = 1,
    horizon: int = 10_000,
    seed: int = 0,
) -> Drift:
    """All checks that apply.

    Parameters
    ----------
    level : probability of any false alarm: a quarter each for the tests of all rows together, for the
        confidence, for surges and for clumps.
    looks : which look at these new rows this is; the tests of all rows together spend their share over all
        looks (6 / (pi looks)^2 of it), the other three have one budget for `horizon` rows whenever one looks.
    seed : of ties, halves and the rows drawn.
    """
    part = level / 4
    domain = None
    if len(known.texts) and len(new.texts):
        domain = tell_apart(known.texts, new.texts, first=known.scored[known.labels >= 0], seed=seed)
    tests, told = _together(column_tests(known, new), domain, part * 6 / (pi * looks) ** 2)
    if new.answers and known.answers:
        dip = fall(known.confidence, new.confidence, level=part, horizon=horizon, seed=seed)
    else:
        dip = Fall(None, None, np.zeros(0), 0.0)
    rushes = surges(known, new, level=part, horizon=horizon)
    near = clumps(known, new, level=part, horizon=horizon, seed=seed)
    rows = _rows(new, domain if told else None, rushes, near)
    moved = any(t.name == "(predicted label)" and t.drifted for t in tests)
    guess = None
    if len(known.probabilities):
        unlike = _unlike(rushes) / max(len(new), 1)
        guess = _warned(estimate(known, new, domain, labels_moved=moved, unlike=unlike), near)
    drifted = told or dip.alarm is not None or bool(rushes or near) or any(t.drifted for t in tests)
    label = _to_label(new, rows, np.random.default_rng(seed)) if drifted else []
    told_near = _clumps(near, new)
    found = Drift(
        known=len(known),
        new=len(new),
        level=level,
        columns=tuple(sorted(tests, key=lambda t: (not t.drifted, t.p, t.name))),
        auc=domain.auc if domain else None,
        auc_p=domain.p if domain else None,
        auc_drifted=told,
        fall=_curve(dip),
        surges=tuple(_surge(s, new) for s in rushes),
        clumps=tuple(told_near),
        rows=tuple(new.ids[i] for i in rows),
        label=tuple(new.ids[i] for i in label),
        estimate=guess,
        slice=_slice(rushes, told_near),
        drifted=drifted,
    )
    return replace(found, words=tuple(_words(found)))


def _together(
    tests: Sequence[ColumnTest], domain: Domain | None, level: float
) -> tuple[list[ColumnTest], bool]:
    """Columns and domain classifier as one family of tests."""
    p = np.array([*(t.p for t in tests), *([domain.p] if domain else [])])
    stands = benjamini_hochberg(p, level).tolist()
    out = [replace(t, drifted=bool(s)) for t, s in zip(tests, stands, strict=False)]
    return out, bool(domain and stands[-1])


def _rows(new: Sample, domain: Domain | None, rushes: Sequence[Surge], near: Sequence[Clump]) -> list[int]:
    """Positions of the rows that drifted: with a surging word, of a clump, named by the classifier."""
    found: dict[int, None] = {}
    for s in rushes:
        if s.kind == "word" or not len(new.texts):
            found.update(dict.fromkeys(s.rows.tolist()))
    for c in near:
        found.update(dict.fromkeys(c.rows.tolist()))
    if domain is not None:
        found.update(dict.fromkeys(domain.drifted.tolist()))
    return list(found)


def _unlike(rushes: Sequence[Surge]) -> int:
    """New rows with a word in a rush that hardly any known row has."""
    new_words = [s.rows for s in rushes if s.kind == "word" and s.before < RARE]
    return len(np.unique(np.concatenate(new_words))) if new_words else 0


def _warned(guess: Estimate | None, near: Sequence[Clump]) -> Estimate | None:
    """A clump is a new class or a known one that became frequent: the estimate stands, with a warning."""
    if guess is None or not near:
        return guess
    rows = len(np.unique(np.concatenate([c.rows for c in near])))
    said = f"{rows} rows near each other came in a rush: if they are a new class, the model errs on them"
    return replace(guess, warnings=(*guess.warnings, said))


def _to_label(new: Sample, rows: Sequence[int], rng: np.random.Generator) -> list[int]:
    """Up to forty rows: drifted ones, spread evenly, and ten drawn from all new rows alike."""
    at_random = min(len(new), LABEL if not rows else max(AT_RANDOM, LABEL - len(rows)))
    drawn = rng.permutation(len(new)).tolist()
    seen: set[str] = set()
    chosen = []
    for i in rows:
        text = new.texts[i] if len(new.texts) else new.ids[i]
        if text not in seen:
            seen.add(text)
            chosen.append(i)
    want = min(len(chosen), LABEL - min(at_random, AT_RANDOM))
    spread = [chosen[i] for i in np.linspace(0, len(chosen) - 1, want).astype(int)] if want else []
    return list(dict.fromkeys([*spread, *drawn[:at_random], *drawn]))[:LABEL]


def _curve(dip: Fall) -> dict[str, Any]:
    n = len(dip.evidence)
    at = np.unique(np.linspace(0, n - 1, min(n, POINTS)).astype(int)) if n else np.zeros(0, dtype=int)
    points = [[int(i), round(float(dip.evidence[i]), 2)] for i in at.tolist()]
    return {"alarm": dip.alarm, "began": dip.began, "bar": round(dip.bar, 2), "curve": points}


def _surge(s: Surge, new: Sample) -> dict[str, Any]:
    texts = [new.texts[i][:200] for i in s.rows[:3].tolist()] if len(new.texts) else []
    return {
        "expression": s.expression,
        "kind": s.kind,
        "alarm": s.alarm,
        "began": s.began,
        "p": s.p,
        "before": s.before,
        "now": s.now,
        "rows": len(s.rows),
        "unsure": s.unsure,
        "examples": texts,
    }


def _clumps(near: Sequence[Clump], new: Sample) -> list[dict[str, Any]]:
    """Clumps as they are told, with the words that fit their rows."""
    if not near:
        return []
    wording = Wording.of(new.texts, Support(3, len(new)))
    out = []
    for c in near:
        inside = np.zeros(len(new), dtype=bool)
        inside[c.rows] = True
        expression, fit = wording.rule(inside)
        out.append(
            {
                "expression": expression if fit >= FITS else "",
                "space": c.space,
                "alarm": c.alarm,
                "began": c.began,
                "p": c.p,
                "nearest": c.nearest,
                "late": c.late,
                "hope": c.hope,
                "rows": len(c.rows),
                "examples": [
                    new.texts[i][:200] for i in (c.centre, *c.rows[c.rows != c.centre][:2].tolist())
                ],
            }
        )
    return out


def _slice(rushes: Sequence[Surge], near: Sequence[Mapping[str, Any]]) -> str:
    """The expression of what drifted; one seen among unsure rows alone is too wide and comes last."""
    worded = [s for s in rushes if s.kind != "label"]
    sure = [s.expression for s in worded if not s.unsure]
    clumped = [str(c["expression"]) for c in near if c["expression"]]
    return next(iter([*sure, *clumped, *(s.expression for s in worded)]), "")


def _words(d: Drift) -> list[str]:
    """What happened, the most useful first."""
    out = []
    for s in d.surges:
        of = "unsure rows with" if s["unsure"] else "rows with"
        out.append(
            f"{of} {s['expression']} come in a rush: {s['now']:.1%} of the rows from row "
            f"{s['began'] + 1:,} on, {s['before']:.1%} before"
        )
    for c in d.clumps:
        out.append(
            f"rows near each other come in a rush: of the {c['nearest']} rows nearest to "
            f'"{c["examples"][0][:80]}" {c["late"]} are among rows {c["began"] + 1:,} to '
            f"{c['alarm'] + 1:,}, where chance puts {c['hope']:.1f}"
        )
    if d.fall["alarm"] is not None:
        out.append(
            f"the confidence changed at about row {d.fall['began'] + 1:,} "
            f"(seen at row {d.fall['alarm'] + 1:,})"
        )
    if d.auc_drifted and d.auc is not None:
        far = "clearly" if d.auc > 0.7 else "somewhat" if d.auc > 0.55 else "barely, but surely"
        out.append(
            f"the texts are {far} different: a classifier tells new from known with an AUC of {d.auc:.2f}"
        )
    for t in d.columns:
        if t.drifted:
            top = t.moved[0]
            said = (
                f"{top[0]} went from {top[1]:.1%} to {top[2]:.1%}"
                if t.kind != "number"
                else f"median {t.moved[1][1]:.3g} before, {t.moved[1][2]:.3g} now"
            )
            out.append(f"{t.name} moved: {said}")
    return out
