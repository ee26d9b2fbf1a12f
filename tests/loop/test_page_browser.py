"""The review page in a real browser: keys, undo, search, hostile rows, killed servers and browsers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from browser_kit import WATCH, Tab, browser, chromium, sign_in
from loop_kit import js, lines, write
from page_kit import Server

from tilth.bodies import KINDS

pytest.importorskip("fastapi", reason="the extra `review` is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine: the page is not tried"),
]
EVIL = " <script>window.owned=1</script><b id=owned>\u202e"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SimpleNamespace]:
    """A project of which every row tries to break the page, its server, a browser and a tab of it."""
    train = [(a, b + EVIL, c, d) for a, b, c, d in lines(400, seed=1)]
    write(tmp_path / "train.csv", train)
    write(tmp_path / "eval.csv", lines(100, seed=2))
    js("ingest", "train.csv", "--eval", "eval.csv", "--project", "p", cwd=tmp_path)
    server = Server(tmp_path)
    try:
        with browser(tmp_path) as window:
            tab = window.tab()
            sign_in(tab, server.start(), "Ada")
            yield SimpleNamespace(folder=tmp_path, server=server, window=window, tab=tab)
    finally:
        server.kill()


def said(folder: Path) -> list[Any]:
    """Every verdict in the store, oldest first."""
    from tilth.project import Project

    with Project(folder / "p") as project:
        return project.workspace.store.verdicts("train", every=True)


def press(tab: Tab, keys: str, gap: float = 0.05) -> None:
    for key in keys:
        tab.key(key)
        time.sleep(gap)


def test_each_key_acts_on_the_row_that_is_painted(site: SimpleNamespace) -> None:
    tab = site.tab
    assert "<script>" in tab.js("document.getElementById('text').textContent")
    assert "⟦U+202E⟧" in tab.js("document.getElementById('text').textContent")
    tab.js(WATCH)
    errors = tab.js("document.getElementById('standing').innerText")
    press(tab, "kaxbs" * 6)
    tab.wait("document.getElementById('save').dataset.open === '0'")
    names = {"k": "keep", "a": "relabel", "x": "drop", "b": "ambiguous", "s": "skip"}
    found = [(v.row.id, v.said.decision) for v in said(site.folder)]
    rows = tab.js("window.tilthRows")
    assert found == [(row, names[key]) for row, key in zip(rows, "kaxbs" * 6, strict=True)]
    assert {v.reviewer for v in said(site.folder)} == {"Ada"}
    # after a batch of verdicts the number of errors left is another one
    tab.wait(f"document.getElementById('standing').innerText.split('Verdicts')[0] !== "
             f"{errors.split('Verdicts')[0]!r}")  # fmt: skip
    assert not tab.js("window.owned || document.getElementById('owned')")
    assert tab.faults() == []


def test_search_note_and_undo(site: SimpleNamespace) -> None:
    tab = site.tab
    row = tab.js("document.querySelector('#row-name code').textContent")
    tab.key("n")
    tab.wait("document.getElementById('noter').open")
    tab.type("a remark")
    tab.key("Enter")
    tab.wait("!document.getElementById('noter').open")
    given = tab.js("document.getElementById('given').textContent")
    wanted = next(c for c in ("refund", "shipping") if c != given)
    tab.key("c")
    tab.wait("document.getElementById('chooser').open")
    tab.type(wanted[:2] + wanted[-2:])  # letters in order, not one piece
    tab.wait(f"document.querySelector('#classes [aria-selected=true]')?.dataset.label === '{wanted}'")
    tab.key("Enter")
    tab.wait("document.getElementById('save').dataset.open === '0'")
    (first,) = said(site.folder)
    assert (first.row.id, first.said.label, first.said.note) == (row, wanted, "a remark")
    tab.key("u")
    tab.wait("document.getElementById('save').dataset.open === '0'")
    assert tab.js("document.querySelector('#row-name code').textContent") == row
    assert [v.said.decision for v in said(site.folder)] == ["relabel", "skip"]
    tab.key("?")
    tab.wait("document.getElementById('keys').open")


def test_a_killed_server_loses_and_doubles_nothing(site: SimpleNamespace) -> None:
    tab = site.tab
    tab.js(WATCH)
    press(tab, "ka" * 6)
    site.server.kill()
    press(tab, "kx" * 3)
    tab.wait("!document.getElementById('trouble').hidden")
    assert int(tab.js("document.getElementById('save').dataset.open")) >= 6
    again = site.server.start()
    site.window.tab().open(again)  # the person opens the new address; the old tab goes on by itself
    tab.wait("document.getElementById('save').dataset.open === '0'", 60)
    rows = tab.js("window.tilthRows")
    assert [v.row.id for v in said(site.folder)] == rows
    assert len(rows) == 18


def test_what_a_killed_browser_showed_as_saved_is_there(site: SimpleNamespace) -> None:
    tab = site.tab
    press(tab, "ka" * 5, gap=0.0)
    shown = tab.js("[...document.querySelectorAll('#past .mark.good')].length")
    site.window.kill()
    assert len(said(site.folder)) >= shown
    with browser(site.folder / "second") as window:
        tab = window.tab()
        sign_in(tab, site.server.address, "Ada")
        press(tab, "k")
        tab.wait("document.getElementById('save').dataset.open === '0'")
    found = [v.row.id for v in said(site.folder)]
    assert len(found) == len(set(found))


def test_a_browser_killed_while_the_server_is_down_loses_nothing(site: SimpleNamespace) -> None:
    tab = site.tab
    tab.js(WATCH)
    site.server.kill()
    press(tab, "kak")
    rows = tab.js("window.tilthRows")
    copies = "import('/static/keep.js').then((m) => m.all()).then((found) => found.length)"
    tab.wait(f"({copies}).then((n) => n === 3)", 5)
    site.window.kill()
    with browser(site.folder) as window:
        tab = window.tab()
        tab.open(site.server.start())
        tab.wait("location.pathname === '/'")
        tab.open(site.server.address.partition("?")[0] + "decide")
        tab.wait("document.getElementById('save').dataset.open === '0'", 60)
        tab.wait(f"({copies}).then((n) => n === 0)", 20)
    assert [v.row.id for v in said(site.folder)] == rows
    assert len(rows) == 3


def test_one_decision_for_a_set_by_keys_alone(site: SimpleNamespace) -> None:
    tab, base = site.tab, site.server.address.partition("?")[0]
    tab.open(f"{base}decide/set?least=0.3")
    tab.wait("document.querySelectorAll('#grid li').length > 9 && document.documentElement.dataset.ready")
    count = tab.js("Number(document.getElementById('count').dataset.count)")
    for key in ("ArrowDown", " ", "ArrowRight"):  # into the grid; select the first; one on
        tab.key(key)
    tab("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight", modifiers=8)
    tab.wait("document.getElementById('chosen').innerText.startsWith('2 cards')")
    ids = tab.js("[...document.querySelectorAll('#grid li')].slice(1, 3).map((c) => c.dataset.id)")
    tab.key("x")
    tab.wait("document.getElementById('ask').open")
    assert "drop: 2 rows" in tab.text()
    tab.key("y")
    tab.wait(
        "document.querySelectorAll('[data-undo]').length === 1 && document.documentElement.dataset.ready"
    )
    assert {v.row.id: v.said.decision for v in said(site.folder)} == dict.fromkeys(ids, "drop")
    tab.key("k")  # nothing is selected: all of them, but for those that have a verdict
    tab.wait("document.getElementById('ask').open")
    assert f"keep: {count - 2} rows" in tab.text()
    tab.key("y")
    tab.wait(
        "document.querySelectorAll('[data-undo]').length === 2 && document.documentElement.dataset.ready", 60
    )
    assert len(said(site.folder)) == count
    tab.key("u")
    tab.wait(
        "document.querySelectorAll('[data-undo]').length === 1 && document.documentElement.dataset.ready", 60
    )
    tab.key("u")
    tab.wait("document.querySelectorAll('[data-undo]').length === 0", 60)
    standing = {v.row.id: v.said.decision for v in said(site.folder)}
    assert (set(standing.values()), len(standing)) == ({"skip"}, count)
    assert tab.faults() == []
    assert not tab.js("window.owned")


def test_each_kind_of_row_is_text_and_nothing_else(site: SimpleNamespace) -> None:
    tab, evil = site.tab, EVIL + "javascript:alert(1) <img src=x onerror=owned=1> \u0007 {{ 7*7 }}"
    field = {"field": evil, "text": evil, "length": len(evil)}
    endless = {"field": "a", "text": "x" * 1_000_000, "length": 1_000_000}
    for body in (
        {"kind": "text", **field},
        {"kind": "text", **endless},
        {"kind": "pair", "panes": [field, endless]},
        {"kind": "table", "fields": [field, endless]},
        {"kind": "no such kind", **field},
    ):
        found = tab.js(f"""import('/static/bodies.js').then((m) => {{
            const main = document.getElementById('text'), other = document.getElementById('others');
            m.drawBodies(main, other, 'id', [{json.dumps(body)}]);
            return [main.textContent, main.querySelectorAll('script, img, a, b').length,
                    document.documentElement.scrollWidth - window.innerWidth]; }})""")
        assert found[1] == 0
        assert found[2] <= 0, body["kind"]
        assert "\u202e" not in found[0]
        assert ("{{ 7*7 }}" in found[0]) == (body["kind"] in KINDS and body.get("field") != "a")
        assert not tab.js("window.owned")
    assert tab.faults() == []


def test_a_pair_is_shown_in_two_panes_and_the_rest_of_a_long_text_on_demand(tmp_path: Path) -> None:
    rows = [
        (a, b, c, "y" * 30_000 if n == 0 else f"{b} answer", "mail")
        for n, (a, b, c, _) in enumerate(lines(200, seed=1))
    ]
    write(tmp_path / "train.csv", rows, header=("id", "text", "label", "reply", "channel"))
    write(tmp_path / "eval.csv", lines(100, seed=2))
    js("ingest", "train.csv", "--eval", "eval.csv", "--project", "p", cwd=tmp_path)
    settings = tmp_path / "p" / "tilth.toml"
    settings.write_text(settings.read_text().replace("pair = []", 'pair = ["text", "reply"]'))
    server = Server(tmp_path)
    try:
        with browser(tmp_path) as window:
            tab = window.tab()
            base, _, query = server.start().partition("?")
            tab.open(f"{base}decide?row={rows[0][0]}&{query}")
            tab.wait("document.querySelectorAll('#text .panes section').length === 2")
            assert rows[0][1] in tab.js("document.querySelector('#text .panes').innerText")
            assert "channel" in tab.js("document.getElementById('others').innerText")
            tab.js("document.querySelector('#text .more').click()")
            tab.wait("document.querySelectorAll('#text .text')[1].textContent.length === 30000")
            assert tab.js("document.querySelector('#text .more').hidden")
            tab.js("localStorage.setItem('tilth:reviewer', 'Ada')")
            tab.open(f"{base}decide?row={rows[0][0]}")
            tab.wait("!document.getElementById('desk').hidden")
            tab.wait("document.getElementById('standing').innerText.includes('Rows')")
            tab.key("w")
            tab.wait("getComputedStyle(document.querySelector('.grounds')).display === 'none'")
            tab.key("k")  # the address follows the row that is painted
            tab.wait(f"location.search.startsWith('?row=') && !location.search.endsWith('={rows[0][0]}')")
            tab.wait("document.getElementById('save').dataset.open === '0'")
            shown = tab.js("document.querySelector('#row-name code').textContent")
            tab.open(tab.js("location.href"))  # a link to a row leads to that row
            tab.wait("!document.getElementById('desk').hidden")
            assert tab.js("document.querySelector('#row-name code').textContent") == shown
            assert [v.row.id for v in said(tmp_path)] == [rows[0][0]]
            assert tab.faults() == []
    finally:
        server.kill()


def test_two_windows_have_different_rows_and_give_them_back(site: SimpleNamespace) -> None:
    from tilth.project import Project

    def held() -> dict[str, set[str]]:
        with Project(site.folder / "p") as project:
            found: dict[str, set[str]] = {}
            for lease in project.workspace.store.leases("train", time.time()):
                found.setdefault(lease.seat, set()).add(lease.id)
            return found

    row = "document.querySelector('#row-name code').textContent"
    other = site.window.tab()
    sign_in(other, site.server.address, "Ada")
    assert other.js(row) != site.tab.js(row)
    first, second = held().values()
    assert len(first) == len(second) == 40
    assert not first & second
    before = site.tab.js(row)
    site.tab("Page.reload")
    site.tab.wait(f"document.readyState === 'complete' && {row} === {before!r}")
    assert {len(x) for x in held().values()} == {40}
    press(other, "ok")  # asks for a second opinion, and keeps
    other.wait("document.getElementById('save').dataset.open === '0'")
    assert [(v.said.decision, v.said.role) for v in said(site.folder)] == [("keep", "ask")]
    other.open(site.server.address.partition("?")[0] + "patches")  # the page goes, and its rows with it
    end = time.monotonic() + 10
    while len(held()) > 1:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert site.tab.faults() == []
