"""What a build reads from controller classes: inheritance, hooks, and decorated things that are no endpoints."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any
from unittest.mock import MagicMock

import pytest

from patera import Patera, Request
from patera._endpoint import endpoint_record
from patera.controller import (
    Controller,
    after_request,
    before_request,
    consumes,
    cors,
    development,
    get,
    max_content_length,
    no_cors,
    open_api_docs,
    path,
    post,
    produces,
)
from patera.exceptions import ConfigurationError
from patera.http import MediaType
from patera.testing import PateraTestClient
from tests.recording_layers import Events, Guard, Session, transparent

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]

USER = {"x-user": "ada"}


def mistakes_of(application: Patera) -> list[Any]:
    with pytest.raises(ConfigurationError) as caught:
        application.build()
    return list(caught.value.mistakes)


def rules_of(application: Patera) -> set[tuple[str, str, str]]:
    return {(plan.name, plan.method, plan.rule) for plan in application.plan.endpoints if not plan.is_builtin}


# Inheritance


def test_child_without_own_path_inherits_endpoints_below_the_parents(make_app: MakeApp) -> None:
    @path("/users")
    class Parent(Controller):
        @get("/<int:id>")
        async def show(self, req: Request, id: int) -> int:
            return id

    class Child(Parent): ...

    assert rules_of(make_app(Child)) == {("Child.show", "GET", "/users/<int:id>")}


def test_child_with_own_path_inherits_endpoints_below_it(make_app: MakeApp) -> None:
    @path("/users")
    class Parent(Controller):
        @get("/all")
        async def show(self, req: Request) -> None: ...

    @path("/people")
    class Child(Parent): ...

    assert rules_of(make_app(Parent, Child)) == {
        ("Parent.show", "GET", "/users/all"),
        ("Child.show", "GET", "/people/all"),
    }


def test_override_without_decorator_keeps_record_and_layers(make_app: MakeApp) -> None:
    class Parent(Controller):
        @post("/things")
        @produces(MediaType.TEXT_PLAIN, 201)
        @Guard([])
        async def make(self, req: Request) -> str:
            return "parent"

    class Child(Parent):
        async def make(self, req: Request) -> str:
            return "child"

    (plan,) = [plan for plan in make_app(Child).plan.endpoints if not plan.is_builtin]
    assert (plan.method, plan.rule, plan.produces, plan.status) == ("POST", "/things", MediaType.TEXT_PLAIN, 201)
    assert [layer.name for layer in plan.layers] == ["login"]


async def test_override_without_decorator_is_guarded_like_its_parent(make_app: MakeApp, client: Connect) -> None:
    class Parent(Controller):
        @get("/")
        @Guard([])
        async def show(self, req: Request) -> str:
            return "parent"

    class Child(Parent):
        async def show(self, req: Request) -> str:
            return "child"

    http = await client(make_app(Child))
    refused, allowed = await http.get("/"), await http.get("/", headers=USER)
    assert (refused.status_code, allowed.text) == (401, "child")


async def test_override_that_calls_super_runs_inherited_layers_once(make_app: MakeApp, client: Connect) -> None:
    events: Events = []

    class Parent(Controller):
        @get("/")
        @Guard(events)
        @Session(events)
        async def show(self, req: Request, session: Any) -> str:
            return "parent"

    class Child(Parent):
        async def show(self, req: Request, session: Any) -> str:
            return f"child of {await super().show(req, session=session)}"

    response = await (await client(make_app(Child))).get("/", headers=USER)
    assert response.text == "child of parent"
    assert events == ["login", "session begins", "session flushes 1", "session commits"]


async def test_override_below_a_foreign_decorator_keeps_a_buried_session_of_its_parent(
    make_app: MakeApp, client: Connect
) -> None:
    events: Events = []

    class Parent(Controller):
        @get("/")
        @transparent
        @Session(events)
        async def show(self, req: Request, session: Any) -> str:
            return "parent"

    class Child(Parent):
        async def show(self, req: Request, session: Any) -> str:
            return f"child {session}"

    response = await (await client(make_app(Child))).get("/")
    assert response.text == "child 1"
    assert events == ["session begins", "session flushes 1", "session commits"]


def test_override_with_one_recorder_keeps_the_rest_of_the_record(make_app: MakeApp) -> None:
    class Parent(Controller):
        @get("/things")
        @produces(MediaType.TEXT_PLAIN)
        async def show(self, req: Request) -> str:
            return ""

    class Child(Parent):
        @produces(MediaType.TEXT_HTML)
        async def show(self, req: Request) -> str:
            return ""

    (plan,) = [plan for plan in make_app(Child).plan.endpoints if not plan.is_builtin]
    assert (plan.rule, plan.produces) == ("/things", MediaType.TEXT_HTML)


def test_override_with_a_verb_starts_a_new_record_under_the_class_layers(make_app: MakeApp) -> None:
    @Guard([], "class guard")
    class Parent(Controller):
        @get("/old")
        @produces(MediaType.TEXT_PLAIN)
        @Guard([], "method guard")
        async def show(self, req: Request) -> str:
            return ""

    class Child(Parent):
        @get("/new")
        async def show(self, req: Request) -> str:
            return ""

    (plan,) = [plan for plan in make_app(Child).plan.endpoints if not plan.is_builtin]
    assert (plan.rule, plan.produces, [layer.name for layer in plan.layers]) == ("/new", None, ["class guard"])


def test_override_with_none_takes_the_endpoint_away(make_app: MakeApp) -> None:
    class Parent(Controller):
        @get("/")
        async def show(self, req: Request) -> None: ...

    class Child(Parent):
        show = None  # type: ignore[assignment]

    assert rules_of(make_app(Child)) == set()


def test_grandchild_inherits_through_an_override(make_app: MakeApp) -> None:
    class Parent(Controller):
        @get("/things")
        @Guard([], "first")
        async def show(self, req: Request) -> None: ...

    class Child(Parent):
        @Guard([], "second")
        async def show(self, req: Request) -> None: ...

    class Grandchild(Child):
        async def show(self, req: Request) -> None: ...

    (plan,) = [plan for plan in make_app(Grandchild).plan.endpoints if not plan.is_builtin]
    assert (plan.rule, sorted(layer.name for layer in plan.layers)) == ("/things", ["first", "second"])


def test_parent_is_never_changed_by_its_child(make_app: MakeApp) -> None:
    @path("/parent")
    class Parent(Controller):
        @get("/")
        async def show(self, req: Request) -> None: ...

    before = make_app(Parent).plan.endpoints[0]

    @cors(allow_origins=["https://a.example"])
    @development
    @Guard([])
    @path("/child")
    class Child(Parent):
        @produces(MediaType.TEXT_PLAIN)
        @Guard([])
        async def show(self, req: Request) -> None: ...

    make_app(Child, DEBUG=True).build()
    assert make_app(Parent).plan.endpoints[0] == before


def test_mixin_that_is_no_controller_brings_its_endpoints(make_app: MakeApp) -> None:
    class Health:
        @get("/health")
        async def health(self, req: Request) -> str:
            return "up"

    class Users(Health, Controller): ...

    assert rules_of(make_app(Users)) == {("Users.health", "GET", "/health")}


async def test_class_layers_of_a_parent_guard_endpoints_of_its_child(make_app: MakeApp, client: Connect) -> None:
    @Guard([])
    class Parent(Controller): ...

    class Child(Parent):
        @get("/")
        async def show(self, req: Request) -> str:
            return "child"

    assert (await (await client(make_app(Child))).get("/")).status_code == 401


def test_cors_and_development_of_a_parent_class_hold_for_its_child(make_app: MakeApp) -> None:
    @no_cors
    @development
    class Parent(Controller):
        @get("/")
        async def show(self, req: Request) -> None: ...

    class Child(Parent): ...

    assert rules_of(make_app(Child, DEBUG=False)) == set()
    (plan,) = [plan for plan in make_app(Child, DEBUG=True).plan.endpoints if not plan.is_builtin]
    assert plan.cors is None


def test_endpoint_may_have_several_verbs(make_app: MakeApp) -> None:
    class Users(Controller):
        @get("/users")
        @post("/people")
        async def users(self, req: Request) -> None: ...

    assert rules_of(make_app(Users)) == {("Users.users", "GET", "/users"), ("Users.users", "POST", "/people")}


# Hooks


async def test_hooks_run_by_order_and_then_alphabetically(make_app: MakeApp, client: Connect) -> None:
    events: Events = []

    class Users(Controller):
        @before_request
        async def zebra(self, req: Request) -> None:
            events.append("zebra")

        @before_request
        def ape(self, req: Request) -> None:
            events.append("ape")

        @before_request(order=-1)
        async def zoo(self, req: Request) -> None:
            events.append("zoo")

        @get("/")
        async def show(self, req: Request) -> None:
            events.append("show")

        @after_request
        async def b(self, res: Any) -> None:
            events.append("b")

        @after_request
        async def a(self, res: Any) -> None:
            events.append("a")

    await (await client(make_app(Users))).get("/")
    assert events == ["zoo", "ape", "zebra", "show", "a", "b"]


async def test_hook_of_a_parent_runs_for_its_child_in_the_childs_form(make_app: MakeApp, client: Connect) -> None:
    class Parent(Controller):
        @before_request
        async def mark(self, req: Request) -> None:
            req.state.mark = "parent"

    class Child(Parent):
        async def mark(self, req: Request) -> None:
            req.state.mark = "child"

        @get("/")
        async def show(self, req: Request) -> Any:
            return req.state.mark

    assert (await (await client(make_app(Child))).get("/")).text == "child"


async def test_hooks_of_another_controller_do_not_run(make_app: MakeApp, client: Connect) -> None:
    class Other(Controller):
        @before_request
        async def close(self, req: Request) -> str:
            return "closed"

    class Users(Controller):
        @get("/")
        async def show(self, req: Request) -> str:
            return "open"

    assert (await (await client(make_app(Other, Users))).get("/")).text == "open"


async def test_layer_on_a_hook_runs_around_it(make_app: MakeApp, client: Connect) -> None:
    events: Events = []

    class Users(Controller):
        @before_request
        @Session(events)
        async def load(self, req: Request, session: Any) -> None:
            events.append(f"load {session}")

        @get("/")
        async def show(self, req: Request) -> None:
            events.append("show")

    await (await client(make_app(Users))).get("/")
    assert events == ["session begins", "load 1", "session commits", "show"]


async def test_hook_that_a_foreign_decorator_made_a_plain_function_is_awaited(
    make_app: MakeApp, client: Connect
) -> None:
    def plainly(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any) -> Any:
            return function(*args)

        return wrapper

    class Users(Controller):
        @before_request
        @plainly
        async def mark(self, req: Request) -> None:
            req.state.mark = "set"

        @get("/")
        async def show(self, req: Request) -> Any:
            return req.state.mark

    assert (await (await client(make_app(Users))).get("/")).text == "set"


# Decorated things that are no endpoints


def hiding(function: Any) -> Any:
    """A foreign decorator without functools.wraps."""

    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return wrapper


class HidingObject:
    """A decorator class that copies nothing."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, *args: Any) -> Any: ...


