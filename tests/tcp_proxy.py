"""A TCP proxy between a client and a server, that can pass, refuse, hang and cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

CHUNK_BYTES = 64 * 1024


class TcpProxy:
    """Forwards connections to one port of a server; `tcp_proxy()` makes one.

    Args:
        host: The server's host.
        target_port: The server's port.
    """

    def __init__(self, host: str, target_port: int) -> None:
        self.host = host
        self.target_port = target_port
        self.port = 0
        #: How many connections were accepted so far.
        self.accepted = 0
        self._server: asyncio.Server | None = None
        self._flows = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def pass_on(self) -> None:
        """Forward everything, from now on and what was held back."""
        self._flows.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def hang(self) -> None:
        """Accept connections, and keep back what comes on them and on those that stand."""
        self._flows.clear()

    def cut(self) -> None:
        """Reset all connections that stand."""
        for writer in list(self._writers):
            writer.transport.abort()

    def refuse(self) -> None:
        """Reset all connections, and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    async def close(self) -> None:
        """Refuse, and end what is left."""
        self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.ensure_future(self._forward(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(self.host, self.target_port)
        writers = {writer, there_writer}
        self._writers |= writers
        try:
            pumps = [self._pump(reader, there_writer), self._pump(there_reader, writer)]
            await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            self._writers -= writers
            for each in writers:
                each.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(CHUNK_BYTES):
                await self._flows.wait()
                writer.write(chunk)
                await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def tcp_proxy(host: str, port: int) -> AsyncIterator[TcpProxy]:
    """Run a proxy in front of a server; it forwards at first.

    Args:
        host: The server's host.
        port: The server's port.
    """
    proxy = TcpProxy(host, port)
    await proxy.pass_on()
    try:
        yield proxy
    finally:
        await proxy.close()
