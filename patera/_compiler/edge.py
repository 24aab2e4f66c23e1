"""The edge: request id and CORS headers on every answer, and who may ask from another origin."""

from __future__ import annotations

import itertools
import os
import re
import secrets
from collections.abc import Sequence
from typing import Any

from patera._endpoint import CorsRecord
from patera._types import RawHeader, Scope
from patera.exceptions import BaseHttpException, CorsMethodNotAllowed, CorsOriginNotAllowed

from .plan import CorsPlan

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._~+/=-]{1,128}")

#: Set on the scope by the outermost application, so that one mounted below adds nothing twice.
EDGE_KEY = "patera.edge"

HTTP_SCHEMES: dict[str, str] = {"ws": "http", "wss": "https"}


class RequestIds:
    """Makes request ids: random bits of the process, then a count; a random number each time costs more."""

    def __init__(self) -> None:
        self.renew()
        if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows does not fork
            os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        """Take new random bits, so that a forked worker repeats no id of its parent."""
        self._prefix = secrets.token_hex(10)
        self._next = itertools.count(1).__next__

    def new(self) -> str:
        """Return an id that no other request of this or another process has."""
        return f"{self._prefix}-{self._next()}"


_request_ids = RequestIds()


def assign_request_id(scope: Scope) -> bytes:
    """Note the request's id on the scope: the client's `X-Request-ID` if it is harmless, else a new one.

    An application below another one keeps what that one noted.
    """
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            scope["patera.request_id"] = value.decode("ascii")
            return value  # type: ignore[no-any-return]
    identifier = scope.get("patera.request_id")
    if identifier is None:
        identifier = scope["patera.request_id"] = _request_ids.new()
    return str(identifier).encode("ascii")


class CorsPolicy:
    """The CORS policy of an endpoint, its headers made ready (Fetch standard, section 3.2).

    Args:
        plan: The merged policy.
    """

    def __init__(self, plan: CorsPlan) -> None:
        self.plan = plan
        self.is_open = "*" in plan.allow_origins
        self._origins = frozenset(plan.allow_origins)
        self._methods = frozenset(method.upper() for method in plan.allow_methods)
        self.headers = self._response_headers()

    def _response_headers(self) -> tuple[RawHeader, ...]:
        headers = []
        if self.is_open:
            headers.append((b"access-control-allow-origin", b"*"))
        elif self.plan.allow_credentials:
            headers.append((b"access-control-allow-credentials", b"true"))
        if self.plan.expose_headers:
            headers.append((b"access-control-expose-headers", ", ".join(self.plan.expose_headers).encode("latin-1")))
        return tuple(headers)

    def allows_method(self, method: str) -> bool:
        """Tell whether a cross-origin request may use the method; HEAD counts as GET."""
        return method in self._methods or (method == "HEAD" and "GET" in self._methods)

    def needs_check(self, methods: Sequence[str]) -> bool:
        """Tell whether requests have to be looked at: not where any origin and all methods are allowed."""
        return not self.is_open or not all(self.allows_method(method) for method in methods)

    def headers_for(self, scope: Scope) -> list[RawHeader]:
        """Return the headers of an actual response."""
        if self.is_open:
            return list(self.headers)
        origin = origin_of(scope)
        vary: list[RawHeader] = [(b"vary", b"Origin")]
        if origin is None or origin.decode("latin-1") not in self._origins:
            return vary
        return [(b"access-control-allow-origin", origin), *self.headers, *vary]

    def refuse(self, scope: Scope, method: str) -> BaseHttpException | None:
        """Return the error for a cross-origin request that the policy does not allow."""
        refusal = self.refuse_origin(scope)
        if refusal is not None or self.allows_method(method):
            return refusal
        origin = origin_of(scope)
        return None if origin is None or is_same_origin(scope, origin) else CorsMethodNotAllowed(self._methods)

    def refuse_origin(self, scope: Scope) -> BaseHttpException | None:
        """Return the error for an origin that the policy does not allow, whatever the method."""
        origin = origin_of(scope)
        if origin is None or self.is_open or origin.decode("latin-1") in self._origins:
            return None
        return None if is_same_origin(scope, origin) else CorsOriginNotAllowed()

    def preflight_headers(self, scope: Scope) -> list[RawHeader]:
        """Return the headers of the answer to a preflight request."""
        asked = request_header(scope, b"access-control-request-headers")
        allowed = ", ".join(self.plan.allow_headers).encode("latin-1") or asked
        headers: list[RawHeader] = [
            (b"access-control-allow-methods", ", ".join(self.plan.allow_methods).encode("latin-1"))
        ]
        if allowed:
            headers.append((b"access-control-allow-headers", allowed))
        if self.plan.max_age is not None:
            headers.append((b"access-control-max-age", b"%d" % self.plan.max_age))
        return headers


