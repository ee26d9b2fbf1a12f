"""A project in which everything from outside is hostile: rows, labels, names, notes, slices, guide."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from loop_kit import good, js, lines, tilth, write

EVIL = (
    "<script>window.owned=1</script><img src=x onerror=owned=1> \"'& javascript:owned=1 \u202e {{7*7}} "
    "\u2028</title>"
)
LABELS = {"refund": EVIL, "cards": "ca'rds\"<b onclick=owned=1>", "login": "lo/gin %2f ../x?#;,="}
HEADER = ("id", "text", "label", "channel")
PAGES = (
    "/", "/decide", "/map", "/patches", "/history", "/slices", "/slices?kind=class", "/slices?q=%3Cscript%3E",
    "/confusions", "/confusions?all=true", "/curve", "/duplicates", "/annotators", "/annotators?all=true",
    "/guide", "/monitor", "/questions", "/decide/set", "/decide/set?undecided=1",
)  # fmt: skip
"""Addresses without an id; `pages_of` adds those of patches, sets, versions and names."""


def hostile(folder: Path) -> str:
    """Make the project `p` in a folder; returns the id of a patch of it."""
    rows = []
    for number, (row, text, label, _) in enumerate(lines(300, seed=1)):
        odd = number % 5 == 0
        label = LABELS.get(label, label)
        rows.append((f'{row}<b>"/?#&%' if odd else row, f"{text} {EVIL}" if odd else text, label, "x<i>"))
    same = f"the same words in three rows for once {EVIL}"
    rows += [(f"dup{n}<i>", same, LABELS[label], "x") for n, label in enumerate(("refund", "cards", "cards"))]
    rows += [("dup3", f"{same} <b>much", EVIL, "x")]
    write(folder / "train.csv", rows, HEADER)
    test = [(a, b, LABELS.get(c, c), "x<i>") for a, b, c, _ in lines(100, seed=2, wrong=0.0)]
    write(folder / "eval.csv", test, HEADER)
    project = ("--project", "p")
    js("ingest", "train.csv", "--eval", "eval.csv", *project, cwd=folder)
    said = [(row, who, label) for row, _, label, _ in rows for who in (EVIL, "bob")]
    said += [(row, "cyd", LABELS["cards"]) for row, *_ in rows]
    write(folder / "said.csv", said, ("id", "annotator", "label"))
    good("annotators", "said.csv", *project, cwd=folder)
    settings = folder / "p" / "tilth.toml"
    name = json.dumps(EVIL)
    text = settings.read_text("utf-8").replace('name = "p"', f"name = {name}")
    settings.write_text(f"{text}\n[slices]\n{name} = 'channel == \"x<i>\"'\n", "utf-8")
    (folder / "guide.md").write_text(f"# Label guide\n\n## billing\n\n{EVIL}\n", "utf-8")
    good("guide", "--save", "--from", "guide.md", "--author", EVIL, "--note", EVIL, *project, cwd=folder)
    good("sets", "--where", "p_wrong > 0.1", "--name", EVIL, *project, cwd=folder)
    patch = str(js("propose", *project, cwd=folder)[0]["id"])
    good("comment", patch, EVIL, "--author", EVIL, *project, cwd=folder)
    tilth("trial", patch, *project, cwd=folder)
    return patch


def say(client: Any) -> None:
    """Verdicts with hostile names and notes, two people who differ, and a decision on a set."""
    for who, verdict in ((EVIL, "keep"), ("Bob", "drop")):
        items = [{"key": f"{who}{n}", "id": f"r{n:03}", "verdict": verdict, "note": EVIL} for n in (1, 2, 3)]
        assert client.post("/api/verdicts", json={"reviewer": who, "items": items}).json()["refused"] == []
    body = {
        "key": EVIL,
        "decision": "relabel",
        "label": EVIL,
        "reviewer": EVIL,
        "note": EVIL,
        "where": 'given == "billing"',
    }
    seen = client.post("/api/sets/look", json=body)
    assert seen.status_code == 200, seen.text
    body |= {"expected": seen.json()["digest"]}
    assert client.post("/api/sets/decide", json=body).status_code == 200


def pages_of(client: Any, patch: str) -> list[str]:
    """Every page of the project, and those of things with hostile names."""
    from urllib.parse import quote, urlencode

    kept = client.get("/api/sets").json()[-1]["id"]
    evil = quote(EVIL, safe="")
    made = client.post("/api/relabel", json={}).json()["id"]
    return [
        *PAGES, f"/patches/{patch}", f"/patches/{made}", f"/patches/{evil}", f"/patches/{patch}?op={evil}",
        f"/history/compare?a={evil}&b=train@1", f"/decide/set?set={kept}", f"/decide/set?set={evil}",
        f"/decide/set?given={evil}", f"/decide/set?where={evil}", f"/decide/set?slice={evil}",
        f"/decide/set?least={evil}", f"/decide/set?copies={quote('dup0<i>', safe='')}",
        f"/confusions?of={evil}", f"/annotators?of={evil}", f"/guide?between={evil}",
        "/guide?a=1", f"/decide?row={evil}",
        f"/map?where={evil}", "/decide?queue=disagreements", f"/duplicates?kind={evil}",
        f"/slices?kind={evil}", "/decide/set?" + urlencode({"start": "x"}),
        f"/curve?n={evil}", "/decide/set?least=nan&most=1e999",
    ]  # fmt: skip


class Markup(HTMLParser):
    """What a page is made of, and what of it no template wrote."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element: no picture, no script of its own, no handler, no address elsewhere."""
        has = dict(attrs)
        if tag in ("img", "iframe", "object", "style", "base") or (tag == "script" and not has.get("src")):
            self.faults.append(f"<{tag}>")
        self.faults += [f"{tag} {name}" for name in has if name.startswith("on") or name == "style"]
        for name in ("href", "src", "action", "formaction"):
            value = has.get(name)
            if value is not None and (not value.startswith(("/", "#")) or value.startswith("//")):
                self.faults.append(f"{tag} {name}={value[:80]}")

    def handle_data(self, data: str) -> None:
        """Text: the direction of nothing is turned."""
        if "\u202e" in data:
            self.faults.append(f"U+202E in {data.strip()[:60]!r}")
