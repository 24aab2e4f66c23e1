"""FastAPI as its documentation shows it: declared response models, dependencies, `@app.middleware`."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi.templating import Jinja2Templates

from benchmarks.apps import page
from benchmarks.apps.models import MANY_ROUTES, ROUTES, SCHEME, USER_ROW, USERS_BY_TOKEN, OrderIn, OrderOut, UserOut

templates = Jinja2Templates(page.TEMPLATES)


async def plaintext() -> Response:
    return PlainTextResponse("Hello, World!")


async def greeting() -> dict[str, str]:
    return {"message": "Hello, World!"}


async def user(user_id: int) -> dict[str, Any]:
    return {"id": user_id, "name": f"user {user_id}"}


async def model() -> Any:
    return USER_ROW


async def create_order(order: OrderIn) -> Any:
    return order


async def login(authorization: Annotated[str, Header()] = "") -> dict[str, Any]:
    user = USERS_BY_TOKEN.get(authorization.removeprefix(SCHEME))
    if user is None:
        raise HTTPException(401)
    return user


async def me(user: Annotated[dict[str, Any], Depends(login)]) -> dict[str, Any]:
    return user


def blocking() -> dict[str, str]:
    return {"message": "Hello, World!"}


async def show_page(request: Request) -> Response:
    return templates.TemplateResponse(request, page.NAME, page.CONTEXT)


def add_header(app: FastAPI, number: int) -> None:
    name, value = f"x-layer-{number}", str(number)

    @app.middleware("http")
    async def middleware(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers[name] = value
        return response


def endpoints() -> FastAPI:
    app = FastAPI()
    app.get("/plaintext")(plaintext)
    app.get("/json")(greeting)
    app.get("/users/{user_id}")(user)
    app.get("/model", response_model=UserOut)(model)
    app.post("/orders", response_model=OrderOut)(create_order)
    app.get("/me")(me)
    app.get("/blocking")(blocking)
    app.get("/page", response_class=HTMLResponse)(show_page)
    return app


def middleware() -> FastAPI:
    app = endpoints()
    for number in range(1, 6):
        add_header(app, number)
    return app


def cors() -> FastAPI:
    app = endpoints()
    app.add_middleware(CORSMiddleware, allow_origins=["*"])
    return app


def routes(count: int) -> FastAPI:
    app = FastAPI()
    for number in range(count):
        add_resource(app, number)
    return app


def add_resource(app: FastAPI, number: int) -> None:
    @app.get(f"/resource{number}/{{resource_id}}")
    async def resource(resource_id: int) -> dict[str, int]:
        return {"id": resource_id, "number": number}


APPLICATIONS: dict[str, Callable[[], Any]] = {
    "endpoints": endpoints,
    "routes": lambda: routes(ROUTES),
    "many-routes": lambda: routes(MANY_ROUTES),
    "middleware": middleware,
    "cors": cors,
}
