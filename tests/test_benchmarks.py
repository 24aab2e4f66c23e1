"""The measured applications do the same work: each gives every case its right answer."""

import pytest

from benchmarks.cases import CASES, REFUSED, Case
from benchmarks.driver import Bench
from benchmarks.variants import VARIANTS

# What the other frameworks deprecate is not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

#: Building 5,000 routes takes some frameworks a minute; 500 show the same.
CHEAP = [case for case in CASES if case.application != "many-routes"]


@pytest.mark.parametrize("case", [*CHEAP, REFUSED], ids=lambda case: case.name)
@pytest.mark.parametrize("variant", VARIANTS)
def test_benchmark_application_asked_answers_right(variant: str, case: Case) -> None:
    chosen = VARIANTS[variant]
    if not chosen.has(case):
        pytest.skip(chosen.left_out[case.name])
    with Bench() as bench:
        assert case.problems(bench.answer(chosen, bench.start(chosen, case.application), case)) == []
