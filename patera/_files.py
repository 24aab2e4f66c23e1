"""Bodies that are files: ranges, conditions and the length that was announced."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from mimetypes import guess_type
from typing import TYPE_CHECKING, Any, BinaryIO

import anyio.to_thread
from starlette.datastructures import Headers
from starlette.responses import FileResponse, MalformedRangeHeader, RangeNotSatisfiable
from starlette.responses import Response as StarletteResponse

from ._types import Message, RawHeader, Receive, Scope, Send
from .exceptions import BaseHttpException, MalformedRequest
from .http import HttpStatus

if TYPE_CHECKING:
    from .response import Response

CHUNK_BYTES = 64 * 1024

#: Headers of a 200 that its 304 has too (RFC 9110, section 15.4.5), and cookies.
NOT_MODIFIED_HEADERS = frozenset(
    (b"cache-control", b"content-location", b"date", b"etag", b"expires", b"last-modified", b"set-cookie", b"vary")
)


def file_type(name: str | os.PathLike[str] | None) -> RawHeader:
    """Return the content type header for a file's name, guessed by its ending."""
    media_type = guess_type(os.fspath(name or ""))[0] or "application/octet-stream"
    return b"content-type", media_type.encode("latin-1")


class FileChunks:
    """The pieces of a readable binary file object, which is closed with them.

    Args:
        file: The file object.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk = self._file.read(CHUNK_BYTES)
        if not chunk:
            raise StopIteration
        return chunk

    def close(self) -> None:
        """Close the file object."""
        self._file.close()


class FileBody:
    """A body that is a file on disk.

    Args:
        path: The file's path.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path

    async def send(self, response: Response[Any], scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, a part of it, or 304.

        Raises:
            FileNotFoundError: There is no such file; nothing was sent yet.
            MalformedRequest: The `Range` header cannot be understood.
            BaseHttpException: 416, the range lies beyond the end of the file.
        """
        attributes = await anyio.to_thread.run_sync(_attributes, self.path)
        answer = CheckedFile(self.path, response.status_code, stat_result=attributes)
        headers, own = answer.raw_headers, response.content_headers()
        names = {name for name, _ in own}
        headers[:] = [*(header for header in headers if header[0] not in names), *own]
        if response.status_code != 200:
            await answer(_without_range(scope), receive, send)
        elif is_not_modified(answer.headers, Headers(scope=scope)):
            await _not_modified(headers)(scope, receive, send)
        else:
            answer.check_range(scope)
            await answer(scope, receive, send)


def _without_range(scope: Scope) -> Scope:
    """Return the scope without `Range`, which counts only where the answer would be 200 (RFC 9110, section 14.2)."""
    return {**scope, "headers": [header for header in scope["headers"] if header[0] != b"range"]}


def _attributes(path: str | os.PathLike[str]) -> os.stat_result:
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise FileNotFoundError(errno.ENOENT, "No regular file", os.fspath(path))
    return found


def _not_modified(headers: list[RawHeader]) -> StarletteResponse:
    answer = StarletteResponse(status_code=304)
    answer.raw_headers = [header for header in headers if header[0] in NOT_MODIFIED_HEADERS]
    return answer


class CheckedFile(FileResponse):
    """A file whose range errors have the framework's JSON body, and which never ends short of its length.

    Args:
        path: The file's path.
        stat_result: Its attributes, which have to be given.
    """

    stat_result: os.stat_result

    def check_range(self, scope: Scope) -> None:
        """Raise for a `Range` header that Starlette would answer with plain text of its own.

        Raises:
            MalformedRequest: It cannot be understood.
            BaseHttpException: 416, it lies beyond the end of the file.
        """
        headers, size = Headers(scope=scope), self.stat_result.st_size
        if "range" not in headers or self.status_code != 200 or scope.get("method") not in ("GET", "HEAD"):
            return
        if "if-range" in headers and not self._should_use_range(headers["if-range"]):
            return
        try:
            self._parse_range_header(headers["range"], size)
        except MalformedRangeHeader as error:
            raise MalformedRequest("Malformed Range header") from error
        except RangeNotSatisfiable as error:
            raise BaseHttpException(
                "Range not satisfiable",
                HttpStatus.RANGE_NOT_SATISFIABLE,
                headers={"content-range": f"bytes */{size}"},
            ) from error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file."""
        await super().__call__(scope, receive, send if scope.get("method") == "HEAD" else _exactly(send))


def _exactly(send: Send) -> Send:
    """Hold a body to the announced `content-length`, should the file change while it is being sent.

    A file that became shorter breaks off the response, so that no client takes it for complete; of
    one that grew, the announced part is sent.
    """
    left = 0

    async def send_exactly(message: Message) -> None:
        nonlocal left
        if message["type"] == "http.response.start":
            left = int(Headers(raw=message["headers"])["content-length"])
        elif message["type"] == "http.response.body":
            body = message["body"][:left]
            left -= len(body)
            if left and not message["more_body"]:
                raise OSError(f"The file became {left} bytes shorter while it was being sent")
            message = {**message, "body": body}
        await send(message)

    return send_exactly


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
