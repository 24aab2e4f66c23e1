"""Layers of the tests' own, one for each place; all note in one list what they do, in order."""

import functools
import inspect
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from patera import Patera, Response
from patera.exceptions import AuthenticationException
from patera.layer import Call, Layer, Next, NextSync, Place

F = TypeVar("F", bound=Callable[..., Any])

Events = list[str]

#: What the inject layer sets, for handlers to read.
current_tool: ContextVar[str | None] = ContextVar("current_tool", default=None)


class Recording(Layer):
    """A layer that is known by its name.

    Args:
        events: Where it notes what it does.
        name: Its name, and its key.
    """

    def __init__(self, events: Events, name: str) -> None:
        self.events = events
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    @property
    def key(self) -> Hashable:
        return (type(self).__name__, self._name)


class Guard(Recording):
    """Refuses requests without the header `x-user`."""

    def __init__(self, events: Events, name: str = "login", place: Place = Place.LOGIN) -> None:
        super().__init__(events, name)
        self.place = place

    async def guard(self, call: Call) -> None:
        self.events.append(self.name)
        if call.request is not None and "x-user" not in call.request.headers:
            raise AuthenticationException


class Role(Guard):
    """Implies a login."""

    def __init__(self, events: Events, login: Guard, name: str = "role") -> None:
        super().__init__(events, name, Place.ROLES)
        self.login = login

    def implied(self) -> Sequence[Layer]:
        return (self.login,)


class Memory(Recording):
    """A cache by path."""

    place = Place.CACHE

    def __init__(self, events: Events, name: str = "cache") -> None:
        super().__init__(events, name)
        self.stored: dict[str, bytes] = {}

    async def around(self, call: Call, next: Next) -> Any:
        assert call.request is not None
        path = call.request.path
        if path in self.stored:
            self.events.append(f"{self.name} hit")
            return Response(self.stored[path], media_type="application/json")
        self.events.append(f"{self.name} miss")
        response = await next(call)
        self.stored[path] = bytes(response.body)
        return response


class Tool(Recording):
    """Injects `tool`, and sets a context variable meanwhile."""

    place = Place.INJECT

    def __init__(self, events: Events, name: str = "tool") -> None:
        super().__init__(events, name)

    def injects(self, app: Patera) -> Sequence[str]:
        return (self.name,)

    async def around(self, call: Call, next: Next) -> Any:
        with self.lent(call):
            return await next(call)

    def around_sync(self, call: Call, next: NextSync) -> Any:
        with self.lent(call):
            return next(call)

    @contextmanager
    def lent(self, call: Call) -> Iterator[None]:
        self.events.append(f"{self.name} in")
        call.kwargs[self.name] = self.name
        token = current_tool.set(self.name)
        try:
            yield
        finally:
            current_tool.reset(token)
            self.events.append(f"{self.name} out")


class Session(Recording):
    """Injects a transaction, commits what fits and rolls back everything else.

    Args:
        events: Where it notes what it does.
        name: The name of the database and of the parameter.
    """

    place = Place.SESSION

    def __init__(self, events: Events, name: str = "session") -> None:
        super().__init__(events, name)
        self.threads: list[int] = []
        self.apps: list[Any] = []

    def injects(self, app: Patera) -> Sequence[str]:
        return (self.name,)

    async def around(self, call: Call, next: Next) -> Any:
        self.open(call)
        try:
            result = await call.settle(await next(call))
        except BaseException:
            self.events.append(f"{self.name} rolls back")
            raise
        self.events.append(f"{self.name} commits")
        return result

    def around_sync(self, call: Call, next: NextSync) -> Any:
        self.open(call)
        try:
            result = call.settle_sync(next(call))
        except BaseException:
            self.events.append(f"{self.name} rolls back")
            raise
        self.events.append(f"{self.name} commits")
        return result

    def open(self, call: Call) -> None:
        self.events.append(f"{self.name} begins")
        self.threads.append(threading.get_ident())
        self.apps.append(call.app)
        call.kwargs[self.name] = len(self.threads)
        number = len(self.threads)
        call.before_shape(lambda: self.events.append(f"{self.name} flushes {number}"))


class AsyncSession(Session):
    """A session that has no form for `def` methods."""

    around_sync = None  # type: ignore[assignment]


def transparent(function: F) -> F:
    """A foreign decorator, as they are written: it keeps what it wraps, and knows nothing of Patera."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            return await function(*args, **kwargs)

        return wrapper  # type: ignore[return-value]

    @functools.wraps(function)
    def sync_wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return sync_wrapper  # type: ignore[return-value]


def retry(times: int) -> Callable[[F], F]:
    """A foreign decorator that calls again after an error."""

    def decorate(function: F) -> F:
        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            for _ in range(times - 1):
                try:
                    return await function(*args, **kwargs)
                except OSError:
                    continue
            return await function(*args, **kwargs)

        return wrapper  # type: ignore[return-value]

    return decorate