def origin_of(scope: Scope) -> bytes | None:
    """Return the request's `Origin`."""
    return request_header(scope, b"origin")


def request_header(scope: Scope, wanted: bytes) -> bytes | None:
    """Return the first value of a request header, given in lower case."""
    for name, value in scope["headers"]:
        if name == wanted:
            return value  # type: ignore[no-any-return]
    return None


def is_same_origin(scope: Scope, origin: bytes) -> bool:
    """Tell whether a request comes from the application's own pages.

    The browser says so in `Sec-Fetch-Site`, also behind a proxy that ends TLS; without it, scheme
    and host are compared.
    """
    site = request_header(scope, b"sec-fetch-site")
    if site is not None:
        return site == b"same-origin"
    host = request_header(scope, b"host")
    own = str(scope["scheme"])
    scheme = HTTP_SCHEMES.get(own, own)
    return host is not None and origin == scheme.encode("ascii") + b"://" + host


def merge_cors(base: CorsPlan | None, default: CorsPlan, records: Sequence[CorsRecord | None]) -> CorsPlan | None:
    """Return the policy of an endpoint: global keys, then the class' record, then the method's."""
    merged = base
    for record in records:
        if record is None:
            continue
        merged = _overlay(merged or default, record) if record.enabled else None
    return merged


def _overlay(plan: CorsPlan, record: CorsRecord) -> CorsPlan:
    def pick(own: Any, inherited: Any) -> Any:
        return inherited if own is None else own

    return CorsPlan(
        pick(record.allow_origins, plan.allow_origins),
        pick(record.allow_methods, plan.allow_methods),
        pick(record.allow_headers, plan.allow_headers),
        pick(record.expose_headers, plan.expose_headers),
        pick(record.allow_credentials, plan.allow_credentials),
        pick(record.max_age, plan.max_age),
    )


def edge_headers(scope: Scope, policy: CorsPolicy | None, request_id: bytes) -> list[RawHeader]:
    """Return what the edge adds to an answer."""
    headers = policy.headers_for(scope) if policy is not None else []
    headers.append((b"x-request-id", request_id))
    return headers


def apply_edge(headers: list[RawHeader], extra: Sequence[RawHeader]) -> list[RawHeader]:
    """Return the headers with the edge's in place of equal-named ones; `vary` is extended.

    Example:
        [("vary", "Cookie")] and [("vary", "Origin")] give [("vary", "Cookie, Origin")]
    """
    names = {name for name, _ in extra}
    replaced = [header for header in headers if header[0] not in names]
    varies = [value for name, value in headers if name == b"vary" and name in names]
    own = [(name, _extended(varies, value) if name == b"vary" else value) for name, value in extra]
    return replaced + own


def _extended(varies: Sequence[bytes], value: bytes) -> bytes:
    named = {name.strip().lower() for vary in varies for name in vary.split(b",")}
    return b", ".join([*varies, *([] if value.lower() in named else [value])])
