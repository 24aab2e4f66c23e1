"""The messages of an answer: its headers joined with those of the edge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from patera._types import Message, RawHeader, Scope
from patera.response import BODILESS, Response

from .edge import CorsPolicy, apply_edge, edge_headers, with_id
from .security_headers import SecurityHeaders

if TYPE_CHECKING:
    from .exchange import Exchange

#: What an answer may get at the edge beside security headers.
_EDGE_NAMES = frozenset(
    (
        b"content-length",
        b"x-request-id",
        b"vary",
        b"access-control-allow-origin",
        b"access-control-allow-credentials",
        b"access-control-expose-headers",
    )
)

#: `messages(response, method, extra, request_id)` -> start and body.
Messages = Callable[[Response[Any], str, tuple[RawHeader, ...], bytes | None], tuple[Message, Message]]

_NO_BODY: Message = {"type": "http.response.body", "body": b""}

#: The header of each of the frequent lengths: writing a number takes longer than finding it.
_LENGTHS = tuple((b"content-length", b"%d" % size) for size in range(1024))


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


@lru_cache(maxsize=256)
def static_edge(policy: CorsPolicy | None, security: SecurityHeaders) -> StaticEdge:
    """Return the edge of a policy; exchanges share it."""
    is_complete = policy is None or policy.is_open
    cors = policy.headers if is_complete and policy is not None else ()
    return StaticEdge((*security.plain, *cors), (*security.https, *cors), is_complete)


def taken_names(security: SecurityHeaders) -> frozenset[bytes]:
    """Return the names of all headers that an answer may get at the edge."""
    return _EDGE_NAMES | security.names


def edge_found(scope: Scope, exchange: Exchange, request_id: bytes | None) -> tuple[RawHeader, ...]:
    """Return the edge's headers where they depend on the request; none where an edge outside adds them."""
    if request_id is None:
        return ()
    policy = scope.get("patera.cors", exchange.policy) if exchange.finds_policy else exchange.policy
    if policy is exchange.policy and (policy is None or policy.is_open):
        edge = static_edge(policy, exchange.security)
        return edge.https if scope.get("scheme") == "https" else edge.plain
    return edge_headers(scope, policy, exchange.security)


@lru_cache(maxsize=256)
def compile_messages(security: SecurityHeaders) -> Messages:
    """Return the function that makes start and body of a response whose body is complete.

    It takes the response, the request's method, the edge's headers, and the id of the request: None where an edge
    outside adds headers.
    """
    taken, defaults = taken_names(security), security.names

    def messages(
        response: Response[Any], method: str, extra: tuple[RawHeader, ...], request_id: bytes | None
    ) -> tuple[Message, Message]:
        status, body, headers = response._status, response.body, response.raw_headers
        if status is None:
            status = 200
        elif status < 200 or status in BODILESS:
            headers = apply_edge(response.content_headers(), with_id(extra, request_id), defaults)
            return {"type": "http.response.start", "status": status, "headers": headers}, dict(_NO_BODY)
        if request_id is not None and (
            (len(headers) == 1 and headers[0] is response._added_type)
            or taken.isdisjoint([name for name, _ in headers])
        ):
            size = len(body)
            length = _LENGTHS[size] if size < 1024 else (b"content-length", b"%d" % size)
            headers = [*headers, length, *extra, (b"x-request-id", request_id)]
        else:
            headers = apply_edge(response.content_headers(), with_id(extra, request_id), defaults)
        start = {"type": "http.response.start", "status": status, "headers": headers}
        return start, {"type": "http.response.body", "body": b"" if method == "HEAD" else body}

    return messages
