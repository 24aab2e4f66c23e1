"""One HTTP exchange: request in, response out, errors answered, everything closed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect

from patera._context import current_request
from patera._types import ASGIApp, Message, RawHeader, Receive, Scope, Send
from patera.response import BODILESS, ForeignResponse, Response

from .edge import EDGE_KEY, CorsPolicy, apply_edge, assign_request_id, edge_headers
from .errors import ErrorTable
from .pipeline import Handler, Hook, Respond, run_after_hooks
from .shaping import AnyResponse, Shape

if TYPE_CHECKING:
    from patera.application import Patera
    from patera.request import Request

Bind = Callable[["Request"], dict[str, Any]]


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
        own_edge: Whether exchanges add the edge's headers; a wrapper does it outside foreign middleware.
        log_request: Writes the line of `REQUEST_LOG`.
    """

    app: Patera
    request_class: type[Request]
    response_class: type[Response[Any]]
    errors: ErrorTable
    shape: Shape
    chain: Respond | None
    own_edge: bool
    log_request: Callable[[Scope, int], None] | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is particular to the exchanges of one route.

    Args:
        respond: Makes the response.
        shape: Finishes what middleware or error handlers set anew.
        policy: The CORS policy, None where CORS is off.
        checks_origin: Whether requests have to be held against the policy.
        limit: Largest body, in bytes; None for no limit.
        after: The hooks that run on handled errors too.
        plan: The endpoint's plan, None where there is no endpoint.
    """

    respond: Respond
    shape: Shape
    policy: CorsPolicy | None
    checks_origin: bool = False
    limit: int | None = None
    after: tuple[Hook, ...] = ()
    plan: Any = None


def compile_exchange(runtime: Runtime, exchange: Exchange) -> ASGIApp:
    """Return the ASGI application of one route."""
    deliver = _compile_deliver(runtime)
    make = _compile_make(runtime, exchange)
    request_class, limit, plan, policy = runtime.request_class, exchange.limit, exchange.plan, exchange.policy

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        request_id = assign_request_id(scope) if "patera.request_id" not in scope else b""
        scope["patera.plan"], scope["patera.cors"] = plan, policy
        request = request_class(scope, receive, send)
        request._body_limit = limit
        token = current_request.set(request)
        try:
            await deliver(request, await make(request), request_id)
        except ClientDisconnect:
            runtime.app.logger.info("The client went away during {} {}", scope["method"], plan.name if plan else "")
        finally:
            try:
                if request._deferred:
                    await request.run_deferred()
            finally:
                current_request.reset(token)

    return run


def _compile_make(runtime: Runtime, exchange: Exchange) -> Respond:
    """Return the coroutine that makes a response whatever happens: middleware > endpoint, errors answered."""
    entry = runtime.chain or exchange.respond
    respond = _checking(exchange) if exchange.checks_origin else exchange.respond
    if runtime.chain is None:
        entry = respond
    finish = exchange.shape.finish

    async def make(request: Request) -> AnyResponse:
        request._respond = respond
        try:
            response = await entry(request)
            if isinstance(response, Response) and not response._is_shaped:
                response = await finish(request, response)
        except Exception as error:
            return await answer_error(runtime, exchange, request, error)
        return response

    return make


def _checking(exchange: Exchange) -> Respond:
    respond, policy = exchange.respond, exchange.policy
    assert policy is not None

    async def respond_if_allowed(request: Request) -> AnyResponse:
        refusal = policy.refuse(request.scope, request.scope["method"])
        if refusal is not None:
            raise refusal
        return await respond(request)

    return respond_if_allowed


async def answer_error(runtime: Runtime, exchange: Exchange, request: Request, error: Exception) -> AnyResponse:
    """Answer an exception; hooks see handled ones, and what fails in a hook becomes the answer."""
    response = await runtime.errors.answer(request, error)
    if not exchange.after or not runtime.errors.is_handled(error):
        return response
    try:
        return await run_after_hooks(exchange.shape, exchange.after, request, response)
    except Exception as failure:
        return await runtime.errors.answer(request, failure)


def _compile_deliver(runtime: Runtime) -> Callable[[Request, AnyResponse, bytes], Awaitable[None]]:
    """Return the coroutine that sends a response: edge headers, start, body, background tasks."""
    own_edge, log_request, response_class = runtime.own_edge, runtime.log_request, runtime.response_class

    async def deliver(request: Request, response: AnyResponse, request_id: bytes) -> None:
        scope, send = request.scope, request._send
        extra: Sequence[RawHeader] = ()
        if own_edge and EDGE_KEY not in scope:
            extra = edge_headers(scope, scope["patera.cors"], request_id)
        if type(response) is response_class and response._stream is None:
            await send_whole(scope, send, response, extra)
            status = response._status or 200
        else:
            status = await send_pieces(runtime, request, response, extra)
        if log_request is not None:
            log_request(scope, status)
        await finish_delivery(runtime, request, response)

    return deliver


async def send_whole(scope: Scope, send: Send, response: Response[Any], extra: Sequence[RawHeader]) -> None:
    """Send a response whose body is complete."""
    status, body, headers = response._status or 200, response.body, response.raw_headers
    if status < 200 or status in BODILESS:
        body = b""
        headers = response.content_headers()
    else:
        if len(headers) > 1:
            headers = [header for header in headers if header[0] != b"content-length"]
        headers.append((b"content-length", b"%d" % len(body)))
    if len(headers) == 2 and headers[0][0] == b"content-type":
        headers.extend(extra)
    else:
        headers = apply_edge(headers, extra)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def send_pieces(runtime: Runtime, request: Request, response: AnyResponse, extra: Sequence[RawHeader]) -> int:
    """Send a stream, a file, a plain Starlette response or a mounted application; return its status.

    What fails before the first byte is answered as an error; later it can only abort the connection.
    """
    status = 0

    async def sending(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            message = {**message, "headers": apply_edge(list(message.get("headers", ())), extra)}
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


async def finish_delivery(runtime: Runtime, request: Request, response: AnyResponse) -> None:
    """Close what was deferred, run background tasks, and in DEBUG let an unhandled error out."""
    if response.background is not None:
        await request.run_deferred()
        await response.background()
    unhandled = request.scope.get("patera.unhandled")
    if unhandled is not None and runtime.app.debug:
        raise unhandled


def compile_plain_exchange(runtime: Runtime, exchange: Exchange, handler: Handler, bind: Bind | None) -> ASGIApp:
    """Return the ASGI application of a route that is nothing but bind, call, shape and send.

    It does what `compile_exchange` does in one coroutine frame: a frame costs more than the work in it.
    """
    call, shape, response_class = handler.call, exchange.shape, runtime.response_class
    request_class, limit, plan, policy = runtime.request_class, exchange.limit, exchange.plan, exchange.policy
    deliver = _compile_deliver(runtime)
    is_static_edge = runtime.own_edge and runtime.log_request is None and (policy is None or policy.is_open)
    static = policy.headers if policy is not None else ()

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        request_id = assign_request_id(scope) if "patera.request_id" not in scope else b""
        scope["patera.plan"], scope["patera.cors"] = plan, policy
        request = request_class(scope, receive, send)
        request._body_limit = limit
        token = current_request.set(request)
        try:
            try:
                response = await (call(request) if bind is None else call(request, **bind(request)))
                if type(response) is not response_class or response._template is not None:
                    response = await shape.finish(request, response)
                elif not response._is_shaped:
                    shape.shape(response)
            except Exception as error:
                response = await answer_error(runtime, exchange, request, error)
            if (
                is_static_edge
                and type(response) is response_class
                and response._stream is None
                and response.background is None
                and EDGE_KEY not in scope
                and "patera.unhandled" not in scope
            ):
                await send_whole(scope, send, response, (*static, (b"x-request-id", request_id)))
            else:
                await deliver(request, response, request_id)
        except ClientDisconnect:
            runtime.app.logger.info("The client went away during {} {}", scope["method"], plan.name if plan else "")
        finally:
            try:
                if request._deferred:
                    await request.run_deferred()
            finally:
                current_request.reset(token)

    return run


def foreign_response(run: ASGIApp) -> ForeignResponse:
    """Return what middleware sees of a mounted application or foreign route."""

    async def run_marked(scope: Scope, receive: Receive, send: Send) -> None:
        scope[EDGE_KEY] = True
        await run(scope, receive, send)

    return ForeignResponse(run_marked)
