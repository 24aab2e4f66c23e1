"""Starlette with two routes for each of many resources: the twin of Patera's controllers of two endpoints."""

from collections.abc import Awaitable, Callable, Iterable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Endpoint = Callable[[Request], Awaitable[Response]]


def two_endpoints() -> tuple[Endpoint, Endpoint]:
    async def read(request: Request) -> Response:
        return JSONResponse({"id": request.path_params["item_id"]})

    async def create(request: Request) -> Response:
        return JSONResponse({"id": 1})

    return read, create


def with_items(endpoints: Iterable[tuple[Endpoint, Endpoint]]) -> Starlette:
    routes = []
    for number, (read, create) in enumerate(endpoints):
        routes.append(Route(f"/items{number}/{{item_id:int}}", read))
        routes.append(Route(f"/items{number}", create, methods=["POST"]))
    return Starlette(routes=routes)
