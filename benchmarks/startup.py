"""What is not one request: many routes, the build of a large application, the import."""

import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable

from benchmarks.apps import patera_app, starlette_items
from benchmarks.cases import resource_case
from benchmarks.clock import Sampler, cpu_microseconds, ratio, spread, take_turns
from benchmarks.driver import Bench
from benchmarks.fresh import bytecode_settings
from benchmarks.report import duration, limit
from benchmarks.variants import VARIANTS

CONTROLLERS = 1_000
FEW_ROUTES = 10
IMPORT = """
import time, pydantic
pydantic.BaseModel
start = time.process_time_ns()
import {}
print(time.process_time_ns() - start)
"""


def row_of(name: str, rounds: int) -> tuple[str, ...]:
    """Measure one of `MEASURES`: Patera's time, the other one, their ratio, and its limit."""
    measure, target = MEASURES[name]
    times = measure(name, rounds)
    patera, other = times.values()
    found = ratio(patera, other)
    cells = [f"{label}: {duration(spread(values).median)}" for label, values in times.items()]
    return (name, *cells, str(found), limit(found, target))


def last_route(count: int) -> Callable[[str, int], dict[str, list[float]]]:
    """The last of many routes beside the first of ten, both in Patera."""

    def measure(title: str, rounds: int) -> dict[str, list[float]]:
        many, few = patera_app.with_resources(count), patera_app.with_resources(FEW_ROUTES)
        with Bench() as bench:
            samplers = {
                "last": bench.sampler(VARIANTS["patera"], many, resource_case(count - 1)),
                "first of 10": bench.sampler(VARIANTS["patera"], few, resource_case(0)),
            }
            return take_turns(title, samplers, rounds)

    return measure


def build_time(title: str, rounds: int) -> dict[str, list[float]]:
    """1,000 controllers of two endpoints beside Starlette's 2,000 routes; classes and functions exist before."""
    controllers = patera_app.two_endpoint_controllers(CONTROLLERS)
    endpoints = [starlette_items.two_endpoints() for _ in range(CONTROLLERS)]
    samplers = {
        "Patera": once(lambda: patera_app.with_controllers(controllers).build()),
        "Starlette": once(lambda: starlette_items.with_items(endpoints).build_middleware_stack()),
    }
    return take_turns(title, samplers, rounds)


def import_time(title: str, rounds: int) -> dict[str, list[float]]:
    """`import patera` beside `import starlette.applications`, each in an interpreter that has Pydantic already."""
    with tempfile.TemporaryDirectory() as bytecode:
        modules = {"Patera": "patera", "Starlette": "starlette.applications"}
        samplers = {name: importing(module, bytecode) for name, module in modules.items()}
        return take_turns(title, samplers, rounds)


def once(work: Callable[[], object]) -> Sampler:
    """A sampler of something so slow that one time is a sample.

    It pays for the garbage that it makes, but not for what others left: that is collected or frozen beforehand.
    """

    def sample(count: int) -> float:
        gc.collect()
        gc.freeze()
        try:
            return cpu_microseconds(work)
        finally:
            gc.unfreeze()

    return sample


def importing(module: str, bytecode: str) -> Sampler:
    """A sampler of an import from bytecode, as it is for every process but the first."""
    environment = {**os.environ, **bytecode_settings(bytecode)}
    command = [sys.executable, "-c", IMPORT.format(module)]

    def sample(count: int) -> float:
        found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return int(found.stdout) / 1_000

    return sample


#: Name -> what measures it (Patera's times first), and the highest ratio.
MEASURES: dict[str, tuple[Callable[[str, int], dict[str, list[float]]], float]] = {
    "last-of-500": (last_route(500), 1.10),
    "last-of-5000": (last_route(5_000), 1.10),
    "build": (build_time, 2.5),
    "import": (import_time, 2.0),
}