@pytest.mark.parametrize(
    "hide",
    [
        hiding,
        HidingObject,
        property,
        staticmethod,
        classmethod,
        functools.partial,
        functools.partialmethod,
        functools.cached_property,
        lambda function: hiding(transparent(function)),
    ],
)
def test_endpoint_hidden_by_what_stands_above_it_is_a_mistake(make_app: MakeApp, hide: Any) -> None:
    class Users(Controller):
        @get("/")
        async def show(self, req: Request) -> None: ...

    Users.show = hide(Users.__dict__["show"])  # type: ignore[method-assign]
    (mistake,) = mistakes_of(make_app(Users))
    assert (mistake.code, mistake.where.rpartition(".")[2]) == ("PAT102", "show")
    assert "decorator around" in mistake.found
    assert "functools.wraps" in mistake.change
    assert mistake.location.startswith(__file__)


def test_attributes_of_any_kind_hide_nothing(make_app: MakeApp) -> None:
    class Slotted:
        __slots__ = ()

        def __call__(self) -> None: ...

    def with_empty_cell() -> Any:
        def uses() -> Any:
            return later

        if with_empty_cell is None:
            later: Any = 1
        return uses

    class Users(Controller):
        slotted, empty, kind = Slotted(), with_empty_cell(), Slotted

        @get("/")
        async def show(self, req: Request) -> None: ...

    assert rules_of(make_app(Users)) == {("Users.show", "GET", "/")}


