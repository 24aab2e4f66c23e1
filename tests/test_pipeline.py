"""The pipeline of an endpoint: guards, hooks, cache, body, sessions, handler, shaping, in their fixed order."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextvars import ContextVar
from typing import Any

import pytest
from pydantic import BaseModel
from starlette.responses import PlainTextResponse

from patera import Patera, Request, Response
from patera._context import current_request
from patera.controller import (
    Controller,
    after_request,
    before_request,
    cancel_on_disconnect,
    consumes,
    get,
    post,
    produces,
    socket,
)
from patera.exceptions import ConfigurationError, ExceptionHandler, Mistake, abort, handles
from patera.http import HttpStatus, MediaType
from patera.layer import Call, Layer, Next, Place
from patera.middleware import MiddlewareBase
from patera.testing import PateraTestClient, WebSocketRejected
from tests.recording_layers import (
    AsyncSession,
    Events,
    Guard,
    Memory,
    Role,
    Session,
    Tool,
    current_tool,
    retry,
    transparent,
)

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]
Message = MutableMapping[str, Any]
Decorate = Callable[[Any], Any]

USER = {"x-user": "ada"}


class Item(BaseModel):
    name: str


def mistakes_of(application: Patera) -> list[Any]:
    with pytest.raises(ConfigurationError) as caught:
        application.build()
    return list(caught.value.mistakes)


def http_scope(path: str, method: str = "GET") -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"testserver")],
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
    }


def no_body() -> Callable[[], Awaitable[Message]]:
    """Return the events of a client that sends no body and stays."""
    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop()

    return receive


async def to_nowhere(message: Message) -> None:
    """Take an event of the application."""


# Foreign decorators and sessions


async def test_retry_above_a_session_opens_a_new_one_for_each_attempt(make_app: MakeApp, client: Connect) -> None:
    events: Events = []

    class Users(Controller):
        @get("/")
        @retry(3)
        @Session(events)
        async def show(self, req: Request, session: Any) -> str:
            events.append(f"show {session}")
            if session < 3:
                raise OSError
            return "done"

    assert (await (await client(make_app(Users))).get("/")).text == "done"
    assert events == [
        *("session begins", "show 1", "session rolls back"),
        *("session begins", "show 2", "session rolls back"),
        *("session begins", "show 3", "session flushes 3", "session commits"),
    ]


async def test_retry_below_a_session_tries_again_within_it(make_app: MakeApp, client: Connect) -> None:
    events: Events = []

    class Users(Controller):
        @get("/")
        @Session(events)
        @retry(2)
        async def show(self, req: Request, session: Any) -> str:
            events.append(f"show {session}")
            if events.count("show 1") == 1:
                raise OSError
            return "done"

    assert (await (await client(make_app(Users))).get("/")).text == "done"
    assert events == ["session begins", "show 1", "show 1", "session flushes 1", "session commits"]


async def test_retry_between_two_sessions_repeats_the_lower_one_only(make_app: MakeApp, client: Connect) -> None:
    events: Events = []

    class Users(Controller):
        @get("/")
        @Session(events, "a")
        @retry(2)
        @Session(events, "b")
        async def show(self, req: Request, a: Any, b: Any) -> str:
            if b == 1:
                raise OSError
            return "done"

    assert (await (await client(make_app(Users))).get("/")).text == "done"
    assert events == [
        *("a begins", "b begins", "b rolls back"),
        *("b begins", "a flushes 1", "b flushes 2", "b commits", "a commits"),
    ]


async def test_retry_above_two_sessions_flushes_those_of_the_last_attempt_only(
    make_app: MakeApp, client: Connect
) -> None:
    events: Events = []

    class Users(Controller):
        @get("/")
        @retry(2)
        @Session(events, "a")
        @Session(events, "b")
        async def show(self, req: Request, a: Any, b: Any) -> str:
            if b == 1:
                raise OSError
            return "done"

    assert (await (await client(make_app(Users))).get("/")).text == "done"
    assert [event for event in events if "flushes" in event] == ["a flushes 2", "b flushes 2"]


@pytest.mark.parametrize("is_async", [True, False])
async def test_layer_that_retries_flushes_the_session_of_the_last_attempt_only(
    make_app: MakeApp, client: Connect, is_async: bool
) -> None:
    events: Events = []

    class Again(Layer):
        place, name = Place.SESSION, "again"  # the alphabet puts it outside of the session

        async def around(self, call: Call, next: Next) -> Any:
            try:
                return await next(call)
            except OSError:
                return await next(call)

        def around_sync(self, call: Call, next: Any) -> Any:
            try:
                return next(call)
            except OSError:
                return next(call)

    class Users(Controller):
        @get("/async")
        @Again()
        @Session(events)
        async def show(self, req: Request, session: Any) -> str:
            return self.work(session)

        @get("/def")
        @Again()
        @Session(events)
        def show_sync(self, req: Request, session: Any) -> str:
            return self.work(session)

        def work(self, session: int) -> str:
            if session == 1:
                raise OSError
            return "done"

    assert (await (await client(make_app(Users))).get("/async" if is_async else "/def")).text == "done"
    assert [event for event in events if "flushes" in event] == ["session flushes 2"]


async def test_attempts_at_the_same_time_have_sessions_of_their_own(make_app: MakeApp, client: Connect) -> None:
    events: Events = []

    def twice(function: Any) -> Any:
        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            answers = await asyncio.gather(function(*args, **kwargs), function(*args, **kwargs))
            return sorted(answers, key=repr)[0]

        return wrapper

    class Users(Controller):
        @get("/")
        @twice
        @Session(events)
        async def show(self, req: Request, session: Any) -> Any:
            await asyncio.sleep(0)
            return PlainTextResponse(str(session))

    assert (await (await client(make_app(Users))).get("/")).text in ("1", "2")
    assert sorted(events) == ["session begins", "session begins", "session commits", "session commits"]


async def test_buried_session_of_def_handler_commits_after_shaping(make_app: MakeApp, client: Connect) -> None:
    events: Events = []

    class Users(Controller):
        @get("/")
        @transparent
        @Session(events)
        def show(self, req: Request, session: Any) -> Item:
            return {"name": f"{session}"}  # type: ignore[return-value]

    assert (await (await client(make_app(Users))).get("/")).json() == {"name": "1"}
    assert events == ["session begins", "session flushes 1", "session commits"]


# Shaping before the commit


def make_unfit(events: Events) -> type[Controller]:
    """Return a controller whose bodies do not fit, its session in each possible place."""
    unfit: Any = {"undeclared": 1}

    class Unfit(Controller):
        @get("/lifted")
        @Session(events)
        async def lifted(self, req: Request, session: Any) -> Item:
            return unfit  # type: ignore[no-any-return]

        @get("/buried")
        @transparent
        @Session(events)
        async def buried(self, req: Request, session: Any) -> Item:
            return unfit  # type: ignore[no-any-return]

        @get("/both")
        @Session(events, "outer")
        @transparent
        @Session(events)
        async def both(self, req: Request, outer: Any, session: Any) -> Item:
            return unfit  # type: ignore[no-any-return]

        @get("/def")
        @Session(events)
        def in_thread(self, req: Request, session: Any) -> Item:
            return unfit  # type: ignore[no-any-return]

        @get("/buried-def")
        @transparent
        @Session(events)
        def buried_in_thread(self, req: Request, session: Any) -> Item:
            return unfit  # type: ignore[no-any-return]

        @get("/json")
        @Session(events)
        async def no_json(self, req: Request, session: Any) -> Response:
            return req.res.json({"it": object()})

        @get("/template")
        @Session(events)
        async def no_template(self, req: Request, session: Any) -> Response:
            return req.res.html("missing.html")

    return Unfit


@pytest.mark.parametrize("path", ["/lifted", "/buried", "/both", "/def", "/buried-def", "/json", "/template"])
async def test_body_that_does_not_fit_rolls_back(make_app: MakeApp, client: Connect, path: str) -> None:
    events: Events = []
    response = await (await client(make_app(make_unfit(events), DEBUG=False))).get(path)
    assert response.status_code == 500
    assert {event for event in events if event.endswith(("commits", "rolls back"))} <= {
        "session rolls back",
        "outer rolls back",
    }
    assert "session rolls back" in events


@pytest.mark.parametrize("path", ["/lifted", "/buried", "/def", "/buried-def"])
async def test_ids_made_by_the_flush_are_in_the_body(make_app: MakeApp, client: Connect, path: str) -> None:
    class Row:
        name: str | None = None

    class Rows(Session):
        def open(self, call: Call) -> None:
            row = call.kwargs[self.name] = Row()
            call.before_shape(lambda: setattr(row, "name", "from the flush"))

    rows = Rows([], "row")

    class Users(Controller):
        @get("/lifted")
        @rows
        async def lifted(self, req: Request, row: Any) -> Item:
            return row  # type: ignore[no-any-return]

        @get("/buried")
        @transparent
        @rows
        async def buried(self, req: Request, row: Any) -> Item:
            return row  # type: ignore[no-any-return]

        @get("/def")
        @rows
        def in_thread(self, req: Request, row: Any) -> Item:
            return row  # type: ignore[no-any-return]

        @get("/buried-def")
        @transparent
        @rows
        def buried_in_thread(self, req: Request, row: Any) -> Item:
            return row  # type: ignore[no-any-return]

    assert (await (await client(make_app(Users))).get(path)).json() == {"name": "from the flush"}


async def test_flush_may_be_async(make_app: MakeApp, client: Connect) -> None:
    events: Events = []

    async def flush() -> None:
        await asyncio.sleep(0)
        events.append("flushed")

    class Flushing(Layer):
        place = Place.SESSION

        async def around(self, call: Call, next: Next) -> Any:
            call.before_shape(flush)
            return await call.settle(await next(call))

    class Users(Controller):
        @get("/")
        @Flushing()
        async def show(self, req: Request) -> dict[str, int]:
            return {"a": 1}

    assert (await (await client(make_app(Users))).get("/")).json() == {"a": 1}
    assert events == ["flushed"]


async def test_failing_flush_rolls_back(make_app: MakeApp, client: Connect) -> None:
    events: Events = []

    class Broken(Session):
        def open(self, call: Call) -> None:
            super().open(call)

            def flush() -> None:
                raise ValueError("the name is taken")

            call.before_shape(flush)

    class Users(Controller):
        @get("/")
        @Broken(events)
        async def show(self, req: Request, session: Any) -> dict[str, int]:
            return {"a": 1}

    assert (await (await client(make_app(Users, DEBUG=False))).get("/")).status_code == 500
    assert events[-1] == "session rolls back"


@pytest.mark.parametrize(
    ("path", "status", "end"),
    [("/returned", 409, "commits"), ("/tuple", 409, "commits"), ("/raised", 409, "rolls back")],
)
async def test_returned_4xx_commits_and_a_raised_one_rolls_back(
    make_app: MakeApp, client: Connect, path: str, status: int, end: str
) -> None:
    events: Events = []

    class Users(Controller):
        @get("/returned")
        @Session(events)
        async def returned(self, req: Request, session: Any) -> Response:
            return req.res.json({"taken": True}).status(HttpStatus.CONFLICT)

        @get("/tuple")
        @Session(events)
        async def returned_tuple(self, req: Request, session: Any) -> Any:
            return {"taken": True}, 409

        @get("/raised")
        @Session(events)
        async def raised(self, req: Request, session: Any) -> None:
            abort("taken", HttpStatus.CONFLICT)

    response = await (await client(make_app(Users))).get(path)
    assert (response.status_code, events[-1]) == (status, f"session {end}")


@pytest.mark.parametrize("path", ["/async", "/def", "/buried", "/stream"])
async def test_commit_comes_before_the_first_byte(make_app: MakeApp, path: str) -> None:
    events: Events = []

    class Users(Controller):
        @get("/async")
        @Session(events)
        async def in_loop(self, req: Request, session: Any) -> str:
            return "done"

        @get("/def")
        @Session(events)
        def in_thread(self, req: Request, session: Any) -> str:
            return "done"

        @get("/buried")
        @transparent
        @Session(events)
        async def buried(self, req: Request, session: Any) -> str:
            return "done"

        @get("/stream")
        @Session(events)
        async def stream(self, req: Request, session: Any) -> Response:
            return req.res.stream_text(["a", "b"])

    async def send(message: Message) -> None:
        events.append(message["type"])

    application = make_app(Users)
    await application(http_scope(path), no_body(), send)
    assert events.index("session commits") < events.index("http.response.start")


# Cancellation


async def test_cancellation_in_the_handler_rolls_back(make_app: MakeApp) -> None:
    events: Events = []
    is_inside = asyncio.Event()

    class Users(Controller):
        @get("/")
        @Session(events)
        async def wait(self, req: Request, session: Any) -> None:
            is_inside.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(make_app(Users)(http_scope("/"), no_body(), to_nowhere))
    await is_inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert events == ["session begins", "session rolls back"]


@pytest.mark.parametrize("steps", range(12))
async def test_cancellation_after_any_number_of_steps_leaves_nothing_open(make_app: MakeApp, steps: int) -> None:
    events: Events = []

    class Slow(Session):
        async def around(self, call: Call, next: Next) -> Any:
            await asyncio.sleep(0)
            return await super().around(call, next)

    class Users(Controller):
        @before_request
        async def look(self, req: Request) -> None:
            await asyncio.sleep(0)

        @get("/")
        @Guard(events)
        @transparent
        @Slow(events)
        async def show(self, req: Request, session: Any) -> str:
            for _ in range(3):
                await asyncio.sleep(0)
            return "done"

        @after_request
        async def stamp(self, res: Any) -> None:
            await asyncio.sleep(0)

    async def send(message: Message) -> None:
        await asyncio.sleep(0)

    scope = http_scope("/")
    scope["headers"].append((b"x-user", b"ada"))
    task = asyncio.ensure_future(make_app(Users)(scope, no_body(), send))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    ended = events.count("session commits") + events.count("session rolls back")
    assert events.count("session begins") == ended
    assert current_request.get() is None


async def test_request_timeout_rolls_back_and_is_504(make_app: MakeApp, client: Connect) -> None:
    events: Events = []

    class Users(Controller):
        @get("/")
        @Session(events)
        async def wait(self, req: Request, session: Any) -> None:
            await asyncio.Event().wait()

    response = await (await client(make_app(Users, REQUEST_TIMEOUT=0.01))).get("/")
    assert (response.status_code, response.json()["message"]) == (504, "Request timed out")
    assert events == ["session begins", "session rolls back"]


async def test_timeout_error_of_the_handlers_own_is_no_request_timeout(make_app: MakeApp, client: Connect) -> None:
    class Users(Controller):
        @get("/")
        async def show(self, req: Request) -> None:
            raise TimeoutError

    application = make_app(Users, REQUEST_TIMEOUT=60, DEBUG=False)
    assert (await (await client(application)).get("/")).status_code == 500


async def test_plain_handler_runs_to_its_end_when_the_client_goes(make_app: MakeApp) -> None:
    events: Events = []

    class Users(Controller):
        @get("/")
        @Session(events)
        async def show(self, req: Request, session: Any) -> None:
            await asyncio.sleep(0)

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    await make_app(Users)(http_scope("/"), gone, to_nowhere)
    assert events[-1] == "session commits"


async def test_cancel_on_disconnect_rolls_back_when_the_client_goes(make_app: MakeApp) -> None:
    events: Events = []
    is_inside = asyncio.Event()

    class Users(Controller):
        @get("/")
        @cancel_on_disconnect
        @Session(events)
        async def wait(self, req: Request, session: Any) -> None:
            is_inside.set()
            await asyncio.Event().wait()

    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await is_inside.wait()
        return {"type": "http.disconnect"}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await make_app(Users)(http_scope("/"), receive, send)
    assert (events, sent) == (["session begins", "session rolls back"], [])


@pytest.mark.parametrize(("path", "status"), [("/ok", 200), ("/abort", 410)])
async def test_cancel_on_disconnect_answers_a_client_that_stays(make_app: MakeApp, path: str, status: int) -> None:
    class Users(Controller):
        @get("/ok")
        @cancel_on_disconnect
        async def ok(self, req: Request) -> str:
            return "done"

        @get("/abort")
        @cancel_on_disconnect
        async def aborts(self, req: Request) -> None:
            abort("gone", HttpStatus.GONE)

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await make_app(Users)(http_scope(path), no_body(), send)
    assert sent[0]["status"] == status


# Guards


async def test_cache_hit_never_skips_a_guard(make_app: MakeApp, client: Connect) -> None:
    events: Events = []

    class Users(Controller):
        @get("/")
        @Memory(events)
        @transparent
        @Guard(events)
        async def show(self, req: Request) -> dict[str, int]:
            return {"id": 1}

    http = await client(make_app(Users))
    answers = [await http.get("/", headers=USER), await http.get("/", headers=USER), await http.get("/")]
    assert [answer.status_code for answer in answers] == [200, 200, 401]
    assert events == ["login", "cache miss", "login", "cache hit", "login"]


async def test_cache_below_a_foreign_decorator_rises_above_it(make_app: MakeApp, client: Connect) -> None:
    events: Events = []

    def noting(function: Any) -> Any:
        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            events.append("foreign")
            return await function(*args, **kwargs)

        return wrapper

    class Users(Controller):
        @get("/")
        @noting
        @Memory(events)
        async def show(self, req: Request) -> dict[str, int]:
            return {"id": 1}

    http = await client(make_app(Users))
    assert [(await http.get("/")).json() for _ in range(2)] == [{"id": 1}] * 2
    assert events == ["cache miss", "foreign", "cache hit"]


async def test_guard_left_below_a_foreign_decorator_runs_once(make_app: MakeApp, client: Connect) -> None:
    events: Events = []

    class Users(Controller):
        @get("/")
        @transparent
        @Guard(events)
        async def show(self, req: Request) -> str:
            return "done"

        @get("/def")
        @transparent
        @Guard(events)
        def show_sync(self, req: Request) -> str:
            return "done"

    http = await client(make_app(Users))
    assert [(await http.get(path, headers=USER)).text for path in ("/", "/def")] == ["done", "done"]
    assert events == ["login", "login"]


@pytest.mark.parametrize("decorate", [transparent, lambda function: function], ids=["foreign", "none"])
async def test_direct_call_of_a_guarded_endpoint_is_guarded(
    make_app: MakeApp, client: Connect, decorate: Decorate
) -> None:
    class Users(Controller):
        @get("/open")
        @decorate
        @Guard([], "address", Place.CACHE)
        async def open(self, req: Request) -> Any:
            return await self.closed(req)

        @get("/closed")
        @decorate
        @Guard([])
        async def closed(self, req: Request) -> str:
            return "secret"

    class Open(Controller):
        @get("/")
        @decorate
        @Tool([])
        async def open(self, req: Request, tool: Any) -> Any:
            return await Users(self.app).closed(req)

    http = await client(make_app(Users, Open))
    assert (await http.get("/")).status_code == 401
    assert (await http.get("/", headers=USER)).text == "secret"


async def test_wrapper_lets_nothing_pass_for_another_request(make_app: MakeApp, client: Connect) -> None:
    class Users(Controller):
        @get("/outer")
        @transparent
        @Guard([])
        async def closed(self, req: Request) -> str:
            if req.query_params.get("direct"):
                return "secret"
            async with PateraTestClient(self.app, lifespan=False) as inner:
                return (await inner.get("/inner")).text

        @get("/inner")
        async def inner(self, req: Request) -> Any:
            req.query_params._dict["direct"] = "1"
            return await self.closed(req)

    response = await (await client(make_app(Users))).get("/outer", headers=USER)
    assert "Login required" in response.text


@pytest.mark.parametrize("path", ["/model", "/def", "/cached", "/cancelled"])
async def test_guard_refuses_before_the_body_is_read(make_app: MakeApp, path: str) -> None:
    class Users(Controller):
        @post("/model")
        @consumes(MediaType.APPLICATION_JSON)
        @Guard([])
        async def model(self, req: Request, item: Item) -> None: ...

        @post("/def")
        @transparent
        @Guard([])
        def in_thread(self, req: Request, item: Item) -> None: ...

        @post("/cached")
        @Memory([])
        @Guard([])
        async def cached(self, req: Request, item: Item) -> None: ...

        @post("/cancelled")
        @cancel_on_disconnect
        @Guard([])
        async def cancelled(self, req: Request, item: Item) -> None: ...

    async def receive() -> Message:
        raise AssertionError("the body was asked for")

    statuses: list[int] = []

    async def send(message: Message) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    await make_app(Users)(http_scope(path, "POST"), receive, send)
    assert statuses == [401]


@pytest.mark.parametrize("path", ["/guard", "/hook"])
async def test_answer_of_a_guard_or_hook_ends_the_request(make_app: MakeApp, client: Connect, path: str) -> None:
    events: Events = []

    class Closed(Layer):
        place = Place.LOGIN

        async def guard(self, call: Call) -> Any:
            return {"closed": True}, 423

    class ByGuard(Controller):
        @get("/guard")
        @Closed()
        @Memory(events)
        async def show(self, req: Request) -> None: ...

    class ByHook(Controller):
        @before_request
        async def close(self, req: Request) -> Any:
            return {"closed": True}, 423

        @get("/hook")
        @Memory(events)
        async def show(self, req: Request) -> None: ...

    response = await (await client(make_app(ByGuard, ByHook))).get(path)
    assert (response.status_code, response.json(), events) == (423, {"closed": True}, [])


async def test_login_of_class_method_and_role_runs_once(make_app: MakeApp, client: Connect) -> None:
    events: Events = []

    @Guard(events)
    class Users(Controller):
        @get("/")
        @Role(events, Guard(events))
        @Guard(events)
        async def show(self, req: Request) -> None: ...

    await (await client(make_app(Users))).get("/", headers=USER)
    assert events == ["login", "role"]


async def test_role_alone_demands_its_login(make_app: MakeApp, client: Connect) -> None:
    events: Events = []

    class Users(Controller):
        @get("/")
        @Role(events, Guard(events))
        async def show(self, req: Request) -> None: ...

    assert (await (await client(make_app(Users))).get("/")).status_code == 401
    assert events == ["login"]


async def test_class_and_method_requirements_must_both_hold(make_app: MakeApp, client: Connect) -> None:
    class Header(Layer):
        place = Place.ROLES

        def __init__(self, header: str) -> None:
            self.header = header

        async def guard(self, call: Call) -> None:
            assert call.request is not None
            if self.header not in call.request.headers:
                abort(f"no {self.header}", HttpStatus.FORBIDDEN)

    @Header("x-class")
    class Users(Controller):
        @get("/")
        @Header("x-method")
        async def show(self, req: Request) -> str:
            return "both"

    http = await client(make_app(Users))
    given = [{"x-class": "1"}, {"x-method": "1"}, {"x-class": "1", "x-method": "1"}]
    assert [(await http.get("/", headers=headers)).status_code for headers in given] == [403, 403, 200]


async def test_guard_may_inject_an_argument(make_app: MakeApp, client: Connect) -> None:
    class User(Layer):
        place = Place.LOGIN

        def injects(self, app: Patera) -> Sequence[str]:
            return ("user",)

        async def guard(self, call: Call) -> None:
            call.kwargs["user"] = "ada"

    class Users(Controller):
        @get("/plain/<int:id>")
        @User()
        async def plain(self, req: Request, id: int, user: str) -> Any:
            return {"id": id, "user": user}

        @get("/session/<int:id>")
        @User()
        @Session([])
        async def layered(self, req: Request, id: int, user: str, session: Any) -> Any:
            return {"id": id, "user": user}

        @get("/def/<int:id>")
        @User()
        @Memory([])
        def in_thread(self, req: Request, id: int, user: str) -> Any:
            return {"id": id, "user": user}

    http = await client(make_app(Users))
    answers = [(await http.get(f"/{kind}/3")).json() for kind in ("plain", "session", "def")]
    assert answers == [{"id": 3, "user": "ada"}] * 3


PROTECTED = [
    ("GET", "/class", 401),
    ("HEAD", "/class", 401),
    ("GET", "/override", 401),
    ("POST", "/class", 405),
    ("OPTIONS", "/class", 204),
]


@pytest.mark.parametrize(("method", "path", "status"), PROTECTED)
async def test_protection_of_a_class_holds_for_each_way_in(
    make_app: MakeApp, client: Connect, method: str, path: str, status: int
) -> None:
    events: Events = []

    @Guard([])
    class Users(Controller):
        @get("/class")
        async def show(self, req: Request) -> None:
            events.append("ran")

    class Others(Users):
        @get("/override")
        async def show(self, req: Request) -> None:
            events.append("ran")

    response = await (await client(make_app(Users, Others))).request(method, path)
    assert (response.status_code, events) == (status, [])


async def test_preflight_of_a_protected_route_runs_no_handler_and_no_guard(make_app: MakeApp, client: Connect) -> None:
    events: Events = []

    class Users(Controller):
        @get("/")
        @Guard(events)
        async def show(self, req: Request) -> None:
            events.append("ran")

    headers = {"origin": "https://a.example", "access-control-request-method": "GET"}
    response = await (await client(make_app(Users))).options("/", headers=headers)
    assert (response.status_code, events) == (204, [])


async def test_guard_refuses_a_websocket_before_it_is_accepted(make_app: MakeApp, client: Connect) -> None:
    class Talk(Controller):
        @socket("/ws")
        @transparent
        @Guard([])
        async def talk(self, req: Request) -> None:
            await req.accept()

    http = await client(make_app(Talk))
    with pytest.raises(WebSocketRejected):
        async with http.websocket("/ws"):
            """Never entered."""


async def test_session_of_a_websocket_is_worth_a_warning(make_app: MakeApp) -> None:
    class Talk(Controller):
        @socket("/ws")
        @Session([])
        async def talk(self, req: Request, session: Any) -> None: ...

    application = make_app(Talk)
    application.build()
    assert [text.partition(": ")[2] for text in application._compiled.warnings] == [  # type: ignore[union-attr]
        "session stays open as long as the websocket does"
    ]


async def test_hook_beside_a_websocket_is_worth_a_warning(make_app: MakeApp) -> None:
    class Talk(Controller):
        @before_request
        async def check(self, req: Request) -> None: ...

        @socket("/ws")
        async def talk(self, req: Request) -> None: ...

    application = make_app(Talk)
    application.build()
    assert [text.partition(": ")[2] for text in application._compiled.warnings] == [  # type: ignore[union-attr]
        "@before_request does not run for websockets; a layer such as a login does"
    ]


# What a build says of layers


@pytest.mark.parametrize(
    "decorate", [lambda function: function, transparent, lambda function: asynchronously(function)]
)
def test_session_without_sync_form_on_def_endpoint_is_a_mistake(make_app: MakeApp, decorate: Decorate) -> None:
    class Users(Controller):
        @get("/")
        @decorate
        @AsyncSession([])
        def show(self, req: Request, session: Any) -> None: ...

    (mistake,) = mistakes_of(make_app(Users))
    assert (mistake.code, mistake.found) == ("PAT310", "session on a `def` method")
    assert mistake.change == "make the method `async def`"


def asynchronously(function: Any) -> Any:
    """A foreign decorator that makes a coroutine function of a plain one."""

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await asyncio.to_thread(function, *args, **kwargs)

    return wrapper


def plainly(function: Any) -> Any:
    """A foreign decorator that makes a plain function which returns a coroutine."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return asynchronously(function)(*args, **kwargs)

    return wrapper


