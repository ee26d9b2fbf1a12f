"""The page of `tilth curve`: the learning curve, where to collect, review or add; one file, no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tilth.report import svg
from tilth.report.cards import span_of
from tilth.report.curves import fine
from tilth.report.format import Measure, count, items, mapping, measure_of, minutes, number, one_line, share
from tilth.report.markup import Column, Html, data, join, num, page, sections, table, tag
from tilth.report.plot import Frame, Series, chart

__all__ = ["class_chart", "parts", "render"]

Json = Mapping[str, Any]
CLASSES = 40


def render(body: Json) -> str:
    """The result of `tilth curve` as one HTML file.

    Parameters
    ----------
    body : a JSON object, as `tilth curve --json` prints it; `project` is its title.

    Returns
    -------
    str
        A page without script or address.
    """
    shown = parts(body)
    top = tag(
        "header",
        tag("p", "Tilth learning curve", class_="over"),
        tag("h1", data(body.get("project") or "Project", 80)),
        tag("p", data(body.get("advice"), 400), class_="lead"),
        tag(
            "p",
            data(body.get("recipe"), 60),
            " · scored on ",
            data(body.get("scored_on"), 100),
            class_="meta",
        ),
        class_="top",
    )
    whole = tag("body", top, tag("main", *sections(shown), id="main"))
    return page(f"{one_line(body.get('project'), 60)} · learning curve", whole, "report.css", "curve.css")


def parts(body: Json) -> list[tuple[str, str, Html]]:
    """Key, heading and what is shown of each part of the result that there is."""
    measure = measure_of(body)
    found = [
        ("curve", f"{measure.name} by training rows", _whole(body, measure)),
        ("classes", "Where to collect first", _classes(items(body.get("classes")), measure)),
        ("choice", "Quality against quantity", _choice(mapping(body.get("choice")), measure)),
    ]
    return [(key, title, part) for key, title, part in found if part is not None]


def class_chart(c: Json) -> Html | None:
    """Recall of one class as all classes grow, and what is expected at twice the rows."""
    points = _rows(items(c.get("points")), "rows", "value", factor=100.0)
    ahead = _rows([mapping(c.get("twice"))], "rows", "value", "low", "high", factor=100.0)
    if len(points) < 2:
        return None
    now = points[-1]
    band = [(now[0], now[1], now[1]), *((x, a, b) for x, _, a, b in ahead)] if ahead else []
    line = [(x, y) for x, y in points]
    after = [(now[0], now[1]), *((x, y) for x, y, _, _ in ahead)] if ahead else []
    series = [
        Series("", "", line=line, marks=[(x, y, y, y) for x, y in points]),
        Series("", "ahead", line=after, band=band, marks=[(x, y, a, b) for x, y, a, b in ahead], full=False),
    ]
    frame = Frame.of(series)
    return chart(
        frame, series, label=f"recall of {one_line(c.get('name'), 60)} by training rows of all classes",
        x_ticks=[f"{10**t:,.0f}" for t in frame.x.ticks], y_unit=" %", x_name="training rows", now=now[0],
    )  # fmt: skip


def _rows(points: Sequence[Json], *keys: str, factor: float = 1.0) -> list[tuple[float, ...]]:
    """Numbers of each point: the first key as it is, the others in the units that are shown."""
    out = []
    for p in points:
        found = [number(p.get(k)) for k in keys]
        if all(v is not None for v in found):
            first, *rest = (v for v in found if v is not None)
            out.append((first, *(factor * v for v in rest)))
    return out


def _whole(body: Json, measure: Measure) -> Html:
    """The points, the fitted curve and the forecasts."""
    whole, f = mapping(body.get("whole")), measure.factor
    line = [(x, y) for x, y in _rows(items(whole.get("drawn")), "rows", "value", factor=f)]
    points = _rows(items(whole.get("points")), "rows", "value", "sd", factor=f)
    seen = [(x, y, y - s, y + s) for x, y, s in points]
    ahead = [
        (x, y, a, b)
        for x, y, a, b in _rows(items(whole.get("forecasts")), "rows", "value", "low", "high", factor=f)
    ]
    now = seen[-1] if seen else None
    band = [(now[0], now[1], now[1]), *((x, a, b) for x, _, a, b in ahead)] if now and ahead else []
    series = [Series("", "", line=line, band=band, marks=seen), Series("", "", marks=ahead, full=False)]
    frame = Frame.of(series)
    ticks = [f"{10**t:,.0f}" for t in frame.x.ticks]
    unit = " %" if measure.is_share else ""
    picture = chart(
        frame, series, label=f"{measure.name} by training rows; the numbers are below",
        x_ticks=ticks, y_unit=unit, x_name="training rows", now=now[0] if now else None,
    )  # fmt: skip
    level = f"{100 * (number(body.get('level')) or 0.8):.0f} %"
    words = (
        f"Filled dots were measured (bars: one standard error), open ones are forecasts with their {level} "
        "interval. The dotted line marks the rows at hand."
    )
    refused = tag("p", "No forecast: ", data(whole.get("refused"), 200)) if whole.get("refused") else None
    lines = [
        (
            num(count(p.get("rows"))),
            num(measure.value(p.get("value"))),
            num(f"{measure.value(p.get('low'))} to {measure.value(p.get('high'))}"),
            num(f"{measure.change(p.get('gain'))} {measure.span(p.get('gain_low'), p.get('gain_high'))}"),
        )
        for p in items(whole.get("forecasts"))
    ]
    columns = [Column("Rows"), Column("Forecast", "num"), Column("Interval", "num"), Column("Change", "num")]
    forecasts = table("Forecasts", columns, lines) if lines else None
    return join([picture, tag("p", words, class_="note"), refused, forecasts])


def _classes(found: Sequence[Json], measure: Measure) -> Html | None:
    """What more rows of one class would bring, as a forest plot."""
    told = [c for c in found if number(c.get("gain")) is not None][:CLASSES]
    if not told:
        return None
    spans = [span_of(c, measure, "gain") for c in told]
    axis = svg.forest_axis(spans)
    label = f"expected change with its interval, axis from {axis.low:g} to {axis.high:g}{measure.unit}"
    columns = [
        Column("Class"), Column("Rows", "num"), Column("Recall", "num"), Column("Add", "num"),
        Column(svg.ruler(axis, label, signed=True), "plot"),
        Column(f"Change{measure.unit and ', pp'}", "num"), Column("Time", "num"),
    ]  # fmt: skip
    lines = [
        (
            data(c.get("name"), 60),
            num(count(c.get("rows"))),
            num(share(c.get("recall"))),
            num(f"+{count(c.get('add'))}"),
            svg.interval_mark(axis, span, "better" if (span[1] or 0.0) > 0 else "none"),
            num(fine(c, measure)),
            num(minutes(c.get("minutes"))),
        )
        for c, span in zip(told, spans, strict=True)
    ]
    note = "One class at a time, the others stay as they are; best gain per row first."
    if len(found) > len(told):
        note += f" {len(found) - len(told)} more classes are left out here."
    return join([table("Classes", columns, lines), tag("p", note, class_="note")])


def _choice(choice: Json, measure: Measure) -> Html | None:
    """Reviewing labels and adding rows on one scale of time."""
    sides = []
    for side, name, class_ in (("review", "review labels", ""), ("add", "add rows", "add")):
        points = _rows(items(choice.get(side)), "minutes", "gain", "low", "high", factor=measure.factor)
        points = [p for p in points if p[0] > 0]
        sides.append(
            Series(
                name, class_,
                line=[(p[0], p[1]) for p in points],
                band=[(p[0], p[2], p[3]) for p in points],
                marks=[(p[0], p[1], p[2], p[3]) for p in points],
            )
        )  # fmt: skip
    if not all(s.line for s in sides):
        return None
    frame = Frame.of(sides, [0.0])
    budget = number(choice.get("budget"))
    picture = chart(
        frame, sides, label="gain by minutes of a person's time for reviewing labels and for adding rows",
        x_ticks=[minutes(10**t) for t in frame.x.ticks], y_unit=" pp" if measure.is_share else "",
        x_name="a person’s time", now=budget or None,
    )  # fmt: skip
    words = {
        "review": f"In {minutes(budget)} (dotted line), reviewing labels brings more than adding rows.",
        "add": f"In {minutes(budget)} (dotted line), adding rows brings more than reviewing labels.",
    }.get(str(choice.get("better")), f"In {minutes(budget)} (dotted line) the two cannot be told apart.")
    return join([picture, tag("p", words)])
