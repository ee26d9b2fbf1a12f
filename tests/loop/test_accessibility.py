"""Every page by the rules of WCAG A and AA (axe-core), narrow, at 200 % zoom, and by keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from browser_kit import Tab, browser, chromium
from loop_kit import js, lines, tilth, write
from page_kit import Server
from reviewer_kit import PASSWORD
from reviewer_kit import Server as Team

pytest.importorskip("fastapi", reason="the extra `review` is not installed")


def axe() -> Path | None:
    """The checker's script, the newest that is installed; None where there is none."""
    for package in ("axe_playwright_python", "axe_core_python"):
        spec = find_spec(package)
        if spec is not None and spec.submodule_search_locations:
            return Path(spec.submodule_search_locations[0]) / "axe.min.js"
    return None


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine: the pages are not tried"),
    pytest.mark.skipif(axe() is None, reason="axe-core-python is not installed"),
]
RULES = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}"
READY = "!document.querySelector('meta[http-equiv=refresh]')"
"""The page does not reload itself to show what is being computed."""

STOPS = """
[...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')]
  .filter((e) => !e.disabled && e.checkVisibility({visibilityProperty: true}))
  .filter((e) => !e.closest('dialog:not([open])'))
  .map((e, i) => { e.dataset.stop = String(i); return String(i); })
"""
"""Numbers everything that the Tab key should reach."""
FOCUS = """
(() => { const e = document.activeElement, s = getComputedStyle(e);
  return [e.dataset.stop ?? null, s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0]; })()
"""
"""Number of what has the focus, and whether that can be seen."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A project with findings, verdicts, patches, a trial and two versions, in a browser."""
    folder = tmp_path_factory.mktemp("site")
    write(folder / "train.csv", lines(400, seed=1))
    write(folder / "eval.csv", lines(100, seed=2))
    js("ingest", "train.csv", "--eval", "eval.csv", "--project", "p", cwd=folder)
    patch = js("propose", "--project", "p", cwd=folder)[0]["id"]
    assert tilth("trial", patch, "--project", "p", cwd=folder).code in (0, 3, 4)
    js("accept", patch, "--force", "a version to look at", "--project", "p", cwd=folder)
    server = Server(folder)
    try:
        with browser(folder) as window:
            tab = window.tab()
            address = server.start()
            tab.open(address)
            tab.js("localStorage.setItem('tilth:reviewer', 'Ada')")
            tab.wait(READY, 120)
            base = address.partition("?")[0].rstrip("/")
            yield SimpleNamespace(tab=tab, base=base, patch=patch, paths=paths(tab, base, patch))
    finally:
        server.kill()


def paths(tab: Tab, base: str, patch: str) -> list[str]:
    """Every page that the navigation leads to, from any of them, and those behind them."""
    found = ["/"]
    for path in found:
        tab.open(base + path)
        tab.wait("document.querySelectorAll('nav a[href]').length > 3")
        links = tab.js("[...document.querySelectorAll('nav a[href]')].map((a) => a.getAttribute('href'))")
        found += dict.fromkeys(link for link in links if link.startswith("/") and link not in found)
    behind = [
        f"/patches/{patch}",
        "/patches/none",
        "/decide/set?given=billing",
        "/decide/set?given=none",
        "/history/compare?a=train@1&b=train@2",
        "/questions",
    ]
    return [*found, *behind]


def look(tab: Tab, width: int, *, dark: bool = False, zoom: float = 1) -> None:
    """Set the window; a zoomed page has fewer CSS pixels in the same window."""
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    tab("Emulation.setEmulatedMedia", features=scheme)
    size = {"width": int(width / zoom), "height": int(800 / zoom), "deviceScaleFactor": zoom}
    tab("Emulation.setDeviceMetricsOverride", **size, mobile=False)


def visit(site: SimpleNamespace, path: str) -> None:
    site.tab.open(site.base + path)
    site.tab.wait(READY, 120)
    site.tab.wait("!document.querySelector('[aria-busy=true]')", 60)


