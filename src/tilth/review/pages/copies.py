"""Duplicates as clusters, and annotators: which text counts, and whose word."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi.responses import HTMLResponse

from tilth.data import Snapshot
from tilth.report import svg
from tilth.report.cards import span_of
from tilth.report.format import Measure, clip, number, share
from tilth.report.markup import Html, join, tag
from tilth.review.pages.frame import Frame, paged
from tilth.review.routes import PageRoute
from tilth.workspace import TRAIN

__all__ = ["CopyPages", "word_diff"]

Json = Mapping[str, Any]
SHARE = Measure("accuracy")
GROUPS, MEMBERS, TEXT = 20, 6, 1_200
"""Groups on a page, copies shown of each, characters of a text."""
KINDS = (
    ("", "All"),
    ("conflict", "Labels differ"),
    ("leak", "In both sets"),
    ("near", "Near"),
    ("exact", "Exact"),
)
PEOPLE, LINES = 30, 20


class CopyPages(Frame):
    """Duplicates and annotators."""

    def routes(self) -> list[PageRoute]:
        """Path and handler of each page."""
        return [("/duplicates", self.duplicates), ("/annotators", self.annotators)]

    def duplicates(self, threshold: float | None = None, kind: str = "", page: int = 1) -> HTMLResponse:
        """Groups of copies, those whose labels differ first.

        Parameters
        ----------
        threshold : least similarity of near copies; None: that of tilth.toml.
        kind : "conflict", "leak", "near" or "exact"; "": all.
        page : from 1.
        """
        least = self.desk.project.workspace.config.copies.threshold if threshold is None else threshold
        look = self.desk.looks.of(
            f"duplicates {least:g}", lambda: self.desk.project.duplicates(least).to_json()
        )
        groups = sorted(look.body["groups"], key=_first) if look.body else []
        counts = {k: sum(_is(g, k) for g in groups) for k, _ in KINDS}
        part = paged([g for g in groups if _is(g, kind)], page, GROUPS)
        where = {"threshold": f"{least:g}", **({"kind": kind} if kind else {})}
        return self.page(
            "duplicates.html", "duplicates", look=look, step=self.desk.step, least=least, kind=kind,
            part=part, body=look.body, kinds=[(k, name, counts[k]) for k, name in KINDS],
            where=urlencode(where),
            groups=[self._group(g) for g in part.items],
            said=self.plan_says(look, "TIL102", "TIL201", "TIL202", "TIL203"),
        )  # fmt: skip

    def _group(self, g: Json) -> dict[str, Any]:
        """A group as its card shows it: each copy as a word diff against the first."""
        ws = self.desk.project.workspace
        train, other, column = ws.snapshot(ws.head(TRAIN)), ws.evaluation(), ws.config.columns.text
        shown = g["members"][: MEMBERS + 1]
        texts = [_text(train if m["dataset"] == TRAIN else other, m["id"], column) for m in shown]
        members = [
            dict(m) | {"diff": word_diff(texts[0], t) if i and m["kind"] != "exact" else None, "text": t}
            for i, (m, t) in enumerate(zip(shown, texts, strict=True))
        ]
        inside = [m["id"] for m in g["members"] if m["dataset"] == TRAIN]
        return dict(g) | {
            "members": members, "left": len(g["members"]) - len(shown), "ids": inside[:2_000],
            "keep": inside[0] if len(inside) > 1 else "", "conflict": len(g["labels"]) > 1,
            "leak": bool(g["train"] and g["eval"]), "n": len(g["members"]),
            "rows_at": "/decide/set?" + urlencode({"copies": inside[0]}) if inside else "",
            "labels": sorted(g["labels"].items(), key=lambda x: (-x[1], x[0])),
        }  # fmt: skip

    def annotators(self, of: str = "", all: bool = False) -> HTMLResponse:
        """How far people agree, how good each is, what they confuse, and what should be settled.

        Parameters
        ----------
        of : one annotator.
        all : every annotator, not only those whose intervals lie lowest.
        """
        nobody = not self.desk.project.workspace.store.judgements_digest()
        if nobody:
            return self.page("annotators.html", "annotators", nobody=True, look=None, body=None, said=[])
        look = self.desk.looks.of("annotators", lambda: self.desk.project.annotators().to_json())
        body = look.body
        people = body["annotators"] if body else []
        chosen = [p for p in people if p["name"] == of] if of else people if all else people[:PEOPLE]
        spans = [_span(p) for p in chosen]
        axis = svg.axis_of([v for s in spans for v in s])
        words = f"quality with its 95 % interval, axis from {axis.low:g} to {axis.high:g} %"
        return self.page(
            "annotators.html", "annotators", nobody=False, look=look, step=self.desk.step, body=body, of=of,
            ruler=svg.ruler(axis, words), names=[p["name"] for p in people],
            people=[_person(p, axis, s) for p, s in zip(chosen, spans, strict=True)],
            left=len(people) - len(chosen), most=LINES,
            pairs=[_pair(p) for p in (body["pairs"] if body else ())],
            needed=[_needed(n) for n in (body["next_votes"] if body else ())],
            said=self.plan_says(look, "TIL104"),
        )  # fmt: skip


def _first(g: Json) -> tuple[bool, bool, int]:
    """Order of groups: labels that differ, then rows of both sets, then the largest."""
    return len(g["labels"]) < 2, not (g["train"] and g["eval"]), -len(g["members"])


def _is(g: Json, kind: str) -> bool:
    near = any(m["kind"] == "near" for m in g["members"][1:])
    return {
        "conflict": len(g["labels"]) > 1,
        "leak": bool(g["train"] and g["eval"]),
        "near": near,
        "exact": not near,
    }.get(kind, True)


def _text(rows: Snapshot, name: str, column: str) -> str:
    at = rows.index.get(name)
    values = rows.columns.get(column)
    return "" if at is None or values is None else clip(str(values[at] or ""), TEXT)[0]


def word_diff(a: str, b: str) -> Html:
    """The second text, with what it adds to the first and what it leaves out marked word by word."""
    one, two = (re.findall(r"\s+|\w+|[^\w\s]", text) for text in (a, b))
    parts: list[Html | str] = []
    for how, i, j, k, m in difflib.SequenceMatcher(None, one, two, autojunk=False).get_opcodes():
        if how == "equal":
            parts.append("".join(two[k:m]))
            continue
        if i < j:
            parts.append(tag("del", "".join(one[i:j])))
        if k < m:
            parts.append(tag("ins", "".join(two[k:m])))
    return join(parts)


def _span(p: Json) -> tuple[float | None, float | None, float | None]:
    return span_of({"value": p["quality"], "low": p["low"], "high": p["high"]}, SHARE)


def _person(p: Json, axis: svg.Axis, span: tuple[float | None, ...]) -> dict[str, Any]:
    value, low, high = span
    known = number(p["quality"]) is not None
    return dict(p) | {
        "mark": svg.score_mark(axis, (value, low, high), "after"),
        "shown": share(p["quality"]) if known else "–",
        "span": f"[{share(p['low'], 0)}, {share(p['high'], 0)}]" if known else "",
        "accuracy": share(p["expected_accuracy"]),
        "at": "/annotators?" + urlencode({"of": p["name"]}),
    }


def _pair(p: Json) -> dict[str, Any]:
    rows = urlencode({"given": p["a"], "suggested": p["b"]})
    return dict(p) | {"shown": share(p["share"]), "rows_at": f"/decide/set?{rows}"}


def _needed(n: Json) -> dict[str, Any]:
    return dict(n) | {
        "p": f"{n['p_wrong']:.2f}" if n["p_wrong"] is not None else "–",
        "said": _votes(n["votes"]),
    }


def _votes(votes: Sequence[Json]) -> list[tuple[str, int]]:
    """Labels with how often each was said, most often first."""
    found: dict[str, int] = {}
    for v in votes:
        found[v["label"]] = found.get(v["label"], 0) + int(v.get("votes", 1))
    return sorted(found.items(), key=lambda x: (-x[1], x[0]))
