"""What a server process imports: functions without arguments that build the application its environment names."""

import os
from typing import Any

from benchmarks.variants import VARIANTS

#: The variables of the environment.
VARIANT, APPLICATION, DATABASE = "BENCHMARK_VARIANT", "BENCHMARK_APPLICATION", "BENCHMARK_DATABASE"


def variant() -> Any:
    """Build one of the applications of a variant, those that `inprocess` measures."""
    return VARIANTS[os.environ[VARIANT]].build(os.environ[APPLICATION])


def users() -> Any:
    """Build one of the applications of `benchmarks.database`, on the database of the environment."""
    from benchmarks import database

    return database.VARIANTS[os.environ[VARIANT]](os.environ[DATABASE])
