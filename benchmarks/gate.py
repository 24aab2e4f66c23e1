"""Fails when a request takes more than `budget.json` allows: function calls, and instructions where valgrind is there.

Both are counted, not timed, so a busy machine changes nothing. Call budgets are kept for each minor version of Python,
as its interpreter decides what is a call, and by module, so that a failure names the layers that grew.
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
from benchmarks.layers import layer_of
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
    if instructions and not ratios:
        print("valgrind is not installed, so that no instructions are counted")
    if update:
        BUDGET.write_text(written(merged(_read(), PYTHON, counted, ratios)))
        print(f"wrote benchmarks/{BUDGET.name}")
    else:
        _refuse(counted, ratios)


def _refuse(counted: Budget, ratios: Mapping[str, float]) -> None:
    budget, allowed = budget_of(PYTHON), instruction_budget_of(PYTHON)
    if ratios and not allowed:
        print(f"no budget of instructions for Python {PYTHON}: `python -m benchmarks gate --update` writes it")
    over = excess_instructions(ratios, allowed)
    problems = [
        *excess(counted, budget),
        *(f"{problem}. Grown: {grown(counted[name], budget[name])}" for name, problem in over),
    ]
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


def instruction_budget_of(python: str) -> Mapping[str, float]:
    """Return the committed budget of instructions, empty where there is none for this version of Python."""
    found: dict[str, float] = _read()["instructions"].get(python, {})
    return found


def excess(counted: Budget, budget: Budget) -> Iterator[str]:
    """Say what is over the budget, and which layers grew."""
    for name, modules in counted.items():
        found, allowed = total(modules), total(budget[name])
        if found.exceeds(allowed):
            more = grown(modules, budget[name])
            yield f"{name} takes {found}, its budget for Python {PYTHON} is {allowed}. Grown: {more}"


def excess_instructions(ratios: Mapping[str, float], budget: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """Name the endpoints that take more instructions than the budget allows, and say by how much."""
    for name, found in ratios.items():
        allowed = budget.get(name)
        if allowed is not None and found > allowed * TOLERANCE:
            problem = f"{name} takes {found:.2f} times the instructions of {BASELINE} ASGI, its budget is {allowed:.2f}"
            yield name, problem


def grown(modules: Mapping[str, Calls], budget: Mapping[str, Calls]) -> str:
    """Name the layers that make more calls than they did."""
    before = {module: budget.get(module, Calls(0, 0)) for module in modules}
    more = [
        f"{layer_of(module)} ({module}: {calls}, were {before[module]})"
        for module, calls in modules.items()
        if calls.exceeds(before[module])
    ]
    return "; ".join(more) or "no layer in calls, so that the same calls do more"


def merged(kept: Mapping[str, Any], python: str, counted: Budget, ratios: Mapping[str, float]) -> dict[str, Any]:
    """Return the budgets with those of one version of Python replaced; instructions only where they were counted."""
    calls = {name: {module: astuple(calls) for module, calls in modules.items()} for name, modules in counted.items()}
    instructions = {python: dict(ratios)} if ratios else {}
    return {"calls": kept["calls"] | {python: calls}, "instructions": kept["instructions"] | instructions}


def written(budgets: Mapping[str, Any]) -> str:
    """Return the budgets as text in which two numbers are one line, so that a change of one is a change of one line."""
    text = json.dumps(budgets, indent=2, sort_keys=True)
    return re.sub(r"\[\s+(\d+),\s+(\d+)\s+\]", r"[\1, \2]", text) + "\n"


def _read() -> Any:
    return json.loads(BUDGET.read_text()) if BUDGET.exists() else {"calls": {}, "instructions": {}}
