"""Pages: HTML made here from the same objects as the API's JSON; strings of data are always escaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

import jinja2
from fastapi.responses import HTMLResponse, Response

from tilth.errors import NotFound, TilthError
from tilth.report import format as form
from tilth.report.cards import change_text, forest, span_of, tone_of, verdict_badge
from tilth.report.format import Measure, measure_of
from tilth.report.markup import Html, data, num
from tilth.review.desk import Desk

__all__ = ["Pages"]

OPS = 200
"""Ops of a patch on its page."""


class Pages:
    """Handlers of the pages.

    Parameters
    ----------
    desk : what the server holds in memory.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.jinja = jinja2.Environment(
            loader=jinja2.PackageLoader("tilth.review"), autoescape=True, undefined=jinja2.StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self.jinja.filters |= {
            "visible": form.visible, "minutes": form.minutes, "count": form.count, "stamp": form.stamp,
            "ops": form.ops_text,
        }  # fmt: skip

    def routes(self) -> list[tuple[str, Callable[..., Any]]]:
        """Path and handler of each page."""
        return [
            ("/", self.inbox), ("/decide", self.decide), ("/patches", self.patches),
            ("/patches/{ref}", self.patch), ("/history", self.history), ("/report.css", self.style),
        ]  # fmt: skip

    def _page(self, name: str, here: str, status: int = 200, **more: Any) -> HTMLResponse:
        project = self.desk.project.workspace.config.name
        body = self.jinja.get_template(name).render(here=here, project=project, **more)
        # a lone surrogate in a row is no reason to show no page
        return HTMLResponse(body.encode("utf-8", "replace"), status)

    def _measure(self) -> Measure:
        return measure_of({"metric": self.desk.project.workspace.config.goal.metric})

    def style(self) -> Response:
        """Colours, type and charts of the report: the pages look the same."""
        return Response(
            resources.files("tilth.report").joinpath("report.css").read_text("utf-8"), 200, None, "text/css"
        )

    def inbox(self) -> HTMLResponse:
        """What to do next."""
        plan, fresh = self.desk.plan_at_hand()
        measure = self._measure()
        goal, book = self.desk.project.workspace.config.goal, self.desk.project.ledger()
        found = self.desk.standing()
        return self._page(
            "inbox.html", "inbox", plan=plan, fresh=fresh, step=self.desk.step, error=self.desk.error,
            actions=[_action(a, measure) for a in (plan["actions"] if plan else ())],
            score=plan and plan["score"] and _score(plan["score"], measure), goal=goal, book=book,
            target=measure.value(goal.target) if goal.target else None,
            missing=measure.size(plan["distance"]) if plan and plan["distance"] is not None else None,
            metric=measure.name, found=found,
        )  # fmt: skip

    def decide(self) -> HTMLResponse:
        """One row at a time; decide.js does the rest."""
        return self._page("decide.html", "decide")

    def patches(self) -> HTMLResponse:
        """All patches, newest first."""
        measure, lines = self._measure(), []
        for line in reversed(self.desk.patches()):
            trial = self.desk.trial_of(line["id"])
            lines.append(
                line
                | {
                    "forecast": None if line["predicted"] is None else num(measure.change(line["predicted"])),
                    "effect": trial and change_text(_flat(trial), measure, unit=True),
                    "badge": trial and verdict_badge(_flat(trial)),
                }
            )
        return self._page("patches.html", "patches", lines=lines)

    def patch(self, ref: str) -> HTMLResponse:
        """One patch as a pull request."""
        try:
            body, story = self.desk.patch(ref), self.desk.story(ref)
        except (NotFound, TilthError) as error:
            return self._page("missing.html", "patches", 404, message=str(error))
        line = next(x for x in self.desk.patches() if x["id"] == body["id"])
        trial, measure = self.desk.trial_of(ref), self._measure()
        text = self.desk.project.workspace.config.columns.text
        return self._page(
            "patch.html", "patches", patch=body, line=line, trial=trial, story=story,
            plot=trial and _forest(trial, measure), effect=trial and change_text(_flat(trial), measure),
            badge=trial and verdict_badge(_flat(trial)), tone=tone_of(_flat(trial)) if trial else "none",
            detectable=trial and measure.size(trial["effect"]["detectable"]),
            forecast=None if line["predicted"] is None else measure.change(line["predicted"]),
            diff=[_change(op, text) for op in body["ops"][:OPS]], more=max(0, len(body["ops"]) - OPS),
            blockers=_blockers(trial),
        )  # fmt: skip

    def history(self) -> HTMLResponse:
        """Versions, newest first, with what the patch behind each did where that was measured."""
        measure = self._measure()
        lines = [
            v | {"change": v["effect"] and change_text(v["effect"], measure)}
            for v in reversed(self.desk.history())
        ]
        return self._page("history.html", "history", lines=lines)


def _score(body: Mapping[str, Any], measure: Measure) -> str:
    low, high = (measure.value(body[k]) for k in ("low", "high"))
    return f"{measure.value(body['value'])} [{low}, {high}]"


def _action(a: Mapping[str, Any], measure: Measure) -> dict[str, Any]:
    known = a["gain"] is not None
    shown = {"value": a["gain"], "low": a["low"], "high": a["high"]}
    return dict(a) | {
        "change": change_text(shown, measure) if known else None,
        "span": span_of(shown, measure) if known else None,
        "decide": a["kind"] == "review" and a["code"] == "TIL101",
    }


def _flat(trial: Mapping[str, Any]) -> dict[str, Any]:
    """The effect of a trial with its verdict and forecast, as the report's cards take it."""
    effect = {k: trial["effect"][k] for k in ("value", "low", "high")}
    return effect | {"verdict": trial["verdict"], "predicted": trial["predicted"]}


def _forest(trial: Mapping[str, Any], measure: Measure) -> Html:
    """Effect on all rows and on each slice, on one axis; what is worse comes first."""
    worst = ("worse", "better", "no evidence")
    slices = sorted(trial["slices"], key=lambda s: (worst.index(s["verdict"]), -s["rows"]))
    rows: list[tuple[Html, Mapping[str, Any], Html | str]] = [
        (data("all rows"), _flat(trial), num(f"{trial['effect']['rows']:,}"))
    ]
    rows += [(data(s["name"], 80), s, num(f"{s['rows']:,}")) for s in slices[:40]]
    return forest("Measured effect, whole and by slice", ("Slice", "Rows"), rows, measure, "value")


def _blockers(trial: Mapping[str, Any] | None) -> list[str]:
    """Why `accept` would refuse, in words."""
    if trial is None:
        return []
    worse = [f"{s['name']} gets worse" for s in trial["slices"] if s["verdict"] == "worse"]
    floors = [f"the floor of {f['name']} is broken" for f in trial["floors"] if f.get("state") == "broken"]
    return (["the whole gets worse"] if trial["verdict"] == "worse" else []) + worse + floors


def _change(op: Mapping[str, Any], text: str) -> dict[str, Any]:
    """An op as its page shows it."""
    if op["op"] == "relabel":
        before, after, fields = op["from"], op["to"], op["fields"]
    else:
        old, new = op.get("before") or {}, op.get("after") or {}
        before, after = old.get("label"), new.get("label")
        fields = (new or old)["fields"]
    shown, left = form.clip(str(fields.get(text, "")), 1_200)
    return {
        "id": op["id"], "op": op["op"], "from": before, "to": after, "text": shown, "left": left,
        "why": op.get("why", ""),
    }  # fmt: skip
