"""What a running server needs: memory and open files under a long load, with many websockets, during large uploads.

Patera and Starlette answer the same requests, each behind uvicorn in a process of its own, one after the other.
"""

import signal
from collections.abc import Sequence

from benchmarks.report import PYTHON, Report
from benchmarks.serving import SERVED
from benchmarks.soak import add_soak
from benchmarks.sockets import add_sockets
from benchmarks.uploads import add_uploads

PARTS = ("soak", "sockets", "uploads")


def main(
    minutes: float = 60,
    sockets: int = 10_000,
    uploads: int = 50,
    megabytes: int = 100,
    frameworks: Sequence[str] = (),
    only: Sequence[str] = (),
    *,
    save: bool = False,
) -> None:
    """Measure, and print a Markdown table for each part, with plots of the soak."""
    # So that a server is stopped then, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    report = Report(f"memory-{PYTHON}", "Memory, open files and event loop of a running server", is_saved=save)
    report.add("Resident memory of the server process, in MB of 1,048,576 bytes.", "")
    parts, names = only or PARTS, frameworks or tuple(SERVED)
    if "soak" in parts:
        add_soak(report, names, minutes)
    if "sockets" in parts:
        add_sockets(report, names, sockets)
    if "uploads" in parts:
        add_uploads(report, names, uploads, megabytes)
    report.save()
