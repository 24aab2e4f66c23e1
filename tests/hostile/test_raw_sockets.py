"""The same bytes over real sockets: the table of requests, and what no HTTP client would send."""

import asyncio
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.hostile.recording import events
from tests.hostile.request_rows import ROWS
from tests.hostile.wire import Wire, call_server, parse_answer, problems, send_octets
from tests.server import Server

#: What the parser of a server refuses before the application sees it, with a 400 of its own.
REFUSED_BY_PARSER = {"httptools": {"A36 unknown", "A36 nowhere"}, "h11": set[str]()}

#: A body that is refused early while so much of it is still to come may cost the client its answer.
LARGE = 1_000_000


async def test_bad_request_over_a_socket_has_the_same_answer(server: Server) -> None:
    """All rows of table A, one connection each."""
    refused = REFUSED_BY_PARSER[server.output[0]]
    found = {}
    for wire in ROWS:
        answer = await call_server(server.port, wire)
        is_lost = answer.status == 0 and len(b"".join(wire.pieces)) >= LARGE
        wrong = [] if is_lost or wire.row in refused else problems(wire, answer)
        if wrong:
            found[wire.row] = wrong
    assert found == {}


HEAD = b"POST /bodies/small HTTP/1.1\r\nhost: testserver\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
BODY = b"\r\n5\r\nhello\r\n0\r\n\r\n"

SMUGGLED = {
    "length and chunks": HEAD + b"content-length: 5\r\n" + CHUNKED + BODY,
    "chunks and length": HEAD + CHUNKED + b"content-length: 5\r\n" + BODY,
    "two lengths": HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    "list of lengths": HEAD + b"content-length: 5, 6\r\n\r\nhello!",
    "negative length": HEAD + b"content-length: -5\r\n\r\nhello",
    "signed length": HEAD + b"content-length: +5\r\n\r\nhello",
    "hexadecimal length": HEAD + b"content-length: 0x5\r\n\r\nhello",
    "huge length": HEAD + b"content-length: " + b"9" * 400 + b"\r\n\r\nhello",
    "blank before the colon": HEAD + b"content-length : 5\r\n\r\nhello",
    "NUL in a value": HEAD + b"x-a: b\0c\r\ncontent-length: 0\r\n\r\n",
    "NUL in a name": HEAD + b"x\0a: b\r\ncontent-length: 0\r\n\r\n",
    "unknown transfer coding": HEAD + b"transfer-encoding: xchunked\r\n" + BODY,
    "chunk without a size": HEAD + CHUNKED + b"\r\nzz\r\nhello\r\n0\r\n\r\n",
    "negative chunk": HEAD + CHUNKED + b"\r\n-5\r\nhello\r\n0\r\n\r\n",
    "TLS": b"\x16\x03\x01\x00\xa5\x01\x00\x00\r\n\r\n",
}


@pytest.mark.parametrize("octets", SMUGGLED.values(), ids=SMUGGLED)
async def test_ambiguous_request_is_a_400_and_closes_the_connection(server: Server, octets: bytes) -> None:
    """A32."""
    following = Wire("A32", "GET", "/paths/verbs").octets()
    data = await send_octets(server.port, octets + following)
    assert parse_answer(data).status == 400
    assert data.count(b"HTTP/1.1 ") == 1
    assert events == []


async def test_folded_header_is_refused_or_unfolded(server: Server) -> None:
    """A32: h11 reads a fold as a blank, which changes no boundary of the message."""
    octets = HEAD + b"connection: close\r\nx-a: b\r\n c\r\ncontent-length: 0\r\n\r\n"
    data = await send_octets(server.port, octets)
    assert parse_answer(data).status == {"httptools": 400, "h11": 200}[server.output[0]]


async def test_body_shorter_than_its_length_never_reaches_the_handler(server: Server, records: list[Any]) -> None:
    """A16."""
    wire = Wire("A16", "POST", "/forms/upload", (("content-type", "application/x-www-form-urlencoded"),), b"a=1")
    octets = wire.octets().replace(b"content-length: 3", b"content-length: 900")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(octets)
    writer.write_eof()
    await reader.read()
    writer.close()
    async with asyncio.timeout(10):
        while "rollback" not in events:  # noqa: ASYNC110 - handlers only note what happened
            await asyncio.sleep(0.01)
    assert events == ["begin", "upload began", "upload ended with ClientDisconnect", "rollback"]
    assert [record["level"].name for record in records if record["level"].no > 20] == []


async def close_code(server: Server, target: str, message: str | bytes) -> int:
    """Return the code with which a websocket is closed for a message."""
    async with connect(f"ws://127.0.0.1:{server.port}{target}") as ws:
        await ws.send(message)
        with pytest.raises(ConnectionClosed) as closed:
            await ws.recv()
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


@pytest.mark.parametrize(
    ("target", "message", "code"),
    [
        ("/sockets/json", "{", 1003),
        ("/sockets/text", b"binary", 1003),
        ("/sockets/text", "x" * 2_000_000, 1009),
        ("/sockets/bytes", bytes(2_000_000), 1009),
        ("/sockets/fails", "x", 1011),
    ],
)
async def test_websocket_message_that_cannot_be_taken_closes_with_a_code(
    server: Server, target: str, message: str | bytes, code: int
) -> None:
    """A50."""
    assert await close_code(server, target, message) == code


async def test_flood_of_pings_disturbs_no_other_websocket(server: Server) -> None:
    """A50."""
    url = f"ws://127.0.0.1:{server.port}/sockets/text"
    async with connect(url) as flooding, connect(url) as other:
        pongs = [await flooding.ping(f"{number}") for number in range(2000)]
        await other.send("still here")
        assert await other.recv() == "still here"
        await pongs[-1]