def test_injected_argument_that_the_handler_does_not_take_is_a_mistake(make_app: MakeApp) -> None:
    class Users(Controller):
        @get("/")
        @Session([])
        async def show(self, req: Request) -> None: ...

    (mistake,) = mistakes_of(make_app(Users))
    assert (mistake.code, mistake.found) == ("PAT311", "session injects 'session', which is no parameter of the method")
    assert mistake.change == "add the parameter 'session', or remove the decorator"


async def test_injected_argument_may_go_to_keyword_arguments(make_app: MakeApp, client: Connect) -> None:
    class Users(Controller):
        @get("/")
        @Session([])
        async def show(self, req: Request, **kwargs: Any) -> Any:
            return kwargs

    assert (await (await client(make_app(Users))).get("/")).json() == {"session": 1}


def test_mistakes_of_a_layer_are_mistakes_of_the_build(make_app: MakeApp) -> None:
    class Needy(Layer):
        async def around(self, call: Call, next: Next) -> Any: ...

        def mistakes(self, app: Patera, where: str, location: str) -> Sequence[Mistake]:
            return [Mistake("PAT399", where, "no extension", "one", "add it", location)]

    class Users(Controller):
        @get("/")
        @Needy()
        @transparent
        @Needy()
        async def show(self, req: Request) -> None: ...

    (mistake,) = mistakes_of(make_app(Users))
    assert (mistake.code, mistake.location.startswith(__file__)) == ("PAT399", True)


