"""Starlette as a careful user writes it: models validated and dumped as JSON in one pass, pure ASGI middleware."""

from collections.abc import Callable
from typing import Any

from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from benchmarks.apps import page
from benchmarks.apps.models import MANY_ROUTES, ROUTES, SCHEME, USER_ROW, USERS_BY_TOKEN, OrderIn, OrderOut, UserOut


class JSONResponse(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return to_json(content, inf_nan_mode="null")


async def plaintext(request: Request) -> Response:
    return PlainTextResponse("Hello, World!")


async def greeting(request: Request) -> Response:
    return JSONResponse({"message": "Hello, World!"})


async def user(request: Request) -> Response:
    user_id = request.path_params["user_id"]
    return JSONResponse({"id": user_id, "name": f"user {user_id}"})


async def model(request: Request) -> Response:
    return JSONResponse(UserOut.model_validate(USER_ROW))


async def create_order(request: Request) -> Response:
    order = OrderIn.model_validate_json(await request.body())
    return JSONResponse(OrderOut.model_validate(order))


def login(request: Request) -> dict[str, Any]:
    """Return the user, or refuse: called by the endpoints that need one."""
    user = USERS_BY_TOKEN.get(request.headers.get("authorization", "").removeprefix(SCHEME))
    if user is None:
        raise HTTPException(401)
    return user


async def me(request: Request) -> Response:
    return JSONResponse(login(request))


def blocking(request: Request) -> Response:
    return JSONResponse({"message": "Hello, World!"})


async def show_page(request: Request) -> Response:
    return HTMLResponse(page.template.render(page.CONTEXT))


class LayerMiddleware:
    def __init__(self, app: ASGIApp, number: int) -> None:
        self.app = app
        self.name = f"x-layer-{number}"
        self.value = str(number)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[self.name] = self.value
            await send(message)

        await self.app(scope, receive, send_with_header)


def endpoints(*middleware: Middleware) -> Starlette:
    routes = [
        Route("/plaintext", plaintext),
        Route("/json", greeting),
        Route("/users/{user_id:int}", user),
        Route("/model", model),
        Route("/orders", create_order, methods=["POST"]),
        Route("/me", me),
        Route("/blocking", blocking),
        Route("/page", show_page),
    ]
    return Starlette(routes=routes, middleware=list(middleware))


def resource(number: int) -> Route:
    async def endpoint(request: Request) -> Response:
        return JSONResponse({"id": request.path_params["resource_id"], "number": number})

    return Route(f"/resource{number}/{{resource_id:int}}", endpoint)


def routes(count: int) -> Starlette:
    return Starlette(routes=[resource(number) for number in range(count)])


APPLICATIONS: dict[str, Callable[[], Any]] = {
    "endpoints": endpoints,
    "routes": lambda: routes(ROUTES),
    "many-routes": lambda: routes(MANY_ROUTES),
    "middleware": lambda: endpoints(*(Middleware(LayerMiddleware, number=number) for number in range(1, 6))),
    "cors": lambda: endpoints(Middleware(CORSMiddleware, allow_origins=["*"])),
}
