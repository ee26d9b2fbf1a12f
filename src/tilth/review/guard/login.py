"""Login: a form, a cookie that says who somebody is, and an end to guessing."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import os
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from html import escape
from importlib import resources
from pathlib import Path
from urllib.parse import parse_qs, quote

from tilth.errors import InputError
from tilth.review.guard.asgi import Message, Receive, Send, body_of, plain, reply
from tilth.review.guard.door import cookies
from tilth.review.guard.passwords import People

__all__ = ["Attempts", "Ended", "LoginEntrance", "key_in"]

HOURS = 12
"""After so long a login ends."""
OPEN = ("/static/login.css", "/report.css", "/static/page.css", "/static/icon.svg", "/static/theme.js")
"""What the form needs: files of the package, the same for everybody."""
FORM = 4_000


def key_in(folder: Path) -> bytes:
    """The key by which a project signs logins; it is made once. Without the file all logins end."""
    path = folder / "data" / "session.key"
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
    except FileExistsError:
        pass
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; check its permissions") from error
    found = path.read_bytes()
    if len(found) != 32:
        raise InputError(f"{path} is damaged; delete it, and everybody logs in again")
    return found


class Attempts:
    """Failed logins of the last minutes; beyond a few, no more are looked at.

    Parameters
    ----------
    clock : seconds, ever growing.
    """

    WINDOW, KEPT = 900.0, 40_000  # more than can be tried in a window, at a tenth of a second for two tries

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._failed: OrderedDict[tuple[str, ...], list[float]] = OrderedDict()

    def wait(self, *keys: tuple[tuple[str, ...], int]) -> float:
        """Seconds until another try is looked at; 0: now, and it counts as failed until `forgive`.

        Parameters
        ----------
        keys : what is counted, and how many failures it may have.
        """
        now, longest = self.clock(), 0.0
        for key, most in keys:
            times = self._failed.get(key, [])
            while times and now - times[0] >= self.WINDOW:
                times.pop(0)
            if len(times) >= most:
                longest = max(longest, self.WINDOW - (now - times[0]))
        if not longest:
            for key, _ in keys:
                self._failed.setdefault(key, []).append(now)
                self._failed.move_to_end(key)
            while len(self._failed) > self.KEPT:
                self._failed.popitem(last=False)
        return longest

    def forgive(self, *keys: tuple[str, ...]) -> None:
        """The right password: what was counted for it was no guessing."""
        for key in keys:
            self._failed.pop(key, None)


class Ended:
    """Logins that their people ended: a cookie that somebody has a copy of is worth nothing afterwards.

    Parameters
    ----------
    path : where they are kept, so that a restart of the server revives none.
    clock : seconds since 1970.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self.path, self.clock = path, clock
        lines = (x.split() for x in path.read_text("ascii").splitlines()) if path.exists() else ()
        self._until = {x[0]: int(x[1]) for x in lines if len(x) == 2 and x[1].isdecimal()}

    def __contains__(self, mac: str) -> bool:
        return mac in self._until

    def add(self, mac: str, until: int) -> None:
        """End a login that would last until then; those that are over by now are forgotten."""
        now = self.clock()
        self._until = {m: u for m, u in self._until.items() if u > now} | {mac: until}
        with suppress(OSError):  # a full disk: then it holds until the server is started again
            self.path.write_text("".join(f"{m} {u}\n" for m, u in self._until.items()), "ascii")


