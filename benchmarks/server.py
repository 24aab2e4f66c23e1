"""Requests per second, CPU time and latency of the same applications over real servers, loaded by `wrk` and `ab`."""

import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import bursts, factories, server_users
from benchmarks.bursts import Samples
from benchmarks.cases import CASES, Case
from benchmarks.clock import Spread, spread
from benchmarks.cores import cores
from benchmarks.load import Load, Tool, missing, wrk_arguments
from benchmarks.report import PYTHON, Report, limit
from benchmarks.servers import SERVERS, UVICORN, Served, Server
from benchmarks.variants import MISSING, PEERS, VARIANTS, Variant

#: Requests that can be sent over and over: `wrk` counts other answers than 2xx as failures.
SERVED = tuple(case for case in CASES if case.application == "endpoints" and case.status == 200)
DEFAULTS = ("plaintext", "json", "post", server_users.NAME)
NAMES = (*(case.name for case in SERVED), server_users.NAME)
BASELINES = ("raw", "starlette", "tuned")


@dataclass(frozen=True)
class Settings:
    """How long and how hard to load.

    Args:
        rounds: How often each server has its turn.
        seconds: The length of a turn.
        connections: How many connections `wrk` keeps open.
    """

    rounds: int
    seconds: int
    connections: int


#: Case -> variant -> what its bursts found.
Results = dict[str, dict[str, Samples]]


def main(
    rounds: int,
    seconds: int,
    connections: int,
    only: Sequence[str] = (),
    frameworks: Sequence[str] = (),
    servers: Sequence[str] = (),
    *,
    original: str | None = None,
    save: bool = False,
) -> None:
    """Measure each case over each server, then the load of the reference document.

    Raises:
        SystemExit: There is nothing to measure with, or a load did not go through; the report says so as well.
    """
    if sys.platform != "linux":
        raise SystemExit("CPU time and cores of other processes: this command needs Linux")
    if missing("wrk") and missing("ab"):
        raise SystemExit(f"Nothing to measure with: {missing('wrk')}; {missing('ab')}")
    chosen = only or DEFAULTS
    settings = Settings(rounds, seconds, connections)
    report = Report(f"server-{PYTHON}", "Over real servers", is_saved=save)
    report.add(*_method(settings), "")
    failures: list[str] = []
    with _stopping_at_sigterm():
        for server in _usable(report, [SERVERS[name] for name in servers or SERVERS], chosen):
            failures += _measure_server(report, server, chosen, _variants(frameworks), settings)
        if server_users.NAME in chosen:
            failures += server_users.measure(report, rounds, original)
    report.save()
    if failures:
        raise SystemExit("\n".join(("Failed:", *failures)))


def _method(settings: Settings) -> Iterator[str]:
    yield f"Medians of {settings.rounds} rounds in which all take turns of {settings.seconds} s, after a round that"
    yield "warms up; in brackets the middle half. Ratios are taken within a round. CPU time is that of the server's"
    yield "processes, their threads and the kernel's share included, divided by the requests answered. `wrk` keeps"
    yield f"{settings.connections} connections busy all the time, so latency is mostly waiting in line: compare it, and"
    yield "do not take it for that of a server with time to spare."
    yield ""
    yield f"- {cores()}"
    for server in SERVERS.values():
        yield f"- `{server.name} {server.options}`"
    yield "- Flask is left out: it speaks WSGI, which takes other servers."
    if MISSING:
        yield f"- Not installed, and left out: {', '.join(MISSING)}."


def _usable(report: Report, servers: Sequence[Server], chosen: Sequence[str]) -> list[Server]:
    """The servers that can be measured now, for all but the users; the report says what has to be installed."""
    if all(name == server_users.NAME for name in chosen):
        return []
    if missing("wrk"):
        report.add(f"Without cases: {missing('wrk')}.", "")
        return []
    for server in servers:
        if server.missing:
            report.add(f"Without {server.name}: `pip install {' '.join(server.missing)}`.", "")
    return [server for server in servers if not server.missing]


def _variants(frameworks: Sequence[str]) -> list[Variant]:
    return [
        variant
        for variant in VARIANTS.values()
        if variant.interface == "asgi" and (not frameworks or variant.name in (*frameworks, "patera"))
    ]


