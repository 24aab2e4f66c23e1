"""Fixtures for sessions: every place where they can be kept, and a clock that can be put forward."""

import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.redis_server import REDIS, own_prefix

Forward = Callable[[float], None]


@pytest.fixture(params=["cookie", "flask", "memory", "redis"])
async def storage(request: pytest.FixtureRequest) -> AsyncIterator[dict[str, Any]]:
    """The configuration of each place where sessions can be kept."""
    if request.param == "redis":
        async with own_prefix() as prefix:
            yield {"SESSION_BACKEND": REDIS, "SESSION_KEY_PREFIX": prefix}
        return
    configs = {"cookie": {}, "flask": {"SESSION_COMPAT": "flask"}, "memory": {"SESSION_BACKEND": "memory"}}
    yield configs[request.param]


@pytest.fixture
def forward(monkeypatch: pytest.MonkeyPatch) -> Forward:
    """Put the clock forward by some seconds; time goes on from there."""
    passed, real = 0.0, time.time

    def put_forward(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    monkeypatch.setattr(time, "time", lambda: real() + passed)
    return put_forward