def test_attribute_that_uses_a_visible_endpoint_hides_nothing(make_app: MakeApp) -> None:
    class Users(Controller):
        @get("/")
        async def show(self, req: Request) -> None: ...

        again = hiding(show)

    assert rules_of(make_app(Users)) == {("Users.show", "GET", "/")}


class Callable_:  # noqa: N801 - it stands for any user's class
    def __call__(self, req: Request) -> None: ...


class WrapsOnly:
    """A decorator class that copies everything, but does not pass `self` on."""

    def __init__(self, function: Any) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, *args: Any) -> Any: ...


async def handler(self: Any, req: Request) -> None: ...


async def without_request(self: Any) -> None: ...


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (staticmethod(handler), "a staticmethod"),
        (classmethod(handler), "a classmethod"),
        (functools.partial(handler), "which is no function"),
        (Callable_(), "which is no function"),
        (Guard(handler, "key"), "the layer key made of the method, not around it: its brackets are missing"),  # type: ignore[arg-type]
        (WrapsOnly(handler), "a decorator object of the class WrapsOnly, which has no __get__"),
        (without_request, "the parameters (self: 'Any') -> 'None'"),
    ],
    ids=["staticmethod", "classmethod", "partial", "callable object", "layer", "decorator object", "no request"],
)
def test_verb_on_what_cannot_be_called_as_a_method_is_a_mistake(make_app: MakeApp, value: Any, found: str) -> None:
    users = type("Users", (Controller,), {"show": get("/")(value)})
    (mistake,) = mistakes_of(make_app(users))
    assert (mistake.code, mistake.where.rpartition(".")[2]) == ("PAT104", "show")
    assert found in mistake.found
    assert mistake.accepted.endswith("async def show(self, req)")


