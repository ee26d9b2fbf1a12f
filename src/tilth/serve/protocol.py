"""HTTP/1.1 over asyncio: connections, limits of size and time, answers in the order of the requests.

httptools (the parser of Node.js) reads; this module keeps the connection. It is here, in the place of a
server with a framework, because the path of one request is what the latency of a small model is made of:
an ASGI server took 3 to 7 times as long for it (docs/decisions/0023-serve.md).
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Connection", "Exchange", "Limits", "Room", "body_of"]

REASONS = {
    200: "OK", 201: "Created", 202: "Accepted", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
    404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout", 409: "Conflict",
    411: "Length Required", 413: "Content Too Large", 415: "Unsupported Media Type",
    421: "Misdirected Request", 422: "Unprocessable Content", 429: "Too Many Requests",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 501: "Not Implemented",
    503: "Service Unavailable",
}  # fmt: skip
JSON = "application/json"
ONCE = (b"host", b"authorization", b"content-length", b"content-type", b"origin")
"""Headers that must not come twice: two servers could each believe another one."""
PIPELINED = 16


@dataclass(frozen=True)
class Limits:
    """What one connection may take.

    Attributes
    ----------
    head, body : bytes of the headers and of the body of a request.
    read : seconds that a request may take to arrive, and an answer to be taken.
    idle : seconds that a connection may stay without a request.
    connections : at once; more are turned away.
    memory : bytes of all bodies that are on their way together.
    """

    head: int = 16_384
    body: int = 8_000_000
    read: float = 10.0
    idle: float = 75.0
    connections: int = 2_000
    memory: int = 256_000_000


class Room:
    """The connections that there are, and the bytes of the bodies that they are reading."""

    def __init__(self) -> None:
        self.members: set[Connection] = set()
        self.bytes = 0


def body_of(value: Any) -> bytes:
    """A JSON value as the body of an answer."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


