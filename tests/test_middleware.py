"""Middleware: around every HTTP request, errors passing it as exceptions, mounts as foreign responses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from patera import Patera, Request, Response
from patera._types import ASGIApp, Message, Receive, Scope, Send
from patera.controller import Controller, get, path, post
from patera.exceptions import ConfigurationError, ExceptionHandler, NotFound, abort, handles
from patera.middleware import MiddlewareBase
from patera.response import ForeignResponse
from patera.testing import PateraTestClient

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]
Answer = Callable[[Any, Request], Awaitable[Any]]


class Item(BaseModel):
    name: str


class Users(Controller):
    @get("/")
    async def show(self, req: Request) -> dict[str, str]:
        return {"name": "ada"}

    @get("/model")
    async def model(self, req: Request) -> Item:
        return {"name": "ada", "undeclared": 1}  # type: ignore[return-value]

    @get("/nothing")
    async def nothing(self, req: Request) -> None: ...

    @get("/text")
    def text(self, req: Request) -> str:
        return "text"

    @get("/stream")
    async def stream(self, req: Request) -> Response:
        return req.res.stream_text(["a", "b"])

    @get("/starlette")
    async def starlette(self, req: Request) -> Any:
        return PlainTextResponse("starlette")

    @get("/lookup")
    async def lookup(self, req: Request) -> None:
        raise LookupError("no such user")

    @get("/abort")
    async def aborts(self, req: Request) -> None:
        abort("gone", 410)

    @get("/crash")
    async def crash(self, req: Request) -> None:
        raise ValueError("secret")

    @post("/")
    async def make(self, req: Request, item: Item) -> Item:
        return item


class Handlers(ExceptionHandler):
    @handles(LookupError)
    async def missing(self, req: Request, exc: LookupError) -> Any:
        return {"missing": str(exc), "noted": getattr(req.state, "noted", None)}, 404


def make_middleware(answer: Answer, name: str = "Middle") -> type[MiddlewareBase]:
    """Return a middleware class whose method is `answer(self, req)`."""
    return type(name, (MiddlewareBase,), {"middleware": answer})


async def stamp(self: Any, req: Request) -> Any:
    response = await self.next(req)
    response.headers["x-stamp"] = "1"
    return response


Stamping = make_middleware(stamp, "Stamping")


# What it sees


@pytest.mark.parametrize("path", ["/", "/model", "/text", "/stream", "/starlette", "/nothing"])
async def test_middleware_sees_a_response_whatever_the_handler_returned(
    make_app: MakeApp, client: Connect, path: str
) -> None:
    seen: list[tuple[bool, Any]] = []

    async def look(self: Any, req: Request) -> Any:
        response = await self.next(req)
        seen.append((hasattr(response, "headers"), response.status_code))
        return response

    response = await (await client(make_app(Users, MIDDLEWARE=[make_middleware(look)]))).get(path)
    assert seen == [(True, response.status_code)]


async def test_middleware_sees_the_finished_body(make_app: MakeApp, client: Connect) -> None:
    seen: list[bytes] = []

    async def look(self: Any, req: Request) -> Any:
        response = await self.next(req)
        seen.append(response.body)
        return response

    await (await client(make_app(Users, MIDDLEWARE=[make_middleware(look)]))).get("/model")
    assert seen == [b'{"name":"ada"}']


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nope", 404), ("PUT", "/", 405), ("GET", "/static/nope.css", 404), ("GET", "/openapi/specs.json", 200)],
)
async def test_middleware_sees_requests_that_no_controller_answers(
    make_app: MakeApp, client: Connect, method: str, path: str, status: int
) -> None:
    seen: list[str] = []

    async def look(self: Any, req: Request) -> Any:
        seen.append(req.path)
        return await self.next(req)

    http = await client(make_app(Users, MIDDLEWARE=[make_middleware(look)]))
    assert ((await http.request(method, path)).status_code, seen) == (status, [path])


async def test_first_middleware_of_the_list_is_outermost(make_app: MakeApp, client: Connect) -> None:
    events: list[str] = []

    def noting(name: str) -> type[MiddlewareBase]:
        async def note(self: Any, req: Request) -> Any:
            events.append(f"{name} in")
            response = await self.next(req)
            events.append(f"{name} out")
            return response

        return make_middleware(note, name)

    await (await client(make_app(Users, MIDDLEWARE=[noting("first"), noting("second")]))).get("/")
    assert events == ["first in", "second in", "second out", "first out"]


async def test_middleware_is_one_instance_that_knows_its_application(make_app: MakeApp, client: Connect) -> None:
    class Counting(MiddlewareBase):
        def __init__(self, app: Patera, next_app: Any) -> None:
            super().__init__(app, next_app)
            self.count = 0

        async def middleware(self, req: Request) -> Response:
            self.count += 1
            response = await self.next(req)
            response.headers["x-count"] = f"{self.app.app_name} {self.count}"
            return response

    http = await client(make_app(Users, MIDDLEWARE=[Counting]))
    assert [(await http.get("/")).headers["x-count"] for _ in range(2)] == ["Test 1", "Test 2"]


async def test_middleware_without_method_passes_requests_on(make_app: MakeApp, client: Connect) -> None:
    class Nothing(MiddlewareBase): ...

    assert (await (await client(make_app(Users, MIDDLEWARE=[Nothing]))).get("/")).json() == {"name": "ada"}


async def test_middleware_does_not_see_websockets_or_lifespan(make_app: MakeApp, client: Connect) -> None:
    from patera.controller import socket

    seen: list[str] = []

    class Talk(Controller):
        @socket("/ws")
        async def talk(self, req: Request) -> None:
            await req.accept()

    async def look(self: Any, req: Request) -> Any:
        seen.append(req.path)
        return await self.next(req)

    http = await client(make_app(Talk, MIDDLEWARE=[make_middleware(look)]))
    async with http.websocket("/ws"):
        """Opened and closed."""
    assert seen == []


async def test_state_of_middleware_is_readable_in_the_handler(make_app: MakeApp, client: Connect) -> None:
    class Reading(Controller):
        @get("/")
        async def show(self, req: Request) -> Any:
            return req.state.noted

    async def note(self: Any, req: Request) -> Any:
        req.state.noted = "by middleware"
        return await self.next(req)

    assert (
        await (await client(make_app(Reading, MIDDLEWARE=[make_middleware(note)]))).get("/")
    ).text == "by middleware"


# What it answers


@pytest.mark.parametrize(
    "make",
    [
        lambda req: req.res.text("short").status(429),
        lambda req: Response("short", 429),
        lambda req: PlainTextResponse("short", 429),
    ],
    ids=["req.res", "Response", "Starlette's"],
)
async def test_middleware_may_answer_itself(make_app: MakeApp, client: Connect, make: Any) -> None:
    async def answer(self: Any, req: Request) -> Any:
        return make(req)

    response = await (await client(make_app(Users, MIDDLEWARE=[make_middleware(answer)]))).get("/")
    assert (response.status_code, response.text) == (429, "short")


async def test_header_that_middleware_sets_is_sent(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(Users, MIDDLEWARE=[Stamping]))
    paths = ["/", "/text", "/stream", "/starlette", "/nothing"]
    assert [(await http.get(path)).headers["x-stamp"] for path in paths] == ["1"] * 5


async def test_body_that_middleware_sets_is_sent(make_app: MakeApp, client: Connect) -> None:
    async def change(self: Any, req: Request) -> Any:
        response = await self.next(req)
        return response.text("changed").status(203)

    response = await (await client(make_app(Users, MIDDLEWARE=[make_middleware(change)]))).get("/")
    assert (response.status_code, response.text) == (203, "changed")
    assert (response.headers["content-type"], response.headers["content-length"]) == ("text/plain; charset=utf-8", "7")


@pytest.mark.parametrize(
    ("returned", "shown"), [(None, "returned None"), ({"a": 1}, r"returned \{'a': 1\}"), ("text", "returned 'text'")]
)
async def test_middleware_that_returns_no_response_is_an_error_that_names_it(
    make_app: MakeApp, returned: Any, shown: str
) -> None:
    async def forget(self: Any, req: Request) -> Any:
        await self.next(req)
        return returned

    application = make_app(Users, MIDDLEWARE=[make_middleware(forget, "Forgetful")], DEBUG=True)
    with pytest.raises(TypeError, match=rf"test_middleware.Forgetful.middleware {shown}; it must return a Response"):
        await PateraTestClient(application).get("/")


async def test_middleware_that_forgets_to_await_is_told_so(make_app: MakeApp) -> None:
    async def forget(self: Any, req: Request) -> Any:
        return self.next(req)

    application = make_app(Users, MIDDLEWARE=[make_middleware(forget, "Forgetful")], DEBUG=True)
    with pytest.raises(
        TypeError, match=r"Forgetful.middleware returned <coroutine .*the one of `await self.next\(req\)`"
    ):
        await PateraTestClient(application).get("/")


# Errors


async def test_error_below_arrives_as_an_exception(make_app: MakeApp, client: Connect) -> None:
    seen: list[BaseException] = []

    async def look(self: Any, req: Request) -> Any:
        try:
            return await self.next(req)
        except Exception as error:
            seen.append(error)
            raise

    http = await client(make_app(Users, MIDDLEWARE=[make_middleware(look)], DEBUG=False))
    statuses = [(await http.get(path)).status_code for path in ("/lookup", "/abort", "/crash", "/nope")]
    assert statuses == [500, 410, 500, 404]
    assert [type(error).__name__ for error in seen] == ["LookupError", "AborterException", "ValueError", "NotFound"]


async def test_state_set_in_finally_is_readable_in_the_exception_handler(make_app: MakeApp, client: Connect) -> None:
    async def note(self: Any, req: Request) -> Any:
        try:
            return await self.next(req)
        finally:
            req.state.noted = "in finally"

    application = make_app(Users, MIDDLEWARE=[make_middleware(note)], EXCEPTION_HANDLERS=[Handlers])
    response = await (await client(application)).get("/lookup")
    assert (response.status_code, response.json()) == (404, {"missing": "no such user", "noted": "in finally"})


async def test_middleware_that_answers_an_error_keeps_exception_handlers_out(
    make_app: MakeApp, client: Connect
) -> None:
    async def answer(self: Any, req: Request) -> Any:
        try:
            return await self.next(req)
        except LookupError:
            return Response("by middleware", 404)

    application = make_app(Users, MIDDLEWARE=[make_middleware(answer)], EXCEPTION_HANDLERS=[Handlers])
    assert (await (await client(application)).get("/lookup")).text == "by middleware"


async def test_middleware_that_falls_back_to_res_keeps_nothing_of_the_failed_handler(
    make_app: MakeApp, client: Connect
) -> None:
    class Failing(Controller):
        @get("/")
        async def show(self, req: Request) -> None:
            req.res.set_header("x-half", "done").status(201)
            raise LookupError

    async def answer(self: Any, req: Request) -> Any:
        try:
            return await self.next(req)
        except LookupError:
            return req.fresh_response().text("by middleware")

    response = await (await client(make_app(Failing, MIDDLEWARE=[make_middleware(answer)]))).get("/")
    assert (response.status_code, response.text, "x-half" in response.headers) == (200, "by middleware", False)


async def test_error_of_middleware_goes_to_the_exception_handlers(make_app: MakeApp, client: Connect) -> None:
    async def fail(self: Any, req: Request) -> Any:
        raise LookupError("from middleware")

    application = make_app(Users, MIDDLEWARE=[make_middleware(fail)], EXCEPTION_HANDLERS=[Handlers])
    response = await (await client(application)).get("/")
    assert (response.status_code, response.json()["missing"]) == (404, "from middleware")


@pytest.mark.parametrize("when", ["on the way in", "on the way out"])
async def test_crash_of_middleware_is_a_500_with_cors_and_request_id(
    make_app: MakeApp, client: Connect, when: str
) -> None:
    async def fail(self: Any, req: Request) -> Any:
        if when == "on the way out":
            await self.next(req)
        raise ValueError("secret")

    http = await client(make_app(Users, MIDDLEWARE=[make_middleware(fail)], DEBUG=False))
    response = await http.get("/", headers={"origin": "https://a.example", "x-request-id": "abc"})
    assert (response.status_code, "secret" in response.text) == (500, False)
    assert (response.headers["access-control-allow-origin"], response.headers["x-request-id"]) == ("*", "abc")


async def test_error_answer_is_outside_of_middleware(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(Users, MIDDLEWARE=[Stamping]))
    assert "x-stamp" not in (await http.get("/abort")).headers


async def test_unfit_body_of_a_plain_handler_arrives_as_an_exception(make_app: MakeApp, client: Connect) -> None:
    class Unfit(Controller):
        @get("/")
        async def show(self, req: Request) -> Item:
            return {"nme": "ada"}  # type: ignore[return-value]

    seen: list[str] = []

    async def look(self: Any, req: Request) -> Any:
        try:
            return await self.next(req)
        except Exception as error:
            seen.append(type(error).__name__)
            raise

    response = await (await client(make_app(Unfit, MIDDLEWARE=[make_middleware(look)], DEBUG=False))).get("/")
    assert (response.status_code, seen) == (500, ["ResponseValidationError"])


async def test_cancellation_passes_middleware_untouched(make_app: MakeApp) -> None:
    is_inside, events = asyncio.Event(), list[str]()

    class Waiting(Controller):
        @get("/")
        async def wait(self, req: Request) -> None:
            is_inside.set()
            await asyncio.Event().wait()

    async def look(self: Any, req: Request) -> Any:
        try:
            return await self.next(req)
        finally:
            events.append("left")

    application = make_app(Waiting, MIDDLEWARE=[make_middleware(look)])
    task = asyncio.ensure_future(PateraTestClient(application).get("/"))
    await is_inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert events == ["left"]


# Mounts and foreign routes


async def tell(request: StarletteRequest) -> JSONResponse:
    return JSONResponse({"path": request.url.path}, 202, {"x-own": "inner", "x-kept": "inner"})


def make_foreign(*, fails: bool = False) -> Starlette:
    async def crash(request: StarletteRequest) -> JSONResponse:
        raise LookupError("inside of the mount")

    return Starlette(routes=[Route("/{rest:path}", crash if fails else tell)])


async def test_mount_appears_as_a_foreign_response(make_app: MakeApp, client: Connect) -> None:
    seen: list[Any] = []

    async def look(self: Any, req: Request) -> Any:
        response = await self.next(req)
        seen.append(response)
        response.headers["x-own"] = "outer"
        response.headers["x-more"] = "outer"
        return response

    application = make_app(Users, MIDDLEWARE=[make_middleware(look)])
    application.mount("/inner", make_foreign())
    response = await (await client(application)).get("/inner/x")
    assert (response.status_code, response.json()) == (202, {"path": "/inner/x"})
    assert [response.headers[name] for name in ("x-own", "x-kept", "x-more")] == ["outer", "inner", "outer"]
    assert isinstance(seen[0], ForeignResponse)


@pytest.mark.parametrize(("attribute", "message"), [("status_code", "not known before"), ("body", "cannot be read")])
async def test_status_and_body_of_a_mount_are_unknown_and_say_so(
    make_app: MakeApp, attribute: str, message: str
) -> None:
    async def look(self: Any, req: Request) -> Any:
        response = await self.next(req)
        getattr(response, attribute)
        return response

    application = make_app(Users, MIDDLEWARE=[make_middleware(look)], DEBUG=True)
    application.mount("/inner", make_foreign())
    with pytest.raises(AttributeError, match=message):
        await PateraTestClient(application).get("/inner/x")


async def test_mount_streams_through_middleware(make_app: MakeApp) -> None:
    """Nothing is held back: each chunk is sent before the next one is made."""
    events: list[str] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(2):
            events.append(f"made {number}")
            await send({"type": "http.response.body", "body": f"{number}".encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Message) -> None:
        if message.get("body"):
            events.append(f"sent {message['body'].decode()}")

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    application = make_app(Users, MIDDLEWARE=[Stamping])
    application.mount("/inner", inner)
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": "/inner/x", "raw_path": b"/inner/x", "query_string": b"", "root_path": "", "headers": [(b"host", b"x")],
    }  # fmt: skip
    await application(scope, receive, send)
    assert events == ["made 0", "sent 0", "made 1", "sent 1"]


async def test_cookie_of_middleware_stands_beside_that_of_a_mount(make_app: MakeApp, client: Connect) -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"set-cookie", b"inner=1")]})
        await send({"type": "http.response.body", "body": b""})

    async def add(self: Any, req: Request) -> Any:
        response = await self.next(req)
        response.headers.append("set-cookie", "outer=1")
        return response

    application = make_app(Users, MIDDLEWARE=[make_middleware(add)])
    application.mount("/inner", inner)
    response = await (await client(application)).get("/inner/x")
    assert response.headers.get_list("set-cookie") == ["inner=1", "outer=1"]


async def test_middleware_may_answer_for_a_mount(make_app: MakeApp, client: Connect) -> None:
    async def close(self: Any, req: Request) -> Any:
        return Response("closed", 503)

    application = make_app(Users, MIDDLEWARE=[make_middleware(close)])
    application.mount("/inner", make_foreign())
    assert (await (await client(application)).get("/inner/x")).text == "closed"


async def test_error_of_a_mount_before_its_start_goes_to_the_exception_handlers(
    make_app: MakeApp, client: Connect
) -> None:
    application = make_app(Users, MIDDLEWARE=[Stamping], EXCEPTION_HANDLERS=[Handlers])

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("inside of the mount")

    application.mount("/inner", inner)
    response = await (await client(application)).get("/inner/x")
    assert (response.status_code, response.json()["missing"]) == (404, "inside of the mount")


async def test_error_of_a_mount_after_its_start_propagates(make_app: MakeApp) -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise LookupError("in the middle")

    application = make_app(Users, MIDDLEWARE=[Stamping], EXCEPTION_HANDLERS=[Handlers])
    application.mount("/inner", inner)
    with pytest.raises(LookupError):
        await PateraTestClient(application).get("/inner/x")


async def test_foreign_route_appears_as_a_foreign_response(make_app: MakeApp, client: Connect) -> None:
    application = make_app(Users, MIDDLEWARE=[Stamping])
    application.router.routes.append(Route("/foreign", tell))
    response = await (await client(application)).get("/foreign")
    assert (response.status_code, response.headers["x-stamp"]) == (202, "1")


# ASGI middleware


class Asgi:
    """Plain ASGI middleware: adds a header, and answers `/own` itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/own":
            await PlainTextResponse("own")(scope, receive, send)
            return
        if scope["type"] == "http" and scope["path"] == "/fail":
            raise LookupError("from ASGI middleware")

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-asgi", b"1")]
            await send(message)

        await self.app(scope, receive, adding)


