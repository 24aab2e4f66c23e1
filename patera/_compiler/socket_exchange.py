"""One websocket from handshake to close: guards before accept, errors as close codes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocketDisconnect

from patera._context import current_request
from patera._types import ASGIApp, Receive, Scope, Send
from patera.exceptions import BaseHttpException, MalformedRequest, PayloadTooLarge
from patera.layer import Call, Layer

from .edge import CorsPolicy, refuse_socket
from .errors import as_patera_error, translate_error
from .pipeline import Handler, _compile_invoke, _nest

if TYPE_CHECKING:
    from patera.application import Patera
    from patera.request import Request

    from .exchange import Bind

#: RFC 6455, section 7.4.1: a message of a kind that the handler does not take.
UNSUPPORTED_DATA = 1003
#: RFC 6455, section 7.4.1: a message that is too big to process.
MESSAGE_TOO_BIG = 1009
#: RFC 6455, section 7.4.1: an error of the server.
INTERNAL_ERROR = 1011
#: Closing codes 4000-4999 are the application's own (RFC 6455, section 7.4.2): 4000 + HTTP status.
STATUS_OFFSET = 4000


def compile_socket(
    app: Patera,
    request_class: type[Request],
    handler: Handler,
    bind: Bind | None,
    layers: Sequence[Layer],
    plan: Any,
    policy: CorsPolicy | None = None,
    limit: int | None = None,
    load_session: Callable[[Request], Awaitable[Any]] | None = None,
) -> ASGIApp:
    """Return the ASGI application of one `@socket` endpoint, whose messages have `limit` bytes at most."""
    guards = [layer.guard for layer in layers if layer.place.is_guard]
    talk = _nest(_compile_invoke(handler), [layer for layer in layers if not layer.place.is_guard])

    async def serve(request: Request) -> None:
        refusal = refuse_socket(request.scope, policy)
        if refusal is not None:
            raise refusal
        if load_session is not None:
            await load_session(request)
        call = Call(app, request, {})
        for guard in guards:
            if await guard(call) is not None:
                await request.close(STATUS_OFFSET + 403)
                return
        call.kwargs = dict(bind(request)) if bind is not None else {}
        await talk(call)
        await request.close()

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        request = request_class(scope, receive, send)
        request._body_limit = limit
        token = current_request.set(request)
        try:
            await serve(request)
        except (WebSocketDisconnect, ClientDisconnect):
            return
        except Exception as error:
            await close_for(app, request, error, plan.name)
        finally:
            try:
                await request.run_deferred()
            finally:
                current_request.reset(token)

    return run


async def close_for(app: Patera, request: Request, error: Exception, name: str) -> None:
    """Close a websocket for an error: 1003, 1009, 4000 + status, or 1011 for what nobody foresaw.

    Raises:
        Exception: In DEBUG, the unforeseen error itself; it is logged otherwise.
    """
    error = translate_error(app, request, as_patera_error(error))
    if isinstance(error, MalformedRequest) and request._is_accepted:
        await request.close(UNSUPPORTED_DATA, _reason(error.message))
    elif isinstance(error, PayloadTooLarge) and request._is_accepted:
        await request.close(MESSAGE_TOO_BIG, _reason(error.message))
    elif isinstance(error, BaseHttpException):
        await request.close(STATUS_OFFSET + error.status_code, _reason(error.message))
    else:
        if not app.debug:
            app.logger.opt(exception=error).critical("Unhandled exception in {}", name)
        await request.close(INTERNAL_ERROR, "Internal server error")
        if app.debug:
            raise error


def _reason(message: str) -> str:
    """Cut a reason to the 123 bytes that a close frame has room for (RFC 6455, section 5.5)."""
    return message.encode()[:123].decode(errors="ignore")
