"""How an application behaves as it grows: build, idle memory and requests with many routes, cold start, import.

Candidates run in a process of their own, started anew in each round, so that nothing is left of another one; within a
round all take turns.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from benchmarks import startup
from benchmarks.clock import ratio, spread
from benchmarks.fresh import ITEMS, FreshInterpreter, Routes
from benchmarks.plots import Axes
from benchmarks.report import PYTHON, Report, duration, limit
from benchmarks.variants import VARIANTS

SIZES = (10, 100, 500, 1_000, 2_000, 5_000)
FRAMEWORKS = ("patera", "starlette", "fastapi", "litestar", "blacksheep", "falcon", "quart")
PLACES = ("first", "middle", "last", "none")
PARTS = ("routes", "cold", "startup")

#: MB that Patera may need beyond Starlette with 1,000 controllers of two endpoints.
MEMORY_LIMIT = 8.0

Found = TypeVar("Found")

#: Number of routes -> framework -> what each round found.
Sizes = Mapping[int, Mapping[str, Sequence[Routes]]]


def main(
    routes: Sequence[int] = SIZES,
    controllers: int = startup.CONTROLLERS,
    rounds: int = 5,
    frameworks: Sequence[str] = (),
    only: Sequence[str] = (),
    *,
    save: bool = False,
) -> None:
    """Measure, and print a Markdown table for each property, with plots against the number of routes."""
    report = Report(f"scale-{PYTHON}", "Many routes, cold start and import", is_saved=save)
    report.add(f"Medians of {rounds} rounds in which all take turns, in brackets the middle half.", "")
    chosen = [name for name in FRAMEWORKS if name in VARIANTS and (not frameworks or name in (*frameworks, "patera"))]
    parts = only or PARTS
    with FreshInterpreter() as fresh:
        if "routes" in parts:
            _add_routes(report, _measure_routes(fresh, sorted(routes), chosen, rounds), chosen)
        if "cold" in parts:
            _add_cold_start(report, fresh, controllers, rounds)
    if "startup" in parts:
        report.add("## In one process", "")
        rows = [startup.row_of(name, rounds) for name in startup.MEASURES]
        report.add_table(("measure", "Patera", "other", "Patera x other", "target"), rows)
    report.save()


def in_turns(title: str, names: Sequence[str], rounds: int, measure: Callable[[str], Found]) -> dict[str, list[Found]]:
    """Measure every candidate once a round; who begins changes from round to round."""
    found: dict[str, list[Found]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            print(f"{title}: round {number + 1} of {rounds}, {name}", file=sys.stderr, flush=True)
            found[name].append(measure(name))
    return found


def _measure_routes(fresh: FreshInterpreter, sizes: Sequence[int], names: Sequence[str], rounds: int) -> Sizes:
    return {size: in_turns(f"{size} routes", names, rounds, partial(fresh.routes, size)) for size in sizes}


def _add_routes(report: Report, sizes: Sizes, names: Sequence[str]) -> None:
    report.add(
        "## Build",
        "",
        "CPU time from the imported framework to the first answer, in ms: declaring the routes, building, starting,",
        "and one request to the last route.",
        "",
    )
    builds = _medians(sizes, lambda routes: routes.build / 1_000)
    report.add_table(("routes", *names), _rows(builds))
    report.add_lines("-build", Axes("Build until the first answer", "routes", "CPU ms", is_log=True), _series(builds))
    report.add("## Idle memory", "", "Resident MB of the whole process; the first row is before the build.", "")
    idle = _medians(sizes, lambda routes: routes.idle)
    imported = _medians(sizes, lambda routes: routes.imported)
    report.add_table(("routes", *names), [*_rows({0: imported[min(sizes)]}), *_rows(idle)])
    report.add_lines("-memory", Axes("Idle memory", "routes", "resident MB"), _series(idle))
    _add_requests(report, sizes, names)


def _add_requests(report: Report, sizes: Sizes, names: Sequence[str]) -> None:
    report.add(
        "## Requests",
        "",
        "CPU microseconds of a request to the first, the middle and the last route, and to a path that none has.",
        "",
    )
    places = {place: _medians(sizes, _request_to(place)) for place in PLACES}
    rows = [
        (f"{place} of {size}", *(f"{places[place][size][name]:.2f}" for name in names))
        for size in sizes
        for place in PLACES
    ]
    few, many = min(sizes), max(sizes)
    growth = (f"{places['last'][many][name] / places['first'][few][name]:.2f}" for name in names)
    report.add_table(("route", *names), [*rows, (f"last of {many} x first of {few}", *growth)])
    title = "A request to the last route"
    report.add_lines("-last", Axes(title, "routes", "CPU microseconds", is_log=True), _series(places["last"]))


def _request_to(place: str) -> Callable[[Routes], float]:
    return lambda routes: routes.requests[place]


def _add_cold_start(report: Report, fresh: FreshInterpreter, controllers: int, rounds: int) -> None:
    report.add(
        "## Cold start",
        "",
        f"{controllers} controllers with {2 * controllers} endpoints, beside Starlette with as many routes: from the",
        "start of the interpreter to the first answer, and the memory of the process after it. Both import Pydantic",
        "and Jinja2, which their benchmark applications use.",
        "",
    )
    found = in_turns("cold start", list(ITEMS), rounds, partial(fresh.cold, controllers))
    patera, starlette = found["patera"], found["starlette"]
    rows = [
        _cold_row("wall time", [each.wall for each in patera], [each.wall for each in starlette]),
        _cold_row("CPU time", [each.cpu for each in patera], [each.cpu for each in starlette]),
        _memory_row([each.idle for each in patera], [each.idle for each in starlette]),
    ]
    report.add_table(("measure", "Patera", "Starlette", "Patera beside Starlette", "target"), rows)


def _cold_row(name: str, patera: list[float], starlette: list[float]) -> tuple[str, ...]:
    medians = (duration(spread(patera).median), duration(spread(starlette).median))
    return (name, *medians, f"x {ratio(patera, starlette)}", "")


def _memory_row(patera: list[float], starlette: list[float]) -> tuple[str, ...]:
    more = spread([one - other for one, other in zip(patera, starlette, strict=True)])
    medians = (f"{spread(patera).median:.1f} MB", f"{spread(starlette).median:.1f} MB")
    return ("idle memory", *medians, f"+ {more} MB", limit(more, MEMORY_LIMIT))


def _medians(sizes: Sizes, value: Callable[[Routes], float]) -> dict[int, dict[str, float]]:
    return {
        size: {name: spread([value(each) for each in rounds]).median for name, rounds in by_name.items()}
        for size, by_name in sizes.items()
    }


def _rows(values: Mapping[int, Mapping[str, float]]) -> list[tuple[str, ...]]:
    return [(str(size), *(f"{value:.1f}" for value in by_name.values())) for size, by_name in values.items()]


def _series(values: Mapping[int, Mapping[str, float]]) -> dict[str, list[tuple[float, float]]]:
    names = next(iter(values.values()))
    return {name: [(size, by_name[name]) for size, by_name in values.items()] for name in names}
