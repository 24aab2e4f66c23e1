"""CPU time per request in this process: no server, no network, one request after the other."""

import asyncio
from collections.abc import Mapping, Sequence

from benchmarks import startup
from benchmarks.cases import CASES, Case, Target
from benchmarks.clock import Spread, ratio, spread, take_turns
from benchmarks.driver import Bench, nothing, spend
from benchmarks.report import PYTHON, Report, limit
from benchmarks.variants import MISSING, PEERS, VARIANTS, Variant

NAMES = (*(case.name for case in CASES), *startup.MEASURES)
BASELINES = ("raw", "starlette", "tuned")

#: The samples of one case: variant -> CPU microseconds of each round.
Times = Mapping[str, list[float]]


def main(rounds: int, only: Sequence[str] = (), frameworks: Sequence[str] = (), *, save: bool = False) -> None:
    """Measure, and print one Markdown table of requests and one of everything else."""
    report = Report(f"inprocess-{PYTHON}", "CPU time per request, in process", is_saved=save)
    report.add(*_method(rounds), "")
    chosen = [variant for variant in VARIANTS.values() if not frameworks or variant.name in (*frameworks, "patera")]
    times = {case.name: measure(case, chosen, rounds) for case in CASES if not only or case.name in only}
    if times:
        _add_requests(report, times, [variant.name for variant in chosen])
    others = [startup.row_of(name, rounds) for name in startup.MEASURES if not only or name in only]
    if others:
        report.add("## Routes, build and import", "")
        report.add_table(("measure", "Patera", "other", "Patera x other", "target"), others)
    report.save()


def measure(case: Case, variants: Sequence[Variant], rounds: int) -> Times:
    """Check the answers of every variant to a case, then let them take turns."""
    with Bench() as bench:
        samplers = {
            variant.name: bench.sampler(variant, bench.start(variant, case.application), case)
            for variant in variants
            if variant.has(case)
        }
        return take_turns(case.name, samplers, rounds)


def _method(rounds: int) -> list[str]:
    asking = asyncio.run(spend(nothing, CASES[0], 20_000))
    lines = [
        f"CPU time of the process; medians of {rounds} rounds in which all take turns, in brackets the middle half;",
        "ratios are taken within a round, and their median is shown.",
        f"Making a request and collecting its answer costs {asking:.2f} us, which is part of every number.",
    ]
    if MISSING:
        lines.append(f"Not installed, and left out: {', '.join(MISSING)}.")
    return lines


def _add_requests(report: Report, times: Mapping[str, Times], names: Sequence[str]) -> None:
    cases = [case for case in CASES if case.name in times]
    report.add("## Microseconds per request", "")
    report.add_table(("request", *names), [_row_of_times(case, times[case.name], names) for case in cases])
    for variant in VARIANTS.values():
        missing = [case.name for case in cases if case.name in variant.left_out]
        if variant.name in names and missing:
            report.add(*(f"- {variant.name} has no row `{name}`: {variant.left_out[name]}." for name in missing))
    report.add("", "## Patera's time as a multiple of the others'", "")
    baselines = [name for name in BASELINES if name in names]
    head = ("request", *(f"x {name}" for name in baselines), "x best peer", "targets")
    report.add_table(head, [_row_of_ratios(case, times[case.name], baselines) for case in cases])
    medians = {case.name: {name: spread(values).median for name, values in times[case.name].items()} for case in cases}
    report.add_bars("", "CPU time per request in process", "us, less is better", medians)


def _row_of_times(case: Case, times: Times, names: Sequence[str]) -> tuple[str, ...]:
    return (case.name, *(f"{spread(times[name]).median:.2f}" if name in times else "-" for name in names))


def _row_of_ratios(case: Case, times: Times, baselines: Sequence[str]) -> tuple[str, ...]:
    ratios = {name: ratio(times["patera"], times[name]) for name in baselines}
    peers = {name: ratio(times["patera"], times[name]) for name in PEERS if name in times}
    best = max(peers, key=lambda name: peers[name].median, default=None)
    shown = f"{best} {peers[best]}" if best is not None else "-"
    if best is not None:
        ratios["peer"] = peers[best]
    return (case.name, *(str(ratios[name]) for name in baselines), shown, limits(case.target, ratios))


def limits(target: Target, ratios: Mapping[str, Spread]) -> str:
    """The targets of a row, in the order of the columns."""
    found = [(name, getattr(target, name)) for name in ratios]
    return ", ".join(f"{name} {limit(ratios[name], value)}" for name, value in found if value is not None)