async def test_asgi_middleware_wraps_patera_middleware(make_app: MakeApp, client: Connect) -> None:
    response = await (await client(make_app(Users, MIDDLEWARE=[Asgi, Stamping]))).get("/")
    assert (response.headers["x-asgi"], response.headers["x-stamp"]) == ("1", "1")


@pytest.mark.parametrize("path", ["/", "/own", "/fail", "/crash"])
async def test_answers_below_asgi_middleware_have_the_edge_once(make_app: MakeApp, client: Connect, path: str) -> None:
    http = await client(make_app(Users, MIDDLEWARE=[Asgi], EXCEPTION_HANDLERS=[Handlers], DEBUG=False))
    response = await http.get(path, headers={"origin": "https://a.example", "x-request-id": "abc"})
    assert response.headers.get_list("access-control-allow-origin") == ["*"]
    assert response.headers.get_list("x-request-id") == ["abc"]


async def test_error_of_asgi_middleware_goes_to_the_exception_handlers(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(Users, MIDDLEWARE=[Asgi], EXCEPTION_HANDLERS=[Handlers]))
    response = await http.get("/fail")
    assert (response.status_code, response.json()["missing"]) == (404, "from ASGI middleware")


async def test_middleware_of_starlette_can_be_added(make_app: MakeApp, client: Connect) -> None:
    class Long(Controller):
        @get("/")
        async def show(self, req: Request) -> str:
            return "a" * 1000

    application = make_app(Long)
    application.add_middleware(GZipMiddleware, minimum_size=10)
    response = await (await client(application)).get("/", headers={"accept-encoding": "gzip"})
    assert (response.headers["content-encoding"], response.text) == ("gzip", "a" * 1000)


