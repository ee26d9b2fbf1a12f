"""What the verbs about a model in service print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tilth.report.format import NONE, count, items, mapping, number, one_line, share
from tilth.report.screen import STYLES, Col, Screen

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["monitor", "questions", "span"]

Json = Mapping[str, Any]
SHOWN = 14


def monitor(console: Console, body: Json) -> None:
    """Traffic by day, tests of releases, feedback, questions, drift.

    Parameters
    ----------
    body : the object that `tilth monitor --json` prints.
    """
    screen = Screen(console)
    total, without = number(body.get("answers")) or 0, number(body.get("abstained")) or 0
    screen.line(f"{count(total)} answers, no answer given to {share(without / total if total else 0)}")
    for r in items(body.get("releases")):
        name, state = one_line(r.get("id"), 20), one_line(r.get("state"), 12)
        screen.line(f"  {one_line(r.get('arm'), 4)}  {state} {name}, {share(r.get('share'))} of the keys")
    days = items(body.get("days"))
    columns = [Col("day", "id"), Col("answers", "num"), Col("no answer", "num"), Col("right", "num")]
    columns.append(Col("wrong", "num"))
    rows = [
        [
            one_line(d.get("day"), 10), count(d.get("answers")), share(_part(d)), count(d.get("right")),
            count(d.get("wrong")),
        ]
        for d in days[-SHOWN:]
    ]  # fmt: skip
    if rows:
        screen.table(columns, rows)
    for t in items(body.get("tests")):
        tone = {"promote": "better", "stop": "worse"}.get(str(t.get("advice")), "none")
        head = f"{t.get('candidate')} against {t.get('control')}: {one_line(t.get('advice'), 20)}. "
        screen.line(screen.text(head, STYLES[tone]), screen.data(t.get("words"), 300))
        for c in items(t.get("comparisons")):
            screen.line(
                f"  {one_line(c.get('metric'), 40)}: {span(mapping(c.get('difference')))}", style="dim"
            )
    asked = mapping(body.get("questions"))
    screen.line(
        f"questions to a person: {count(asked.get('open'))} open, {count(asked.get('answered'))} answered"
    )
    looks = items(body.get("drift"))
    if looks:
        words = looks[-1].get("words") or ["no drift"]
        screen.line(f"drift of {one_line(looks[-1].get('source'), 60)}: ", screen.data(words[0], 200))
    screen.next(body.get("next"))


def _part(day: Json) -> float:
    total = number(day.get("answers")) or 0.0
    return (number(day.get("abstained")) or 0.0) / total if total else 0.0


def span(d: Json) -> str:
    """A difference of shares with its interval, in percentage points."""
    value, low, high = (number(d.get(k)) for k in ("value", "low", "high"))
    if value is None:
        return NONE
    bounds = "no interval yet" if low is None or high is None else f"[{100 * low:+.1f}, {100 * high:+.1f}]"
    return f"{100 * value:+.1f} pp {bounds}".replace("-", "−")


def questions(console: Console, body: Json, *, limit: int = 10) -> None:
    """Open questions.

    Parameters
    ----------
    body : the object that `tilth escalations --json` prints.
    limit : how many are shown, >= 0.
    """
    screen = Screen(console)
    screen.line(f"{count(body.get('open'))} open, {count(body.get('answered'))} answered")
    asked = items(body.get("questions"))
    if asked[:limit]:
        asked_rows: list[list[str | Text]] = [
            [
                one_line(q.get("id"), 40),
                screen.data(q.get("text"), 200),
                screen.data(_likely(q), 120),
            ]
            for q in asked[:limit]
        ]
        screen.table([Col("id", "id"), Col("text"), Col("likely")], asked_rows)
    if (number(body.get("open")) or 0) > limit:
        screen.line(f"the oldest {limit} shown; --limit shows more", style="dim")
    if asked:
        screen.next(
            f"tilth escalations --answer {one_line(asked[0].get('id'), 40)} --label LABEL, or tilth review"
        )
    else:
        screen.next(
            f"tilth feedback {body.get('state')}" if number(body.get("answered")) else "tilth monitor"
        )


def _likely(q: Json) -> str:
    return ", ".join(
        f"{one_line(x.get('label'), 40)} {share(x.get('probability'))}" for x in items(q.get("likely"))
    )
