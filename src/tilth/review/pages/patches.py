"""Patches as pull requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from fastapi.responses import HTMLResponse

from tilth import decisions
from tilth.errors import NotFound, TilthError
from tilth.patch import op_json
from tilth.report import format as form
from tilth.report.cards import change_text, forest, tone_of, verdict_badge
from tilth.report.format import Measure
from tilth.report.markup import Html, data, num
from tilth.review.pages.frame import Frame, paged
from tilth.review.routes import PageRoute

__all__ = ["PatchPages", "change_of", "flat"]

OPS = 50
"""Changed rows on one page of a patch."""


class PatchPages(Frame):
    """Patches as pull requests."""

    def routes(self) -> list[PageRoute]:
        """Path and handler of each page."""
        return [("/patches", self.patches), ("/patches/{ref}", self.patch)]

    def patches(self) -> HTMLResponse:
        """All patches, newest first."""
        measure, lines = self.measure(), []
        for line in reversed(self.desk.patches()):
            trial = self.desk.trial_of(line["id"])
            lines.append(
                line
                | {
                    "forecast": None if line["predicted"] is None else num(measure.change(line["predicted"])),
                    "effect": trial and change_text(flat(trial), measure, unit=True),
                    "badge": trial and verdict_badge(flat(trial)),
                }
            )
        return self.page("patches.html", "patches", lines=lines)

    def patch(self, ref: str, page: int = 1, op: str = "") -> HTMLResponse:
        """One patch as a pull request.

        Parameters
        ----------
        page : of its rows, from 1.
        op : only changes of this kind.
        """
        try:
            body, story = self.desk.project.patch(ref), self.desk.story(ref)
        except (NotFound, TilthError) as error:
            return self.page("missing.html", "patches", 404, message=str(error))
        infos = self.desk.project.patches()
        line = next(decisions.line(i) for i in infos if i.id == body.id)
        trial, measure = self.desk.trial_of(ref), self.measure()
        text = self.desk.project.workspace.config.columns.text
        part = paged([o for o in body.ops if not op or o.kind == op], page, OPS)
        predicted = line["predicted"] if trial is None or trial["predicted"] is None else trial["predicted"]
        known = predicted is not None
        return self.page(
            "patch.html", "patches", patch=body, line=line, trial=trial, story=story,
            plot=trial and _forest(trial, measure), effect=trial and change_text(flat(trial), measure),
            badge=trial and verdict_badge(flat(trial)), tone=tone_of(flat(trial)) if trial else "none",
            detectable=trial and measure.size(trial["effect"]["detectable"]),
            forecast=change_text({"value": predicted}, measure) if known else None,
            foreseen=_foreseen(predicted, trial) if known and trial else "",
            diff=[change_of(op_json(o), text) for o in part.items], part=part, op=op,
            where=urlencode({"op": op} if op else {}), blockers=_blockers(trial),
            comments=self.desk.project.comments(ref), job=self.desk.job(ref),
            revised=[i.id for i in infos if i.revises == body.id],
        )  # fmt: skip


def _foreseen(predicted: float, trial: Mapping[str, Any]) -> str:
    """How the forecast did."""
    e = trial["effect"]
    if e["low"] <= predicted <= e["high"]:
        return "the forecast lies inside the measured interval"
    return "the forecast was too high" if predicted > e["high"] else "the forecast was too low"


def flat(trial: Mapping[str, Any]) -> dict[str, Any]:
    """The effect of a trial with its verdict and forecast, as the report's cards take it."""
    effect = {k: trial["effect"][k] for k in ("value", "low", "high")}
    return effect | {"verdict": trial["verdict"], "predicted": trial["predicted"]}


def _forest(trial: Mapping[str, Any], measure: Measure) -> Html:
    """Effect on all rows and on each slice, on one axis; what is worse comes first."""
    worst = ("worse", "better", "no evidence")
    slices = sorted(trial["slices"], key=lambda s: (worst.index(s["verdict"]), -s["rows"]))
    rows: list[tuple[Html, Mapping[str, Any], Html | str]] = [
        (data("all rows"), flat(trial), num(f"{trial['effect']['rows']:,}"))
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


def change_of(op: Mapping[str, Any], text: str) -> dict[str, Any]:
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