class LoginEntrance:
    """People with a password.

    Parameters
    ----------
    people : the password file.
    key : by which logins are signed.
    ended : logins that are over before their time.
    port : it listens on; part of the cookie's name and of what is signed.
    clock : seconds since 1970.
    """

    def __init__(
        self, people: People, key: bytes, ended: Ended, port: int, clock: Callable[[], float]
    ) -> None:
        self.people, self.key, self.ended, self.port, self.clock = people, key, ended, port, clock
        self.cookie = f"tilth-{port}"
        self.attempts = Attempts(clock)
        self._at_once = asyncio.Semaphore(2)  # each guess takes 32 MiB

    async def admit(
        self, scope: Message, heads: dict[str, list[str]], receive: Receive, send: Send
    ) -> str | None:
        """Let in who has logged in; the form is answered here."""
        try:
            self.people.lines()
        except InputError as error:  # somebody edits it: nobody gets in, and the terminal shows why
            logging.getLogger("tilth.review").error("%s", error)
            await plain(send, 503, "The password file cannot be read; ask whoever started the server.")
            return None
        path, method = scope["path"], scope["method"]
        if path == "/logout" and method == "POST":
            for _, until, mac in self._logins(heads):
                self.ended.add(mac, until)
            await self._go(send, "/login", "", 0, heads)
        elif path == "/login" and method == "POST":
            await self._login(scope, heads, receive, send)
        elif path == "/login" and method in ("GET", "HEAD"):
            query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
            await _form(send, 200, next=query.get("next", ["/"])[0])
        elif method in ("GET", "HEAD") and path in OPEN:
            return ""
        elif (who := self._who(heads)) is not None:
            return who
        elif method == "GET" and any("text/html" in x for x in heads.get("accept", [])):
            place = scope.get("raw_path", b"/").decode("latin-1")
            if query := scope.get("query_string", b"").decode("latin-1"):
                place += f"?{query}"
            await plain(send, 303, "", [(b"location", f"/login?next={quote(place, safe='')}".encode())])
        else:
            await plain(send, 401, "Log in first: /login")
        return None

    async def _login(self, scope: Message, heads: dict[str, list[str]], receive: Receive, send: Send) -> None:
        body = await body_of(receive, FORM)
        if body is None:
            await plain(send, 413, "That is too long for a name and a password.")
            return
        given = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
        name, password, place = (given.get(k, [""])[0] for k in ("name", "password", "next"))
        address = (scope.get("client") or ("",))[0]
        # a name that there is not is counted like one that there is: else the limit would tell which is which
        here, anywhere = ("here", name[:100], address), ("anywhere", name[:100])
        if wait := self.attempts.wait((here, 5), (anywhere, 30)):
            more = [(b"retry-after", str(int(wait) + 1).encode())]
            words = f"Too many wrong passwords. Try again in {int(wait / 60) + 1} minutes."
            await _form(send, 429, words, name=name, next=place, more=more)
            return
        async with self._at_once:
            right = await asyncio.to_thread(self.people.check, name, password)
        if not right:
            await _form(send, 401, "Name or password is wrong.", name=name, next=place)
            return
        self.attempts.forgive(here, anywhere)
        until = int(self.clock()) + HOURS * 3600
        await self._go(send, place, self._signed(name, until), HOURS * 3600, heads)

    async def _go(
        self, send: Send, place: str, value: str, seconds: int, heads: dict[str, list[str]]
    ) -> None:
        """To another page with a cookie; an empty one ends the login."""
        place = "/" + place.lstrip("/\\")
        if not place.isascii() or not place.isprintable():
            place = "/"
        secure = "; Secure" * any(o.lower().startswith("https:") for o in heads.get("origin", []))
        # Lax: a link in a message leads to the page; what changes something has its Origin checked
        cookie = f"{self.cookie}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}"
        await plain(send, 303, "", [(b"location", place.encode()), (b"set-cookie", cookie.encode())])

    def _signed(self, name: str, until: int) -> str:
        who = base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")
        return f"{who}.{until}.{self._mac(name, until)}"

    def _mac(self, name: str, until: int) -> str:
        """Signed with the password's line: a new password, or none, ends the login."""
        line = self.people.lines().get(name, "")
        told = "\n".join(("login", str(self.port), name, str(until), line))
        return hmac.new(self.key, told.encode(), hashlib.sha256).hexdigest()

    def _who(self, heads: dict[str, list[str]]) -> str | None:
        return next((name for name, _, _ in self._logins(heads)), None)

    def _logins(self, heads: dict[str, list[str]]) -> Iterator[tuple[str, int, str]]:
        """Name, end and signature of each login that counts."""
        for value in cookies(heads, self.cookie):
            try:
                who, until, mac = value.split(".")
                name = base64.urlsafe_b64decode(who + "=" * (-len(who) % 4)).decode()
                if not (until.isascii() and until.isdecimal() and len(until) < 15 and mac.isascii()):
                    continue
            except (ValueError, binascii.Error):
                continue
            right = hmac.compare_digest(mac, self._mac(name, int(until))) and mac not in self.ended
            if right and int(until) > self.clock() and name in self.people.lines():
                yield name, int(until), mac


async def _form(
    send: Send, status: int, problem: str = "", *, name: str = "", next: str = "/",
    more: list[tuple[bytes, bytes]] | None = None,
) -> None:  # fmt: skip
    """The form, with what went wrong."""
    said = f'<p class="box loud" role="alert">{escape(problem)}</p>' if problem else ""
    focus = (" autofocus", "") if not name else ("", " autofocus")
    page = (
        resources.files("tilth.review")
        .joinpath("templates/login.html")
        .read_text("utf-8")
        .format(problem=said, next=escape(next), name=escape(name[:100]), first=focus[0], second=focus[1])
    )
    await reply(send, status, page.encode("utf-8", "replace"), b"text/html; charset=utf-8", more)
