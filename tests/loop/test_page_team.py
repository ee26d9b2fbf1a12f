"""The page for a team: who gets in, in whose name things happen, and what is refused."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loop_kit import tilth

pytest.importorskip("fastapi", reason="the extra `review` is not installed")
pytest.importorskip("httpx", reason="httpx, which drives the server in tests, is not installed")

from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from tilth.errors import InputError
from tilth.project import Project
from tilth.review.guard import passwords
from tilth.review.guard.login import Attempts
from tilth.review.server import application
from tilth.review.team import Team

PORT = 8765
HERE, NAME = f"http://127.0.0.1:{PORT}", "review.example.org"
SECRET = "correct horse battery"
TOKEN = "the-token-of-this-start"


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords that cost a millisecond."""
    monkeypatch.setattr(passwords, "LOG_N", 10)
    monkeypatch.setattr(passwords, "NOBODY", passwords.NOBODY.replace("$15$", "$10$"))


class Site:
    """A project's page for a team."""

    def __init__(self, folder: Path, **team: Any) -> None:
        self.clock, self.project = Clock(), Project(folder / "p")
        made = Team(allow_hosts=(NAME,), **team)
        self.app, self.desk = application(self.project, token=TOKEN, port=PORT, team=made, clock=self.clock)

    def client(self, address: str = "192.0.2.7", base: str = HERE, **more: Any) -> TestClient:
        return TestClient(self.app, base_url=base, client=(address, 50_000), follow_redirects=False, **more)

    def login(self, name: str = "Ana", password: str = SECRET, **more: Any) -> TestClient:
        client = self.client(**more)
        answer = client.post("/login", data={"name": name, "password": password, "next": "/patches"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/patches")
        return client

    def close(self) -> None:
        while self.desk._planner is not None and self.desk._planner.is_alive():
            time.sleep(0.05)
        self.desk.close()
        self.project.close()


@pytest.fixture
def site(work: Path, cheap: None) -> Iterator[Site]:
    for name in ("Ana", "Bén"):
        passwords.add(work / "people", name, SECRET)
    found = Site(work, password_file=work / "people")
    yield found
    found.close()


@pytest.fixture
def behind(work: Path) -> Iterator[Site]:
    found = Site(work, proxy_header="X-Forwarded-User", proxy_from=("192.0.2.1", "2001:db8::/126"))
    yield found
    found.close()


@pytest.mark.parametrize("path", ["/api/patches", "/decide", "/api/openapi.json", "/static/decide.js"])
def test_nothing_is_shown_before_the_login(site: Site, path: str) -> None:
    client = site.client()
    assert client.get(path).status_code == 401
    sent = client.get(path + "?a=b", headers={"Accept": "text/html"})
    assert (sent.status_code, sent.headers["location"]) == (
        303, "/login?next=" + path.replace("/", "%2F") + "%3Fa%3Db"
    )  # fmt: skip
    for headers in ({"Authorization": f"Bearer {TOKEN}"}, {"Cookie": f"tilth-{PORT}={TOKEN}"}):
        assert client.get(path, headers=headers).status_code == 401
    assert client.get(path, params={"token": TOKEN}).status_code == 401
    assert client.get(path, headers={"X-Forwarded-User": "Ana"}).status_code == 401
    assert site.login().get(path).status_code == 200


def test_the_form_and_its_cookie(site: Site) -> None:
    form = site.client().get("/login?next=/patches%22%3E%3Cscript%3E")
    assert (form.status_code, "<script>" in form.text) == (200, False)
    assert "default-src 'none'" in form.headers["content-security-policy"]
    for path in ("/static/login.css", "/report.css"):
        assert site.client().get(path).status_code == 200
    answer = site.client().post("/login", data={"name": "Bén", "password": SECRET, "next": "//evil.test/x"})
    assert answer.headers["location"] == "/evil.test/x"
    cookie = answer.headers["set-cookie"]
    assert all(x in cookie for x in (f"tilth-{PORT}=", "HttpOnly", "SameSite=Lax", "Max-Age=43200"))
    assert "Secure" not in cookie
    tls = {"Host": NAME, "Origin": f"https://{NAME}"}
    answer = site.client().post("/login", data={"name": "Ana", "password": SECRET}, headers=tls)
    assert answer.headers["set-cookie"].endswith("; Secure")
    client = site.login()
    left = client.post("/logout")
    assert (left.status_code, "Max-Age=0" in left.headers["set-cookie"]) == (303, True)
    assert client.get("/api/patches").status_code == 401


def test_a_copy_of_a_cookie_is_worth_nothing_after_the_logout(site: Site, work: Path) -> None:
    client, other = site.login(), site.login("Bén")
    (value,) = client.cookies.values()
    copy = {"Cookie": f"tilth-{PORT}={value}"}
    stranger = site.client()
    assert stranger.get("/api/patches", headers=copy).status_code == 200
    client.post("/logout")
    assert stranger.get("/api/patches", headers=copy).status_code == 401
    assert other.get("/api/patches").status_code == 200
    made = Team(allow_hosts=(NAME,), password_file=work / "people")
    again, _ = application(site.project, token=TOKEN, port=PORT, team=made, clock=site.clock)
    restarted = TestClient(again, base_url=HERE)
    assert restarted.get("/api/patches", headers=copy).status_code == 401
    ended = work / "p" / "data" / "session.ended"
    before = ended.read_text()
    stranger.post("/logout", headers={"Cookie": f"tilth-{PORT}={value[:-1]}0"})  # no login, nothing to keep
    assert ended.read_text() == before
    site.clock.now += 12 * 3600
    site.login().post("/logout")
    assert len(ended.read_text().splitlines()) == 1  # what is over anyway is forgotten


def test_a_password_file_that_is_gone_lets_nobody_in(site: Site, work: Path) -> None:
    client = site.login()
    kept = (work / "people").read_bytes()
    for text in (None, b"garbage\n"):
        (work / "people").unlink(missing_ok=True)
        if text is not None:
            (work / "people").write_bytes(text)
        for answer in (
            client.get("/api/patches"),
            site.client().post("/login", data={"name": "Ana", "password": SECRET}),
        ):
            assert (answer.status_code, "password file" in answer.text, "people" in answer.text) == (
                503,
                True,
                False,
            )
    (work / "people").write_bytes(kept)
    assert client.get("/api/patches").status_code == 200


def test_a_login_ends(site: Site, work: Path) -> None:
    client = site.login()
    assert client.get("/api/patches").status_code == 200
    site.clock.now += 12 * 3600
    assert client.get("/api/patches").status_code == 401
    client = site.login()
    passwords.add(
        work / "people", "Ana", "another password"
    )  # and the cookies of the old one are worth nothing
    assert client.get("/api/patches").status_code == 401
    other = site.login("Bén")
    (work / "people").write_text("".join((work / "people").read_text().splitlines(True)[1:]))
    assert other.get("/api/patches").status_code == 401  # taken out of the file


def test_a_cookie_is_not_forged(site: Site, work: Path) -> None:
    client = site.login()
    (value,) = client.cookies.values()
    who, until, mac = value.split(".")
    ben = base64.urlsafe_b64encode("Bén".encode()).decode().rstrip("=")
    forged = (
        f"{ben}.{until}.{mac}", f"{who}.{int(until) + 1}.{mac}", f"{who}.{until}.",
        f"{who}.{until}.{mac[:-1]}0",
        f"{who}.9999999999999999999.{mac}", f"{who}.-1.{mac}", "a.b", "..", f"{who}.{until}.é", "x" * 5_000,
    )  # fmt: skip
    stranger = site.client()
    for found in forged:
        if found != value:
            sent = {"Cookie": f"tilth-{PORT}={found}".encode()}
            assert stranger.get("/api/patches", headers=sent).status_code == 401, found
    # the cookie of another server on this machine, under its name and under ours
    sent = {"Cookie": f"tilth-9999={value}"}
    assert stranger.get("/api/patches", headers=sent).status_code == 401
    made = Team(allow_hosts=(NAME,), password_file=work / "people")
    elsewhere, _ = application(site.project, token=TOKEN, port=9999, team=made, clock=site.clock)
    there = TestClient(elsewhere, base_url="http://127.0.0.1:9999")
    sent = {"Cookie": f"tilth-9999={value}"}
    assert there.get("/api/patches", headers=sent).status_code == 401


def test_guessing_has_an_end(site: Site) -> None:
    client = site.client()

    def guess(name: str, password: str = "wrong", **more: Any) -> int:
        return int(site.client(**more).post("/login", data={"name": name, "password": password}).status_code)

    assert [guess("Ana") for _ in range(5)] == [401] * 5
    late = client.post("/login", data={"name": "Ana", "password": SECRET})
    assert (late.status_code, 0 < int(late.headers["retry-after"]) <= 901) == (429, True)
    assert guess("Ana", SECRET, address="192.0.2.8") == 303  # from elsewhere she gets in
    assert guess("Bén", SECRET) == 303
    site.clock.now += 901
    assert guess("Ana", SECRET) == 303
    # from many addresses
    assert [guess("Ana", address=f"192.0.2.{i}") for i in range(30)] == [401] * 30
    assert guess("Ana", SECRET, address="192.0.2.99") == 429
    # the limit does not tell whether there is such a name
    assert [guess("nobody") for _ in range(6)] == [401] * 5 + [429]
    assert [guess("nobody at all", address=f"192.0.2.{i}") for i in range(31)] == [401] * 30 + [429]


def test_attempts_are_forgotten_one_by_one() -> None:
    clock = Clock()
    found = Attempts(clock)
    found.KEPT = 3  # type: ignore[misc]
    for i in range(10):
        assert found.wait(((str(i),), 1)) == 0
    assert len(found._failed) == 3
    assert found.wait((("9",), 1)) == Attempts.WINDOW
    found.forgive(("9",))
    assert found.wait((("9",), 1)) == 0


def test_a_name_that_there_is_not_takes_as_long(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passwords.add(work / "people", "Ana", SECRET)
    costs: list[tuple[int, int, int]] = []
    right = passwords._hash

    def hashed(password: str, log_n: int, r: int, p: int, salt: bytes) -> bytes:
        costs.append((log_n, r, p))
        return right(password, log_n, r, p, salt)

    monkeypatch.setattr(passwords, "_hash", hashed)
    found = passwords.People(work / "people")
    assert found.check("Ana", SECRET)
    assert not found.check("Ana", SECRET + " ")
    assert not found.check("nobody", "")
    assert costs == [(15, 8, 1)] * 3
    if os.name == "posix":
        assert not found.open_to_others()
        (work / "people").chmod(0o644)
        assert found.open_to_others()


def test_names_come_from_the_login_and_from_nowhere_else(site: Site) -> None:
    ana, ben = site.login(), site.login("Bén")
    wanted = {"reviewer": "", "n": 5}
    rows = ana.post("/api/lease", json=wanted).json()["rows"]
    assert len(rows) == 5
    assert not set(rows) & set(ben.post("/api/lease", json=wanted).json()["rows"])
    items = [{"key": "k1", "id": rows[0], "verdict": "keep"}]
    forged = ben.post("/api/verdicts", json={"reviewer": "Ana", "items": items})
    assert (forged.status_code, "logged in as Bén" in forged.text) == (403, True)
    assert ben.post("/api/lease", json={"reviewer": "Ana"}).status_code == 403
    assert ben.get("/api/queue", params={"reviewer": "Ana"}).status_code == 403
    assert ana.post("/api/verdicts", json={"reviewer": "Ana", "items": items}).json()["new"] == 1
    assert (
        ana.post("/api/verdicts", json={"items": [{**items[0], "key": "k2", "id": rows[1]}]}).json()["new"]
        == 1
    )
    said = site.project.workspace.store.verdicts("train", every=True)
    assert [v.reviewer for v in said] == ["Ana", "Ana"]
    as_form = {"Content-Type": "text/plain"}
    body = json.dumps({"reviewer": "Ana", "items": items})
    assert ben.post("/api/verdicts", content=body, headers=as_form).status_code == 415
    assert (
        ben.post("/api/verdicts", content=b"{", headers={"Content-Type": "application/json"}).status_code
        == 422
    )
    drop = [{"key": "k3", "id": rows[2], "verdict": "drop"}]
    assert ana.post("/api/verdicts", json={"items": drop}).json()["new"] == 1
    ref = ana.post("/api/relabel", json={}).json()["id"]
    assert ben.post(f"/api/patches/{ref}/reject", json={"author": "Ana", "reason": "no"}).status_code == 403
    assert (
        ben.post(f"/api/patches/{ref}/reject", json={"author": "person", "reason": "no"}).status_code == 200
    )
    assert "by <bdi>Bén</bdi>" in ana.get(f"/patches/{ref}").text
    assert '<meta name="tilth-reviewer" content="Bén">' in ben.get("/decide").text
    assert 'action="/logout"' in ben.get("/decide").text


def test_whom_a_proxy_lets_in_is_not_offered_a_way_out_that_there_is_not(behind: Site) -> None:
    page = behind.client("192.0.2.1").get("/decide", headers={"X-Forwarded-User": "Ana"})
    assert ("<bdi>Ana</bdi>" in page.text, "/logout" in page.text) == (True, False)


@pytest.mark.parametrize("kind", ["site", "behind"])
def test_what_the_guard_refuses_it_refuses_a_team_too(request: pytest.FixtureRequest, kind: str) -> None:
    found: Site = request.getfixturevalue(kind)
    if kind == "site":
        client, more = found.login(), {}
    else:
        client, more = found.client("192.0.2.1"), {"X-Forwarded-User": "Ana"}

    def post(**headers: str) -> int:
        sent = more | {k.replace("_", "-"): v for k, v in headers.items()}
        return int(client.post("/api/lease", json={"n": 1, "reviewer": ""}, headers=sent).status_code)

    assert post() == 200
    assert post(Host="evil.test") == 421
    assert post(Host=f"{NAME}.evil.test") == 421
    assert post(Host=f"{NAME}:8443", Origin=f"https://{NAME}:8443", Sec_Fetch_Site="same-origin") == 200
    assert post(Host=NAME, Origin=f"http://{NAME}") == 200
    assert post(Host=NAME, Origin="https://evil.test") == 403
    assert post(Host=NAME, Origin=f"https://{NAME}.evil.test") == 403
    assert post(Host=NAME, Origin=f"https://{NAME}:8443") == 403
    assert post(Origin=f"https://127.0.0.1:{PORT}") == 403  # this machine speaks plain HTTP
    assert post(Host=NAME, Sec_Fetch_Site="cross-site") == 403
    for path in ("/", "/api/lease", "/login"):
        with pytest.raises(WebSocketDisconnect), client.websocket_connect(path, headers=more):
            pass


def test_a_login_from_another_site_is_refused(site: Site) -> None:
    form = {"name": "Ana", "password": SECRET}
    answer = site.client().post("/login", data=form, headers={"Origin": "http://evil.test"})
    assert answer.status_code == 403
    assert site.client().post("/login", data=form | {"next": "x" * 5_000}).status_code == 413


def test_the_proxy_is_believed_and_nobody_else(behind: Site) -> None:
    def get(address: str, *names: str) -> int:
        sent = [("X-Forwarded-User", n.encode()) for n in names]
        return int(behind.client(address).get("/api/patches", headers=sent).status_code)

    assert get("192.0.2.1", "Ana") == 200
    assert get("2001:db8::2", "Bén") == 200
    assert get("::ffff:192.0.2.1", "Ana") == 200
    for spoofed in ("192.0.2.2", "127.0.0.1", "10.0.0.1", "2001:db8::4", "testclient"):
        assert get(spoofed, "Ana") == 401, spoofed
    assert get("192.0.2.1") == 401
    assert get("192.0.2.1", "") == 401
    assert get("192.0.2.1", "Ana", "Bén") == 401
    assert get("192.0.2.1", "x" * 101) == 401
    assert get("192.0.2.1", "a:b") == 401
    posing = {"X-Forwarded-User": "Ana", "X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.1"}
    assert behind.client("192.0.2.2").get("/api/patches", headers=posing).status_code == 401
    assert behind.client("192.0.2.1").get("/", params={"token": TOKEN}).status_code == 401
    page = behind.client("192.0.2.1").get("/decide", headers={"X-Forwarded-User": "Bén".encode()})
    assert '<meta name="tilth-reviewer" content="Bén">' in page.text


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"host": "0.0.0.0"}, "how they show who they are"),
        ({"allow_hosts": ("a.test",)}, "how they show who they are"),
        ({"host": "0.0.0.0", "password_file": Path("x")}, "--allow-host"),
        ({"proxy_header": "X-User"}, "proves nothing"),
        ({"proxy_from": ("127.0.0.1",)}, "proves nothing"),
        ({"proxy_header": "X", "proxy_from": ("::1",), "password_file": Path("x")}, "in one way"),
        ({"host": "::", "allow_hosts": ("*",), "password_file": Path("x")}, "no pattern"),
        ({"allow_hosts": ("https://a.test",), "password_file": Path("x")}, "no name"),
    ],
)  # fmt: skip
def test_a_team_that_is_not_told_apart_is_refused(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Team(**asked)


def test_the_command_line_says_what_it_means(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*argv: object) -> Any:
        return tilth("review", *argv, "--no-browser", "--project", "p", cwd=work)

    assert run("--host", "0.0.0.0").code == 1
    assert "--allow-host" in run("--host", "0.0.0.0", "--password-file", "people").err
    assert "--password-file" in run("--add-person", "Ana").err
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: SIM115  closed with the process
    assert "at least 10" in run("--password-file", "people", "--add-person", "Ana").err
    (work / "people").write_text("Ana:secret\n")
    assert "people:1" in run("--host", "0.0.0.0", "--allow-host", NAME, "--password-file", "people").err
    passwords.add(work / "ok", "Ana", SECRET)
    (work / "ok").chmod(0o644)
    said = " ".join(
        Team("0.0.0.0", (NAME,), work / "ok").meaning(80)
        + Team("127.0.0.1", (NAME,), None, "X-User", ("127.0.0.1",)).meaning(80)
    )
    for words in ("every machine", "plain HTTP", "TLS", NAME, "Ana", "chmod 600", "pose as the proxy"):
        assert words in said, words
