"""Websocket endpoints: what their handlers get, and with which code the connection ends."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, Any

import pytest
from loguru import logger
from pydantic import BaseModel

from patera import HttpStatus, Patera, Request, UploadedFile, abort
from patera.controller import Body, Controller, Form, Header, get, path, socket
from patera.exceptions import ConfigurationError, NotFound
from patera.layer import Call, Layer, Place
from patera.testing import PateraTestClient, WebSocketClosed, WebSocketRejected

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]


class Filter(BaseModel):
    page: int = 1


def controller_of(*functions: Any) -> type[Controller]:
    return type("Api", (Controller,), {function.__name__: function for function in functions})


@pytest.fixture
def records() -> Iterator[list[Any]]:
    """All log records of the test."""
    found: list[Any] = []
    sink = logger.add(lambda message: found.append(message.record), level=0, format="{message}")
    yield found
    logger.remove(sink)


async def test_documented_loop_echoes(make_app: MakeApp, client: Connect) -> None:
    @socket("/ws")
    async def talk(self: Any, req: Request) -> None:
        await req.accept()
        while True:
            data = await req.receive()
            if data["type"] == "websocket.disconnect":
                break
            if data["type"] == "websocket.receive":
                await req.res.send({"type": "websocket.send", "text": "Echo: " + data.get("text", "")})

    async with (await client(make_app(controller_of(talk)))).websocket("/ws") as ws:
        await ws.send_text("hello")
        assert await ws.receive_text() == "Echo: hello"


async def test_parameters_come_from_path_query_and_headers(make_app: MakeApp, client: Connect) -> None:
    @socket("/rooms/<int:room>")
    async def talk(
        self: Any, req: Request, room: int, found: Filter, x_key: Annotated[str, Header()], quiet: bool = False
    ) -> None:
        await req.accept()
        await req.send_json([req.method, room, found.page, x_key, quiet])

    http = await client(make_app(controller_of(talk)))
    async with http.websocket("/rooms/3?page=2&quiet=1", headers={"x-key": "k"}) as ws:
        assert await ws.receive_json() == ["SOCKET", 3, 2, "k", True]


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (NotFound("no such room"), 4404, "no such room"),
        (ValueError("secret"), 1011, "Internal server error"),
    ],
)
@pytest.mark.parametrize("accepts", [True, False])
async def test_error_of_the_handler_closes_with_its_code(
    make_app: MakeApp, client: Connect, error: Exception, code: int, reason: str, accepts: bool
) -> None:
    @socket("/ws")
    async def talk(self: Any, req: Request) -> None:
        if accepts:
            await req.accept()
        raise error

    http = await client(make_app(controller_of(talk), DEBUG=False))
    with pytest.raises(WebSocketClosed) as caught:
        async with http.websocket("/ws") as ws:
            await ws.receive_text()
    assert (caught.value.code, caught.value.reason) == (code, reason)


async def test_unhandled_error_is_logged_as_critical(make_app: MakeApp, client: Connect, records: list[Any]) -> None:
    @socket("/ws")
    async def talk(self: Any, req: Request) -> None:
        raise ValueError("broken")

    http = await client(make_app(controller_of(talk), DEBUG=False))
    with pytest.raises(WebSocketRejected):
        async with http.websocket("/ws"):
            pass
    found = [record["message"] for record in records if record["level"].name == "CRITICAL"]
    assert found == ["Unhandled exception in Api.talk"]


async def test_parameters_that_do_not_fit_close_with_4422(make_app: MakeApp, client: Connect) -> None:
    @socket("/ws")
    async def talk(self: Any, req: Request, page: int) -> None: ...

    http = await client(make_app(controller_of(talk)))
    with pytest.raises(WebSocketRejected) as caught:
        async with http.websocket("/ws?page=x"):
            pass
    assert (caught.value.code, caught.value.reason) == (4422, "Validation failed.")


async def test_abort_closes_with_its_status(make_app: MakeApp, client: Connect) -> None:
    @socket("/ws")
    async def talk(self: Any, req: Request) -> None:
        abort("not you", HttpStatus.FORBIDDEN)

    http = await client(make_app(controller_of(talk)))
    with pytest.raises(WebSocketRejected) as caught:
        async with http.websocket("/ws"):
            pass
    assert caught.value.code == 4403


async def test_guard_that_answers_refuses_before_the_handler_runs(make_app: MakeApp, client: Connect) -> None:
    class Closed(Layer):
        place = Place.LOGIN

        async def guard(self, call: Call) -> Any:
            return "closed today"

    @socket("/ws")
    @Closed()
    async def talk(self: Any, req: Request) -> None:
        raise AssertionError("never called")

    http = await client(make_app(controller_of(talk)))
    with pytest.raises(WebSocketRejected) as caught:
        async with http.websocket("/ws"):
            pass
    assert caught.value.code == 4403


async def test_guard_that_passes_lets_the_handler_run(make_app: MakeApp, client: Connect) -> None:
    class Login(Layer):
        place = Place.LOGIN

        async def guard(self, call: Call) -> None:
            assert call.request is not None
            call.request.set_user("Ada")

    @socket("/ws")
    @Login()
    async def talk(self: Any, req: Request) -> None:
        await req.accept()
        await req.send_text(req.user)

    async with (await client(make_app(controller_of(talk)))).websocket("/ws") as ws:
        assert await ws.receive_text() == "Ada"


async def test_handler_that_returns_closes_the_websocket(make_app: MakeApp, client: Connect) -> None:
    @socket("/ws")
    async def talk(self: Any, req: Request) -> None:
        await req.accept()

    async with (await client(make_app(controller_of(talk)))).websocket("/ws") as ws:
        with pytest.raises(WebSocketClosed) as caught:
            await ws.receive_text()
    assert caught.value.code == 1000


async def test_client_that_leaves_ends_the_handler_and_what_it_deferred_runs(
    make_app: MakeApp, client: Connect, records: list[Any]
) -> None:
    ended = asyncio.Event()

    @socket("/ws")
    async def talk(self: Any, req: Request) -> None:
        req.defer(ended.set)
        await req.accept()
        await req.receive_text()

    async with (await client(make_app(controller_of(talk)))).websocket("/ws"):
        """Leaves at once."""
    await asyncio.wait_for(ended.wait(), 5)
    assert [record["message"] for record in records if record["exception"]] == []


async def test_websocket_of_a_mounted_application_has_one_request_id(make_app: MakeApp, client: Connect) -> None:
    @socket("/ws")
    async def talk(self: Any, req: Request) -> None:
        await req.accept()
        await req.send_text(req.request_id)

    outer = make_app()
    outer.mount("/inner", make_app(controller_of(talk)))
    async with (await client(outer)).websocket("/inner/ws", headers={"x-request-id": "abc"}) as ws:
        assert await ws.receive_text() == "abc"


async def test_path_without_websocket_is_refused(make_app: MakeApp, client: Connect) -> None:
    @get("/page")
    async def page(self: Any, req: Request) -> None: ...

    http = await client(make_app(controller_of(page)))
    for url in ("/page", "/nowhere"):
        with pytest.raises(WebSocketRejected):
            async with http.websocket(url):
                pass


async def test_path_of_a_websocket_is_unknown_to_http(make_app: MakeApp, client: Connect) -> None:
    @socket("/ws")
    async def talk(self: Any, req: Request) -> None: ...

    assert (await (await client(make_app(controller_of(talk)))).get("/ws")).status_code == 404


async def test_method_may_answer_http_and_websockets(make_app: MakeApp, client: Connect) -> None:
    @path("/both")
    class Both(Controller):
        @get("/")
        @socket("/")
        async def show(self, req: Request) -> Any:
            if req.method == "GET":
                return "page"
            await req.accept()
            await req.send_text("socket")
            return None

    http = await client(make_app(Both))
    assert (await http.get("/both/")).text == "page"
    async with http.websocket("/both/") as ws:
        assert await ws.receive_text() == "socket"


# Mistakes of the build


def test_websocket_without_coroutine_is_a_mistake(make_app: MakeApp) -> None:
    @socket("/ws")
    def talk(self: Any, req: Request) -> None: ...

    with pytest.raises(ConfigurationError) as caught:
        make_app(controller_of(talk)).build()
    (mistake,) = caught.value.mistakes
    assert (mistake.code, mistake.found, mistake.change) == (
        "PAT105",
        "@socket on a method that is no coroutine",
        "make the method `async def`",
    )


@pytest.mark.parametrize("annotation", [Annotated[Filter, Body()], Annotated[str, Form()], UploadedFile])
def test_websocket_that_reads_a_body_is_a_mistake(make_app: MakeApp, annotation: Any) -> None:
    @socket("/ws")
    async def talk(self: Any, req: Request, data: annotation) -> None: ...

    with pytest.raises(ConfigurationError) as caught:
        make_app(controller_of(talk)).build()
    (mistake,) = caught.value.mistakes
    assert (mistake.code, "to be read by a websocket, which has no body" in mistake.found) == ("PAT114", True)
