"""One HTTP exchange: request in, response out, errors answered, everything closed."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect

from patera._context import current_request
from patera._types import ASGIApp, Message, RawHeader, Receive, Scope, Send
from patera.response import UNSET, ForeignResponse, Response

from .edge import CorsPolicy, apply_edge, edge_headers, with_id
from .entry import EDGE_KEY, Gate, Refused
from .errors import ErrorTable
from .messages import compile_messages, edge_found, static_edge
from .pipeline import Hook, run_after_hooks
from .security_headers import SecurityHeaders
from .shaping import AnyResponse, Shape

if TYPE_CHECKING:
    from patera.application import Patera
    from patera.request import Request

Bind = Callable[["Request"], dict[str, Any]]
Make = Callable[["Request"], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Runtime:
    """What all exchanges of an application share.

    Args:
        app: The application.
        request_class: Made for each request.
        response_class: Made when a handler first touches `req.res`.
        errors: Answers exceptions.
        shape: How responses of no endpoint are finished, such as those of middleware.
        chain: The middleware, ending in the endpoint; None where there is none.
        gate: What every request has to pass first.
        security: The application's security headers, by name.
        own_edge: Whether exchanges add the edge's headers; a wrapper does it outside foreign middleware.
        log_request: Writes the line of `REQUEST_LOG`.
        load_session: Fetches the session of a request from a store on the server; None where there is no such store.
    """

    app: Patera
    request_class: type[Request]
    response_class: type[Response[Any]]
    errors: ErrorTable
    shape: Shape
    chain: Make | None
    gate: Gate
    security: Mapping[str, str]
    own_edge: bool
    log_request: Callable[[Scope, int], None] | None = None
    load_session: Make | None = None


@dataclass(slots=True)  # frozen ones take thrice as long to make, and there is one an endpoint
class Exchange:
    """What is particular to the exchanges of one route.

    Args:
        make: Called with the request, returns an awaitable of what the handler returned.
        shape: Finishes that, and what middleware or error handlers set anew.
        policy: The CORS policy, None where CORS is off.
        security: The security headers.
        finds_policy: Whether the policy is only known per request, in `scope["patera.cors"]`.
        limit: Largest body, in bytes; None for no limit.
        after: The hooks that run on handled errors too.
        plan: The endpoint's plan, None where there is no endpoint.
    """

    make: Make
    shape: Shape
    policy: CorsPolicy | None
    security: SecurityHeaders
    finds_policy: bool = False
    limit: int | None = None
    after: tuple[Hook, ...] = ()
    plan: Any = None

    @property
    def name(self) -> str:
        """The endpoint's name, for the log."""
        return self.plan.name if self.plan is not None else "no endpoint"


