"""Report, terminal and Markdown comment: golden files, hostile text, no address, no cut number."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tilth.report import format as fmt
from tilth.report import html, markdown, svg, terminal
from tilth.report.markup import data, tag

GOLDEN = Path(__file__).parents[1] / "golden"
VERBS: dict[str, Callable[[Console, Any], None]] = {
    "improve": terminal.improve,
    "audit": terminal.audit,
    "trial": terminal.trial,
    "proposals": terminal.proposals,
    "log": terminal.log,
    "status": terminal.status,
    "diff": terminal.diff,
}
SMALL_NUMBER = re.compile(r"[+-]?\d+\.\d|\[[+-][\d.]+, [+-][\d.]+\]")
HOSTILE = (
    "<script>alert(1)</script> </style><img src=x onerror=alert(2)> javascript:alert(3) "
    "http://evil.test \u202eevil\u2066 \u2069\u200f\x1b[31mred\x1b]8;;http://evil.test\x07 \x00\x85 \ud800 "
    "\"' onload=alert(4) [red]markup[/red] [/] | `` ` @everyone #1 ![x](http://evil.test) &lt;"
)
LONG = "x" * 1_000_000


@pytest.fixture(scope="module")
def bodies() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / "report_bodies.json").read_text("utf-8"))
    return found


def spoil(value: Any, text: str) -> Any:
    """The same object with every text in it replaced, keys of free objects included."""
    if isinstance(value, dict):
        return {k: spoil(v, text) for k, v in value.items()}
    if isinstance(value, list):
        return [spoil(v, text) for v in value]
    return text if isinstance(value, str) else value


def nulled(value: Any) -> Any:
    """The same object with every number and text None."""
    if isinstance(value, dict):
        return {k: nulled(v) for k, v in value.items()}
    return [nulled(v) for v in value] if isinstance(value, list) else None


def show(verb: str, body: Any, width: int = 80, encoding: str = "utf-8", color: str | None = None) -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    console = Console(file=file, width=width, color_system=color, force_terminal=bool(color), _environ={})
    VERBS[verb](console, body)
    file.flush()
    return raw.getvalue().decode(encoding)


class Page(HTMLParser):
    """Every element with its attributes, and whether the page closes what it opens."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], tuple[str, ...]]] = []
        self.open: list[str] = []
        self.broken: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), tuple(self.open)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), tuple(self.open)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.broken.append(tag)

    def every(self, name: str) -> Iterator[dict[str, str | None]]:
        return (attrs for tag, attrs, _ in self.found if tag == name)


def check_safe(text: str) -> Page:
    page = Page(text)
    assert not page.broken
    assert not page.open
    allowed = (
        "html head meta title style body a header main nav section footer article h1 h2 h3 p div span bdi "
        "strong code del ins ul ol li dl dt dd details summary table caption thead tbody tr th td "
        "svg line circle rect path text"
    )
    names = set(allowed.split())
    for name, attrs, _ in page.found:
        assert name in names
        for key, value in attrs.items():
            assert not key.startswith("on")
            assert key not in ("src", "style", "srcset", "action", "xlink:href")
            if key == "href":
                assert re.fullmatch(r"#[a-z]+", value or "")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
    text.encode("utf-8")
    return page


# numbers


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.019, "+1.9"), (-0.021, "-2.1"), (0, "0.0"), (0.0004, "+0.0"), (-0.0004, "-0.0"), (None, "–"),
     (float("nan"), "–"), (float("inf"), "–"), ("0.1", "–"), (True, "–"), (10**400, "–")],
)  # fmt: skip
def test_points(value: object, shown: str) -> None:
    assert fmt.points(value) == shown


def test_interval_and_signs() -> None:
    assert fmt.interval(0.012, 0.026) == "[+1.2, +2.6]"
    assert fmt.interval(None, 0.1) == ""
    assert [fmt.verdict_sign(v) for v in ("better", "worse", "no evidence", None)] == list("▲▼○○")
    assert [fmt.verdict_sign(v, ascii_only=True) for v in ("better", "worse", "x")] == ["^", "v", "o"]


