"""Trial: the measured effect of one patch, with what is needed to judge and repeat it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tilth import stats
from tilth.data import Snapshot
from tilth.stats import Effect, Interval, Verdict
from tilth.trial.floors import FloorCheck, broken
from tilth.trial.measure import Outcome

if TYPE_CHECKING:
    import pandas

__all__ = ["SliceEffect", "Trial", "classes_of", "slice_effects", "slices_of"]

LEAST_ROWS, MOST_VALUES = 10, 12


@dataclass(frozen=True, slots=True)
class SliceEffect:
    """Effect on a slice of the evaluation rows; the verdict is corrected for the number of slices."""

    name: str
    rows: int
    before: float
    after: float
    value: float
    low: float
    high: float
    verdict: Verdict


@dataclass(frozen=True)
class Trial:
    """The measured effect of one patch under one recipe.

    Attributes
    ----------
    patch, title, base : the patch and the version that it applies to.
    judged_on : in words, which rows decided.
    judge : machine-readable: "eval:<version>" or "held-out:<version>".
    effect : after minus before in the metric, with both sources of chance.
    before, after : score of each arm with its interval.
    slices : effect on each class, column value and named slice; verdicts corrected by Holm's procedure.
    seconds : CPU seconds.
    floors : what became of each floor.
    gates : digest of the slices and floors of that time; a trial under others does not count.
    """

    patch: str
    title: str
    base: str
    recipe: str
    metric: str
    judged_on: str
    judge: str
    ops: Mapping[str, int]
    effect: Effect
    before: Interval
    after: Interval
    slices: Sequence[SliceEffect] = ()
    seconds: float = 0.0
    predicted: float | None = None
    minutes: float = 0.0
    notes: Sequence[str] = field(default=())
    floors: Sequence[FloorCheck] = ()
    gates: str = ""

    @property
    def verdict(self) -> Verdict:
        """better, worse or no evidence, on all evaluation rows."""
        return self.effect.verdict

    @property
    def regressions(self) -> list[SliceEffect]:
        """Slices that got worse after correction for multiplicity: they block acceptance."""
        return [s for s in self.slices if s.verdict == "worse"]

    @property
    def broken(self) -> list[FloorCheck]:
        """Floors that were held and are not any more: they block acceptance, too."""
        return broken(self.floors)

    def __str__(self) -> str:
        e = self.effect
        return (
            f"{self.title}: {self.metric} {e.value:+.4f} [{e.low:+.4f}, {e.high:+.4f}], {self.verdict} "
            f"({e.rows:,} rows; an effect of {e.detectable:.4f} would have been seen)"
        )

    def _repr_html_(self) -> str:
        from tilth.frames import html_table

        return html_table(str(self), self._lines())

    def to_pandas(self) -> pandas.DataFrame:
        """One line for the whole and one for each slice."""
        from tilth.frames import frame

        return frame(self._lines())

    def _lines(self) -> list[dict[str, Any]]:
        whole = {
            "name": "all rows",
            "rows": self.effect.rows,
            "before": self.before.value,
            "after": self.after.value,
            "value": self.effect.value,
            "low": self.effect.low,
            "high": self.effect.high,
            "verdict": self.verdict,
        }
        return [whole, *(asdict(s) for s in self.slices)]

    def to_json(self) -> dict[str, Any]:
        """The trial as a JSON object."""
        return asdict(self) | {"verdict": self.verdict, "ops": dict(self.ops)}

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> Trial:
        """The inverse of to_json."""
        parts = {k: v for k, v in body.items() if k != "verdict"}
        parts["effect"] = Effect(**parts["effect"])
        parts["before"] = Interval(**parts["before"])
        parts["after"] = Interval(**parts["after"])
        parts["slices"] = tuple(SliceEffect(**s) for s in parts["slices"])
        parts["floors"] = tuple(FloorCheck(**f) for f in parts.get("floors", ()))
        return Trial(**parts)


def classes_of(rows: Snapshot, label: str) -> dict[str, np.ndarray]:
    """Boolean mask of each class, by "label = class"."""
    labels = np.array([*rows.labels, None], dtype=object)[:-1]
    names = sorted({x for x in rows.labels if x is not None})
    return {f"{label} = {name}": np.asarray(labels == name, dtype=bool) for name in names}


def slices_of(
    rows: Snapshot, label: str, skip: Sequence[str] = (), named: Mapping[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Boolean masks over rows: each class, each value of columns with few values, and the named slices.

    Parameters
    ----------
    label : what the label column is called.
    skip : columns that are no slices (the text itself).
    named : masks of named slices.
    """
    out = classes_of(rows, label)
    for column, values in rows.columns.items():
        if column in skip or len(rows) == 0:
            continue
        found = np.array([None if v is None else str(v) for v in values], dtype=object)
        names = sorted({v for v in found if v is not None})
        if 2 <= len(names) <= MOST_VALUES:
            for name in names:
                out[f"{column} = {name}"] = np.asarray(found == name, dtype=bool)
    out |= named or {}
    return {name: mask for name, mask in out.items() if mask.sum() >= LEAST_ROWS}


def slice_effects(outcome: Outcome, slices: Mapping[str, np.ndarray]) -> tuple[SliceEffect, ...]:
    """Effects on slices; a verdict other than "no evidence" survives Holm's correction over all."""
    names = list(slices)
    effects = [outcome.effect(slices[name]) for name in names]
    rejected = stats.holm_levels([stats.p_value(e) for e in effects])
    sign = -1.0 if outcome.metric == "log_loss" else 1.0
    out = []
    for name, e, is_real in zip(names, effects, rejected, strict=True):
        mask = slices[name]
        verdict: Verdict = "no evidence"
        if is_real and e.verdict != "no evidence":
            verdict = e.verdict
        w = outcome.weights[mask]
        before, after = (sign * float(w @ v[mask] / w.sum()) for v in (outcome.before, outcome.after))
        out.append(SliceEffect(name, e.rows, before, after, e.value, e.low, e.high, verdict))
    return tuple(out)
