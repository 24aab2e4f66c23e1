"""`python -m benchmarks scale` and `memory`, with tiny settings: every table has its rows."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from uvicorn.importer import import_from_string

from benchmarks.cases import Case
from benchmarks.driver import ask
from benchmarks.serving import SERVED
from benchmarks.soak import REQUESTS, Sample, growth
from benchmarks.sockets import batches

ROOT = Path(__file__).parent.parent
READS_MEMORY = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is read from /proc")

Table = list[list[str]]


def tables_of(command: str) -> list[Table]:
    """Run `python -m benchmarks` and return the cells of its tables, each with its head."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *command.split()], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    blocks = [block.splitlines() for block in done.stdout.split("\n\n") if block.startswith("|")]
    return [[cells(line) for line in block if "| --" not in line] for block in blocks]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def firsts(table: Table) -> list[str]:
    return [row[0] for row in table]


@READS_MEMORY
def test_scale_shows_build_memory_and_requests_for_each_size_and_the_cold_start() -> None:
    options = "--only routes cold --routes 10 50 --controllers 3 --rounds 1 --frameworks patera"
    build, memory, requests, cold = tables_of(f"scale {options}")
    assert build[0] == ["routes", "patera"]
    assert firsts(build) == ["routes", "10", "50"]
    assert firsts(memory) == ["routes", "0", "10", "50"]
    routes = [f"{place} of {size}" for size in (10, 50) for place in ("first", "middle", "last", "none")]
    assert firsts(requests) == ["route", *routes, "last of 50 x first of 10"]
    assert all(float(row[1]) > 0 for table in (build, memory, requests) for row in table[1:])
    assert cold[0][:3] == ["measure", "Patera", "Starlette"]
    assert firsts(cold)[1:] == ["wall time", "CPU time", "idle memory"]


@READS_MEMORY
def test_memory_soaks_holds_websockets_and_uploads() -> None:
    options = "--minutes 0.005 --sockets 20 --uploads 1 --megabytes 2 --frameworks patera"
    soak, timeline, sockets, uploads = tables_of(f"memory {options}")
    assert firsts(soak)[1:] == ["patera"]
    assert len(timeline) == 7
    # The last look at the server is after its clients have left: no file stays open.
    assert int(timeline[-1][3]) <= int(timeline[1][3])
    opened, left = sockets[1][1], sockets[1][-1]
    assert (opened, left) == ("20", "0")
    assert firsts(uploads)[1:] == ["patera, form", "patera, stream"]


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.name)
@pytest.mark.parametrize("name", SERVED)
def test_served_application_answers_what_it_is_soaked_with(name: str, case: Case) -> None:
    app = import_from_string(SERVED[name])()
    assert case.problems(asyncio.run(ask(app, case))) == []


def test_growth_leaves_the_warm_up_out() -> None:
    warming = [Sample(number * 1_000, 50.0 + number, 14) for number in range(20)]
    warm = [Sample(20_000 + number * 1_000, 70.0 + number * 0.001, 14) for number in range(80)]
    assert growth([*warming, *warm]) == pytest.approx(0.1)
    assert growth([*warming, *warm[:1] * 80]) == 0


def test_batches_hold_each_item_once() -> None:
    numbers = range(250)
    found = list(batches(numbers))
    assert [len(batch) for batch in found] == [100, 100, 50]
    assert [number for batch in found for number in batch] == list(numbers)
