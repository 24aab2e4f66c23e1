"""Time of the process, taken in rounds in which all candidates take turns."""

import gc
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

SAMPLE_MICROSECONDS = 40_000
COUNTS = (20, 5_000)

#: Does its work `count` times and returns the CPU time of one, in microseconds.
Sampler = Callable[[int], float]


@dataclass(frozen=True)
class Spread:
    """A median with the middle half of what it stands for."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


def spread(values: list[float]) -> Spread:
    low, median, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return Spread(median, low, high)


def ratio(one: list[float], other: list[float]) -> Spread:
    """How many times `other` the time of `one` is, compared within each round."""
    return spread([left / right for left, right in zip(one, other, strict=True)])


def take_turns(title: str, samplers: dict[str, Sampler], rounds: int) -> dict[str, list[float]]:
    """Sample every candidate once a round; who begins changes from round to round."""
    counts = {name: _count(sampler) for name, sampler in samplers.items()}
    times: dict[str, list[float]] = {name: [] for name in samplers}
    names = list(samplers)
    gc.collect()
    gc.freeze()
    for number in range(rounds):
        _show(f"{title}: round {number + 1} of {rounds}", is_last=number + 1 == rounds)
        first = number % len(names)
        for name in names[first:] + names[:first]:
            gc.collect()
            times[name].append(samplers[name](counts[name]))
    gc.unfreeze()
    return times


def cpu_microseconds(work: Callable[[], object]) -> float:
    started = time.process_time_ns()
    work()
    return (time.process_time_ns() - started) / 1_000


def _show(text: str, *, is_last: bool) -> None:
    """Show how far it is, in one line of a terminal; once in a log."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="\n" if is_last else "", file=sys.stderr, flush=True)
    elif is_last:
        print(text, file=sys.stderr, flush=True)


def _count(sampler: Sampler) -> int:
    """Warm a candidate up, and find out how many of its requests make a sample of some 40 milliseconds."""
    sampler(COUNTS[0])
    each = sampler(COUNTS[0] * 5)
    return max(COUNTS[0], min(COUNTS[1], int(SAMPLE_MICROSECONDS / each)))
