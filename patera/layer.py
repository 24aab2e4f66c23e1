"""Layers: decorators that run code around a method, each in its place whatever the written order.

A layer is written anywhere among a method's decorators. On an endpoint, `build()` puts it where its
`place` says; on any other method it runs right where it stands.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeVar

from ._context import current_request, find_application
from ._endpoint import CLASS_LAYERS_KEY, LAYER_KEY
from ._layers import LayerMark, active_call, run_around_sync

if TYPE_CHECKING:
    from .application import Patera
    from .exceptions import Mistake
    from .request import Request

__all__ = ["INJECTED", "Call", "Layer", "Next", "NextSync", "Place"]

T = TypeVar("T")

#: What no wrapper is in; one for all calls.
_NOBODY: frozenset[Any] = frozenset()
Next = Callable[["Call"], Awaitable[Any]]
NextSync = Callable[["Call"], Any]

#: Default of a parameter that a layer fills, so that a type checker lets callers leave it out:
#: `async def add(self, name: str, session: AsyncSession = INJECTED)`.
INJECTED: Any = None


class Place(IntEnum):
    """Where a layer runs, outermost first; places up to `CSRF` are guards and never see the body.

    Class hooks and `@before_request` run between `CSRF` and `CACHE`; the body is read between
    `CACHE` and `INJECT`.
    """

    RATE_LIMIT = 10
    LOGIN = 20
    ROLES = 30
    RATE_LIMIT_USER = 40
    CSRF = 50
    CACHE = 60
    INJECT = 70
    SESSION = 80

    @property
    def is_guard(self) -> bool:
        """Whether layers here only let pass or refuse."""
        return self <= Place.CSRF


class Call:
    """One run of a decorated method, as its layers see it.

    Args:
        app: The application, None where none can be found.
        request: The request being answered, None outside of requests.
        kwargs: Keyword arguments of the method; a layer adds what it injects.
    """

    __slots__ = ("_flushes", "_shape", "app", "kwargs", "passing", "request", "settled_by")

    def __init__(self, app: Patera | None, request: Request | None, kwargs: dict[str, Any]) -> None:
        self.app = app
        self.request = request
        self.kwargs = kwargs
        self.passing = _NOBODY
        self.settled_by = _NOBODY
        #: What finishes the endpoint's responses; None on a method that is no endpoint.
        self._shape: Any = None
        self._flushes: list[Callable[[], Any]] = []

    def before_shape(self, flush: Callable[[], Any]) -> None:
        """Run `flush` (sync or async) after rendering and before the body is shaped.

        Args:
            flush: Called without arguments; a session sends its pending rows here, so that ids exist.
        """
        self._flushes.append(flush)

    async def settle(self, result: Any) -> Any:
        """Turn what the handler returned into a finished response; elsewhere return it unchanged.

        A session calls this before it commits, so that a body which does not fit rolls back. Doing
        it again changes nothing.

        Args:
            result: What the next layer returned.
        """
        if self._shape is None:
            return result
        return await self._shape.finish(self.request, result, self._flushes)

    def settle_sync(self, result: Any) -> Any:
        """Do the same as `settle` in the worker thread of a `def` handler."""
        if self._shape is None:
            return result
        return self._shape.finish_sync(self.request, result, self._flushes)


class Layer:
    """A decorator with a place in the pipeline; subclass it with either `guard` or `around`.

    Example:
        class ApiKey(Layer):
            place = Place.LOGIN

            async def guard(self, call: Call) -> None:
                if call.request.headers.get("x-api-key") != "secret":
                    raise AuthenticationException("API key required")

        api_key = ApiKey()

    An `around` layer may also define `around_sync(call, next)`, which `def` methods need.
    """

    #: Where the layer runs.
    place: Place = Place.INJECT
    #: HTTP statuses that the layer may answer with, and when; shown in the OpenAPI document.
    statuses: Mapping[int, str] = {}
    #: OpenAPI security schemes by name that the layer demands.
    security: Mapping[str, Mapping[str, Any]] | None = None
    #: Whether requests without them pass, too.
    security_is_optional: bool = False

    around_sync: Callable[[Call, NextSync], Any] | None = None

    @property
    def key(self) -> Hashable:
        """What makes two layers the same; of equal ones only one runs."""
        return self

    @property
    def name(self) -> str:
        """The layer's name in listings; of several layers in one place, the alphabet decides which is outermost."""
        return type(self).__name__

    def injects(self, app: Patera) -> Sequence[str]:
        """Return the names of the parameters that the layer fills."""
        return ()

    def implied(self) -> Sequence[Layer]:
        """Return layers that must run whenever this one does, such as the login of a role check."""
        return ()

    def security_for(self, app: Patera) -> Mapping[str, Mapping[str, Any]] | None:
        """Return `security`; override it where the schemes are known with the application only."""
        return self.security

    def mistakes(self, app: Patera, where: str, location: str) -> Sequence[Mistake]:
        """Return what is wrong with using the layer at `where`, such as an extension not installed."""
        return ()

    def conflict(self, other: Layer) -> str:
        """Return why the layer cannot stand on one method with another one, or nothing."""
        return ""

    async def guard(self, call: Call) -> Any:
        """Let the call pass (None), raise, or return a response that ends it."""
        return None

    async def around(self, call: Call, next: Next) -> Any:
        """Run `await next(call)` inside of something; the default makes a guard an around layer."""
        answer = await self.guard(call)
        return answer if answer is not None else await next(call)

    def __call__(self, target: T) -> T:
        """Decorate a method, or a class so that all its endpoints have the layer."""
        if isinstance(target, type):
            own: tuple[Layer, ...] = target.__dict__.get(CLASS_LAYERS_KEY, ())
            setattr(target, CLASS_LAYERS_KEY, (self, *own))
            return target
        if not callable(target) or isinstance(target, staticmethod):
            raise TypeError(
                f"{self.name} decorates a method or a controller, got {target!r}; "
                "put it below @classmethod, @staticmethod and @property"
            )
        wrapper: Any = self._wrap(target)
        setattr(wrapper, LAYER_KEY, LayerMark(self, wrapper))
        return wrapper  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def _wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(function):
            return _wrap_async(self, function)
        return _wrap_sync(self, function)


