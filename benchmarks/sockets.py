"""Many open websockets against one server process: what each costs in memory, and what is left of them."""

import asyncio
import resource
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.process import open_files, resident_megabytes, until_closed
from benchmarks.report import Report
from benchmarks.servers import HOST, Served
from benchmarks.serving import serve

#: How many are opened, asked and closed at the same time.
AT_ONCE = 100

#: An address has some 28,000 ports, and those of an earlier run stay taken for a minute.
PER_ADDRESS = 5_000

#: Files that a process needs beside its sockets.
SPARE_FILES = 200

#: Seconds until a socket must be open.
PATIENCE = 30

Item = TypeVar("Item")


@dataclass(frozen=True)
class Sockets:
    """What a server held.

    Args:
        count: How many were open.
        problem: Why not all that were asked for; empty if they were.
        before: MB before the first.
        opened: MB with all open.
        used: MB after a message through each.
        closed: MB after closing.
        again: MB with as many open for a second time.
        files_left: Open files after closing, less those before.
    """

    count: int
    problem: str
    before: float
    opened: float
    used: float
    closed: float
    again: float
    files_left: int


def add_sockets(report: Report, names: Sequence[str], wanted: int) -> None:
    """Open the sockets to each server in turn, and add what was found."""
    # Servers inherit the limit.
    allowed = min(wanted, allow_files(wanted + SPARE_FILES) - SPARE_FILES)
    found = {}
    for name in names:
        with serve(name) as server:
            found[name] = asyncio.run(_measure(name, server, allowed))
    report.add(
        "## Open websockets",
        "",
        "Echo sockets in one server process: all are opened, each sends a message and gets it back, all are closed;",
        "then as many are opened again, which shows whether closed ones leave memory behind that is not used again.",
        "The client offers no compression, whose buffers would be most of the memory.",
        "",
    )
    if allowed < wanted:
        report.add(f"{wanted:,} were asked for; the limit of open files allows {allowed:,}.", "")
    for name, sockets in found.items():
        if sockets.problem:
            report.add(f"{name}: {sockets.problem}.", "")
    memory = ("MB before", "MB open", "KB a socket", "after a message", "MB closed", "MB open again")
    head = ("server", "sockets", *memory, "files left")
    report.add_table(head, [_row(name, sockets) for name, sockets in found.items()])


def allow_files(wanted: int) -> int:
    """Raise the number of files that this process may open, as far as it may, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else soft


async def _measure(name: str, server: Served, count: int) -> Sockets:
    # What the first socket loads is not a cost of each.
    first, _ = await _open(name, server.port, 1)
    await _in_batches(first, _echo)
    await _close(server, first, open_files(server.pid) - 1)
    before, files = resident_megabytes(server.pid), open_files(server.pid)
    sockets, problem = await _open(name, server.port, count)
    opened = resident_megabytes(server.pid)
    await _in_batches(sockets, _echo)
    used = resident_megabytes(server.pid)
    await _close(server, sockets, files)
    closed, left = resident_megabytes(server.pid), open_files(server.pid) - files
    others, _ = await _open(name, server.port, len(sockets))
    again = resident_megabytes(server.pid)
    await _close(server, others, files)
    return Sockets(len(sockets), problem, before, opened, used, closed, again, left)


async def _open(name: str, port: int, count: int) -> tuple[list[ClientConnection], str]:
    """Open as many as the machine lets, and say why no more."""
    sockets: list[ClientConnection] = []
    for numbers in batches(range(count)):
        found = await asyncio.gather(*(_connect(port, number) for number in numbers), return_exceptions=True)
        sockets.extend(each for each in found if not isinstance(each, BaseException))
        failed = [each for each in found if isinstance(each, BaseException)]
        if failed:
            return sockets, f"{len(sockets):,} of {count:,} could be opened: {failed[0]!r}"
        print(f"sockets of {name}: {len(sockets)} of {count}", file=sys.stderr, flush=True)
    return sockets, ""


async def _connect(port: int, number: int) -> ClientConnection:
    source = f"127.0.0.{1 + number // PER_ADDRESS}"
    return await connect(
        f"ws://{HOST}:{port}/echo",
        local_addr=(source, 0),
        compression=None,
        ping_interval=None,
        open_timeout=PATIENCE,
        proxy=None,
    )


async def _echo(socket: ClientConnection) -> None:
    await socket.send("hello")
    if await socket.recv() != "hello":
        raise SystemExit("a websocket does not return what it was sent")


async def _in_batches(sockets: Sequence[ClientConnection], work: Callable[[ClientConnection], Awaitable[None]]) -> None:
    for batch in batches(sockets):
        await asyncio.gather(*map(work, batch))


def batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]


async def _close(server: Served, sockets: Sequence[ClientConnection], files: int) -> None:
    """Close them, on the server's side too, which had so many files open before."""
    await _in_batches(sockets, ClientConnection.close)
    await until_closed(server.pid, files)


def _row(name: str, sockets: Sockets) -> tuple[str, ...]:
    each = [
        f"{(megabytes - sockets.before) * 1024 / sockets.count:.1f}" if sockets.count else "-"
        for megabytes in (sockets.opened, sockets.used)
    ]
    return (
        name,
        f"{sockets.count:,}",
        f"{sockets.before:.1f}",
        f"{sockets.opened:.1f}",
        *each,
        f"{sockets.closed:.1f}",
        f"{sockets.again:.1f}",
        str(sockets.files_left),
    )
