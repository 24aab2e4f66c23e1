"""An application from its config to its shutdown, and several of them side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
import pytest
from loguru import logger

from patera import BaseExtension, Patera, Request, Response, on_shutdown, on_startup, run_in_background
from patera._context import current_application, find_application, running_applications
from patera._lifecycle import StartupError
from patera._types import Message
from patera.controller import Controller, get, path
from patera.exceptions import ConfigurationError, ExceptionHandler, SetupFinishedError
from patera.middleware import MiddlewareBase
from patera.testing import PateraTestClient
from tests.server import run_server

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]
Events = list[str]

SECONDS = 0.05  # after which a step of a shutdown is cancelled


class Part(BaseExtension):
    """An extension that notes its life; its state is a counter of one application.

    Args:
        events: Where it notes.
        name: Its name.
        fails: The step that raises.
    """

    def __init__(self, events: Events, name: str = "part", fails: str = "") -> None:
        super().__init__(configs_name=name.upper())
        self.events = events
        self.name = name
        self.fails = fails

    def init_app(self, app: Patera) -> dict[str, int]:
        return {"count": 0}

    async def startup(self, app: Patera) -> None:
        self.note("starts")

    async def shutdown(self, app: Patera) -> None:
        self.note("stops")

    def note(self, step: str) -> None:
        self.events.append(f"{self.name} {step}")
        if step == self.fails:
            raise OSError(f"{self.name} is broken")


class Home(Controller):
    @get("/")
    async def show(self, req: Request) -> str:
        return self.app.app_name


def with_methods(base: Patera, **methods: Any) -> Patera:
    """Return another application of the same config whose class has methods of its own."""
    return type("Application", (type(base),), {"__module__": type(base).__module__, **methods})()  # type: ignore[no-any-return]


def noting(events: Events, text: str) -> Callable[[Any], Awaitable[None]]:
    async def note(self: Any) -> None:
        events.append(text)

    return note


async def refuse_to_start(application: Patera, error: type[Exception]) -> Message:
    """Return what an application that cannot start answers to the lifespan protocol, before it raises."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        sent.append(message)

    with pytest.raises(error):
        await application({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    (message,) = sent
    return message


@pytest.fixture
def errors() -> Any:
    """The lines that are logged as errors or warnings while a test runs."""
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="WARNING", format="{message}")
    yield lines
    logger.remove(sink)


# The whole life


async def test_life_from_config_to_shutdown_over_a_real_socket(make_app: MakeApp) -> None:
    events: Events = []

    async def answer_later(name: str) -> None:
        await asyncio.sleep(0)
        events.append(f"background {name}")

    @path("/users")
    class Users(Controller):
        @get("/<int:id>")
        async def show(self, req: Request, id: int) -> Response:
            events.append(f"request {id}")
            run_in_background(answer_later, self.app.get_conf("GREETING"))
            return req.res.json({"id": id, "url": req.url_for("Users.show", id=id)})

    application = with_methods(
        make_app(Users, EXTENSIONS=[Part(events, "first"), Part(events, "second")], GREETING="hello"),
        prepare=on_startup(noting(events, "prepare")),
        end=on_shutdown(noting(events, "end")),
    )
    async with run_server(application) as server, httpx.AsyncClient() as client:
        response = await client.get(f"{server.url}/users/3")
        assert (response.status_code, response.json()) == (200, {"id": 3, "url": f"{server.url}/users/3"})
    assert events == [
        *("first starts", "second starts", "prepare", "request 3"),
        *("background hello", "end", "second stops", "first stops"),
    ]


async def test_lifespan_runs_startup_and_shutdown(make_app: MakeApp) -> None:
    events: Events = []
    application = make_app(EXTENSIONS=[Part(events)])
    async with application.lifespan():
        events.append("running")
    assert events == ["part starts", "running", "part stops"]


async def test_methods_run_alphabetically_sync_and_async_and_inherited(make_app: MakeApp) -> None:
    events: Events = []

    class Base(type(make_app())):  # type: ignore[misc]
        @on_startup
        async def b(self) -> None:
            events.append("b")

        @on_shutdown
        def z(self) -> None:
            events.append("z")

    class Application(Base):
        @on_startup
        def c(self) -> None:
            events.append("c")

        @on_startup
        async def a(self) -> None:
            events.append("a")

        @on_shutdown
        async def y(self) -> None:
            events.append("y")

    async with Application().lifespan():
        """Nothing to do."""
    assert events == ["a", "b", "c", "y", "z"]


async def test_added_functions_run_with_the_extension_that_added_them(make_app: MakeApp) -> None:
    events: Events = []

    class Adding(Part):
        def init_app(self, app: Patera) -> dict[str, int]:
            app.add_on_startup_method(lambda: events.append(f"{self.name} connects"))
            app.add_on_shutdown_method(lambda: events.append(f"{self.name} disconnects"))
            return super().init_app(app)

    application = make_app(EXTENSIONS=[Adding(events, "a"), Part(events, "b")])
    application.add_on_startup_method(lambda: events.append("own start"))
    application.add_on_shutdown_method(lambda: events.append("own stop"))
    async with application.lifespan():
        """Nothing to do."""
    assert events == [
        *("a starts", "a connects", "b starts", "own start"),
        *("own stop", "b stops", "a disconnects", "a stops"),
    ]


async def test_steps_and_background_tasks_run_for_their_application(make_app: MakeApp) -> None:
    seen: dict[str, Any] = {}

    async def look(name: str) -> None:
        seen[name] = find_application()

    async def start(self: Any) -> None:
        await look("startup")
        run_in_background(look, "background")

    async def stop(self: Any) -> None:
        await look("shutdown")

    application = with_methods(make_app(), start=on_startup(start), stop=on_shutdown(stop))
    async with application.lifespan():
        """Nothing to do."""
    assert seen == dict.fromkeys(["startup", "background", "shutdown"], application)
    assert current_application.get() is None


async def test_application_may_run_again(make_app: MakeApp) -> None:
    events: Events = []
    application = make_app(Home, EXTENSIONS=[Part(events)])
    for _ in range(2):
        async with PateraTestClient(application) as client:
            assert (await client.get("/")).text == "Test"
    assert events == ["part starts", "part stops"] * 2


async def test_request_without_lifespan_builds_the_application(make_app: MakeApp) -> None:
    async with PateraTestClient(make_app(Home), lifespan=False) as client:
        assert (await client.get("/")).text == "Test"


# Failing startup


async def test_failing_startup_stops_what_had_started_in_reverse(make_app: MakeApp) -> None:
    events: Events = []
    parts = [Part(events, "a"), Part(events, "b"), Part(events, "c", fails="starts"), Part(events, "d")]
    application = make_app(EXTENSIONS=parts)
    with pytest.raises(StartupError, match="The startup of the extension C failed: OSError: c is broken") as caught:
        await application.lifespan().__aenter__()
    assert isinstance(caught.value.__cause__, OSError)
    assert events == ["a starts", "b starts", "c starts", "b stops", "a stops"]
    assert running_applications == []


async def test_failing_startup_method_is_named_and_stops_the_extensions(make_app: MakeApp) -> None:
    events: Events = []

    async def fail(self: Any) -> None:
        raise OSError("no catalogue")

    application = with_methods(make_app(EXTENSIONS=[Part(events)]), fill=on_startup(fail))
    with pytest.raises(StartupError, match=r"The startup of Application.fill failed: OSError: no catalogue"):
        await application.lifespan().__aenter__()
    assert events == ["part starts", "part stops"]


async def test_failing_startup_under_the_lifespan_protocol_says_so(make_app: MakeApp) -> None:
    message = await refuse_to_start(make_app(EXTENSIONS=[Part([], fails="starts")]), StartupError)
    assert message["type"] == "lifespan.startup.failed"
    assert "The startup of the extension PART failed: OSError: part is broken" in message["message"]


async def test_step_that_fails_while_a_failed_startup_is_undone_stops_nothing(
    make_app: MakeApp, errors: list[str]
) -> None:
    events: Events = []
    parts = [Part(events, "a"), Part(events, "b", fails="stops"), Part(events, "c", fails="starts")]
    with pytest.raises(StartupError, match="extension C"):
        await make_app(EXTENSIONS=parts).lifespan().__aenter__()
    assert events[-2:] == ["b stops", "a stops"]
    assert errors == ["The shutdown of the extension B failed"]


async def test_application_may_start_after_a_failed_startup(make_app: MakeApp) -> None:
    events: Events = []
    part = Part(events, fails="starts")
    application = make_app(EXTENSIONS=[part])
    with pytest.raises(StartupError):
        await application.lifespan().__aenter__()
    part.fails = ""
    async with application.lifespan():
        """Nothing to do."""
    assert events == ["part starts", "part starts", "part stops"]


async def test_cancelled_startup_stops_what_had_started(make_app: MakeApp) -> None:
    events: Events = []
    is_waiting = asyncio.Event()

    async def wait(self: Any) -> None:
        is_waiting.set()
        await asyncio.Event().wait()

    application = with_methods(make_app(EXTENSIONS=[Part(events)]), wait=on_startup(wait))
    task = asyncio.ensure_future(application.lifespan().__aenter__())
    await is_waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert events == ["part starts", "part stops"]


# Failing shutdown


async def hang(self: Any) -> None:
    await asyncio.Event().wait()


async def fail(self: Any) -> None:
    raise OSError("disk full")


async def await_cancelled_task(self: Any) -> None:
    task = asyncio.ensure_future(asyncio.Event().wait())
    task.cancel()
    await task


async def raise_timeout(self: Any) -> None:
    raise TimeoutError("the other side")


@pytest.mark.parametrize(
    ("step", "line"),
    [
        (fail, "The shutdown of Application.b failed"),
        (hang, f"The shutdown of Application.b was cancelled after {SECONDS} s"),
        (await_cancelled_task, "The shutdown of Application.b failed"),
        (raise_timeout, "The shutdown of Application.b failed"),
    ],
    ids=["fails", "hangs", "awaits a cancelled task", "has a timeout of its own"],
)
async def test_bad_shutdown_method_is_logged_and_stops_no_other(
    make_app: MakeApp, errors: list[str], step: Any, line: str
) -> None:
    events: Events = []
    application = with_methods(
        make_app(EXTENSIONS=[Part(events)], BACKGROUND_TASKS_SHUTDOWN_TIMEOUT=SECONDS),
        a=on_shutdown(noting(events, "a")),
        b=on_shutdown(step),
        c=on_shutdown(noting(events, "c")),
    )
    async with application.lifespan():
        """Nothing to do."""
    assert (events, errors) == (["part starts", "a", "c", "part stops"], [line])


@pytest.mark.parametrize("step", [fail, hang], ids=["fails", "hangs"])
async def test_bad_shutdown_of_an_extension_is_logged_and_stops_no_other(
    make_app: MakeApp, errors: list[str], step: Any
) -> None:
    events: Events = []

    class Bad(Part):
        async def shutdown(self, app: Patera) -> None:
            await step(self)

    parts = [Part(events, "a"), Bad(events, "b"), Part(events, "c")]
    async with make_app(EXTENSIONS=parts, BACKGROUND_TASKS_SHUTDOWN_TIMEOUT=SECONDS).lifespan():
        events.clear()
    assert events == ["c stops", "a stops"]
    assert [line.startswith("The shutdown of the extension B") for line in errors] == [True]


async def test_hanging_added_functions_are_cancelled_one_by_one(make_app: MakeApp, errors: list[str]) -> None:
    events: Events = []
    application = make_app(EXTENSIONS=[Part(events)], BACKGROUND_TASKS_SHUTDOWN_TIMEOUT=SECONDS)
    application.add_on_shutdown_method(lambda: events.append("first added"))
    application.add_on_shutdown_method(asyncio.Event().wait)
    application.add_on_shutdown_method(asyncio.Event().wait)
    async with application.lifespan():
        """Nothing to do."""
    assert (events, len(errors)) == (["part starts", "first added", "part stops"], 2)


async def test_shutdown_in_a_cancelled_task_runs_every_step(make_app: MakeApp, errors: list[str]) -> None:
    events: Events = []
    application = with_methods(
        make_app(EXTENSIONS=[Part(events)]), a=on_shutdown(fail), b=on_shutdown(noting(events, "b"))
    )

    is_running = asyncio.Event()

    async def live() -> None:
        async with application.lifespan():
            is_running.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(live())
    await is_running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (events, errors) == (["part starts", "b", "part stops"], ["The shutdown of Application.a failed"])


async def test_cancelled_shutdown_ends_and_is_no_longer_running(make_app: MakeApp) -> None:
    application = with_methods(make_app(), a=on_shutdown(hang))
    lifespan = application.lifespan()
    await lifespan.__aenter__()
    task = asyncio.ensure_future(lifespan.__aexit__(None, None, None))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert running_applications == []


async def test_background_task_that_does_not_end_is_cancelled_and_named(make_app: MakeApp, errors: list[str]) -> None:
    events: Events = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            events.append("cancelled")

    async def start(self: Any) -> None:
        run_in_background(endless)

    application = with_methods(
        make_app(EXTENSIONS=[Part(events)], BACKGROUND_TASKS_SHUTDOWN_TIMEOUT=SECONDS), start=on_startup(start)
    )
    async with application.lifespan():
        """Nothing to do."""
    assert events == ["part starts", "cancelled", "part stops"]
    assert any("endless" in line for line in errors)


# Several applications


async def test_two_applications_of_one_class_share_nothing(make_app: MakeApp) -> None:
    part = Part([])

    class Counting(Controller):
        def __init__(self, app: Patera) -> None:
            super().__init__(app)
            self.own = 0

        @get("/")
        async def count(self, req: Request) -> list[int]:
            self.own += 1
            part.state["count"] += 1
            return [self.own, part.state["count"]]

    kind = type(make_app(Counting, EXTENSIONS=[part]))
    first, second = kind(), kind()
    first.register_alias("home", "Counting.count")
    async with PateraTestClient(first) as one, PateraTestClient(second) as two:
        answers = [(await client.get("/")).json() for client in (one, one, two)]
    assert answers == [[1, 1], [2, 2], [1, 1]]
    assert first.url_for("home") == "/"
    with pytest.raises(ValueError, match="there is no endpoint 'home'"):
        second.url_for("home")


async def test_two_different_applications_run_side_by_side(make_app: MakeApp) -> None:
    part = Part([])

    @path("/a")
    class A(Controller):
        @get("/")
        async def show(self, req: Request) -> Any:
            part.state["count"] += 1
            return [self.app.app_name, part.state["count"]]

    @path("/b")
    class B(A): ...

    first, second = make_app(A, EXTENSIONS=[part], APP_NAME="First"), make_app(B, EXTENSIONS=[part], APP_NAME="Second")
    async with PateraTestClient(first) as one, PateraTestClient(second) as two:
        answers = await asyncio.gather(one.get("/a"), two.get("/b"), one.get("/b"), two.get("/a"))
        assert [answer.status_code for answer in answers] == [200, 200, 404, 404]
        assert [answer.json() for answer in answers[:2]] == [["First", 1], ["Second", 1]]
        with pytest.raises(RuntimeError, match=r"belongs to several applications \('First', 'Second'\)"):
            part.state  # noqa: B018 - reading it is what fails
    assert [app.extension_states[part]["count"] for app in (first, second)] == [1, 1]


async def test_state_of_an_extension_is_that_of_the_only_running_application(make_app: MakeApp) -> None:
    part = Part([])
    first, _ = make_app(EXTENSIONS=[part]), make_app(EXTENSIONS=[part])
    async with first.lifespan():
        part.state["count"] = 7
    assert first.extension_states[part] == {"count": 7}


# Mounted applications


async def test_mounted_application_lives_after_the_parents_extensions(make_app: MakeApp) -> None:
    events: Events = []
    inner = with_methods(
        make_app(Home, EXTENSIONS=[Part(events, "inner")], APP_NAME="Inner"),
        go=on_startup(noting(events, "inner go")),
        halt=on_shutdown(noting(events, "inner halt")),
    )
    outer = with_methods(
        make_app(EXTENSIONS=[Part(events, "outer")]),
        go=on_startup(noting(events, "outer go")),
        halt=on_shutdown(noting(events, "outer halt")),
    )
    outer.mount("/inner", inner)
    async with PateraTestClient(outer) as client:
        assert (await client.get("/inner/")).text == "Inner"
        assert running_applications == [inner, outer]
    assert events == [
        *("outer starts", "inner starts", "inner go", "outer go"),
        *("outer halt", "inner halt", "inner stops", "outer stops"),
    ]


async def test_application_mounted_at_two_paths_starts_once(make_app: MakeApp) -> None:
    events: Events = []
    inner = make_app(EXTENSIONS=[Part(events)])
    outer = make_app()
    outer.mount("/a", inner)
    outer.mount("/b", inner)
    async with outer.lifespan():
        """Nothing to do."""
    assert events == ["part starts", "part stops"]


async def test_mounted_application_that_cannot_start_stops_its_parent(make_app: MakeApp) -> None:
    events: Events = []
    inner = make_app(EXTENSIONS=[Part(events, "inner", fails="starts")], APP_NAME="Inner")
    outer = make_app(EXTENSIONS=[Part(events, "outer")])
    outer.mount("/inner", inner)
    with pytest.raises(
        StartupError, match=r"startup of the mounted application Inner failed: .* extension INNER failed"
    ):
        await outer.lifespan().__aenter__()
    assert events == ["outer starts", "inner starts", "outer stops"]
    assert running_applications == []


async def test_mounted_application_that_cannot_be_built_stops_its_parent(make_app: MakeApp) -> None:
    class Broken(Controller):
        @get("/<unknown:x>")
        async def show(self, req: Request, x: str) -> None: ...

    outer = make_app()
    outer.mount("/inner", make_app(Broken, APP_NAME="Inner"))
    with pytest.raises(StartupError, match="startup of the mounted application Inner failed: ConfigurationError"):
        await outer.lifespan().__aenter__()


async def test_mounted_application_has_its_own_time_to_stop(make_app: MakeApp, errors: list[str]) -> None:
    events: Events = []
    inner = with_methods(
        make_app(EXTENSIONS=[Part(events)], BACKGROUND_TASKS_SHUTDOWN_TIMEOUT=SECONDS),
        a=on_shutdown(hang),
        b=on_shutdown(hang),
    )
    outer = make_app(BACKGROUND_TASKS_SHUTDOWN_TIMEOUT=SECONDS)
    outer.mount("/inner", inner)
    async with outer.lifespan():
        """Nothing to do."""
    assert (events, len(errors)) == (["part starts", "part stops"], 2)


# Builds


def test_build_mistakes_of_all_parts_are_reported_together(make_app: MakeApp) -> None:
    @path("/users")
    class Users(Controller):
        @get("/<int:id>")
        async def show(self, req: Request) -> None: ...

        @get("/<unknown:x>")
        async def other(self, req: Request, x: str) -> None: ...

    class Broken(Controller):
        def __init__(self) -> None: ...

    class Handlers(ExceptionHandler):
        def __init__(self) -> None: ...

    class Middle(MiddlewareBase):
        def __init__(self) -> None: ...

    application = make_app(Users, Broken, EXCEPTION_HANDLERS=[Handlers], MIDDLEWARE=[Middle])
    with pytest.raises(ConfigurationError) as caught:
        application.build()
    names = {mistake.where.rpartition(".")[2]: mistake.code for mistake in caught.value.mistakes}
    assert names == {"show": "PAT112", "other": "PAT201", "Broken": "PAT103", "Handlers": "PAT103", "Middle": "PAT103"}
    assert str(caught.value).startswith("5 mistakes in the application:\n")


def test_failing_build_assigns_nothing_and_raises_the_same_error_again(make_app: MakeApp) -> None:
    class Users(Controller):
        @get("/ok")
        async def ok(self, req: Request) -> None: ...

        @get("/<unknown:x>")
        async def other(self, req: Request, x: str) -> None: ...

    application = make_app(Users)
    raised = []
    for attempt in (application.build, lambda: application.url_for("Users.ok"), lambda: application.routes):
        with pytest.raises(ConfigurationError) as caught:
            attempt()
        raised.append(caught.value)
    assert raised[0] is raised[1] is raised[2]
    assert application.router.routes == []


async def test_failing_build_refuses_the_lifespan_and_requests_with_one_error(make_app: MakeApp) -> None:
    class Users(Controller):
        @get("/<unknown:x>")
        async def show(self, req: Request, x: str) -> None: ...

    application = make_app(Users)
    message = await refuse_to_start(application, ConfigurationError)
    assert message["type"] == "lifespan.startup.failed"
    assert "PAT201" in message["message"]
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="PAT201"):
            await PateraTestClient(application, lifespan=False).get("/x")