async def passes(self: Any, call: Call) -> None: ...


def passes_sync(self: Any, call: Call) -> None: ...


async def around(self: Any, call: Call, next: Next) -> Any: ...


def test_layers_that_refuse_one_another_are_a_mistake_on_one_method(make_app: MakeApp) -> None:
    class Lonely(Session):
        def conflict(self, other: Layer) -> str:
            return f"{self.name} and {other.name}"

    @Session([], "second")
    class Users(Controller):
        @get("/")
        @Lonely([], "first")
        async def show(self, req: Request, first: Any, second: Any) -> None: ...

    (mistake,) = mistakes_of(make_app(Users))
    assert (mistake.code, mistake.found) == ("PAT313", "first and second")


@pytest.mark.parametrize(
    ("place", "methods", "found"),
    [
        (Place.LOGIN, {}, "<Place.LOGIN: 20> and which has no guard()"),
        (Place.LOGIN, {"gaurd": passes}, "<Place.LOGIN: 20> and which has no guard()"),
        (Place.ROLES, {"around": around}, "has no guard(), and around() does not run there"),
        (Place.CACHE, {"arround": around}, "<Place.CACHE: 60> and which has neither guard() nor around()"),
        (Place.LOGIN, {"guard": passes_sync}, "has a guard() that is not async"),
        (35, {"guard": passes}, "35 and which has to have a Place"),
    ],
)
def test_layer_that_would_let_everything_pass_is_a_mistake(
    make_app: MakeApp, place: Any, methods: dict[str, Any], found: str
) -> None:
    layer: Layer = type("Broken", (Layer,), {"place": place, **methods})()

    class Users(Controller):
        @get("/")
        @layer
        async def show(self, req: Request) -> None: ...

    (mistake,) = mistakes_of(make_app(Users))
    assert (mistake.code, mistake.found.startswith("the layer Broken, whose place is "), found in mistake.found) == (
        "PAT312",
        True,
        True,
    )
    assert mistake.change == "define it in the class Broken, or change its place"


