"""Tables of the plan, the ledger and the goal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tilth.report.format import (
    NONE,
    Measure,
    count,
    items,
    mapping,
    measure_of,
    minutes,
    number,
    one_line,
)
from tilth.report.screen import Col, Screen

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["goal_lines", "ledger", "plan"]

Json = Mapping[str, Any]
WHY_SHOWN = 3


def plan(console: Console, body: Json) -> None:
    """What to do next, what each piece of work is expected to bring, and why."""
    screen, measure = Screen(console), measure_of(body)
    _score(screen, measure, body)
    for words in body.get("in_the_way") or ():
        screen.line("in the way: ", screen.data(words, 300))
    work = items(body.get("actions"))
    if not work:
        screen.line("nothing to do is known")
        screen.next("tilth status")
        return
    screen.line()
    unit = measure.unit and ", pp"
    paid = any(number(a.get("money")) for a in work)
    columns = [
        Col("", "num"),
        Col("what to do"),
        Col(f"expected gain{unit}", "num"),
        Col("time", "num"),
        *([Col("money", "num")] if paid else []),
        Col("pp a minute" if measure.unit else "a minute", "num"),
    ]
    screen.table(columns, [_action(screen, measure, a, paid) for a in work])
    screen.line("Gains are predictions, recalibrated by the ledger; a trial measures them.", style="dim")
    for a in work[:WHY_SHOWN]:
        screen.line(f"{count(a.get('rank'))}. ", screen.data(a.get("why"), 300, "dim"))
        screen.line("   ", screen.data(a.get("command"), 200))
    screen.next(one_line(work[0].get("command"), 200).split("   #")[0])


def _action(screen: Screen, measure: Measure, a: Json, paid: bool) -> list[str | Text]:
    rate, money = number(a.get("per_minute")), number(a.get("money"))
    span = measure.span(a.get("low"), a.get("high"))
    return [
        count(a.get("rank")),
        screen.data(a.get("title"), 120),
        f"{measure.change(a.get('gain'))} {span}".rstrip(),
        minutes(a.get("minutes")),
        *([NONE if money is None else f"{money:,.2f}"] if paid else []),
        NONE if rate is None else f"{rate * measure.factor:+.3f}",
    ]


def _score(screen: Screen, measure: Measure, body: Json) -> None:
    """The score on the evaluation rows and what is missing to the target."""
    score = mapping(body.get("score"))
    if not score:
        screen.line("no evaluation rows, so no score")
        return
    low, high = (measure.value(score.get(k)) for k in ("low", "high"))
    words = f"{measure.name} {measure.value(score.get('value'))} [{low}, {high}] on the evaluation rows"
    away = number(body.get("distance"))
    if away is not None:
        words += f"; {measure.size(away)} to the target" if away > 0 else "; the target is reached"
    screen.line(words, style="bold")


def goal_lines(screen: Screen, body: Json) -> None:
    """The goal in `tilth status`: how far away it is and what is in the way."""
    goal, measure = mapping(body.get("goal")), measure_of(body)
    if not goal:
        return
    if goal.get("score"):
        _score(screen, measure, goal)
    elif number(goal.get("target")):
        screen.line(f"target {measure.value(goal['target'])}: not measured yet, run tilth plan")
    spent = minutes(goal.get("spent_minutes"))
    limit = f" of {minutes(goal['minutes'])}" if number(goal.get("minutes")) else ""
    money = number(goal.get("spent_money"))
    paid = f", money {money:,.2f}" + (f" of {goal['money']:,.2f}" if number(goal.get("money")) else "")
    screen.line(
        f"spent on accepted changes: {spent}{limit}{paid if money or number(goal.get('money')) else ''}"
    )
    for words in goal.get("in_the_way") or ():
        screen.line("in the way: ", screen.data(words, 300))


def ledger(console: Console, body: Json) -> None:
    """Predicted against realised gains, how predictions are corrected, and the totals."""
    screen, measure = Screen(console), measure_of(body)
    lines = items(body.get("lines"))
    if lines:
        unit = measure.unit and ", pp"
        columns = [
            Col("patch", "id"),
            Col("what"),
            Col(f"predicted{unit}", "num"),
            Col(f"measured{unit}", "num"),
            Col("time", "num"),
            Col("state", "id"),
        ]
        shown: list[list[str | Text]] = [
            [
                one_line(x.get("patch"), 16),
                screen.data(x.get("title"), 70),
                measure.change(x.get("predicted")),
                f"{measure.change(x.get('realised'))} {measure.span(x.get('low'), x.get('high'))}".rstrip(),
                minutes(x.get("minutes")),
                one_line(x.get("state"), 12),
            ]
            for x in lines
        ]
        screen.table(columns, shown)
    else:
        screen.line("no trial yet: nothing to compare predictions with")
    r = mapping(body.get("correlation"))
    if r:
        screen.line(
            f"correlation of predicted and measured: {r['value']:.2f} [{r['low']:.2f}, {r['high']:.2f}]"
        )
    for f in items(body.get("factors")):
        trials = number(f.get("trials")) or 0
        source = (
            f"from {count(trials)} trial{'s' if trials != 1 else ''} and the prior" if trials else "prior"
        )
        span = f"{f['value']:.2f} [{f['low']:.2f}, {f['high']:.2f}]"
        screen.line(
            f"{one_line(f.get('kind'), 20)}: measured is {span} times predicted ({source})", style="dim"
        )
    prior = mapping(body.get("prior"))
    screen.line(f"prior: pooled over past projects, {one_line(prior.get('source'), 100)}", style="dim")
    totals = mapping(body.get("totals"))
    gain, paid, done = (
        mapping(totals.get("gain")),
        number(totals.get("money")),
        number(totals.get("accepted")),
    )
    out = f"{measure.change(gain.get('value'))} {measure.span(gain.get('low'), gain.get('high'))}".rstrip()
    screen.line(
        f"in: {minutes(totals.get('minutes'))}{f' and {paid:,.2f} of money' if paid else ''} for "
        f"{count(done)} accepted patch{'' if done == 1 else 'es'}; out: {out}{measure.words}"
    )
    screen.next("tilth plan")
