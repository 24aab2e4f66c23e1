"""Nests layers, hooks, binding, handler and shaping in their fixed order, whatever the written one.

guards > @before_request > cache > body and parameters > inject > sessions( handler > finish ) > @after_request
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.from_thread
from starlette.requests import ClientDisconnect

from patera._layers import active_call, run_around_sync
from patera.exceptions import RequestTimeout
from patera.layer import Call, Layer, Place
from patera.response import Response

from .binding import Binding
from .errors import run_in_thread
from .shaping import AnyResponse, Shape

if TYPE_CHECKING:
    from patera.application import Patera
    from patera.request import Request

Respond = Callable[["Request"], Awaitable[AnyResponse]]
Step = Callable[[Call], Awaitable[Any]]
Invoke = Callable[..., Any]


@dataclass(slots=True)  # frozen ones take thrice as long to make, and there is one an endpoint
class Handler:
    """A controller method ready to be called with the request and its keyword arguments.

    Args:
        call: The bound method, foreign decorators included.
        kind: "async"; "thread" for `def`; "direct" for an async generator, whose call only makes it.
        passing: Wrappers of lifted layers that must let the call pass.
        settling: Wrappers of layers below foreign decorators, which finish the response.
    """

    call: Invoke
    kind: str
    passing: frozenset[Any] = frozenset()
    settling: frozenset[Any] = frozenset()

    @property
    def needs_call(self) -> bool:
        """Whether wrappers below a foreign decorator have to find the call they belong to."""
        return bool(self.passing or self.settling)


@dataclass(frozen=True, slots=True)
class Hook:
    """A `@before_request` or `@after_request` method, bound to its controller."""

    call: Callable[[Any], Any]
    is_async: bool

    async def run(self, subject: Any) -> Any:
        """Run the hook with the request or the response."""
        if self.is_async:
            return await self.call(subject)
        result = await run_in_thread(self.call, subject)
        return await result if inspect.isawaitable(result) else result


@dataclass(slots=True)  # frozen ones take thrice as long to make, and there is one an endpoint
class Parts:
    """Everything of one endpoint that the pipeline nests."""

    app: Patera
    handler: Handler
    binding: Binding
    shape: Shape
    layers: tuple[Layer, ...]
    before: tuple[Hook, ...] = ()
    after: tuple[Hook, ...] = ()
    timeout: float | None = None
    cancel_on_disconnect: bool = False

    def at(self, *places: Place) -> list[Layer]:
        """Return the layers of some places, in order."""
        return [layer for layer in self.layers if layer.place in places]

    @property
    def guards(self) -> list[Layer]:
        """The layers that only let pass or refuse."""
        return [layer for layer in self.layers if layer.place.is_guard]

    @property
    def is_plain(self) -> bool:
        """Whether the endpoint is nothing but guards, bind, call, shape and send."""
        extras = len(self.layers) > len(self.guards) or self.before or self.after or self.cancel_on_disconnect
        return not extras and self.handler.kind == "async" and not self.handler.needs_call


def compile_respond(parts: Parts) -> Respond:
    """Return the coroutine function that makes an endpoint's response."""
    respond = _compile_inner(parts)
    if parts.timeout is not None:
        respond = _timing_out(respond, parts.timeout)
    return respond


def _compile_inner(parts: Parts) -> Respond:
    if parts.is_plain and not parts.guards:
        return _compile_plain(parts.handler.call, parts.binding)
    produce = _compile_produce(parts)
    if parts.cancel_on_disconnect:
        produce = _cancelling(produce)
    caches = parts.at(Place.CACHE)
    if not (parts.guards or parts.before or parts.after or caches):
        return lambda request: produce(Call(parts.app, request, {}))
    cached = _nest(produce, caches)
    if not (parts.before or parts.after or caches):
        return _guarded(parts, cached)
    return _hooked(parts, cached)


def finishing(respond: Respond, shape: Shape) -> Respond:
    """Return the endpoint as middleware needs it: whatever it returned is a finished response."""

    async def respond_finished(request: Request) -> AnyResponse:
        response = await respond(request)
        if isinstance(response, Response) and not response._is_shaped and response._template is None:
            return shape.shape(response)
        return await shape.finish(request, response)

    return respond_finished


