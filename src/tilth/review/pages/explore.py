"""Slices, confusions and learning curves: where the model is weak, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi.responses import HTMLResponse

from tilth.errors import NotFound
from tilth.learning import adding, class_of, known
from tilth.report import svg
from tilth.report.cards import change_text, span_of
from tilth.report.curve_page import class_chart, parts
from tilth.report.curves import fine
from tilth.report.format import Measure, number, share
from tilth.report.markup import num
from tilth.review.looks import Look
from tilth.review.pages.frame import Frame
from tilth.review.routes import PageRoute

__all__ = ["ExplorePages"]

Json = Mapping[str, Any]
SHARE = Measure("accuracy")
CLASSES = 12
"""Classes of a confusion matrix that are shown at first."""
PAIRS = 12
"""Pairs that are shown at first."""
SURE = 0.05
SMALL = 8
"""Charts of single classes on one page."""


class ExplorePages(Frame):
    """Slices, confusions, learning curves."""

    def routes(self) -> list[PageRoute]:
        """Path and handler of each page."""
        return [("/slices", self.slices), ("/confusions", self.confusions), ("/curve", self.curve)]

    def slices(self, kind: str = "", q: str = "") -> HTMLResponse:
        """Named and discovered slices, and classes, each with what can be done about it.

        Parameters
        ----------
        kind : "named", "found" or "class"; "": all, but of classes only those that stand out.
        q : a part of the name.
        """
        look = self.desk.looks.of("slices", lambda: self.desk.project.slices().to_json())
        body = look.body
        found = body["slices"] if body else []
        shown = [s for s in found if _wanted(s, kind, q)]
        axis = svg.axis_of(
            [100 * v for s in shown for v in (s["low"], s["high"], s["outside"]) if v is not None]
        )
        measure, label = self.measure(), self.desk.project.workspace.config.columns.label
        words = f"share right with its 95 % interval, axis from {axis.low:g} to {axis.high:g} %"
        return self.page(
            "slices.html", "slices", look=look, step=self.desk.step, kind=kind, q=q,
            measure=measure.name.lower(),
            kinds=[(k, name, sum(s["kind"] == k for s in found)) for k, name in KINDS],
            ruler=svg.ruler(axis, words), lines=[_slice(s, axis, measure, label) for s in shown],
            left=sum(s["kind"] == "class" for s in found) - sum(s["kind"] == "class" for s in shown),
            tried=sum(body["tried"].values()) if body else 0,
            said=self.plan_says(look, "TIL601"),
        )  # fmt: skip

    def confusions(self, of: str = "", n: int = CLASSES, all: bool = False) -> HTMLResponse:
        """The confused part of the confusion matrix, and the pairs that stand out.

        Parameters
        ----------
        of : a class: it and what it is confused with.
        n : how many classes the matrix shows.
        all : every pair that stands out.
        """
        look = self.desk.looks.of("confusions", lambda: self.desk.project.confusions().to_json())
        body = look.body
        names = _confused_classes(body, of, min(max(n, 2), 60)) if body else []
        wrong = sum(c["rows"] - c["right"] for c in body["classes"]) if body else 0
        found = body["pairs"] if body else []
        pairs, clauses = found if all else found[:PAIRS], self._clauses() if found else {}
        axis = svg.axis_of([0.0, *(100 * p["share_high"] for p in pairs)])
        return self.page(
            "confusions.html", "confusions", look=look, step=self.desk.step, of=of, n=n, body=body,
            names=names, matrix=_matrix(body, names) if body else [], wrong=wrong,
            classes=sorted(c["name"] for c in body["classes"]) if body else [],
            inside=_inside(body, names) if body else 0,
            ruler=svg.ruler(axis, f"share of the rows of both, axis from {axis.low:g} to {axis.high:g} %"),
            pairs=[_pair(p, axis, clauses) for p in pairs], more=len(found) - len(pairs),
            said=self.plan_says(look, "TIL602"),
        )  # fmt: skip

    def _clauses(self) -> dict[tuple[str, str], bool]:
        """Pairs of classes that have a clause in the guide, and whether it is a draft."""
        return {(c["a"], c["b"]): c["draft"] for c in self.desk.project.guide()["clauses"]}

    def curve(self, add: int = 0, of: str = "") -> HTMLResponse:
        """What more rows would bring: collect, or go through labels?

        Parameters
        ----------
        add : rows to add, for a forecast.
        of : one class.
        """
        found = known(self.desk.project.workspace)
        body, measure = found.to_json() if found else None, self.measure()
        job = self.desk.jobs.state("curve")
        one, missing = None, ""
        if body and of:
            try:
                one = class_of(body, of)
            except NotFound as error:
                missing = str(error)
        more = adding(body, add) if body and add else None
        small = [] if not body else [one] if one else _worth_a_look(body)
        return self.page(
            "curve.html", "curve", body=body, job=job, add=add, of=of, missing=missing,
            most=body["choice"]["add"][-1]["rows"] if body and body["choice"]["add"] else 0,
            parts=parts(body) if body else [], small=[_class(c, measure) for c in small],
            more=more and change_text({"value": more["gain"], **more}, measure),
            classes=sorted(c["name"] for c in body["classes"]) if body else [],
            verdict=body and _verdict(body),
            said=self.plan_says(Look(body, body is not None), "collect"),
        )  # fmt: skip


KINDS = (("", "Weak and named"), ("named", "Named"), ("found", "Found"), ("class", "Classes"))


def _wanted(s: Json, kind: str, q: str) -> bool:
    """Whether a slice is shown."""
    if q and q.casefold() not in f"{s['name']} {s['expression']}".casefold():
        return False
    if kind:
        return bool(s["kind"] == kind)
    weak = s["p"] is not None and s["p"] <= SURE and (s["score"] or 0.0) < (s["outside"] or 0.0)
    return s["kind"] != "class" or weak or s["held"] is False or bool(q)


def _slice(s: Json, axis: svg.Axis, measure: Measure, label: str) -> dict[str, Any]:
    """A slice as its line shows it."""
    low, high = s["difference_low"], s["difference_high"]
    tone = "worse" if high is not None and high < 0 else "better" if low is not None and low > 0 else "none"
    name = s["name"].removeprefix(f"{label} = ") if s["kind"] == "class" else s["name"]
    rows = _rows(s, name)
    floor = number(s["floor"])
    return dict(s) | {
        "called": name,
        "mark": svg.slice_mark(
            axis, tuple(_pc(s[k]) if s["rows"] else None for k in ("score", "low", "high")),
            outside=_pc(s["outside"]),
            floor=_pc(floor) if measure.is_share else None, tone=tone,  # type: ignore[arg-type]
        ),
        "shown": share(s["score"]),
        "span": f"[{100 * s['low']:.0f}, {100 * s['high']:.0f}]" if s["score"] is not None else "",
        "change": None if s["difference"] is None
        else change_text({"value": s["difference"], "low": low, "high": high}, SHARE, unit=False),
        "p_text": _p(s["p"]),
        "floor_text": None if floor is None else measure.value(floor),
        "eval_text": measure.value(s["eval_score"]) if s["eval_score"] is not None else None,
        "rows_at": "/decide/set?" + urlencode(rows) if rows else "",
        "keep": s["kind"] == "found" and bool(s["expression"]),
    }  # fmt: skip


def _rows(s: Json, name: str) -> dict[str, str]:
    """The set that holds the rows of a slice."""
    if s["kind"] in ("whole", "class"):
        return {"given": name} if s["kind"] == "class" else {}
    if s["kind"] == "named":
        return {"slice": name}
    return {"slice": s["expression"]} if s["expression"] else {"code": "TIL601"}


def _pc(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _p(value: float | None) -> str:
    return "" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _confused_classes(body: Json, of: str, n: int) -> list[str]:
    """Classes of the matrix: those of its largest cells, neighbours beside each other."""
    cells = [c for c in body["cells"] if not of or of in (c["given"], c["predicted"])]
    chosen: dict[str, None] = {of: None} if of else {}
    for c in cells:
        for name in (c["given"], c["predicted"]):
            if len(chosen) < n:
                chosen[name] = None
    weight: dict[tuple[str, str], int] = {}
    for c in body["cells"]:
        for pair in ((c["given"], c["predicted"]), (c["predicted"], c["given"])):
            weight[pair] = weight.get(pair, 0) + c["rows"]
    order, left = list(chosen)[:1], list(chosen)[1:]
    while left:  # next to the last one: what it is most often confused with
        best = max(left, key=lambda name: weight.get((order[-1], name), 0))
        left.remove(best)
        order.append(best)
    return order


def _matrix(body: Json, names: Sequence[str]) -> list[dict[str, Any]]:
    """Lines of the matrix: rows by given class, columns by what the model says."""
    classes = {c["name"]: c for c in body["classes"]}
    counts = {(c["given"], c["predicted"]): c["rows"] for c in body["cells"]}
    lines = []
    for given in names:
        size = classes[given]["rows"] if given in classes else 0
        cells = []
        for predicted in names:
            n = classes[given]["right"] if given == predicted and size else counts.get((given, predicted), 0)
            part = n / size if size else 0.0
            cells.append(
                {
                    "rows": n, "same": given == predicted, "share": share(part, 0),
                    "level": 0 if not n or given == predicted else min(5, 1 + int(part * 25)),
                    "at": "/decide/set?" + urlencode({"given": given, "suggested": predicted}),
                    "given": given, "predicted": predicted,
                }
            )  # fmt: skip
        lines.append({"name": given, "rows": size, "cells": cells})
    return lines


def _inside(body: Json, names: Sequence[str]) -> int:
    """Wrong rows that the matrix shows."""
    chosen = set(names)
    return sum(c["rows"] for c in body["cells"] if c["given"] in chosen and c["predicted"] in chosen)


def _pair(p: Json, axis: svg.Axis, clauses: Mapping[tuple[str, str], bool]) -> dict[str, Any]:
    """A pair of classes as its line shows it."""
    a, b = p["classes"]
    first, second = sorted((a, b))
    span = span_of({"value": p["share"], "low": p["share_low"], "high": p["share_high"]}, SHARE)
    return dict(p) | {
        "a": a, "b": b, "mark": svg.score_mark(axis, span, "after"), "shown": share(p["share"]),
        "span": f"[{span[1]:.0f}, {span[2]:.0f}]", "p_text": _p(p["p_adjusted"]),
        "there_at": "/decide/set?" + urlencode({"given": a, "suggested": b}),
        "back_at": "/decide/set?" + urlencode({"given": b, "suggested": a}),
        "clause": clauses.get((first, second)),
    }  # fmt: skip


def _worth_a_look(body: Json) -> list[Json]:
    """The classes of which more rows are worth most."""
    return [c for c in body["classes"] if c["gain"] is not None and len(c["points"]) > 1][:SMALL]


def _class(c: Json, measure: Measure) -> dict[str, Any]:
    """A class as its small chart shows it."""
    twice = c["twice"]
    return {
        "name": c["name"], "rows": c["rows"], "recall": share(c["recall"]), "chart": class_chart(c),
        "add": c["add"], "gain": None if c["gain"] is None else num(fine(c, measure) + measure.unit),
        "flat": c["flat"], "refused": c["refused"], "minutes": c["minutes"], "points": c["points"],
        "twice": None if not twice
        else f"{share(twice['value'])} [{share(twice['low'])}, {share(twice['high'])}]",
    }  # fmt: skip


def _verdict(body: Json) -> tuple[str, str]:
    """Collect or fix: a word, and the sentence behind it."""
    better = body["choice"]["better"]
    if body["stop"]:
        return "Do not collect", "More rows like these are not expected to bring what would be worth it."
    if better == "review":
        return "Fix first", "Going through labels is expected to bring more for the same time than new rows."
    if better == "add":
        return "Collect", "New rows are expected to bring more for the same time than going through labels."
    return "Either", "Going through labels and collecting rows cannot be told apart by what was measured."
