"""Learning curves of the project: whole, by class and slice; where to collect; review or add.

Measured once for a version under a recipe and kept as a record of kind "curves".
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tilth.audit.base import View
from tilth.data import Snapshot
from tilth.errors import NotFound, TrialError
from tilth.signals import encode_labels, group_folds
from tilth.trial import classwise, curve, subsample
from tilth.trial.curve import Curve
from tilth.trial.fix_or_add import review
from tilth.trial.measure import row_weights
from tilth.trial.record import slices_of
from tilth.trial.subsample import Held
from tilth.trials import scorable
from tilth.workspace import TRAIN, Workspace

if TYPE_CHECKING:
    import pandas

    from tilth.signals import Progress

__all__ = ["CollectGain", "LearningCurves", "adding", "collect_gains", "known", "learning_curves"]

LEVEL, FOLDS, LEAST, FEW = 0.8, 3, 30, 5
HORIZONS = (1.5, 2.0)
VERSION = 2


@dataclass(frozen=True)
class CollectGain:
    """What collecting rows of one class is expected to bring.

    Attributes
    ----------
    name : the class.
    rows : rows to add.
    gain, low, high : change of the goal's metric with its 80 % interval.
    minutes : of a person's time, from [minutes] in tilth.toml.
    """

    name: str
    rows: int
    gain: float
    low: float
    high: float
    minutes: float

    @property
    def per_minute(self) -> float:
        """Gain a minute."""
        return self.gain / max(self.minutes, 1e-9)


@dataclass(frozen=True)
class LearningCurves:
    """Learning curves of one version; `body` is the JSON object that the report shows."""

    body: dict[str, Any]

    @property
    def stop(self) -> bool:
        """Whether the whole interval of the gain at twice the rows lies below what is worth it."""
        return bool(self.body["stop"])

    def to_json(self) -> dict[str, Any]:
        """The JSON object."""
        return self.body

    def to_pandas(self) -> pandas.DataFrame:
        """One line a class: what more of its rows would bring."""
        from tilth.frames import frame

        return frame(self.body["classes"])

    def _repr_html_(self) -> str:
        from tilth.frames import html_table

        return html_table(str(self.body["advice"]), self.body["classes"])


def collect_gains(ws: Workspace, progress: Progress | None = None) -> list[CollectGain]:
    """What doubling each class is expected to bring, best gain per minute first; computed once.

    Classes without held-out rows are left out: nothing could be measured on them.
    """
    minutes = ws.config.minutes.add
    found = [
        CollectGain(c["name"], c["add"], c["gain"], c["low"], c["high"], minutes * c["add"])
        for c in learning_curves(ws, progress=progress).body["classes"]
        if c["gain"] is not None
    ]
    return sorted(found, key=lambda g: (-g.per_minute, g.name))


def learning_curves(
    ws: Workspace, *, worth: float | None = None, progress: Progress | None = None
) -> LearningCurves:
    """Measure the curves of the head of train, or read them from the record.

    Parameters
    ----------
    worth : smallest gain at twice the rows that is worth collecting for; default from tilth.toml.

    Raises
    ------
    TrialError : too few labelled rows, or one class only.
    """
    found = known(ws, worth=worth)
    if found is not None:
        return found
    version, eval_id = ws.head(TRAIN), ws.eval_id()
    began = time.process_time()
    body = _measure(ws, progress)
    body["version"], body["eval_version"], body["recipe"] = version.id, eval_id, ws.recipe.name
    body["seconds"] = round(time.process_time() - began, 2)
    ws.store.put_record("curves", _key(ws), body, subject=version.id, now=ws.clock())
    return LearningCurves(_judged(ws, body, ws.config.collect.worth if worth is None else worth))


def known(ws: Workspace, *, worth: float | None = None) -> LearningCurves | None:
    """The curves of the head of train where they were measured; None before."""
    body = ws.store.record("curves", _key(ws))
    worth = ws.config.collect.worth if worth is None else worth
    return None if body is None else LearningCurves(_judged(ws, body, worth))


def _key(ws: Workspace) -> str:
    return ws.key("curves", VERSION, ws.head(TRAIN).id, ws.eval_id())


def adding(body: dict[str, Any], rows: int) -> dict[str, Any] | None:
    """What so many more rows like those at hand would bring, on straight lines between the forecasts.

    Parameters
    ----------
    body : the JSON object of the curves.
    rows : from 1 up; None is returned without a forecast, or for more rows than there are now.
    """
    points = body["choice"]["add"]
    if not points or not 0 < rows <= points[-1]["rows"]:
        return None
    at = [0, *(p["rows"] for p in points)]
    found = {k: float(np.interp(rows, at, [0.0, *(p[k] for p in points)])) for k in ("gain", "low", "high")}
    return {"rows": rows, **found}


def _judged(ws: Workspace, body: dict[str, Any], worth: float) -> dict[str, Any]:
    """The advice, which depends on settings that may change: worth and minutes."""
    minutes, whole = ws.config.minutes, body["whole"]
    twice = whole["forecasts"][-1] if whole["forecasts"] else None
    stop = twice is not None and twice["gain_high"] < worth
    for c in body["classes"]:
        c["minutes"] = None if c["add"] is None else minutes.add * c["add"]
        c["flat"] = c["high"] is not None and c["high"] < worth / max(len(body["classes"]), 1)
    body["classes"].sort(key=_order)
    for side, cost in (("review", minutes.relabel), ("add", minutes.add)):
        for point in body["choice"][side]:
            point["minutes"] = cost * point["rows"]
    body["choice"]["better"] = _better(body["choice"])
    return body | {"worth": worth, "stop": stop, "advice": _advice(body, stop, worth)}


def _order(c: dict[str, Any]) -> tuple[bool, float, str]:
    """Best gain per row first; what cannot be told comes last."""
    return (c["gain"] is None, -(c["gain"] or 0.0) / max(c["add"] or 1, 1), c["name"])


def _advice(body: dict[str, Any], stop: bool, worth: float) -> str:
    """One sentence: what to do."""
    whole = body["whole"]
    if whole["refused"]:
        return f"no forecast: the curve is ill-behaved ({whole['refused']})"
    f = whole["forecasts"][-1]
    span = f"{_points(f['gain'])} points [{_points(f['gain_low'])}, {_points(f['gain_high'])}]"
    words = f"twice the rows ({f['rows']:,}): expected {span}"
    best = next((c for c in body["classes"] if c["gain"] is not None), None)
    if stop:
        return f"{words}, less than {100 * worth:.1f} points: stop collecting, the curve is flat"
    if best is not None and best["low"] > 0:
        span = f"{_points(best['gain'])} points [{_points(best['low'])}, {_points(best['high'])}]"
        words += f"; best first: {best['add']} more rows of {best['name']}: expected {span}"
    return words


def _points(x: float) -> str:
    return f"{100 * x:+.1f}" if abs(x) >= 0.0005 else "0.0"


def _better(choice: dict[str, Any]) -> str:
    """The better side: review, add or unclear.

    At the effort that reviews all doubtful rows, or that adds an eighth of the rows where that is more:
    a review that is done early has its gain, and nothing else to spend time on.
    """
    if not choice["review"] or not choice["add"]:
        return "unclear"
    budget = max(choice["review"][-1]["minutes"], choice["add"][0]["minutes"])
    a, b = (_at(choice[side], budget) for side in ("review", "add"))
    choice["budget"] = budget
    half = (a[2] - a[1]) ** 2 + (b[2] - b[1]) ** 2
    if abs(a[0] - b[0]) < 0.5 * half**0.5:
        return "unclear"
    return "review" if a[0] > b[0] else "add"


def _at(points: Sequence[dict[str, Any]], minutes: float) -> tuple[float, float, float]:
    """Value, low and high of a side at an effort, on straight lines from nothing for nothing."""
    at = [0.0, *(p["minutes"] for p in points)]
    a, b, c = (float(np.interp(minutes, at, [0.0, *(p[k] for p in points)])) for k in ("gain", "low", "high"))
    return a, b, c


def _held(ws: Workspace, view: View) -> tuple[list[Held], Snapshot, str]:
    """Training and held-out rows, the held-out rows as a snapshot in the same order, what they are."""
    s = view.signals
    known = np.flatnonzero(s.labels >= 0)
    clusters = view.copies.clusters()[: len(view.train)]
    evaluation = view.evaluation
    usable = np.flatnonzero(scorable(view, evaluation)[0]) if len(evaluation) else np.zeros(0, int)
    if len(usable) >= LEAST:
        test = evaluation.take(usable.tolist())
        x, tested = _features(ws, view, test)
        truth = encode_labels(test.labels, s.classes)[1]
        part = Held(x[known], s.labels[known], clusters[known], tested, truth)
        return [part], test, f"{len(test):,} evaluation rows"
    fold = group_folds(s.labels, clusters, FOLDS)
    parts, order = [], []
    for f in range(FOLDS):
        inside, out = known[fold[known] != f], known[fold[known] == f]
        if len(inside) and len(out):
            x = view.features
            parts.append(Held(x[inside], s.labels[inside], clusters[inside], x[out], s.labels[out]))
            order.append(out)
    rows = np.concatenate(order) if order else known[:0]
    # a snapshot is sorted by id: lines of `take` must be put into the order of the parts
    test = view.train.take(rows.tolist())
    return parts, test, f"{len(rows):,} training rows, each held out once ({FOLDS}-fold)"


def _features(ws: Workspace, view: View, test: Snapshot) -> tuple[Any, Any]:
    """Features of train and of the evaluation rows, by one map learned from train."""
    text = ws.config.columns.text
    learned, x = ws.recipe.learn(view.train.texts(text))
    return x, learned.transform(test.texts(text))


def _measure(ws: Workspace, progress: Progress | None) -> dict[str, Any]:
    """Everything that takes time; nothing here depends on costs or on what is worth it."""
    view = ws.view(progress)
    names, metric = view.signals.classes, ws.config.goal.metric
    labelled = int((view.signals.labels >= 0).sum())
    if len(names) < 2 or labelled < 4 * LEAST:
        raise TrialError(
            f"a learning curve needs two classes and {4 * LEAST} labelled rows; train has {len(names)} "
            f"class(es) and {labelled} labelled rows. Collect more first"
        )
    parts, test, where = _held(ws, view)
    k, penalty, loss = len(names), ws.recipe.penalty, metric == "log_loss"
    scores = subsample.measure(parts, k, penalty, loss=loss, progress=progress)
    weights = row_weights(scores.truth, metric)
    whole = curve.fit(subsample.points(scores, weights), loss=loss)
    effects = classwise.thin(parts, k, penalty, weights, metric=metric, progress=progress)
    own = _class_curves(scores, k, loss)
    return {
        "metric": metric,
        "level": LEVEL,
        "rows": int(scores.plan.sizes[-1]),
        "scored": len(scores.truth),
        "scored_on": where,
        "whole": _curve_json(whole),
        "classes": _classes_json(names, view, effects, own),
        "slices": _slices_json(ws, test, scores, loss),
        "choice": {
            "review": _reviews(view, parts, penalty, weights, metric, progress),
            "add": _adds(whole),
            "better": "unclear",
            "budget": 0.0,
        },
    }


def _class_curves(scores: subsample.Scores, classes: int, loss: bool) -> list[Curve | None]:
    """Curve of each class's own recall as all classes grow."""
    out: list[Curve | None] = []
    for c in range(classes):
        mine = scores.truth == c
        if mine.sum() < FEW:
            out.append(None)
            continue
        out.append(curve.fit(subsample.points(scores, mine / mine.sum()), loss=loss))
    return out