def test_hook_with_other_arguments_than_one_is_a_mistake(make_app: MakeApp) -> None:
    class Users(Controller):
        @before_request
        async def check(self) -> None: ...

        @after_request
        async def stamp(self, req: Request, res: Any) -> None: ...

    check, stamp = mistakes_of(make_app(Users))
    assert (check.code, check.found) == ("PAT104", "the parameters (self) -> 'None'")
    assert (stamp.code, stamp.found) == ("PAT104", "the parameters (self, req: 'Request', res: 'Any') -> 'None'")


async def test_decorator_class_that_passes_self_on_is_a_foreign_decorator(make_app: MakeApp, client: Connect) -> None:
    class Bound(WrapsOnly):
        def __get__(self, instance: Any, owner: Any) -> Any:
            return functools.partial(self.function, instance)

    class Users(Controller):
        @get("/<int:id>")
        @Bound
        async def show(self, req: Request, id: int) -> dict[str, int]:
            return {"id": id}

    assert (await (await client(make_app(Users))).get("/3")).json() == {"id": 3}


async def test_signature_that_a_foreign_decorator_declares_is_the_endpoints(make_app: MakeApp, client: Connect) -> None:
    def with_service(function: Any) -> Any:
        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            return await function(*args, service="given", **kwargs)

        signature = inspect.signature(function)
        kept = [parameter for name, parameter in signature.parameters.items() if name != "service"]
        wrapper.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        return wrapper

    class Users(Controller):
        @get("/<int:id>")
        @with_service
        async def show(self, req: Request, id: int, service: Any) -> Any:
            return {"id": id, "service": service}

    assert (await (await client(make_app(Users))).get("/3")).json() == {"id": 3, "service": "given"}


