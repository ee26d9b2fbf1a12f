"""All pages of a project in which everything is hostile, and requests that no page of ours would send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_kit import browser, chromium
from hostile_kit import EVIL, Markup, hostile, pages_of, say
from page_kit import Server

pytest.importorskip("fastapi", reason="the extra `review` is not installed")
pytest.importorskip("httpx", reason="httpx, which drives the server in tests, is not installed")

from client_kit import PORT, TOKEN, client_of, until

JSON = {"content-type": "application/json"}
HALF = r"\ud800"
"""Half of a surrogate pair, as JSON spells it."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("hostile")
    (made / "patch").write_text(hostile(made))
    with client_of(made / "p") as client:
        say(client)
    return made


@pytest.fixture(scope="module")
def page(folder: Path) -> Iterator[Any]:
    with client_of(folder / "p") as client:
        client._transport.raise_server_exceptions = False
        yield client


def test_no_page_takes_data_for_markup(page: Any, folder: Path) -> None:
    faults, empty = {}, []
    for path in pages_of(page, (folder / "patch").read_text()):
        answer = page.get(path)
        until(lambda path=path: "http-equiv" not in page.get(path).text)
        text = page.get(path).text
        assert answer.status_code in (200, 404, 422), (path, answer.status_code)
        assert "text/html" in answer.headers["content-type"], path
        found = Markup(text).faults
        if path.startswith("/guide"):  # the text of the guide stands in an editor as it is
            found = [f for f in found if "# Label guide" not in f]
        if found:
            faults[path] = found
        if "&lt;script&gt;" not in text:
            empty.append(path)
    assert faults == {}
    assert empty == []  # each page shows at least the project's name, or the test would prove nothing


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing", 404), ("/patches/a/b", 404), ("/guide?a=x", 422), ("/history/compare", 422),
        ("/duplicates?threshold=x", 422), ("/decide/set?start=x", 422),
        ("/decide/set?start=" + "9" * 5000, 422),
        ("/history/compare?a=train@1&b=train@1&page=" + "9" * 30, 200),
    ],
)  # fmt: skip
def test_a_person_who_goes_astray_gets_a_page(page: Any, path: str, status: int) -> None:
    answer = page.get(path)
    assert answer.status_code == status
    assert "text/html" in answer.headers["content-type"]
    assert "<main" in answer.text
    assert "invalid literal" not in answer.text


def test_a_script_that_goes_astray_gets_json(page: Any) -> None:
    for path, status in (("/api/nothing", 404), ("/api/queue?offset=x", 422), ("/static/nothing.js", 404)):
        answer = page.get(path)
        assert (answer.status_code, set(answer.json())) == (status, {"error", "message"})
    far = page.get("/api/diff", params={"a": "train@1", "b": "train@1", "start": "9" * 30})
    assert (far.status_code, far.json()["ops"]) == (200, [])


@pytest.mark.parametrize(
    "body",
    [
        '{"reviewer": "x", "items": NaN}', f'{{"reviewer": "x", "items": "{HALF}"}}', "[" * 9_000, "[]", "{}",
        '{"reviewer": "x", "items": [{"key": 1e999, "id": "r001", "verdict": "keep"}]}', "null", "\x00",
    ],
)  # fmt: skip
def test_a_body_that_is_none_is_refused_in_words(page: Any, body: str) -> None:
    answer = page.post("/api/verdicts", content=body, headers=JSON)
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"].startswith("application/json")


def test_texts_that_no_encoding_knows_are_kept_or_refused(page: Any) -> None:
    item = {"key": "half", "id": "r004", "verdict": "keep", "note": "\ud800"}
    body = json.dumps({"reviewer": "h\ud800", "items": [item]})
    assert page.post("/api/verdicts", content=body, headers=JSON).json()["new"] == 1
    for path in ("/api/reviewers", "/", "/decide/set?copies=r004"):
        assert page.get(path).status_code == 200
    unknown = page.post("/api/lease", content=f'{{"reviewer": "x", "queue": "{HALF}"}}', headers=JSON)
    assert unknown.status_code == 422


def test_what_has_no_key_is_not_taken_as_known_already(page: Any) -> None:
    item = {"key": "", "id": "r006", "verdict": "keep"}
    said = page.post("/api/verdicts", json={"reviewer": "x", "items": [item]}).json()
    assert (said["saved"], len(said["refused"])) == ([], 1)
    body = {"key": "", "decision": "keep", "reviewer": "x", "ids": ["r006"]}
    assert page.post("/api/sets/decide", json=body).status_code == 422


@pytest.mark.parametrize("before", ['prefs={"a": 1, "b": "c d"}', "a[b]=c; d", "x=\xe4", "=; ;;"])
def test_cookies_of_other_programs_on_this_machine_lock_nobody_out(page: Any, before: str) -> None:
    cookie = f"{before}; tilth-{PORT}={TOKEN}; more=1".encode("latin-1")
    headers = {"Authorization": "", "Cookie": cookie}
    assert page.get("/api/patches", headers=headers).status_code == 200
    wrong = {"Authorization": "", "Cookie": f"{before}; xtilth-{PORT}={TOKEN}".encode("latin-1")}
    assert page.get("/api/patches", headers=wrong).status_code == 401


@pytest.mark.slow
@pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine: the pages are not tried")
def test_nothing_of_it_runs_in_a_browser(folder: Path, page: Any) -> None:
    paths = [p for p in pages_of(page, (folder / "patch").read_text()) if page.get(p).status_code == 200]
    server, wide = Server(folder), {}
    try:
        with browser(folder) as window:
            tab = window.tab()
            base, _, query = server.start().partition("?")
            tab.open(f"{base}?{query}")
            tab.js(f"localStorage.setItem('tilth:reviewer', {json.dumps(EVIL)})")
            for path in paths:
                tab.open(base.rstrip("/") + path)
                tab.wait(
                    "document.readyState === 'complete' && !document.querySelector('[aria-busy=true]')", 60
                )
                tab.js("[...document.querySelectorAll('details')].forEach((d) => { d.open = true; })")
                if path == "/decide":
                    tab.wait("!document.getElementById('desk').hidden", 60)
                if path == "/map":
                    tab.js("document.getElementById('over').focus()")
                    tab.key("Enter")
                    tab.wait("document.querySelectorAll('#list tr').length > 0", 60)
                assert not tab.js("window.owned || document.querySelector('img, [onclick], iframe')"), path
                if (over := tab.js("document.documentElement.scrollWidth - window.innerWidth")) > 0:
                    wide[path] = over
            assert wide == {}
            refused = [f for f in tab.faults() if "Content Security Policy" in f]
            assert refused == []
    finally:
        server.kill()