@pytest.mark.parametrize("verdict", [True, False])
async def test_guard_that_returns_a_verdict_is_told_what_to_return(make_app: MakeApp, verdict: bool) -> None:
    class Verdict(Layer):
        place = Place.ROLES

        async def guard(self, call: Call) -> bool:
            return verdict

    class Users(Controller):
        @get("/")
        @Verdict()
        async def show(self, req: Request) -> str:
            return "secret"

    with pytest.raises(TypeError, match=rf"Verdict.guard returned {verdict}; return None to let the request pass"):
        await PateraTestClient(make_app(Users, DEBUG=True)).get("/")


async def test_before_hook_that_returns_a_verdict_is_told_what_to_return(make_app: MakeApp) -> None:
    class Users(Controller):
        @before_request
        def is_allowed(self, req: Request) -> bool:
            return False

        @get("/")
        async def show(self, req: Request) -> str:
            return "secret"

    with pytest.raises(TypeError, match=r"Users.is_allowed returned False; return None to let the request pass"):
        await PateraTestClient(make_app(Users, DEBUG=True)).get("/")


def test_plan_lists_lifted_and_buried_layers_in_order(make_app: MakeApp) -> None:
    class Users(Controller):
        @get("/")
        @transparent
        @Session([])
        @Tool([])
        @Guard([])
        @Memory([])
        async def show(self, req: Request, session: Any, tool: Any) -> None: ...

    plan = make_app(Users).plan.endpoints[0]
    assert [(layer.name, layer.place) for layer in plan.layers] == [
        ("login", "LOGIN"),
        ("cache", "CACHE"),
        ("session", "SESSION"),
        ("tool", "INJECT"),
    ]