def test_asgi_middleware_behind_patera_middleware_is_a_mistake(make_app: MakeApp) -> None:
    with pytest.raises(ConfigurationError, match="ASGI middleware behind Stamping") as caught:
        make_app(Users, MIDDLEWARE=[Stamping, Asgi])
    assert [mistake.code for mistake in caught.value.mistakes] == ["PAT303"]


# Constructors


@pytest.mark.parametrize(
    ("constructor", "found"),
    [
        (lambda self: None, "its constructor raised TypeError: .* takes 1 positional argument but 3 were given"),
        (lambda self, app, next_app: None, r"it does not call super\(\).__init__\(app, next_app\)"),
        (lambda self, app, next_app: app.url_for("x"), "its constructor raised RuntimeError: .*url_for"),
    ],
    ids=["no arguments", "no super", "uses routes"],
)
def test_middleware_that_cannot_be_made_is_a_mistake(make_app: MakeApp, constructor: Any, found: str) -> None:
    broken = type("Broken", (MiddlewareBase,), {"__init__": constructor})
    with pytest.raises(ConfigurationError, match=found) as caught:
        make_app(Users, MIDDLEWARE=[broken]).build()
    (mistake,) = caught.value.mistakes
    assert (mistake.code, mistake.accepted) == ("PAT103", "a class that can be made as Broken(app, next_app)")