def test_parameter_that_cannot_be_given_by_name_is_a_mistake(make_app: MakeApp) -> None:
    class Users(Controller):
        @get("/<int:id>")
        async def show(self, req: Request, id: int, /) -> None: ...

    (mistake,) = mistakes_of(make_app(Users))
    assert (mistake.code, mistake.where.endswith("Users.show(id)")) == ("PAT117", True)
    assert mistake.change == "move the `/` in front of it, or remove the `/`"


async def test_handler_that_takes_anything_gets_all_variables(make_app: MakeApp, client: Connect) -> None:
    class Users(Controller):
        @get("/<int:id>")
        async def show(*args: Any, **kwargs: Any) -> Any:
            return {"count": len(args), **kwargs}

    assert (await (await client(make_app(Users))).get("/3")).json() == {"count": 2, "id": 3}


def test_build_reads_no_property_and_no_proxy_of_a_controller(make_app: MakeApp) -> None:
    class Proxy:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("outside of its context")

        __call__: Any = MagicMock()

    class Users(Controller):
        proxy = Proxy()
        mock = MagicMock()

        @property
        def costly(self) -> Any:
            raise AssertionError

        @get("/")
        async def show(self, req: Request) -> None: ...

    assert rules_of(make_app(Users)) == {("Users.show", "GET", "/")}


def test_controller_as_attribute_of_another_hides_nothing(make_app: MakeApp) -> None:
    class Inner(Controller):
        @get("/inner")
        async def show(self, req: Request) -> None: ...

    class Outer(Controller):
        inner = Inner

        @get("/outer")
        async def show(self, req: Request) -> None: ...

    assert rules_of(make_app(Outer)) == {("Outer.show", "GET", "/outer")}


# Constructors of controllers


def test_controller_has_one_instance_with_its_own_state(make_app: MakeApp) -> None:
    made: list[Any] = []

    class Users(Controller):
        def __init__(self, app: Patera) -> None:
            super().__init__(app)
            made.append(self)

        @get("/")
        async def show(self, req: Request) -> None: ...

        @get("/again")
        async def again(self, req: Request) -> None: ...

    make_app(Users).build()
    assert len(made) == 1


def test_controller_whose_constructor_takes_no_application_is_a_mistake(make_app: MakeApp) -> None:
    class Users(Controller):
        def __init__(self) -> None:
            self.names: list[str] = []

    (mistake,) = mistakes_of(make_app(Users))
    assert mistake.code == "PAT103"
    assert "takes 1 positional argument but 2 were given" in mistake.found
    assert (mistake.accepted, mistake.change.startswith("correct __init__, and call super().__init__(app)")) == (
        "a class that can be made as Users(app)",
        True,
    )


def test_controller_whose_constructor_forgets_super_is_a_mistake(make_app: MakeApp) -> None:
    class Users(Controller):
        def __init__(self, app: Patera) -> None:
            self.names: list[str] = []

    (mistake,) = mistakes_of(make_app(Users))
    assert mistake.found == "its __init__ does not set self.app: it does not call super().__init__(app)"


def test_error_of_a_constructor_is_the_cause_of_the_mistake(make_app: MakeApp) -> None:
    class Users(Controller):
        def __init__(self, app: Patera) -> None:
            raise OSError("no file")

    with pytest.raises(ConfigurationError, match="its constructor raised OSError: no file") as caught:
        make_app(Users).build()
    assert isinstance(caught.value.__cause__, OSError)


def test_constructor_that_asks_for_urls_is_told_that_there_are_none_yet(make_app: MakeApp) -> None:
    class Users(Controller):
        def __init__(self, app: Patera) -> None:
            super().__init__(app)
            self.home = app.url_for("Users.show")

    (mistake,) = mistakes_of(make_app(Users))
    assert "a controller's __init__ cannot use routes or url_for()" in mistake.found


