"""The test client: life cycle, requests and websockets of any ASGI application; commands, overrides of Patera's."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

import patera.testing
from patera import BaseExtension, Patera, on_startup
from patera import Request as PateraRequest
from patera import Response as PateraResponse
from patera._context import running_applications
from patera.cli import CLIController, command
from patera.controller import Controller, get, post, socket
from patera.csrf import csrf_protect
from patera.exceptions import MissingConfiguration
from patera.testing import PateraTestClient, PyJoltTestClient, WebSocketClosed, WebSocketRejected

Socket = Callable[[WebSocket], Awaitable[None]]
Lifespan = Callable[[Any], Any]
MakeApp = Callable[..., Patera]


class OurError(Exception):
    pass


def make_http_app(endpoint: Callable[[Request], Awaitable[Response]], lifespan: Lifespan | None = None) -> Starlette:
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"]
    return Starlette(routes=[Route("/{path:path}", endpoint, methods=methods)], lifespan=lifespan)


def make_socket_app(endpoint: Socket) -> Starlette:
    return Starlette(routes=[WebSocketRoute("/ws", endpoint)])


async def echo_request(request: Request) -> Response:
    return JSONResponse({"method": request.method, "path": request.url.path, "body": (await request.body()).decode()})


async def fail(request: Request) -> Response:
    raise OurError("broken")


# Requests


def test_client_has_both_documented_names() -> None:
    assert PyJoltTestClient is PateraTestClient


def test_testing_does_not_import_starlettes_client() -> None:
    for name in ("testing.py", "_websocket_session.py", "_lifespan_session.py"):
        tree = ast.parse(Path(patera.testing.__file__).with_name(name).read_text())
        imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        assert "starlette.testclient" not in imported


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
async def test_request_method_of_each_name_is_sent(method: str) -> None:
    async with PateraTestClient(make_http_app(echo_request)) as client:
        response = await getattr(client, method)("/users")
    assert response.json() == {"method": method.upper(), "path": "/users", "body": ""}


async def test_request_head_has_no_body() -> None:
    async with PateraTestClient(make_http_app(echo_request)) as client:
        response = await client.head("/users")
    assert (response.status_code, response.content) == (200, b"")


async def test_request_any_method_passes_options_to_httpx() -> None:
    async with PateraTestClient(make_http_app(echo_request)) as client:
        response = await client.request("PURGE", "/cache", content=b"all", headers={"x-key": "1"})
    assert response.json() == {"method": "PURGE", "path": "/cache", "body": "all"}
    assert response.request.headers["x-key"] == "1"


async def test_request_without_context_reaches_application_that_has_not_started() -> None:
    started = []

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        started.append(app)
        yield

    client = PateraTestClient(make_http_app(echo_request, lifespan))
    assert (await client.get("/")).status_code == 200
    await client.close()
    assert started == []


async def test_request_base_url_names_scheme_and_host() -> None:
    async def show(request: Request) -> Response:
        return PlainTextResponse(str(request.url))

    async with PateraTestClient(make_http_app(show), "https://example.org") as client:
        assert (await client.get("/x")).text == "https://example.org/x"


async def test_request_default_headers_and_cookies_are_sent() -> None:
    async def show(request: Request) -> Response:
        return JSONResponse([request.headers["x-key"], request.cookies["theme"]])

    async with PateraTestClient(make_http_app(show), headers={"x-key": "1"}, cookies={"theme": "dark"}) as client:
        assert (await client.get("/")).json() == ["1", "dark"]


async def test_request_cookies_are_kept_between_calls() -> None:
    async def count(request: Request) -> Response:
        seen = int(request.cookies.get("seen", 0)) + 1
        response = PlainTextResponse(str(seen))
        response.set_cookie("seen", str(seen))
        return response

    async with PateraTestClient(make_http_app(count)) as client:
        await client.get("/")
        assert (await client.get("/")).text == "2"


async def test_csrf_token_of_a_page_is_taken_with_its_form(make_app: MakeApp) -> None:
    class Orders(Controller):
        @get("/<place>")
        async def form(self, req: PateraRequest, place: str) -> PateraResponse[Any]:
            head = '<meta name="csrf-token" content="{{ csrf_token() }}">'
            return req.res.html_from_string("<form>{{ csrf_input() }}</form>" if place == "body" else head)

        @post("/")
        @csrf_protect
        async def order(self, req: PateraRequest) -> PateraResponse[Any]:
            return req.res.text("ordered")

    async with PateraTestClient(make_app(Orders)) as client:
        assert (await client.post("/", data={"n": 1})).status_code == 403
        token = await client.csrf_token("/body")
        assert (await client.post("/", data={"n": 1, "csrf_token": token})).text == "ordered"
        token = await client.csrf_token("/head")
        assert (await client.post("/", json=1, headers={"X-CSRF-Token": token})).text == "ordered"


async def test_csrf_token_of_a_page_without_one_is_an_error_that_names_it() -> None:
    async with PateraTestClient(make_http_app(echo_request)) as client:
        with pytest.raises(
            LookupError, match=r"GET /orders answered 200 without a CSRF token.*\{\{ csrf_input\(\) \}\}"
        ):
            await client.csrf_token("/orders")


@pytest.mark.parametrize(("follows", "status"), [(False, 307), (True, 200)])
async def test_request_redirect_is_followed_on_demand(follows: bool, status: int) -> None:
    async def move(request: Request) -> Response:
        return PlainTextResponse("here") if request.url.path == "/new" else RedirectResponse("/new")

    async with PateraTestClient(make_http_app(move), follow_redirects=follows) as client:
        assert (await client.get("/old")).status_code == status


async def test_request_error_of_application_is_raised() -> None:
    async with PateraTestClient(make_http_app(fail)) as client:
        with pytest.raises(OurError, match="broken"):
            await client.get("/")


async def test_request_error_of_application_is_answer_on_demand() -> None:
    async with PateraTestClient(make_http_app(fail), raise_app_exceptions=False) as client:
        assert (await client.get("/")).status_code == 500


async def test_request_runs_in_the_loop_of_the_test() -> None:
    async def compare(request: Request) -> Response:
        return PlainTextResponse(str(asyncio.get_running_loop() is loop))

    loop = asyncio.get_running_loop()
    async with PateraTestClient(make_http_app(compare)) as client:
        assert (await client.get("/")).text == "True"


# Life cycle


async def test_lifespan_runs_around_the_block() -> None:
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        events.append("startup")
        yield
        events.append("shutdown")

    async with PateraTestClient(make_http_app(echo_request, lifespan)):
        assert events == ["startup"]
    assert events == ["startup", "shutdown"]


async def test_lifespan_switched_off_does_not_run() -> None:
    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        raise OurError
        yield

    async with PateraTestClient(make_http_app(echo_request, lifespan), lifespan=False) as client:
        assert (await client.get("/")).status_code == 200


async def test_lifespan_enter_and_exit_in_different_tasks_run_in_one_task() -> None:
    tasks: list[asyncio.Task[Any] | None] = []

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        tasks.append(asyncio.current_task())
        async with asyncio.timeout(60):
            yield
        tasks.append(asyncio.current_task())

    client = PateraTestClient(make_http_app(echo_request, lifespan))
    await asyncio.create_task(client.__aenter__())
    await asyncio.create_task(client.__aexit__(None, None, None))
    assert tasks[0] is tasks[1]


async def test_lifespan_failing_startup_raises_its_exception() -> None:
    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        raise OurError("no database")
        yield

    with pytest.raises(OurError, match="no database"):
        await PateraTestClient(make_http_app(echo_request, lifespan)).__aenter__()


async def test_lifespan_failing_shutdown_raises_its_exception() -> None:
    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        yield
        raise OurError("cannot stop")

    client = await PateraTestClient(make_http_app(echo_request, lifespan)).__aenter__()
    with pytest.raises(OurError, match="cannot stop"):
        await client.close()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"type": "lifespan.startup.failed", "message": "PAT101"}, "the startup of the application failed: PAT101"),
        ({"type": "lifespan.startup.failed"}, "the startup of the application failed: no message"),
        (None, "the startup of the application failed: it ended without an answer"),
    ],
)
async def test_lifespan_startup_refused_without_exception_raises_the_message(answer: Any, message: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if answer is not None:
            await send(answer)

    with pytest.raises(RuntimeError, match=message):
        await PateraTestClient(app).__aenter__()


async def test_lifespan_state_is_offered_to_requests_and_websockets() -> None:
    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
        yield {"pool": "ready"}

    async def show(request: Request) -> Response:
        return PlainTextResponse(request.state.pool)

    async def show_socket(ws: WebSocket) -> None:
        await ws.accept()
        await ws.send_text(ws.state.pool)
        await ws.close()

    routes = [Route("/", show), WebSocketRoute("/ws", show_socket)]
    async with PateraTestClient(Starlette(routes=routes, lifespan=lifespan)) as client:
        assert (await client.get("/")).text == "ready"
        async with client.websocket("/ws") as ws:
            assert await ws.receive_text() == "ready"


async def test_lifespan_cancelled_startup_leaves_no_task() -> None:
    reached = asyncio.Event()

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        reached.set()
        await asyncio.Event().wait()
        yield

    before = asyncio.all_tasks()
    entering = asyncio.create_task(PateraTestClient(make_http_app(echo_request, lifespan)).__aenter__())
    await reached.wait()
    entering.cancel()
    await asyncio.wait(asyncio.all_tasks() - before)
    assert entering.cancelled()


async def test_close_twice_shuts_down_once() -> None:
    stops = []

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        yield
        stops.append(1)

    client = await PateraTestClient(make_http_app(echo_request, lifespan)).__aenter__()
    await client.close()
    await client.close()
    assert stops == [1]


# Websockets


async def echo_socket(ws: WebSocket) -> None:
    await ws.accept(subprotocol=next(iter(ws.scope["subprotocols"]), None), headers=[(b"x-room", b"1")])
    while True:
        message = await ws.receive()
        if message["type"] == "websocket.disconnect":
            return
        await ws.send({**message, "type": "websocket.send"})


async def test_websocket_text_bytes_and_json_come_back() -> None:
    async with PateraTestClient(make_socket_app(echo_socket)) as client, client.websocket("/ws") as ws:
        await ws.send_text("hello")
        assert await ws.receive_text() == "hello"
        await ws.send_bytes(b"\x00")
        assert await ws.receive_bytes() == b"\x00"
        await ws.send_json({"a": [1, "ü"]})
        assert await ws.receive_json() == {"a": [1, "ü"]}
        await ws.send_bytes(b"[1]")
        assert await ws.receive_json() == [1]


async def test_websocket_raw_message_is_the_asgi_message() -> None:
    async with PateraTestClient(make_socket_app(echo_socket)) as client, client.websocket("/ws") as ws:
        await ws.send_text("hello")
        assert await ws.receive() == {"type": "websocket.send", "text": "hello"}


@pytest.mark.parametrize(("sent", "reader"), [("text", "bytes"), ("bytes", "text")])
async def test_websocket_message_of_other_kind_says_how_to_read_it(sent: str, reader: str) -> None:
    async with PateraTestClient(make_socket_app(echo_socket)) as client, client.websocket("/ws") as ws:
        await getattr(ws, f"send_{sent}")("x" if sent == "text" else b"x")
        with pytest.raises(TypeError, match=f"receive_{sent}"):
            await getattr(ws, f"receive_{reader}")()


async def test_websocket_accept_shows_subprotocol_and_headers() -> None:
    client = PateraTestClient(make_socket_app(echo_socket))
    async with client.websocket("/ws", subprotocols=["chat", "other"]) as ws:
        assert ws.accepted_subprotocol == "chat"
        assert list(ws.accepted_headers) == [(b"x-room", b"1")]
    await client.close()


async def test_websocket_handshake_has_url_headers_and_cookies() -> None:
    async def describe(ws: WebSocket) -> None:
        await ws.accept()
        shown = [str(ws.url), ws.headers["origin"], ws.headers["upgrade"], ws.cookies["id"]]
        await ws.send_json([*shown, ws.headers["sec-websocket-protocol"]])
        await ws.close()

    client = PateraTestClient(make_socket_app(describe), "https://example.org", cookies={"id": "7"})
    async with client.websocket(
        "/ws", headers={"origin": "https://x.org"}, params={"a": "1"}, subprotocols=["c"]
    ) as ws:
        shown = await ws.receive_json()
    await client.close()
    assert shown == ["wss://example.org/ws?a=1", "https://x.org", "websocket", "7", "c"]


async def test_websocket_path_is_decoded_once() -> None:
    paths = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        paths.append((scope["path"], scope["raw_path"]))
        await send({"type": "websocket.accept"})

    client = PateraTestClient(app)
    async with client.websocket("/room/%C3%BC%20x?y=1"):
        pass
    await client.close()
    assert paths == [("/room/ü x", b"/room/%C3%BC%20x")]


async def test_websocket_close_of_application_raises_code_and_reason() -> None:
    async def leave(ws: WebSocket) -> None:
        await ws.accept()
        await ws.close(4000, "done")

    async with PateraTestClient(make_socket_app(leave)) as client, client.websocket("/ws") as ws:
        with pytest.raises(WebSocketClosed) as closed:
            await ws.receive_text()
        assert (closed.value.code, closed.value.reason) == (4000, "done")
        with pytest.raises(WebSocketClosed):
            await ws.send_text("too late")


async def test_websocket_raw_close_is_repeated() -> None:
    async def leave(ws: WebSocket) -> None:
        await ws.accept()
        await ws.close(4000, "done")

    async with PateraTestClient(make_socket_app(leave)) as client, client.websocket("/ws") as ws:
        assert await ws.receive() == await ws.receive() == {"type": "websocket.close", "code": 4000, "reason": "done"}


async def test_websocket_close_of_client_reaches_application() -> None:
    events: list[Any] = []

    async def listen(ws: WebSocket) -> None:
        await ws.accept()
        events.append(await ws.receive())

    async with PateraTestClient(make_socket_app(listen)) as client, client.websocket("/ws") as ws:
        await ws.close(4001, "bye")
        with pytest.raises(WebSocketClosed):
            await ws.send_text("too late")
    assert events == [{"type": "websocket.disconnect", "code": 4001, "reason": "bye"}]


async def test_websocket_end_of_block_disconnects_and_waits_for_the_application() -> None:
    ended = []

    async def listen(ws: WebSocket) -> None:
        await ws.accept()
        await ws.receive()
        await asyncio.sleep(0)
        ended.append(True)

    client = PateraTestClient(make_socket_app(listen))
    async with client.websocket("/ws"):
        assert ended == []
    assert ended == [True]
    await client.close()


async def test_websocket_application_that_returns_closes_normally() -> None:
    async def accept(ws: WebSocket) -> None:
        await ws.accept()

    async with PateraTestClient(make_socket_app(accept)) as client, client.websocket("/ws") as ws:
        with pytest.raises(WebSocketClosed) as closed:
            await ws.receive_text()
    assert closed.value.code == 1000


async def test_websocket_refused_before_accept_raises_code_and_status() -> None:
    async def refuse(ws: WebSocket) -> None:
        await ws.close(4401, "Login required")

    async with PateraTestClient(make_socket_app(refuse)) as client:
        with pytest.raises(WebSocketRejected) as rejected:
            await client.websocket("/ws").__aenter__()
    refused = rejected.value
    assert (refused.code, refused.reason, refused.status_code, refused.body) == (4401, "Login required", 403, b"")


async def test_websocket_refused_with_a_response_has_its_status_and_body() -> None:
    async def refuse(ws: WebSocket) -> None:
        await ws.send_denial_response(JSONResponse({"status": "error"}, 401))

    async with PateraTestClient(make_socket_app(refuse)) as client:
        with pytest.raises(WebSocketRejected) as rejected:
            await client.websocket("/ws").__aenter__()
    assert (rejected.value.status_code, rejected.value.body) == (401, b'{"status":"error"}')


@pytest.mark.parametrize("ends", [True, False])
async def test_websocket_refused_with_a_response_in_parts_has_the_whole_body(ends: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"not ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"here", "more_body": not ends})

    client = PateraTestClient(app)
    with pytest.raises(WebSocketRejected) as rejected:
        await client.websocket("/ws").__aenter__()
    await client.close()
    assert (rejected.value.status_code, rejected.value.body) == (404, b"not here")


async def test_websocket_without_route_is_refused() -> None:
    async with PateraTestClient(make_socket_app(echo_socket)) as client:
        with pytest.raises(WebSocketRejected):
            await client.websocket("/nowhere").__aenter__()


async def fail_at_once(ws: WebSocket) -> None:
    raise OurError("broken")


async def fail_after_accept(ws: WebSocket) -> None:
    await ws.accept()
    raise OurError("broken")


async def fail_after_close(ws: WebSocket) -> None:
    await ws.accept()
    await ws.close(1011)
    raise OurError("broken")


@pytest.mark.parametrize("endpoint", [fail_at_once, fail_after_accept, fail_after_close])
async def test_websocket_error_of_application_is_raised(endpoint: Socket) -> None:
    async with PateraTestClient(make_socket_app(endpoint)) as client:
        with pytest.raises(OurError, match="broken"):
            async with client.websocket("/ws") as ws:
                await ws.receive_text()


async def test_websocket_error_of_application_is_raised_though_nothing_was_read() -> None:
    async with PateraTestClient(make_socket_app(fail_after_accept)) as client:
        with pytest.raises(OurError, match="broken"):
            async with client.websocket("/ws"):
                pass


async def test_websocket_error_that_the_test_has_seen_is_not_raised_again() -> None:
    async with PateraTestClient(make_socket_app(fail_after_accept)) as client, client.websocket("/ws") as ws:
        with pytest.raises(OurError):
            await ws.receive_text()


@pytest.mark.parametrize(("endpoint", "code"), [(fail_after_accept, 1006), (fail_after_close, 1011)])
async def test_websocket_error_of_application_is_a_close_on_demand(endpoint: Socket, code: int) -> None:
    client = PateraTestClient(make_socket_app(endpoint), raise_app_exceptions=False)
    async with client, client.websocket("/ws") as ws:
        with pytest.raises(WebSocketClosed) as closed:
            await ws.receive_text()
    assert closed.value.code == code


async def test_websocket_error_before_accept_is_a_rejection_on_demand() -> None:
    async with PateraTestClient(make_socket_app(fail_at_once), raise_app_exceptions=False) as client:
        with pytest.raises(WebSocketRejected) as rejected:
            await client.websocket("/ws").__aenter__()
    assert rejected.value.status_code == 500


async def test_websocket_error_of_the_test_is_not_replaced() -> None:
    async with PateraTestClient(make_socket_app(fail_after_close)) as client:
        with pytest.raises(LookupError):
            async with client.websocket("/ws"):
                raise LookupError


async def test_websocket_client_that_left_is_no_error() -> None:
    async def listen(ws: WebSocket) -> None:
        await ws.accept()
        while True:
            await ws.receive_text()

    async with PateraTestClient(make_socket_app(listen)) as client, client.websocket("/ws") as ws:
        await ws.send_text("hello")


async def test_websocket_send_to_client_that_left_fails_in_the_application() -> None:
    errors: list[BaseException] = []

    async def answer_late(ws: WebSocket) -> None:
        await ws.accept()
        await ws.receive()
        await ws.receive()
        try:
            await ws.send_text("too late")
        except WebSocketDisconnect as error:
            errors.append(error)
            raise

    async with PateraTestClient(make_socket_app(answer_late)) as client, client.websocket("/ws") as ws:
        await ws.send_text("hello")
    assert len(errors) == 1


async def test_websocket_message_after_own_close_fails_in_the_application() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})
        await send({"type": "websocket.close", "code": 1000})

    client = PateraTestClient(app)
    with pytest.raises(RuntimeError, match=r"unexpected ASGI message 'websocket\.close'"):
        async with client.websocket("/ws"):
            pass
    await client.close()


async def test_websocket_silent_application_ends_the_waiting() -> None:
    client = PateraTestClient(make_socket_app(echo_socket))
    async with client, client.websocket("/ws", timeout=0.1) as ws:
        with pytest.raises(TimeoutError, match=r"sent nothing for 0\.1 seconds"):
            await ws.receive_text()


async def hang(ws: WebSocket) -> None:
    await ws.accept()
    await asyncio.Event().wait()


async def test_websocket_hanging_application_is_cancelled_and_named() -> None:
    async with PateraTestClient(make_socket_app(hang)) as client:
        with pytest.raises(TimeoutError, match=r"went on for 0\.1 seconds after the websocket was closed"):
            async with client.websocket("/ws", timeout=0.1):
                pass
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("websocket ")]


async def test_websocket_hanging_application_does_not_replace_error_of_the_test() -> None:
    async with PateraTestClient(make_socket_app(hang)) as client:
        with pytest.raises(LookupError):
            async with client.websocket("/ws", timeout=0.1):
                raise LookupError


async def test_websocket_application_that_never_answers_the_handshake_is_cancelled() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    client = PateraTestClient(app)
    with pytest.raises(TimeoutError):
        await client.websocket("/ws", timeout=0.1).__aenter__()
    await client.close()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("websocket ")]


# Patera applications


class Clock(BaseExtension):
    """Tells the time that is its state, and counts how often it was stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.stops = 0

    def init_app(self, app: Patera) -> str:
        return "noon"

    async def shutdown(self, app: Patera) -> None:
        self.stops += 1