def _measure_server(
    report: Report, server: Server, chosen: Sequence[str], variants: Sequence[Variant], settings: Settings
) -> list[str]:
    """Measure the cases over one server and report them; return what failed."""
    report.add(f"## {server.name}", "")
    results: Results = {}
    for case in SERVED:
        if case.name in chosen:
            results[case.name] = measure_case(server, case, variants, settings)
            report.add(f"### {case.name}", "")
            bursts.add_table(report, results[case.name], "patera")
            if lines := _left_out(case, variants):
                report.add(*lines)
    report.add("### Patera beside the others", "")
    add_ratios(report, server, results)
    for suffix, title, unit, values in (
        ("requests", f"Requests per second over {server.name}", "more is better", _medians(results, "per_second")),
        ("cpu", f"Server CPU per request over {server.name}", "us, less is better", _medians(results, "cpu")),
    ):
        report.add_bars(f"-{server.name}-{suffix}", title, unit, values)
    return [line for name, found in results.items() for line in bursts.failures(f"{server.name}, {name}", found)]


def _left_out(case: Case, variants: Sequence[Variant]) -> list[str]:
    lines = [
        f"- without {variant.name}: {variant.left_out[case.name]}." for variant in variants if not variant.has(case)
    ]
    return [*lines, ""] if lines else []


def measure_case(server: Server, case: Case, variants: Sequence[Variant], settings: Settings) -> dict[str, Samples]:
    """Start a server for each variant, check their answers, and let them take turns."""
    used = cores()
    with ExitStack() as stack:
        served = {
            variant.name: stack.enter_context(serve(server, variant, case, used.server))
            for variant in variants
            if variant.has(case)
        }
        for name, running in served.items():
            check(name, running, case)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        wrk = Tool("wrk", used.client)

        def burst(running: Served) -> Load:
            arguments = wrk_arguments(
                case, running.url, folder, seconds=settings.seconds, connections=settings.connections
            )
            return wrk.run(*arguments, folder=folder)

        return bursts.take_turns(f"{server.name}, {case.name}", served, burst, settings.rounds)


def serve(server: Server, variant: Variant, case: Case, core: int | None = None) -> Served:
    """The application of a case behind a server, not yet started."""
    environment = {factories.VARIANT: variant.name, factories.APPLICATION: case.application}
    return Served(server, "benchmarks.factories:variant", environment=environment, core=core)


def check(name: str, served: Served, case: Case) -> None:
    """Wait until a server listens, and ask it over HTTP.

    Raises:
        SystemExit: It does not start, or its answer is wrong.
    """
    served.wait()
    problems = case.problems(served.answer(case))
    if problems:
        raise SystemExit(f"{name} answers {case.name} with {'; '.join(problems)}")


def add_ratios(report: Report, server: Server, results: Mapping[str, Mapping[str, Samples]]) -> None:
    """Add Patera's CPU time and requests per second as multiples of the others', with the limits of the design."""
    head = ("request", *(f"CPU x {name}" for name in BASELINES), "requests/s x best peer", "targets")
    cases = [case for case in SERVED if case.name in results]
    report.add_table(head, [_row_of_ratios(server, case, bursts.complete(results[case.name])) for case in cases])


def _row_of_ratios(server: Server, case: Case, samples: Mapping[str, Samples]) -> tuple[str, ...]:
    own = samples.get("patera")
    if own is None:
        return (case.name, *("-" for _ in BASELINES), "-", "FAILED")
    cpu = {name: own.cpu_times(samples[name]) for name in BASELINES if name in samples}
    rates = {name: own.rate_times(samples[name]) for name in PEERS if name in samples}
    best = min(rates, key=lambda name: rates[name].median, default=None)
    shown = f"{best} {rates[best]}" if best is not None else "-"
    found = list(_limits(case, cpu, rates.get(best) if best else None)) if server is UVICORN else []
    return (case.name, *(str(cpu.get(name, "-")) for name in BASELINES), shown, ", ".join(found) or "-")


def _limits(case: Case, cpu: Mapping[str, Spread], best: Spread | None) -> Iterator[str]:
    """The targets of a row, which the design sets for uvicorn."""
    targets = {"raw": 1.25, "starlette": 0.75} if case.body else {"starlette": 0.85}
    for name, target in targets.items():
        if name in cpu:
            yield f"{name} {limit(cpu[name], target)}"
    if best is not None:
        yield "peer above 1.00" if best.median > 1 else "peer above 1.00 MISSED"


def _medians(results: Results, measure: str) -> dict[str, dict[str, float]]:
    return {
        case: {name: spread(getattr(found, measure)).median for name, found in bursts.complete(samples).items()}
        for case, samples in results.items()
    }


@contextmanager
def _stopping_at_sigterm() -> Iterator[None]:
    """Make SIGTERM an exception, as Ctrl-C is one, so that the servers are stopped."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