@pytest.mark.parametrize(
    ("verdict", "low", "high", "colour"),
    [
        ("better", 0.01, 0.02, "better"),
        ("better", -0.01, 0.02, "none"),
        ("better", 0.0, 0.02, "none"),
        ("better", None, None, "none"),
        ("no evidence", 0.01, 0.02, "none"),
        ("worse", -0.02, -0.01, "worse"),
        ("worse", -0.02, 0.01, "none"),
    ],
)
def test_an_interval_that_crosses_zero_has_no_colour(verdict: str, low: Any, high: Any, colour: str) -> None:
    assert fmt.tone(verdict, low, high) == colour


def test_log_loss_is_not_in_points(bodies: dict[str, Any]) -> None:
    body = {**bodies["trial"], "metric": "log_loss"}
    page = html.render({**bodies["improve"], "metric": "log_loss"})
    for text in (show("trial", body), markdown.trial(body), page):
        assert not re.search(r"\bpp\b", text)
    assert "+0.034 [+0.011, +0.057]" in show("trial", body)


def test_times() -> None:
    assert [fmt.minutes(m) for m in (0, 0.5, 3, 80, None)] == ["0 min", "30 s", "3 min", "1 h 20 min", "–"]
    assert [fmt.seconds(s) for s in (3.14, 72, None)] == ["3.1 s", "1 min 12 s", "–"]
    assert fmt.stamp("2026-11-21T09:06:12+00:00") == "2026-11-21 09:06 UTC"
    assert fmt.stamp("yesterday") == "yesterday"


def test_sentence(bodies: dict[str, Any]) -> None:
    result = bodies["improve"]
    head = "Accuracy on 288 evaluation rows that decided nothing: 81.0 % → 84.0 %, +3.0 points [+0.8, +5.2]: "
    assert fmt.sentence(result) == head + "better."
    unsure = {**result, "gain": {**result["gain"], "verdict": "no evidence"}}
    assert (
        fmt.sentence(unsure)
        == head + "no evidence of a change. These rows can show a change of 3.1 points or more."
    )
    assert fmt.sentence({**result, "gain": None}).endswith("81.0 %; nothing was changed.")
    assert fmt.sentence({}).endswith("not measured.")


# golden files


def check_golden(name: str, text: str, update: bool) -> None:
    path = GOLDEN / name
    if update:
        path.write_text(text, encoding="utf-8", newline="\n")
    assert text == path.read_text("utf-8"), (
        f"{name} changed: run TILTH_GOLDEN=1 pytest {__file__} and read the diff"
    )


@pytest.fixture
def update() -> bool:
    import os

    return os.environ.get("TILTH_GOLDEN") == "1"


def test_golden_page(bodies: dict[str, Any], update: bool) -> None:
    check_golden("report.html", html.render(bodies["improve"]), update)


def test_golden_markdown(bodies: dict[str, Any], update: bool) -> None:
    check_golden("report.md", markdown.trial(bodies["trial"]), update)


def test_golden_terminal(bodies: dict[str, Any], update: bool) -> None:
    parts = []
    for width in (80, 110):
        for verb in VERBS:
            lines = [line.rstrip() for line in show(verb, bodies[verb], width).splitlines()]
            parts += [f"== tilth {verb}, {width} columns", *lines, ""]
    check_golden("terminal.txt", "\n".join(parts), update)


# the page


def test_page_has_no_script_and_no_address(bodies: dict[str, Any]) -> None:
    text = html.render(bodies["improve"])
    check_safe(text)
    assert not re.search(r"https?://|<script|onload=|@import|url\(", text, re.IGNORECASE)


def test_policy_allows_this_style_and_nothing_else(bodies: dict[str, Any]) -> None:
    text = html.render(bodies["improve"])
    policy = next(m["content"] for m in Page(text).every("meta") if m.get("http-equiv"))
    style = text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style


