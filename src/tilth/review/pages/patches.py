"""Patches as pull requests, and the history of versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.responses import HTMLResponse

from tilth.errors import NotFound, TilthError
from tilth.report import format as form
from tilth.report.cards import change_text, forest, tone_of, verdict_badge
from tilth.report.format import Measure
from tilth.report.markup import Html, data, num
from tilth.review.pages.frame import Frame
from tilth.review.routes import PageRoute

__all__ = ["PatchPages"]

OPS = 200
"""Ops of a patch on its page."""


class PatchPages(Frame):
    """Patches as pull requests, and the history of versions."""

    def routes(self) -> list[PageRoute]:
        """Path and handler of each page."""
        return [("/patches", self.patches), ("/patches/{ref}", self.patch), ("/history", self.history)]

    def patches(self) -> HTMLResponse:
        """All patches, newest first."""
        measure, lines = self.measure(), []
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
        return self.page("patches.html", "patches", lines=lines)

    def patch(self, ref: str) -> HTMLResponse:
        """One patch as a pull request."""
        try:
            body, story = self.desk.patch(ref), self.desk.story(ref)
        except (NotFound, TilthError) as error:
            return self.page("missing.html", "patches", 404, message=str(error))
        line = next(x for x in self.desk.patches() if x["id"] == body["id"])
        trial, measure = self.desk.trial_of(ref), self.measure()
        text = self.desk.project.workspace.config.columns.text
        return self.page(
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
        measure = self.measure()
        lines = [
            v | {"change": v["effect"] and change_text(v["effect"], measure)}
            for v in reversed(self.desk.history())
        ]
        return self.page("history.html", "history", lines=lines)


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
