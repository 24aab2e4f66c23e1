"""Bodies that are sent piece by piece: streams, server-sent events, JSON lines."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from starlette.concurrency import iterate_in_threadpool
from starlette.requests import ClientDisconnect

from ._json import dump_json
from ._types import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from .response import Response

Chunk = bytes | bytearray | memoryview | str
StreamContent = Iterable[Chunk] | AsyncIterable[Chunk]
Encode = Callable[[Iterable[Any] | AsyncIterable[Any]], AsyncGenerator[Any, None]]


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event for `Response.sse()`.

    Example:
        yield ServerSentEvent({"progress": 40}, event="progress", id="7")

    Args:
        data: Text, or anything JSON can hold.
        event: The event's type; `message` in the browser where None.
        id: Sent back by the browser as `Last-Event-ID` when it reconnects.
        retry: Milliseconds after which the browser reconnects.
        comment: A line that clients ignore, such as a keep-alive.
    """

    data: Any = None
    event: str | None = None
    id: str | None = None
    retry: int | None = None
    comment: str | None = None

    def encode(self) -> bytes:
        """Return the event on the wire; line breaks in a field cannot start another field."""
        lines = [f": {part}" for part in _lines(self.comment or "") if self.comment is not None]
        for name in ("event", "id", "retry"):
            value = getattr(self, name)
            if value is not None:
                lines.append(f"{name}: {' '.join(_lines(str(value)))}")
        if self.data is not None:
            text = self.data if isinstance(self.data, str) else dump_json(self.data).decode()
            lines.extend(f"data: {line}" for line in _lines(text))
        return ("\n".join(lines) + "\n\n").encode()


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


async def encode_events(events: Iterable[Any] | AsyncIterable[Any]) -> AsyncGenerator[bytes, None]:
    """Yield each event encoded; what is no `ServerSentEvent` becomes the data of one."""
    async with aclosing(iterate(events)) as items:
        async for item in items:
            event = item if isinstance(item, ServerSentEvent) else ServerSentEvent(item)
            yield event.encode()


async def encode_lines(items: Iterable[Any] | AsyncIterable[Any]) -> AsyncGenerator[bytes, None]:
    """Yield each item as one line of JSON."""
    async with aclosing(iterate(items)) as each:
        async for item in each:
            yield dump_json(item) + b"\n"


async def iterate(content: Iterable[Any] | AsyncIterable[Any]) -> AsyncGenerator[Any, None]:
    """Iterate over a sync or async iterable, and close it however the iteration ends."""
    iterator: Any = content.__aiter__() if isinstance(content, AsyncIterable) else iter(content)
    source: AsyncIterator[Any] = iterator if isinstance(content, AsyncIterable) else iterate_in_threadpool(iterator)
    try:
        async for item in source:
            yield item
    finally:
        with anyio.CancelScope(shield=True):
            if hasattr(iterator, "aclose"):
                await iterator.aclose()
            elif hasattr(iterator, "close"):
                await anyio.to_thread.run_sync(iterator.close)


class StreamBody:
    """A body that comes from an iterable.

    Args:
        content: The iterable; it is closed however the sending ends.
        encode: Makes the pieces of the body out of its items, which are the pieces themselves otherwise.
    """

    def __init__(self, content: Iterable[Any] | AsyncIterable[Any], encode: Encode | None = None) -> None:
        self.content = content
        self._encode = encode or iterate

    async def send(self, response: Response[Any], scope: Scope, receive: Receive, send: Send) -> None:
        """Send start, pieces and end; stop when the client is gone."""
        start: Message = {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": response.content_headers(),
        }
        if scope.get("method") == "HEAD":
            await self._close_unread()
            await send(start)
            await send({"type": "http.response.body", "body": b""})
            return
        if scope["type"] == "websocket":
            await self._send_pieces(start, send)
            return
        await run_until_disconnect(partial(self._send_pieces, start, send), receive)

    async def _send_pieces(self, start: Message, send: Send) -> None:
        send = _noticing_disconnect(send)
        async with aclosing(self._encode(self.content)) as pieces:
            await send(start)
            async for piece in pieces:
                body = piece.encode() if isinstance(piece, str) else bytes(piece)
                await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _close_unread(self) -> None:
        if hasattr(self.content, "aclose"):
            await self.content.aclose()
        elif hasattr(self.content, "close"):
            await anyio.to_thread.run_sync(self.content.close)


def _noticing_disconnect(send: Send) -> Send:
    """Translate the OSError with which servers of ASGI 2.4 say that the client is gone; others are the content's."""

    async def send_or_notice(message: Message) -> None:
        try:
            await send(message)
        except OSError as error:
            raise ClientDisconnect from error

    return send_or_notice


async def run_until_disconnect(work: Callable[[], Any], receive: Receive) -> None:
    """Run `work`; cancel it when the client disconnects.

    Raises:
        ClientDisconnect: The client went away first.
    """
    is_done = False
    failure: Exception | None = None

    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        try:
            await work()
            is_done = True
        except Exception as error:
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if not is_done:
        raise ClientDisconnect
