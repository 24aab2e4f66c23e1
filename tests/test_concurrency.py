"""Sync and async functions alike, and work that goes on after its request."""

import asyncio
import functools
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from loguru import logger

from patera._context import current_request, find_application, use_application
from patera.concurrency import (
    background_tasks,
    current_request_id,
    run_in_background,
    run_sync_or_async,
    wait_for_background_tasks,
)

language: ContextVar[str] = ContextVar("language", default="-")


class Application:
    """The part of an application that background tasks use."""

    logger = logger


class Request:
    """The part of a request that background tasks use."""

    def __init__(self, app: Any, request_id: str) -> None:
        self.scope = {"app": app, "patera.request_id": request_id.encode()}


class Greeter:
    async def __call__(self, name: str) -> str:
        return f"hello {name}"


@pytest.fixture
def app() -> Iterator[Any]:
    application: Any = Application()
    with use_application(application):
        yield application


@pytest.fixture
def lines() -> Iterator[list[str]]:
    written: list[str] = []
    sink = logger.add(lambda line: written.append(line.rstrip("\n")), format="{level} {message}", backtrace=False)
    yield written
    logger.remove(sink)


def set_request(request: Any) -> None:
    current_request.set(request)


async def fail() -> None:
    raise LookupError("no such row")


async def test_run_sync_or_async_coroutine_function_is_awaited_in_this_thread() -> None:
    async def thread_of(word: str, *, times: int) -> tuple[str, int]:
        return word * times, threading.get_ident()

    assert await run_sync_or_async(thread_of, "a", times=2) == ("aa", threading.get_ident())


async def test_run_sync_or_async_sync_function_runs_in_another_thread() -> None:
    assert await run_sync_or_async(threading.get_ident) != threading.get_ident()


async def test_run_sync_or_async_sync_function_takes_keyword_arguments() -> None:
    assert await run_sync_or_async(sorted, [1, 3, 2], reverse=True) == [3, 2, 1]


async def test_run_sync_or_async_sync_function_sees_context_variables() -> None:
    language.set("sl")
    assert await run_sync_or_async(language.get) == "sl"


async def test_run_sync_or_async_sync_function_that_returns_a_coroutine_gives_its_result() -> None:
    assert await run_sync_or_async(lambda: Greeter()("Ana")) == "hello Ana"


async def test_run_sync_or_async_object_with_async_call_is_awaited() -> None:
    assert await run_sync_or_async(Greeter(), "Ana") == "hello Ana"


async def test_run_sync_or_async_partial_of_coroutine_function_is_awaited() -> None:
    assert await run_sync_or_async(functools.partial(Greeter().__call__, name="Ana")) == "hello Ana"


async def test_run_sync_or_async_class_is_called_as_a_function() -> None:
    assert await run_sync_or_async(dict, a=1) == {"a": 1}


async def test_run_sync_or_async_error_in_thread_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        await run_sync_or_async(divmod, 1, 0)


async def test_run_in_background_task_gives_the_result() -> None:
    assert await run_in_background(Greeter(), "Ana") == "hello Ana"


async def test_run_in_background_sync_function_takes_keyword_arguments() -> None:
    assert await run_in_background(sorted, [1, 3, 2], reverse=True) == [3, 2, 1]


async def test_run_in_background_task_is_named_for_the_function() -> None:
    task = run_in_background(functools.partial(fail))
    with pytest.raises(LookupError):
        await task
    assert task.get_name() == "fail"


async def test_run_in_background_coroutine_is_refused_with_the_right_call() -> None:
    call: Any = run_in_background
    with pytest.raises(TypeError, match=r"run_in_background\(fail, \.\.\.\)"):
        call(fail())


async def test_run_in_background_other_value_is_refused() -> None:
    call: Any = run_in_background
    with pytest.raises(TypeError, match="takes a function, got int"):
        call(3)


def test_run_in_background_without_event_loop_says_where_to_call_it() -> None:
    with pytest.raises(RuntimeError, match=r"run_in_background\(fail\) needs an event loop"):
        run_in_background(fail)


async def test_run_in_background_in_worker_thread_starts_the_task(app: Any) -> None:
    started = await run_sync_or_async(lambda: [run_in_background(Greeter(), "Ana")])
    assert await started[0] == "hello Ana"


async def test_run_in_background_in_worker_thread_keeps_its_context(app: Any) -> None:
    def start() -> list[asyncio.Task[str]]:
        language.set("sl")
        return [run_in_background(language.get)]

    assert await (await run_sync_or_async(start))[0] == "sl"


