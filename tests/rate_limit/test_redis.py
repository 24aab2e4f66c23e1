"""Counts in Redis: one for all processes, and what happens while it is away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from patera import Patera, Request, Response
from patera.controller import Controller, get, path
from patera.rate_limit import RateLimiter, rate_limit
from patera.testing import PateraTestClient
from tests.redis_server import REDIS, RedisGate, closed_port, hung_server, own_prefix
from tests.server import run_process

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]


@path("/limited")
class Limited(Controller):
    @get("/")
    @rate_limit("2/minute")
    async def show(self, req: Request) -> Response:
        return req.res.text("shown")


@pytest.fixture
async def prefix() -> AsyncIterator[str]:
    async with own_prefix() as found:
        yield found


def on_redis(make_app: MakeApp, **values: Any) -> Patera:
    return make_app(Limited, EXTENSIONS=[RateLimiter()], RATE_LIMIT=values, DEBUG=False)


async def statuses(http: PateraTestClient, count: int) -> list[int]:
    return [(await http.get("/limited/")).status_code for _ in range(count)]


@pytest.mark.parametrize("strategy", ["moving-window", "fixed-window"])
async def test_two_worker_processes_count_together(prefix: str, strategy: str) -> None:
    env = {
        "PATERA_RATE_LIMIT__STORAGE_URI": REDIS,
        "PATERA_RATE_LIMIT__KEY_PREFIX": prefix,
        "PATERA_RATE_LIMIT__STRATEGY": strategy,
        "PATERA_RATE_LIMIT__TIMEOUT": "10",
    }
    command = ("-m", "uvicorn", "tests.apps.limited:Application", "--factory", "--port", "0")
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(run_process(*command, env=env)) for _ in range(2)]
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=30))
        urls = [f"{workers[number % 2].url}/limited/" for number in range(30)]
        answers = await asyncio.gather(*(http.get(url) for url in urls))
    found = [answer.status_code for answer in answers]
    assert (found.count(200), found.count(429)) == (7, 23)
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"7-per-hour";q=7;w=3600'}


@pytest.mark.parametrize("strategy", ["moving-window", "fixed-window"])
async def test_answers_say_what_is_left(make_app: MakeApp, client: Connect, prefix: str, strategy: str) -> None:
    application = on_redis(make_app, STORAGE_URI=REDIS, KEY_PREFIX=prefix, STRATEGY=strategy, TIMEOUT=10)
    http = await client(application)
    answers = [await http.get("/limited/") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["ratelimit"].split(";")[1] for answer in answers] == ["r=1", "r=0", "r=0"]
    assert 1 <= int(answers[2].headers["retry-after"]) <= 60


async def test_application_started_anew_goes_on_counting(make_app: MakeApp, prefix: str) -> None:
    application = on_redis(make_app, STORAGE_URI=REDIS, KEY_PREFIX=prefix, TIMEOUT=10)
    found = []
    for _ in range(3):
        async with PateraTestClient(application) as http:
            found += await statuses(http, 1)
    assert found == [200, 200, 429]


async def test_application_without_lifespan_counts_too(make_app: MakeApp, prefix: str) -> None:
    application = on_redis(make_app, STORAGE_URI=REDIS, KEY_PREFIX=prefix, TIMEOUT=10)
    async with PateraTestClient(application, lifespan=False) as http:
        assert await statuses(http, 3) == [200, 200, 429]


def outages(application: Patera) -> list[str]:
    return [record["message"] for record in application.log_buffer.get_severe()]


async def test_redis_down_lets_requests_pass_and_is_logged_once(make_app: MakeApp, client: Connect) -> None:
    """R25."""
    application = on_redis(make_app, STORAGE_URI=f"redis://:secret@127.0.0.1:{closed_port()}/0")
    http = await client(application)
    answers = [await http.get("/limited/") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert [name for answer in answers for name in answer.headers if name.startswith("ratelimit")] == []
    (line,) = outages(application)
    assert "requests pass unlimited" in line
    assert "secret" not in line


async def test_redis_down_refuses_requests_where_the_config_says_so(make_app: MakeApp, client: Connect) -> None:
    """R25."""
    uri = f"redis://127.0.0.1:{closed_port()}/0"
    application = on_redis(make_app, STORAGE_URI=uri, FAIL_OPEN=False, RETRY_INTERVAL=7)
    http = await client(application)
    answers = [await http.get("/limited/") for _ in range(3)]
    assert [(answer.status_code, answer.headers["retry-after"]) for answer in answers] == [(503, "7")] * 3
    assert answers[0].json()["message"] == "Rate limits cannot be checked"
    (line,) = outages(application)
    assert "limited requests are refused" in line


async def test_redis_that_hangs_is_asked_once(make_app: MakeApp, client: Connect) -> None:
    """Each request would pay the time-out otherwise: a hundred of them would take longer than this test may."""
    async with hung_server() as port, asyncio.timeout(20):
        http = await client(on_redis(make_app, STORAGE_URI=f"redis://127.0.0.1:{port}/0", TIMEOUT=1, RETRY_INTERVAL=60))
        assert await statuses(http, 100) == [200] * 100


async def test_redis_that_comes_back_counts_again(make_app: MakeApp, client: Connect, prefix: str) -> None:
    gate = RedisGate()
    await gate.open()
    try:
        values = {"STORAGE_URI": gate.url, "KEY_PREFIX": prefix, "RETRY_INTERVAL": 0.001, "TIMEOUT": 10}
        http = await client(on_redis(make_app, **values))
        assert await statuses(http, 2) == [200, 200]
        await gate.close()
        assert await statuses(http, 3) == [200] * 3
        await gate.open()
        await asyncio.sleep(0.01)
        assert await statuses(http, 2) == [429, 429]
    finally:
        await gate.close()
