"""`@rate_limit` and `@rate_limit_exempt`: the layers that count requests, or do not."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from patera.layer import Call, Layer, Place

from ._configs import limit_mistake, parse_limits
from ._headers import RateLimitExceeded, note
from ._keys import by_address, by_user, short_key
from ._limiter import Limiter, limiter_of

if TYPE_CHECKING:
    from limits import RateLimitItem

    from patera.application import Patera
    from patera.exceptions import Mistake
    from patera.request import Request

T = TypeVar("T")
Key = Callable[["Request"], "str | Awaitable[str | None] | None"]


class RateLimit(Layer):
    """Refuses requests beyond a limit; made by `rate_limit()`.

    Args:
        limits: The limits as text.
        key: Tells clients apart.
        scope: Name of the counter that several endpoints share; None counts each endpoint by itself.
        after_login: Whether the guards for login and roles run before.
        message: What a refused client is told.
    """

    statuses: Mapping[int, str] = {429: "Too many requests"}

    def __init__(
        self, limits: str, key: Key = by_address, *, scope: str | None = None, after_login: bool, message: str
    ) -> None:
        self.limits = limits
        self.place = Place.RATE_LIMIT_USER if after_login else Place.RATE_LIMIT
        self._key = key
        self._key_name = _name_of_key(key)
        self._scope = scope
        self._message = message
        self._target = ""

    @property
    def key(self) -> Hashable:
        """Limits are the same where they count the same: those of a class and of its method both hold."""
        return (type(self), self.limits, self._key, self._scope, self._target)

    @property
    def name(self) -> str:
        """The decorator's name with its limits."""
        return f"rate_limit({self.limits})"

    def __call__(self, target: T) -> T:
        """Decorate a method or a class; each has counters of its own."""
        bound = copy.copy(self)
        bound._target = f"{getattr(target, '__module__', '')}.{getattr(target, '__qualname__', '')}"
        return super(RateLimit, bound).__call__(target)

    def mistakes(self, app: Patera, where: str, location: str) -> Sequence[Mistake]:
        """Return a limit that is none."""
        found = limit_mistake(self.limits, where, location)
        return [found] if found is not None else []

    async def guard(self, call: Call) -> None:
        """Count the request.

        Raises:
            RateLimitExceeded: A limit is used up.
        """
        request = call.request
        if request is None or call.app is None:
            return
        limiter = limiter_of(call.app)
        if not limiter.configs.ENABLED:
            return
        key = self._key(request)
        if inspect.isawaitable(key):
            key = await key
        if key is not None:
            await self._count(limiter, request, short_key(str(key)))

    async def _count(self, limiter: Limiter, request: Request, key: str) -> None:
        scope = self._scope or f"{_endpoint_of(request)}|{self._target}|{self._key_name}"
        for item in parse_limits(self.limits):
            is_allowed, standing = await limiter.hit(item, self._scope or _name_of(item), scope, key)
            if standing is not None and limiter.configs.HEADERS:
                note(request, standing)
            if not is_allowed and standing is not None:
                raise RateLimitExceeded(standing.reset, self._message)


class RateLimitExempt(Layer):
    """Takes an endpoint out of `DEFAULT_LIMITS` and `GLOBAL_LIMITS`; `rate_limit_exempt` is the decorator."""

    place = Place.RATE_LIMIT
    #: Once is enough.
    name = key = "rate_limit_exempt"

    async def guard(self, call: Call) -> None:
        """Let everything pass; the extension leaves out its limits where this layer stands."""


#: Takes an endpoint, or all of a controller, out of the limits that `RATE_LIMIT` sets for all.
#:
#: Example:
#:     @get("/health")
#:     @rate_limit_exempt
#:     async def health(self, req: Request) -> Response: ...
rate_limit_exempt = RateLimitExempt()


def rate_limit(
    limits: str,
    *,
    key: Key = by_address,
    scope: str | None = None,
    after_login: bool | None = None,
    message: str = "Too many requests",
) -> RateLimit:
    """Limit how often a client may call an endpoint, all endpoints of a class, or open a websocket.

    Refused requests are a 429 with `Retry-After`, websockets are closed with 4429 before they are accepted. Limits
    by address run before the login, so that refused logins count. May be written several times; all of them hold.

    Example:
        @post("/reports")
        @rate_limit("2/second; 100/hour", key=by_user)
        async def report(self, req: Request) -> Response: ...

    Args:
        limits: Requests per second, minute, hour, day, month or year; several separated by `;`.
        key: Tells clients apart: `by_address`, `by_user`, or a function of the request, sync or async. The
            request is not counted where it returns None.
        scope: Name of a counter that all endpoints with this name share; None counts each endpoint by itself.
        after_login: Whether `req.user` is known to `key`; None says so of `by_user` alone.
        message: What a refused client is told.

    Raises:
        MissingExtra: When the application is built, if the package `limits` is not installed.
    """
    is_after = key is by_user if after_login is None else after_login
    return RateLimit(limits, key, scope=scope, after_login=is_after, message=message)


def _endpoint_of(request: Request) -> str:
    """Return what no other endpoint has: the class that answers, and its method."""
    route: Any = request.scope.get("route")
    owner = getattr(request.scope.get("endpoint"), "__self__", None)
    return f"{type(owner).__module__}.{getattr(route, 'name', request.path)}"


def _name_of_key(key: Key) -> str:
    """Return what tells key functions apart: a name that a client chose must not count as somebody's address."""
    return f"{getattr(key, '__module__', '')}.{getattr(key, '__qualname__', type(key).__qualname__)}"


def _name_of(item: RateLimitItem) -> str:
    return f"{item.amount}-per-{item.multiples if item.multiples > 1 else ''}{item.GRANULARITY.name}"
