"""The `Host` of a request: whether it is one at all (RFC 9112, section 3.2), and whether `ALLOWED_HOSTS` has it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from patera.exceptions import Mistake

#: RFC 3986, section 3.2.2, without what only serves to confuse readers of URLs: percent-encoding, `@`, commas.
_HOST = re.compile(rb"([A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_ENTRY = re.compile(r"(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]{2,45}\]|\*")

#: How many hosts are remembered as accepted; who sends more pays for the check each time.
REMEMBERED = 1000


class HostRule:
    """Tells which hosts requests may name.

    Example:
        HostRule(["example.org", "*.example.org"]).accepts(b"shop.example.org:8080")

    Args:
        allowed: Names without ports, `*.name` for all below a name, `*` or None for any.
    """

    def __init__(self, allowed: Sequence[str] | None = None) -> None:
        names = [name.lower() for name in allowed or ()]
        self.is_open = allowed is None or "*" in names
        self._names = frozenset(name for name in names if not name.startswith("*"))
        self._suffixes = tuple(name[1:] for name in names if name.startswith("*."))
        #: Hosts that were accepted: one look-up for each request but the first.
        self.known: set[bytes] = set()

    def accepts(self, host: bytes) -> bool:
        """Tell whether a `Host` header is well-formed and allowed; its port does not matter."""
        if self.is_malformed(host) or not (self.is_open or self._is_listed(host)):
            return False
        if len(self.known) >= REMEMBERED:
            self.known.clear()
        self.known.add(host)
        return True

    def is_malformed(self, host: bytes) -> bool:
        """Tell whether a `Host` header holds more than a host and a port."""
        return _HOST.fullmatch(host) is None

    def _is_listed(self, host: bytes) -> bool:
        found = _HOST.fullmatch(host)
        name = found[1].decode("ascii").lower().removesuffix(".") if found else ""
        return name in self._names or (bool(self._suffixes) and name.endswith(self._suffixes))


def host_mistakes(allowed: Any, where: str) -> Iterator[Mistake]:
    """Find entries of `ALLOWED_HOSTS` that no request could ever match."""
    if allowed is not None and not allowed:
        yield _mistake(where, "an empty list, which refuses every request")
    for entry in _texts(allowed):
        if not _ENTRY.fullmatch(entry):
            yield _mistake(where, f"{entry!r}, which no host can match")


def _texts(values: Iterable[Any] | None) -> list[str]:
    return [str(value) for value in values or ()]


def _mistake(where: str, found: str) -> Mistake:
    return Mistake(
        "PAT540",
        where,
        found,
        "names without scheme, port or path: 'example.org', '*.example.org' for all names below it, '*' for any",
        "write the names under which clients reach the application, or None for any",
    )
