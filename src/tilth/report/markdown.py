"""The effect of a patch as GitHub-flavoured Markdown: the comment a reviewer of a pull request wants."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Any

from tilth.report.format import (
    Measure,
    count,
    items,
    mapping,
    minutes,
    number,
    one_line,
    ops_text,
    seconds,
    verdict_sign,
    verdict_words,
)
from tilth.report.slices import broken_floors

__all__ = ["trial"]

Json = Mapping[str, Any]


def trial(body: Json) -> str:
    """The measured effect of one patch: a headline, one table, what got worse first, then the slices.

    Parameters
    ----------
    body : the object that `tilth trial --json` prints.

    Returns
    -------
    str
        Markdown that ends with a line break. Text from data cannot make links, mentions, images, HTML
        or table cells.
    """
    measure = Measure(one_line(body.get("metric") or "accuracy", 40))
    effect = mapping(body.get("effect"))
    slices = items(body.get("slices"))
    sign, words = verdict_sign(body.get("verdict")), verdict_words(body.get("verdict"))
    title = text(body.get("title") or body.get("patch"), 160)
    lines = [f"### {sign} {words}: {title}", ""]
    worse = [s for s in slices if s.get("verdict") == "worse"]
    if worse:
        names = ", ".join(code(s.get("name"), 60) for s in worse[:5])
        more = f" and {len(worse) - 5} more" if len(worse) > 5 else ""
        lines += [f"**▼ Worse in {len(worse)} of {len(slices)} slices:** {names}{more}", ""]
    lines += [f"**▼ {text(line)}**\n" for line in broken_floors(body)]
    lines += _effect_table(body, effect, measure)
    lines += _slice_table(slices, measure)
    lines += _facts(body, effect, measure)
    return "\n".join(lines) + "\n"


def text(value: object, limit: int = 200) -> str:
    """Text from data as plain words, on one line."""
    line = escape(one_line(value, limit), quote=False)
    line = re.sub(r"([\\`*_{}\[\]()#+!|~$-])", r"\\\1", line)
    # a word joiner stops what GitHub makes of bare text: mentions, issue numbers, addresses; it has to
    # stand before the "://", because a host name may hold one
    line = re.sub(r"(@|#|\bwww(?=\.))", "\\1\u2060", line, flags=re.IGNORECASE)
    return line.replace("://", "\u2060://")


def code(value: object, limit: int = 80) -> str:
    """Text from data as a code span that can stand in a table."""
    line = one_line(value, limit)
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{fence}{pad}{line}{pad}{fence}".replace("|", "\\|")


def _change(body: Json, measure: Measure) -> str:
    value = measure.change(body.get("value"))
    return f"**{value}{measure.unit}**" if number(body.get("value")) is not None else value


def _span(body: Json, measure: Measure) -> str:
    return measure.span(body.get("low"), body.get("high")) or "–"


def _effect_table(body: Json, effect: Json, measure: Measure) -> list[str]:
    before, after = (measure.value(mapping(body.get(k)).get("value")) for k in ("before", "after"))
    verdict = f"{verdict_sign(body.get('verdict'))} {verdict_words(body.get('verdict'))}"
    name = text(measure.name, 40)
    return [
        "| metric | rows | before | after | change | 95 % interval | verdict |",
        "|---|---:|---:|---:|---:|---|---|",
        f"| {name} | {count(effect.get('rows'))} | {before} | {after} | {_change(effect, measure)} "
        f"| {_span(effect, measure)} | {verdict} |",
        "",
    ]


def _slice_table(slices: list[Json], measure: Measure) -> list[str]:
    """What got worse first; a reader opens the rest."""
    if not slices:
        return []
    order = {"worse": 0, "better": 1}
    found = sorted(slices, key=lambda s: order.get(str(s.get("verdict")), 2))
    worse = sum(s.get("verdict") == "worse" for s in slices)
    head = f"{len(slices)} slices, {worse or 'none'} worse"
    lines = [f"<details{' open' if worse else ''}><summary>{head}</summary>", ""]
    lines += ["| slice | rows | change | 95 % interval | verdict |", "|---|---:|---:|---|---|"]
    for s in found:
        verdict = f"{verdict_sign(s.get('verdict'))} {verdict_words(s.get('verdict'))}"
        row = (code(s.get("name")), count(s.get("rows")), _change(s, measure), _span(s, measure), verdict)
        lines.append(f"| {' | '.join(row)} |")
    return [*lines, "", "</details>", ""]


def _facts(body: Json, effect: Json, measure: Measure) -> list[str]:
    where = f"patch {code(body.get('patch'))} on version {code(body.get('base'))}"
    facts = [
        f"Changes: {text(ops_text(body.get('ops')))}, {where}",
        f"Recipe {code(body.get('recipe'))}, judged on {text(body.get('judged_on'))}",
    ]
    if number(body.get("predicted")) is not None:
        both = f"{measure.change(body['predicted'])}, measured {measure.change(effect.get('value'))}"
        facts.append(f"Forecast {both}")
    if number(effect.get("detectable")) is not None:
        facts.append(f"Smallest effect these rows can show: {measure.size(effect['detectable'])}")
    if number(effect.get("se_rows")) is not None and number(effect.get("se_training")) is not None:
        rows, luck = (measure.size(effect[k]) for k in ("se_rows", "se_training"))
        facts.append(f"Standard error: {rows} from the choice of rows, {luck} from training luck")
    if number(body.get("minutes")):
        facts.append(f"{minutes(body['minutes'])} of a person's time to review")
    if number(body.get("seconds")) is not None:
        facts.append(f"The trial took {seconds(body['seconds'])}")
    note = (
        "A change is counted when its whole interval lies on one side of zero; "
        "slices are corrected for their number."
    )
    return [*(f"- {fact}" for fact in facts), "", f"<sub>{note}</sub>"]
