"""The part of a request that talks over a websocket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from pydantic_core import to_json
from starlette.websockets import WebSocketDisconnect

from ._body import BodyRequest
from ._json import parse_json
from ._types import Message
from .exceptions import MalformedRequest, PayloadTooLarge

__all__ = ["SocketRequest", "WebSocketDisconnect"]

#: The code of a connection that ended without a close frame (RFC 6455, section 7.4.1).
ABNORMAL_CLOSURE = 1006


class SocketRequest(BodyRequest):
    """The websocket methods; on an HTTP request they raise `RuntimeError`; base of `Request`.

    Whatever needs a client that is gone raises Starlette's `WebSocketDisconnect`, which ends the
    handler quietly; closing is then no error and does nothing.
    """

    _is_connect_received = False
    _is_accepted = False
    _is_closed = False
    _disconnect_code = ABNORMAL_CLOSURE
    _disconnect_reason: str | None = None

    async def accept(
        self, subprotocol: str | None = None, headers: Iterable[tuple[bytes, bytes]] | None = None
    ) -> None:
        """Accept the websocket; a pending `websocket.connect` event is consumed.

        Args:
            subprotocol: The one of the client's subprotocols that the server chose.
            headers: Headers of the answer to the handshake.

        Raises:
            WebSocketDisconnect: The client has left.
            RuntimeError: It was accepted or closed before, or this is no websocket.
        """
        self._require_socket("accept")
        if self._is_accepted:
            raise RuntimeError("accept() was called before")
        if not self._is_connect_received and (await self.receive())["type"] == "websocket.disconnect":
            raise self._gone()
        await self.send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": list(headers or ())})

    async def receive(self) -> Message:
        """Return the next event of the ASGI protocol; after `accept()` never `websocket.connect`.

        Example:
            event = await req.receive()
            if event["type"] == "websocket.disconnect":
                return

        Raises:
            WebSocketDisconnect: `websocket.disconnect` was returned before.
            PayloadTooLarge: The message is larger than the endpoint allows; unhandled it closes with 1009.
        """
        if self.scope["type"] != "websocket":
            return await self._receive()
        if self._is_disconnected:
            raise self._gone()
        event = await self._receive()
        if event["type"] == "websocket.receive":
            self._check_size(event)
        if event["type"] == "websocket.connect":
            self._is_connect_received = True
            return await self.receive() if self._is_accepted else event
        if event["type"] == "websocket.disconnect":
            self._is_disconnected = True
            self._disconnect_code = event.get("code", ABNORMAL_CLOSURE)
            self._disconnect_reason = event.get("reason")
        return event

    async def receive_text(self) -> str:
        """Return the next text message.

        Raises:
            WebSocketDisconnect: The client has left.
            MalformedRequest: The message is binary; unhandled it closes the websocket with 1003.
        """
        text: str | None = (await self._receive_message()).get("text")
        if text is None:
            raise MalformedRequest("A text message was expected")
        return text

    async def receive_bytes(self) -> bytes:
        """Return the next binary message.

        Raises:
            WebSocketDisconnect: The client has left.
            MalformedRequest: The message is text; unhandled it closes the websocket with 1003.
        """
        data: bytes | None = (await self._receive_message()).get("bytes")
        if data is None:
            raise MalformedRequest("A binary message was expected")
        return data

    async def receive_json(self) -> Any:
        """Return the JSON value of the next message, text or binary.

        Raises:
            WebSocketDisconnect: The client has left.
            MalformedRequest: The message is no JSON; unhandled it closes the websocket with 1003.
        """
        event = await self._receive_message()
        text = event.get("text")
        return parse_json(event.get("bytes") or b"" if text is None else text)

    async def iter_text(self) -> AsyncIterator[str]:
        """Yield text messages until the client leaves.

        Example:
            async for text in req.iter_text():
                await req.send_text(text)
        """
        try:
            while True:
                yield await self.receive_text()
        except WebSocketDisconnect:
            return

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        """Yield binary messages until the client leaves."""
        try:
            while True:
                yield await self.receive_bytes()
        except WebSocketDisconnect:
            return

    async def iter_json(self) -> AsyncIterator[Any]:
        """Yield the JSON values of messages until the client leaves."""
        try:
            while True:
                yield await self.receive_json()
        except WebSocketDisconnect:
            return

    async def send(self, event: Message) -> None:
        """Send an event of the ASGI protocol, for example `{"type": "websocket.send", "text": "hello"}`.

        Args:
            event: The event.

        Raises:
            WebSocketDisconnect: The client has left. Not for `websocket.close`, which then does nothing.
            RuntimeError: The websocket was closed before by this side.
        """
        if self.scope["type"] != "websocket":
            await self._send(event)
            return
        is_close = event["type"] == "websocket.close"
        if is_close and (self._is_closed or self._is_disconnected):
            return
        self._require_open(event)
        self._note_sent(event)
        try:
            await self._send(event)
        except OSError as exc:
            self._is_disconnected = True
            if not is_close:
                raise self._gone() from exc

    async def send_text(self, data: str) -> None:
        """Send a text message. Raises what `send()` raises."""
        self._require_socket("send_text")
        await self.send({"type": "websocket.send", "text": data})

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message. Raises what `send()` raises."""
        self._require_socket("send_bytes")
        await self.send({"type": "websocket.send", "bytes": data})

    async def send_json(self, data: Any) -> None:
        """Send a value as JSON in a text message, models and dates included. Raises what `send()` raises."""
        self._require_socket("send_json")
        await self.send({"type": "websocket.send", "text": to_json(data, inf_nan_mode="null").decode()})

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the websocket, once; on an HTTP request, close the files of its form.

        Args:
            code: The close code of RFC 6455, section 7.4; before `accept()` servers answer 403 instead.
            reason: A text of at most 123 bytes for the client.
        """
        if self.scope["type"] != "websocket":
            await super().close()
            return
        await self.send({"type": "websocket.close", "code": code, "reason": reason or ""})

    async def is_disconnected(self) -> bool:
        """Whether the client has left; of a websocket, whether that was seen by receiving or sending."""
        if self.scope["type"] == "websocket":
            return self._is_disconnected
        return await super().is_disconnected()

    async def _receive_message(self) -> Message:
        self._require_socket("receiving a message")
        if not self._is_accepted:
            raise RuntimeError("The websocket is not accepted yet: write `await req.accept()` first")
        event = await self.receive()
        if event["type"] == "websocket.disconnect":
            raise self._gone()
        return event

    def _check_size(self, event: Message) -> None:
        limit = self._body_limit
        if limit is None:
            return
        text = event.get("text")
        if text is None:
            size = len(event.get("bytes") or b"")
        else:
            size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        if size > limit:
            raise PayloadTooLarge(limit)

    def _require_socket(self, name: str) -> None:
        if self.scope["type"] != "websocket":
            raise RuntimeError(f"{name} needs a websocket, this is an HTTP request")

    def _require_open(self, event: Message) -> None:
        if self._is_disconnected:
            raise self._gone()
        if self._is_closed:
            raise RuntimeError(f"{event['type']} was sent after the websocket had been closed")

    def _note_sent(self, event: Message) -> None:
        match event["type"]:
            case "websocket.accept":
                self._is_accepted = True
            case "websocket.close":
                self._is_closed = True
            case "websocket.http.response.body":
                self._is_closed = not event.get("more_body", False)

    def _gone(self) -> WebSocketDisconnect:
        return WebSocketDisconnect(self._disconnect_code, self._disconnect_reason)
