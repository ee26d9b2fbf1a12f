"""What to do next, and the rows to decide on."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any
from urllib.parse import urlencode

from fastapi.responses import HTMLResponse, Response

from tilth.report.cards import change_text, span_of
from tilth.report.format import Measure
from tilth.review.pages.frame import Frame
from tilth.review.routes import PageRoute

__all__ = ["WorkPages"]


class WorkPages(Frame):
    """What to do next, and the rows to decide on."""

    def routes(self) -> list[PageRoute]:
        """Path and handler of each page."""
        return [
            ("/", self.inbox), ("/decide", self.decide),
            ("/report.css", self.style), ("/curve.css", self.axes),
        ]  # fmt: skip

    def inbox(self) -> HTMLResponse:
        """What to do next."""
        plan, fresh = self.desk.plan_at_hand()
        measure = self.measure()
        goal, book = self.desk.project.workspace.config.goal, self.desk.project.ledger()
        found = self.desk.standing()
        return self.page(
            "inbox.html", "inbox", plan=plan, fresh=fresh, step=self.desk.step, error=self.desk.error,
            actions=[_action(a, measure) for a in (plan["actions"] if plan else ())],
            score=plan and plan["score"] and _score(plan["score"], measure), goal=goal, book=book,
            target=measure.value(goal.target) if goal.target else None,
            missing=measure.size(plan["distance"]) if plan and plan["distance"] is not None else None,
            metric=measure.name, found=found,
        )  # fmt: skip

    def decide(self) -> HTMLResponse:
        """One row at a time; decide.js does the rest."""
        return self.page("decide.html", "decide")

    def style(self) -> Response:
        """Colours, type and charts of the report: the pages look the same."""
        return _of_report("report.css")

    def axes(self) -> Response:
        """Charts with two axes, as the report draws them."""
        return _of_report("curve.css")


def _of_report(name: str) -> Response:
    return Response(resources.files("tilth.report").joinpath(name).read_text("utf-8"), 200, None, "text/css")


def _score(body: Mapping[str, Any], measure: Measure) -> str:
    low, high = (measure.value(body[k]) for k in ("low", "high"))
    return f"{measure.value(body['value'])} [{low}, {high}]"


def _action(a: Mapping[str, Any], measure: Measure) -> dict[str, Any]:
    known = a["gain"] is not None
    shown = {"value": a["gain"], "low": a["low"], "high": a["high"]}
    return dict(a) | {
        "change": change_text(shown, measure) if known else None,
        "span": span_of(shown, measure) if known else None,
        "places": _places(a),
    }


COPIES = ("TIL102", "TIL201", "TIL202", "TIL203")


def _places(a: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Address and name of the pages on which an action is done, the first one first."""
    kind, code, command = a["kind"], a["code"], a["command"] or ""
    rows = ("/decide/set?" + urlencode({"code": code}), "Rows")
    if kind == "review" and code == "TIL101":
        return [("/decide", "Decide")]
    if kind == "clause":
        return [("/confusions", "Confused pairs"), ("/guide", "Label guide")]
    if code == "TIL601":
        return [("/slices", "Slices"), rows]
    if code in COPIES:
        made = [("/patches", "Patches")] if "propose" in command else []
        return [*made, ("/duplicates", "Duplicates")]
    if code == "TIL104":
        return [rows, ("/annotators", "Annotators")]
    if kind == "collect" and "tilth drift" not in command:
        return [("/curve", "Learning curve")]
    if "tilth drift" in command:
        return [("/monitor", "Monitor")]
    return [("/patches", "Patches")] if "propose" in command or "relabel" in command else []