clock = Clock()


class Api(Controller):
    @get("/time")
    async def time(self, req: Any) -> dict[str, Any]:
        return {"time": clock.state, "page_size": self.app.get_conf("PAGE_SIZE")}

    @socket("/ws")
    async def echo(self, req: Any) -> None:
        await req.accept()
        async for text in req.iter_text():
            await req.send_text(text)

    @socket("/broken")
    async def broken(self, req: Any) -> None:
        await req.accept()
        raise OurError("broken")


class Commands(CLIController):
    @command("greet")
    async def greet(self, name: str, greeting: str = "Hello", loud: bool = False) -> str:
        text = f"{greeting}, {name}!"
        print(text.upper() if loud else text)  # noqa: T201 - what commands do
        return text

    @command("time")
    def time(self) -> str:
        return str(clock.state)

    @command("loop")
    async def loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    @command("fail")
    def fail(self) -> None:
        raise OurError("broken")

    @command("leave")
    def leave(self, word: str = "") -> None:
        raise SystemExit(word or None)


@pytest.fixture
def application(make_app: MakeApp) -> Patera:
    return make_app(Api, EXTENSIONS=[clock], CLI_CONTROLLERS=[Commands], PAGE_SIZE=20)


async def test_patera_application_is_running_inside_the_block(application: Patera) -> None:
    async with PateraTestClient(application) as client:
        assert running_applications == [application]
        assert (await client.get("/time")).json() == {"time": "noon", "page_size": 20}
    assert running_applications == []


