"""What `tilth drift` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tilth.report.format import NONE, count, items, mapping, number, one_line, share
from tilth.report.screen import STYLES, Col, Screen

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["drift", "estimate_words"]

Json = Mapping[str, Any]


def drift(console: Console, body: Json, *, limit: int = 8) -> None:
    """What changed, the tests behind it, accuracy without labels, and what to do.

    Parameters
    ----------
    body : the object that `tilth drift --json` prints.
    limit : how many columns are shown, >= 0.
    """
    screen = Screen(console)
    screen.line(f"{count(body.get('new'))} new rows against ", screen.data(body.get("against"), 120))
    screen.line()
    if body.get("drifted"):
        for words in body.get("words") or ():
            screen.line("- ", screen.data(words, 300, STYLES["worse"]))
    else:
        screen.line(
            f"no drift: nothing that chance does not do in {share(1 - (number(body.get('level')) or 0))}"
        )
    for s in items(body.get("surges"))[:3]:
        for text in (s.get("examples") or ())[:2]:
            screen.line(f"    {one_line(s.get('expression'), 40)}: ", screen.data(text, 100, "dim"))
    for c in items(body.get("clumps"))[:3]:
        for text in (c.get("examples") or ())[:3]:
            screen.line("    near each other: ", screen.data(text, 100, "dim"))
    screen.line()
    tests = items(body.get("columns"))
    if tests[:limit]:
        columns = [Col("column"), Col("p", "num"), Col("distance", "num"), Col("drifted", "id")]
        screen.table(columns, [_test(screen, t) for t in tests[:limit]])
        if len(tests) > limit:
            screen.line(f"{limit} of {len(tests)} tests shown; --limit shows more", style="dim")
    for words in estimate_words(body.get("estimate")):
        screen.line(words)
    label = body.get("label") or ()
    if label:
        where = f", written to {one_line(body['out'], 100)}" if body.get("out") else ""
        screen.line(f"label these {len(label)} rows to confirm{where}")
    screen.next(body.get("next"))


def estimate_words(estimate: object) -> list[str]:
    """The estimated accuracy and what speaks against it."""
    e = mapping(estimate)
    if not e:
        return ["accuracy cannot be estimated without labels here: too few labelled evaluation rows"]
    said = f"{share(e.get('accuracy'))} [{share(e.get('low'))}, {share(e.get('high'))}]"
    known = f"{share(e.get('known'))} on labelled known rows"
    if e.get("valid"):
        lines = [f"estimated accuracy without labels: {said}; {known}"]
    else:
        lines = [f"accuracy cannot be told without labels ({known})"]
    return lines + [f"- {one_line(w, 300)}" for w in e.get("warnings") or ()]


def _test(screen: Screen, t: Json) -> list[str | Text]:
    p, distance = number(t.get("p")), number(t.get("distance"))
    kind = " (missing)" if t.get("kind") == "missing" else ""
    mark = screen.text("yes", STYLES["worse"]) if t.get("drifted") else "no"
    shown = NONE if p is None else "<0.0001" if p < 0.0001 else f"{p:.4f}"
    name = screen.data(t.get("name"), 50).append(kind)
    return [name, shown, NONE if distance is None else f"{distance:.3f}", mark]
