"""What `tilth curve` prints: the curve with its forecasts, where to collect, review or add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tilth.report.format import NONE, Measure, count, items, mapping, measure_of, minutes, number, share
from tilth.report.screen import Col, Screen

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["curve", "fine", "one_class"]

Json = Mapping[str, Any]
BARS = "▁▂▃▄▅▆▇█"


def curve(console: Console, body: Json, limit: int = 10) -> None:
    """The whole result."""
    screen, measure = Screen(console), measure_of(body)
    _whole(screen, body, measure)
    found = items(body.get("classes"))
    told = [c for c in found if number(c.get("gain")) is not None]
    if told and limit:
        screen.line()
        screen.line("Where to collect first (one class at a time, the others stay):", style="bold")
        _classes(screen, told[:limit], measure)
        if len(found) > min(limit, len(told)):
            rest = len(found) - min(limit, len(told))
            screen.line(f"{rest} more classes; show more with --limit", style="dim")
    _slices(screen, items(body.get("slices"))[:5], measure)
    _choice(screen, mapping(body.get("choice")), measure)
    screen.next(_next(body, told))


def one_class(console: Console, body: Json) -> None:
    """One class: its forecast, and what more of its rows would bring."""
    screen, measure = Screen(console), measure_of(body)
    c = items(body.get("classes"))[0]
    screen.line(screen.data(c.get("name"), 60, "bold"), f" · {count(c.get('rows'))} rows")
    if number(c.get("gain")) is None:
        screen.line("It has no held-out rows, so nothing can be measured. Add some to the evaluation set.")
    else:
        _classes(screen, [c], measure)
        words = f"{measure.change(c.get('recall_gain'))}"
        span = measure.span(c.get("recall_low"), c.get("recall_high"))
        screen.line(f"Its own recall would change by {words}{measure.words} {span}.")
        if c.get("flat"):
            screen.line("More rows of this class alone are not worth it: stop here.")
    twice = mapping(c.get("twice"))
    if twice:
        span = f"[{share(twice.get('low'))}, {share(twice.get('high'))}]"
        screen.line(f"When all classes double, its recall is expected at {share(twice.get('value'))} {span}.")
    elif c.get("refused"):
        screen.line("No forecast of its recall: ", screen.data(c.get("refused"), 200), ".")
    screen.next("tilth curve")


def _whole(screen: Screen, body: Json, measure: Measure) -> None:
    """Points and forecasts of the metric in one table."""
    whole = mapping(body.get("whole"))
    where = screen.data(body.get("scored_on"), 80)
    screen.line(f"{measure.name} by training rows, scored on ", where, style="bold")
    points, forecasts = items(whole.get("points")), items(whole.get("forecasts"))
    values = [number(p.get("value")) for p in [*points, *forecasts]]
    bars = _sparks(screen, values)
    lines: list[list[Any]] = []
    for p, bar in zip(points, bars, strict=False):
        spread = number(p.get("sd")) or 0.0
        near = measure.change(spread).lstrip("+")
        lines.append([count(p.get("rows")), measure.value(p.get("value")), f"± {near}", "measured", bar])
    for f, bar in zip(forecasts, bars[len(points) :], strict=True):
        gain = f"{measure.change(f.get('gain'))} {measure.span(f.get('gain_low'), f.get('gain_high'))}"
        low, high = measure.value(f.get("low")), measure.value(f.get("high"))
        lines.append([count(f.get("rows")), measure.value(f.get("value")), f"[{low}, {high}]", gain, bar])
    level = 100 * (number(body.get("level")) or 0.8)
    change = f"change{measure.unit and ', pp'}"
    screen.table(
        [
            Col("rows", "num"), Col("score", "num"), Col(f"{level:.0f} % interval", "num"), Col(change, "id"),
            Col("", "id"),
        ],
        lines,
    )  # fmt: skip
    screen.line()
    screen.line(screen.data(body.get("advice"), 400), ".", style="bold")
    if "adding" in body:
        more = mapping(body["adding"])
        change = f"{measure.change(more.get('gain'))} {measure.span(more.get('low'), more.get('high'))}"
        known = f"{count(more.get('rows'))} more rows like these: {change} expected."
        screen.line(known if more else "No forecast for so many rows.")


def _sparks(screen: Screen, values: Sequence[float | None]) -> list[str]:
    """A bar for each value."""
    found = [v for v in values if v is not None]
    if not found or screen.ascii_only:
        return [""] * len(values)
    low, high = min(found), max(found)
    step = (high - low) / (len(BARS) - 1) or 1.0
    return ["" if v is None else BARS[round((v - low) / step)] for v in values]


def _classes(screen: Screen, classes: Sequence[Json], measure: Measure) -> None:
    columns = [
        Col("class"), Col("rows", "num"), Col("recall", "num"), Col("add", "num"),
        Col(f"expected change{measure.unit and ', pp'}", "num"), Col("time", "num"),
    ]  # fmt: skip
    lines: list[list[Any]] = [
        [
            screen.data(c.get("name"), 40),
            count(c.get("rows")),
            share(c.get("recall")),
            f"+{count(c.get('add'))}",
            fine(c, measure),
            minutes(c.get("minutes")),
        ]
        for c in classes
    ]
    screen.table(columns, lines)


def fine(c: Json, measure: Measure) -> str:
    """A change with one digit more than usual: one class of a hundred moves the whole by little."""
    if not measure.is_share:
        return f"{measure.change(c.get('gain'))} {measure.span(c.get('low'), c.get('high'))}"
    value, low, high = (number(c.get(k)) for k in ("gain", "low", "high"))
    if value is None or low is None or high is None:
        return NONE
    return f"{100 * value:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"


def _slices(screen: Screen, slices: Sequence[Json], measure: Measure) -> None:
    if not slices:
        return
    screen.line()
    screen.line("Slices, lowest score first:", style="bold")
    lines: list[list[Any]] = []
    for s in slices:
        now = items(s.get("points"))[-1]
        forecasts = items(s.get("forecasts"))
        f = forecasts[-1] if forecasts else {}
        gain = f"{measure.change(f.get('gain'))} {measure.span(f.get('gain_low'), f.get('gain_high'))}"
        words = gain if f else "no forecast"
        lines.append(
            [screen.data(s.get("name"), 40), count(s.get("rows")), measure.value(now.get("value")), words]
        )
    head = f"at twice the rows{measure.unit and ', pp'}"
    screen.table([Col("slice"), Col("rows", "num"), Col("score", "num"), Col(head, "num")], lines)


def _choice(screen: Screen, choice: Json, measure: Measure) -> None:
    """Review or add, by minutes."""
    sides = [("review", items(choice.get("review"))), ("add", items(choice.get("add")))]
    if not all(points for _, points in sides):
        return
    screen.line()
    screen.line("Quality against quantity:", style="bold")
    words = {"review": "review the {} most doubtful labels", "add": "add {} rows"}
    lines: list[list[Any]] = []
    merged = [(number(p.get("minutes")) or 0.0, side, p) for side, points in sides for p in points]
    for spent, side, p in sorted(merged, key=lambda m: (m[0], m[1])):
        change = f"{measure.change(p.get('gain'))} {measure.span(p.get('low'), p.get('high'))}"
        lines.append([minutes(spent), words[side].format(count(p.get("rows"))), change])
    screen.table([Col("time", "num"), Col("what"), Col(f"change{measure.unit and ', pp'}", "num")], lines)
    better, budget = choice.get("better"), minutes(choice.get("budget"))
    said = {
        "review": f"In {budget}, reviewing labels brings more than adding rows.",
        "add": f"In {budget}, adding rows brings more than reviewing labels.",
    }
    screen.line(said.get(str(better), f"In {budget} the two cannot be told apart."))


def _next(body: Json, told: Sequence[Json]) -> str:
    if body.get("stop") or mapping(body.get("choice")).get("better") == "review":
        return "tilth audit --code TIL101"
    return "tilth ingest FILE" if told else "tilth status"
