"""Who is counted as one client."""

from __future__ import annotations

import hashlib
import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from patera.request import Request

#: Longer keys are replaced by their hash: what a client sends must not fill the storage.
LONGEST_KEY = 128


def by_address(request: Request) -> str:
    """Count by the client's address; behind a proxy it is the client's only with `TRUSTED_PROXIES`.

    IPv6 addresses count by their network of 64 bits: a single connection has all the addresses of one.

    Args:
        request: The request.
    """
    client = request.client
    return f"address:{_network_of(client.host) if client is not None else 'unknown'}"


def by_user(request: Request) -> str:
    """Count by the user that the login found; by address where nobody is logged in.

    Args:
        request: The request, after its guards for login and roles.

    Raises:
        TypeError: The user has no `get_id()`, no `id`, and is no text or number.
    """
    user = request.user
    return by_address(request) if user is None else f"user:{_id_of(user)}"


def short_key(key: str) -> str:
    """Return a key as it is, or its hash where it is long."""
    if len(key) <= LONGEST_KEY and key.isprintable():
        return key
    return "hash:" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


@lru_cache(maxsize=1024)
def _network_of(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), 64), strict=False))


def _id_of(user: Any) -> str:
    found = user.get_id() if callable(getattr(user, "get_id", None)) else getattr(user, "id", None)
    if found is None and isinstance(user, str | int):
        found = user
    if found is None:
        raise TypeError(
            f"by_user() cannot tell users of the type {type(user).__qualname__} apart: "
            "give them an `id` or `get_id()`, or pass key= with a function of your own to @rate_limit"
        )
    return str(found)
