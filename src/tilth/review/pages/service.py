"""Pages of a model in service: Monitor, and the questions that a person answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.responses import HTMLResponse

from tilth.errors import NotFound
from tilth.monitoring import looks
from tilth.report import svg
from tilth.report.format import share
from tilth.report.markup import Html
from tilth.report.monitoring import span
from tilth.report.plot import Series
from tilth.report.timeline import timeline
from tilth.review.pages.frame import Frame
from tilth.review.routes import PageRoute

__all__ = ["ServicePages"]

Json = Mapping[str, Any]
WIDEST = 0.5
"""Half width of an interval, as a share, beyond which it is not drawn."""


class ServicePages(Frame):
    """Monitor and Questions."""

    def routes(self) -> list[PageRoute]:
        """Path and handler of each page."""
        return [("/monitor", self.monitor), ("/questions", self.questions)]

    def monitor(self) -> HTMLResponse:
        """Traffic, abstention, tests of releases, feedback, drift."""
        body: dict[str, Any] | None = None
        missing = ""
        try:
            body = self.desk.project.monitor().to_json()
        except NotFound as error:
            missing = str(error)
        known: list[Any] = body["drift"] if body is not None else []
        seen = looks(self.desk.project.workspace)[-1:] if not known else []
        days: list[Any] = body["days"] if body is not None else []
        return self.page(
            "monitor.html", "monitor", body=body, missing=missing, days=[_day(d) for d in days],
            without=_day(body)["share"] if body else None,
            traffic=_traffic(days), abstention=_abstention(days),
            tests=[_test(t, body["course"]) for t in body["tests"]] if body is not None else [],
            looks=[_look(d) for d in reversed(known or seen)], evidence=_evidence((known or seen)[-1:]),
        )  # fmt: skip

    def questions(self) -> HTMLResponse:
        """One question at a time; questions.js does the rest."""
        return self.page("questions.html", "monitor")


def _day(d: Json) -> dict[str, Any]:
    return {**d, "share": share(d["abstained"] / d["answers"]) if d["answers"] else "–"}


def _traffic(days: Sequence[Json]) -> Html | None:
    """Answers by day."""
    if len(days) < 2:
        return None
    line = [(float(i), float(d["answers"])) for i, d in enumerate(days)]
    words = f"answers by day, from {days[0]['day']} to {days[-1]['day']}; the numbers are in the table"
    names = [str(d["day"])[5:] for d in days]
    return timeline([Series("", "whole", line=line)], names, label=words, y_unit="", x_name="answers a day")


def _abstention(days: Sequence[Json]) -> Html | None:
    """Share of answers withheld, by day."""
    if len(days) < 2:
        return None
    line = [(float(i), 100 * d["abstained"] / max(d["answers"], 1)) for i, d in enumerate(days)]
    words = f"share of rows that got no answer, by day, from {days[0]['day']} to {days[-1]['day']}"
    names = [str(d["day"])[5:] for d in days]
    return timeline(
        [Series("", "whole", line=line)], names, label=words, y_unit=" %", x_name="no answer given, by day"
    )


def _test(t: Json, course: Sequence[Json]) -> dict[str, Any]:
    """A test with its table and its course."""
    tone = {"better": "better", "worse": "worse", "broken": "worse"}
    spans = [
        tuple(None if v is None else 100 * v for v in (c["difference"][k] for k in ("value", "low", "high")))
        for c in t["comparisons"]
    ]
    axis = svg.forest_axis(spans)
    lines = [
        {
            "metric": c["metric"], "role": c["role"], "verdict": c["verdict"], "words": span(c["difference"]),
            "units": (c["control"]["units"], c["candidate"]["units"]),
            "mark": svg.interval_mark(axis, _three(s), "better" if tone.get(c["verdict"]) == "better" else
                                      "worse" if tone.get(c["verdict"]) == "worse" else "none"),
        }
        for c, s in zip(t["comparisons"], spans, strict=True)
    ]  # fmt: skip
    ruler = svg.ruler(axis, f"difference in points, axis from {axis.low:g} to {axis.high:g}", signed=True)
    return {**t, "lines": lines, "ruler": ruler, "chart": _course(t, course)}


def _three(s: Sequence[float | None]) -> tuple[float | None, float | None, float | None]:
    return s[0], s[1], s[2]


def _course(t: Json, course: Sequence[Json]) -> Html | None:
    """The goal's interval at the end of each day, once it is narrow enough to be drawn."""
    mine = [c for c in course if c["candidate"] == t["candidate"]]
    drawn = [
        (i, c)
        for i, c in enumerate(mine)
        if c["low"] is not None and c["high"] is not None and c["high"] - c["low"] < 2 * WIDEST
    ]
    if len(drawn) < 2:
        return None
    first = drawn[0][0]
    band = [(float(i - first), 100 * c["low"], 100 * c["high"]) for i, c in drawn]
    line = [(float(i - first), 100 * c["value"]) for i, c in drawn]
    names = [str(c["day"])[5:] for c in mine[first:]]
    words = "always-valid interval of the difference at the end of each day; the newest is in the table"
    return timeline(
        [Series("", "whole", line=line, band=band)], names, label=words, y_unit=" pp",
        x_name=f"{t['candidate']} minus {t['control']}",
    )  # fmt: skip


def _look(d: Json) -> dict[str, Any]:
    estimate = d.get("estimate")
    accuracy = d.get("accuracy") if estimate is None else estimate["accuracy"] if estimate["valid"] else None
    return {**d, "accuracy": None if accuracy is None else share(accuracy)}


def _evidence(newest: Sequence[Json]) -> Html | None:
    """Log evidence of a change of the confidence, row by row, against the bar."""
    if not newest:
        return None
    body = newest[0]
    curve, bar = (
        (body["curve"], body["bar"]) if "curve" in body else (body["fall"]["curve"], body["fall"]["bar"])
    )
    if len(curve) < 2:
        return None
    line = [(float(i), max(0.0, y)) for i, (_, y) in enumerate(curve)]
    limit = [(float(i), bar) for i in (0, len(curve) - 1)]
    words = f"evidence that the confidence changed, by row; the alarm is at {bar:g}"
    return timeline(
        [Series("", "whole", line=line), Series("alarm", "limit", line=limit)],
        [f"{int(x) + 1:,}" for x, _ in curve], label=words, y_unit="", x_name="evidence of a change, by row",
    )  # fmt: skip