def _curve_json(c: Curve) -> dict[str, Any]:
    """Points, forecasts and weights of families of one curve."""
    p, now = c.points, c.points.sizes[-1]
    top = 0.0 if c.loss else 1.0
    sd = np.sqrt(np.diag(p.covariance()))
    drawn = np.geomspace(p.sizes[-c.used] if c.used else p.sizes[0], 2 * now, 25)
    return {
        "refused": c.refused,
        "points": [
            {"rows": int(m), "value": float(top - e), "sd": float(s), "repeats": int(r)}
            for m, e, s, r in zip(p.sizes, p.errors, sd, p.repeats, strict=True)
        ],
        "forecasts": []
        if c.refused
        else [c.forecast(round(now * h), level=LEVEL).to_json() for h in HORIZONS],
        "drawn": [] if c.refused else [
            {"rows": float(m), "value": float(top - e)} for m, e in zip(drawn, c.error_at(drawn), strict=True)
        ],
        "families": {name: round(w, 4) for name, w in c.families.items()},
    }  # fmt: skip


def _round_rows(n: float) -> int:
    """Rows to ask for: as many as there are, in round numbers, 10 at least and 500 at most."""
    step = 5 if n < 100 else 50
    return int(np.clip(round(n / step) * step, 10, 500))


def _classes_json(
    names: Sequence[str], view: View, effects: classwise.ClassEffects, curves: Sequence[Curve | None]
) -> list[dict[str, Any]]:
    """What doubling each class would bring, and its recall as all classes grow."""
    gains = classwise.pool(effects)
    labels = view.signals.labels
    counts = np.bincount(labels[labels >= 0], minlength=len(names))
    tails = (0.5, 0.5 - LEVEL / 2, 0.5 + LEVEL / 2)
    out = []
    for c, name in enumerate(names):
        seen = effects.share[c] > 0
        add = _round_rows(counts[c]) if seen else None
        drawn = [float(v) for v in np.quantile(gains.of(c, add), tails)] if add else [None] * 3
        own = [float(v) for v in np.quantile(gains.own_of(c, add), tails)] if add else [None] * 3
        fitted = curves[c]
        twice, seen_at = None, []
        if fitted is not None:
            p, top = fitted.points, 0.0 if fitted.loss else 1.0
            seen_at = [
                {"rows": int(m), "value": float(top - e)} for m, e in zip(p.sizes, p.errors, strict=True)
            ]
        if fitted is not None and not fitted.refused:
            twice = fitted.forecast(round(2 * fitted.points.sizes[-1]), level=LEVEL).to_json()
        out.append(
            {
                "name": name,
                "rows": int(counts[c]),
                "recall": float(1 - effects.missed[c] / effects.share[c]) if seen else None,
                "add": add,
                "gain": drawn[0],
                "low": drawn[1],
                "high": drawn[2],
                "recall_gain": own[0],
                "recall_low": own[1],
                "recall_high": own[2],
                "points": seen_at,
                "twice": twice,
                "refused": "too few held-out rows" if fitted is None else fitted.refused,
            }
        )
    return out


