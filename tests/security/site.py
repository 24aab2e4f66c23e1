"""An application with one of each kind of answer, and requests as a server hands them over."""

from collections.abc import Sequence
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from patera import Patera, Request, Response
from patera._types import Message, Scope
from patera.controller import Controller, get, path, post, socket


@path("/site")
class Site(Controller):
    @get("/")
    async def index(self, req: Request) -> Response:
        return req.res.json({"url": str(req.url), "host": req.host, "client": req.client.host if req.client else None})

    @post("/")
    async def create(self, req: Request) -> Response:
        return req.res.text("created").status(201)

    @get("/empty")
    async def empty(self, req: Request) -> Response:
        return req.res.no_content()

    @get("/stream")
    async def stream(self, req: Request) -> Response:
        return req.res.stream(["a", "b"])

    @get("/plain")
    async def plain(self, req: Request) -> Any:
        return PlainTextResponse("plain")

    @get("/broken")
    async def broken(self, req: Request) -> Response:
        raise ValueError("broken")

    @socket("/ws")
    async def talk(self, req: Request) -> None:
        await req.accept()
        await req.send_text(f"{req.url} {req.client.host if req.client else None}")


class PassOn:
    """Pure ASGI middleware that changes nothing; with it the edge stands outside."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


#: One URL for each way in which an answer comes about.
EVERYWHERE = [
    "/site/",
    "/site/empty",
    "/site/stream",
    "/site/plain",
    "/site/broken",
    "/nowhere",
    "/mounted/",
    "/static/x",
]


async def _mounted(request: Any) -> PlainTextResponse:
    return PlainTextResponse("mounted")


async def _mounted_socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


def with_mount(application: Patera) -> Patera:
    application.mount("/mounted", Starlette(routes=[Route("/", _mounted), WebSocketRoute("/ws", _mounted_socket)]))
    return application


async def send_raw(app: Any, headers: Sequence[tuple[str, str]], **scope: Any) -> tuple[int, dict[str, str], bytes]:
    """Send a GET with exactly these headers; return status, headers and body."""
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    await app(raw_scope(headers, **scope), receive, send)
    start, *rest = messages
    found = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    return start["status"], found, b"".join(message.get("body", b"") for message in rest)


def raw_scope(headers: Sequence[tuple[str, str]], **scope: Any) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/site/",
        "raw_path": b"/site/",
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        "client": ("203.0.113.9", 5000),
        "server": ("127.0.0.1", 8000),
        **scope,
    }


def names(response: httpx.Response) -> set[str]:
    return {name.lower() for name in response.headers}
