"""What `tilth annotators` and `tilth guide` print; see terminal.py for the rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tilth.report.format import NONE, count, items, mapping, number, one_line, share, stamp
from tilth.report.screen import STYLES, Col, Screen

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["annotators", "guide"]

Json = Mapping[str, Any]
SURE = 0.05


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
    _topics(screen, body, limit)
    _needed(screen, body, limit)
    if body.get("proposed"):
        screen.next(f"tilth patch {one_line(body['proposed'], 20)}")
    elif number(where.get("train_differ")):
        screen.next("tilth audit --code TIL104")
    elif number(where.get("unknown_with_text")):
        screen.next("tilth annotators --propose")
    else:
        screen.next("tilth guide --draft")


def _people(screen: Screen, people: list[Json] | Any, limit: int) -> None:
    screen.line()
    columns = [
        Col("annotator"),
        Col("votes", "num"),
        Col("quality", "num"),
        Col("95 % interval", "num"),
        Col("accuracy", "num"),
    ]
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
             share(p.get("expected_accuracy")),
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


def _topics(screen: Screen, body: Json, limit: int) -> None:
    """What contested items are about; topics that are not clearly more contested than others are dim."""
    found = items(body.get("topics"))
    if not found:
        return
    screen.line()
    columns = [
        Col("contested items are about"),
        Col("items", "num"),
        Col("contested", "num"),
        Col("elsewhere", "num"),
        Col("p", "num"),
        Col("votes for"),
    ]
    lines: list[list[str | Text]] = []
    for t in found[:limit]:
        p = number(t.get("p_adjusted"))
        sure = p is not None and p <= SURE
        words = ", ".join(one_line(w, 24) for w in t.get("words") or ()) or "(no words tell them apart)"
        what = screen.data(words, 90, "" if sure else "dim")
        own = ", ".join(one_line(w, 24) for w in t.get("divided_words") or ())
        if own:
            what.append("\n").append_text(screen.data(f"the contested ones: {own}", 90, "dim"))
        said = ", ".join(
            f"{count(x.get('votes'))} {one_line(x.get('label'), 24)}" for x in items(t["labels"])
        )
        lines.append(
            [what, count(t.get("items")), share(t.get("share"), 0), share(t.get("elsewhere"), 0), _three(p),
             screen.text(said)]
        )  # fmt: skip
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


STANDS = {
    "none": "there is no guide yet",
    "saved": "guide.md is version {version}",
    "changed": "guide.md differs from version {version}",
    "lost": "guide.md is gone; version {version} is in the store",
}


def guide(console: Console, body: Json) -> None:
    """The label guide: what was asked for (drafts, history, difference), else what is in it."""
    screen = Screen(console)
    state = str(body.get("state"))
    words = STANDS.get(state, "").format(version=body.get("version"))
    screen.line("guide.md was never saved" if state == "changed" and not body.get("version") else words)
    if "history" in body:
        _history(screen, items(body["history"]))
    elif "diff" in body:
        _guide_diff(screen, items(body["diff"]))
    else:
        _contents(screen, body)
    if "drafted" in body:
        fresh = ", ".join(
            f"{one_line(c.get('a'), 40)} / {one_line(c.get('b'), 40)}" for c in items(body["drafted"])
        )
        screen.line(f"drafted: {fresh or 'nothing new, every confused pair has a clause'}")
    if state == "none":
        screen.next("tilth guide --draft")
    elif state == "changed":
        screen.next("edit " + one_line(body.get("file"), 200) + ", then: tilth guide --save")
    else:
        screen.next("tilth audit")


def _contents(screen: Screen, body: Json) -> None:
    clauses, undefined = items(body.get("clauses")), body.get("undefined") or []
    if clauses:
        screen.line()
        columns = [Col("clause"), Col("", "id"), Col("rule"), Col("contested", "num")]
        lines: list[list[str | Text]] = [
            [screen.text(f"{one_line(c.get('a'), 40)} / {one_line(c.get('b'), 40)}"),
             "draft" if c.get("draft") else "", screen.data(c.get("rule"), 160),
             count(len(items(c.get("contested"))))]
            for c in clauses
        ]  # fmt: skip
        screen.table(columns, lines)
    defined = [c for c in items(body.get("classes")) if c.get("definition")]
    if defined:
        screen.line()
        rows: list[list[str | Text]] = [
            [screen.data(c.get("name"), 40), screen.data(c.get("definition"), 200),
             count(len(items(c.get("examples")))), count(len(items(c.get("counter_examples"))))]
            for c in defined
        ]  # fmt: skip
        screen.table([Col("class"), Col("definition"), Col("examples", "num"), Col("counter", "num")], rows)
    if undefined and body.get("state") != "none":
        names = ", ".join(one_line(n, 40) for n in undefined[:8]) + (" ..." if len(undefined) > 8 else "")
        screen.line(f"{len(undefined)} classes without a definition: {names}", style="dim")
    for odd in items(body.get("unknown")):
        hint = f"; did you mean {one_line(odd['near'], 60)!r}?" if odd.get("near") else ""
        screen.line(f"no row has the class {one_line(odd.get('name'), 60)!r}{hint}", style="bold yellow")


def _history(screen: Screen, versions: Sequence[Json]) -> None:
    screen.line()
    lines: list[list[str | Text]] = [
        [count(v.get("version")), screen.data(v.get("author"), 40), stamp(v.get("created")),
         screen.data(v.get("note"), 120)]
        for v in reversed(versions)
    ]  # fmt: skip
    screen.table([Col("version", "num"), Col("author"), Col("when"), Col("note")], lines)


def _guide_diff(screen: Screen, changes: Sequence[Json]) -> None:
    if not changes:
        screen.line("nothing changed")
    for change in changes:
        screen.line()
        screen.line(screen.text(f"{change.get('change')} ", "bold"), screen.data(change.get("title"), 100))
        for line in filter(str.strip, str(change.get("diff") or "").split("\n")):
            style = STYLES["better"] if line[:1] == "+" else STYLES["worse"] if line[:1] == "-" else "dim"
            screen.line("  ", screen.data(line, 400, style))
