"""CPU time per request in this process: no server, no network, one request after the other."""

import asyncio

from benchmarks import startup
from benchmarks.apps import VARIANTS, build
from benchmarks.cases import CASES, Case, Target
from benchmarks.clock import Spread, ratio, spread, take_turns
from benchmarks.driver import checked_sampler, nothing, spend
from benchmarks.report import environment, limit, table

NAMES = (*(case.name for case in CASES), *startup.MEASURES)
REQUEST_HEAD = ("request", "raw us", "Patera x raw", "x Starlette", "x tuned", "target")
STARTUP_HEAD = ("measure", "Patera", "other", "Patera x other", "target")


def main(rounds: int, only: str | None = None) -> None:
    """Measure, and print one Markdown table of requests and one of everything else."""
    print(*environment(rounds), sep="\n")
    asking = asyncio.run(spend(nothing, CASES[0], 20_000))
    print(f"Making the scope of a request and collecting its answer costs {asking:.2f} us, part of every number")
    rows = [row_of(case, rounds) for case in CASES if only in (None, case.name)]
    if rows:
        print(*table(REQUEST_HEAD, rows), sep="\n")
    others = [startup.row_of(name, rounds) for name in startup.MEASURES if only in (None, name)]
    if others:
        print(*table(STARTUP_HEAD, others), sep="\n")


def row_of(case: Case, rounds: int) -> tuple[str, ...]:
    """Check the answers of every variant to a case, then measure them."""
    apps = {name: build(name, case.application) for name in VARIANTS}
    with asyncio.Runner() as runner:
        samplers = {name: checked_sampler(runner, name, app, case) for name, app in apps.items()}
        times = take_turns(case.name, samplers, rounds)
    ratios = {name: ratio(times["patera"], times[name]) for name in VARIANTS if name != "patera"}
    return (case.name, str(spread(times["raw"])), *map(str, ratios.values()), limits(case.target, ratios))


def limits(target: Target, ratios: dict[str, Spread]) -> str:
    """The targets of a row, in the order of the columns."""
    found = [(name, getattr(target, name)) for name in ratios]
    return ", ".join(f"{name} {limit(ratios[name], value)}" for name, value in found if value is not None)