async def test_patera_failing_startup_raises_with_the_message_of_the_step(application: Patera) -> None:
    class Application(type(application)):  # type: ignore[misc]
        @on_startup
        async def connect(self) -> None:
            raise OurError("no database")

    with pytest.raises(RuntimeError, match="OurError: no database") as caught:
        await PateraTestClient(Application()).__aenter__()
    assert isinstance(caught.value.__cause__, OurError)


async def test_patera_build_mistake_is_raised_on_entering(make_app: MakeApp) -> None:
    class Broken(Controller):
        @get("/<unknown:x>")
        async def show(self, req: Any, x: Any) -> None: ...

    with pytest.raises(Exception, match=r"Broken\.show"):
        await PateraTestClient(make_app(Broken)).__aenter__()


async def test_patera_websocket_echoes(application: Patera) -> None:
    async with PateraTestClient(application) as client, client.websocket("/ws") as ws:
        await ws.send_text("hello")
        assert await ws.receive_text() == "hello"


async def test_patera_websocket_unhandled_error_closes_with_1011_and_is_raised(application: Patera) -> None:
    async with PateraTestClient(application) as client:
        with pytest.raises(OurError):
            async with client.websocket("/broken") as ws:
                assert (await ws.receive())["code"] == 1011


async def test_close_without_block_closes_what_extensions_opened(application: Patera) -> None:
    stops = clock.stops
    client = PateraTestClient(application)
    await client.get("/time")
    await client.close()
    await client.close()
    assert clock.stops == stops + 1


