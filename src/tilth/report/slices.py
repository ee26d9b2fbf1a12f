"""What the verbs about slices print, and the floors of a trial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tilth.report.format import NONE, count, items, mapping, measure_of, number, one_line, share
from tilth.report.screen import STYLES, Col, Screen

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["broken_floors", "confusions", "floor_lines", "kept", "slices"]

Json = Mapping[str, Any]
SURE = 0.05


def slices(console: Console, body: Json, *, limit: int = 20) -> None:
    """Named and discovered slices, and classes that are weak or have a floor that is not held.

    Parameters
    ----------
    body : the object that `tilth slices --json` prints.
    limit : how many classes are shown, >= 0.
    """
    screen, measure = Screen(console), measure_of(body)
    lines = items(body.get("slices"))
    shown = [s for s in lines if s.get("kind") != "class"]
    hard = [s for s in lines if s.get("kind") == "class" and _notable(s)]
    shown += hard[:limit]
    floors = any(number(s.get("floor")) is not None for s in shown)
    columns = [Col("slice"), Col("kind", "id"), Col("rows", "num"), Col("right", "num")]
    columns += [Col("elsewhere", "num"), Col("p", "num")] + ([Col("floor", "num")] if floors else [])
    table: list[list[str | Text]] = []
    for s in shown:
        name = screen.data(s.get("name"), 60)
        if s.get("expression"):
            name.append("\n").append_text(screen.data(s["expression"], 120, "dim"))
        row: list[str | Text] = [name, one_line(s.get("kind"), 8), count(s.get("rows"))]
        row += [f"{share(s.get('score'))} {_span(s)}", share(s.get("outside"))]
        row.append(_p(s.get("p")))
        table.append(row + ([_floor(screen, s, measure.value)] if floors else []))
    screen.table(columns, table)
    found = [s for s in lines if s.get("kind") == "found"]
    tried = sum(round(number(n) or 0) for n in mapping(body.get("tried")).values())
    if found:
        screen.line(f"p of a found slice counts all {tried:,} that were tried", style="dim")
    else:
        screen.line("no other slice stands out among those that were tried", style="dim")
    if len(hard) > limit:
        screen.line(f"{limit} of {len(hard)} weak classes shown; --limit shows more", style="dim")
    first = next((s for s in found if s.get("expression")), None)
    keep = f"tilth slices --keep {one_line(first.get('name'), 60)}" if first else "tilth confusions"
    screen.next(body.get("next") or keep)


def _notable(line: Json) -> bool:
    """A class that is weaker than the rest, or below its floor."""
    p, score, outside = (number(line.get(k)) for k in ("p", "score", "outside"))
    weak = p is not None and p <= SURE and (score or 0.0) < (outside or 0.0)
    return weak or line.get("held") is False


def _span(line: Json) -> str:
    """The interval of a share, in percent."""
    low, high = number(line.get("low")), number(line.get("high"))
    return "" if low is None or high is None else f"[{100 * low:.0f}, {100 * high:.0f}]"


def _p(value: object) -> str:
    p = number(value)
    return NONE if p is None else ("<0.001" if p < 0.001 else f"{p:.3f}")


def _floor(screen: Screen, line: Json, value: Any) -> str | Text:
    floor, held = number(line.get("floor")), line.get("held")
    if floor is None:
        return NONE
    if held is None:
        return f"{value(floor)} (too few rows)"
    words = f"{value(floor)}: {value(line.get('eval_score'))}"
    return screen.text(f"{words} {'held' if held else 'NOT HELD'}", STYLES["better" if held else "worse"])


def kept(console: Console, body: Json) -> None:
    """A discovered slice that is in tilth.toml now."""
    screen = Screen(console)
    name = one_line(body.get("name"), 60)
    screen.line(f"kept {name}: ", screen.data(body.get("expression"), 200))
    screen.line("it is tested in every trial from now on; set its floor in tilth.toml under [floors]")
    screen.next("tilth slices")


def confusions(console: Console, body: Json, *, limit: int = 10) -> None:
    """Confused pairs with the rows that show it.

    Parameters
    ----------
    body : the object that `tilth confusions --json` prints.
    limit : how many pairs are shown, >= 0.
    """
    screen = Screen(console)
    pairs = items(body.get("pairs"))
    if not pairs:
        screen.line("no two classes are confused far more than others")
        screen.next("tilth slices")
        return
    columns = [Col("classes"), Col("confused", "num"), Col("of rows", "num"), Col("mutual", "num")]
    columns += [Col("times expected", "num"), Col("p", "num")]
    table: list[list[str | Text]] = []
    for p in pairs[:limit]:
        a, b = [*(p.get("classes") or ()), "", ""][:2]
        name = screen.data(a, 50).append(" / ").append_text(screen.data(b, 50))
        for e in items(p.get("examples"))[:2]:
            words = f"[{one_line(e.get('label'), 30)}] {one_line(e.get('text'), 90)}"
            name.append("\n").append_text(screen.data(words, 130, "dim"))
        lift = number(p.get("lift"))
        row: list[str | Text] = [
            name,
            count(p.get("confused")),
            share(p.get("share")),
            share(p.get("mutual")),
        ]
        table.append([*row, NONE if lift is None else f"{lift:.1f}", _p(p.get("p_adjusted"))])
    screen.table(columns, table)
    if len(pairs) > limit:
        screen.line(f"{limit} of {len(pairs)} pairs shown; --limit shows more", style="dim")
    screen.next("tilth audit --code TIL602")


def floor_lines(screen: Screen, body: Json) -> None:
    """The floors in `tilth status`: those that are not held first."""
    value = measure_of(body).value
    found = sorted(items(body.get("floors")), key=lambda f: f.get("held") is not False)
    held = [f for f in found if f.get("held") is True]
    for f in found:
        if f.get("held") is True:
            continue
        name, floor = one_line(f.get("name"), 60), value(f.get("floor"))
        if f.get("held") is False:
            lost = f"floor NOT HELD: {name} is at {value(f.get('score'))}, its floor is {floor}"
            screen.line(lost, style=STYLES["worse"])
        elif f.get("rows") is None:
            screen.line(f"floor {floor} of {name}: not measured yet, run tilth slices")
        else:
            screen.line(f"floor {floor} of {name}: too few rows ({count(f.get('rows'))})", style="dim")
    if held:
        words = [f"{one_line(f.get('name'), 40)} {value(f['score'])} ({value(f['floor'])})" for f in held[:6]]
        more = f" and {len(held) - 6} more" if len(held) > 6 else ""
        screen.line("floors held: " + ", ".join(words) + more)


def broken_floors(body: Json) -> list[str]:
    """In words: the floors of a trial that were held before and are not after."""
    measure = measure_of(body)
    return [
        f"{one_line(f.get('name'), 50)} falls below its floor of {measure.value(f.get('floor'))}: "
        f"{measure.value(f.get('before'))} → {measure.value(f.get('after'))}"
        for f in items(body.get("floors"))
        if f.get("state") == "broken"
    ]
