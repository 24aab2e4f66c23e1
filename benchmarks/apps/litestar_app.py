"""Litestar as its documentation shows it: typed handlers, guards, `CORSConfig`, middleware classes, Pydantic models."""

from collections.abc import Callable
from typing import Any

from litestar import Litestar, MediaType, Request, get, post
from litestar.config.cors import CORSConfig
from litestar.connection import ASGIConnection
from litestar.datastructures import MutableScopeHeaders
from litestar.exceptions import NotAuthorizedException
from litestar.handlers.base import BaseRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Template
from litestar.template.config import TemplateConfig
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from benchmarks.apps import page
from benchmarks.apps.models import MANY_ROUTES, ROUTES, SCHEME, USER_ROW, USERS_BY_TOKEN, OrderIn, OrderOut, UserOut


@get("/plaintext", media_type=MediaType.TEXT)
async def plaintext() -> str:
    return "Hello, World!"


@get("/json")
async def greeting() -> dict[str, str]:
    return {"message": "Hello, World!"}


@get("/users/{user_id:int}")
async def user(user_id: int) -> dict[str, Any]:
    return {"id": user_id, "name": f"user {user_id}"}


@get("/model")
async def model() -> UserOut:
    return UserOut(**USER_ROW)


@post("/orders", status_code=200)
async def create_order(data: OrderIn) -> OrderOut:
    return OrderOut.model_validate(data)


def login(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    user = USERS_BY_TOKEN.get(connection.headers.get("authorization", "").removeprefix(SCHEME))
    if user is None:
        raise NotAuthorizedException
    connection.state["user"] = user


@get("/me", guards=[login])
async def me(request: Request[Any, Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = request.state["user"]
    return found


@get("/blocking", sync_to_thread=True)
def blocking() -> dict[str, str]:
    return {"message": "Hello, World!"}


@get("/page", media_type=MediaType.HTML)
async def show_page() -> Template:
    return Template(page.NAME, context=page.CONTEXT)


class HeaderMiddleware(ASGIMiddleware):
    def __init__(self, number: int) -> None:
        self.name, self.value = f"x-layer-{number}", str(number)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableScopeHeaders.from_message(message)[self.name] = self.value
            await send(message)

        await next_app(scope, receive, send_with_header)


def endpoints(**options: Any) -> Litestar:
    handlers = [plaintext, greeting, user, model, create_order, me, blocking, show_page]
    templates = TemplateConfig(directory=page.TEMPLATES, engine=JinjaTemplateEngine)
    return Litestar(handlers, template_config=templates, openapi_config=None, logging_config=None, **options)


def routes(count: int) -> Litestar:
    return Litestar([resource(number) for number in range(count)], openapi_config=None, logging_config=None)


def resource(number: int) -> Any:
    @get(f"/resource{number}/{{resource_id:int}}")
    async def endpoint(resource_id: int) -> dict[str, int]:
        return {"id": resource_id, "number": number}

    return endpoint


APPLICATIONS: dict[str, Callable[[], Any]] = {
    "endpoints": endpoints,
    "routes": lambda: routes(ROUTES),
    "many-routes": lambda: routes(MANY_ROUTES),
    "middleware": lambda: endpoints(middleware=[HeaderMiddleware(number) for number in range(1, 6)]),
    "cors": lambda: endpoints(cors_config=CORSConfig(allow_origins=["*"])),
}
