"""Who may ask: tokens where others can reach the server, its own name where only this machine can.

A server on loopback needs no token, but any page in a browser on the machine could send requests to it, and
a name that an attacker owns can be made to point there. So the Host is checked, a request from another site
is refused, and a body must say that it is JSON, which a page of another site cannot do without asking first.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tilth.errors import InputError, Refused

__all__ = ["ADMIN", "Guard", "admin_token", "is_loopback", "tokens_in"]

ADMIN = "admin"
"""Name of the client that may change what is served."""
HOSTS = ("127.0.0.1", "localhost", "::1")
LEAST = 16
"""Characters of a token."""
OPEN = ("/healthz", "/readyz")
"""Paths that say nothing but whether the server works."""


@dataclass(frozen=True)
class Guard:
    """Lets a request in under the name of its client, or says why not.

    Attributes
    ----------
    tokens : digest of each token to the name of its client.
    needed : whether every request needs one; otherwise only those of the admin do.
    local : whether the server listens on loopback alone.
    """

    tokens: Mapping[bytes, str]
    needed: bool
    local: bool

    def client(self, method: str, path: str, headers: Mapping[bytes, bytes]) -> str | tuple[int, str]:
        """Name of the client ("" without a token), or status and words of the refusal."""
        if self.local and _name(headers.get(b"host", b"")) not in HOSTS:
            return 421, "this server answers to 127.0.0.1 and localhost only"
        given = headers.get(b"authorization")
        name = self._known(given) if given is not None else None
        if given is not None and name is None:
            return 401, "the token is not known"
        if name is None:
            if path in OPEN:
                return ""
            if self.needed:
                return 401, "send a token: Authorization: Bearer TOKEN"
            if (wrong := _other_site(headers)) is not None:
                return 403, wrong
        if path.startswith("/admin/") and name != ADMIN:
            return 403, "only the token of the client `admin` may change what is served"
        if method == "POST" and not headers.get(b"content-type", b"").lower().startswith(b"application/json"):
            return 415, "send the body as application/json"
        return name or ""

    def with_admin(self, token: str) -> Guard:
        """The same guard that knows the token of the admin as well."""
        return replace(self, tokens={**self.tokens, hashlib.sha256(token.encode()).digest(): ADMIN})

    def _known(self, given: bytes) -> str | None:
        kind, _, secret = given.partition(b" ")
        if kind.lower() != b"bearer":
            return None
        # the digest is what is looked up: how long that takes says nothing about the token
        return self.tokens.get(hashlib.sha256(secret.strip()).digest())


def _other_site(headers: Mapping[bytes, bytes]) -> str | None:
    origin = headers.get(b"origin")
    if origin is not None and origin.lower() != b"http://" + headers.get(b"host", b"").lower():
        return "this request comes from another site"
    if headers.get(b"sec-fetch-site", b"none") not in (b"same-origin", b"none"):
        return "this request comes from another site"
    return None


def _name(host: bytes) -> str:
    """The name in a Host header, without port and brackets."""
    text = host.decode("latin-1").strip().lower()
    return text[1:].partition("]")[0] if text.startswith("[") else text.partition(":")[0]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def tokens_in(path: Path) -> dict[bytes, str]:
    """Tokens of a file with one client a line: its name, a space, its token; a word with `#` first
    begins a remark.

    Raises
    ------
    InputError : the file cannot be read, a line is no name and token, or a token is short or comes twice.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the tokens in {path}: {error}") from error
    found: dict[bytes, str] = {}
    for number, line in enumerate(lines, 1):
        words = line.split()
        remark = next((n for n, word in enumerate(words) if word.startswith("#")), len(words))
        words = words[:remark]
        if not words:
            continue
        # `/` and `:` part a client from its users and its keys
        if len(words) != 2 or len(words[1]) < LEAST or {"/", ":"} & set(words[0]):
            raise InputError(
                f"{path}:{number}: expected a name (without / and :) and a token of {LEAST} or more "
                "characters"
            )
        digest = hashlib.sha256(words[1].encode()).digest()
        if digest in found:
            raise InputError(f"{path}:{number}: the client {words[0]!r} has the token of {found[digest]!r}")
        found[digest] = words[0]
    if not found:
        raise InputError(f"{path} holds no token; write a line with a name and a token")
    return found


def admin_token(folder: Path) -> str:
    """A new token of the admin, in a file of the state that only this user can read."""
    token = secrets.token_urlsafe(24)
    path = folder / "admin.token"
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token + "\n")
    return token


def guard(host: str, tokens: Path | None) -> Guard:
    """The guard of an address, before there is an admin.

    Raises
    ------
    Refused : others can reach the address and there are no tokens.
    """
    local = is_loopback(host)
    if not local and tokens is None:
        raise Refused(
            f"{host} can be reached by others, so tokens are needed: --tokens FILE with a name and a token a "
            "line; or listen on 127.0.0.1"
        )
    known = {} if tokens is None else tokens_in(tokens)
    return Guard(known, needed=tokens is not None, local=local)
