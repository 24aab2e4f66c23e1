"""Patera as its README shows it, with its defaults: request ids, CORS for any origin, validated answers."""

import os
from collections.abc import Callable, Iterable

from benchmarks.apps import page
from benchmarks.apps.models import MANY_ROUTES, ROUTES, SCHEME, USER_ROW, USERS_BY_TOKEN, OrderIn, OrderOut, UserOut
from patera import BaseConfig, MediaType, MiddlewareBase, Patera, Request, Response, abort, app
from patera.controller import Controller, consumes, get, path, post
from patera.layer import Call, Layer, Place


class EmptyConfig(BaseConfig):
    APP_NAME: str = "Benchmark"
    VERSION: str = "1.0"
    BASE_PATH: str = os.path.dirname(__file__)
    TEMPLATES_DIR: str = page.TEMPLATES.name
    DEBUG: bool = False


class Config(EmptyConfig):
    CONTROLLERS: list[str] = ["benchmarks.apps.patera_app:Api"]


class LayeredConfig(Config):
    MIDDLEWARE: list[str] = [f"benchmarks.apps.patera_app:Header{number}" for number in range(1, 6)]


@app(__name__, configs=EmptyConfig)
class EmptyApplication(Patera):
    pass


@app(__name__, configs=Config)
class Application(Patera):
    pass


@app(__name__, configs=LayeredConfig)
class LayeredApplication(Patera):
    pass


class TokenRequired(Layer):
    place = Place.LOGIN

    async def guard(self, call: Call) -> None:
        request = call.request
        assert request is not None
        user = USERS_BY_TOKEN.get(request.headers.get("authorization", "").removeprefix(SCHEME))
        if user is None:
            abort("Login required", 401)
        request.set_user(user)


token_required = TokenRequired()


@path("/")
class Api(Controller):
    @get("/plaintext")
    async def plaintext(self, req: Request) -> Response:
        return req.res.text("Hello, World!")

    @get("/json")
    async def greeting(self, req: Request) -> Response:
        return req.res.json({"message": "Hello, World!"})

    @get("/users/<int:user_id>")
    async def user(self, req: Request, user_id: int) -> Response:
        return req.res.json({"id": user_id, "name": f"user {user_id}"})

    @get("/model")
    async def model(self, req: Request) -> Response[UserOut]:
        return req.res.json(USER_ROW)

    @post("/orders")
    @consumes(MediaType.APPLICATION_JSON)
    async def create_order(self, req: Request, order: OrderIn) -> Response[OrderOut]:
        return req.res.json(order)

    @get("/me")
    @token_required
    async def me(self, req: Request) -> Response:
        return req.res.json(req.user)

    @get("/blocking")
    def blocking(self, req: Request) -> Response:
        return req.res.json({"message": "Hello, World!"})

    @get("/page")
    async def page(self, req: Request) -> Response:
        return await req.res.html(page.NAME, page.CONTEXT)


class HeaderMiddleware(MiddlewareBase):
    header: str
    value: str

    async def middleware(self, req: Request) -> Response:
        res: Response = await self.next(req)
        res.headers[self.header] = self.value
        return res


class Header1(HeaderMiddleware):
    header, value = "x-layer-1", "1"


class Header2(HeaderMiddleware):
    header, value = "x-layer-2", "2"


class Header3(HeaderMiddleware):
    header, value = "x-layer-3", "3"


class Header4(HeaderMiddleware):
    header, value = "x-layer-4", "4"


class Header5(HeaderMiddleware):
    header, value = "x-layer-5", "5"


def resource(number: int) -> type[Controller]:
    """A controller with one endpoint."""

    @path(f"/resource{number}")
    class Resource(Controller):
        @get("/<int:resource_id>")
        async def read(self, req: Request, resource_id: int) -> Response:
            return req.res.json({"id": resource_id, "number": number})

    return renamed(Resource, f"Resource{number}")


def two_endpoint_controllers(count: int) -> list[type[Controller]]:
    """Controllers with two endpoints each."""
    return [two_endpoints(number) for number in range(count)]


def two_endpoints(number: int) -> type[Controller]:
    @path(f"/items{number}")
    class Items(Controller):
        @get("/<int:item_id>")
        async def read(self, req: Request, item_id: int) -> Response:
            return req.res.json({"id": item_id})

        @post("/")
        async def create(self, req: Request) -> Response:
            return req.res.json({"id": 1})

    return renamed(Items, f"Items{number}")


def renamed(controller: type[Controller], name: str) -> type[Controller]:
    controller.__name__ = controller.__qualname__ = name
    return controller


def with_controllers(controllers: Iterable[type[Controller]]) -> Patera:
    application = EmptyApplication()
    application.register_controller(*controllers)
    return application


def with_resources(count: int) -> Patera:
    return with_controllers(resource(number) for number in range(count))


APPLICATIONS: dict[str, Callable[[], Patera]] = {
    "endpoints": Application,
    "routes": lambda: with_resources(ROUTES),
    "many-routes": lambda: with_resources(MANY_ROUTES),
    "middleware": LayeredApplication,
    "cors": Application,
}
