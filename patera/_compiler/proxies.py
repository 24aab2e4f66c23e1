"""What a reverse proxy says about its client (`X-Forwarded-*`), believed only where the peer is a trusted one."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from patera._types import RawHeader, Scope
from patera.exceptions import Mistake

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Set on the scope by the outermost application that trusts proxies: one below asks no second time.
PROXIED_KEY = "patera.proxied"
#: No chain of real proxies is longer; what stands further left was sent by the client.
LONGEST_CHAIN = 50

_SCHEMES = {
    "http": {"http": "http", "https": "https", "ws": "http", "wss": "https"},
    "websocket": {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"},
}
_WITH_PORT = re.compile(r"\[([^\]]*)\](?::\d*)?|([^:]*)(?::\d*)?")


class TrustedProxies:
    """Replaces client, scheme and host of a scope by what trusted proxies say.

    Example:
        TrustedProxies(["10.0.0.0/8", "::1"]).apply(scope)

    Args:
        entries: Addresses and networks; `*` trusts every peer, also one without an address, as of a Unix socket.
    """

    def __init__(self, entries: Sequence[str]) -> None:
        self._trusts_all = "*" in entries
        self._networks = [_network(entry) for entry in entries if entry != "*"]
        self._is_trusted = lru_cache(maxsize=1024)(self._look_up)

    def apply(self, scope: Scope) -> None:
        """Read the forwarded headers of a request or websocket, unless its peer is not trusted."""
        if scope["type"] not in _SCHEMES or PROXIED_KEY in scope:
            return
        client = scope.get("client")
        if not self._trusts_all and (client is None or not self._is_trusted(client[0])):
            return
        scope[PROXIED_KEY] = True
        found = _forwarded(scope["headers"])
        if b"x-forwarded-for" in found:
            address = self._client_address(found[b"x-forwarded-for"])
            scope["client"] = (address, 0) if address is not None else client
        if b"x-forwarded-proto" in found:
            scheme = _last(found[b"x-forwarded-proto"]).lower()
            scope["scheme"] = _SCHEMES[scope["type"]].get(scheme, scope.get("scheme"))
        if b"x-forwarded-host" in found:
            host = _last(found[b"x-forwarded-host"]).encode("latin-1")
            scope["headers"] = [(b"host", host), *(each for each in scope["headers"] if each[0] != b"host")]

    def _client_address(self, header: str) -> str | None:
        """Return the rightmost address that is no trusted proxy's: whatever stands left of it may be invented."""
        hops = header.rsplit(",", LONGEST_CHAIN)[-LONGEST_CHAIN:]
        nearest: str | None = None
        for hop in reversed(hops):
            address = _address(hop)
            if address is None:
                return nearest
            nearest = address
            if not self._trusts_all and not self._is_trusted(address):
                return nearest
        return nearest

    def _look_up(self, address: str) -> bool:
        found = _address(address)
        if found is None:
            return False
        parsed = ipaddress.ip_address(found)
        return any(parsed in network for network in self._networks)


def proxy_mistakes(entries: Any, where: str) -> Iterator[Mistake]:
    """Find entries of `TRUSTED_PROXIES` that are no addresses."""
    for entry in entries or ():
        try:
            _network(str(entry)) if entry != "*" else None
        except ValueError:
            yield Mistake(
                "PAT541",
                where,
                f"{entry!r}, which is no address",
                "addresses and networks such as '10.0.0.5', '10.0.0.0/8' or '::1'; '*' for any peer",
                "write the addresses from which the proxies connect; names are not looked up",
            )


def _network(entry: str) -> Network:
    return ipaddress.ip_network(entry, strict=False)


def _forwarded(headers: Sequence[RawHeader]) -> dict[bytes, str]:
    """Return the forwarded headers, the values of repeated ones joined."""
    found: dict[bytes, str] = {}
    for name, value in headers:
        if name.startswith(b"x-forwarded-"):
            text = value.decode("latin-1")
            found[name] = f"{found[name]},{text}" if name in found else text
    return found


def _last(header: str) -> str:
    """Return the last value of a list: what the nearest proxy says."""
    return header.rpartition(",")[2].strip()


def _address(text: str) -> str | None:
    """Return an address in its one spelling, without port and brackets; None where it is none."""
    text = text.strip()
    found = _WITH_PORT.fullmatch(text)
    try:
        address = ipaddress.ip_address((found[1] or found[2]) if found else text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
