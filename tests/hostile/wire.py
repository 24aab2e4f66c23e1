"""Requests as their bytes on the wire: sent to an application in process, or to a real server."""

import asyncio
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from patera._types import ASGIApp, Message, RawHeader, Scope

JSON = ("content-type", "application/json")
URLENCODED = ("content-type", "application/x-www-form-urlencoded")
MULTIPART = ("content-type", "multipart/form-data; boundary=b")

#: What no answer may show: tracebacks, files of the server, SQL.
INTERNALS = re.compile(rb'Traceback|File "|site-packages|\.py\b|/work/|/tmp/|SELECT |INSERT INTO', re.IGNORECASE)


@dataclass(frozen=True)
class Wire:
    """One request.

    Args:
        row: The row that it belongs to, and what is particular to it.
        method: The method.
        target: Path and query as they stand in the request line; one character is one byte.
        headers: Pairs; a body gets its `content-length` unless it is chunked.
        body: The whole body, or its pieces, which are sent chunked and without a length.
        status: The status that is expected, or several that are right.
        is_cut: Whether the client leaves after the body without ending it.
        is_gone: Whether the client leaves as soon as the body is read.
        leaves_after: Bytes of the answer after which the client leaves.
    """

    row: str
    method: str = "GET"
    target: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | tuple[bytes, ...] = b""
    status: int | tuple[int, ...] = 200
    is_cut: bool = False
    is_gone: bool = False
    leaves_after: int | None = None

    @property
    def statuses(self) -> tuple[int, ...]:
        return (self.status,) if isinstance(self.status, int) else self.status

    @property
    def pieces(self) -> tuple[bytes, ...]:
        return self.body if isinstance(self.body, tuple) else (self.body,)

    @property
    def wire_headers(self) -> list[RawHeader]:
        pairs = [(name.lower(), value) for name, value in self.headers]
        if not any(name == "host" for name, _ in pairs):
            pairs.insert(0, ("host", "testserver"))
        if isinstance(self.body, tuple):
            pairs.append(("transfer-encoding", "chunked"))
        elif self.body and not any(name == "content-length" for name, _ in pairs):
            pairs.append(("content-length", str(len(self.body))))
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]

    def scope(self) -> Scope:
        """Return what a server makes of the request."""
        path, _, query = self.target.partition("?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "http",
            "method": self.method,
            "root_path": "",
            "path": unquote(path),
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "headers": self.wire_headers,
            "client": ("127.0.0.1", 12345),
            "server": ("127.0.0.1", 8000),
            "state": {},
        }

    def octets(self) -> bytes:
        """Return the request for a real server, which is asked to close the connection."""
        lines = [f"{self.method} {self.target} HTTP/1.1".encode("latin-1"), b"connection: close"]
        lines += [name + b": " + value for name, value in self.wire_headers]
        head = b"\r\n".join([*lines, b"", b""])
        if not isinstance(self.body, tuple):
            return head + self.body
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in self.body if piece)
        return head + chunks + b"0\r\n\r\n"


@dataclass
class Answer:
    """What came back; `taken` counts the bytes of the body that the application asked for."""

    status: int = 0
    headers: list[RawHeader] = field(default_factory=list)
    body: bytes = b""
    is_complete: bool = False
    starts: int = 0
    taken: int = 0
    error: BaseException | None = None

    def header(self, name: str) -> str | None:
        values = self.all(name)
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        return [value.decode("latin-1") for key, value in self.headers if key.lower() == name.encode()]

    def json(self) -> Any:
        return json.loads(self.body)

    def add(self, message: Message) -> None:
        """Take a message of the application."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
            self.starts += 1
        else:
            self.body += message.get("body", b"")
            self.is_complete = not message.get("more_body", False)


async def call(app: ASGIApp, wire: Wire) -> Answer:
    """Send a request to an application in process; what it raises is in the answer."""
    answer, pieces, gone = Answer(), list(wire.pieces), asyncio.Event()
    if wire.is_cut or wire.is_gone:
        gone.set()

    async def receive() -> Message:
        if not pieces:
            await gone.wait()
            return {"type": "http.disconnect"}
        piece = pieces.pop(0)
        answer.taken += len(piece)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces) or wire.is_cut}

    async def send(message: Message) -> None:
        answer.add(message)
        if wire.leaves_after is not None and len(answer.body) >= wire.leaves_after:
            gone.set()

    try:
        await asyncio.wait_for(app(wire.scope(), receive, send), 30)
    except Exception as error:
        answer.error = error
    return answer


async def call_server(port: int, wire: Wire) -> Answer:
    """Send a request to a server on a local port."""
    return parse_answer(await send_octets(port, wire.octets()))


async def send_octets(port: int, octets: bytes) -> bytes:
    """Send bytes to a local port and return all that comes back; a server may close before it has read them."""
    received = b""
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with suppress(ConnectionError):
            writer.write(octets)
            await writer.drain()
        with suppress(ConnectionError):
            while piece := await reader.read(65536):
                received += piece
        writer.close()
    return received


def parse_answer(data: bytes) -> Answer:
    """Return the answer in all bytes of a connection; without any, its status is 0."""
    head, _, body = data.partition(b"\r\n\r\n")
    status_line, *lines = head.split(b"\r\n")
    if not status_line:
        return Answer()
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    return Answer(int(status_line.split()[1]), headers, body, is_complete=True)


def problems(wire: Wire, answer: Answer) -> list[str]:
    """Return what is wrong with an answer, whatever the row."""
    found = []
    if answer.error is not None:
        found.append(f"raised {answer.error!r}")
    if answer.status not in wire.statuses:
        found.append(f"status {answer.status}, not {wire.status}: {answer.body[:200]!r}")
    if len(answer.all("x-request-id")) != 1:
        found.append(f"request ids {answer.all('x-request-id')}")
    if answer.status >= 400 and INTERNALS.search(answer.body):
        found.append(f"internals shown: {answer.body[:300]!r}")
    if answer.status >= 400 and wire.method != "HEAD":
        found += [f"no error body: {answer.body[:200]!r}"] if not is_error_body(answer) else []
    return found


def is_error_body(answer: Answer) -> bool:
    """Whether the body is an error in the framework's form."""
    try:
        body = answer.json()
    except ValueError:
        return False
    known = {"status", "message", "data", "details", "errors"}
    is_json = answer.header("content-type") == "application/json"
    return is_json and isinstance(body, dict) and {"status", "message"} <= set(body) <= known


def ids(rows: Sequence[Wire]) -> list[str]:
    """Return the names of rows for parametrised tests."""
    return [row.row for row in rows]
