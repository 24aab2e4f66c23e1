"""What `python -m benchmarks memory` serves with Starlette: the usual endpoints, an echo websocket and two uploads."""

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from benchmarks.apps.starlette_documented import endpoints

CHUNK = 1024 * 1024


async def ping(request: Request) -> Response:
    return PlainTextResponse("pong")


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for message in websocket.iter_text():
        await websocket.send_text(message)


async def read_form(request: Request) -> Response:
    size = 0
    async with request.form() as form:
        file = form["file"]
        assert isinstance(file, UploadFile)
        while chunk := await file.read(CHUNK):
            size += len(chunk)
    return JSONResponse({"size": size})


async def read_stream(request: Request) -> Response:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
    return JSONResponse({"size": size})


async def invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError)
    return JSONResponse(error.errors(include_input=False, include_context=False, include_url=False), 422)


def application() -> Starlette:
    routes = [
        *endpoints().routes,
        Route("/ping", ping),
        WebSocketRoute("/echo", echo),
        Route("/upload/form", read_form, methods=["POST"]),
        Route("/upload/raw", read_stream, methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={ValidationError: invalid})
