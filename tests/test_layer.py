"""Layers where they stand: on methods that are no endpoints, on classes; what they are compared and ordered by."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio.to_thread
import pytest

from patera import BaseExtension, Patera, Request
from patera._context import use_application
from patera._layers import class_layers
from patera.controller import Controller, get
from patera.exceptions import AuthenticationException
from patera.layer import Call, Layer, Next, Place
from patera.testing import PateraTestClient
from tests.recording_layers import AsyncSession, Events, Guard, Recording, Session, Tool, current_tool

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]


class Owner:
    """Something with methods and an application."""

    def __init__(self, app: Any = None) -> None:
        self.app = app


# Alone, outside of requests


async def test_around_layer_on_async_method_alone_runs_where_it_stands() -> None:
    events: Events = []

    class Jobs(Owner):
        @Session(events)
        async def clean(self, session: Any) -> str:
            events.append(f"clean {session}")
            return "done"

    assert await Jobs().clean() == "done"  # type: ignore[call-arg]
    assert events == ["session begins", "clean 1", "session commits"]


async def test_around_layer_on_async_method_alone_sees_its_error() -> None:
    events: Events = []

    class Jobs(Owner):
        @Session(events)
        async def clean(self, session: Any) -> None:
            raise ValueError("no disk")

    with pytest.raises(ValueError, match="no disk"):
        await Jobs().clean()  # type: ignore[call-arg]
    assert events == ["session begins", "session rolls back"]


def test_around_layer_on_def_method_alone_runs_without_event_loop() -> None:
    events: Events = []

    class Jobs(Owner):
        @Session(events)
        def clean(self, session: Any) -> str:
            events.append(f"clean {session}")
            return "done"

    assert Jobs().clean() == "done"  # type: ignore[call-arg]
    assert events == ["session begins", "clean 1", "session commits"]


async def test_layers_alone_nest_as_they_are_written() -> None:
    events: Events = []

    @Session(events, "a")
    @Tool(events)
    @Session(events, "b")
    async def work(a: Any, tool: Any, b: Any) -> None:
        events.append(f"{a} {tool} {b} {current_tool.get()}")

    await work()  # type: ignore[call-arg]
    assert events == ["a begins", "tool in", "b begins", "1 tool 1 tool", "b commits", "tool out", "a commits"]


async def test_cache_alone_is_its_around() -> None:
    events: Events = []

    class Once(Recording):
        place = Place.CACHE

        async def around(self, call: Call, next: Next) -> Any:
            return "stored" if "ran" in events else await next(call)

    @Once(events, "once")
    async def work() -> str:
        events.append("ran")
        return "fresh"

    assert [await work(), await work()] == ["fresh", "stored"]


async def test_guard_alone_runs_before_the_method() -> None:
    events: Events = []

    @Guard(events)
    async def work() -> None:
        events.append("work")

    await work()
    assert events == ["login", "work"]


async def test_guard_alone_that_answers_ends_the_call() -> None:
    class Closed(Layer):
        place = Place.LOGIN

        async def guard(self, call: Call) -> str:
            return "closed"

    @Closed()
    async def work() -> str:
        return "open"

    assert await work() == "closed"


async def test_guard_on_def_method_runs_in_the_loop_of_the_worker_thread() -> None:
    events: Events = []

    @Guard(events)
    def work() -> str:
        events.append("work")
        return "done"

    assert await anyio.to_thread.run_sync(work) == "done"
    assert events == ["login", "work"]


async def test_guard_on_def_method_called_in_the_event_loop_says_what_to_do() -> None:
    @Guard([])
    def work() -> None:
        """Never reached."""

    with pytest.raises(TypeError, match=r"login cannot check a `def` method .* make it `async def`, or call it with"):
        work()


def test_layer_without_sync_form_on_def_method_says_what_to_do() -> None:
    @AsyncSession([])
    def work(session: Any) -> None:
        """Never reached."""

    with pytest.raises(TypeError, match=r"session has no around_sync\(\), .*; make it `async def`"):
        work()  # type: ignore[call-arg]


async def test_argument_of_the_caller_reaches_layer_and_method() -> None:
    seen: list[Any] = []

    class Look(Layer):
        async def around(self, call: Call, next: Next) -> Any:
            seen.append(dict(call.kwargs))
            return await next(call)

    @Look()
    async def work(first: int, *, second: int) -> int:
        return first + second

    assert await work(1, second=2) == 3
    assert seen == [{"second": 2}]


class Given(Recording):
    """Injects `tool`, where the caller has given none."""

    def injects(self, app: Patera) -> Sequence[str]:
        return ("tool",)

    async def around(self, call: Call, next: Next) -> Any:
        if call.kwargs.get("tool") is None:
            call.kwargs["tool"] = "own"
        return await next(call)


@pytest.mark.parametrize(
    ("arguments", "options", "expected"),
    [
        (("a",), {}, ("a", "own", 0)),
        (("a", "given"), {}, ("a", "given", 0)),
        (("a", None, 3), {}, ("a", "own", 3)),
        (("a", "given"), {"last": 3}, ("a", "given", 3)),
        ((), {"first": "a", "tool": None}, ("a", "own", 0)),
    ],
)
async def test_argument_of_the_caller_by_position_is_known_to_the_layer_that_injects_it(
    make_app: MakeApp, arguments: tuple[Any, ...], options: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    @Given([], "tool")
    async def work(first: str, tool: str, last: int = 0) -> tuple[str, str, int]:
        return first, tool, last

    loosely: Any = work
    with use_application(make_app()):
        assert await loosely(*arguments, **options) == expected


async def test_argument_given_twice_to_a_layered_method_is_refused_as_by_any_other(make_app: MakeApp) -> None:
    @Given([], "tool")
    async def work(first: str, tool: str) -> None:
        """Never reached."""

    loosely: Any = work
    with use_application(make_app()), pytest.raises(TypeError, match="multiple values for argument 'tool'"):
        await loosely("a", "given", tool="again")


async def test_method_with_any_number_of_arguments_keeps_their_positions(make_app: MakeApp) -> None:
    @Given([], "tool")
    async def work(*first: str, tool: str) -> tuple[tuple[str, ...], str]:
        return first, tool

    loosely: Any = work
    with use_application(make_app()):
        assert await loosely("a", "b") == (("a", "b"), "own")


async def test_settle_outside_of_requests_returns_the_result_unchanged() -> None:
    call = Call(None, None, {})
    result = {"a": object()}
    assert await call.settle(result) is result
    assert call.settle_sync(result) is result


# The application a layer works for


async def test_call_alone_has_application_of_self(make_app: MakeApp) -> None:
    application, session = make_app(), Session([])

    class Jobs(Owner):
        @session
        async def clean(self, session: Any) -> None:
            """Nothing to do."""

    await Jobs(application).clean()  # type: ignore[call-arg]
    assert session.apps == [application]


async def test_call_alone_without_self_has_current_application(make_app: MakeApp) -> None:
    application, session = make_app(), Session([])

    @session
    async def work(session: Any) -> None:
        """Nothing to do."""

    with use_application(application):
        await work()  # type: ignore[call-arg]
    assert session.apps == [application]


async def test_call_alone_ignores_an_app_that_is_no_application() -> None:
    session = Session([])

    @session
    async def work(self: Owner, session: Any) -> None:
        """Nothing to do."""

    await work(Owner("some text"))  # type: ignore[call-arg]
    assert session.apps == [None]


async def test_call_alone_survives_an_app_property_that_raises() -> None:
    session = Session([])

    class Broken:
        @property
        def app(self) -> Any:
            raise RuntimeError

    @session
    async def work(self: Broken, session: Any) -> None:
        """Nothing to do."""

    await work(Broken())  # type: ignore[call-arg]
    assert session.apps == [None]


async def test_call_in_method_of_the_application_has_the_application(make_app: MakeApp) -> None:
    session = Session([])
    base: Any = type(make_app())

    class Application(base):  # type: ignore[misc]
        @session
        async def clean(self, session: Any) -> None:
            """Nothing to do."""

    application = Application()
    await application.clean()  # type: ignore[call-arg]
    assert session.apps == [application]


async def test_call_of_helper_in_a_request_has_that_request(make_app: MakeApp, client: Connect) -> None:
    seen: list[Any] = []

    class Look(Layer):
        async def around(self, call: Call, next: Next) -> Any:
            seen.append((call.app, call.request))
            return await next(call)

    class Users(Controller):
        @get("/")
        async def show(self, req: Request) -> Any:
            seen.append((self.app, req))
            return await self.load()

        @Look()
        async def load(self) -> Any:
            return {"id": 1}

    response = await (await client(make_app(Users))).get("/")
    assert response.json() == {"id": 1}
    assert seen[0] == seen[1]


# What is decorated


def test_layer_on_class_returns_the_class_and_leaves_its_parent_alone() -> None:
    events: Events = []

    @Guard(events, "outer")
    class Parent(Controller): ...

    class Child(Parent): ...

    decorated = Guard(events, "inner")(Child)

    assert decorated is Child
    assert [layer.name for layer in class_layers(Child)] == ["inner", "outer"]
    assert [layer.name for layer in class_layers(Parent)] == ["outer"]


def test_equal_layers_of_class_and_parent_count_once() -> None:
    events: Events = []

    @Guard(events)
    class Parent(Controller): ...

    @Guard(events)
    class Child(Parent): ...

    assert len(class_layers(Child)) == 1


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (staticmethod(print), "<static"),
        (classmethod(print), "<class"),
        (property(), "<property"),
        (3, "3"),
    ],
)
def test_layer_on_what_is_no_method_says_where_it_belongs(target: Any, shown: str) -> None:
    with pytest.raises(TypeError, match=rf"decorates a method or a controller, got {shown}.*; put it below"):
        Guard([])(target)


def test_layer_keeps_name_signature_and_attributes_of_the_method() -> None:
    def work(self: Any, session: int) -> None:
        """Work hard."""

    work.kind = "hard"  # type: ignore[attr-defined]
    wrapped: Any = Session([])(work)
    assert (wrapped.__name__, wrapped.__doc__, wrapped.kind) == ("work", "Work hard.", "hard")
    assert wrapped.__wrapped__ is work


async def test_layer_on_a_partial_wraps_it() -> None:
    events: Events = []

    async def add(first: int, second: int) -> int:
        return first + second

    assert await Guard(events)(functools.partial(add, 1))(second=2) == 3
    assert events == ["login"]


# Defaults of a layer


def test_layer_without_further_say_is_named_after_its_class_and_equal_to_itself_only(make_app: MakeApp) -> None:
    class Nothing(Layer): ...

    layer = Nothing()
    assert (layer.name, layer.key, repr(layer)) == ("Nothing", layer, "<Nothing>")
    assert layer.key != Nothing().key
    assert (list(layer.injects(make_app())), list(layer.implied()), list(layer.mistakes(make_app(), "", ""))) == (
        [],
        [],
        [],
    )
    assert layer.place is Place.INJECT


@pytest.mark.parametrize("place", list(Place))
def test_place_is_guard_up_to_csrf(place: Place) -> None:
    assert place.is_guard == (place.name in {"RATE_LIMIT", "LOGIN", "ROLES", "RATE_LIMIT_USER", "CSRF"})


async def test_layer_of_an_extension_finds_state_of_the_application_it_runs_for(make_app: MakeApp) -> None:
    class Counter(BaseExtension):
        def init_app(self, app: Patera) -> list[str]:
            return []

    counter = Counter()

    class Counted(Layer):
        async def around(self, call: Call, next: Next) -> Any:
            counter.state.append("ran")
            return await next(call)

    class Jobs(Owner):
        @Counted()
        async def clean(self) -> None:
            """Nothing to do."""

    first, second = make_app(EXTENSIONS=[counter]), make_app(EXTENSIONS=[counter])
    with use_application(first):
        await Jobs(first).clean()
    assert (first.extension_states[counter], second.extension_states[counter]) == (["ran"], [])


async def test_refusing_guard_of_helper_in_a_request_is_the_answer(make_app: MakeApp, client: Connect) -> None:
    class Users(Controller):
        @get("/")
        async def show(self, req: Request) -> Any:
            return await self.load()

        @Guard([])
        async def load(self) -> Any:
            return {"id": 1}

    response = await (await client(make_app(Users))).get("/")
    assert (response.status_code, response.json()["message"]) == (401, str(AuthenticationException()))
