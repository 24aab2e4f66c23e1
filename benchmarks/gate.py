"""Fails when a request takes more than `budget.json` allows: function calls, and instructions where valgrind is there.

Both are counted, not timed, so a busy machine changes nothing. Call budgets are kept for each minor version of Python,
as its interpreter decides what is a call, and by module, so that a failure names the one that grew.
"""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any

from benchmarks.calls import Calls, count_calls, total
from benchmarks.cases import CASES
from benchmarks.instructions import BASELINE, count_instructions, is_available
from benchmarks.report import PYTHON
from benchmarks.variants import VARIANTS

BUDGET = Path(__file__).parent / "budget.json"
ENDPOINTS = ("plaintext", "int-json", "post", "404", "middleware")

#: Another build of Python or Pydantic takes a few instructions more or less.
TOLERANCE = 1.05

#: Endpoint -> module -> calls.
Budget = Mapping[str, Mapping[str, Calls]]


def main(*, update: bool = False, instructions: bool = True) -> None:
    """Compare with the budget of this Python, or write it anew.

    Raises:
        SystemExit: An endpoint is over its budget, or there is none.
    """
    counted = measured_calls()
    ratios = count_instructions(ENDPOINTS) if instructions and is_available() else {}
    for name in ENDPOINTS:
        also = f", {ratios[name]:.2f} times the instructions of {BASELINE} ASGI" if ratios else ""
        print(f"{name}: {total(counted[name])}{also}")
    if update:
        _update(counted, ratios)
        return
    problems = [*excess(counted, budget_of(PYTHON)), *excess_instructions(ratios)]
    if problems:
        raise SystemExit("\n".join(problems))


def measured_calls() -> dict[str, dict[str, Calls]]:
    """Return what each endpoint takes now."""
    cases = {case.name: case for case in CASES}
    patera = VARIANTS["patera"]
    return {name: asyncio.run(count_calls(patera.build(cases[name].application), cases[name])) for name in ENDPOINTS}


def budget_of(python: str) -> Budget:
    """Return the committed budget of calls.

    Raises:
        SystemExit: There is none for this version of Python.
    """
    calls = _read()["calls"]
    if python not in calls:
        raise SystemExit(f"no budget for Python {python}: `python -m benchmarks gate --update` writes it")
    return {
        name: {module: Calls(*numbers) for module, numbers in modules.items()}
        for name, modules in calls[python].items()
    }


def excess(counted: Budget, budget: Budget) -> Iterator[str]:
    """Say what is over the budget, and which modules grew."""
    for name, modules in counted.items():
        found, allowed = total(modules), total(budget[name])
        if found.python > allowed.python or found.builtin > allowed.builtin:
            grown = "; ".join(_grown(modules, budget[name]))
            yield f"{name} takes {found}, its budget for Python {PYTHON} is {allowed}. Grown: {grown}"


def excess_instructions(ratios: Mapping[str, float]) -> Iterator[str]:
    """Say what takes more instructions than the budget allows."""
    budget = _read()["instructions"].get(PYTHON, {})
    for name, found in ratios.items():
        allowed = budget.get(name)
        if allowed is not None and found > allowed * TOLERANCE:
            yield f"{name} takes {found:.2f} times the instructions of {BASELINE} ASGI, its budget is {allowed:.2f}"


def _grown(modules: Mapping[str, Calls], budget: Mapping[str, Calls]) -> Iterator[str]:
    for module, calls in modules.items():
        before = budget.get(module, Calls(0, 0))
        if calls.python > before.python or calls.builtin > before.builtin:
            yield f"{module}: {calls}, were {before}"


def _read() -> Any:
    return json.loads(BUDGET.read_text()) if BUDGET.exists() else {"calls": {}, "instructions": {}}


def _update(counted: Budget, ratios: Mapping[str, float]) -> None:
    kept = _read()
    kept["calls"][PYTHON] = {
        name: {module: astuple(calls) for module, calls in modules.items()} for name, modules in counted.items()
    }
    if ratios:
        kept["instructions"][PYTHON] = dict(ratios)
    text = json.dumps(kept, indent=2, sort_keys=True)
    BUDGET.write_text(_short_pairs(text) + "\n")
    print(f"wrote benchmarks/{BUDGET.name}")


def _short_pairs(text: str) -> str:
    """Write lists of two numbers in one line, so that a change of one is a change of one line."""
    return re.sub(r"\[\s+(\d+),\s+(\d+)\s+\]", r"[\1, \2]", text)