def _compile_plain(call: Invoke, binding: Binding) -> Respond:
    """Return the shape for nothing but parameters and handler; the exchange finishes what it returns."""
    bind, bind_body = binding.bind, binding.bind_body
    if bind_body is not None:

        async def respond(request: Request) -> Any:
            return await call(request, **await bind_body(request))

        return respond
    if bind is None:
        return call
    return lambda request: call(request, **bind(request))


def _guarded(parts: Parts, produce: Step) -> Respond:
    """Return the shape for guards alone."""
    app, finish = parts.app, parts.shape.finish
    guards = [layer.guard for layer in parts.guards]
    plain = _compile_plain(parts.handler.call, parts.binding) if parts.is_plain else None

    async def respond(request: Request) -> Any:
        call = Call(app, request, {})
        for guard in guards:
            answer = await guard(call)
            if answer is not None:
                return await finish(request, _checked_answer(answer, guard))
        if plain is not None and not call.kwargs:
            return await plain(request)
        return await produce(call)

    return respond


def _hooked(parts: Parts, produce: Step) -> Respond:
    app, finish, before, after = parts.app, parts.shape.finish, parts.before, parts.after
    guards = [layer.guard for layer in parts.guards]

    async def answer_early(call: Call, request: Request) -> Any:
        for guard in guards:
            answer = await guard(call)
            if answer is not None:
                return _checked_answer(answer, guard)
        for hook in before:
            answer = await hook.run(request)
            if answer is not None and answer is not request:
                return _checked_answer(answer, hook.call)
        return None

    async def respond(request: Request) -> AnyResponse:
        call = Call(app, request, {})
        early = await answer_early(call, request)
        if early is not None:
            response = await finish(request, early)
        else:
            response = await finish(request, await produce(call))
        return await run_after_hooks(parts.shape, after, request, response) if after else response

    return respond


def _checked_answer(answer: Any, source: Callable[..., Any]) -> Any:
    """Refuse True and False, which are verdicts of other frameworks and no answers to a client."""
    if isinstance(answer, bool):
        raise TypeError(
            f"{getattr(source, '__qualname__', source)} returned {answer}; return None to let the request pass, "
            "and return a response or raise an exception to end it"
        )
    return answer


async def run_after_hooks(shape: Shape, hooks: Sequence[Hook], request: Request, response: AnyResponse) -> AnyResponse:
    """Run the `@after_request` hooks; a replacement, or a body set anew, is shaped again."""
    request._is_hooked = True
    for hook in hooks:
        replacement = await hook.run(response)
        if replacement is not None:
            response = shape.coerce(request, replacement)
        response = await shape.finish(request, response)
    return response


def _compile_produce(parts: Parts) -> Step:
    """Return bind > inject > sessions( handler > finish )."""
    if parts.handler.kind == "thread":
        return _compile_produce_in_thread(parts)
    around = parts.at(Place.INJECT, Place.SESSION)
    invoke = _compile_invoke(parts.handler)
    shape, bind = parts.shape, _compile_bind(parts.binding)
    if not around and not parts.handler.needs_call:
        return _unlayered(bind, invoke, shape)
    nested = _nest(invoke, around)

    async def produce(call: Call) -> Any:
        request = call.request
        assert request is not None
        inner = Call(call.app, request, {**await bind(request), **call.kwargs})
        inner._shape = shape
        return await inner.settle(await nested(inner))

    return produce


def _unlayered(bind: Callable[[Request], Awaitable[dict[str, Any]]], invoke: Step, shape: Shape) -> Step:
    async def produce(call: Call) -> Any:
        request = call.request
        assert request is not None
        call.kwargs = {**await bind(request), **call.kwargs}
        return await shape.finish(request, await invoke(call))

    return produce


def _compile_bind(binding: Binding) -> Callable[[Request], Awaitable[dict[str, Any]]]:
    if binding.bind_body is not None:
        return binding.bind_body
    bind = binding.bind

    async def read(request: Request) -> dict[str, Any]:
        return bind(request) if bind is not None else {}

    return read


