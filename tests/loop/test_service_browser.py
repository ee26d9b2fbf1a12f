"""Monitor and Questions in a real browser: keys answer the question on the screen; WCAG is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from browser_kit import browser, chromium
from loop_kit import js
from page_kit import Server
from test_service import P, side_by_side, work

pytest.importorskip("fastapi", reason="the extra `review` is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine: the page is not tried"),
]
__all__ = ["work"]


@pytest.fixture(scope="module")
def site(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """The pages over a served project, with a look for drift."""
    js("drift", work / "p" / "releases" / "serve-state", *P, cwd=work)
    server = Server(work)
    try:
        with browser(tmp_path_factory.mktemp("browser")) as window:
            tab = window.tab()
            address = server.start()
            tab.open(address.replace("/?", "/monitor?"))
            tab.js("localStorage.setItem('tilth:reviewer', 'Ada')")
            yield SimpleNamespace(tab=tab, base=address.partition("?")[0].rstrip("/"), work=work)
    finally:
        server.kill()


def test_a_key_answers_the_question_on_the_screen(site: SimpleNamespace) -> None:
    tab, before = site.tab, js("escalations", *P, cwd=site.work)
    tab.open(site.base + "/questions")
    for q in before["questions"][:3]:
        tab.wait(f"document.getElementById('text').textContent === {q['text']!r}")
        tab.key("1")
    tab.wait(f"document.getElementById('standing').innerText.includes('{before['answered'] + 3} answered')")
    fourth = before["questions"][3]
    tab.wait(f"document.getElementById('text').textContent === {fourth['text']!r}")
    tab.key("c")
    tab.type("ship")
    tab.key("Enter")
    tab.wait(f"document.getElementById('standing').innerText.includes('{before['answered'] + 4} answered')")
    after = js("escalations", *P, cwd=site.work)
    assert after["open"] == before["open"] - 4
    from tilth.serve.state import State

    with State.open(site.work / "p" / "releases" / "serve-state") as state:
        first, last = (state.escalation(q["id"]) for q in (before["questions"][0], fourth))
    assert (first.label, first.person) == (before["questions"][0]["likely"][0]["label"], "Ada")
    assert last.label == "shipping"
    tab.key("s")
    tab.wait("document.getElementById('live').textContent === 'skipped'")
    assert js("escalations", *P, cwd=site.work)["open"] == after["open"]
    assert tab.faults() == []


def test_no_page_with_figures_breaks_a_rule(site: SimpleNamespace, tmp_path: Path) -> None:
    accessibility = pytest.importorskip("test_accessibility")
    if accessibility.axe() is None:
        pytest.skip("axe-core-python is not installed")
    path, broken = site.work / "p" / "tilth.toml", {}
    old = path.read_text("utf-8")

    def check(base: str, page: str, ready: str) -> None:
        for dark in (False, True):
            accessibility.look(site.tab, 1200, dark=dark)
            site.tab.open(base + page)
            site.tab.wait(ready)
            if found := accessibility.violations(site.tab):
                broken[page, ready, dark] = found
        accessibility.look(site.tab, 400)
        assert site.tab.js("document.documentElement.scrollWidth - window.innerWidth") <= 0, page

    check(site.base, "/monitor", "document.body.innerText.includes('Traffic')")
    check(site.base, "/questions", "!document.getElementById('standing').innerText.includes('Looking')")
    side_by_side(tmp_path / "s", 0.08).close()
    path.write_text(old.replace('[serve]\nstate = ""', f'[serve]\nstate = "{tmp_path / "s"}"'), "utf-8")
    other = Server(site.work)
    try:
        address = other.start()
        site.tab.open(address)
        base = address.partition("?")[0].rstrip("/")
        check(base, "/monitor", "document.body.innerText.includes('promote')")
    finally:
        other.kill()
        path.write_text(old, "utf-8")
    assert broken == {}
