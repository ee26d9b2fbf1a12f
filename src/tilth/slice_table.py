"""Slices and confusions of a project as tables; a discovered slice is made a permanent one here."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tilth import config as configuration
from tilth import stats
from tilth.audit.weak_slice import judging_rows
from tilth.discovery.describe import Description
from tilth.discovery.describe import describe as described
from tilth.discovery.search import excess
from tilth.errors import InputError, NotFound, Refused
from tilth.patch import Patch
from tilth.signals import Progress
from tilth.slices import Slice
from tilth.trial.floors import LEAST_ROWS, score_on
from tilth.trial.measure import Outcome
from tilth.trial.record import classes_of
from tilth.trials import measure_versions, reporting_rows, scorable
from tilth.workspace import TRAIN, Workspace

if TYPE_CHECKING:
    import pandas

    from tilth.audit.base import View

__all__ = [
    "add",
    "describe",
    "Confusions",
    "Kept",
    "SliceLine",
    "SliceTable",
    "confusions",
    "keep",
    "known",
    "slices",
]

CELLS = 2_000
"""Cells of the confusion matrix that are kept."""
LEAST_FIT = 0.5
"""F1 below which words stand for other rows than the cluster that they were made of."""


@dataclass(frozen=True, slots=True)
class SliceLine:
    """One slice.

    Attributes
    ----------
    name, expression : as in tilth.toml; a class has no expression.
    kind : "whole", "named" (in tilth.toml), "found" (discovered) or "class".
    rows : number of training rows that judge; copies count once.
    score, low, high : share of them that a model which did not see them gets right, 95 %.
    outside, outside_low, outside_high : the same for all other rows.
    p : that the slice is as good as its classes (a class: as the rest); corrected for the tries of its kind.
    words : that tell the rows of a discovered slice apart.
    eval_rows, eval_score, eval_low, eval_high : goal metric on evaluation rows that decided nothing.
    floor, held : what the score must be, and whether it is; None where there is none or too few rows.
    """

    name: str
    expression: str
    kind: Literal["whole", "named", "found", "class"]
    rows: int
    score: float | None
    low: float
    high: float
    outside: float | None
    outside_low: float | None
    outside_high: float | None
    p: float | None
    words: tuple[str, ...] = ()
    eval_rows: int = 0
    eval_score: float | None = None
    eval_low: float | None = None
    eval_high: float | None = None
    floor: float | None = None
    held: bool | None = None

    def difference(self) -> dict[str, float | None]:
        """Score inside less score outside, with its 95 % interval made of both intervals.

        References
        ----------
        Newcombe, Statistics in Medicine 1998 (method 10).
        """
        a, b, low, high = self.score, self.outside, self.outside_low, self.outside_high
        if a is None or b is None or low is None or high is None:
            return {"difference": None, "difference_low": None, "difference_high": None}
        return {
            "difference": a - b,
            "difference_low": a - b - math.hypot(a - self.low, high - b),
            "difference_high": a - b + math.hypot(self.high - a, b - low),
        }


@dataclass(frozen=True)
class SliceTable:
    """All slices of the head of train.

    Attributes
    ----------
    version, metric : what was looked at; the metric is that of evaluation scores and floors.
    slices : the whole, named, discovered, classes (the weakest first).
    tried : number of candidates of each kind that the search looked at.
    """

    version: str
    metric: str
    slices: tuple[SliceLine, ...]
    tried: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """The table as a JSON object."""
        lines = [asdict(s) | {"words": list(s.words), **s.difference()} for s in self.slices]
        return {"version": self.version, "metric": self.metric, "slices": lines, "tried": dict(self.tried)}

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> SliceTable:
        """The inverse of to_json."""
        names = SliceLine.__dataclass_fields__
        fields = [{k: v for k, v in s.items() if k in names} for s in body["slices"]]
        lines = tuple(SliceLine(**f | {"words": tuple(f["words"])}) for f in fields)
        return SliceTable(body["version"], body["metric"], lines, body["tried"])

    def to_pandas(self) -> pandas.DataFrame:
        """One line a slice."""
        from tilth.frames import frame

        return frame(self.to_json()["slices"])

    def _repr_html_(self) -> str:
        from tilth.frames import html_table

        names = ("name", "kind", "rows", "score", "low", "high", "outside", "p", "floor", "held")
        lines = [{n: getattr(s, n) for n in names} for s in self.slices]
        return html_table(f"{len(self.slices)} slices of version {self.version[:12]}", lines)


@dataclass(frozen=True)
class Confusions:
    """Pairs of classes that are taken for each other more than others.

    Attributes
    ----------
    version : of train.
    pairs : evidence of TIL602, most rows above expectation first.
    classes : name, rows that judge, and how many of them a model that did not see them gets right.
    cells : given, predicted and rows of each cell off the diagonal, most rows first, at most 2,000.
    """

    version: str
    pairs: Sequence[Mapping[str, Any]]
    classes: Sequence[Mapping[str, Any]] = ()
    cells: Sequence[Mapping[str, Any]] = ()

    def to_json(self) -> dict[str, Any]:
        """The pairs and the matrix as a JSON object."""
        parts = {"pairs": self.pairs, "classes": self.classes, "cells": self.cells}
        return {"version": self.version, **{k: [dict(x) for x in v] for k, v in parts.items()}}

    def to_pandas(self) -> pandas.DataFrame:
        """One line a pair."""
        from tilth.frames import frame

        return frame(self.to_json()["pairs"])

    def _repr_html_(self) -> str:
        from tilth.frames import html_table

        names = ("classes", "confused", "share", "mutual", "lift", "p_adjusted")
        lines = [{n: p[n] for n in names} for p in self.pairs]
        return html_table(f"{len(lines)} confused pairs of classes", lines)


@dataclass(frozen=True, slots=True)
class Kept:
    """A discovered slice that was written into tilth.toml."""

    name: str
    expression: str
    floor: float | None
    file: Path

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self) | {"file": str(self.file)}


def slices(ws: Workspace, progress: Progress | None = None) -> SliceTable:
    """Scores of the whole, the named and discovered slices and the classes; the result is kept."""
    done = known(ws)
    if done is not None:
        return done
    version = ws.head(TRAIN)
    view = ws.view(progress)
    found = [f.evidence for f in ws.audit(progress).of("TIL601")]
    rows, wrong = judging_rows(view)
    part = view.train.take(rows.tolist())
    label = ws.config.columns.label
    named, classes = ws.named_slices(part), classes_of(part, label)
    strata = view.signals.labels[rows]
    everything = np.ones(len(rows), dtype=bool)
    lines = [_line("all rows", "", "whole", everything, wrong, None)]
    p = stats.holm_adjusted(np.array(excess(list(named.values()), wrong, strata)))
    # a slice that was discovered in these very rows keeps the p value that counts all tries
    searched = {e["expression"]: float(e["p_adjusted"]) for e in found}
    lines += [
        _line(name, e := ws.config.slices[name], "named", mask, wrong, max(float(q), searched.get(e, 0.0)))
        for (name, mask), q in zip(named.items(), p, strict=True)
    ]
    kept = set(ws.config.slices.values())
    lines += [_found(e) for e in found if not e["expression"] or e["expression"] not in kept]
    p = stats.holm_adjusted(np.array(excess(list(classes.values()), wrong, np.zeros_like(strata))))
    hard = [
        _line(name, "", "class", mask, wrong, float(q))
        for (name, mask), q in zip(classes.items(), p, strict=True)
    ]
    lines += sorted(hard, key=lambda s: (s.score is None, s.score, s.name))
    lines = _with_floors(ws, lines, progress)
    tried = dict(found[0]["tried"]) if found else {}
    result = SliceTable(version.id, ws.config.goal.metric, tuple(lines), tried)
    ws.store.put_record("slices", _key(ws), result.to_json(), subject=version.id, now=ws.clock())
    return result


def known(ws: Workspace) -> SliceTable | None:
    """The table of the present head, slices and floors where `slices` made it; None before."""
    body = ws.store.record("slices", _key(ws))
    return None if body is None else SliceTable.from_json(body)


def _key(ws: Workspace) -> str:
    return ws.key("slices", ws.audit_key(ws.head(TRAIN).id), ws.gates())


def _line(
    name: str,
    expression: str,
    kind: Literal["whole", "named", "class"],
    mask: np.ndarray,
    wrong: np.ndarray,
    p: float | None,
) -> SliceLine:
    """Accuracy inside and outside."""
    size, rest = int(mask.sum()), int((~mask).sum())
    inside = stats.wilson(float((~wrong[mask]).sum()), size)
    outside = stats.wilson(float((~wrong[~mask]).sum()), rest)
    return SliceLine(
        name=name,
        expression=expression,
        kind=kind,
        rows=size,
        score=inside.value if size else None,
        low=inside.low,
        high=inside.high,
        outside=outside.value if rest else None,
        outside_low=outside.low if rest else None,
        outside_high=outside.high if rest else None,
        p=p,
    )


def _found(e: Mapping[str, Any]) -> SliceLine:
    """A line from the evidence of TIL601."""
    return SliceLine(
        name=e["name"],
        expression=e["expression"],
        kind="found",
        rows=e["count"],
        score=e["accuracy"],
        low=e["low"],
        high=e["high"],
        outside=e["outside"],
        outside_low=e["outside_low"],
        outside_high=e["outside_high"],
        p=e["p_adjusted"],
        words=tuple(e["words"]),
    )


def _with_floors(ws: Workspace, lines: list[SliceLine], progress: Progress | None) -> list[SliceLine]:
    """Scores on evaluation rows, where slices or floors ask for them, and whether floors are held."""
    if not ws.config.slices and not ws.config.floors:
        return lines
    evaluation, version = ws.evaluation(), ws.head(TRAIN)
    usable, _, _ = scorable(ws.view(progress), evaluation)
    free, _ = reporting_rows(ws, evaluation)
    test = evaluation.take(np.flatnonzero(usable & free).tolist())
    if len(test) < LEAST_ROWS:
        return [_floored(ws, s, None, None) for s in lines]
    nothing = Patch(TRAIN, version.id, ())
    outcome = measure_versions(ws, ws.snapshot(version), nothing, test, progress=progress)
    masks = {"all rows": np.ones(len(test), dtype=bool), **classes_of(test, ws.config.columns.label)}
    masks |= ws.named_slices(test)
    return [_floored(ws, s, outcome, masks.get(s.name)) for s in lines]


def _floored(ws: Workspace, s: SliceLine, outcome: Outcome | None, mask: np.ndarray | None) -> SliceLine:
    """The line with its score on evaluation rows and its floor."""
    under = {"whole": "all", "class": "class"}.get(s.kind, s.name if s.kind == "named" else "")
    out = asdict(s) | {"floor": ws.config.floors.get(under)}
    if outcome is None or mask is None:
        return SliceLine(**out)
    out["eval_rows"] = int(mask.sum())
    if mask.sum() >= LEAST_ROWS:
        score = score_on(outcome, mask)
        out |= {"eval_score": score.value, "eval_low": score.low, "eval_high": score.high}
        if out["floor"] is not None:
            sign = -1.0 if outcome.metric == "log_loss" else 1.0
            out["held"] = bool(sign * (score.value - out["floor"]) >= -1e-9)
    return SliceLine(**out)


def confusions(ws: Workspace, progress: Progress | None = None) -> Confusions:
    """Pairs of classes that are confused, from the audit, and the whole matrix; kept."""
    audit = ws.audit(progress)
    key = ws.key("confusions", ws.audit_key(audit.version))
    known = ws.store.record("confusions", key)
    if known is None:
        known = _matrix(ws.view(progress))
        ws.store.put_record("confusions", key, known, subject=audit.version, now=ws.clock())
    return Confusions(audit.version, [f.evidence for f in audit.of("TIL602")], **known)


def _matrix(view: View) -> dict[str, list[dict[str, Any]]]:
    """Classes and cells of the confusion matrix of rows that judge, out of sample."""
    s = view.signals
    rows, wrong = judging_rows(view)
    k, given = len(s.classes), s.labels[rows]
    predicted = s.probabilities[rows].argmax(axis=1) if len(rows) else np.zeros(0, int)
    size, right = np.bincount(given, minlength=k), np.bincount(given[~wrong], minlength=k)
    codes, counts = np.unique(given[wrong] * k + predicted[wrong], return_counts=True)
    order = np.argsort(-counts, kind="stable")[:CELLS]
    return {
        "classes": [
            {"name": name, "rows": int(n), "right": int(m)}
            for name, n, m in zip(s.classes, size, right, strict=True)
        ],
        "cells": [
            {"given": s.classes[c // k], "predicted": s.classes[c % k], "rows": n}
            for c, n in zip(codes[order].tolist(), counts[order].tolist(), strict=True)
        ],
    }


def keep(ws: Workspace, name: str, floor: float | None = None, progress: Progress | None = None) -> Kept:
    """Write a discovered slice into tilth.toml; from then on it is tested in every trial.

    Raises
    ------
    NotFound : no slice with this name was discovered.
    Refused : no expression says which rows it holds.
    """
    found = {f.evidence["name"]: f.evidence for f in ws.audit(progress).of("TIL601")}
    if name not in found:
        near = difflib.get_close_matches(name, found, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(found) or 'none'}"
        raise NotFound(f"no slice {name!r} was discovered; {hint}. See: tilth slices")
    e = found[name]
    if not e["expression"] or e["fit"] < LEAST_FIT:
        raise Refused(
            f"slice {name!r} is a cluster that no words describe well enough to find it in other rows "
            f"(F1 {e['fit']:.2f}); look at its rows with: tilth audit --code TIL601 --json"
        )
    return add(ws, name, e["expression"], floor)


def add(ws: Workspace, name: str, expression: str, floor: float | None = None) -> Kept:
    """Write a slice of a person's own into tilth.toml; from then on it is tested in every trial.

    Raises
    ------
    ConfigError : the expression cannot be read or names a column that there is not, or the name is taken.
    InputError : no name.
    """
    if not name.strip():
        raise InputError("a slice has a name: it stands in tables and floors")
    Slice.parse(name, expression).mask(ws.table(ws.snapshot(ws.head(TRAIN))))
    path = ws.folder / configuration.FILE
    configuration.add(path, "slices", name, expression)
    if floor is not None:
        configuration.add(path, "floors", name, floor)
    ws.config = configuration.load(path)
    return Kept(name, expression, floor, path)


def describe(ws: Workspace, ids: Sequence[str]) -> list[Description]:
    """Expressions that come near to some rows of train, the nearest first; see `tilth.discovery.describe`.

    Raises
    ------
    NotFound : an id that is none of train.
    """
    rows = ws.snapshot(ws.head(TRAIN))
    chosen = np.zeros(len(rows), dtype=bool)
    for name in ids:
        if (at := rows.index.get(name)) is None:
            raise NotFound(f"no row {name!r} in train")
        chosen[at] = True
    return described(ws.table(rows), chosen)
