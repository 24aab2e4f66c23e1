"""Large uploads while a small endpoint is pinged: how long the event loop keeps others waiting, and the memory."""

import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection

from benchmarks.process import MEGABYTE, forget_peak, peak_megabytes, resident_megabytes
from benchmarks.report import Report
from benchmarks.servers import HOST, Served
from benchmarks.serving import serve

#: A ping every so many seconds; and how long they go on with no upload, for comparison.
INTERVAL = 0.010
ALONE = 0.5
PATIENCE = 60
BOUNDARY = "benchmarks-upload-boundary"


@dataclass(frozen=True)
class Upload:
    """One way to send a file: the path, the content type, and what stands before and behind the file."""

    path: str
    content_type: str
    head: bytes = b""
    tail: bytes = b""

    def body(self, content: bytes) -> bytes:
        return b"".join((self.head, content, self.tail))


UPLOADS = {
    "form": Upload(
        "/upload/form",
        f"multipart/form-data; boundary={BOUNDARY}",
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="film.bin"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode(),
        f"\r\n--{BOUNDARY}--\r\n".encode(),
    ),
    "stream": Upload("/upload/raw", "application/octet-stream"),
}


@dataclass(frozen=True)
class Found:
    """Seconds of each upload, milliseconds of pings with none and with one going on, and MB: before, at the peak."""

    seconds: list[float]
    alone: list[float]
    pings: list[float]
    before: float
    peak: float


def add_uploads(report: Report, names: Sequence[str], count: int, megabytes: int) -> None:
    """Upload to each server in turn, in both ways, and add what was found."""
    content = os.urandom(MEGABYTE) * megabytes
    rows = []
    for name in names:
        with serve(name) as server:
            for kind, upload in UPLOADS.items():
                print(f"uploads to {name}: {count} times {megabytes} MB, {kind}", file=sys.stderr, flush=True)
                rows.append(_row(f"{name}, {kind}", measure(server, upload, content, count), megabytes))
    report.add(
        "## Uploads",
        "",
        f"{count} uploads of {megabytes} MB, one after the other, to an endpoint that reads the file of a form, and to",
        f"one that streams the body; meanwhile a small endpoint is asked every {INTERVAL * 1_000:g} ms over another",
        "connection. A ping counts from when it was due: what it waited for the event loop is its latency.",
        "",
    )
    head = ("upload", "MB/s", "ping ms: alone", "median", "p99", "longest", "pings", "MB before", "MB peak")
    report.add_table(head, rows)


def measure(server: Served, upload: Upload, content: bytes, count: int) -> Found:
    """Send the content so many times while the server is pinged."""
    # The first upload loads what parses it.
    send(server.port, upload, upload.body(b"small"), len(b"small"))
    body = upload.body(content)
    before = resident_megabytes(server.pid)
    end = time.monotonic() + ALONE
    alone = list(ping(server.port, lambda: time.monotonic() > end))
    forget_peak(server.pid)
    with ThreadPoolExecutor(1) as thread:
        sending = [thread.submit(send, server.port, upload, body, len(content)) for _ in range(count)]
        pings = list(ping(server.port, sending[-1].done))
        seconds = [each.result() for each in sending]
    return Found(seconds, alone, pings, before, peak_megabytes(server.pid))


def send(port: int, upload: Upload, body: bytes, size: int) -> float:
    """Send a body, and return the seconds until its answer.

    Raises:
        SystemExit: The server has not read `size` bytes of content.
    """
    started = time.perf_counter()
    with closing(HTTPConnection(HOST, port, timeout=PATIENCE)) as connection:
        connection.request("POST", upload.path, body, {"content-type": upload.content_type})
        response = connection.getresponse()
        answer = response.read()
    if response.status != HTTPStatus.OK or json.loads(answer) != {"size": size}:
        raise SystemExit(f"{upload.path} is answered with {response.status}: {answer.decode()}")
    return time.perf_counter() - started


def ping(port: int, is_over: Callable[[], bool]) -> Iterator[float]:
    """Ask a small endpoint every few milliseconds, at least once; yield for how many each answer was awaited."""
    with closing(HTTPConnection(HOST, port, timeout=PATIENCE)) as connection:
        due = time.perf_counter()
        while True:
            time.sleep(max(0, due - time.perf_counter()))
            connection.request("GET", "/ping")
            answer = connection.getresponse().read()
            if answer != b"pong":
                raise SystemExit(f"/ping is answered with {answer!r}")
            yield (time.perf_counter() - due) * 1_000
            due += INTERVAL
            if is_over():
                return


def _row(name: str, found: Found, megabytes: int) -> tuple[str, ...]:
    speed = megabytes / statistics.median(found.seconds)
    latencies = (
        statistics.median(found.alone),
        statistics.median(found.pings),
        sorted(found.pings)[math.ceil(0.99 * len(found.pings)) - 1],
        max(found.pings),
    )
    return (
        name,
        f"{speed:.0f}",
        *(f"{latency:.2f}" for latency in latencies),
        str(len(found.pings)),
        f"{found.before:.1f}",
        f"{found.peak:.1f}",
    )
