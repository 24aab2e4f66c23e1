"""Redis for tests: keys below a prefix of one's own, removed afterwards; and servers that are broken."""

import asyncio
import os
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest
import redis.asyncio

REDIS = os.environ.get("PATERA_TEST_REDIS", "redis://127.0.0.1:6379/0")


@asynccontextmanager
async def own_prefix() -> AsyncIterator[str]:
    """Yield the beginning of keys that nobody else has; skip the test where the server cannot be reached."""
    prefix = f"patera_test_{uuid.uuid4().hex[:12]}:"
    client = redis.asyncio.Redis.from_url(REDIS)
    try:
        try:
            await client.ping()
        except redis.RedisError as error:
            reason = f"no Redis at {REDIS}: {type(error).__name__}"
            if os.environ.get("CI"):
                pytest.fail(f"{reason}; CI runs these tests, it does not skip them")
            pytest.skip(reason)
        yield prefix
        keys = [key async for key in client.scan_iter(match=f"{prefix}*")]
        if keys:
            await client.delete(*keys)
    finally:
        await client.aclose()


def closed_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@asynccontextmanager
async def hung_server() -> AsyncIterator[int]:
    """Accept connections and never answer; yield the port."""
    is_over = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await is_over.wait()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        is_over.set()
        server.close()
        await server.wait_closed()


class RedisGate:
    """Forwards connections to Redis as long as it is open, so that a test can take the server away."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = closed_port()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def open(self) -> None:
        """Let connections through."""
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", self.port)

    async def close(self) -> None:
        """Refuse connections, and cut those that are there."""
        if self._server is not None:
            self._server.close()
            for writer in self._open:
                writer.close()
            await self._server.wait_closed()
            self._server = None

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(REDIS)
        server_reader, server_writer = await asyncio.open_connection(parts.hostname, parts.port or 6379)
        self._open |= {writer, server_writer}
        await asyncio.gather(_copy(reader, server_writer), _copy(server_reader, writer))
        self._open -= {writer, server_writer}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
