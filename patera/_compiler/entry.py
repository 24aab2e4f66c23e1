"""Who is let in at all, decided before any code of the application runs; and the id of a request."""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Callable, Iterator
from itertools import chain, count
from typing import Any
from urllib.parse import quote

from patera._types import Scope
from patera.exceptions import BaseHttpException
from patera.http import HttpStatus

from .hosts import HostRule

#: Returns the request's id as it is sent; None where an edge outside puts it on the answer.
Enter = Callable[[Scope], bytes | None]

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._~+/=-]{1,128}")
#: Set on the scope: the id of the request in logs and in the answer's header.
REQUEST_ID_KEY = "patera.request_id"

#: Set on the scope by the outermost application, so that one mounted below adds nothing twice.
EDGE_KEY = "patera.edge"

HOST_SIZE, REQUEST_ID_SIZE = len(b"host"), len(b"x-request-id")

#: Stands for several `Host` headers; no rule accepts it.
_SEVERAL = b""

SECURE_SCHEMES = frozenset(("https", "wss"))


class Refused(Exception):
    """A request that is answered at the edge.

    Args:
        error: The answer; its `location` header makes it a redirect without a body.
    """

    def __init__(self, error: BaseHttpException) -> None:
        super().__init__(error.message)
        self.error = error


class EntryError(BaseHttpException):
    """What a refused client is told; no exception handler sees it."""

    has_data = False


#: The last digits of request ids: to add them takes less time than to write a number.
_ENDINGS = tuple(b"%03d" % number for number in range(1000))


class RequestIds:
    """Makes request ids: random bits of the process, then a count; a random number each time costs more."""

    def __init__(self) -> None:
        self.renew()
        if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows does not fork
            os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        """Take new random bits, so that a forked worker repeats no id of its parent."""
        self._prefix = f"{secrets.token_hex(10)}-".encode("ascii")
        #: Returns the next id.
        self.next = chain.from_iterable(map(self._block, count())).__next__

    def _block(self, number: int) -> Iterator[bytes]:
        return map((b"%b%d" % (self._prefix, number)).__add__, _ENDINGS)


_ids = RequestIds()


class Gate:
    """The rules of one application for every request and websocket.

    Args:
        hosts: Which hosts they may name.
        max_header_size: Largest sum of the names and values of all headers, in bytes; None for no limit.
        force_https: Whether plain http is redirected.
    """

    def __init__(
        self, hosts: HostRule | None = None, *, max_header_size: int | None = None, force_https: bool = False
    ) -> None:
        self.hosts = hosts or HostRule()
        self.limit = sys.maxsize if max_header_size is None else max_header_size
        self.force_https = force_https
        self.enter = self._compile()

    def _compile(self) -> Enter:
        """Return the function that checks a scope and notes its id: one pass over the headers, no further calls."""
        known, limit, force_https, check = self.hosts.known, self.limit, self.force_https, self._check
        enter_mounted = self._enter_mounted

        def enter(scope: Scope) -> bytes | None:
            if EDGE_KEY in scope:
                return enter_mounted(scope)
            size = 0
            host = request_id = None
            for name, value in scope["headers"]:
                # Lengths are cheaper to compare than bytes.
                length = len(name)
                size += length + len(value)
                if length == HOST_SIZE:
                    if name == b"host":
                        host = value if host is None else _SEVERAL
                elif length == REQUEST_ID_SIZE and name == b"x-request-id" and request_id is None:
                    request_id = _harmless(value)
            if request_id is None:
                request_id = scope.get(REQUEST_ID_KEY) or _ids.next()
            scope[REQUEST_ID_KEY] = request_id
            if size > limit or force_https or host not in known:
                check(scope, host)
            return request_id

        return enter

    def _enter_mounted(self, scope: Scope) -> None:
        """Check a request that an application outside has let in: its rules may be laxer than these."""
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        self._check(scope, hosts[0] if hosts else None)

    def _check(self, scope: Scope, host: bytes | None) -> None:
        if sum(len(name) + len(value) for name, value in scope["headers"]) > self.limit:
            raise _refused("Request headers too large", HttpStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if host is None:
            # Only HTTP/1.1 makes a client name the host.
            if not self.hosts.is_open or scope.get("http_version") == "1.1":
                raise _refused("Host header missing")
        elif host not in self.hosts.known and not self.hosts.accepts(host):
            raise _refused("Malformed Host header" if self.hosts.is_malformed(host) else "Host not allowed")
        if self.force_https and scope.get("scheme") not in SECURE_SCHEMES:
            raise _needs_https(scope, host)


def _harmless(request_id: bytes) -> bytes | None:
    """Return a client's id, unless it could not stand in a log or a header."""
    return request_id if _REQUEST_ID.fullmatch(request_id) else None


def gate_of(configs: dict[str, Any]) -> Gate:
    """Return the gate of an application with these values."""
    return Gate(
        HostRule(configs.get("ALLOWED_HOSTS")),
        max_header_size=configs.get("MAX_HEADER_SIZE"),
        force_https=bool(configs.get("FORCE_HTTPS")),
    )


def _refused(message: str, status: HttpStatus = HttpStatus.BAD_REQUEST) -> Refused:
    return Refused(EntryError(message, status))


def _needs_https(scope: Scope, host: bytes | None) -> Refused:
    """Redirect to the same URL on the port of https; a websocket cannot be redirected."""
    if scope["type"] != "http" or host is None:
        return _refused("HTTPS required", HttpStatus.FORBIDDEN)
    name = re.sub(rb":[0-9]+$", b"", host).decode("ascii")
    path = scope.get("raw_path") or quote(scope["path"]).encode("ascii")
    target = quote(path, safe="/%:@!$&'()*+,;=~") + (f"?{_query(scope)}" if scope.get("query_string") else "")
    headers = {"location": f"https://{name}{target}"}
    return Refused(EntryError("HTTPS required", HttpStatus.PERMANENT_REDIRECT, headers=headers))


def _query(scope: Scope) -> str:
    return quote(scope["query_string"], safe="/%?:@!$&'()*+,;=~")
