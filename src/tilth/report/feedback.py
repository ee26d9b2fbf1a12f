"""What an intake of feedback prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tilth.report.format import count, items, one_line
from tilth.report.screen import Col, Screen

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["feedback"]

LEFT = {
    "known": "known already, or proposed or rejected before",
    "contested": "contradict each other",
    "wrong": "wrong, and nobody says what is right",
    "evaluation": "in the evaluation set: nothing is learned from them",
    "without_text": "answers whose text is not there (serve with --keep-rows, or send it along)",
    "unknown": "answers that the server has no record of",
}


def feedback(console: Console, body: Mapping[str, Any]) -> None:
    """Patches that were proposed, what was left out, clients that stand out."""
    screen = Screen(console)
    screen.line(
        f"{count(body['explicit'])} explicit and {count(body['implicit'])} implicit pieces of feedback, "
        f"{count(body['escalated'])} answers of people to what was escalated"
    )
    for name, words in LEFT.items():
        if body[name]:
            screen.line(f"left out: {count(body[name])} {words}")
    for conflict in items(body["conflicts"])[:5]:
        said = ", ".join(
            f"{s['client'] or 'somebody'}: {s['label']} {s['kind']}" for s in conflict["said"][:4]
        )
        screen.line("  ", screen.data(conflict["text"], 70), "  ", screen.data(said, 120))
    for suspect in items(body["suspects"]):
        screen.line(
            f"suspected of poisoning: {one_line(suspect['client'])} relabels {one_line(suspect['given'])} to "
            f"{one_line(suspect['label'])} {count(suspect['relabelled'])} of {count(suspect['said'])} times, "
            f"others {count(suspect['others_relabelled'])} of {count(suspect['others'])}; "
            "its words are a patch of their own",
            style="bold yellow",
        )
    for suspect in items(body["unchecked"]):
        screen.line(
            f"nobody to compare with: {one_line(suspect['client'])} relabels {one_line(suspect['given'])} to "
            f"{one_line(suspect['label'])} {count(suspect['relabelled'])} times; look at these rows",
            style="yellow",
        )
    patches = items(body["patches"])
    if not patches:
        screen.line("nothing new to propose")
        return
    screen.line()
    rows: list[list[str | Text]] = [
        [one_line(p["id"]), count(p["ops"]), screen.data(p["title"], 90)] for p in patches
    ]
    screen.table([Col("patch"), Col("rows", "num"), Col("title")], rows)
    screen.next(f"tilth trial {patches[0]['id']}")