async def test_close_of_second_client_leaves_the_running_application_alone(application: Patera) -> None:
    async with PateraTestClient(application):
        stops = clock.stops
        await PateraTestClient(application, lifespan=False).close()
        assert clock.stops == stops


async def test_cli_positions_and_names_give_the_result(application: Patera) -> None:
    async with PateraTestClient(application) as client:
        result = await client.cli("greet", "Alice", greeting="Good day", loud=True)
    assert (result.exit_code, result.output, result.errors) == (0, "GOOD DAY, ALICE!\n", "")
    assert result.value == "Good day, Alice!"


async def test_cli_false_is_a_flag_too(application: Patera) -> None:
    async with PateraTestClient(application) as client:
        assert (await client.cli("greet", "Alice", loud=False)).output == "Hello, Alice!\n"


async def test_cli_runs_in_the_loop_of_the_test(application: Patera) -> None:
    async with PateraTestClient(application) as client:
        assert (await client.cli("loop")).value is asyncio.get_running_loop()


async def test_cli_command_finds_the_application_of_its_extensions(application: Patera, make_app: MakeApp) -> None:
    async with PateraTestClient(make_app(EXTENSIONS=[clock])), PateraTestClient(application) as client:
        assert (await client.cli("time")).value == "noon"


async def test_cli_failing_command_has_exit_code_and_error(application: Patera) -> None:
    async with PateraTestClient(application) as client:
        result = await client.cli("fail")
    assert (result.exit_code, result.errors) == (1, "Error: OurError: broken (--debug shows the traceback)\n")


