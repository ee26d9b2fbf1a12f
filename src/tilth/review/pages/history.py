"""The history of versions: the score over time, each step explained, any two compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi.responses import HTMLResponse

from tilth.errors import TilthError
from tilth.report import svg
from tilth.report.cards import change_text, forest, verdict_badge
from tilth.report.format import Measure, measure_of, points
from tilth.report.markup import Html, data, num
from tilth.report.score_line import Scored, score_line
from tilth.review.pages.frame import Frame, Part
from tilth.review.pages.patches import change_of, flat
from tilth.review.routes import PageRoute
from tilth.workspace import EVAL, TRAIN

__all__ = ["HistoryPages"]

Json = Mapping[str, Any]
ROWS = 50
"""Changed rows on a page."""
CLASSES = 40


class HistoryPages(Frame):
    """The line of versions."""

    def routes(self) -> list[PageRoute]:
        """Path and handler of each page."""
        return [("/history", self.history), ("/history/compare", self.compare)]

    def history(self) -> HTMLResponse:
        """Versions, newest first, with the score over time and what made each."""
        found = self.desk.project.history()
        train = [v for v in found if v["dataset"] == TRAIN]
        measure = self.measure()
        scored = _scored(train, measure)
        heads = {v["dataset"]: v["seq"] for v in found}
        return self.page(
            "history.html", "history", chart=_chart(scored, train, measure),
            lines=[_version(v, heads) for v in sorted(found, key=_age, reverse=True)],
            breaks=_breaks(train), names=[f"{v['dataset']}@{v['seq']}" for v in reversed(found)],
            judges=len({s.judge for s in scored}),
        )  # fmt: skip

    def compare(self, a: str, b: str, op: str = "", page: int = 1) -> HTMLResponse:
        """What differs between two versions: rows, classes, and what the steps between were measured to do.

        Parameters
        ----------
        a, b : versions of one data set, such as train@1.
        op : only changes of this kind.
        page : of the changed rows, from 1.
        """
        page, project = max(page, 1), self.desk.project
        try:
            body = project.compare(a, b, start=(page - 1) * ROWS, count=ROWS, op=op)
        except TilthError as error:
            return self.page("missing.html", "history", 404, message=str(error))
        measure, text = self.measure(), project.workspace.config.columns.text
        total = body["counts"].get(op, 0) if op else sum(body["counts"].values())
        steps = [v for v in body["steps"] if v["trial"]]
        first, second = body["versions"]
        head = project.workspace.head(first["dataset"])
        older = first if first["seq"] <= second["seq"] else second
        labels = sorted(body["labels"], key=lambda x: -max(x["before"], x["after"]))
        top = max((max(x["before"], x["after"]) for x in labels), default=0)
        return self.page(
            "compare.html", "history", a=a, b=b, body=body, op=op, first=first, second=second,
            rows=[change_of(o, text) for o in body["ops"]],
            part=Part(body["ops"], page, max(1, -(-total // ROWS)), (page - 1) * ROWS, total),
            where=urlencode({"a": a, "b": b, **({"op": op} if op else {})}),
            labels=[_label(x, top) for x in labels[:CLASSES]], left=max(0, len(labels) - CLASSES),
            plot=_steps(steps, measure) if steps else None, steps=body["steps"],
            restore="" if older["id"] == head.id else f"{older['dataset']}@{older['seq']}",
        )  # fmt: skip


def _age(v: Json) -> tuple[str, int]:
    return v["created"], v["seq"]


def _scored(train: Sequence[Json], measure: Measure) -> list[Scored]:
    """Scores of versions in order: that after its own patch, else that before the next one's."""
    found: dict[tuple[int, str], Scored] = {}
    for v in train:
        trial = v["trial"]
        if not trial or measure_of(trial) != measure:
            continue
        judge = f"{trial['judge']} {trial['recipe']}"
        for seq, side in ((v["seq"] - 1, "before"), (v["seq"], "after")):
            s = trial[side]
            value, low, high = (measure.factor * s[k] for k in ("value", "low", "high"))
            point = Scored(seq, value, low, high, judge)
            if side == "after" or (seq, judge) not in found:
                found[seq, judge] = point
    order = {j: i for i, j in enumerate(dict.fromkeys(s.judge for s in found.values()))}
    return sorted(found.values(), key=lambda s: (order[s.judge], s.seq))


def _chart(scored: Sequence[Scored], train: Sequence[Json], measure: Measure) -> Html | None:
    if len(scored) < 2:
        return None
    label = f"{measure.name} over the versions of train; the numbers are in the table below"
    unit = " %" if measure.is_share else ""
    return score_line(scored, first=train[0]["seq"], last=train[-1]["seq"], unit=unit, label=label)


def _breaks(train: Sequence[Json]) -> dict[int, str]:
    """Number of a version to why its scores cannot be compared with those of the version measured before."""
    out: dict[int, str] = {}
    last: Json | None = None
    for v in train:
        now = v["trial"]
        if now is None:
            continue
        if last is not None and now["judge"] != last["judge"]:
            both = now["judge"].startswith("eval:") and last["judge"].startswith("eval:")
            out[v["seq"]] = "the evaluation set changed" if both else "it was judged on other rows"
        elif last is not None and now["metric"] != last["metric"]:
            out[v["seq"]] = f"the metric is {now['metric']} from here on"
        elif last is not None and now["recipe"] != last["recipe"]:
            out[v["seq"]] = f"the recipe is {now['recipe']} from here on"
        last = now
    return out


def _version(v: Json, heads: Mapping[str, int]) -> dict[str, Any]:
    """A version as its line shows it."""
    trial, name = v["trial"], f"{v['dataset']}@{v['seq']}"
    measure = measure_of(trial) if trial else None
    before = f"{v['dataset']}@{v['seq'] - 1}" if v["seq"] > 1 else ""
    return dict(v) | {
        "name": name,
        "change": change_text(trial["effect"], measure) if trial and measure else None,
        "badge": verdict_badge({**trial["effect"], "verdict": trial["verdict"]}) if trial else None,
        "score": f"{measure.value(trial['after']['value'])}" if trial and measure else None,
        "span": f"[{measure.value(trial['after']['low'])}, {measure.value(trial['after']['high'])}]"
        if trial and measure else "",
        "judged_on": trial["judged_on"] if trial else "",
        "forecast": None if v["predicted"] is None else num(points(v["predicted"])),
        "compare_at": f"/history/compare?{urlencode({'a': before, 'b': name})}" if before else "",
        "head": heads[v["dataset"]] == v["seq"],
        "eval": v["dataset"] == EVAL,
    }  # fmt: skip


def _label(x: Json, top: int) -> dict[str, Any]:
    change = x["after"] - x["before"]
    return dict(x) | {
        "bar": svg.bar(x["after"], top, ghost=x["before"]),
        "change_text": num(f"{change:+,}" if change else "0"),
    }


def _steps(steps: Sequence[Json], measure: Measure) -> Html:
    """Measured effect of each patch between two versions."""
    rows: list[tuple[Html, Json, Html | str]] = [
        (data(v["title"] or v["note"], 90), flat({**v["trial"], "predicted": v["predicted"]}),
         data(f"{v['dataset']}@{v['seq']}", 40))
        for v in steps
    ]  # fmt: skip
    return forest("Measured effect of each patch in between", ("Patch", "Version"), rows, measure, "value")
