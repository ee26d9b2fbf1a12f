"""Guard: who may talk to the server of the review page.

Any page in the person's browser can send requests to 127.0.0.1, and a name that an attacker owns can be
made to point there. So the Host is checked (DNS rebinding), what changes something must come from our own
page, and everybody has to show who they are: by the token that only the person's terminal showed
(`OwnerEntrance`), by a password (`tilth.review.guard.passwords`) or by a reverse proxy that knows them
(`tilth.review.guard.proxy`).
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import parse_qsl, urlencode

from tilth.review.guard.asgi import (
    SAFE,
    WHO,
    App,
    Message,
    Receive,
    Send,
    heads_of,
    host_name,
    plain,
    with_headers,
)  # fmt: skip
from tilth.review.guard.named import named

__all__ = ["HOSTS", "Entrance", "Guard", "OwnerEntrance", "cookies"]

HOSTS = ("127.0.0.1", "localhost", "::1")
LARGEST = 1_000_000
"""Bytes of a request body."""


class Entrance(Protocol):
    """How people show who they are."""

    async def admit(
        self, scope: Message, heads: dict[str, list[str]], receive: Receive, send: Send
    ) -> str | None:
        """The person's name, "" for the one who started the server; None: the request was answered here."""


class Guard:
    """Middleware around the whole application, its static files too.

    Parameters
    ----------
    app : the application.
    entrance : how people show who they are.
    hosts : names besides those of this machine under which people reach the server.
    """

    def __init__(self, app: App, entrance: Entrance, *, hosts: Sequence[str] = ()) -> None:
        self.app, self.entrance = app, entrance
        self.elsewhere = frozenset(h.lower() for h in hosts) - set(HOSTS)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # there is no socket to forget
            await send({"type": "websocket.close", "code": 1008})
            return
        heads = heads_of(scope)
        if (refused := self._refused(scope, heads)) is not None:
            await plain(send, *refused)
            return
        who = await self.entrance.admit(scope, heads, receive, send)
        if who is None:
            return
        mark = WHO.set(who)
        try:
            app = named(self.app, who) if who else self.app
            await app(scope, receive, with_headers(send))
        finally:
            WHO.reset(mark)

    def _refused(self, scope: Message, heads: dict[str, list[str]]) -> tuple[int, str] | None:
        """Status and words for a request that is not for us, or not from us."""
        hosts = heads.get("host", [])
        name = host_name(hosts[0]) if len(hosts) == 1 else ""
        if name not in HOSTS and name not in self.elsewhere:
            return 421, "This server does not answer to that name; names are given by --allow-host."
        if scope["method"] in SAFE:
            return None
        # other machines may come through a proxy that speaks TLS; then the scheme seen here is not theirs
        schemes = ("http", "https") if name in self.elsewhere else (scope.get("scheme", "http"),)
        ours = [f"{scheme}://{hosts[0].lower()}" for scheme in schemes]
        origin = [o.lower() for o in heads.get("origin", [])]
        site = heads.get("sec-fetch-site", [])
        if any(o not in ours for o in origin) or any(s not in ("same-origin", "none") for s in site):
            return 403, "This request comes from another site."
        length = heads.get("content-length", ["0"])[0]
        if "transfer-encoding" in heads or not length.isdecimal():
            return 411, "Say how long the body is."
        if int(length) > LARGEST:
            return 413, f"A body has at most {LARGEST:,} bytes."
        return None


class OwnerEntrance:
    """The person who started the server: a token, once in the address and then in a cookie, or as a bearer.

    Parameters
    ----------
    token : secret of this start of the server.
    port : it listens on; part of the cookie's name, because cookies do not tell ports apart.
    """

    def __init__(self, token: str, port: int) -> None:
        self.token, self.cookie = token, f"tilth-{port}"

    async def admit(
        self, scope: Message, heads: dict[str, list[str]], receive: Receive, send: Send
    ) -> str | None:
        """Let whoever has the token in."""
        if (found := self._welcome(scope)) is not None:
            cookie = f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict"
            await plain(send, 303, "", [(b"location", found.encode()), (b"set-cookie", cookie.encode())])
        elif self._known(heads):
            return ""
        else:
            words = (
                "This page is for the person who started it: open the address that `tilth review` printed."
            )
            await plain(send, 401, words)
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
        return any(map(self._equal, cookies(heads, self.cookie)))

    def _equal(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self.token.encode())


def cookies(heads: dict[str, list[str]], name: str) -> list[str]:
    """Values of a cookie of ours, which needs no quotes.

    Cookies do not tell ports apart, so those of every other program on this machine come along, and of theirs
    many are no cookies by the letter (JSON, blanks): the parser of the standard library stops at the first.
    """
    pairs = (part.partition("=") for value in heads.get("cookie", []) for part in value.split(";"))
    return [value.strip() for key, _, value in pairs if key.strip() == name]