class Exchange:
    """One request and, once there is one, its answer.

    Attributes
    ----------
    method, path, query : of the request; `path` without the query.
    headers : names in lower case.
    body : all of it.
    started : at its first byte, by the clock of the connection.
    peer : address of the other side.
    client : what the guard says of it, once it was asked.
    notes : what the access log shall say about it.
    refused : whether it was refused while it was read, so that more of it may come.
    """

    __slots__ = (
        "body", "client", "connection", "done", "headers", "keep", "method", "notes", "out", "path", "peer",
        "query", "refused", "started", "status",
    )  # fmt: skip

    def __init__(self, connection: Connection, method: str, url: bytes, headers: dict[bytes, bytes]) -> None:
        path, _, query = url.partition(b"?")
        self.connection, self.method = connection, method
        self.path, self.query = path.decode("latin-1"), query.decode("latin-1")
        self.headers, self.body = headers, b""
        self.started, self.peer = connection.since, connection.peer
        self.client: str | tuple[int, str] | None = None
        self.out: bytes | None = None
        self.keep, self.done, self.refused, self.status = True, False, False, 0
        self.notes: dict[str, Any] = {}

    def answer(
        self, status: int, body: bytes, kind: str = JSON, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send the answer; a second one is left out (the first may have been "too late")."""
        if self.done:
            return
        self.done, self.status = True, status
        connection = self.connection
        if connection.closing:
            self.keep = False
        lines = (
            f"HTTP/1.1 {status} {REASONS[status]}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n"
        )
        for name, value in (headers or {}).items():
            lines += f"{name}: {value}\r\n"
        lines += "\r\n" if self.keep else "connection: close\r\n\r\n"
        self.out = lines.encode("latin-1") + (b"" if self.method == "HEAD" else body)
        connection.flush()
        connection.finished(self)

    def json(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        """Answer with a JSON value."""
        self.answer(status, body_of(value), JSON, headers)

    def fail(self, status: int, words: str, headers: Mapping[str, str] | None = None) -> None:
        """Answer with what is wrong."""
        self.json(status, {"error": REASONS[status], "message": words}, headers)


class Connection(asyncio.Protocol):
    """One connection: reads requests, hands them on, writes the answers in their order.

    Parameters
    ----------
    parser : makes an httptools.HttpRequestParser.
    handle : takes a complete request.
    admit : says why a request is refused before its body comes, or None.
    finished : is told of each answer that was sent.
    room : of all connections; this one enters and leaves it.
    now : clock that never goes back, seconds.
    """

    def __init__(
        self,
        parser: Callable[[Connection], Any],
        handle: Callable[[Exchange], None],
        admit: Callable[[Exchange], tuple[int, str] | None],
        finished: Callable[[Exchange], None],
        room: Room,
        *,
        limits: Limits,
        now: Callable[[], float],
    ) -> None:
        self.made, self.parser, self.admit = parser, parser(self), admit
        self.handle, self.finished, self.room, self.limits, self.now = handle, finished, room, limits, now
        self._held = 0
        self.waiting: deque[Exchange] = deque()
        self.transport: asyncio.Transport | None = None
        self.since = now()
        self.reading = self.closing = self.paused = self.lingering = False
        self.peer = ""
        self._reset()

    def _reset(self) -> None:
        self._url: bytes = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: bytes | bytearray = b""
        self._size = self._head = 0
        self.room.bytes -= self._held
        self._held = 0
        self._current: Exchange | None = None

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self.transport = transport  # type: ignore[assignment]
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if isinstance(peer, tuple) else ""
        if len(self.room.members) >= self.limits.connections:
            self._refuse(503, f"there are {self.limits.connections} connections already; use one again")
            return
        self.room.members.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone; what it asked for is not sent."""
        self.room.members.discard(self)
        self._reset()
        self.closing = True
        self.waiting.clear()
        self.transport = None

    def data_received(self, data: bytes) -> None:
        """Bytes of requests."""
        if self.closing and not self.reading:
            return
        self._head += len(data)
        try:
            self.parser.feed_data(data)
        except _Wrong as wrong:
            self._refuse(wrong.status, wrong.words)
        except Exception as error:  # httptools raises errors of its own, and wraps those of callbacks
            inner = error.__context__
            if isinstance(inner, _Wrong):
                self._refuse(inner.status, inner.words)
            elif "Upgrade" in type(error).__name__:
                self._stay(data[error.args[0] :])
            else:
                self._refuse(400, "this is no HTTP/1.1 request")
        if self.reading and self._current is None and self._head > self.limits.head:
            self._refuse(431, f"the headers have more than {self.limits.head:,} bytes")

    def pause_writing(self) -> None:
        """The client does not take what it asked for: read no more from it."""
        self.paused, self.since = True, self.now()
        if self.transport:
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        """It takes it again."""
        self.paused = False
        if self.transport and len(self.waiting) < PIPELINED:
            self.transport.resume_reading()

    # what httptools calls

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self.reading, self.since, self._head = True, self.now(), 0

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        self._url += url
        if len(self._url) > self.limits.head:
            raise _Wrong(431, "the address is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        name = name.lower()
        self._size += len(name) + len(value)
        if self._size > self.limits.head:
            raise _Wrong(431, f"the headers have more than {self.limits.head:,} bytes")
        if name in self._headers and name in ONCE:
            raise _Wrong(400, f"the header {name.decode('latin-1')} comes twice")
        self._headers[name] = value

    def on_headers_complete(self) -> None:
        """All headers are there: refuse a body that is too long before it comes."""
        length = self._headers.get(b"content-length")
        if length is not None and int(length) > self.limits.body:
            raise _Wrong(413, f"a body has at most {self.limits.body:,} bytes")
        method = self.parser.get_method().decode("latin-1")
        if self.parser.should_upgrade() and method != "CONNECT":
            return  # see `_stay`
        self._current = Exchange(self, method, self._url, self._headers)
        self._current.keep = self.parser.should_keep_alive() and not self.parser.should_upgrade()
        self._size = 0
        if (length and length != b"0") or b"transfer-encoding" in self._headers:
            refused = self.admit(self._current)
            if refused is not None:
                raise _Wrong(*refused)
        if self._headers.get(b"expect", b"").lower() == b"100-continue" and self.transport:
            if self.waiting:  # its place among the answers is not reached yet: the body comes without it
                return
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, part: bytes) -> None:
        """A part of the body."""
        self._size += len(part)
        if self._size > self.limits.body:
            raise _Wrong(413, f"a body has at most {self.limits.body:,} bytes")
        self._held += len(part)
        self.room.bytes += len(part)
        if self.room.bytes > self.limits.memory:
            raise _Wrong(503, "too many bodies are on their way; try again")
        # not a list of parts: those of chunks of one byte take forty times as much
        if not self._body:
            self._body = part
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += part

    def on_message_complete(self) -> None:
        """A request is there."""
        exchange = self._current
        if exchange is None:
            return
        exchange.body = bytes(self._body)
        self._reset()
        self.reading = False
        self.waiting.append(exchange)
        if len(self.waiting) >= PIPELINED and self.transport:
            self.transport.pause_reading()
        self.handle(exchange)

    # what the server calls

    def flush(self) -> None:
        """Write the answers whose turn it is."""
        transport, waiting = self.transport, self.waiting
        if transport is None:
            return
        while waiting and (out := waiting[0].out) is not None:
            transport.write(out)
            if not (last := waiting.popleft()).keep:
                if last.refused and self in self.room.members:
                    self._linger()
                else:
                    self._close()
                return
        if not waiting and not self.reading:
            self.since = self.now()
            if self.closing:
                self._close()
        if not self.paused and len(waiting) == PIPELINED - 1:
            transport.resume_reading()

    def drain(self) -> None:
        """Close as soon as nothing is on its way."""
        self.closing = True
        if not self.waiting and not self.reading:
            self._close()

    def sweep(self, now: float) -> None:
        """Close what takes too long: an idle client, one that dribbles, one that takes no answer."""
        age = now - self.since
        if self.paused:
            if age > self.limits.read and self.transport:
                self.transport.abort()
        elif self.lingering:
            if age > self.limits.read:
                self._close()
        elif self.reading:
            if age > self.limits.read:
                self._refuse(408, f"a request must arrive within {self.limits.read:g} seconds")
        elif not self.waiting and age > self.limits.idle:
            self._close()

    def _close(self) -> None:
        self.closing = True
        if self.transport:
            self.transport.close()

    def _linger(self) -> None:
        """Say that this was the last answer, and take what still comes: closed at once, it might be lost."""
        self.lingering, self.since = True, self.now()
        if self.transport:
            self.transport.write_eof()

    def _stay(self, rest: bytes) -> None:
        """Read a request again without its wish for another protocol, as Java's client has it each time."""
        method, url, headers = self.parser.get_method(), self._url, self._headers
        if method == b"CONNECT":
            self.drain()
            return
        close = b"close" in headers.pop(b"connection", b"").lower()
        close = close or self.parser.get_http_version() != "1.1"
        kept = [(k, v) for k, v in headers.items() if k not in (b"upgrade", b"http2-settings")]
        kept += [(b"connection", b"close")] if close else []
        self._reset()
        self.parser = self.made(self)
        head = b"".join(b"%s: %s\r\n" % pair for pair in kept)
        self.data_received(b"%s %s HTTP/1.1\r\n%s\r\n%s" % (method, url, head, rest))

    def _refuse(self, status: int, words: str) -> None:
        """Say what is wrong and close: where the next request begins is not known."""
        if self.transport is None:
            return
        exchange = self._current or Exchange(self, "GET", b"", {})
        exchange.keep, exchange.refused, exchange.method = False, True, "GET"
        exchange.path = exchange.path or "-"
        self.reading = False
        self._reset()
        self.closing = True
        self.waiting.append(exchange)
        exchange.fail(status, words)


class _Wrong(Exception):
    """A request that cannot be read further."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words
