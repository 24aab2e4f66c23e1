"""One HTTP exchange: request in, response out, errors answered, everything closed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect

from patera._context import current_request
from patera._types import ASGIApp, Message, RawHeader, Receive, Scope, Send
from patera.response import BODILESS, UNSET, ForeignResponse, Response

from .edge import EDGE_KEY, CorsPolicy, apply_edge, assign_request_id, edge_headers
from .errors import ErrorTable
from .pipeline import Hook, run_after_hooks
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
        own_edge: Whether exchanges add the edge's headers; a wrapper does it outside foreign middleware.
        log_request: Writes the line of `REQUEST_LOG`.
    """

    app: Patera
    request_class: type[Request]
    response_class: type[Response[Any]]
    errors: ErrorTable
    shape: Shape
    chain: Make | None
    own_edge: bool
    log_request: Callable[[Scope, int], None] | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is particular to the exchanges of one route.

    Args:
        make: Called with the request, returns an awaitable of what the handler returned.
        shape: Finishes that, and what middleware or error handlers set anew.
        policy: The CORS policy, None where CORS is off.
        finds_policy: Whether the policy is only known per request, in `scope["patera.cors"]`.
        limit: Largest body, in bytes; None for no limit.
        after: The hooks that run on handled errors too.
        plan: The endpoint's plan, None where there is no endpoint.
    """

    make: Make
    shape: Shape
    policy: CorsPolicy | None
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
    limit, edge_of = exchange.limit, _compile_edge(runtime, exchange)
    logs = runtime.log_request is not None
    # A response that nothing was set on may lack a body or status that the endpoint declares.
    is_declared = runtime.chain is None and (exchange.shape.has_type or not exchange.shape.is_plain)

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        extra = edge_of(scope)
        request = request_class(scope, receive, send)
        request._exchange = exchange
        request._body_limit = limit
        token = current_request.set(request)
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
                    shape(response)
            except Exception as error:
                response = await answer_error(runtime, exchange, request, error)
            if exchange.finds_policy:
                extra = _edge_found(scope, extra, exchange.policy)
            if type(response) is response_class and response._stream is None:
                start, body = whole_messages(response, extra, scope["method"])
                try:
                    await send(start)
                    await send(body)
                except OSError as error:  # Servers of ASGI 2.4 say so that the client is gone.
                    raise ClientDisconnect from error
                status = start["status"]
            else:
                status = await send_pieces(runtime, request, response, extra)
            if logs or response.background is not None or "patera.unhandled" in scope:
                await finish_delivery(runtime, request, response, status)
        except ClientDisconnect:
            runtime.app.logger.info("The client went away during {} ({})", scope["method"], exchange.name)
        finally:
            try:
                if request._deferred:
                    await request.run_deferred()
            finally:
                current_request.reset(token)

    return run


def _compile_edge(runtime: Runtime, exchange: Exchange) -> Callable[[Scope], list[RawHeader]]:
    """Return the function that makes the edge's headers of a request; none where an outer edge does it."""
    policy, own_edge = exchange.policy, runtime.own_edge
    static: Sequence[RawHeader] | None = None
    if policy is None or exchange.finds_policy:
        static = ()
    elif policy.is_open:
        static = policy.headers

    def edge_of(scope: Scope) -> list[RawHeader]:
        if not own_edge or EDGE_KEY in scope:
            return _outer_edge(scope, policy)
        request_id = assign_request_id(scope)
        if static is None:
            return edge_headers(scope, policy, request_id)
        return [*static, (b"x-request-id", request_id)]

    return edge_of


def _outer_edge(scope: Scope, policy: CorsPolicy | None) -> list[RawHeader]:
    """Leave the headers to the edge outside, which has to know the policy of the route."""
    scope["patera.cors"] = policy
    return []


def _edge_found(scope: Scope, extra: list[RawHeader], default: CorsPolicy | None) -> list[RawHeader]:
    """Return the edge's headers with those of the policy that was found for this request."""
    policy = scope.get("patera.cors", default)
    if not extra or policy is None:
        return extra
    return [*policy.headers_for(scope), *extra]


def compile_make(runtime: Runtime, respond: Make, policy: CorsPolicy | None, *, checks_origin: bool) -> Make:
    """Return the endpoint with the CORS check before it and the middleware around both."""
    chain = runtime.chain
    inner = _checking(respond, policy) if checks_origin and policy is not None else respond
    if chain is None:
        return inner

    def make(request: Request) -> Awaitable[Any]:
        request._respond = inner
        return chain(request)

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


def whole_messages(response: Response[Any], extra: Sequence[RawHeader], method: str) -> tuple[Message, Message]:
    """Return start and body of a response whose body is complete."""
    status, body, headers = response._status or 200, response.body, response.raw_headers
    if status < 200 or status in BODILESS:
        body, headers = b"", apply_edge(response.content_headers(), extra)
    elif len(headers) == 1 and headers[0][0] == b"content-type":
        headers = [headers[0], (b"content-length", b"%d" % len(body)), *extra]
    else:
        headers = apply_edge(response.content_headers(), extra)
    start = {"type": "http.response.start", "status": status, "headers": headers}
    return start, {"type": "http.response.body", "body": b"" if method == "HEAD" else body}


async def send_pieces(runtime: Runtime, request: Request, response: AnyResponse, extra: Sequence[RawHeader]) -> int:
    """Send a stream, a file, a plain Starlette response or a mounted application; return its status.

    What fails before the first byte is answered as an error; later it can only abort the connection.
    """
    status = 0

    async def sending(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            headers = [(name.lower(), value) for name, value in message.get("headers", ())]
            message = {**message, "headers": apply_edge(headers, extra)}
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
