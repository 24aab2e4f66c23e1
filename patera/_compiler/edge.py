"""The edge: request id, security and CORS headers on every answer, and who may ask from another origin."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from patera._endpoint import CorsRecord
from patera._types import RawHeader, Scope
from patera.exceptions import BaseHttpException, CorsMethodNotAllowed, CorsOriginNotAllowed

from .plan import CorsPlan
from .security_headers import SecurityHeaders

HTTP_SCHEMES: dict[str, str] = {"ws": "http", "wss": "https"}

#: Schemes of `Authorization` that a browser fills in by itself, as it does with cookies.
_AMBIENT = re.compile(rb"(?:basic|digest|negotiate|ntlm)\b", re.IGNORECASE)


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

    def lists(self, origin: bytes) -> bool:
        """Tell whether an origin is named, and not only covered by `*`."""
        return origin.decode("latin-1") in self._origins

    def allows_method(self, method: str) -> bool:
        """Tell whether a cross-origin request may use the method; HEAD counts as GET."""
        return method in self._methods or (method == "HEAD" and "GET" in self._methods)

    def needs_check(self, method: str) -> bool:
        """Tell whether requests have to be looked at: not where any origin and the method are allowed."""
        return not (self.is_open and self.allows_method(method))

    def headers_for(self, scope: Scope) -> list[RawHeader]:
        """Return the headers of an actual response."""
        if self.is_open:
            return list(self.headers)
        origin = origin_of(scope)
        vary: list[RawHeader] = [(b"vary", b"Origin")]
        if origin is None or not self.lists(origin):
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
        if origin is None or self.is_open or self.lists(origin):
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


def refuse_socket(scope: Scope, policy: CorsPolicy | None) -> BaseHttpException | None:
    """Return the error for a websocket that another site's page opens.

    Browsers let any page do so, with the user's cookies. An origin that the policy lists may; another one may
    only where the policy is open or CORS is off, and nothing comes along that tells who the user is.
    """
    origin = origin_of(scope)
    if origin is None or _is_own_page(scope, origin):
        return None
    if policy is not None and policy.lists(origin):
        return None
    is_any_page = policy is None or policy.is_open
    return None if is_any_page and not _has_credentials(scope) else CorsOriginNotAllowed()


def _is_own_page(scope: Scope, origin: bytes) -> bool:
    """Tell whether a websocket's page is the application's own, also behind a proxy that ends TLS unnoticed."""
    if is_same_origin(scope, origin):
        return True
    host = request_header(scope, b"host")
    is_told = request_header(scope, b"sec-fetch-site") is not None
    return not is_told and host is not None and origin == b"https://" + host


def _has_credentials(scope: Scope) -> bool:
    given = request_header(scope, b"authorization")
    return request_header(scope, b"cookie") is not None or (given is not None and _AMBIENT.match(given) is not None)


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


def edge_headers(scope: Scope, policy: CorsPolicy | None, security: SecurityHeaders) -> tuple[RawHeader, ...]:
    """Return what the edge adds to an answer, but for the request's id."""
    return (*security.headers_for(scope), *(policy.headers_for(scope) if policy is not None else ()))


def with_id(extra: tuple[RawHeader, ...], request_id: bytes | None) -> tuple[RawHeader, ...]:
    """Return the edge's headers with the request's id; without one, an edge outside adds it."""
    return extra if request_id is None else (*extra, (b"x-request-id", request_id))


def apply_edge(
    headers: list[RawHeader], extra: Sequence[RawHeader], defaults: frozenset[bytes] = frozenset()
) -> list[RawHeader]:
    """Return the headers with the edge's in place of equal-named ones; `vary` is extended.

    Example:
        [("vary", "Cookie")] and [("vary", "Origin")] give [("vary", "Cookie, Origin")]

    Args:
        headers: What the application set.
        extra: What the edge adds.
        defaults: Names of `extra` that give way to the application's.
    """
    if defaults:
        given = {name for name, _ in headers if name in defaults}
        extra = [header for header in extra if header[0] not in given]
    names = {name for name, _ in extra}
    replaced = [header for header in headers if header[0] not in names]
    varies = [value for name, value in headers if name == b"vary" and name in names]
    own = [(name, _extended(varies, value) if name == b"vary" else value) for name, value in extra]
    return replaced + own


def _extended(varies: Sequence[bytes], value: bytes) -> bytes:
    named = {name.strip().lower() for vary in varies for name in vary.split(b",")}
    return b", ".join([*varies, *([] if value.lower() in named else [value])])