def compile_exchange(runtime: Runtime, exchange: Exchange) -> ASGIApp:  # noqa: C901 - one frame, see below
    """Return the ASGI application of one route.

    Everything of a simple request happens in this one coroutine: a further one costs more than the
    work it would do.
    """
    request_class, response_class = runtime.request_class, runtime.response_class
    make, shape, finish = exchange.make, exchange.shape.shape, exchange.shape.finish
    is_plain, encode, name = exchange.shape.is_plain, exchange.shape.encode, exchange.shape.name
    limit, defaults = exchange.limit, exchange.security.names
    enter, edge = _compile_enter(runtime, exchange), static_edge(exchange.policy, exchange.security)
    plain, https, messages = edge.plain, edge.https, compile_messages(exchange.security)
    is_static = edge.is_complete and not exchange.finds_policy
    logs = runtime.log_request is not None
    # A response that nothing was set on may lack a body or status that the endpoint declares.
    is_declared = runtime.chain is None and (exchange.shape.has_type or not exchange.shape.is_plain)

    async def run(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: C901
        try:
            request_id = enter(scope)
        except Refused as refusal:
            await refuse(runtime, scope, send, refusal, exchange.policy, exchange.security)
            return
        request = request_class(scope, receive, send)
        request._exchange = exchange
        request._body_limit = limit
        token, has_left = current_request.set(request), False
        try:
            try:
                response = await make(request)
                if (
                    type(response) is not response_class
                    or response._template is not None
                    or (is_declared and response._data is UNSET)
                ):
                    response = await finish(request, response)
                elif not response._is_shaped:
                    if is_plain and response._status is None:
                        response.shape(encode, None, name)
                    else:
                        shape(response)
            except Exception as error:
                response = await answer_error(runtime, exchange, request, error)
            if request._before_send:
                response = await run_before_send(runtime, request, response)
            request._is_answered = True
            extra = https if scope.get("scheme") == "https" else plain
            if not is_static or request_id is None:
                extra = edge_found(scope, exchange, request_id)
            has_more = logs or request._deferred or response.background is not None or "patera.unhandled" in scope
            if type(response) is response_class and response._stream is None:
                start, body = messages(response, scope["method"], extra, request_id)
                try:
                    await send(start)
                    if not has_more:
                        # The timers that a server sets after the body keep this context, and so would keep the request.
                        current_request.reset(token)
                        has_left = True
                    await send(body)
                except OSError as error:  # Servers of ASGI 2.4 say so that the client is gone.
                    raise ClientDisconnect from error
                status = start["status"]
            else:
                status = await send_pieces(runtime, request, response, with_id(extra, request_id), defaults)
                has_more = True
            if has_more:
                await finish_delivery(runtime, request, response, status)
        except ClientDisconnect:
            if has_left:
                token, has_left = current_request.set(request), False
            runtime.app.logger.info("The client went away during {} ({})", scope["method"], exchange.name)
        finally:
            try:
                if request._deferred:
                    await request.run_deferred()
            finally:
                if not has_left:
                    current_request.reset(token)

    return run


def _compile_enter(runtime: Runtime, exchange: Exchange) -> Callable[[Scope], bytes | None]:
    """Return the function that lets a request in and returns its id; None where an edge outside adds the headers.

    Raises:
        Refused: That function does, for a request that is not let in.
    """
    if runtime.own_edge:
        return runtime.gate.enter

    def note(scope: Scope) -> None:
        scope["patera.cors"], scope["patera.security"] = exchange.policy, exchange.security

    return note


async def refuse(
    runtime: Runtime,
    scope: Scope,
    send: Send,
    refusal: Refused,
    policy: CorsPolicy | None,
    security: SecurityHeaders,
) -> None:
    """Answer a request that is not let in; no code of the application runs, as it would see what was refused."""
    response: Response[Any] = Response()
    if "location" in refusal.error.headers:
        response.status(refusal.error.status_code).set_headers(refusal.error.headers)
    else:
        runtime.errors.render(response, refusal.error)
    is_mounted = EDGE_KEY in scope
    request_id = None if is_mounted else scope["patera.request_id"]
    extra = () if is_mounted else edge_headers(scope, policy, security)
    start, body = compile_messages(security)(response, scope["method"], extra, request_id)
    with suppress(OSError):
        await send(start)
        await send(body)
    if runtime.log_request is not None:
        runtime.log_request(scope, start["status"])


def compile_make(
    runtime: Runtime, respond: Make, policy: CorsPolicy | None, *, checks_origin: bool, is_builtin: bool = False
) -> Make:
    """Return the endpoint with the CORS check before it, the middleware around both, and the session fetched."""
    chain, load_session = runtime.chain, runtime.load_session
    make = _checking(respond, policy) if checks_origin and policy is not None else respond
    if chain is not None:
        make = _through(chain, make)
    # Static files use no session; what middleware does with one is not known.
    if load_session is not None and (chain is not None or not is_builtin):
        make = _with_session(make, load_session)
    return make


def _through(chain: Make, respond: Make) -> Make:
    def make(request: Request) -> Awaitable[Any]:
        request._respond = respond
        return chain(request)

    return make


def _with_session(respond: Make, load_session: Make) -> Make:
    async def make(request: Request) -> Any:
        await load_session(request)
        return await respond(request)

    return make


def _checking(respond: Make, policy: CorsPolicy) -> Make:
    async def respond_if_allowed(request: Request) -> Any:
        refusal = policy.refuse(request.scope, request.scope["method"])
        if refusal is not None:
            raise refusal
        return await respond(request)

    return respond_if_allowed


async def answer_error(runtime: Runtime, exchange: Exchange, request: Request, error: Exception) -> AnyResponse:
    """Answer an exception; hooks see handled ones, and what fails in a hook becomes the answer."""
    response = await runtime.errors.answer(request, error)
    if not exchange.after or request._is_hooked or not runtime.errors.is_handled(error):
        return response
    try:
        return await run_after_hooks(exchange.shape, exchange.after, request, response)
    except Exception as failure:
        return await runtime.errors.answer(request, failure)


async def run_before_send(runtime: Runtime, request: Request, response: AnyResponse) -> AnyResponse:
    """Run what `req.before_send()` noted; what fails there is answered, and the rest still runs on that answer."""
    done = 0
    # One of them may note another one.
    while done < len(request._before_send):
        function = request._before_send[done]
        done += 1
        try:
            result = function(request, response)
            if inspect.isawaitable(result):
                await result
        except Exception as error:
            response = await runtime.errors.answer(request, error)
    return response


async def send_pieces(
    runtime: Runtime,
    request: Request,
    response: AnyResponse,
    extra: Sequence[RawHeader],
    defaults: frozenset[bytes],
) -> int:
    """Send a stream, a file, a plain Starlette response or a mounted application; return its status.

    What fails before the first byte is answered as an error; later it can only abort the connection.
    """
    status = 0

    async def sending(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            headers = [(name.lower(), value) for name, value in message.get("headers", ())]
            message = {**message, "headers": apply_edge(headers, extra, defaults)}
        elif request.scope["method"] == "HEAD" and not isinstance(response, ForeignResponse):
            message = {**message, "body": b""}
        await request._send(message)

    background, response.background = response.background, None
    try:
        await response(request.scope, request._receive, sending)
    except Exception as error:
        if status or isinstance(error, ClientDisconnect):
            raise
        answer = await runtime.errors.answer(request, error)
        await answer(request.scope, request._receive, sending)
    response.background = background
    return status


async def finish_delivery(runtime: Runtime, request: Request, response: AnyResponse, status: int) -> None:
    """Close what was deferred, run background tasks, and in DEBUG let an unhandled error out."""
    if runtime.log_request is not None:
        runtime.log_request(request.scope, status)
    if response.background is not None:
        await request.run_deferred()
        await response.background()
    unhandled = request.scope.get("patera.unhandled")
    if unhandled is not None and runtime.app.debug:
        raise unhandled


def foreign_response(run: ASGIApp) -> ForeignResponse:
    """Return what middleware sees of a mounted application or foreign route."""

    async def run_marked(scope: Scope, receive: Receive, send: Send) -> None:
        # A copy: what the other application notes on its scope must not change this request's.
        child = dict(scope)
        if child["patera.cors"] is not None:
            child[EDGE_KEY] = True
        await run(child, receive, send)

    return ForeignResponse(run_marked)
