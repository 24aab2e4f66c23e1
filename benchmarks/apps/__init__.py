"""The same endpoints in each framework; every variant has `APPLICATIONS`: name -> function that builds one."""

from importlib import import_module
from typing import Any

VARIANTS = {
    "raw": "benchmarks.apps.raw",
    "starlette": "benchmarks.apps.starlette_documented",
    "tuned": "benchmarks.apps.starlette_tuned",
    "patera": "benchmarks.apps.patera_app",
}


def build(variant: str, application: str) -> Any:
    """Build one application of a variant."""
    return import_module(VARIANTS[variant]).APPLICATIONS[application]()
