"""How many function calls one request takes: the same number on every machine."""

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

from benchmarks.cases import Case
from benchmarks.driver import ASGIApp, Exchange

WARM_UP = 10

#: What the measurement itself calls.
OWN = "benchmarks.driver", "benchmarks.calls"


@dataclass(frozen=True)
class Calls:
    """The calls of one request in one module: of functions written in Python, and of others by them."""

    python: int
    builtin: int

    def __str__(self) -> str:
        return f"{self.python} Python and {self.builtin} builtin calls"


def total(modules: Mapping[str, Calls]) -> Calls:
    return Calls(sum(calls.python for calls in modules.values()), sum(calls.builtin for calls in modules.values()))


async def count_calls(app: ASGIApp, case: Case) -> dict[str, Calls]:
    """Return the calls of one request by module, once the application has answered a few."""
    for _ in range(WARM_UP):
        exchange = Exchange(case.body)
        await app(case.scope(), exchange.receive, exchange.send)
    python: Counter[str] = Counter()
    builtin: Counter[str] = Counter()
    note = _noting(python, builtin)
    exchange, scope = Exchange(case.body), case.scope()
    sys.setprofile(note)
    try:
        await app(scope, exchange.receive, exchange.send)
    finally:
        sys.setprofile(None)
    modules = sorted({*python, *builtin} - set(OWN))
    return {module: Calls(python[module], builtin[module]) for module in modules}


def _noting(python: Counter[str], builtin: Counter[str]) -> Callable[[FrameType, str, Any], None]:
    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            python[frame.f_globals["__name__"]] += 1
        elif event == "c_call":
            builtin[frame.f_globals["__name__"]] += 1

    return note
