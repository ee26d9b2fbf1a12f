"""Self-test: what the audit finds of faults that are planted in a copy of these very rows.

All kinds of faults are planted in one copy, which is audited once like the rows themselves: wrong labels
by the estimated noise matrix, copies, copies under another label, near copies, copies of evaluation
rows, texts in a made-up language, broken texts. Of more than `ROWS` rows a random part is taken.

Rows that are flagged for their label are left out of the copy, so that it has about as many wrong labels
as the rows. A finding without a planted row is a false alarm unless it names a row that was flagged
before anything was planted: of those nobody knows. For labels each unplanted row counts by its
probability of being right.

References
----------
Fault injection as in Frenay and Verleysen, "Classification in the presence of label noise: a survey",
IEEE TNNLS 2014, section V; Wilson's interval in tilth.stats.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from tilth import stats
from tilth.audit.base import Finding, View
from tilth.audit.run import detectors, look, run
from tilth.calibration import Judged, platt
from tilth.data import Row, Snapshot, Value
from tilth.recipes.base import Recipe
from tilth.signals import Signals
from tilth.stats import Interval

__all__ = ["Score", "SelfTest", "self_test"]

ROWS = 7_000
"""Most rows that are copied. Above 5,000 rows fits stop earlier, so that fewer would not be cheaper."""
LEAST = 40
"""Fewer rows than this say nothing."""
SHARE, FEWEST, MOST = 0.01, 8, 60
"""Planted faults of each kind but wrong labels."""
PLANTED = ("TIL101", "TIL102", "TIL201", "TIL202", "TIL203", "TIL301", "TIL501")


@dataclass(frozen=True)
class Score:
    """How one detector did.

    Attributes
    ----------
    code : of the detector.
    planted, found : number of planted faults, and of those that were flagged.
    flagged : alarms that count, right and false.
    recall : found of planted.
    precision : right of flagged; nan where nothing was flagged.
    average_precision : of the ranking by P(wrong), for wrong labels alone.
    """

    code: str
    planted: int
    found: int
    flagged: float
    recall: Interval
    precision: Interval
    average_precision: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The score as a JSON object."""
        return {
            "code": self.code,
            "planted": self.planted,
            "found": self.found,
            "flagged": round(self.flagged, 1),
            "recall": {k: round(v, 4) for k, v in asdict(self.recall).items()},
            "precision": {k: round(v, 4) for k, v in asdict(self.precision).items()}
            if self.flagged
            else None,
            "average_precision": self.average_precision and round(self.average_precision, 4),
        }


@dataclass(frozen=True)
class SelfTest:
    """What was found of planted faults.

    Attributes
    ----------
    rows, of : rows of which a copy was made, of how many.
    scores : one for each detector that faults were planted for, by code.
    curve : intercept and slope that turn the claimed P(wrong) of the copy into what was planted.
    failed : why there is no self-test; "" when there is one.
    """

    rows: int
    of: int
    scores: Sequence[Score] = field(default=())
    curve: tuple[float, float] | None = None
    failed: str = ""

    def to_json(self) -> dict[str, Any]:
        """The self-test as a JSON object."""
        scores = [s.to_json() for s in self.scores]
        curve = self.curve and [round(v, 4) for v in self.curve]
        body = {"rows": self.rows, "of": self.of, "scores": scores, "curve": curve}
        return body | {"failed": self.failed}


