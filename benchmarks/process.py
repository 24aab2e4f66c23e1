"""What the kernel knows of a process: its memory and its open files, in MB of 1,048,576 bytes."""

import asyncio
import os
import re
from pathlib import Path

MEGABYTE = 1024 * 1024

#: Seconds that a server may take to close what its clients have closed.
PATIENCE = 30

#: A process id, or this process.
Pid = int | str


def resident_megabytes(pid: Pid = "self") -> float:
    """Return the resident memory, counted page by page and so exact."""
    return _kilobytes(_proc(pid) / "smaps_rollup", "Rss") / 1024


def forget_peak(pid: Pid) -> None:
    """Let `peak_megabytes()` begin anew from what is resident now."""
    (_proc(pid) / "clear_refs").write_text("5")


def peak_megabytes(pid: Pid) -> float:
    """Return the highest resident memory since the start or `forget_peak()`, however short it lasted."""
    return _kilobytes(_proc(pid) / "status", "VmHWM") / 1024


def open_files(pid: Pid) -> int:
    """Return the number of open file descriptors, sockets included."""
    return len(os.listdir(_proc(pid) / "fd"))


async def until_closed(pid: Pid, files: int) -> None:
    """Wait until no more than so many files are open, or until it is clear that some stay open."""
    for _ in range(PATIENCE * 10):
        if open_files(pid) <= files:
            return
        await asyncio.sleep(0.1)


def _proc(pid: Pid) -> Path:
    folder = Path("/proc", str(pid))
    if not folder.exists():
        raise SystemExit(f"{folder} is missing: memory is measured on Linux, while the process runs")
    return folder


def _kilobytes(path: Path, field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", path.read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit(f"{path} has no {field}")
    return int(found[1])