def _compile_invoke(handler: Handler) -> Step:
    invoke = _compile_await(handler)
    if not handler.needs_call:
        return invoke

    async def invoke_in_call(call: Call) -> Any:
        call.passing, call.settled_by = handler.passing, handler.settling
        token = active_call.set(call)
        try:
            return await invoke(call)
        finally:
            active_call.reset(token)

    return invoke_in_call


def _compile_await(handler: Handler) -> Step:
    function = handler.call

    async def invoke(call: Call) -> Any:
        result = function(call.request, **call.kwargs)
        return await result if inspect.isawaitable(result) else result

    async def invoke_async(call: Call) -> Any:
        return await function(call.request, **call.kwargs)

    return invoke_async if handler.kind == "async" else invoke


def _nest(innermost: Step, layers: Sequence[Layer]) -> Step:
    """Fold layers around a step, the first one outermost."""
    step = innermost
    for layer in reversed(layers):
        step = _surround(layer, step if step is innermost else _attempting(step))
    return step


def _surround(layer: Layer, step: Step) -> Step:
    return lambda call: layer.around(call, step)


def _attempting(step: Step) -> Step:
    """Return a step that leaves no flush behind: a layer may run it again, with a new session below."""

    async def attempt(call: Call) -> Any:
        count = len(call._flushes)
        try:
            return await step(call)
        finally:
            del call._flushes[count:]

    return attempt


def _compile_produce_in_thread(parts: Parts) -> Step:
    """Return the form for `def` handlers: one thread hop round sessions( handler > finish )."""
    sessions, shape, bind = parts.at(Place.SESSION), parts.shape, _compile_bind(parts.binding)
    innermost = run = _compile_call_sync(parts.handler)
    for layer in reversed(sessions):
        run = partial(_surround_sync, layer, run if run is innermost else partial(_attempt_sync, run))

    def work(call: Call) -> Any:
        return call.settle_sync(run(call))

    async def hop(call: Call) -> Any:
        return await run_in_thread(work, call)

    injected = _nest(hop, parts.at(Place.INJECT))

    async def produce(call: Call) -> Any:
        request = call.request
        assert request is not None
        inner = Call(call.app, request, {**await bind(request), **call.kwargs})
        await request.load_body()
        inner._shape = shape
        return await injected(inner)

    return produce


def _surround_sync(layer: Layer, step: Callable[[Call], Any], call: Call) -> Any:
    return run_around_sync(layer, call, step)


def _attempt_sync(step: Callable[[Call], Any], call: Call) -> Any:
    count = len(call._flushes)
    try:
        return step(call)
    finally:
        del call._flushes[count:]


def _compile_call_sync(handler: Handler) -> Callable[[Call], Any]:
    function = handler.call

    def invoke(call: Call) -> Any:
        call.passing, call.settled_by = handler.passing, handler.settling
        token = active_call.set(call) if handler.needs_call else None
        try:
            result = function(call.request, **call.kwargs)
            return anyio.from_thread.run(_awaited, result) if inspect.iscoroutine(result) else result
        finally:
            if token is not None:
                active_call.reset(token)

    return invoke


async def _awaited(coroutine: Awaitable[Any]) -> Any:
    """Await what a foreign decorator made of a `def` handler."""
    return await coroutine


def _timing_out(respond: Respond, seconds: float) -> Respond:
    """Cancel an endpoint after a time; what it opened is rolled back like on any cancellation."""

    async def respond_in_time(request: Request) -> AnyResponse:
        try:
            async with asyncio.timeout(seconds) as limit:
                return await respond(request)
        except TimeoutError:
            if limit.expired():
                raise RequestTimeout(seconds) from None
            raise

    return respond_in_time


def _cancelling(produce: Step) -> Step:
    """Cancel a handler when its client goes away; the body is read before, as both use `receive`."""

    async def produce_while_connected(call: Call) -> Any:
        request = call.request
        assert request is not None
        await request.load_body()
        work = asyncio.ensure_future(produce(call))
        gone = asyncio.ensure_future(_disconnected(request))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ClientDisconnect
            return work.result()
        finally:
            gone.cancel()
            work.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)

    return produce_while_connected


async def _disconnected(request: Request) -> None:
    while (await request._receive())["type"] != "http.disconnect":
        pass