# Handlers in threads


async def test_def_handler_and_its_session_share_a_worker_thread(make_app: MakeApp, client: Connect) -> None:
    threads: dict[str, int] = {}
    session = Session([])

    class Where(Guard):
        async def guard(self, call: Call) -> None:
            threads["guard"] = threading.get_ident()

    class Users(Controller):
        @get("/")
        @Where([])
        @session
        def show(self, req: Request, session: Any) -> None:
            threads["handler"] = threading.get_ident()

    await (await client(make_app(Users))).get("/")
    assert threads["guard"] == threading.get_ident()
    assert [threads["handler"]] == session.threads
    assert threads["handler"] != threading.get_ident()


async def test_def_handler_finds_the_body_read(make_app: MakeApp, client: Connect) -> None:
    class Users(Controller):
        @post("/")
        def show(self, req: Request) -> Any:
            return req.get_json()

    assert (await (await client(make_app(Users))).post("/", json={"a": 1})).json() == {"a": 1}


async def test_def_handler_sees_context_variables_of_its_layers(make_app: MakeApp, client: Connect) -> None:
    class Users(Controller):
        @get("/")
        @Tool([])
        def show(self, req: Request, tool: Any) -> Any:
            return [current_tool.get(), current_request.get() is req]

    assert (await (await client(make_app(Users))).get("/")).json() == ["tool", True]


