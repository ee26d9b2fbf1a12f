"""Guard: who may talk to a server on a person's own machine.

Any page in the person's browser can send requests to 127.0.0.1, and a name that an attacker owns can be
made to point there. So the Host is checked (DNS rebinding), a token that only the person's terminal showed
is asked for, and what changes something must come from our own page.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode

__all__ = ["Guard"]

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

HOSTS = ("127.0.0.1", "localhost", "::1")
SAFE = ("GET", "HEAD")
LARGEST = 1_000_000
"""Bytes of a request body."""
HEADERS = (
    (b"content-security-policy",
     b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
     b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)  # fmt: skip


class Guard:
    """Middleware around the whole application, its static files too.

    Parameters
    ----------
    app : the application.
    token : secret of this start of the server.
    port : it listens on; part of the cookie's name, because cookies do not tell ports apart.
    """

    def __init__(self, app: App, *, token: str, port: int) -> None:
        self.app, self.token, self.cookie = app, token, f"tilth-{port}"

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # there is no socket to forget
            await send({"type": "websocket.close", "code": 1008})
            return
        heads = _heads(scope)
        if (refused := self._refused(scope, heads)) is not None:
            await _plain(send, *refused)
        elif (found := self._welcome(scope)) is not None:
            await _plain(send, 303, "", [(b"location", found.encode()), (b"set-cookie", self._set_cookie())])
        elif not self._known(heads):
            words = (
                "This page is for the person who started it: open the address that `tilth review` printed."
            )
            await _plain(send, 401, words)
        else:
            await self.app(scope, receive, _with_headers(send))

    def _refused(self, scope: Message, heads: dict[str, list[str]]) -> tuple[int, str] | None:
        """Status and words for a request that is not for us, or not from us."""
        hosts = heads.get("host", [])
        if len(hosts) != 1 or _name(hosts[0]) not in HOSTS:
            return 421, "This server answers to 127.0.0.1 and localhost only."
        if scope["method"] in SAFE:
            return None
        ours = f"{scope.get('scheme', 'http')}://{hosts[0].lower()}"
        origin = [o.lower() for o in heads.get("origin", [])]
        site = heads.get("sec-fetch-site", [])
        if any(o != ours for o in origin) or any(s not in ("same-origin", "none") for s in site):
            return 403, "This request comes from another site."
        length = heads.get("content-length", ["0"])[0]
        if "transfer-encoding" in heads or not length.isdecimal():
            return 411, "Say how long the body is."
        if int(length) > LARGEST:
            return 413, f"A body has at most {LARGEST:,} bytes."
        return None

    def _welcome(self, scope: Message) -> str | None:
        """Where to go with a cookie in the place of the token of the start address; None without it."""
        if scope["method"] != "GET":
            return None
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in query if name == "token"]
        if len(given) != 1 or not self._equal(given[0]):
            return None
        rest = urlencode([pair for pair in query if pair[0] != "token"])
        path: str = "/" + scope.get("raw_path", b"/").decode("latin-1").lstrip("/\\")
        return path + (f"?{rest}" if rest else "")

    def _known(self, heads: dict[str, list[str]]) -> bool:
        for value in heads.get("authorization", []):
            kind, _, secret = value.partition(" ")
            if kind.lower() == "bearer" and self._equal(secret.strip()):
                return True
        for value in heads.get("cookie", []):
            jar: SimpleCookie = SimpleCookie()
            try:
                jar.load(value)
            except CookieError:
                continue
            if self.cookie in jar and self._equal(jar[self.cookie].value):
                return True
        return False

    def _equal(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self.token.encode())

    def _set_cookie(self) -> bytes:
        return f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict".encode()


def _heads(scope: Message) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _name(host: str) -> str:
    """The name in a Host header, without port and brackets."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _with_headers(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *HEADERS]
        await send(message)

    return guarded


async def _plain(send: Send, status: int, words: str, more: list[tuple[bytes, bytes]] | None = None) -> None:
    body = words.encode()
    kind = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    headers = [*kind, *HEADERS, *(more or [])]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
