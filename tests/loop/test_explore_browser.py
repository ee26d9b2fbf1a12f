"""Pages that lead to a decision, in a real browser: what is pressed there is done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from browser_kit import browser, chromium
from loop_kit import js, lines, write
from page_kit import Server

pytest.importorskip("fastapi", reason="the extra `review` is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine: the pages are not tried"),
]
READY = "!document.querySelector('meta[http-equiv=refresh]') && document.readyState === 'complete'"
COPY = "exactly the same words in this row and in another one of another class <img src=x>"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SimpleNamespace]:
    """A project with a weak slice, confused classes and copies, in a browser."""
    rows = []
    for number, (row, text, given, true) in enumerate(lines(400, seed=1, wrong=0.05)):
        bad = number % 5 == 0
        label = ("billing", "cards", "login", "refund")[number // 5 % 4] if bad else given
        rows.append((row, text + (" zonko plim" if bad else ""), label, true))
    rows += [("a1", COPY, "cards", ""), ("a2", COPY, "login", "")]
    write(tmp_path / "train.csv", rows)
    write(tmp_path / "eval.csv", lines(120, seed=2, wrong=0.0))
    js("ingest", "train.csv", "--eval", "eval.csv", "--project", "p", cwd=tmp_path)
    server = Server(tmp_path)
    try:
        with browser(tmp_path) as window:
            tab = window.tab()
            address = server.start()
            tab.open(address)
            tab.js("localStorage.setItem('tilth:reviewer', 'Ada')")
            base = address.partition("?")[0].rstrip("/")

            def visit(path: str) -> Any:
                tab.open(base + path)
                tab.wait(READY, 120)
                return tab

            yield SimpleNamespace(folder=tmp_path, window=window, tab=tab, visit=visit, base=base)
            assert [f for f in tab.faults() if "40" not in f and "422" not in f] == []
    finally:
        server.kill()


def click(tab: Any, selector: str) -> None:
    tab.wait(f"Boolean(document.querySelector({selector!r}))")
    tab.js(f"document.querySelector({selector!r}).click()")


def cli(site: SimpleNamespace, *argv: str) -> Any:
    return js(*argv, "--project", "p", cwd=site.folder)


def test_what_is_pressed_is_done(site: SimpleNamespace) -> None:
    tab = site.visit("/slices")
    click(tab, "[data-keep]")
    tab.wait("document.getElementById('keeper').open")
    tab.js("document.getElementById('floor').focus()")
    tab.type("60")
    click(tab, "#keeper button.main")
    tab.wait("[...document.querySelectorAll('tr .kind')].some((k) => k.textContent === 'named')", 90)
    assert "floors" in (site.folder / "p" / "tilth.toml").read_text("utf-8")

    tab = site.visit("/confusions")
    tab.js("document.querySelector('.matrix a').focus()")
    first = tab.js("document.activeElement.getAttribute('aria-label')")
    tab.key("ArrowDown")
    assert tab.js("document.activeElement.getAttribute('aria-label')") != first
    assert tab.js("document.activeElement.closest('.matrix') !== null")

    tab = site.visit("/duplicates")
    click(tab, "[data-same]")
    tab.wait("document.querySelector('.said').textContent.includes('Choose')")
    tab.js("document.querySelector('[data-label]').value = 'login'")
    click(tab, "[data-same]")
    tab.wait("document.querySelector('.said').textContent.includes('2 rows: login')", 60)
    assert cli(site, "verdict")["standing"].get("relabel", 0) >= 1
    click(tab, ".said button")
    tab.wait("document.querySelector('.said').textContent.includes('Undone')", 60)
    tab.js("document.querySelector('[data-label]').value = 'login'")
    click(tab, "[data-one]")
    tab.wait("location.pathname.startsWith('/patches/')", 60)
    tab.wait("document.querySelector('h1')?.textContent.includes('Keep row')", 30)

    tab.wait("document.getElementById('say')?.disabled === false")
    tab.js("document.getElementById('remark').value = 'fine <b>by me'; true")
    tab.js("document.getElementById('talker').value = 'Ada'; document.querySelector('#talk button').click()")
    tab.wait("document.querySelector('.talk li')?.textContent.includes('fine <b>by me')", 30)
    tab.wait(READY)
    click(tab, "[data-row]")
    tab.wait("!document.getElementById('partly').hidden")
    click(tab, "[data-do=part]")
    tab.wait("document.getElementById('provenance')?.textContent.includes('Revises')", 30)


def test_a_curve_shows_how_far_it_is(site: SimpleNamespace) -> None:
    tab = site.visit("/curve")
    click(tab, "[data-measure]")
    tab.wait("document.querySelector('[data-words]').textContent.includes('so far')", 60)
    tab.wait("Boolean(document.querySelector('.xy svg'))", 120)
    assert tab.js("document.querySelectorAll('.small-charts figure').length") > 2


def test_two_editors_of_the_guide_lose_nothing(site: SimpleNamespace) -> None:
    one = site.visit("/guide")
    one.js("document.getElementById('text').focus()")
    one.key("?")  # a question in a text is no wish to see the keys
    assert not one.js("document.getElementById('keys').open")
    assert one.js("document.getElementById('text').value.includes('?')")
    one.js("document.getElementById('text').blur()")
    one.key("?")
    one.wait("document.getElementById('keys').open")
    one.js("document.getElementById('keys').close(); document.getElementById('letters').click()")
    one.key("?")
    assert not one.js("document.getElementById('keys').open")  # single-letter keys are switched off
    one.js("document.getElementById('letters').click()")
    one = site.visit("/guide?between=nonsense")
    assert not one.faults()
    one = site.visit("/guide")
    two = site.window.tab()
    two.open(site.base + "/guide")
    for tab, word in ((one, "First."), (two, "Second.")):
        tab.wait("Boolean(document.getElementById('text'))")
        text = f"# Label guide\\n\\n## login\\n\\n{word}\\n"
        tab.js(f"document.getElementById('text').value = '{text}'; true")
        tab.js("document.getElementById('text').dispatchEvent(new Event('input'))")
        tab.wait(f"document.getElementById('preview').textContent.includes('{word}')", 30)
        tab.js("document.getElementById('author').value = 'Ada'; true")
        click(tab, "#save-guide")
        if tab is one:
            tab.wait("document.body.innerText.includes('This is version 1')", 30)
    two.wait("!document.getElementById('conflict').hidden", 30)
    assert "Second." in two.js("document.getElementById('text').value")
    assert "First." in (site.folder / "p" / "guide.md").read_text("utf-8")
    two.open(site.base + "/guide")  # the page is left: the text is still in the browser
    two.wait("!document.getElementById('kept').hidden", 30)
    click(two, "#bring")
    assert "Second." in two.js("document.getElementById('text').value")
    click(two, "#save-guide")
    two.wait("!document.getElementById('conflict').hidden", 30)
    click(two, "#meanwhile")
    two.wait("document.getElementById('theirs').value.includes('First.')", 30)
    click(two, "#anyway")
    two.wait("document.body.innerText.includes('This is version 2')", 30)
    assert [v["version"] for v in cli(site, "guide", "--history")["history"]] == [1, 2]


def test_a_version_comes_back_after_it_was_said_what_that_does(site: SimpleNamespace) -> None:
    patch = next(p["id"] for p in cli(site, "propose") if p["ops"].get("drop"))
    cli(site, "accept", patch, "--force", "to see")
    tab = site.visit("/history")
    click(tab, "[data-restore='train@1']")
    tab.wait("document.getElementById('back').open", 30)
    assert "Undoes 1 patch" in tab.text()
    click(tab, "#back button.main")
    tab.wait("document.body.innerText.includes('train@3')", 60)
    log = cli(site, "log")["versions"]
    assert log[-1]["id"] == log[0]["id"]
