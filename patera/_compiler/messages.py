"""The messages of an answer: its headers joined with those of the edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from patera._types import Message, RawHeader, Scope
from patera.response import BODILESS, Response

from .edge import apply_edge, edge_headers, with_id

if TYPE_CHECKING:
    from .exchange import Exchange


@dataclass(frozen=True, slots=True)
class StaticEdge:
    """The headers that each answer of an exchange gets, as far as the build knows them.

    Args:
        plain: Those of an answer over http.
        https: Those of an answer over https.
        is_complete: Whether nothing depends on the request.
    """

    plain: tuple[RawHeader, ...]
    https: tuple[RawHeader, ...]
    is_complete: bool

    @classmethod
    def of(cls, exchange: Exchange) -> StaticEdge:
        """Return the edge of an exchange."""
        policy, security = exchange.policy, exchange.security
        is_complete = not exchange.finds_policy and (policy is None or policy.is_open)
        cors = policy.headers if is_complete and policy is not None else ()
        return cls((*security.plain, *cors), (*security.https, *cors), is_complete)


def edge_found(scope: Scope, exchange: Exchange, request_id: bytes | None) -> tuple[RawHeader, ...]:
    """Return the edge's headers where they depend on the request; none where an edge outside adds them."""
    if request_id is None:
        return ()
    policy = scope.get("patera.cors", exchange.policy) if exchange.finds_policy else exchange.policy
    return edge_headers(scope, policy, exchange.security)


def whole_messages(
    response: Response[Any],
    extra: tuple[RawHeader, ...],
    request_id: bytes | None,
    method: str,
    defaults: frozenset[bytes],
) -> tuple[Message, Message]:
    """Return start and body of a response whose body is complete; `defaults` are headers that give way to its own."""
    status, body, headers = response._status or 200, response.body, response.raw_headers
    if status < 200 or status in BODILESS:
        body, headers = b"", apply_edge(response.content_headers(), with_id(extra, request_id), defaults)
    elif len(headers) == 1 and headers[0][0] == b"content-type" and request_id is not None:
        headers = [headers[0], (b"content-length", b"%d" % len(body)), *extra, (b"x-request-id", request_id)]
    else:
        headers = apply_edge(response.content_headers(), with_id(extra, request_id), defaults)
    start = {"type": "http.response.start", "status": status, "headers": headers}
    return start, {"type": "http.response.body", "body": b"" if method == "HEAD" else body}
