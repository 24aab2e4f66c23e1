"""Starlette as its documentation shows it: JSONResponse, `request.json()`, BaseHTTPMiddleware, CORSMiddleware."""

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser, requires
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from benchmarks.apps import page
from benchmarks.apps.models import MANY_ROUTES, ROUTES, SCHEME, USER_ROW, USERS_BY_TOKEN, OrderIn, OrderOut, UserOut

templates = Jinja2Templates(page.TEMPLATES)


async def plaintext(request: Request) -> Response:
    return PlainTextResponse("Hello, World!")


async def greeting(request: Request) -> Response:
    return JSONResponse({"message": "Hello, World!"})


async def user(request: Request) -> Response:
    user_id = request.path_params["user_id"]
    return JSONResponse({"id": user_id, "name": f"user {user_id}"})


async def model(request: Request) -> Response:
    return JSONResponse(UserOut(**USER_ROW).model_dump(mode="json"))


async def create_order(request: Request) -> Response:
    order = OrderIn(**await request.json())
    return JSONResponse(OrderOut.model_validate(order).model_dump(mode="json"))


class User(SimpleUser):
    def __init__(self, row: dict[str, Any]) -> None:
        super().__init__(row["name"])
        self.row = row


class TokenBackend(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, User] | None:
        if "authorization" not in conn.headers:
            return None
        user = USERS_BY_TOKEN.get(conn.headers["authorization"].removeprefix(SCHEME))
        return (AuthCredentials(["authenticated"]), User(user)) if user is not None else None


@requires("authenticated", status_code=401)
async def me(request: Request) -> Response:
    return JSONResponse(request.user.row)


def blocking(request: Request) -> Response:
    return JSONResponse({"message": "Hello, World!"})


async def show_page(request: Request) -> Response:
    return templates.TemplateResponse(request, page.NAME, page.CONTEXT)


class LayerMiddleware(BaseHTTPMiddleware):
    def __init__(self, app: Any, number: int) -> None:
        super().__init__(app)
        self.name, self.value = f"x-layer-{number}", str(number)

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers[self.name] = self.value
        return response


def endpoints(*middleware: Middleware) -> Starlette:
    routes = [
        Route("/plaintext", plaintext),
        Route("/json", greeting),
        Route("/users/{user_id:int}", user),
        Route("/model", model),
        Route("/orders", create_order, methods=["POST"]),
        # The login of this one endpoint alone: an application that logs in everywhere wraps itself instead.
        Route("/me", me, middleware=[Middleware(AuthenticationMiddleware, backend=TokenBackend())]),
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
