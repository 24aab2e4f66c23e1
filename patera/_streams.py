"""Bodies that are sent piece by piece: streams, files, server-sent events, JSON lines."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from mimetypes import guess_type
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from pydantic_core import to_json
from starlette.concurrency import iterate_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse
from starlette.responses import Response as StarletteResponse

from ._types import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from .response import Response

Chunk = bytes | bytearray | memoryview | str
StreamContent = Iterable[Chunk] | AsyncIterable[Chunk]

CHUNK_BYTES = 64 * 1024


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
            text = self.data if isinstance(self.data, str) else to_json(self.data).decode()
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
            yield to_json(item, by_alias=True, inf_nan_mode="null") + b"\n"


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
    """A body that comes from an iterable."""

    def __init__(self, content: StreamContent) -> None:
        self.content = content

    @classmethod
    def of_file(cls, file: Any) -> StreamBody:
        """Stream a readable binary file object, closing it at the end."""

        def chunks() -> Iterable[bytes]:
            with file:
                yield from iter(partial(file.read, CHUNK_BYTES), b"")

        return cls(chunks())

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
        async with aclosing(iterate(self.content)) as pieces:
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
        # Servers of ASGI 2.4 raise OSError from send() when the client is gone.
        if isinstance(failure, OSError):
            raise ClientDisconnect from failure
        raise failure
    if not is_done:
        raise ClientDisconnect


class FileBody:
    """A body that is a file on disk; Starlette's `FileResponse` does the ranges."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path

    @staticmethod
    def media_type_of(name: str | os.PathLike[str]) -> str:
        """Guess the media type by the name's ending."""
        return guess_type(str(name))[0] or "application/octet-stream"

    async def send(self, response: Response[Any], scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, a part of it, or 304.

        Raises:
            FileNotFoundError: There is no such file; nothing was sent yet.
        """
        stat = await anyio.to_thread.run_sync(os.stat, self.path)
        headers = dict(response.headers.items())
        answer: StarletteResponse = FileResponse(self.path, response.status_code, headers, stat_result=stat)
        cookies = [header for header in response.raw_headers if header[0] == b"set-cookie"]
        if response.status_code == 200 and is_not_modified(answer.headers, Headers(scope=scope)):
            kept = ("cache-control", "content-location", "etag", "expires", "last-modified", "vary")
            answer = StarletteResponse(
                status_code=304, headers={name: value for name, value in answer.headers.items() if name in kept}
            )
        answer.raw_headers = [header for header in answer.raw_headers if header[0] != b"set-cookie"] + cookies
        await answer(scope, receive, send)


def is_not_modified(response: Headers, request: Headers) -> bool:
    """Tell whether the client's copy is still good (RFC 9110, section 13.2.2)."""
    wanted = request.get("if-none-match")
    if wanted is not None:
        tags = [tag.strip().removeprefix("W/") for tag in wanted.split(",")]
        return wanted.strip() == "*" or response.get("etag") in tags
    since, modified = request.get("if-modified-since"), response.get("last-modified")
    if since is None or modified is None:
        return False
    try:
        return parsedate_to_datetime(since) >= parsedate_to_datetime(modified)
    except (TypeError, ValueError):
        return False