def _wrap_async(layer: Layer, function: Callable[..., Any]) -> Callable[..., Any]:
    names = _names_by_position(function)

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        if _is_lifted(wrapper):
            return await function(*args, **kwargs)
        call = _call_of(wrapper, args, kwargs)
        args = _name_injected(layer, call, names, args)

        async def run(call: Call) -> Any:
            return await function(*args, **call.kwargs)

        token = active_call.set(call)
        try:
            return await layer.around(call, run)
        finally:
            active_call.reset(token)

    return wrapper


def _wrap_sync(layer: Layer, function: Callable[..., Any]) -> Callable[..., Any]:
    names = _names_by_position(function)

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if _is_lifted(wrapper):
            return function(*args, **kwargs)
        call = _call_of(wrapper, args, kwargs)
        args = _name_injected(layer, call, names, args)
        token = active_call.set(call)
        try:
            return run_around_sync(layer, call, lambda call: function(*args, **call.kwargs))
        finally:
            active_call.reset(token)

    return wrapper


def _names_by_position(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the parameters that can be given either way, in their order; none where `*args` would shift."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()
    if any(item.kind in (item.VAR_POSITIONAL, item.POSITIONAL_ONLY) for item in parameters):
        return ()
    return tuple(item.name for item in parameters if item.kind is item.POSITIONAL_OR_KEYWORD)


def _name_injected(layer: Layer, call: Call, names: tuple[str, ...], args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Hand what the caller gave by position to the layer by name, from the first argument on that it injects."""
    if call.app is None:
        return args
    for name in layer.injects(call.app):
        index = names.index(name) if name in names else len(args)
        moved = dict(zip(names[index:], args[index:], strict=False))
        if index < len(args) <= len(names) and not moved.keys() & call.kwargs.keys():
            call.kwargs.update(moved)
            args = args[:index]
    return args


def _is_lifted(wrapper: Any) -> bool:
    """Whether the pipeline of the request at hand has run this wrapper's layer already."""
    call = active_call.get()
    return call is not None and wrapper in call.passing and call.request is current_request.get()


def _call_of(wrapper: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
    """Make the call of a layer that runs where it stands."""
    app = _application_of(args[0]) if args else None
    call = Call(app if app is not None else find_application(), current_request.get(), dict(kwargs))
    active = active_call.get()
    if active is not None and wrapper in active.settled_by:
        call.passing, call.settled_by = active.passing, active.settled_by
        call._shape = active._shape
        # A copy: a second attempt must not flush the session of the first.
        call._flushes = [*active._flushes]
    return call


def _application_of(owner: Any) -> Patera | None:
    """Return `self.app` of a method's owner, if that is an application; a property may raise anything."""
    try:
        app: Any = owner.app
    except Exception:
        return None
    return app if hasattr(app, "extension_states") else None
