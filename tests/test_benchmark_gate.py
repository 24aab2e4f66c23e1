"""The gate of `python -m benchmarks gate`: requests take no more calls than `benchmarks/budget.json` allows."""

import importlib.util
import json
import re
from dataclasses import replace

import pytest

from benchmarks.calls import Calls
from benchmarks.gate import (
    BUDGET,
    ENDPOINTS,
    Budget,
    budget_of,
    excess,
    excess_instructions,
    grown,
    measured_calls,
    merged,
    written,
)
from benchmarks.layers import layer_of, modules
from benchmarks.report import PYTHON
from tests.documents import ROOT


@pytest.fixture(scope="module")
def counted() -> Budget:
    """What the endpoints take now, on this Python."""
    return measured_calls()


def test_gate_every_endpoint_is_within_its_budget(counted: Budget) -> None:
    assert list(excess(counted, budget_of(PYTHON))) == []


def test_gate_counted_again_gives_the_same_numbers(counted: Budget) -> None:
    assert measured_calls() == counted


def test_gate_lower_budget_fails_and_names_endpoint_layer_and_module(counted: Budget) -> None:
    module = "patera._compiler.readers"
    calls = counted["int-json"][module]
    lower = {**counted, "int-json": {**counted["int-json"], module: replace(calls, python=calls.python - 1)}}
    (problem,) = excess(counted, lower)
    assert problem.startswith("int-json takes ")
    assert f"its budget for Python {PYTHON} is " in problem
    assert problem.endswith(f"Grown: parameters ({module}: {calls}, were {replace(calls, python=calls.python - 1)})")


def test_gate_module_that_is_new_on_the_path_fails_with_its_name(counted: Budget) -> None:
    changed = {**counted, "plaintext": {**counted["plaintext"], "patera.novelty": Calls(1, 0)}}
    (problem,) = excess(changed, counted)
    assert problem.endswith(
        "Grown: patera.novelty (patera.novelty: 1 Python and 0 builtin calls, were 0 Python and 0 builtin calls)"
    )


def test_gate_call_moved_between_modules_is_within_the_budget() -> None:
    before = {"plaintext": {"patera.request": Calls(2, 0), "patera.response": Calls(1, 1)}}
    after = {"plaintext": {"patera.request": Calls(1, 0), "patera.response": Calls(2, 1)}}
    assert list(excess(after, before)) == []


def test_gate_instructions_over_the_budget_fail_beyond_the_tolerance() -> None:
    budget = {"plaintext": 2.0, "post": 1.5}
    assert list(excess_instructions({"plaintext": 2.09, "post": 1.5, "404": 9.0}, budget)) == []
    assert list(excess_instructions({"plaintext": 2.2}, budget)) == [
        ("plaintext", "plaintext takes 2.20 times the instructions of raw ASGI, its budget is 2.00")
    ]


def test_gate_instructions_grown_in_no_call_says_so(counted: Budget) -> None:
    assert grown(counted["post"], counted["post"]) == "no layer in calls, so that the same calls do more"


def test_gate_without_a_budget_for_this_python_says_how_to_write_it() -> None:
    with pytest.raises(SystemExit, match=r"no budget for Python 2\.7: `python -m benchmarks gate --update` writes it"):
        budget_of("2.7")


def test_gate_update_keeps_what_other_versions_of_python_have() -> None:
    kept = {"calls": {"3.11": {"plaintext": {}}, "3.12": {}}, "instructions": {"3.11": {"plaintext": 2.0}}}
    counted = {"plaintext": {"patera.request": Calls(2, 1)}}
    assert merged(kept, "3.12", counted, {}) == {
        "calls": {"3.11": {"plaintext": {}}, "3.12": {"plaintext": {"patera.request": (2, 1)}}},
        "instructions": {"3.11": {"plaintext": 2.0}},
    }
    assert merged(kept, "3.12", counted, {"plaintext": 1.9})["instructions"] == {
        "3.11": {"plaintext": 2.0},
        "3.12": {"plaintext": 1.9},
    }


def test_gate_budget_file_is_as_update_writes_it() -> None:
    assert BUDGET.read_text() == written(json.loads(BUDGET.read_text()))


def test_gate_budget_covers_every_supported_python_and_endpoint() -> None:
    classifiers = (ROOT / "pyproject.toml").read_text()
    supported = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', classifiers)
    calls = json.loads(BUDGET.read_text())["calls"]
    assert {python: sorted(endpoints) for python, endpoints in calls.items()} == dict.fromkeys(
        supported, sorted(ENDPOINTS)
    )


def test_gate_every_module_of_a_request_has_a_layer(counted: Budget) -> None:
    found = {module for endpoint in counted.values() for module in endpoint}
    assert sorted(module for module in found if layer_of(module) == module) == []


def test_gate_every_module_with_a_layer_exists() -> None:
    assert [module for module in modules() if importlib.util.find_spec(module) is None] == []
