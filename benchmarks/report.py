"""What the benchmarks print, and keep in `benchmarks/results/` when asked to."""

import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks import plots
from benchmarks.clock import Spread

RESULTS = Path(__file__).parent / "results"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
PACKAGES = tuple(
    "patera starlette pydantic pydantic-core anyio jinja2 fastapi litestar blacksheep falcon quart flask uvicorn "
    "uvloop httptools granian sqlalchemy aiosqlite".split()
)


class Report:
    """One run of a benchmark: printed while it goes on, saved as Markdown with SVG plots at its end.

    Args:
        name: The name of the files.
        title: The heading.
        is_saved: Whether to write files at all.
    """

    def __init__(self, name: str, title: str, *, is_saved: bool) -> None:
        self.name = name
        self._is_saved = is_saved
        self._lines: list[str] = []
        self.add(f"# {title}", "", *environment(), "")

    def add(self, *lines: str) -> None:
        """Add lines of text."""
        print(*lines, sep="\n", flush=True)
        self._lines.extend(lines)

    def add_table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.add(*table(head, rows), "")

    def add_bars(self, suffix: str, title: str, unit: str, panels: Mapping[str, Mapping[str, float]]) -> None:
        """Add a plot with a panel of bars for each key."""
        if self._is_saved:
            self._add_plot(suffix, title, plots.bars(self._path(suffix), title, unit, panels))

    def add_lines(self, suffix: str, axes: plots.Axes, series: Mapping[str, Sequence[plots.Point]]) -> None:
        """Add a plot with a line for each key."""
        if self._is_saved:
            self._add_plot(suffix, axes.title, plots.lines(self._path(suffix), axes, series))

    def save(self) -> None:
        if self._is_saved:
            RESULTS.mkdir(exist_ok=True)
            path = RESULTS / f"{self.name}.md"
            path.write_text("\n".join(self._lines).rstrip() + "\n")
            print(f"saved as benchmarks/results/{path.name}", file=sys.stderr)

    def _path(self, suffix: str) -> Path:
        RESULTS.mkdir(exist_ok=True)
        return RESULTS / f"{self.name}{suffix}.svg"

    def _add_plot(self, suffix: str, title: str, is_drawn: bool) -> None:
        if is_drawn:
            self.add(f"![{title}]({self.name}{suffix}.svg)", "")


def environment() -> Iterator[str]:
    """What was measured, when, and on which class of machine."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    yield f"{datetime.now(UTC):%Y-%m-%d}, {python}, {platform.system()}, {processor()}, {os.cpu_count()} cores"
    yield ""
    yield ", ".join(f"{name} {found}" for name in PACKAGES if (found := package_version(name)))


def limit(found: Spread, target: float) -> str:
    """A target, with a word where it is not met."""
    return f"{target:.2f}" if found.median <= target else f"{target:.2f} MISSED"


def duration(microseconds: float) -> str:
    """A time with its unit."""
    return f"{microseconds:.2f} us" if microseconds < 1_000 else f"{microseconds / 1_000:.1f} ms"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A Markdown table, its columns as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = tuple("-" * width for width in widths)
    for row in (head, rule, *rows):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"


def package_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(checkout)" if name == "patera" else None


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