def test_every_chart_has_its_numbers_in_words(bodies: dict[str, Any]) -> None:
    """A drawing is hidden from screen readers only where a table cell or a text beside it says the same."""
    page = check_safe(html.render(bodies["improve"]))
    charts = [(a, where) for n, a, where in page.found if n == "svg" and "svg" not in where]
    assert len(charts) > 30
    for attrs, where in charts:
        assert attrs["aria-hidden"] == "true"
        assert "table" in where or "article" in where
    tables = list(page.every("table"))
    assert tables
    assert sum(1 for _ in page.every("caption")) == len(tables)
    ids = [a["id"] for _, a, _ in page.found if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"] for a in page.every("a")} <= {f"#{i}" for i in ids}


def test_page_order_and_words(bodies: dict[str, Any]) -> None:
    text = html.render(bodies["improve"])
    heads = re.findall(r"<h2[^>]*>(.*?)</h2>", text)
    assert heads == [
        "Before and after", "What was changed and why", "What was tried and not accepted",
        "What waits for a person", "Slices", "Classes", "Audit", "History", "How to read this",
    ]  # fmt: skip
    assert "Worse in 1 of 7 slices" in text
    assert "TIL203</bdi></code> leakage into evaluation" in text


def test_failed_check_is_loud_everywhere(bodies: dict[str, Any]) -> None:
    result = bodies["improve"]
    result = {**result, "audit": {**result["audit"], "failed": {"TIL202": "out of memory"}}}
    text = html.render(result)
    assert "Not clean: 1 check failed" in text
    assert text.count('class="box loud"') == 2
    assert "NOT CLEAN: 1 check" in show("improve", result)
    assert "No audit was made in this run" in html.render({**result, "audit": {}})


def test_not_applicable_is_not_clean(bodies: dict[str, Any]) -> None:
    reason = {"TIL204": "needs embeddings; the recipe text-embed.v1 has them"}
    body = {**bodies["audit"], "not_applicable": reason, "neighbours": {"recall": 0.71}}
    shown = show("audit", body)
    assert re.search(r"TIL204 +same meaning +not applicable", shown)
    assert "71.0 % of the nearest rows were found" in shown
    assert "nearest rows" not in show("audit", {**body, "neighbours": {"recall": 0.992}})
    page = html.render(
        {**bodies["improve"], "audit": {**bodies["improve"]["audit"], "not_applicable": reason}}
    )
    assert re.search(r"same meaning.{0,400}not applicable", page, re.S)


def test_only_clear_changes_are_coloured(bodies: dict[str, Any]) -> None:
    one = {"name": "s", "rows": 9, "value": 0.1, "low": -0.1, "high": 0.3, "verdict": "better"}
    result = {"slices": [one], "gain": {"value": 0.1, "low": -0.1, "high": 0.3, "verdict": "better"}}
    body = re.sub(r"<section id=\"reading\".*?</section>", "", html.render(result), flags=re.DOTALL)
    classes = [c for _, a, _ in Page(body).found for c in (a.get("class") or "").split()]
    assert "better" not in classes
    shown = show("trial", {"slices": [one], "effect": one, "verdict": "better"}, color="truecolor")
    assert "\x1b[38;2" not in shown


@pytest.mark.parametrize("text", [HOSTILE, LONG, "\u202e" * 50, "", " ", "\n" * 500])
def test_hostile_text_on_the_page(bodies: dict[str, Any], text: str) -> None:
    page = html.render(spoil(bodies["improve"], text))
    check_safe(page)
    assert len(page) < 600_000
    assert "<script" not in page
    body = page.partition("</style>")[2]
    assert "</style" not in body


def test_hostile_text_is_shown_as_it_is() -> None:
    assert data("<b>\u05d0") == "<bdi>&lt;b&gt;\u05d0</bdi>"
    assert data("a\u202eb") == "<bdi>a⟦U+202E⟧b</bdi>"
    assert data(LONG, 10) == '<bdi>xxxxxxxxxx</bdi><span class="muted">… 999,990 more characters</span>'


def test_tag_refuses_what_runs_or_fetches() -> None:
    for bad in ({"onclick": "x"}, {"style": "x"}, {"src": "x"}, {"href": "javascript:x"}):
        with pytest.raises(ValueError, match=r"report"):
            tag("a", **bad)


@pytest.mark.parametrize(
    "empty", [{}, {"patches": [], "slices": [], "worklist": [], "classes": [], "history": []}]
)
def test_empty_result(empty: dict[str, Any]) -> None:
    check_safe(html.render(empty))
    assert show("improve", empty).endswith("next: tilth status\n")


def test_missing_numbers_are_dashes(bodies: dict[str, Any]) -> None:
    for verb, body in bodies.items():
        assert "None" not in show(verb, nulled(body))
    page = html.render(nulled(bodies["improve"]))
    check_safe(page)
    assert "None" not in page
    assert "None" not in markdown.trial(nulled(bodies["trial"]))


# charts


def test_axis_holds_its_values() -> None:
    for values in ([0.0, 5.7], [-33.0, 4.0], [77.0, 88.0], [0.1], [], [1e-9, 2e-9], [-1e6, 1e6]):
        axis = svg.axis_of(values)
        assert all(axis.holds(v) for v in values)
        assert axis.low < axis.high
        assert 2 <= len(axis.ticks) <= 8


def test_one_wide_interval_does_not_press_the_others() -> None:
    axis = svg.forest_axis([(1.0, 0.0, 2.0), (2.0, 1.0, 3.0), (0.0, -300.0, 300.0)])
    assert axis.high <= 20
    assert "M5 -5L-1 0L5 5" in svg.interval_mark(axis, (0.0, -300.0, 300.0), "none")


# the terminal


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("width", [80, 100, 110])
def test_no_line_is_wider_than_the_terminal(bodies: dict[str, Any], verb: str, width: int) -> None:
    for line in show(verb, bodies[verb], width).splitlines():
        assert len(line) <= width


@pytest.mark.parametrize("verb", VERBS)
def test_no_number_is_cut(bodies: dict[str, Any], verb: str) -> None:
    """Narrow terminals fold words; the numbers of the wide table are all still there, whole."""
    wide = set(SMALL_NUMBER.findall(show(verb, bodies[verb], 300)))
    for width in (80, 64):
        narrow = show(verb, bodies[verb], width)
        assert "…" not in narrow
        assert wide <= set(SMALL_NUMBER.findall(narrow.replace("\n", " ")))


@pytest.mark.parametrize("verb", VERBS)
def test_last_line_is_the_next_command(bodies: dict[str, Any], verb: str) -> None:
    last = show(verb, bodies[verb]).splitlines()[-1]
    assert re.fullmatch(r"next: tilth [a-z]+.*", last)


def test_next_of_a_trial() -> None:
    good = {"patch": "abc", "verdict": "better", "effect": {"value": 0.1, "low": 0.05, "high": 0.15}}
    assert show("trial", good).endswith("next: tilth accept abc\n")
    worse = {**good, "slices": [{"name": "s", "verdict": "worse"}]}
    assert show("trial", worse).endswith("next: tilth propose\n")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("text", [HOSTILE, LONG, "\u4e2d" * 300])
def test_hostile_text_in_the_terminal(bodies: dict[str, Any], verb: str, text: str) -> None:
    shown = show(verb, spoil(bodies[verb], text))
    bad = [c for c in shown if c != "\n" and unicodedata.category(c) == "Cc"]
    assert not bad
    assert not re.search(r"[\u202a-\u202e\u2066-\u2069]", shown)
    assert len(shown) < 100_000


@pytest.mark.parametrize("verb", VERBS)
def test_ascii_terminal(bodies: dict[str, Any], verb: str) -> None:
    shown = show(verb, bodies[verb], 110, "ascii")
    assert shown.isascii()
    if verb in ("improve", "trial"):
        assert "^ better" in shown
        assert "v worse" in shown


def test_audit_limit(bodies: dict[str, Any]) -> None:
    raw = io.StringIO()
    terminal.audit(Console(file=raw, width=80), bodies["audit"], limit=1)
    assert "1 of 3 findings shown" in raw.getvalue()
    assert "TIL401 " in raw.getvalue()
    assert "has 24 rows" not in raw.getvalue()


# Markdown


def test_hostile_text_in_markdown(bodies: dict[str, Any]) -> None:
    text = markdown.trial(spoil(bodies["trial"], HOSTILE))
    outside = re.sub(r"(?<!\\)(`+)(?!`).+?(?<!`)\1(?!`)", "", text)
    assert "<script" not in outside
    assert not re.search(r"(?<!\\)!\[|(?<!\\)\]\(|://(?<!\u2060://)|@(?!\u2060)", outside)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", r)) for r in rows[:3]} == {8}
    assert {len(re.findall(r"(?<!\\)\|", r)) for r in rows[3:]} == {6}


def test_markdown_puts_what_got_worse_first(bodies: dict[str, Any]) -> None:
    lines = markdown.trial(bodies["trial"]).splitlines()
    assert lines[0] == "### ▲ better: Relabel 71 rows that are probably wrong"
    assert lines[2].startswith("**▼ Worse in 1 of 6 slices:** `queue = privacy`")
    slices = [line for line in lines if line.startswith("| `")]
    assert slices[0].startswith("| `queue = privacy`")
