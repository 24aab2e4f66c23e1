"""Guards in front of a mounted application, which has no methods to decorate."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from patera.exceptions import BaseHttpException
from patera.layer import Call, Layer
from patera.request import current_request
from patera.response import Response

from ._users import FAILURE_KEY

if TYPE_CHECKING:
    from patera._types import ASGIApp, Message, Receive, Scope, Send
    from patera.application import Patera
    from patera.request import Request

    from ._authentication import Authentication

#: Closing codes 4000-4999 are the application's own (RFC 6455, section 7.4.2): 4000 + HTTP status.
STATUS_OFFSET = 4000


class ProtectedApplication:
    """Runs guards, and then the application behind them.

    Args:
        app: The application to protect.
        layer: The guard, which runs after those that it implies.
        auth: Whose guard it is.
    """

    def __init__(self, app: ASGIApp, layer: Layer, auth: Authentication) -> None:
        self.app = app
        self.auth = auth
        self.layers = sorted(_with_implied(layer), key=lambda each: each.place)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or websocket.

        Raises:
            BaseHttpException: A request is refused; the application around answers.
            RuntimeError: The application around is none of Patera.
        """
        app: Any = scope.get("app")
        if not hasattr(app, "request_class"):
            raise RuntimeError(
                f"A protected application is below a {type(app).__name__}, which knows no users: "
                "mount it on the Patera application itself"
            )
        replay = _Replay(receive)
        request = app.request_class(scope, replay.record, send)
        call = Call(app, request, {})
        try:
            answer = await self._ask(call)
        except Exception as error:
            if scope["type"] == "http":
                _hand_out(scope)
                raise
            await self._close(app, request, error)
            return
        send = _finishing(request, send)
        if answer is not None:
            await answer(scope, receive, send)
            return
        await self.app(scope, replay.receive, send)

    async def _ask(self, call: Call) -> Any:
        for layer in self.layers:
            answer = await layer.guard(call)
            if answer is not None:
                return answer
        return None

    async def _close(self, app: Patera, request: Request, error: Exception) -> None:
        """Close a websocket for an error.

        Raises:
            Exception: The error itself, if it is none that a client is told of.
        """
        known = error if isinstance(error, BaseHttpException) else self.auth.translate_error(error, request)
        if known is None:
            raise error
        if known is not error:
            app.logger.opt(exception=error).error("{} answers {} of a loader", known.status_code, type(error).__name__)
        await request.close(STATUS_OFFSET + known.status_code, known.message)


def _finishing(request: Request, send: Send) -> Send:
    """Return a `send` that puts on the answer what the guards noted for it, such as the session and its `Vary`."""

    async def finish(message: Message) -> None:
        if message["type"] == "http.response.start":
            response = Response[Any]()
            response.raw_headers = [*message.get("headers", ())]
            await request.run_before_send(response)
            message = {**message, "headers": response.raw_headers}
        await send(message)

    return finish


def _hand_out(scope: Scope) -> None:
    """Note on the request around that a loader has failed: a mounted application has a copy of its scope."""
    around = current_request()
    if around is not None and FAILURE_KEY in scope:
        around.scope[FAILURE_KEY] = scope[FAILURE_KEY]


class _Replay:
    """Gives the application what a guard has read of the body, such as the CSRF token in a form."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._seen: deque[Message] = deque()

    async def record(self) -> Message:
        message = await self._receive()
        self._seen.append(message)
        return message

    async def receive(self) -> Message:
        return self._seen.popleft() if self._seen else await self._receive()


def _with_implied(layer: Layer) -> Iterator[Layer]:
    for implied in layer.implied():
        yield from _with_implied(implied)
    yield layer
