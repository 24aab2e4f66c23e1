"""The plan as readers see it: rows of a routes listing, and plain data of each endpoint."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Route, WebSocketRoute

from patera import MediaType, MiddlewareBase, Patera, Request, Response
from patera.controller import Controller, Header, after_request, before_request, consumes, cors, get, path, post, socket
from patera.exceptions import ConfigurationError, ExceptionHandler, NotFound, handles
from patera.inspect import CorsPlan, EndpointPlan, LayerPlan, ParameterPlan, RouteRow, describe, format_routes
from patera.layer import Layer, Place

MakeApp = Callable[..., Patera]


class Login(Layer):
    place = Place.LOGIN
    statuses = {401: "Login required"}

    async def guard(self, call: Any) -> None: ...


class Session(Layer):
    place = Place.SESSION

    def injects(self, app: Patera) -> tuple[str, ...]:
        return ("session",)

    async def around(self, call: Any, next: Any) -> Any:
        return await next(call)


class Item(BaseModel):
    title: str


@path("/users", tags=["People"])
class Users(Controller):
    @get("/<int:user_id>")
    @Session()
    @Login()
    async def show(self, req: Request, user_id: int, session: Any, x_key: Annotated[str, Header()]) -> Response[Item]:
        """Show one user."""
        return req.res.json({})

    @post("/")
    @consumes(MediaType.APPLICATION_JSON)
    @cors(allow_origins=["https://ok.example"])
    def create(self, req: Request, item: Item) -> None: ...

    @socket("/ws")
    async def talk(self, req: Request) -> None: ...

    @before_request
    async def check(self, req: Request) -> None: ...

    @after_request
    async def stamp(self, res: Response) -> None: ...


def own_rows(application: Patera) -> list[RouteRow]:
    return [row for row in describe(application) if row.endpoint.split(".")[0] not in ("Static", "OpenAPIController")]


def endpoint_of(application: Patera, name: str) -> EndpointPlan:
    (endpoint,) = [each for each in application.plan.endpoints if each.name == name]
    return endpoint


def line_of(method: Any) -> str:
    code = getattr(method, "__wrapped__", method)
    code = getattr(code, "__wrapped__", code).__code__
    return f"{__file__}:{code.co_firstlineno}"


def test_row_of_each_endpoint_has_method_rule_name_layers_and_place(make_app: MakeApp) -> None:
    assert own_rows(make_app(Users)) == [
        RouteRow("GET", "/users/<int:user_id>", "Users.show", ("Login", "Session"), line_of(Users.show)),
        RouteRow("POST", "/users/", "Users.create", (), line_of(Users.create)),
        RouteRow("SOCKET", "/users/ws", "Users.talk", (), line_of(Users.talk)),
    ]


def test_rows_include_static_files_and_open_api_pages(make_app: MakeApp) -> None:
    rules = {row.endpoint: row.rule for row in describe(make_app())}
    assert (rules["Static.get"], rules["OpenAPIController.docs"]) == ("/static/<path:filename>", "/openapi/docs")


def test_rows_of_foreign_routes_stand_behind(make_app: MakeApp) -> None:
    async def talk(websocket: Any) -> None: ...

    application = make_app(Users)
    application.mount("/admin", Starlette())
    application.mount("/named", Starlette(), name="shop")
    application.mount("", PlainTextResponse("x"))
    application.router.routes.append(Route("/foreign/{x}", lambda request: PlainTextResponse("x"), name="foreign"))
    application.router.routes.append(WebSocketRoute("/ws", talk))
    application.router.routes.append(Host("api.example.org", Starlette()))
    rows = own_rows(application)
    assert [row.endpoint for row in rows[:3]] == ["Users.show", "Users.create", "Users.talk"]
    assert sorted((row.method, row.rule, row.endpoint) for row in rows[3:]) == [
        ("ANY", "", "Host"),
        ("ANY", "/ws", "talk"),
        ("GET", "/foreign/{x}", "foreign"),
        ("HEAD", "/foreign/{x}", "foreign"),
        ("MOUNT", "/", "PlainTextResponse"),
        ("MOUNT", "/admin", "Starlette"),
        ("MOUNT", "/named", "shop"),
    ]


def test_rows_as_lines_have_aligned_columns() -> None:
    rows = [
        RouteRow("GET", "/users/<int:id>", "Users.show", ("Login", "Session"), "app.py:3"),
        RouteRow("POST", "/users", "Users.create", (), "app.py:9"),
        RouteRow("MOUNT", "/admin", "Starlette"),
    ]
    assert format_routes(rows) == [
        "GET    /users/<int:id>  Users.show    Login > Session  app.py:3",
        "POST   /users           Users.create                   app.py:9",
        "MOUNT  /admin           Starlette",
    ]


def test_rows_none_of_them_are_no_lines() -> None:
    assert format_routes([]) == []


def test_application_that_cannot_be_built_has_no_rows(make_app: MakeApp) -> None:
    class Broken(Controller):
        @get("/<unknown:x>")
        async def show(self, req: Request, x: str) -> None: ...

    with pytest.raises(ConfigurationError, match="PAT201"):
        describe(make_app(Broken))


def test_plan_of_endpoint_has_what_was_decided(make_app: MakeApp) -> None:
    plan = endpoint_of(make_app(Users), "Users.show")
    assert plan.parameters == (
        ParameterPlan("user_id", "path", "user_id", int, required=True),
        ParameterPlan("session", "injected", "session", Any, required=False),
        ParameterPlan("x_key", "header", "x-key", str, required=True),
    )
    assert (plan.controller, plan.doc, plan.tags, plan.in_schema) == ("Users", "Show one user.", ("People",), True)
    assert (plan.has_response_type, plan.response_type, plan.status) == (True, Item, 200)
    assert (plan.before, plan.after, plan.is_async, plan.is_socket) == (("check",), ("stamp",), True, False)
    assert plan.where == f"{__name__}.Users.show"


def test_plan_of_layers_has_places_and_what_they_inject(make_app: MakeApp) -> None:
    layers = endpoint_of(make_app(Users), "Users.show").layers
    assert layers == (
        LayerPlan("Login", "LOGIN", "<Login>", (), ((401, "Login required"),)),
        LayerPlan("Session", "SESSION", "<Session>", ("session",)),
    )


def test_plan_of_def_endpoint_knows_body_and_policy(make_app: MakeApp) -> None:
    plan = endpoint_of(make_app(Users), "Users.create")
    assert (plan.is_async, plan.consumes, plan.parameters[0].source) == (False, MediaType.APPLICATION_JSON, "body")
    assert isinstance(plan.cors, CorsPlan)
    assert plan.cors.allow_origins == ("https://ok.example",)


def test_plan_of_application_names_its_parts(make_app: MakeApp) -> None:
    class Stamp(MiddlewareBase):
        pass

    class Handlers(ExceptionHandler):
        @handles(NotFound)
        async def missing(self, req: Request, exc: NotFound) -> Response:
            return req.res

    class Asgi:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    plan = make_app(MIDDLEWARE=[Asgi, Stamp], EXCEPTION_HANDLERS=[Handlers]).plan
    here = f"{__name__}.test_plan_of_application_names_its_parts.<locals>"
    assert (plan.middleware, plan.asgi_middleware) == ((f"{here}.Stamp",), (f"{here}.Asgi",))
    assert plan.exception_handlers == {"patera.exceptions.NotFound": f"{Handlers.__qualname__}.missing"}


def test_plan_of_equal_exception_names_keeps_both(make_app: MakeApp) -> None:
    mine, theirs = type("Conflict", (Exception,), {"__module__": "mine"}), type("Conflict", (Exception,), {})

    class Handlers(ExceptionHandler):
        @handles(mine)
        async def first(self, req: Request, exc: Exception) -> Response:
            return req.res

        @handles(theirs)
        async def second(self, req: Request, exc: Exception) -> Response:
            return req.res

    assert len(make_app(EXCEPTION_HANDLERS=[Handlers]).plan.exception_handlers) == 2
