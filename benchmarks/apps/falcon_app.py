"""Falcon as its documentation shows it: resources, `resp.media`, hooks, middleware classes, `CORSMiddleware`."""

from collections.abc import Callable
from typing import Any

import falcon
import falcon.asgi
from falcon.asgi import Request, Response

from benchmarks.apps import page
from benchmarks.apps.models import MANY_ROUTES, ROUTES, SCHEME, USER_ROW, USERS_BY_TOKEN, OrderIn, OrderOut, UserOut


class Plaintext:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = "Hello, World!"


class Greeting:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.media = {"message": "Hello, World!"}


class User:
    async def on_get(self, req: Request, resp: Response, user_id: int) -> None:
        resp.media = {"id": user_id, "name": f"user {user_id}"}


class Model:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.media = UserOut(**USER_ROW).model_dump(mode="json")


class Orders:
    async def on_post(self, req: Request, resp: Response) -> None:
        order = OrderIn(**await req.get_media())
        resp.media = OrderOut.model_validate(order).model_dump(mode="json")


async def login(req: Request, resp: Response, resource: object, params: dict[str, Any]) -> None:
    user = USERS_BY_TOKEN.get((req.get_header("authorization") or "").removeprefix(SCHEME))
    if user is None:
        raise falcon.HTTPUnauthorized
    req.context.user = user


class Me:
    @falcon.before(login)
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.media = req.context.user


class Page:
    async def on_get(self, req: Request, resp: Response) -> None:
        resp.content_type = falcon.MEDIA_HTML
        resp.text = page.template.render(page.CONTEXT)


class HeaderMiddleware:
    def __init__(self, number: int) -> None:
        self.name, self.value = f"x-layer-{number}", str(number)

    async def process_response(self, req: Request, resp: Response, resource: object, req_succeeded: bool) -> None:
        resp.set_header(self.name, self.value)


def endpoints(**options: Any) -> Any:
    app = falcon.asgi.App(**options)
    app.add_route("/plaintext", Plaintext())
    app.add_route("/json", Greeting())
    app.add_route("/users/{user_id:int}", User())
    app.add_route("/model", Model())
    app.add_route("/orders", Orders())
    app.add_route("/me", Me())
    app.add_route("/page", Page())
    return app


class Resource:
    def __init__(self, number: int) -> None:
        self.number = number

    async def on_get(self, req: Request, resp: Response, resource_id: int) -> None:
        resp.media = {"id": resource_id, "number": self.number}


def routes(count: int) -> Any:
    app = falcon.asgi.App()
    for number in range(count):
        app.add_route(f"/resource{number}/{{resource_id:int}}", Resource(number))
    return app


APPLICATIONS: dict[str, Callable[[], Any]] = {
    "endpoints": endpoints,
    "routes": lambda: routes(ROUTES),
    "many-routes": lambda: routes(MANY_ROUTES),
    "middleware": lambda: endpoints(middleware=[HeaderMiddleware(number) for number in range(1, 6)]),
    "cors": lambda: endpoints(middleware=[falcon.CORSMiddleware(allow_origins="*")]),
}

LEFT_OUT = {"def": "its ASGI side takes coroutine functions only"}
