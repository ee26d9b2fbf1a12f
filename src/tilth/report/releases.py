"""What the verbs about releases print."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tilth.report.format import count, items, mapping, number, one_line, share
from tilth.report.screen import Col, Screen

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["predicted", "release", "summary"]

Json = Mapping[str, Any]
WORST = 5


def release(console: Console, body: Json) -> None:
    """One screen: what was released, how good it is, what it promises; then the weakest classes."""
    screen, choice = Screen(console), mapping(body.get("choice"))
    screen.line(
        screen.text("release ", "bold"),
        screen.data(body.get("name"), 60, "bold"),
        f"  {one_line(body.get('id'), 16)}  {one_line(body.get('recipe'), 60)}  "
        f"{count(body.get('rows'))} rows, {count(body.get('classes'))} classes",
    )
    measured = mapping(body.get("measured"))
    if measured:
        metric = str(measured.get("metric", "")).replace("_", " ")
        screen.line(f"{metric} ", _span(measured.get("score"), measured.get("metric") == "log_loss"))
        screen.line("calibration error ", _span(measured.get("calibration")))
        if measured.get("precision"):
            screen.line("answers ", _span(measured.get("answered")), " of the rows")
            screen.line("right ", _span(measured.get("precision")), " of the answers")
    screen.line(f"measured on {one_line(body.get('reported_on'), 200)}", style="dim")
    wanted = share(choice.get("wanted"))
    if choice.get("kept"):
        screen.line(
            f"promise: at least {wanted} of the answers are right, from a probability of "
            f"{number(choice.get('probability')) or 0:.3f} on (chance of a broken promise: "
            f"{share(choice.get('delta'))}; decided on {one_line(body.get('decided_on'), 200)})"
        )
    else:
        screen.line(
            f"it answers nothing: no threshold can be proven to keep {wanted} of the answers right "
            f"(decided on {one_line(body.get('decided_on'), 200)}). Ask for less with --precision, or give "
            "more evaluation rows",
            style="bold",
        )
    outside = mapping(body.get("outside"))
    if outside:
        screen.line(
            "refuses ", _span(outside.get("refused")), f" of {count(outside.get('rows'))} rows outside the "
            "known classes",
        )  # fmt: skip
    if missed := body.get("missed"):
        names = ", ".join(one_line(x, 40) for x in list(missed)[:WORST])
        more = f" and {len(missed) - WORST} more" if len(missed) > WORST else ""
        screen.line(f"classes whose answers are less often right than {wanted}: {names}{more}")
    for note in body.get("notes") or ():
        screen.line(screen.data(note, 400))
    screen.line(f"{number(body.get('megabytes')) or 0:.1f} MB in {one_line(body.get('path'), 300)}")
    _gates(screen, items(body.get("gates")))
    _classes(screen, measured)
    screen.next(f"tilth predict {shlex.quote(str(body.get('path')))} FILE --out ANSWERS.csv")


def _gates(screen: Screen, gates: list[Json]) -> None:
    """Which gates passed and which were not checked; of those that fail, why and what to do."""
    passed = [one_line(g.get("name"), 60) for g in gates if g.get("state") == "pass"]
    if passed:
        screen.line(f"gates passed: {', '.join(passed)}")
    for gate in gates:
        if gate.get("state") == "fail":
            screen.line(
                screen.text("gate failed: ", "bold red"), screen.data(gate.get("name"), 60), ": ",
                screen.data(gate.get("why"), 300), ". ", screen.data(gate.get("todo"), 300),
            )  # fmt: skip
    open_ = [one_line(g.get("name"), 60) for g in gates if g.get("state") not in ("pass", "fail")]
    if open_:
        screen.line(f"gates not checked, so not passed: {', '.join(open_)}; card.md says what each needs")


def _span(value: Any, plain: bool = False) -> str:
    """A value with its interval."""
    found = mapping(value)
    if plain:
        return f"{number(found.get('value')) or 0:.3f}"
    return f"{share(found.get('value'))} [{share(found.get('low'))}, {share(found.get('high'))}]"


def _whole(value: Any) -> str:
    """The same in whole percents: a class has too few rows for more, and a narrow screen no room."""
    v, low, high = (100 * (number(mapping(value).get(k)) or 0.0) for k in ("value", "low", "high"))
    return f"{v:.0f} % [{low:.0f}, {high:.0f}]"


def _classes(screen: Screen, measured: Json) -> None:
    """The classes whose answers are least often right."""
    said = [p for p in items(measured.get("parts")) if p.get("kind") == "class" and p.get("precision")]
    said.sort(key=lambda p: number(mapping(p["precision"]).get("value")) or 0.0)
    if not said:
        return
    few = f", the lowest {WORST} of {len(said)}" if len(said) > WORST else ""
    screen.line()
    screen.line(
        "by class, how many of its rows are answered, and how many of the answers that say it are right"
        f"{few} (low by chance, too)"
    )
    columns = [Col("class"), Col("rows", "num"), Col("rows answered", "num"), Col("answers right", "num")]
    lines: list[list[str | Text]] = [
        [screen.data(p.get("name"), 60), count(p.get("rows")), _whole(p["answered"]), _whole(p["precision"])]
        for p in said[:WORST]
    ]
    screen.table(columns, lines)


def summary(body: Json) -> str:
    """One sentence about answered rows."""
    rows, answered = int(body.get("rows") or 0), int(body.get("answered") or 0)
    words = f"{rows:,} rows, {answered:,} answered"
    if reasons := mapping(body.get("reasons")):
        words += "; " + ", ".join(f"{int(n):,} {reason}" for reason, n in reasons.items())
    return words + (f"; {int(body['bad']):,} could not be read" if body.get("bad") else "")


def predicted(console: Console, body: Json) -> None:
    """How many rows were answered, and where the answers are."""
    screen = Screen(console)
    screen.line(summary(body))
    screen.line("written: ", screen.data(body.get("file"), 300))