# Recorders on wrong things


@pytest.mark.parametrize(
    ("decorate", "message"),
    [
        (lambda: get(handler), r'@get got <function handler .*>.* write @get\("/"\)'),  # type: ignore[arg-type]
        (lambda: path(Controller), r'@path got .*write @path\("/"\)'),  # type: ignore[arg-type]
        (lambda: consumes(handler), r"write @consumes\(MediaType.APPLICATION_JSON\)"),  # type: ignore[arg-type]
        (lambda: produces(handler), r"write @produces\(MediaType.APPLICATION_JSON\)"),  # type: ignore[arg-type]
        (lambda: open_api_docs(handler), r"write @open_api_docs\(Descriptor\("),  # type: ignore[arg-type]
        (lambda: max_content_length(handler), r"write @max_content_length\(1024 \* 1024\)"),  # type: ignore[arg-type]
        (lambda: get("/")(Controller), "takes a method, got the class Controller"),
        (lambda: get("/")(property()), "takes a method, got <property"),  # type: ignore[type-var]
        (lambda: path("/")(handler), "takes a controller class, got <function handler"),  # type: ignore[type-var]
        (lambda: development(3), "takes a controller or a method, got 3"),
    ],
)
def test_decorator_on_a_wrong_thing_says_what_to_write(decorate: Callable[[], Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        decorate()


def test_record_of_a_function_is_replaced_not_changed() -> None:
    async def show(self: Any, req: Request) -> None: ...

    get("/")(show)
    before = endpoint_record(show)
    produces(MediaType.TEXT_PLAIN)(show)
    assert before.produces is None
    assert endpoint_record(show).produces == "text/plain"


# Several controllers


def test_same_controller_twice_names_both_places(make_app: MakeApp) -> None:
    class Users(Controller):
        @get("/")
        async def show(self, req: Request) -> None: ...

    (mistake,) = mistakes_of(make_app(Users, Users))
    assert (mistake.code, mistake.where in mistake.found) == ("PAT202", True)


def test_controllers_of_equal_name_work_and_are_warned_of(make_app: MakeApp) -> None:
    def make(url_path: str) -> type[Controller]:
        @path(url_path)
        class Users(Controller):
            @get("/")
            async def show(self, req: Request) -> str:
                return url_path

        Users.__module__ = f"api{url_path.replace('/', '.')}"
        return Users

    application = make_app(make("/v1/users"), make("/v2/users"))
    assert rules_of(application) == {("Users.show", "GET", "/v1/users/"), ("Users.show", "GET", "/v2/users/")}
    (warning,) = [text for text in application._compiled.warnings if "Users.show" in text]  # type: ignore[union-attr]
    assert "are both called 'Users.show'; url_for() cannot tell them apart, rename a class" in warning


async def test_endpoints_call_each_other_as_methods(make_app: MakeApp, client: Connect) -> None:
    class Users(Controller):
        @get("/a/<int:n>")
        async def a(self, req: Request, n: int) -> Any:
            return await self.b(req, n)

        @get("/b/<int:n>")
        async def b(self, req: Request, n: int) -> Any:
            return {"n": n}

    assert (await (await client(make_app(Users))).get("/a/3")).json() == {"n": 3}


async def test_endpoint_calls_itself(make_app: MakeApp, client: Connect) -> None:
    events: Events = []

    class Users(Controller):
        @get("/<int:n>")
        @Guard(events)
        async def sum(self, req: Request, n: int) -> Any:
            return n + (await self.sum(req, n=n - 1) if n else 0)

    response = await (await client(make_app(Users))).get("/3", headers=USER)
    assert response.json() == 6
    assert events == ["login"] * 4


def test_mistake_of_a_method_with_two_verbs_is_reported_once(make_app: MakeApp) -> None:
    class Users(Controller):
        @get("/")
        @post("/")
        async def show(self, req: Request, unknown: object) -> None: ...

    assert [mistake.code for mistake in mistakes_of(make_app(Users))] == ["PAT110"]