async def test_cli_wrong_words_end_with_2(application: Patera) -> None:
    async with PateraTestClient(application) as client:
        result = await client.cli("greet")
    assert result.exit_code == 2
    assert "Missing argument 'NAME'" in result.errors


@pytest.mark.parametrize(("words", "code", "errors"), [([], 0, ""), (["no disk"], 1, "no disk\n")])
async def test_cli_system_exit_means_what_it_means_to_python(
    application: Patera, words: list[str], code: int, errors: str
) -> None:
    async with PateraTestClient(application) as client:
        result = await client.cli("leave", *words)
    assert (result.exit_code, result.errors) == (code, errors)


async def test_override_extension_state_is_replaced_inside_the_block(application: Patera) -> None:
    async with PateraTestClient(application) as client:
        with client.override(clock, "midnight"):
            assert (await client.get("/time")).json()["time"] == "midnight"
        assert (await client.get("/time")).json()["time"] == "noon"


async def test_override_config_value_is_replaced_inside_the_block(application: Patera) -> None:
    async with PateraTestClient(application) as client:
        with client.override(config={"PAGE_SIZE": 2}):
            assert (await client.get("/time")).json()["page_size"] == 2
        assert (await client.get("/time")).json()["page_size"] == 20


def test_override_is_undone_when_the_block_fails(application: Patera) -> None:
    client = PateraTestClient(application)
    with pytest.raises(LookupError), client.override(clock, "midnight", config={"PAGE_SIZE": 2}):
        raise LookupError
    assert (application.extension_states[clock], application.configs["PAGE_SIZE"]) == ("noon", 20)


def test_override_unknown_config_value_names_the_closest(application: Patera) -> None:
    client = PateraTestClient(application)
    with pytest.raises(MissingConfiguration, match="Did you mean 'PAGE_SIZE'"), client.override(config={"PAGE_SIZ": 2}):
        pass


def test_override_extension_of_another_application_is_refused(application: Patera) -> None:
    with pytest.raises(KeyError), PateraTestClient(application).override(Clock(), "midnight"):
        pass
