"""Patches on the page: all of them on one scale, then one card for each, like a pull request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tilth.report import svg
from tilth.report.format import (
    Measure,
    Tone,
    items,
    mapping,
    minutes,
    number,
    ops_text,
    seconds,
    tone,
    verdict_sign,
    verdict_words,
)
from tilth.report.markup import Column, Html, data, details, join, mono, num, table, tag

__all__ = ["card", "change_text", "effects", "forest", "span_of", "tone_of", "verdict_badge"]

Json = Mapping[str, Any]
EXAMPLES = 200
TEXT = 1200
Span = tuple[float | None, float | None, float | None]


def span_of(body: Json, measure: Measure, key: str = "value") -> Span:
    """(value, low, high) in the units that are shown."""
    found = [number(body.get(k)) for k in (key, "low", "high")]
    a, b, c = (None if v is None else v * measure.factor for v in found)
    return a, b, c


def tone_of(body: Json) -> Tone:
    """The colour of a change."""
    return tone(body.get("verdict"), body.get("low"), body.get("high"))


def change_text(body: Json, measure: Measure, key: str = "value", *, unit: bool = True) -> Html:
    """ "+1.9 pp [+1.2, +2.6]": the change first, its interval in brackets."""
    suffix = measure.unit if unit and number(body.get(key)) is not None else ""
    value = num(measure.change(body.get(key)) + suffix)
    span = measure.span(body.get("low"), body.get("high"))
    return join([tag("strong", value), tag("span", num(span), class_="span")], " ") if span else value


def verdict_badge(body: Json) -> Html:
    """Sign and word; the sign says it without the colour."""
    sign = tag("span", verdict_sign(body.get("verdict")), class_="sign", aria_hidden="true")
    return tag("span", sign, " " + verdict_words(body.get("verdict")), class_=f"verdict {tone_of(body)}")


def forest(
    caption: str,
    heads: tuple[str, str],
    rows: Sequence[tuple[Html, Json, Html | str]],
    measure: Measure,
    key: str,
) -> Html:
    """A forest plot that is a table.

    Parameters
    ----------
    heads : headings of the first two columns.
    rows : name, the object that holds the change, and the cell of the second column.
    key : where the change is in the object.
    """
    spans = [span_of(body, measure, key) for _, body, _ in rows]
    forecasts = [_forecast(body, measure) for _, body, _ in rows]
    axis = svg.forest_axis([*spans, *((f,) for f in forecasts)])
    label = f"change with its 95 % interval, axis from {axis.low:g} to {axis.high:g}{measure.unit}"
    columns = [
        Column(heads[0]),
        Column(heads[1], "num" if heads[1] == "Rows" else "text"),
        Column(svg.ruler(axis, label, signed=True), "plot"),
        Column(f"Change{measure.unit and ', pp'}", "num", ""),
        Column("Verdict", "text", ""),
    ]
    lines = [
        (
            name,
            extra,
            svg.interval_mark(axis, span, tone_of(body), forecast),
            change_text(body, measure, key, unit=False),
            verdict_badge(body),
        )
        for (name, body, extra), span, forecast in zip(rows, spans, forecasts, strict=True)
    ]
    return tag("div", table(caption, columns, lines), class_="forest")


def _forecast(body: Json, measure: Measure) -> float | None:
    found = number(body.get("predicted"))
    return None if found is None else found * measure.factor


def effects(patches: Sequence[Json], measure: Measure) -> Html:
    """Every patch that was tried on one scale, what was judged on once if it is the same for all."""
    tried = [p for p in patches if number(p.get("gain")) is not None]
    if not tried:
        return join([])
    rows = [(data(p.get("title") or p.get("id"), 90), p, data(p.get("state"), 20)) for p in tried]
    judged = {str(p["judged_on"]) for p in tried if p.get("judged_on")}
    where = join(["Judged on ", data(judged.pop(), 200), ". "]) if len(judged) == 1 else ""
    note = tag(
        "p",
        where,
        "These effects decided what was accepted; the change at the top of the page was measured on "
        "rows that decided nothing. A diamond marks the forecast.",
        class_="note",
    )
    return join(
        [
            forest(
                "Measured effect of every patch that was tried", ("Patch", "State"), rows, measure, "gain"
            ),
            note,
        ]
    )


def card(patch: Json, measure: Measure) -> Html:
    """One patch: what it does, why, what it did, where, and row by row."""
    state = str(patch.get("state") or "proposed")
    badge = tag("span", data(state, 20), class_="state " + ("accepted" if state == "accepted" else "open"))
    title = tag("h3", data(patch.get("title") or "Patch", 160))
    reason = tag("p", data(patch.get("reason"), 600), class_="reason") if patch.get("reason") else None
    return tag(
        "article",
        tag("header", badge, title, class_="card-head"),
        _card_line(patch),
        _measured(patch, measure),
        reason,
        _slices(patch, measure),
        _examples(patch),
        class_="card",
    )


def _card_line(patch: Json) -> Html:
    parts: list[Html | str] = [ops_text(patch.get("ops"))]
    if patch.get("id"):
        parts.append(join(["patch ", mono(patch["id"], 40)]))
    if patch.get("origin"):
        parts.append(join(["from ", mono(patch["origin"], 60)]))
    if number(patch.get("minutes")):
        parts.append(f"{minutes(patch['minutes'])} of a person’s time to review")
    return tag("p", join(parts, " · "), class_="meta")


def _measured(patch: Json, measure: Measure) -> Html:
    if number(patch.get("gain")) is None:
        return tag("p", "Not measured.", class_="note")
    span = span_of(patch, measure, "gain")
    forecast = _forecast(patch, measure)
    axis = svg.forest_axis([span, (forecast,)])
    effect = tag(
        "p", verdict_badge(patch), " ", change_text(patch, measure, "gain"), class_=f"effect {tone_of(patch)}"
    )
    label = f"change with its 95 % interval, axis from {axis.low:g} to {axis.high:g}{measure.unit}"
    picture = tag(
        "div",
        tag(
            "div", svg.ruler(axis, label, signed=True, unit=measure.unit.strip() and " pp"), class_="axis-box"
        ),
        tag("div", svg.interval_mark(axis, span, tone_of(patch), forecast), class_="mark-box"),
        class_="single",
    )
    return tag(
        "div", tag("div", effect, _facts(patch, measure), class_="measured-text"), picture, class_="measured"
    )


def _facts(patch: Json, measure: Measure) -> Html:
    facts: list[tuple[str, Html | str]] = []
    if number(patch.get("predicted")) is not None:
        both = f"{measure.change(patch['predicted'])} predicted, {measure.change(patch['gain'])} measured"
        facts.append(("Forecast ◇", num(both)))
    if patch.get("judged_on"):
        facts.append(("Judged on", data(patch["judged_on"], 200)))
    if number(patch.get("detectable")) is not None:
        facts.append(("Smallest effect it could see", num(measure.size(patch["detectable"]))))
    if number(patch.get("seconds")) is not None:
        facts.append(("Trial took", num(seconds(patch["seconds"]))))
    return tag("dl", *(join([tag("dt", k), tag("dd", v)]) for k, v in facts), class_="facts")


def _slices(patch: Json, measure: Measure) -> Html | None:
    slices = items(patch.get("slices"))
    if not slices:
        return None
    rows = [(data(s.get("name"), 80), s, num(_rows(s))) for s in slices]
    worse = sum(s.get("verdict") == "worse" for s in slices)
    better = sum(s.get("verdict") == "better" for s in slices)
    summary = f"By slice: {len(slices)} looked at, {better or 'none'} better, {worse or 'none'} worse"
    return details(
        summary, forest("Effect by slice", ("Slice", "Rows"), rows, measure, "value"), open_=worse > 0
    )


def _rows(body: Json) -> str:
    found = number(body.get("rows"))
    return "–" if found is None else f"{round(found):,}"


def _examples(patch: Json) -> Html | None:
    examples = items(patch.get("examples"))
    if not examples:
        return None
    total = round(sum(number(n) or 0 for n in mapping(patch.get("ops")).values()))
    shown = examples[:EXAMPLES]
    summary = f"Rows: {len(shown):,} of {max(total, len(examples)):,} changes"
    return details(summary, tag("ol", *(_example(e) for e in shown), class_="diff"))


def _example(example: Json) -> Html:
    op = str(example.get("op") or "edit")
    lines: list[Html] = []
    if op != "add" and (example.get("from") is not None or op == "drop"):
        what = data(example["from"], 200) if example.get("from") is not None else "this row"
        lines.append(tag("del", tag("span", "−", class_="sign"), " ", what))
    if op != "drop" and (example.get("to") is not None or op == "add"):
        what = data(example["to"], 200) if example.get("to") is not None else "this row"
        lines.append(tag("ins", tag("span", "+", class_="sign"), " ", what))
    why = tag("span", data(example.get("why"), 300), class_="why") if example.get("why") else None
    return tag(
        "li",
        tag("p", mono(example.get("id"), 64), " ", tag("span", data(op, 20), class_="muted"), class_="meta"),
        tag("p", data(example.get("text"), TEXT), class_="row-text"),
        tag("p", join(lines, " "), " ", why, class_="change"),
    )
