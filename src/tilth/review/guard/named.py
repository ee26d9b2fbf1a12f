"""A verdict, a decision on a patch, a comment: each carries the name of whoever is logged in.

One place for all actions, those to come too: an action says who acts in the keys `reviewer`, `author` or
`person` of its body, and here all of them are what the login says.
"""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

from tilth.review.guard.asgi import SAFE, App, Message, Receive, Send, body_of, heads_of, plain

__all__ = ["named"]

KEYS = ("reviewer", "author", "person")
NOBODY = (None, "", "person")
"""What a body may say in the place of the person's own name."""
LARGEST = 1_000_000


def named(app: App, who: str) -> App:
    """The application as one person may use it.

    Parameters
    ----------
    app : the application.
    who : name of the person who is logged in.
    """

    async def signed(scope: Message, receive: Receive, send: Send) -> None:
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        if any(key in KEYS and value not in (*NOBODY, who) for key, value in query):
            await plain(send, 403, _words(who))
            return
        if scope["method"] in SAFE:
            await app(scope, receive, send)
            return
        body = await body_of(receive, LARGEST)
        if body is None:
            return
        if body:
            kind = heads_of(scope).get("content-type", [""])[-1].partition(";")[0].strip().lower()
            if kind != "application/json":
                await plain(send, 415, "The body is JSON: content-type application/json.")
                return
            try:
                said = json.loads(body)
            except (ValueError, RecursionError):
                await plain(send, 422, "The body is no JSON.")
                return
            if isinstance(said, dict):
                if any(said.get(key) not in (*NOBODY, who) for key in KEYS):
                    await plain(send, 403, _words(who))
                    return
                said |= dict.fromkeys(KEYS, who)
                body = json.dumps(said).encode()
        length = (b"content-length", str(len(body)).encode())
        headers = [(k, v) for k, v in scope["headers"] if k.lower() != b"content-length"]
        await app({**scope, "headers": [*headers, length]}, _once(body, receive), send)

    return signed


def _words(who: str) -> str:
    return f"You are logged in as {who}; nobody acts in the name of somebody else."


def _once(body: bytes, receive: Receive) -> Receive:
    """The body as it is now, and then what else comes."""
    waiting = [body]

    async def again() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return again