def self_test(
    recipe: Recipe, view: View, findings: Sequence[Finding], text: str, *, seed: int = 0
) -> SelfTest:
    """Plant faults in a copy of the rows, audit it, and compare.

    Parameters
    ----------
    recipe : of the project.
    view, findings : of the audit that is tested.
    text : name of the column that holds the input.
    seed : of what is planted, and where.
    """
    n, rng = len(view.train), np.random.default_rng(seed)
    labelled = np.flatnonzero(view.signals.labels >= 0)
    if len(labelled) < LEAST or len(view.signals.classes) < 2:
        return SelfTest(len(labelled), n, failed=f"it needs {LEAST} labelled rows and two classes")
    taken = min(ROWS, len(labelled))
    base = np.sort(rng.choice(labelled, taken, replace=False))
    before = {code: {i for f in findings if f.code == code for i in f.rows} for code in PLANTED}
    doubtful = set().union(*before.values())
    # else the copy would have twice the wrong labels: measured precision was 0.17 too low
    base = base[[view.train.ids[i] not in before["TIL101"] for i in base.tolist()]]
    quiet = rng.permutation([i for i in base.tolist() if view.train.ids[i] not in doubtful])
    if len(quiet) < LEAST:
        return SelfTest(taken, n, failed="nearly every row is in doubt already")
    wrong = wrong_labels(view.signals, quiet[len(quiet) // 2 :], len(quiet), rng)
    # no row is planted upon twice: a copy of a row with a planted wrong label would be a conflict
    pools = np.array_split(quiet[: len(quiet) // 2], 5)
    made: dict[str, list[Row]] = {
        "TIL102": conflicts(view, _few(pools[0]), rng),
        "TIL201": exact_copies(view, _few(pools[1]), text),
        "TIL202": near_copies(view, _few(pools[2]), text, rng),
        "TIL203": leaks(view, rng),
        "TIL301": outliers(view, _few(pools[3]), text, rng),
        "TIL501": broken(view, _few(pools[4]), text),
    }
    rows = [_relabelled(view.train.row(i), wrong.get(i)) for i in base.tolist()]
    copy = Snapshot.of([*rows, *(row for some in made.values() for row in some)])
    seen = look(
        recipe, copy, view.evaluation, text, classes=view.signals.classes, threshold=view.copies.threshold
    )
    found, failed = run(seen, [d for d in detectors([]) if d.code in PLANTED])
    foreign = {row.id for some in made.values() for row in some}
    planted = _planted(view, seen, base, wrong)
    scores = [_labels(view, found, base, planted)] if "TIL101" not in failed else []
    scores += [
        _score(code, {r.id for r in some}, [f for f in found if f.code == code], before[code] | foreign)
        for code, some in made.items()
        if some and code not in failed
    ]
    return SelfTest(taken, n, tuple(scores), platt(planted.claimed, planted.happened, planted.weight))


def _planted(view: View, seen: View, base: np.ndarray, wrong: Mapping[int, str]) -> Judged:
    """P(wrong) in the copy and what was planted; an unplanted row weighs as much as it seems right."""
    at = [seen.train.index[view.train.ids[i]] for i in base.tolist()]
    happened = np.array([float(i in wrong) for i in base.tolist()])
    weight = np.where(happened > 0, 1.0, 1.0 - view.signals.p_wrong()[base])
    return Judged(seen.signals.p_wrong()[at].astype(np.float64), happened, weight)


def _labels(view: View, found: Sequence[Finding], base: np.ndarray, planted: Judged) -> Score:
    """How wrong labels were found, by flag and by rank."""
    alarms = {i for f in found if f.code == "TIL101" for i in f.rows}
    raised = np.array([view.train.ids[i] in alarms for i in base.tolist()])
    wrong, weight = planted.happened > 0, planted.weight
    hits, flagged, count = int((wrong & raised).sum()), float(weight[raised].sum()), int(wrong.sum())
    order = np.argsort(-planted.claimed, kind="stable")
    precision = np.cumsum(wrong[order]) / np.maximum(np.cumsum(weight[order]), 1e-9)
    return Score(
        "TIL101",
        count,
        hits,
        flagged,
        stats.wilson(hits, count),
        stats.wilson(hits, flagged),
        float(precision[wrong[order]].mean()),
    )


def _score(code: str, planted: set[str], found: Sequence[Finding], excused: set[str]) -> Score:
    """Other faults: a finding without a planted row is false unless one of its rows was flagged before."""
    named = {i for f in found for i in f.rows}
    right = sum(not planted.isdisjoint(f.rows) for f in found)
    false = sum(excused.isdisjoint(f.rows) for f in found)
    hits = len(planted & named)
    return Score(
        code,
        len(planted),
        hits,
        right + false,
        stats.wilson(hits, len(planted)),
        stats.wilson(right, right + false),
    )


def _few(pool: np.ndarray) -> list[int]:
    """So many positions that each kind of fault stays rare."""
    return [int(i) for i in pool[: max(FEWEST, min(MOST, round(10 * SHARE * len(pool))))]]


def _relabelled(row: Row, label: str | None) -> Row:
    return row if label is None else Row(row.id, row.fields, label, row.source)


def _beside(view: View, at: int, kind: str, fields: Mapping[str, Value], label: str | None = None) -> Row:
    """A new row made after the one at a position."""
    row = view.train.row(at)
    return Row(f"{row.id}~{kind}", {**row.fields, **fields}, label or row.label, row.source)


def wrong_labels(signals: Signals, pool: np.ndarray, rows: int, rng: np.random.Generator) -> dict[int, str]:
    """Position to wrong label: as many as there seem to be in so many rows, by the noise matrix."""
    rate = float(np.clip(signals.p_wrong()[signals.labels >= 0].mean(), 0.02, 0.2))
    count = min(max(20, round(rate * rows)), len(pool) // 2)
    out = {}
    for i in pool[:count].tolist():
        chance = np.array(signals.noise[signals.labels[i]], dtype=np.float64) + 1e-9
        chance[signals.labels[i]] = 0.0
        out[i] = signals.classes[int(rng.choice(len(chance), p=chance / chance.sum()))]
    return out


def exact_copies(view: View, some: Sequence[int], text: str) -> list[Row]:
    """Copies, every second one in capitals."""
    said = [(i, view.texts[i]) for i in some if view.texts[i].strip()]
    return [_beside(view, i, "copy", {text: t.upper() if k % 2 else t}) for k, (i, t) in enumerate(said)]


def conflicts(view: View, some: Sequence[int], rng: np.random.Generator) -> list[Row]:
    """Copies under another label."""
    names, labels = view.signals.classes, view.signals.labels
    return [
        _beside(
            view, i, "conflict", {}, names[(int(labels[i]) + int(rng.integers(1, len(names)))) % len(names)]
        )
        for i in some
        if view.texts[i].strip()
    ]


def near_copies(view: View, some: Sequence[int], text: str, rng: np.random.Generator) -> list[Row]:
    """Copies with one slip: a word said twice, or two neighbouring letters exchanged."""
    out = []
    for k, i in enumerate(some):
        words = view.texts[i].split()
        if len(words) < 4:
            continue
        at = int(rng.integers(len(words)))
        word = words[at]
        if k % 2 and len(word) > 2:
            cut = int(rng.integers(len(word) - 1))
            words[at] = word[:cut] + word[cut + 1] + word[cut] + word[cut + 2 :]
        else:
            words.insert(at, word)
        if (slip := " ".join(words)).casefold() != " ".join(view.texts[i].split()).casefold():
            out.append(_beside(view, i, "near", {text: slip}))
    return out


def leaks(view: View, rng: np.random.Generator) -> list[Row]:
    """Copies of evaluation rows."""
    some = _few(rng.permutation(len(view.evaluation))[: len(view.evaluation) // 2])
    rows = [view.evaluation.row(i) for i in some if view.eval_texts[i].strip()]
    return [Row(f"{r.id}~leak", r.fields, r.label, r.source) for r in rows]


def outliers(view: View, some: Sequence[int], text: str, rng: np.random.Generator) -> list[Row]:
    """Texts in a made-up language: each letter stands for another, anew in each text."""
    out, letters = [], list("abcdefghijklmnopqrstuvwxyz")
    for i in some:
        table = str.maketrans(dict(zip(letters, rng.permutation(letters).tolist(), strict=True)))
        said = view.texts[i].lower().translate(table)
        if len(said.split()) > 3:
            out.append(_beside(view, i, "outlier", {text: said}))
    return out


def broken(view: View, some: Sequence[int], text: str) -> list[Row]:
    """Texts that are empty, without letters, wrongly decoded, or full of control characters."""
    wrecks: list[Callable[[str], str]] = [
        lambda t: " ",
        lambda t: "?! " * 5,
        lambda t: t.replace("e", "Ã©").replace("a", "Ã¤"),
        lambda t: "\x00".join(t),
    ]
    return [
        _beside(view, i, "broken", {text: wrecks[k % 4](view.texts[i]) + " " * k}) for k, i in enumerate(some)
    ]
