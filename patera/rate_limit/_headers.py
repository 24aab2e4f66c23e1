"""What an answer says about limits: 429 with `Retry-After`, and the fields of the IETF draft.

draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy` names each limit with its quota and window, `RateLimit`
says what is left of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from patera.exceptions import BaseHttpException
from patera.http import HttpStatus

if TYPE_CHECKING:
    from patera.request import Request

#: In the scope: the standings of the request's limits, in the order in which they were asked.
STANDINGS_KEY = "patera.rate_limits"

_UNQUOTABLE = re.compile(r"[^\x20-\x7e]|[\"\\]")


@dataclass(frozen=True, slots=True)
class Standing:
    """How a client stands with one limit.

    Args:
        name: The name of the limit.
        quota: Requests per window.
        window: Seconds of the window.
        remaining: Requests that are left.
        reset: Seconds until there are more.
    """

    name: str
    quota: int
    window: int
    remaining: int
    reset: int


class RateLimitExceeded(BaseHttpException):
    """A client asked more often than a limit allows (429, RFC 6585, section 4).

    Args:
        retry_after: Seconds until the next request may pass.
        message: What the client is told.
    """

    def __init__(self, retry_after: int, message: str = "Too many requests") -> None:
        super().__init__(
            message,
            HttpStatus.TOO_MANY_REQUESTS,
            data={"retry_after": retry_after},
            headers={"retry-after": str(retry_after)},
        )
        self.retry_after = retry_after


def note(request: Request, standing: Standing) -> None:
    """Remember a standing for the headers of the answer; a websocket has no answer."""
    if request.scope["type"] != "http" or request.is_answered:
        return
    request.scope.setdefault(STANDINGS_KEY, []).append(standing)
    request.before_send(add_headers)


def add_headers(request: Request, response: Any) -> None:
    """Put the standings of a request on its answer."""
    standings: Sequence[Standing] = request.scope[STANDINGS_KEY]
    names = _names(standings)
    policies = [f"{name};q={each.quota};w={each.window}" for name, each in zip(names, standings, strict=True)]
    left = [f"{name};r={each.remaining};t={each.reset}" for name, each in zip(names, standings, strict=True)]
    response.headers["ratelimit-policy"] = ", ".join(policies)
    response.headers["ratelimit"] = ", ".join(left)


def seconds_until(moment: float, now: float) -> int:
    """Return whole seconds until a moment, at least one."""
    return max(1, ceil(moment - now))


def _names(standings: Sequence[Standing]) -> list[str]:
    """Return the names as quoted strings of RFC 9651, section 3.3.3, each once."""
    names: list[str] = []
    for standing in standings:
        plain = _UNQUOTABLE.sub("_", standing.name)
        found = f'"{plain}"'
        number = 2
        while found in names:
            found = f'"{plain}-{number}"'
            number += 1
        names.append(found)
    return names
