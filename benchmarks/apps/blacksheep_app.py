"""BlackSheep as its documentation shows it: bound parameters, `json()`, `text()`, function middleware, `use_cors`."""

from collections.abc import Awaitable, Callable
from typing import Any

from blacksheep import Application, FromJSON, Request, Response, html, json, text
from blacksheep.exceptions import Unauthorized
from blacksheep.server.routing import Router

from benchmarks.apps import page
from benchmarks.apps.models import MANY_ROUTES, ROUTES, SCHEME, USER_ROW, USERS_BY_TOKEN, OrderIn, OrderOut, UserOut


async def plaintext() -> Response:
    return text("Hello, World!")


async def greeting() -> Response:
    return json({"message": "Hello, World!"})


async def user(user_id: int) -> Response:
    return json({"id": user_id, "name": f"user {user_id}"})


async def model() -> Response:
    return json(UserOut(**USER_ROW))


async def create_order(data: FromJSON[OrderIn]) -> Response:
    return json(OrderOut.model_validate(data.value))


async def me(request: Request) -> Response:
    authorization = request.get_first_header(b"authorization") or b""
    user = USERS_BY_TOKEN.get(authorization.decode("latin-1").removeprefix(SCHEME))
    if user is None:
        raise Unauthorized
    return json(user)


async def show_page() -> Response:
    return html(page.template.render(page.CONTEXT))


def header_middleware(number: int) -> Any:
    name, value = b"x-layer-%d" % number, b"%d" % number

    async def middleware(request: Request, handler: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await handler(request)
        response.add_header(name, value)
        return response

    return middleware


def endpoints() -> Application:
    app = Application(router=Router())
    app.router.add_get("/plaintext", plaintext)
    app.router.add_get("/json", greeting)
    app.router.add_get("/users/{int:user_id}", user)
    app.router.add_get("/model", model)
    app.router.add_post("/orders", create_order)
    app.router.add_get("/me", me)
    app.router.add_get("/page", show_page)
    return app


def middleware() -> Application:
    app = endpoints()
    app.middlewares.extend(header_middleware(number) for number in range(1, 6))
    return app


def cors() -> Application:
    app = endpoints()
    app.use_cors(allow_origins="*", allow_methods="*")
    return app


def routes(count: int) -> Application:
    app = Application(router=Router())
    for number in range(count):
        app.router.add_get(f"/resource{number}/{{int:resource_id}}", resource(number))
    return app


def resource(number: int) -> Any:
    async def endpoint(resource_id: int) -> Response:
        return json({"id": resource_id, "number": number})

    return endpoint


APPLICATIONS: dict[str, Callable[[], Any]] = {
    "endpoints": endpoints,
    "routes": lambda: routes(ROUTES),
    "many-routes": lambda: routes(MANY_ROUTES),
    "middleware": middleware,
    "cors": cors,
}

LEFT_OUT = {"def": "its `def` handlers block the event loop instead of running in a thread"}
