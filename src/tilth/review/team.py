"""Serving to others than the person who started the server: what is asked for, and what it means."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from tilth.errors import InputError
from tilth.review.guard import (
    HOSTS,
    Ended,
    Entrance,
    LoginEntrance,
    OwnerEntrance,
    People,
    ProxyEntrance,
    key_in,
)

__all__ = ["Team"]


@dataclass(frozen=True)
class Team:
    """Who may reach the page. By default the person who started it, from this machine.

    Attributes
    ----------
    host : address to listen on.
    allow_hosts : names under which others reach it.
    password_file : people and their passwords; None without.
    proxy_header, proxy_from : header in which a reverse proxy says who somebody is, and its addresses.
    """

    host: str = "127.0.0.1"
    allow_hosts: tuple[str, ...] = ()
    password_file: Path | None = None
    proxy_header: str = ""
    proxy_from: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = bool(self.password_file or self.proxy_header)
        if self.password_file and self.proxy_header:
            raise InputError("--password-file or --proxy-header: people show who they are in one way")
        if bool(self.proxy_header) != bool(self.proxy_from):
            raise InputError(
                "--proxy-header and --proxy-from go together: a header that anybody may send proves nothing"
            )
        if (not self.local or self.allow_hosts) and not known:
            raise InputError(
                f"others could reach the page at {self.host} {' '.join(self.allow_hosts)}; say how they show "
                "who they are: --password-file FILE, or --proxy-header NAME with --proxy-from ADDRESS"
            )
        if not self.local and not self.allow_hosts:
            raise InputError(
                f"--host {self.host} without --allow-host NAME: say under which name people reach the page, "
                "such as review.example.org; requests for other names are refused"
            )
        for name in self.allow_hosts:
            if not name or not name.isascii() or set(name) & set("*/:@ "):
                raise InputError(f"--allow-host {name!r} is no name: without scheme and port, and no pattern")

    @property
    def local(self) -> bool:
        """Whether only programs of this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def alone(self) -> bool:
        """Whether the page is for the person who started it."""
        return not self.password_file and not self.proxy_header

    def entrance(
        self, folder: Path, token: str, port: int, clock: Callable[[], float] = time.time
    ) -> Entrance:
        """How people show who they are.

        Parameters
        ----------
        folder : the project's.
        token : of this start; for the person who started the server.
        port : it listens on.
        clock : seconds since 1970.
        """
        if self.proxy_header:
            return ProxyEntrance(self.proxy_header, self.proxy_from)
        if self.password_file:
            ended = Ended(folder / "data" / "session.ended", clock)
            return LoginEntrance(People(self.password_file), key_in(folder), ended, port, clock)
        return OwnerEntrance(token, port)

    def address(self, port: int, token: str) -> str:
        """What to open first."""
        if self.alone:
            return f"http://127.0.0.1:{port}/?token={token}"
        return f"http://{self.allow_hosts[0] if self.allow_hosts else '127.0.0.1'}:{port}/"

    def meaning(self, port: int) -> list[str]:
        """Who can reach the page and what they can do, in sentences."""
        if self.alone:
            return ["the page is served to this machine alone; stop it with Ctrl-C"]
        where = "this machine" if self.local else f"every machine that can reach {self.host}:{port}"
        names = ", ".join((*HOSTS[:2], *self.allow_hosts))
        out = [f"The page can be reached from {where}, under the names {names}; stop it with Ctrl-C."]
        if self.password_file:
            people = People(self.password_file)
            out.append(f"People log in with a password: {', '.join(people.lines())} ({self.password_file}).")
            if people.open_to_others():
                out.append(
                    f"WARNING: other users of this machine can read {self.password_file}: chmod 600 it."
                )
        else:
            out.append(
                f"People are who {self.proxy_header} says, believed from {', '.join(self.proxy_from)} alone; "
                "the proxy must take that header out of what it gets."
            )
            if any(ip_address(x).is_loopback for x in self.proxy_from if "/" not in x):
                out.append("WARNING: every user of this machine can pose as the proxy.")
        out += [
            "Everybody who gets in sees all rows and may decide, run trials, accept and revert patches, "
            "under their own name.",
            "The server speaks plain HTTP: whoever is on the way reads and changes everything, passwords "
            "too. Put a reverse proxy with TLS in front (docs/howto/team.md).",
        ]
        return out