async def test_run_in_background_running_task_belongs_to_the_application(app: Any) -> None:
    task = run_in_background(asyncio.Event().wait)
    assert background_tasks(app) == {task}
    task.cancel()


async def test_run_in_background_ended_task_is_forgotten(app: Any) -> None:
    await run_in_background(asyncio.sleep, 0)
    assert background_tasks(app) == set()


async def test_background_tasks_of_another_application_are_not_listed(app: Any) -> None:
    task = run_in_background(asyncio.Event().wait)
    other: Any = Application()
    assert background_tasks(other) == set()
    task.cancel()


async def test_run_in_background_without_application_runs() -> None:
    assert await run_in_background(find_application) is None


async def test_background_task_of_a_request_finds_the_application() -> None:
    application: Any = Application()
    set_request(Request(application, "r1"))
    assert await run_in_background(find_application) is application


async def test_background_task_of_a_request_does_not_see_the_request() -> None:
    set_request(Request(Application(), "r1"))
    assert await run_in_background(current_request.get) is None


async def test_background_task_of_a_request_leaves_the_request_to_its_handler() -> None:
    request = Request(Application(), "r1")
    set_request(request)
    await run_in_background(asyncio.sleep, 0)
    seen: Any = current_request.get()
    assert seen is request


async def test_background_task_of_a_request_keeps_its_id() -> None:
    set_request(Request(Application(), "r1"))
    assert await run_in_background(current_request_id) == "r1"


async def test_background_task_of_a_background_task_keeps_the_id() -> None:
    async def start_another() -> str:
        return await run_in_background(current_request_id)

    set_request(Request(Application(), "r1"))
    assert await run_in_background(start_another) == "r1"


async def test_current_request_id_without_request_is_a_dash() -> None:
    assert current_request_id() == "-"


async def test_current_request_id_in_worker_thread_is_that_of_the_request() -> None:
    set_request(Request(Application(), "r1"))
    assert await run_sync_or_async(current_request_id) == "r1"


async def test_failing_background_task_is_logged_with_its_traceback(app: Any, lines: list[str]) -> None:
    await asyncio.wait({run_in_background(fail)})
    assert lines[0].startswith("ERROR Background task fail failed")
    assert lines[0].endswith("LookupError: no such row")


async def test_failing_background_task_without_application_is_logged(lines: list[str]) -> None:
    await asyncio.wait({run_in_background(fail)})
    assert lines[0].startswith("ERROR Background task fail failed")


async def test_failing_background_task_is_logged_within_the_request_that_started_it(app: Any) -> None:
    ids: list[str] = []
    sink = logger.add(lambda line: ids.append(current_request_id()))
    set_request(Request(app, "r1"))
    task = run_in_background(fail)
    set_request(None)
    await asyncio.wait({task})
    logger.remove(sink)
    assert ids == ["r1"]


async def test_failing_background_task_is_not_reported_by_asyncio(app: Any, lines: list[str]) -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
    task = run_in_background(fail)
    await asyncio.wait({task})
    del task
    assert reported == []


async def test_wait_for_background_tasks_lets_them_end(app: Any) -> None:
    ended: list[int] = []

    async def work() -> None:
        await asyncio.sleep(0)
        ended.append(1)

    run_in_background(work)
    assert await wait_for_background_tasks(app, 60) == 0
    assert ended == [1]


async def test_wait_for_background_tasks_waits_for_tasks_they_start(app: Any) -> None:
    ended: list[int] = []

    async def second() -> None:
        await asyncio.sleep(0)
        ended.append(2)

    async def first() -> None:
        run_in_background(second)

    run_in_background(first)
    await wait_for_background_tasks(app, 60)
    assert ended == [2]


async def test_wait_for_background_tasks_after_the_time_cancels_and_counts(app: Any, lines: list[str]) -> None:
    task = run_in_background(asyncio.Event().wait)
    run_in_background(asyncio.Event().wait)
    assert await wait_for_background_tasks(app, 0) == 2
    assert task.cancelled()


async def test_wait_for_background_tasks_names_what_it_cancels(app: Any, lines: list[str]) -> None:
    run_in_background(asyncio.Event().wait)
    await wait_for_background_tasks(app, 0)
    assert lines == ["WARNING Background tasks cancelled after 0 s: Event.wait"]


async def test_wait_for_background_tasks_cancelled_task_may_clean_up(app: Any, lines: list[str]) -> None:
    cleaned: list[int] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(1)

    run_in_background(work)
    await asyncio.sleep(0)
    await wait_for_background_tasks(app, 0)
    assert cleaned == [1]


async def test_wait_for_background_tasks_without_tasks_returns_at_once(app: Any) -> None:
    assert await wait_for_background_tasks(app, 60) == 0
