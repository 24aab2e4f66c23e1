"""What handlers of all tables note, and the layers that note it."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from patera.exceptions import AuthenticationException
from patera.layer import Call, Layer, Place

#: Where handlers note what happened to them, in order.
events: list[str] = []

#: A context variable of the user's own.
tenant: ContextVar[str] = ContextVar("tenant", default="nobody")

SECRET = "s3cret-value"


class RecordingSession(Layer):
    """Notes what a database session would do: begin, then commit or roll back."""

    place = Place.SESSION

    async def around(self, call: Call, next: Callable[[Call], Awaitable[Any]]) -> Any:
        events.append("begin")
        try:
            settled = await call.settle(await next(call))
        except BaseException:
            events.append("rollback")
            raise
        events.append("commit")
        return settled

    def around_sync(self, call: Call, next: Callable[[Call], Any]) -> Any:
        events.append("begin")
        try:
            settled = call.settle_sync(next(call))
        except BaseException:
            events.append("rollback")
            raise
        events.append("commit")
        return settled


session = RecordingSession()


class Locked(Layer):
    """Lets nobody in."""

    place = Place.LOGIN

    async def guard(self, call: Call) -> None:
        raise AuthenticationException
