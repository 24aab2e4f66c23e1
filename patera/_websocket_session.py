"""The client's side of a websocket whose application runs as a task of the same event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from starlette.websockets import WebSocketDisconnect

from ._types import ASGIApp, Message, RawHeader, Scope

NORMAL_CLOSURE = 1000
ABNORMAL_CLOSURE = 1006


class WebSocketClosed(Exception):
    """The application has closed the websocket.

    Args:
        code: The close code (RFC 6455, section 7.4).
        reason: The close reason.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"the application closed the websocket: {code} {reason}".rstrip())
        self.code = code
        self.reason = reason


class WebSocketRejected(WebSocketClosed):
    """The application refused the websocket before accepting it.

    A client behind a real server sees an HTTP answer instead of the close code: 403, or what the
    application sent.

    Args:
        code: The close code, which stays inside the server.
        reason: The close reason, likewise.
        status_code: The HTTP status that a client sees.
        body: The body that a client sees.
    """

    def __init__(self, code: int, reason: str = "", *, status_code: int = 403, body: bytes = b"") -> None:
        Exception.__init__(self, f"the application refused the websocket: {code} {reason}".rstrip())
        self.code = code
        self.reason = reason
        self.status_code = status_code
        self.body = body


class ClientLeft(OSError):
    """What the application gets when it sends to a client that has left."""


