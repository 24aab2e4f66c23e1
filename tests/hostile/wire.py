"""Requests as their bytes on the wire: sent to an application in process, or to a real server."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from patera._types import ASGIApp, Message, RawHeader, Scope
from tests.server import raw_request

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
    """

    row: str
    method: str = "GET"
    target: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | tuple[bytes, ...] = b""
    status: int | tuple[int, ...] = 200
    is_cut: bool = False

    @property
    def statuses(self) -> tuple[int, ...]:
        return (self.status,) if isinstance(self.status, int) else self.status

    @property
    def pieces(self) -> tuple[bytes, ...]:
        return self.body if isinstance(self.body, tuple) else (self.body,)

    @property
    def wire_headers(self) -> list[RawHeader]:
        pairs = [(name.lower(), value) for name, value in self.headers]
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
            "headers": [(b"host", b"testserver"), *self.wire_headers],
            "client": ("127.0.0.1", 12345),
            "server": ("127.0.0.1", 8000),
            "state": {},
        }

    def octets(self) -> bytes:
        """Return the request for a real server, which is asked to close the connection."""
        lines = [f"{self.method} {self.target} HTTP/1.1".encode("latin-1"), b"host: testserver", b"connection: close"]
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


async def call(app: ASGIApp, wire: Wire) -> Answer:
    """Send a request to an application in process; what it raises is in the answer."""
    answer = Answer()
    pieces = list(wire.pieces)
    never = asyncio.Event()

    async def receive() -> Message:
        if pieces:
            piece = pieces.pop(0)
            answer.taken += len(piece)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces) or wire.is_cut}
        if not wire.is_cut:
            await never.wait()
        return {"type": "http.disconnect"}

    try:
        await asyncio.wait_for(app(wire.scope(), receive, _collector(answer)), 30)
    except Exception as error:
        answer.error = error
    return answer


def _collector(answer: Answer) -> Callable[[Message], Any]:
    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status, answer.headers = message["status"], list(message["headers"])
            answer.starts += 1
        else:
            answer.body += message.get("body", b"")
            answer.is_complete = not message.get("more_body", False)

    return send


async def call_server(port: int, wire: Wire) -> Answer:
    """Send a request to a server on a local port."""
    return parse_answer(await raw_request(port, wire.octets(), timeout=30))


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