def violations(tab: Tab) -> list[str]:
    script = axe()
    assert script is not None
    if not tab.js("Boolean(window.axe)"):
        tab.js(script.read_text("utf-8") + "; true")
    found: list[dict[str, Any]] = tab.js(f"axe.run(document, {RULES}).then((r) => r.violations)")
    return [f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:160]} ({len(v['nodes'])})" for v in found]


def test_no_page_breaks_a_rule(site: SimpleNamespace) -> None:
    broken = {}
    for path in site.paths:
        for dark in (False, True):
            look(site.tab, 1200, dark=dark)
            visit(site, path)
            if found := violations(site.tab):
                broken[path, "dark" if dark else "light"] = found
    assert broken == {}
    assert [f for f in site.tab.faults() if "404" not in f] == []  # "/patches/none" is asked for on purpose


def test_the_login_breaks_no_rule_either(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", lines(100, seed=1))
    js("ingest", "train.csv", "--project", "p", cwd=tmp_path)
    server = Team(tmp_path, ["Ana"])
    try:
        server.start()
        base = f"http://127.0.0.1:{server.port}"
        with browser(tmp_path) as window:
            tab = window.tab()
            for path in ("/patches", "/login?next=x"):
                for width, zoom, dark in ((1200, 1.0, False), (400, 1.0, True), (1200, 2.0, False)):
                    look(tab, width, zoom=zoom, dark=dark)
                    tab.open(base + path)
                    tab.wait("document.querySelector('form[action=\"/login\"]') !== null")
                    assert violations(tab) == []
                    assert tab.js("document.documentElement.scrollWidth <= window.innerWidth")
            enter(tab, "wrong")
            tab.wait("document.querySelector('[role=alert]') !== null", 60)
            assert violations(tab) == []
            assert tab.js("document.activeElement.id") == "password"
            enter(tab, PASSWORD)
            tab.wait("document.querySelector('.whoami') !== null", 60)
            tab.open(base + "/decide")
            tab.wait("!document.getElementById('desk').hidden", 120)
            assert tab.js("document.getElementById('name').value") == "Ana"
            assert tab.js("document.getElementById('name').readOnly")  # nobody acts in another's name
            assert violations(tab) == []
            tab.js("document.querySelector('.whoami button').click()")
            tab.wait("location.pathname === '/login' && document.readyState === 'complete'")
    finally:
        server.kill()


def enter(tab: Tab, password: str) -> None:
    tab.js("document.getElementById('name').value = 'Ana'; document.getElementById('password').focus()")
    tab.type(password)
    tab.key("Enter")


def test_no_page_is_wider_than_a_narrow_window(site: SimpleNamespace) -> None:
    wide = {}
    for path in site.paths:
        for width, zoom in ((1200, 1.0), (1200, 2.0), (400, 1.0)):
            look(site.tab, width, zoom=zoom)
            visit(site, path)
            over = site.tab.js("document.documentElement.scrollWidth - window.innerWidth")
            if over > 0:
                wide[path, width, zoom] = over
    assert wide == {}


def test_the_keyboard_reaches_everything_and_is_seen(site: SimpleNamespace) -> None:
    look(site.tab, 1200)
    missed = {}
    for path in site.paths:
        visit(site, path)
        wanted = set(site.tab.js(STOPS))
        unseen = set()
        for _ in range(2 * len(wanted) + 4):
            site.tab.key("Tab")
            stop, shown = site.tab.js(FOCUS)
            wanted.discard(stop)
            if stop is not None and not shown:
                unseen.add(stop)
            if not wanted:
                break
        names = site.tab.js(
            f"[...document.querySelectorAll('[data-stop]')].filter((e) => {sorted(wanted | unseen)!r}"
            ".includes(e.dataset.stop)).map((e) => e.outerHTML.slice(0, 120))"
        )
        if names:
            missed[path] = names
    assert missed == {}
