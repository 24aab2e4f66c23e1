"""What the benchmarks print."""

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.clock import Spread

PACKAGES = ("patera", "starlette", "pydantic", "pydantic-core", "anyio")


def environment(rounds: int) -> Iterator[str]:
    """What was measured, and on which machine."""
    yield f"{platform.python_implementation()} {platform.python_version()}, {platform.platform()}, {_processor()}"
    yield ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    yield f"CPU time of the process; medians of {rounds} rounds with the middle half; ratios are taken within a round"


def limit(found: Spread, target: float) -> str:
    """A target, with a word where it is not met."""
    return f"{target:.2f}" if found.median <= target else f"{target:.2f} MISSED"


def duration(microseconds: Spread) -> str:
    """A median with its unit."""
    median = microseconds.median
    return f"{median:.2f} us" if median < 1_000 else f"{median / 1_000:.1f} ms"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    """A Markdown table, its columns as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = tuple("-" * width for width in widths)
    yield ""
    for row in (head, rule, *rows):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(checkout)"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
