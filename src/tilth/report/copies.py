"""What `tilth duplicates` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tilth.report.format import count, items, mapping, number, one_line
from tilth.report.screen import Col, Screen

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["duplicates", "proposed"]

MEMBERS = 4


def duplicates(console: Console, body: Mapping[str, Any], *, limit: int = 20) -> None:
    """Groups of copies: the representative, then its copies with their similarity to it.

    Parameters
    ----------
    body : the object that `tilth duplicates --json` prints.
    limit : how many groups are shown, >= 0.
    """
    screen, groups = Screen(console), items(body.get("groups"))
    threshold = number(body.get("threshold")) or 0
    table: list[list[str | Text]] = []
    for g in groups[:limit]:
        members = items(g.get("members"))
        labels = mapping(g.get("labels"))
        for at, m in enumerate(members[: MEMBERS + 1]):
            kind = "represents" if at == 0 else str(m.get("kind"))
            alike = "" if kind in ("represents", "exact") else f"{number(m.get('similarity')) or 0:.2f}"
            where = "" if m.get("dataset") == "train" else " (eval)"
            size = f"{len(members):,}" if at == 0 else ""
            label = screen.data(m.get("label") or "", 30, "red" if len(labels) > 1 else "")
            name = one_line(m.get("id"), 24) + where
            table.append([size, name, kind, alike, label, screen.data(m.get("text"), 90)])
        if len(members) > MEMBERS + 1:
            table.append(["", f"and {len(members) - MEMBERS - 1:,} more", "", "", "", ""])
    if table:
        heads = [Col("rows", "num"), Col("id", "id"), Col("copy", "id"), Col("alike", "num")]
        screen.table([*heads, Col("label"), Col("text")], table)
    words = f"{len(groups):,} groups of copies at threshold {threshold:g}"
    words += f" in {count(body.get('rows'))} rows of train"
    if body.get("eval_rows"):
        words += f" and {count(body.get('eval_rows'))} of the evaluation set"
    screen.line(words)
    if groups:
        surplus, leaking = count(body.get("surplus")), number(body.get("leaking")) or 0
        screen.line(
            f"{surplus} rows of train are surplus; {leaking:,.0f} groups are in both sets", style="dim"
        )
    if len(groups) > limit:
        screen.line(f"{limit} of {len(groups):,} groups shown; --limit shows more", style="dim")
    if number(body.get("skipped")):
        screen.line(
            f"{count(body.get('skipped'))} comparisons left out: very many rows have a passage in common; "
            "groups of such rows may be found in parts",
            style="dim",
        )
    screen.next("tilth propose" if groups else "tilth audit")


def proposed(console: Console, body: Mapping[str, Any]) -> None:
    """The patch that keeps one of many copies."""
    screen, line = Screen(console), mapping(body.get("proposed"))
    screen.line("proposed: ", screen.data(line.get("title"), 120))
    screen.next(f"tilth trial {one_line(line.get('id'), 20)}")