class WebSocketSession:
    """One websocket of a test, open inside its `async with` block.

    Example:
        async with client.websocket("/echo") as ws:
            await ws.send_text("hello")
            assert await ws.receive_text() == "hello"

    Args:
        app: The ASGI application.
        scope: The websocket's scope.
        raise_app_exceptions: Whether an error of the application is raised in the test.
        timeout: Seconds to wait for the application before giving up.
    """

    def __init__(self, app: ASGIApp, scope: Scope, *, raise_app_exceptions: bool, timeout: float) -> None:
        self.accepted_subprotocol: str | None = None
        self.accepted_headers: Sequence[RawHeader] = ()
        self._app = app
        self._scope = scope
        self._raises = raise_app_exceptions
        self._timeout = timeout
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._left = False
        self._app_closed = False
        self._last: Message | None = None
        self._raised: BaseException | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run_app(), name=f"websocket {self._scope['path']}")
        self._to_app.put_nowait({"type": "websocket.connect"})
        try:
            await self._handshake()
        except BaseException:
            self._task.cancel()
            await asyncio.wait({self._task})
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
        try:
            app_error = await self._end()
        except TimeoutError:
            if error is None:
                raise
            return
        if app_error is None or app_error is self._raised or not self._raises:
            return
        if error is None or isinstance(error, WebSocketClosed):
            raise app_error from error

    async def send_text(self, text: str) -> None:
        """Send a text message.

        Raises:
            WebSocketClosed: The websocket is closed.
        """
        self._put({"type": "websocket.receive", "text": text})

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message.

        Raises:
            WebSocketClosed: The websocket is closed.
        """
        self._put({"type": "websocket.receive", "bytes": data})

    async def send_json(self, data: Any) -> None:
        """Send data as JSON in a text message.

        Raises:
            WebSocketClosed: The websocket is closed.
        """
        await self.send_text(json.dumps(data, separators=(",", ":"), ensure_ascii=False))

    async def receive(self) -> Message:
        """Return the application's next ASGI message, again and again the last one after its close.

        Raises:
            TimeoutError: The application sent nothing in time.
            Exception: The application failed, and the client raises such errors.
        """
        if self._last is not None:
            return self._last
        message = await self._next()
        if message["type"] == "websocket.close":
            self._last = message
        return message

    async def receive_text(self) -> str:
        """Return the application's next text message.

        Raises:
            WebSocketClosed: The application closed instead.
            TypeError: The message is binary.
            TimeoutError: The application sent nothing in time.
        """
        text = (await self._data()).get("text")
        if text is None:
            raise TypeError("the application sent a binary message; read it with receive_bytes()")
        return str(text)

    async def receive_bytes(self) -> bytes:
        """Return the application's next binary message.

        Raises:
            WebSocketClosed: The application closed instead.
            TypeError: The message is text.
            TimeoutError: The application sent nothing in time.
        """
        data = (await self._data()).get("bytes")
        if data is None:
            raise TypeError("the application sent a text message; read it with receive_text()")
        return bytes(data)

    async def receive_json(self) -> Any:
        """Return the data of the application's next message, text or binary.

        Raises:
            WebSocketClosed: The application closed instead.
            TimeoutError: The application sent nothing in time.
        """
        message = await self._data()
        return json.loads(message["bytes"] if message.get("text") is None else message["text"])

    async def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """Leave: the application receives a disconnect; a second call does nothing.

        Args:
            code: The close code (RFC 6455, section 7.4).
            reason: The close reason.
        """
        if not self._left:
            self._left = True
            self._to_app.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})

    async def _run_app(self) -> None:
        try:
            await self._app(self._scope, self._to_app.get, self._send)
        finally:
            self._from_app.put_nowait(None)

    async def _send(self, message: Message) -> None:
        """What the application calls; it refuses what a server refuses."""
        if self._app_closed:
            raise RuntimeError(f"unexpected ASGI message {message['type']!r} after the websocket was closed")
        if self._left:
            raise ClientLeft("the websocket's client has left")
        self._app_closed = message["type"] == "websocket.close"
        self._from_app.put_nowait(message)

    async def _handshake(self) -> None:
        message = await self._next()
        if message["type"] == "websocket.accept":
            self.accepted_subprotocol = message.get("subprotocol")
            self.accepted_headers = tuple(message.get("headers", ()))
            return
        rejection = await self._rejection(message)
        app_error = await self._end()
        raise app_error if app_error is not None and self._raises else rejection

    async def _rejection(self, message: Message) -> WebSocketRejected:
        code, reason = message.get("code", NORMAL_CLOSURE), message.get("reason") or ""
        if message["type"] == "websocket.close":
            return WebSocketRejected(code, reason, status_code=message.get("status", 403))
        body = b""
        while (part := await self._next())["type"] == "websocket.http.response.body":
            body += part.get("body", b"")
            if not part.get("more_body", False):
                break
        return WebSocketRejected(code, reason, status_code=message["status"], body=body)

    async def _next(self) -> Message:
        try:
            async with asyncio.timeout(self._timeout):
                message = await self._from_app.get()
        except TimeoutError:
            raise TimeoutError(f"the application sent nothing for {self._timeout} seconds") from None
        return await self._ending() if message is None else message

    async def _ending(self) -> Message:
        """The close that a server makes of an application which ends without one."""
        self._from_app.put_nowait(None)
        app_error = await self._end()
        if app_error is not None and self._raises:
            self._raised = app_error
            raise app_error
        code = NORMAL_CLOSURE if app_error is None else ABNORMAL_CLOSURE
        return {"type": "websocket.close", "code": code, "reason": "", "status": 500}

    async def _data(self) -> Message:
        message = await self.receive()
        if message["type"] == "websocket.close":
            raise WebSocketClosed(message.get("code", NORMAL_CLOSURE), message.get("reason") or "")
        return message

    def _put(self, message: Message) -> None:
        if self._last is not None:
            raise WebSocketClosed(self._last.get("code", NORMAL_CLOSURE), self._last.get("reason") or "")
        if self._left:
            raise WebSocketClosed(NORMAL_CLOSURE, "closed by the test")
        self._to_app.put_nowait(message)

    async def _end(self) -> BaseException | None:
        """Let the application end, and return its error; that its client left is none."""
        assert self._task is not None
        try:
            await asyncio.wait({self._task}, timeout=self._timeout)
        finally:
            hangs = not self._task.done()
            self._task.cancel()
        if hangs:
            await asyncio.wait({self._task})
            raise TimeoutError(f"the application went on for {self._timeout} seconds after the websocket was closed")
        app_error = None if self._task.cancelled() else self._task.exception()
        return None if self._left and isinstance(app_error, (ClientLeft, WebSocketDisconnect)) else app_error
