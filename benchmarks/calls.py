"""How many function calls one request takes: the same number on every machine.

Only calls that Patera's code makes or is the target of count, so that another version of Starlette or Pydantic changes
nothing. Each is noted for the module that is called or, where that is none of Patera's, for the one that calls.
"""

import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from benchmarks.cases import Case
from benchmarks.driver import ASGIApp, Exchange

WARM_UP = 10
PACKAGE = "patera."


@dataclass(frozen=True)
class Calls:
    """The calls of one request in one module: of functions written in Python, and of others by them."""

    python: int
    builtin: int

    def __str__(self) -> str:
        return f"{self.python} Python and {self.builtin} builtin calls"

    def __add__(self, other: "Calls") -> "Calls":
        return Calls(self.python + other.python, self.builtin + other.builtin)

    def exceeds(self, budget: "Calls") -> bool:
        return self.python > budget.python or self.builtin > budget.builtin


def total(modules: Mapping[str, Calls]) -> Calls:
    return sum(modules.values(), start=Calls(0, 0))


async def count_calls(app: ASGIApp, case: Case) -> dict[str, Calls]:
    """Return the calls of one request by module, once the application has answered a few."""
    for _ in range(WARM_UP):
        exchange = Exchange(case.body)
        await app(case.scope(), exchange.receive, exchange.send)
    python: Counter[str] = Counter()
    builtin: Counter[str] = Counter()
    exchange, scope = Exchange(case.body), case.scope()
    with _profiled(_noting(python, builtin)):
        await app(scope, exchange.receive, exchange.send)
    return {module: Calls(python[module], builtin[module]) for module in sorted({*python, *builtin})}


@contextmanager
def _profiled(note: Callable[[FrameType, str, Any], None]) -> Iterator[None]:
    """Tell `note` of every call, of none that a garbage collection or a leftover of other code makes."""
    gc.collect()
    gc.disable()
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(before)
        gc.enable()


def _noting(python: Counter[str], builtin: Counter[str]) -> Callable[[FrameType, str, Any], None]:
    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            module = _own(frame) or _own(frame.f_back)
            python.update([module] if module else [])
        elif event == "c_call":
            module = _own(frame)
            builtin.update([module] if module else [])

    return note


def _own(frame: FrameType | None) -> str:
    """The module of a frame, empty where it is none of Patera's."""
    module: str = frame.f_globals["__name__"] if frame is not None else ""
    return module if module.startswith(PACKAGE) else ""
