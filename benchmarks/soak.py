"""A server under load for a long time: what it keeps of each request, in memory and in open files."""

import asyncio
import re
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle, islice

from benchmarks.cases import CASES, Answer, Case, Target
from benchmarks.plots import Axes
from benchmarks.process import open_files, resident_megabytes, until_closed
from benchmarks.report import Report
from benchmarks.servers import HOST, Served
from benchmarks.serving import serve

CONNECTIONS = 8
REQUESTS_PER_CONNECTION = 1_000
SAMPLES = 120

#: The part of the time in which caches and pools fill, which is no growth.
WARM_UP = 0.2

#: One of each kind in turn: small and large answers, bodies, and what a client gets wrong.
REQUESTS = (
    *(case for case in CASES if case.name in ("json", "int-json", "model", "post", "404", "def", "template")),
    Case("422", "endpoints", "/orders", Target(), status=422, body=b'{"reference": 17, "currency": "XXX"}'),
)

#: Suffix of the file, title, unit, and attribute of a sample.
PLOTS = (
    ("-soak", "Resident memory under load", "MB", "megabytes"),
    ("-files", "Open files under load", "open files", "files"),
)


@dataclass(frozen=True)
class Sample:
    """What a server has answered so far, and what it holds."""

    requests: int
    megabytes: float
    files: int


class Load:
    """Clients that ask without a pause, each on a keep-alive connection that it replaces now and then."""

    def __init__(self, port: int, seconds: float) -> None:
        self.answered = 0
        self._port = port
        self._end = time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._end

    async def run(self) -> None:
        async with asyncio.TaskGroup() as clients:
            for number in range(CONNECTIONS):
                clients.create_task(self._visit(number))

    async def _visit(self, number: int) -> None:
        requests = islice(cycle([(case, written(case)) for case in REQUESTS]), number, None)
        while not self.is_over:
            reader, writer = await asyncio.open_connection(HOST, self._port)
            with closing(writer):
                await self._converse(reader, writer, islice(requests, REQUESTS_PER_CONNECTION))

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: Iterator[tuple[Case, bytes]]
    ) -> None:
        for case, request in requests:
            if self.is_over:
                return
            writer.write(request)
            answer = await read_answer(reader)
            problems = case.problems(answer) if self.answered < len(REQUESTS) * CONNECTIONS else ()
            if problems or answer.status != case.status:
                raise SystemExit(f"{case.name} is answered with {answer.status}: {'; '.join(problems)}")
            self.answered += 1


def written(case: Case) -> bytes:
    """Return the request of a case as it goes over the wire."""
    scope = case.scope()
    lines = [f"{scope['method']} {case.path} HTTP/1.1".encode()]
    lines += [name + b": " + value for name, value in scope["headers"]]
    return b"\r\n".join([*lines, b"", case.body])


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Read one answer that says its length."""
    start, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(re.split(":\\s*", line, maxsplit=1) for line in lines if line)
    lowered = {name.lower(): value for name, value in headers.items()}
    return Answer(int(start.split()[1]), lowered, await reader.readexactly(int(lowered["content-length"])))


def add_soak(report: Report, names: Sequence[str], minutes: float) -> None:
    """Soak each server in turn, and add what was found."""
    found = {}
    for name in names:
        with serve(name) as server:
            found[name] = asyncio.run(soak(name, server, minutes * 60))
    report.add("## Soak", "", *_method(minutes), "")
    memory, files = ("MB at start", "MB warm", "MB at end", "MB per 100,000 requests"), ("files warm", "files at end")
    report.add_table(("server", "requests", *memory, *files), [_row(name, found[name]) for name in names])
    report.add_table(("server", "requests", "resident MB", "open files"), list(_timeline(found)))
    for suffix, title, unit, value in PLOTS:
        series = {
            name: [(sample.requests, float(getattr(sample, value))) for sample in samples]
            for name, samples in found.items()
        }
        report.add_lines(suffix, Axes(title, "requests", unit), series)


def _method(minutes: float) -> Iterator[str]:
    yield f"{minutes:g} minutes of load on each server by {CONNECTIONS} clients without a pause; one of each in turn:"
    yield f"{', '.join(case.name for case in REQUESTS)}. A connection is replaced after {REQUESTS_PER_CONNECTION:,}"
    yield f"requests. Growth is the slope of a line through the samples after the first {WARM_UP:.0%} of the time."


async def soak(name: str, server: Served, seconds: float) -> list[Sample]:
    """Load a server, and look at it in regular intervals, before and after its clients too."""
    load = Load(server.port, seconds)
    samples = [_sample(server, load)]
    started = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(load.run())
        while not running.done():
            due = started + len(samples) * seconds / SAMPLES
            await asyncio.wait([running], timeout=max(0, due - time.monotonic()))
            samples.append(_sample(server, load))
            if len(samples) % (SAMPLES // 10) == 0:
                print(f"soak of {name}: {len(samples) / SAMPLES:.0%}, {load.answered} requests", file=sys.stderr)
    await until_closed(server.pid, samples[0].files)
    return [*samples, _sample(server, load)]


def growth(samples: Sequence[Sample]) -> float:
    """Return the MB that 100,000 requests add, once the server is warm."""
    warm = samples[_warm(samples) :]
    if warm[0].requests == warm[-1].requests:
        return 0.0
    line = statistics.linear_regression([sample.requests for sample in warm], [sample.megabytes for sample in warm])
    return float(line.slope) * 100_000


def _warm(samples: Sequence[Sample]) -> int:
    return int(len(samples) * WARM_UP)


def _sample(server: Served, load: Load) -> Sample:
    return Sample(load.answered, resident_megabytes(server.pid), open_files(server.pid))


def _row(name: str, samples: Sequence[Sample]) -> tuple[str, ...]:
    warm = samples[_warm(samples)]
    memory = (f"{sample.megabytes:.1f}" for sample in (samples[0], warm, samples[-1]))
    return (
        name,
        f"{samples[-1].requests:,}",
        *memory,
        f"{growth(samples):+.3f}",
        str(warm.files),
        str(samples[-1].files),
    )


def _timeline(found: dict[str, list[Sample]]) -> Iterator[tuple[str, ...]]:
    for name, samples in found.items():
        for tenth in range(0, 11, 2):
            sample = samples[(len(samples) - 1) * tenth // 10]
            yield (name, f"{sample.requests:,}", f"{sample.megabytes:.1f}", str(sample.files))
