"""The few pieces of ASGI that the guard is made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import Any

__all__ = [
    "SAFE", "WHO", "App", "Message", "Receive", "Send", "body_of", "heads_of", "host_name", "plain", "reply",
    "with_headers",
]  # fmt: skip

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

SAFE = ("GET", "HEAD")
WHO: ContextVar[str] = ContextVar("tilth-who", default="")
"""Name of the person behind the present request; "" where everybody is the person who started the server."""
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


def heads_of(scope: Message) -> dict[str, list[str]]:
    """Headers of a request by name in small letters, each with all its values."""
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def host_name(host: str) -> str:
    """The name in a Host header, without port and brackets."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def with_headers(send: Send) -> Send:
    """The same, with the headers that tell a browser to be strict."""

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *HEADERS]
        await send(message)

    return guarded


async def reply(
    send: Send, status: int, body: bytes, kind: bytes, more: list[tuple[bytes, bytes]] | None = None
) -> None:
    """A whole answer."""
    about = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    headers = [*about, *HEADERS, *(more or [])]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def plain(send: Send, status: int, words: str, more: list[tuple[bytes, bytes]] | None = None) -> None:
    """An answer of a few words."""
    await reply(send, status, words.encode(), b"text/plain; charset=utf-8", more)


async def body_of(receive: Receive, most: int) -> bytes | None:
    """The body of a request; None where it is longer than `most`, or the other side went away."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > most:
            return None
    return body
