"""The static report: one HTML file without script that loads nothing and can be mailed or printed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tilth.report import svg
from tilth.report.cards import card, change_text, effects, span_of, tone_of
from tilth.report.format import (
    Measure,
    count,
    failures,
    interval,
    items,
    mapping,
    measure_of,
    number,
    one_line,
    points,
    seconds,
    sentence,
    stamp,
    verdict_sign,
)
from tilth.report.markup import Column, Html, data, join, mono, num, page, sections, table, tag
from tilth.report.sections import audit, classes, floors, history, slices, worklist

__all__ = ["render"]

Json = Mapping[str, Any]


def render(result: Json) -> str:
    """The report of one run of `tilth improve` as one HTML file.

    Parameters
    ----------
    result : a JSON object; lists may be empty, numbers None, unknown keys are ignored.

    Returns
    -------
    str
        A page with no script and no address in it, in the reader's colour scheme. It is plain ASCII
        or UTF-8 text without surrogates: it can be written with encoding="utf-8" as it is.
    """
    body = tag(
        "body",
        tag("a", "To the report", href="#main", class_="skip"),
        _top(result),
        _main(result),
        _foot(result),
    )
    return page(f"{one_line(result.get('project'), 60)} · Tilth report", body, "report.css")


def _main(result: Json) -> Html:
    measure = measure_of(result)
    patches = items(result.get("patches"))
    done = [p for p in patches if p.get("state") == "accepted"]
    left = [p for p in patches if p.get("state") != "accepted"]
    work = items(result.get("worklist"))
    changed = [effects(patches, measure), *(card(p, measure) for p in done)]
    if not done:
        changed.append(
            tag("p", "Nothing was accepted: no change to the data was called better by its trial.")
        )
    parts = [
        ("score", "Before and after", _scores(result, measure)),
        ("changed", "What was changed and why", join(changed)),
        (
            "rejected",
            "What was tried and not accepted",
            join(card(p, measure) for p in left) if left else None,
        ),
        ("work", "What waits for a person", worklist(work, measure)),
        ("floors", "Floors", floors(items(result.get("floors")), measure)),
        ("slices", "Slices", slices(items(result.get("slices")), measure)),
        ("classes", "Classes", classes(items(result.get("classes")))),
        ("audit", "Audit", audit(mapping(result.get("audit")))),
        ("history", "History", history(items(result.get("history")))),
        ("reading", "How to read this", _reading(measure)),
    ]
    shown = [(key, title, part) for key, title, part in parts if part is not None]
    nav = tag(
        "nav",
        *(tag("a", title, href=f"#{key}") for key, title, _ in shown),
        aria_label="Parts of this report",
    )
    return tag("main", nav, *sections(shown), id="main")


def _top(result: Json) -> Html:
    measure = measure_of(result)
    gain = mapping(result.get("gain"))
    hero = None
    if number(gain.get("value")) is not None:
        sign = tag("span", verdict_sign(gain.get("verdict")), class_="sign", aria_hidden="true")
        hero = tag("p", sign, " ", change_text(gain, measure), class_=f"hero {tone_of(gain)}")
    name = data(result.get("project") or "Report", 80)
    made = [mono(result.get("recipe"), 60), stamp(result.get("created")) if result.get("created") else None]
    if number(result.get("seconds")) is not None:
        made.append(seconds(result["seconds"]))
    head = [
        tag("p", "Tilth report", class_="over"),
        tag("h1", name),
        hero,
        tag("p", _unbroken(sentence(result)), class_="lead"),
        _worse_slices(items(result.get("slices"))),
        _rows_line(mapping(result.get("rows"))),
        tag("p", join((m for m in made if m), " · "), class_="meta"),
    ]
    return tag("header", *head, *_warnings(result), class_="top")


def _unbroken(text: str) -> str:
    """The sentence with real minus signs and without breaks in "81.0 % → 84.0 %"."""
    return re.sub(r"(?<=[0-9]) (?=%|points)|(?<=,) (?=[+-])|(?<=→) | (?=→)", "\u00a0", text).replace("-", "−")


def _worse_slices(slices: list[Json]) -> Html | None:
    """A gain on the whole must not hide a loss in a part."""
    worse = [s for s in slices if s.get("verdict") == "worse"]
    if not worse:
        return None
    names = join((data(s.get("name"), 60) for s in worse[:3]), ", ")
    more = f" and {len(worse) - 3} more" if len(worse) > 3 else ""
    words = f"▼ Worse in {len(worse)} of {len(slices)} slices: "
    return tag(
        "p",
        tag("strong", words),
        names,
        f"{more}. ",
        tag("a", "See slices", href="#slices"),
        class_="worse-line",
    )


def _rows_line(rows: Json) -> Html | None:
    """How many rows went in, stayed and were left out of the score."""
    if not rows:
        return None
    start, now = number(rows.get("train_start")), number(rows.get("train"))
    train = f"{count(now)} training rows"
    if start is not None and start != now:
        train += f" ({count(start)} at the start)"
    parts = [train, f"{count(rows.get('eval'))} evaluation rows, {count(rows.get('eval_scored'))} scored"]
    if number(rows.get("eval_leaked")):
        parts.append(f"{count(rows['eval_leaked'])} left out because they leak from training")
    if number(rows.get("eval_unknown")):
        parts.append(f"{count(rows['eval_unknown'])} left out because training does not have their class")
    if number(rows.get("bad")):
        parts.append(f"{count(rows['bad'])} could not be read")
    return tag("p", join(parts, " · "), class_="meta")


def _warnings(result: Json) -> list[Html]:
    found: list[Html] = []
    if result.get("complete") is False:
        words = "This run was stopped before it was done: what is below was measured, but more was to come."
        found.append(tag("div", tag("p", tag("strong", words)), class_="box loud", role="note"))
    failed = failures(mapping(result.get("audit")).get("failed"))
    if failed:
        words = f"{len(failed)} of the audit’s checks failed: see "
        found.append(
            tag("div", tag("p", words, tag("a", "Audit", href="#audit"), "."), class_="box loud", role="note")
        )
    return found


def _scores(result: Json, measure: Measure) -> Html:
    """Two charts side by side: both scores, and their difference on its own scale."""
    both = [(w, mapping(result.get(w))) for w in ("before", "after")]
    both = [(w, b) for w, b in both if number(b.get("value")) is not None]
    if not both:
        return tag("p", "No score was measured.")
    spans = [span_of(b, measure) for _, b in both]
    axis = svg.axis_of([v for s in spans for v in s])
    unit = " %" if measure.is_share else ""
    label = f"{measure.name} with its 95 % interval, axis from {axis.low:g} to {axis.high:g}{unit}"
    columns = [Column("Data"), Column(svg.ruler(axis, label, unit=unit), "plot"), Column(measure.name, "num")]
    lines = [
        (which.capitalize(), svg.score_mark(axis, span, which), _score_text(body, measure))
        for (which, body), span in zip(both, spans, strict=True)
    ]
    first = tag("div", table(f"{measure.name} before and after", columns, lines), class_="half")
    return join([tag("div", first, _difference(result, measure), class_="halves"), _luck(result, measure)])


def _score_text(body: Json, measure: Measure) -> Html:
    value = tag("strong", num(measure.value(body.get("value"))))
    low, high = number(body.get("low")), number(body.get("high"))
    if low is None or high is None:
        return value
    digits = 1 if measure.is_share else 3
    span = f"[{low * measure.factor:.{digits}f}, {high * measure.factor:.{digits}f}]"
    return join([value, tag("span", num(span), class_="span")], " ")


def _difference(result: Json, measure: Measure) -> Html | None:
    gain = mapping(result.get("gain"))
    if number(gain.get("value")) is None:
        return None
    span = span_of(gain, measure)
    axis = svg.forest_axis([span])
    label = f"change with its 95 % interval, axis from {axis.low:g} to {axis.high:g}{measure.unit}"
    columns = [
        # the unit stands here once: on each tick of a half-wide ruler it would run into the next
        Column(f"Effect,{measure.unit}" if measure.unit else "Effect"),
        Column(svg.ruler(axis, label, signed=True), "plot"),
        Column("After − before", "num", ""),
    ]
    line = ("Change", svg.interval_mark(axis, span, tone_of(gain)), change_text(gain, measure))
    return tag("div", table("Change from before to after", columns, [line]), class_="half")


def _luck(result: Json, measure: Measure) -> Html:
    gain = mapping(result.get("gain"))
    parts = [
        "Both scores come from the same rows, so their intervals may overlap while the change is clear: "
        "the interval of the change is the one that counts."
    ]
    if number(gain.get("se_rows")) is not None and number(gain.get("se_training")) is not None:
        rows, luck = (measure.size(gain[k]) for k in ("se_rows", "se_training"))
        parts.append(
            f"Standard error of the change: {rows} from the choice of rows, {luck} from training luck."
        )
    return tag("p", " ".join(parts), class_="note")


def _reading(measure: Measure) -> Html:
    change = (
        "A change is in percentage points (pp)" if measure.is_share else "A change is how far log loss fell"
    )
    example = f"{points(0.019)} {interval(0.012, 0.026)}"
    rows: list[tuple[Html | str, str]] = [
        (tag("span", "▲ better", class_="verdict better"), "The whole interval lies above zero."),
        (
            tag("span", "▼ worse", class_="verdict worse"),
            "The whole interval lies below zero. A slice that gets worse blocks a patch.",
        ),
        (
            tag("span", "○ no evidence", class_="verdict none"),
            "The interval holds zero, or too many things were compared for it to count. It does not say "
            "that nothing changed. Such a change is never coloured.",
        ),
        (
            example,
            f"{change}, with its 95 % interval in brackets. The interval covers two kinds of chance: "
            "which rows are in the evaluation set, and the luck of training.",
        ),
        (
            "Smallest effect",
            "What these rows could show at all, four times out of five. An effect below it can be real "
            "and stay unseen; more evaluation rows lower it.",
        ),
        (
            "◇ Forecast",
            "What a change was expected to bring before its trial; kept to check later forecasts.",
        ),
        (
            "Decided nothing",
            "The rows that report the score at the top took no part in choosing what to accept, so picking "
            "the best of many patches cannot flatter it.",
        ),
    ]
    return tag("dl", *(join([tag("dt", k), tag("dd", v)]) for k, v in rows), class_="reading")


def _foot(result: Json) -> Html:
    ids = [
        (label, result.get(key))
        for label, key in (("data", "version"), ("before", "start_version"), ("evaluation", "eval_version"))
        if result.get(key)
    ]
    line = join((join([f"{label} ", mono(value, 40)]) for label, value in ids), " · ")
    return tag(
        "footer", tag("p", line), tag("p", "Made by Tilth. This file has no script and loads nothing.")
    )
