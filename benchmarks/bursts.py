"""Bursts of load on servers that take turns: collected, compared within each round, and shown as a table."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.clock import Spread, ratio, spread
from benchmarks.load import Load
from benchmarks.report import Report
from benchmarks.servers import Served

HEAD = ("framework", "requests/s", "server CPU us a request", "p50 ms", "p99 ms", "Patera CPU x", "Patera requests/s x")


@dataclass
class Samples:
    """What the bursts on one server found, in the order of the rounds; `cpu` is microseconds a request."""

    per_second: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def add(self, load: Load, cpu_seconds: float) -> None:
        self.per_second.append(load.per_second)
        self.cpu.append(cpu_seconds * 1_000_000 / max(1, load.requests))
        self.p50.append(load.p50)
        self.p99.append(load.p99)

    def cpu_times(self, other: "Samples") -> Spread:
        """How many times the CPU time of another one these took."""
        return ratio(self.cpu, other.cpu)

    def rate_times(self, other: "Samples") -> Spread:
        """How many times as many requests as of another one were answered."""
        return ratio(self.per_second, other.per_second)


def take_turns(
    title: str, servers: Mapping[str, Served], burst: Callable[[Served], Load], rounds: int
) -> dict[str, Samples]:
    """Send a burst to each server once a round; who begins changes, and a first round only warms up."""
    samples = {name: Samples() for name in servers}
    for number, name in turns(title, list(servers), rounds):
        before = servers[name].cpu_seconds
        load = burst(servers[name])
        spent = servers[name].cpu_seconds - before
        samples[name].errors.extend(load.errors)
        if number:
            samples[name].add(load, spent)
    return samples


def turns(title: str, names: Sequence[str], rounds: int) -> Iterator[tuple[int, str]]:
    """Round 0 and `rounds` more, each with all names; say how far it is."""
    for number in range(rounds + 1):
        shift = number % len(names)
        what = f"round {number} of {rounds}" if number else "warming up"
        _show(f"{title}: {what}", is_new=True)
        for name in (*names[shift:], *names[:shift]):
            _show(f"{title}: {what}, {name}", is_new=False)
            yield number, name
    _show("", is_new=False)


def complete(samples: Mapping[str, Samples]) -> dict[str, Samples]:
    """Those without an error."""
    return {name: found for name, found in samples.items() if not found.errors}


def failures(title: str, samples: Mapping[str, Samples]) -> list[str]:
    """What went wrong, in a line for each server."""
    return [f"{title}, {name}: {found.errors[0]}" for name, found in samples.items() if found.errors]


def add_table(report: Report, samples: Mapping[str, Samples], own: str) -> None:
    """Add a row for each server, with what `own` takes beside it."""
    report.add_table(HEAD, [_row(name, found, samples[own]) for name, found in samples.items()])


def _row(name: str, found: Samples, own: Samples) -> tuple[str, ...]:
    if found.errors:
        return (name, f"FAILED: {found.errors[0]}", *("-" for _ in HEAD[2:]))
    ratios = ("-", "-") if own.errors else (str(own.cpu_times(found)), str(own.rate_times(found)))
    latencies = (f"{spread(values).median:.2f}" for values in (found.p50, found.p99))
    return (name, _whole(spread(found.per_second)), _tenths(spread(found.cpu)), *latencies, *ratios)


def _whole(found: Spread) -> str:
    return f"{found.median:,.0f} ({found.low:,.0f}-{found.high:,.0f})"


def _tenths(found: Spread) -> str:
    return f"{found.median:.1f} ({found.low:.1f}-{found.high:.1f})"


def _show(text: str, *, is_new: bool) -> None:
    """Show how far it is: in one line of a terminal, or the new rounds in a log."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif is_new:
        print(text, file=sys.stderr, flush=True)