@pytest.mark.parametrize("lifespan", ["on", "auto"])
async def test_failing_build_ends_a_server(make_app: MakeApp, lifespan: str) -> None:
    class Users(Controller):
        @get("/<unknown:x>")
        async def show(self, req: Request, x: str) -> None: ...

    with pytest.raises(RuntimeError, match="the server did not start"):
        async with run_server(make_app(Users), lifespan=lifespan):
            """Never entered."""


def test_build_happens_once(make_app: MakeApp) -> None:
    made: list[Patera] = []

    class Users(Controller):
        def __init__(self, app: Patera) -> None:
            super().__init__(app)
            made.append(app)

        @get("/")
        async def show(self, req: Request) -> None: ...

    application = make_app(Users)
    application.build()
    application.build()
    assert (application.url_for("Users.show"), made) == ("/", [application])


SETUP_CALLS: Mapping[str, Callable[[Patera], Any]] = {
    "register_controller": lambda app: app.register_controller(Home),
    "register_exception_handler": lambda app: app.register_exception_handler(ExceptionHandler),
    "register_converter": lambda app: app.register_converter("x", app.converters["int"]),
    "register_alias": lambda app: app.register_alias("home", "Home.show"),
    "mount": lambda app: app.mount("/x", Patera.build),  # type: ignore[arg-type]
    "add_middleware": lambda app: app.add_middleware(MiddlewareBase),
    "add_command": lambda app: app.add_command(),
}


@pytest.mark.parametrize("call", SETUP_CALLS)
def test_setup_call_after_the_build_is_refused(make_app: MakeApp, call: str) -> None:
    application = make_app(Home)
    application.build()
    with pytest.raises(SetupFinishedError, match=rf"{call}\(\) was called after the application had been built"):
        SETUP_CALLS[call](application)


async def test_setup_call_before_the_build_has_an_effect(make_app: MakeApp, client: Connect) -> None:
    application = make_app()
    application.register_controller(Home)
    application.register_alias("home", "Home.show")
    assert application.url_for("home") == "/"
    assert (await (await client(application)).get("/")).text == "Test"


@pytest.mark.parametrize("value", [Home, Home(None), "app:Home", dict], ids=["class", "instance", "text", "other"])  # type: ignore[arg-type]
def test_register_takes_subclasses_only(make_app: MakeApp, value: Any) -> None:
    application = make_app()
    with pytest.raises(TypeError, match=r"register_exception_handler\(\) takes subclasses of ExceptionHandler, got "):
        application.register_exception_handler(value)
    if value is not Home:
        with pytest.raises(TypeError, match=r"register_controller\(\) takes subclasses of Controller, got "):
            application.register_controller(value)
