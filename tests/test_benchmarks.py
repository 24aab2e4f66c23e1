"""The measured applications do the same work: each gives every case its right answer."""

import pytest

from benchmarks.apps import VARIANTS, build
from benchmarks.cases import CASES, Case
from benchmarks.driver import ask


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("variant", VARIANTS)
async def test_benchmark_application_asked_answers_right(variant: str, case: Case) -> None:
    assert case.problems(await ask(build(variant, case.application), case)) == []
