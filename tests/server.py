"""Real servers for tests: uvicorn in this event loop, or any server in a process of its own."""

import asyncio
import codecs
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

ROOT = Path(__file__).parent.parent
LISTENING = re.compile(r"running on http://[^ ]+?:(\d+)\s", re.IGNORECASE)

#: How many characters of a server's output a failure shows.
SHOWN_OUTPUT = 20_000

#: No change of logging; no warning of the older websocket protocol under the oldest supported uvicorn.
DEFAULTS = {"lifespan": "on", "log_config": None, "ws": "websockets-sansio", "timeout_graceful_shutdown": 5}


@dataclass
class Server:
    """A running server; `output` grows while a process of its own writes to its terminal."""

    port: int
    output: list[str] = field(default_factory=list)
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        with suppress(SystemExit):
            await super().startup(sockets)
        if not self.started:
            raise RuntimeError("the server did not start")
        self.is_up.set()

    @property
    def port(self) -> int:
        port: int = self.servers[0].sockets[0].getsockname()[1]
        return port


@asynccontextmanager
async def run_server(app: Any, **options: Any) -> AsyncIterator[Server]:
    """Serve an application with uvicorn on a free port, in this event loop.

    Args:
        app: The ASGI application.
        **options: Settings of `uvicorn.Config`.

    Raises:
        RuntimeError: The application's startup failed.
    """
    server = _Uvicorn(uvicorn.Config(app, host="127.0.0.1", port=0, **{**DEFAULTS, **options}))
    serving = asyncio.create_task(server.serve())
    is_up = asyncio.create_task(server.is_up.wait())
    await asyncio.wait({serving, is_up}, timeout=20, return_when=asyncio.FIRST_COMPLETED)
    is_up.cancel()
    try:
        if serving.done():
            await serving
        yield Server(server.port)
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def run_process(
    *arguments: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None, timeout: float = 30
) -> AsyncIterator[Server]:
    """Run `python ARGUMENTS` until it says where it listens; stop it with SIGTERM.

    Example:
        async with run_process("-m", "uvicorn", "tests.apps.hello:Application", "--factory", "--port", "0") as server:

    Args:
        *arguments: What stands behind `python`.
        cwd: The working directory.
        env: Environment variables beside the present ones.
        timeout: Seconds until it must listen, and again until it must have stopped.

    Raises:
        RuntimeError: It ended, or did not listen in time; the message has its output.
        Exception: What the caller's block raises, with the end of the output as a note.
    """
    process = await start_process(arguments, cwd, env)
    server = Server(0, process=process)
    port = asyncio.get_running_loop().create_future()
    reading = asyncio.create_task(_read(process, server.output, port))
    try:
        server.port = await _listening(port, server.output, timeout)
        yield server
    except Exception as error:
        await _stop(process, timeout)
        await reading
        error.add_note("the server's output:\n" + "".join(server.output)[-SHOWN_OUTPUT:])
        raise
    finally:
        await _stop(process, timeout)
        await reading


async def start_process(
    arguments: Sequence[str], cwd: Path = ROOT, env: Mapping[str, str] | None = None
) -> asyncio.subprocess.Process:
    """Start `python ARGUMENTS` with its two outputs in one pipe; SIGABRT makes it print where it stands."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=cwd,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", **(env or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def raw_request(port: int, data: bytes, *, half_close: bool = False, timeout: float = 10) -> bytes:
    """Send bytes to a local port and return all that comes back until the server closes.

    Args:
        port: The port on 127.0.0.1.
        data: What to send, as it is; ask for `Connection: close` where the server would keep it open.
        half_close: Whether to close the sending side after the data.
        timeout: Seconds until the server must have closed.
    """
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(data)
            await writer.drain()
            if half_close:
                writer.write_eof()
            return await reader.read()
        finally:
            writer.close()


async def _listening(port: asyncio.Future[int], output: list[str], timeout: float) -> int:
    try:
        async with asyncio.timeout(timeout):
            return await port
    except TimeoutError as exc:
        raise RuntimeError("the server does not listen:\n" + "".join(output)) from exc


async def _read(process: asyncio.subprocess.Process, output: list[str], port: asyncio.Future[int]) -> None:
    """Read to the end, however long a line is: a process whose pipe nobody reads stops at a write."""
    assert process.stdout is not None
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while data := await process.stdout.read(2**16):
        output.append(decoder.decode(data))
        if not port.done() and (found := LISTENING.search("".join(output))):
            port.set_result(int(found[1]))
    if not port.done():
        port.set_exception(RuntimeError("the server ended:\n" + "".join(output)))


async def _stop(process: asyncio.subprocess.Process, timeout: float) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(timeout):
            await process.wait()
    except TimeoutError:
        process.send_signal(signal.SIGABRT)
        await process.wait()
