"""Raw ASGI, written by hand for exactly these endpoints: the lower bound of what Python can do."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from pydantic_core import to_json

from benchmarks.apps import page
from benchmarks.apps.models import MANY_ROUTES, ROUTES, SCHEME, USER_ROW, USERS_BY_TOKEN, OrderIn, OrderOut, UserOut

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

TEXT = (b"content-type", b"text/plain; charset=utf-8")
HTML = (b"content-type", b"text/html; charset=utf-8")
JSON = (b"content-type", b"application/json")
LAYERS = tuple((b"x-layer-%d" % number, b"%d" % number) for number in range(1, 6))
ANY_ORIGIN = (b"access-control-allow-origin", b"*")

validate_user = UserOut.__pydantic_validator__.validate_python
dump_user = UserOut.__pydantic_serializer__.to_json
validate_order = OrderIn.__pydantic_validator__.validate_json
shape_order = OrderOut.__pydantic_validator__.validate_python
dump_order = OrderOut.__pydantic_serializer__.to_json


async def answer(send: Send, status: int, body: bytes, *headers: Header) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def read(receive: Receive) -> bytes:
    message = await receive()
    if not message["more_body"]:
        return bytes(message["body"])
    chunks = [message["body"]]
    while message["more_body"]:
        message = await receive()
        chunks.append(message["body"])
    return b"".join(chunks)


async def endpoints(scope: Scope, receive: Receive, send: Send) -> None:
    path = scope["path"]
    if path == "/plaintext":
        await answer(send, 200, b"Hello, World!", TEXT)
    elif path == "/json":
        await answer(send, 200, to_json({"message": "Hello, World!"}), JSON)
    elif path == "/model":
        await answer(send, 200, dump_user(validate_user(USER_ROW)), JSON)
    elif path == "/orders" and scope["method"] == "POST":
        order = validate_order(await read(receive))
        await answer(send, 200, dump_order(shape_order(order)), JSON)
    elif path == "/me":
        await guarded(scope, send)
    elif path == "/blocking":
        await answer(send, 200, await asyncio.get_running_loop().run_in_executor(None, blocking), JSON)
    elif path == "/page":
        await answer(send, 200, page.template.render(page.CONTEXT).encode(), HTML)
    elif path.startswith("/users/") and path[7:].isdigit():
        user_id = int(path[7:])
        await answer(send, 200, to_json({"id": user_id, "name": f"user {user_id}"}), JSON)
    else:
        await answer(send, 404, to_json({"status": "error", "message": "Endpoint not found"}), JSON)


async def guarded(scope: Scope, send: Send) -> None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            user = USERS_BY_TOKEN.get(value.decode("latin-1").removeprefix(SCHEME))
            if user is not None:
                await answer(send, 200, to_json(user), JSON)
                return
    await answer(send, 401, to_json({"status": "error", "message": "Login required"}), JSON)


def blocking() -> bytes:
    return to_json({"message": "Hello, World!"})


async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, 200, to_json({"message": "Hello, World!"}), JSON, *LAYERS)


async def cors(scope: Scope, receive: Receive, send: Send) -> None:
    body = to_json({"message": "Hello, World!"})
    for name, _ in scope["headers"]:
        if name == b"origin":
            await answer(send, 200, body, JSON, ANY_ORIGIN)
            return
    await answer(send, 200, body, JSON)


def routes(count: int) -> Any:
    numbers = {f"resource{number}": number for number in range(count)}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        _, resource, resource_id = scope["path"].split("/")
        await answer(send, 200, to_json({"id": int(resource_id), "number": numbers[resource]}), JSON)

    return app


APPLICATIONS: dict[str, Callable[[], Any]] = {
    "endpoints": lambda: endpoints,
    "routes": lambda: routes(ROUTES),
    "many-routes": lambda: routes(MANY_ROUTES),
    "middleware": lambda: middleware,
    "cors": lambda: cors,
}
