"""People whom a reverse proxy knows: it writes their name into a header."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from tilth.errors import InputError
from tilth.review.guard.asgi import Message, Receive, Send, plain
from tilth.review.guard.passwords import fit_name

__all__ = ["ProxyEntrance"]


class ProxyEntrance:
    """Names from a header, believed from the proxy alone.

    Parameters
    ----------
    header : its name, such as X-Forwarded-User.
    sources : addresses of the proxy, or networks (10.0.0.0/28) of nothing but proxies.

    Raises
    ------
    InputError : what is given is no address.
    """

    def __init__(self, header: str, sources: Sequence[str]) -> None:
        self.header = header.lower()
        self.sources: list[IPv4Network | IPv6Network] = []
        for source in sources:
            try:
                self.sources.append(ip_network(source))
            except ValueError as error:
                raise InputError(f"--proxy-from {source!r} is no address of a proxy: {error}") from error

    async def admit(
        self, scope: Message, heads: dict[str, list[str]], receive: Receive, send: Send
    ) -> str | None:
        """Let in whom the proxy names."""
        if not self._trusted(scope):
            words = "This server is reached through the proxy in front of it, and believes nobody else."
            await plain(send, 401, words)
            return None
        given = heads.get(self.header, [])
        name = _decoded(given[0]) if len(given) == 1 else ""
        if not fit_name(name):
            await plain(send, 401, f"The proxy did not say, in one header {self.header}, who you are.")
            return None
        return name

    def _trusted(self, scope: Message) -> bool:
        peer = scope.get("client")
        try:
            found: IPv4Address | IPv6Address = ip_address(peer[0]) if peer else IPv4Address(0)
        except ValueError:  # a socket in the file system, or a name in tests
            return False
        if isinstance(found, IPv6Address) and found.ipv4_mapped:
            found = found.ipv4_mapped
        return any(found in network for network in self.sources)


def _decoded(value: str) -> str:
    """Headers are bytes; names in UTF-8 are taken as such."""
    try:
        return value.encode("latin-1").decode("utf-8").strip()
    except UnicodeDecodeError:
        return value.strip()