async def test_middleware_may_tell_a_missing_page(make_app: MakeApp, client: Connect) -> None:
    async def redirect(self: Any, req: Request) -> Any:
        try:
            return await self.next(req)
        except NotFound:
            return req.fresh_response().redirect("/")

    response = await (await client(make_app(Users, MIDDLEWARE=[make_middleware(redirect)]))).get("/nope")
    assert (response.status_code, response.headers["location"]) == (303, "/")


async def test_middleware_runs_for_a_mounted_patera_and_its_own_runs_inside(make_app: MakeApp, client: Connect) -> None:
    @path("/users")
    class Inner(Controller):
        @get("/")
        async def show(self, req: Request) -> str:
            return "inner"

    async def stamp_inner(self: Any, req: Request) -> Any:
        response = await self.next(req)
        response.headers["x-inner"] = self.app.app_name
        return response

    inner = make_app(Inner, MIDDLEWARE=[make_middleware(stamp_inner)], APP_NAME="Inner")
    outer = make_app(Users, MIDDLEWARE=[Stamping])
    outer.mount("/mounted", inner)
    response = await (await client(outer)).get("/mounted/users", headers={"origin": "https://a.example"})
    assert (response.text, response.headers["x-inner"], response.headers["x-stamp"]) == ("inner", "Inner", "1")
    assert response.headers.get_list("access-control-allow-origin") == ["*"]