def _slices_json(ws: Workspace, test: Snapshot, scores: subsample.Scores, loss: bool) -> list[dict[str, Any]]:
    """Curves of the column values (not of the classes) among the held-out rows, lowest score first."""
    columns = ws.config.columns
    out = []
    for name, mask in slices_of(test, columns.label, (columns.text, columns.id)).items():
        if name.startswith(f"{columns.label} = "):
            continue
        fitted = curve.fit(subsample.points(scores, mask / mask.sum()), loss=loss)
        out.append({"name": name, "rows": int(mask.sum())} | _curve_json(fitted))
    return sorted(out, key=lambda s: (s["points"][-1]["value"], s["name"]))


def _reviews(
    view: View,
    parts: Sequence[Held],
    penalty: float,
    weights: np.ndarray,
    metric: str,
    progress: Progress | None,
) -> list[dict[str, Any]]:
    """Gains of reviewing the worst labels; only with evaluation rows, which the audit has not seen."""
    s = view.signals
    if len(parts) != 1:
        return []
    posterior = s.posterior[s.labels >= 0]
    found = review(
        parts[0], posterior, len(s.classes), penalty, weights, metric=metric, level=LEVEL, progress=progress
    )
    return [{"gain" if k == "value" else k: v for k, v in asdict(r).items() if k != "level"} for r in found]


def _adds(whole: Curve) -> list[dict[str, Any]]:
    """Gains of adding rows like those at hand."""
    if whole.refused:
        return []
    now = whole.points.sizes[-1]
    out = []
    for share in (0.125, 0.25, 0.5, 1.0):
        f = whole.forecast(round(now * (1 + share)), level=LEVEL)
        out.append({"rows": round(now * share), "gain": f.gain, "low": f.gain_low, "high": f.gain_high})
    return out


def class_of(body: dict[str, Any], name: str) -> dict[str, Any]:
    """The class of that name.

    Raises
    ------
    NotFound : there is none.
    """
    import difflib

    known: dict[str, dict[str, Any]] = {c["name"]: c for c in body["classes"]}
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(known)[:5])} ..."
        raise NotFound(f"no class {name!r} in train; {hint}")
    return known[name]
