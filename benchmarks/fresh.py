"""What is measured in an interpreter of its own: the build of an application, its memory, its first answers.

`python -m benchmarks.fresh routes patera 500` and `python -m benchmarks.fresh cold starlette 1000` print what they find
as JSON; `FreshInterpreter` runs them so, each time in a new process.
"""

import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

from benchmarks.cases import CASES, JSON, Case, Target, resource_case
from benchmarks.clock import Sampler, spread, take_turns
from benchmarks.driver import ASGIApp, Lifespan, ask, spend
from benchmarks.process import resident_megabytes
from benchmarks.variants import VARIANTS

#: How often first, middle and last route take turns in one process.
TURNS = 3
NOT_FOUND = next(case for case in CASES if case.name == "404")


@dataclass(frozen=True)
class Routes:
    """An application with many routes.

    Args:
        build: CPU microseconds from nothing, its framework being imported, to the first answer.
        imported: Resident memory before, in MB.
        idle: Resident memory after it.
        requests: CPU microseconds of a request to the "first", "middle" and "last" route, and to "none" of them, a 404.
    """

    build: float
    imported: float
    idle: float
    requests: Mapping[str, float]


@dataclass(frozen=True)
class ColdStart:
    """An application from the start of the interpreter to its first answer: microseconds, and MB after it."""

    wall: float
    cpu: float
    idle: float


class FreshInterpreter:
    """Runs this module in new processes, from bytecode that a first one has written; a context manager."""

    def __enter__(self) -> "FreshInterpreter":
        self._bytecode = tempfile.TemporaryDirectory()
        self._has_bytecode: set[tuple[str, str]] = set()
        return self

    def __exit__(self, *error: object) -> None:
        self._bytecode.cleanup()

    def routes(self, count: int, variant: str) -> Routes:
        return Routes(**self._run("routes", variant, count))

    def cold(self, count: int, variant: str) -> ColdStart:
        return ColdStart(**self._run("cold", variant, count))

    def _run(self, measure: str, variant: str, count: int) -> dict[str, Any]:
        if (measure, variant) not in self._has_bytecode:
            self._has_bytecode.add((measure, variant))
            self._run(measure, variant, 1)
        settings = bytecode_settings(self._bytecode.name)
        command = [sys.executable, "-m", "benchmarks.fresh", measure, variant, str(count), str(time.monotonic_ns())]
        done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{variant} with {count}: {done.stderr}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def bytecode_settings(folder: str) -> dict[str, str]:
    """Environment variables with which every process but the first finds its bytecode in a folder."""
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": folder}


def measure_routes(name: str, count: int) -> Routes:
    """Build an application of one endpoint for each of many resources, and ask it."""
    module = import_module(VARIANTS[name].module)
    build: Callable[[int], ASGIApp] = getattr(module, "with_resources", None) or module.routes
    places = {"first": 0, "middle": count // 2, "last": count - 1}
    cases = {**{place: resource_case(number) for place, number in places.items()}, "none": NOT_FOUND}
    with asyncio.Runner() as runner:
        imported = _idle_megabytes()
        started = time.process_time_ns()
        app = build(count)
        lifespan = Lifespan(app)
        runner.run(lifespan.start())
        runner.run(check(app, cases["last"]))
        spent = (time.process_time_ns() - started) / 1_000
        idle = _idle_megabytes()
        samplers = {place: _sampler(runner, app, case) for place, case in cases.items()}
        times = take_turns(f"{name}, {count} routes", samplers, TURNS)
        runner.run(lifespan.stop())
    return Routes(spent, imported, idle, {place: spread(values).median for place, values in times.items()})


def measure_cold(name: str, count: int, launched: int) -> ColdStart:
    """Build an application of two endpoints for each of many resources, and ask the last one.

    Args:
        name: A key of `ITEMS`.
        count: How many resources.
        launched: The monotonic clock when this process was started, in nanoseconds.
    """
    last = Case("last", "items", f"/items{count - 1}/17", Target(), {"id": 17}, headers=JSON)
    with asyncio.Runner() as runner:
        app = ITEMS[name](count)
        lifespan = Lifespan(app)
        runner.run(lifespan.start())
        runner.run(check(app, last))
        wall, cpu = time.monotonic_ns() - launched, time.process_time_ns()
        idle = _idle_megabytes()
        runner.run(lifespan.stop())
    return ColdStart(wall / 1_000, cpu / 1_000, idle)


async def check(app: ASGIApp, case: Case) -> None:
    """Ask once.

    Raises:
        SystemExit: The answer is wrong, so there is nothing to measure.
    """
    problems = case.problems(await ask(app, case))
    if problems:
        raise SystemExit(f"{case.name} is answered with {'; '.join(problems)}")


def patera_items(count: int) -> ASGIApp:
    from benchmarks.apps import patera_app

    return patera_app.with_controllers(patera_app.two_endpoint_controllers(count))


def starlette_items(count: int) -> ASGIApp:
    from benchmarks.apps import starlette_items

    return starlette_items.with_items(starlette_items.two_endpoints() for _ in range(count))


#: What starts from cold: of each, only its own framework is imported.
ITEMS: dict[str, Callable[[int], ASGIApp]] = {"patera": patera_items, "starlette": starlette_items}


def _sampler(runner: asyncio.Runner, app: ASGIApp, case: Case) -> Sampler:
    runner.run(check(app, case))
    return lambda count: runner.run(spend(app, case, count))


def _idle_megabytes() -> float:
    gc.collect()
    return resident_megabytes()


def main(measure: str, variant: str, count: str, launched: str = "0") -> None:
    found: Routes | ColdStart
    if measure == "routes":
        found = measure_routes(variant, int(count))
    else:
        found = measure_cold(variant, int(count), int(launched))
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main(*sys.argv[1:])