@pytest.mark.parametrize("decorate", [asynchronously, plainly])
async def test_def_handler_that_a_foreign_decorator_made_awaitable_is_awaited(
    make_app: MakeApp, client: Connect, decorate: Decorate
) -> None:
    events: Events = []

    class Users(Controller):
        @get("/")
        @decorate
        @Session(events)
        def show(self, req: Request, session: Any) -> Any:
            return {"session": session}

    assert (await (await client(make_app(Users))).get("/")).json() == {"session": 1}
    assert events == ["session begins", "session flushes 1", "session commits"]


async def test_async_handler_that_a_foreign_decorator_made_plain_is_awaited(make_app: MakeApp, client: Connect) -> None:
    def plain(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    events: Events = []

    class Users(Controller):
        @get("/")
        @plain
        @Session(events)
        async def show(self, req: Request, session: Any) -> Any:
            return {"session": session}

    assert (await (await client(make_app(Users))).get("/")).json() == {"session": 1}
    assert events[-1] == "session commits"


@pytest.mark.parametrize("path", ["/async", "/def"])
async def test_generator_as_handler_streams(make_app: MakeApp, client: Connect, path: str) -> None:
    class Users(Controller):
        @get("/async")
        async def numbers(self, req: Request) -> Any:
            for number in range(3):
                yield f"{number}\n"

        @get("/def")
        def numbers_sync(self, req: Request) -> Any:
            for number in range(3):
                yield f"{number}\n"

    assert (await (await client(make_app(Users))).get(path)).text == "0\n1\n2\n"


# Hooks


async def test_before_hook_that_returns_its_request_goes_on(make_app: MakeApp, client: Connect) -> None:
    class Users(Controller):
        @before_request
        async def look(self, req: Request) -> Request:
            return req

        @get("/")
        async def show(self, req: Request) -> str:
            return "done"

    assert (await (await client(make_app(Users))).get("/")).text == "done"


async def test_before_hook_of_def_form_that_returns_a_response_ends_the_request(
    make_app: MakeApp, client: Connect
) -> None:
    class Users(Controller):
        @before_request
        def close(self, req: Request) -> Response:
            return req.res.text("closed").status(423)

        @get("/")
        async def show(self, req: Request) -> None: ...

    response = await (await client(make_app(Users))).get("/")
    assert (response.status_code, response.text) == (423, "closed")


async def test_before_hook_ends_the_request_before_its_body_is_read(make_app: MakeApp, client: Connect) -> None:
    class Users(Controller):
        @before_request
        async def close(self, req: Request) -> str:
            return "closed"

        @post("/")
        async def make(self, req: Request, item: Item) -> None: ...

    response = await (await client(make_app(Users))).post("/", content="{", headers={"content-type": "text/plain"})
    assert response.text == "closed"


async def test_before_hook_runs_behind_the_guards(make_app: MakeApp, client: Connect) -> None:
    events: Events = []

    class Users(Controller):
        @before_request
        async def look(self, req: Request) -> None:
            events.append("hook")

        @get("/")
        @Guard(events)
        async def show(self, req: Request) -> None: ...

    await (await client(make_app(Users))).get("/")
    assert events == ["login"]


async def test_failing_before_hook_is_the_answer(make_app: MakeApp, client: Connect) -> None:
    class Users(Controller):
        @before_request
        async def close(self, req: Request) -> None:
            abort("closed", 423)

        @get("/")
        async def show(self, req: Request) -> None: ...

    response = await (await client(make_app(Users))).get("/")
    assert (response.status_code, response.json()["message"]) == (423, "closed")


def make_stamping(events: Events, stamp: Callable[[Any], Any]) -> type[Controller]:
    """Return a controller with an endpoint for each kind of answer, and a hook behind them."""

    class Stamping(Controller):
        @get("/ok")
        @Session(events)
        @Memory(events)
        async def ok(self, req: Request, session: Any) -> Item:
            return {"name": "a"}  # type: ignore[return-value]

        @get("/abort")
        async def aborts(self, req: Request) -> None:
            abort("gone", HttpStatus.GONE)

        @get("/crash")
        async def crash(self, req: Request) -> None:
            raise ValueError("secret")

        @get("/lookup")
        async def lookup(self, req: Request) -> None:
            raise LookupError

        @get("/early")
        @Early()
        async def early(self, req: Request) -> None: ...

        @after_request
        async def stamp(self, res: Any) -> Any:
            events.append("stamp")
            return stamp(res)

    return Stamping


class Early(Layer):
    """Answers in the handler's place."""

    place = Place.LOGIN

    async def guard(self, call: Call) -> Any:
        return {"name": "early"}


class Handlers(ExceptionHandler):
    @handles(LookupError)
    async def missing(self, req: Request, exc: LookupError) -> Any:
        return {"missing": True}, 404


def set_header(res: Any) -> None:
    res.headers["x-stamp"] = "1"


@pytest.mark.parametrize(("path", "status"), [("/ok", 200), ("/abort", 410), ("/lookup", 404), ("/early", 200)])
async def test_after_hook_sees_each_handled_answer_once(
    make_app: MakeApp, client: Connect, path: str, status: int
) -> None:
    events: Events = []
    application = make_app(make_stamping(events, set_header), EXCEPTION_HANDLERS=[Handlers])
    response = await (await client(application)).get(path)
    assert (response.status_code, response.headers["x-stamp"], events.count("stamp")) == (status, "1", 1)


async def test_after_hook_does_not_see_an_unhandled_error(make_app: MakeApp, client: Connect) -> None:
    events: Events = []
    application = make_app(make_stamping(events, set_header), DEBUG=False)
    response = await (await client(application)).get("/crash")
    assert (response.status_code, "x-stamp" in response.headers, events) == (500, False, [])


async def test_after_hook_runs_on_hits_and_never_reaches_the_store(make_app: MakeApp, client: Connect) -> None:
    events: Events = []

    def count(res: Any) -> Any:
        return res.json({"name": f"{events.count('stamp')}"})

    http = await client(make_app(make_stamping(events, count)))
    assert [(await http.get("/ok")).json() for _ in range(2)] == [{"name": "1"}, {"name": "2"}]
    assert [event for event in events if event.startswith("cache")] == ["cache miss", "cache hit"]


async def test_after_hook_runs_after_the_commit(make_app: MakeApp, client: Connect) -> None:
    events: Events = []
    await (await client(make_app(make_stamping(events, set_header)))).get("/ok")
    assert events[-2:] == ["session commits", "stamp"]


async def test_body_that_an_after_hook_sets_is_shaped_again(make_app: MakeApp, client: Connect) -> None:
    def widen(res: Any) -> None:
        res.json({"name": "b", "password": "secret"})

    response = await (await client(make_app(make_stamping([], widen)))).get("/ok")
    assert response.json() == {"name": "b"}


@pytest.mark.parametrize(
    "replacement", [lambda res: PlainTextResponse("other"), lambda res: Response("other"), lambda res: ("other", 200)]
)
async def test_after_hook_may_return_a_replacement(make_app: MakeApp, client: Connect, replacement: Any) -> None:
    class Users(Controller):
        @get("/")
        async def show(self, req: Request) -> dict[str, int]:
            return {"a": 1}

        @after_request
        async def replace(self, res: Any) -> Any:
            return replacement(res)

    assert (await (await client(make_app(Users))).get("/")).text == "other"


async def test_failing_after_hook_is_an_error_answer_with_the_data_saved(make_app: MakeApp, client: Connect) -> None:
    events: Events = []

    def fail(res: Any) -> None:
        raise ValueError

    response = await (await client(make_app(make_stamping(events, fail), DEBUG=False))).get("/ok")
    assert (response.status_code, events.count("session commits"), events.count("stamp")) == (500, 1, 1)


@pytest.mark.parametrize("path", ["/ok", "/abort"])
async def test_after_hook_that_aborts_is_the_answer_and_does_not_run_again(
    make_app: MakeApp, client: Connect, path: str
) -> None:
    events: Events = []
    response = await (await client(make_app(make_stamping(events, lambda res: abort("no", 418))))).get(path)
    assert (response.status_code, events.count("stamp")) == (418, 1)


async def test_after_hook_does_not_run_again_for_an_error_of_middleware(make_app: MakeApp, client: Connect) -> None:
    events: Events = []

    class Failing(MiddlewareBase):
        async def middleware(self, req: Request) -> Response:
            await self.next(req)
            abort("too late", 418)

    application = make_app(make_stamping(events, set_header), MIDDLEWARE=[Failing])
    response = await (await client(application)).get("/ok")
    assert (response.status_code, events.count("stamp")) == (418, 1)


async def test_body_of_an_unfit_after_hook_is_a_500_with_the_data_saved(make_app: MakeApp, client: Connect) -> None:
    events: Events = []
    application = make_app(make_stamping(events, lambda res: res.json({"nme": 1})), DEBUG=False)
    response = await (await client(application)).get("/ok")
    assert (response.status_code, "session commits" in events) == (500, True)


# Context


async def test_context_variable_of_a_layer_is_visible_below_it_and_reset(make_app: MakeApp, client: Connect) -> None:
    class Users(Controller):
        @get("/")
        @Tool([])
        async def show(self, req: Request, tool: Any) -> Any:
            return {"tool": current_tool.get()}

        @after_request
        async def look(self, res: Any) -> None:
            res.headers["x-after"] = str(current_tool.get())

    response = await (await client(make_app(Users))).get("/")
    assert (response.json(), response.headers["x-after"], current_tool.get()) == ({"tool": "tool"}, "None", None)


async def test_context_variable_of_middleware_and_hook_is_visible_in_the_handler(
    make_app: MakeApp, client: Connect
) -> None:
    outer, inner = ContextVar("outer", default=""), ContextVar("inner", default="")

    class Setting(MiddlewareBase):
        async def middleware(self, req: Request) -> Response:
            token = outer.set("middleware")
            try:
                return await self.next(req)
            finally:
                outer.reset(token)

    class Users(Controller):
        @before_request
        async def look(self, req: Request) -> None:
            inner.set("hook")

        @get("/async")
        async def show(self, req: Request) -> Any:
            return [outer.get(), inner.get()]

        @get("/def")
        def show_sync(self, req: Request) -> Any:
            return [outer.get(), inner.get()]

    http = await client(make_app(Users, MIDDLEWARE=[Setting]))
    assert [(await http.get(path)).json() for path in ("/async", "/def")] == [["middleware", "hook"]] * 2
    assert outer.get() == ""


@pytest.mark.parametrize("path", ["/ok", "/crash"])
async def test_current_request_is_known_in_the_handler_and_reset_after(
    make_app: MakeApp, client: Connect, path: str
) -> None:
    seen: list[bool] = []

    class Users(Controller):
        @get("/<kind>")
        async def show(self, req: Request, kind: str) -> None:
            seen.append(current_request.get() is req)
            if kind == "crash":
                raise ValueError

    await (await client(make_app(Users, DEBUG=False))).get(path)
    assert (seen, current_request.get()) == ([True], None)


async def test_answer_of_an_error_keeps_nothing_of_the_failed_handler(make_app: MakeApp, client: Connect) -> None:
    class Users(Controller):
        @get("/")
        async def show(self, req: Request) -> None:
            req.res.set_cookie("half", "done").set_header("x-half", "done").status(201).json({"half": "done"})
            raise LookupError

    response = await (await client(make_app(Users, EXCEPTION_HANDLERS=[Handlers]))).get("/")
    assert (response.status_code, response.json()) == (404, {"missing": True})
    assert {"set-cookie", "x-half"}.isdisjoint(response.headers)


async def test_produces_does_not_change_the_order_of_status_and_body(make_app: MakeApp, client: Connect) -> None:
    class Users(Controller):
        @get("/")
        @produces(MediaType.APPLICATION_JSON, HttpStatus.CREATED)
        async def show(self, req: Request) -> Response:
            return req.res.status(HttpStatus.ACCEPTED).json({})

    assert (await (await client(make_app(Users))).get("/")).status_code == 202
