"""What `tilth datasheet` and `tilth verify` print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tilth.report.format import count, items, mapping, one_line, share
from tilth.report.screen import Col, Screen

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["datasheet", "form", "verification"]

Json = Mapping[str, Any]
BY = {
    "ledger": "records", "partly": "records, in part", "stated": "records and stated terms",
    "person": "a person",
    "not applicable": "does not apply", "open": "open",
}  # fmt: skip
SHOWN = 20


def datasheet(console: Console, body: Json) -> None:
    """Who answered which question, what is open, and how to answer it."""
    screen, counts = Screen(console), mapping(body.get("counts"))
    found = ", ".join(f"{count(n)} {BY.get(by, one_line(by, 20))}" for by, n in counts.items() if n)
    screen.line(screen.text("datasheet", "bold"), f" of version {one_line(body.get('version'), 20)}: {found}")
    screen.line(
        f"the records answer {share(body.get('in_full'))} of the questions in full, "
        f"{share(body.get('from_records'))} with those in part; nothing more to say to "
        f"{share(body.get('complete'))}"
    )
    screen.line()
    rows: list[list[str | Text]] = []
    for q in items(body.get("questions")):
        answer = screen.data(q.get("answer") or "–", 160)
        rows.append([screen.data(q.get("key"), 30), BY.get(str(q.get("by")), ""), answer])
    screen.table([Col("question"), Col("answered by"), Col("answer")], rows)
    screen.line()
    asked: list[list[str | Text]] = [
        [
            screen.data(q.get("key"), 30),
            screen.data(q.get("question"), 120),
            screen.data(q.get("answer") or ("asked by each release" if q.get("asked") else "–"), 160),
        ]
        for q in items(body.get("card"))
    ]
    screen.table([Col("model card"), Col("question"), Col("answer")], asked)
    screen.next("tilth datasheet --form answers.toml, fill it in, tilth datasheet --answer answers.toml")


def form(console: Console, body: Json) -> None:
    """Where the form is and what to do with it."""
    screen, path = Screen(console), one_line(body.get("file"), 300)
    screen.line("written: ", screen.data(path, 300))
    screen.next(f"tilth datasheet --answer {path}")


def verification(console: Console, body: Json) -> None:
    """One screen: whole or not, what was computed again, what differs, what could not be computed again."""
    screen, checks = Screen(console), items(body.get("checks"))
    screen.line(
        screen.text("release ", "bold"), screen.data(body.get("name"), 60, "bold"),
        f"  {one_line(body.get('id'), 16)}",
    )  # fmt: skip
    files = [c for c in checks if c.get("kind") == "file"]
    good = sum(c.get("state") == "recomputed" for c in files)
    screen.line(f"files: {count(good)} of {count(len(files))} are the ones that were released")
    for c in checks:
        if c.get("kind") == "agreement":
            mark = {"recomputed": "yes", "differs": "NO", "not recomputed": "not checked"}[
                str(c.get("state"))
            ]
            why = f" ({one_line(c.get('why'), 400)})" if c.get("why") else ""
            screen.line(f"{mark}: ", screen.data(c.get("name"), 120), why)
    claims = [c for c in checks if c.get("kind") == "claim"]
    states = Counter(str(c.get("state")) for c in claims)
    screen.line(
        f"claims: {count(states['recomputed'])} computed again and equal, "
        f"{count(states['differs'])} different, {count(states['not recomputed'])} not computed again"
    )
    for why, n in Counter(str(c.get("why")) for c in claims if c.get("state") == "not recomputed").items():
        screen.line(f"  {count(n)} not computed again: ", screen.data(why, 400))
    bad = [c for c in checks if c.get("state") == "differs" and c.get("kind") != "agreement"]
    if bad:
        rows: list[list[str | Text]] = [
            [str(c.get("kind")), screen.data(c.get("name"), 100), screen.data(c.get("why"), 200)]
            for c in bad[:SHOWN]
        ]
        screen.table([Col(""), Col("differs"), Col("why")], rows)
        if len(bad) > SHOWN:
            screen.line(f"and {count(len(bad) - SHOWN)} more")
    last = {
        "recomputed": "everything that it claims was computed again",
        "not recomputed": "nothing differs; what is listed above was not computed again",
        "differs": "THIS BUNDLE IS NOT WHAT IT CLAIMS TO BE",
    }
    screen.line(screen.text(last.get(str(body.get("outcome")), ""), "bold"))
    screen.line(
        "an id is only as good as its source: compare it with the one that was published", style="dim"
    )
