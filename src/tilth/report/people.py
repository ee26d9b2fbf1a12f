"""What `tilth annotators` and `tilth guide` print; see terminal.py for the rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tilth.report.format import NONE, count, items, mapping, number, one_line, share
from tilth.report.screen import Col, Screen

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["annotators"]

Json = Mapping[str, Any]


def _three(value: object) -> str:
    x = number(value)
    return NONE if x is None else f"{x:.3f}"


def annotators(console: Console, body: Json, *, limit: int = 10) -> None:
    """Agreement, quality of each annotator, confused pairs, items that need another vote.

    Parameters
    ----------
    body : the object that `tilth annotators --json` prints.
    limit : lines of each table.
    """
    screen = Screen(console)
    where, agree, people = (
        mapping(body.get("items")),
        mapping(body.get("agreement")),
        items(body["annotators"]),
    )
    screen.line(
        f"{count(body.get('votes'))} votes by {len(people):,} annotators on {count(where.get('all'))} items: "
        f"{count(where.get('train'))} in train, {count(where.get('eval'))} in the evaluation set, "
        f"{count(where.get('unknown'))} in neither"
    )
    if number(agree.get("alpha")) is None:
        screen.line("agreement cannot be told: no item has two votes, or all votes are one label")
    else:
        span = f"[{_three(agree.get('low'))}, {_three(agree.get('high'))}]"
        screen.line(
            f"Krippendorff's alpha {_three(agree.get('alpha'))} {span} over {count(agree.get('items'))} "
            f"items with several votes; {share(agree.get('observed'))} of pairs of votes agree"
        )
    how = "votes and a model" if body.get("model") else "votes alone"
    screen.line(
        f"consensus ({how}) differs from the label of {count(where.get('train_differ'))} training rows and "
        f"{count(where.get('eval_differ'))} evaluation rows; "
        f"{count(where.get('contested'))} items are contested"
    )
    _people(screen, people, limit)
    _pairs(screen, body, limit)
    _needed(screen, body, limit)
    if body.get("proposed"):
        screen.next(f"tilth patch {one_line(body['proposed'], 20)}")
    elif number(where.get("train_differ")):
        screen.next("tilth audit --code TIL104")
    elif number(where.get("unknown_with_text")):
        screen.next("tilth annotators --propose")
    else:
        screen.next("tilth audit")


def _people(screen: Screen, people: list[Json] | Any, limit: int) -> None:
    screen.line()
    columns = [Col("annotator"), Col("votes", "num"), Col("quality", "num"), Col("95 %", "num")]
    lines: list[list[str | Text]] = []
    for p in people[:limit]:
        mixed = ", ".join(
            f"{one_line(c.get('true'), 24)} → {one_line(c.get('said'), 24)} "
            f"({number(c.get('votes')) or 0:.0f})"
            for c in items(p.get("confusions"))[:2]
        )
        span = f"{share(p.get('low'), 0)} – {share(p.get('high'), 0)}"
        lines.append(
            [screen.data(p.get("name"), 32), count(p.get("votes")), share(p.get("quality")), span,
             screen.text(mixed)]
        )  # fmt: skip
    screen.table([*columns, Col("confuses")], lines)
    if len(people) > limit:
        screen.line(f"the {limit} lowest of {len(people):,}; --limit shows more", style="dim")


def _pairs(screen: Screen, body: Json, limit: int) -> None:
    pairs = items(body.get("pairs"))
    if not pairs:
        return
    screen.line()
    columns = [
        Col("they disagree between"),
        Col("items", "num"),
        Col("pairs of votes", "num"),
        Col("share", "num"),
    ]
    lines: list[list[str | Text]] = [
        [screen.text(f"{one_line(p.get('a'), 40)} / {one_line(p.get('b'), 40)}"), count(p.get("items")),
         count(p.get("votes")), share(p.get("share"))]
        for p in pairs[:limit]
    ]  # fmt: skip
    screen.table(columns, lines)


def _needed(screen: Screen, body: Json, limit: int) -> None:
    needed = items(body.get("next_votes"))
    if not needed:
        return
    screen.line()
    columns = [Col("another vote helps most here"), Col("P(wrong)", "num"), Col("gain", "num"), Col("votes")]
    lines: list[list[str | Text]] = []
    for n in needed[:limit]:
        what = screen.data(n.get("item"), 32)
        if n.get("text"):
            what.append("\n").append_text(screen.data(n["text"], 80, "dim"))
        said = ", ".join(one_line(v.get("label"), 24) for v in items(n.get("votes"))[:6])
        lines.append([what, _three(n.get("p_wrong")), _three(n.get("value")), screen.text(said)])
    screen.table(columns, lines)
