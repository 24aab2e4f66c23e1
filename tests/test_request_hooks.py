"""What extensions add to a request: a last look at the response, and the meaning of foreign errors."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from patera import Patera, Request, Response
from patera.controller import Controller, get, path, socket
from patera.exceptions import BaseHttpException, CustomException, ExceptionHandler, handles
from patera.extension import BaseExtension
from patera.request import current_request
from patera.testing import PateraTestClient, WebSocketRejected

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]


class Busy(CustomException):
    pass


class Shop(BaseExtension):
    """Says that a busy shop is a 503."""

    def init_app(self, app: Patera) -> None:
        pass

    def translate_error(self, error: Exception, request: Request) -> BaseHttpException | None:
        if isinstance(error, Busy):
            return BaseHttpException(f"{request.path} is busy", 503, headers={"retry-after": "1"})
        return None


class SilentShop(Shop):
    def translate_error(self, error: Exception, request: Request) -> BaseHttpException | None:
        return None


def mark(request: Request, response: Any) -> None:
    response.headers["x-seen"] = str(response.status_code)


async def mark_later(request: Request, response: Any) -> None:
    response.headers["x-later"] = request.method


async def fail(request: Request, response: Any) -> None:
    raise Busy


@path("/")
class Api(Controller):
    @get("/ok")
    async def show(self, req: Request) -> Response:
        req.before_send(mark)
        req.before_send(mark)
        req.before_send(mark_later)
        return req.res.json({})

    @get("/plain")
    async def plain(self, req: Request) -> Any:
        req.before_send(mark)
        return PlainTextResponse("plain", 202)

    @get("/stream")
    async def stream(self, req: Request) -> Response:
        req.before_send(mark)
        return req.res.stream_text(iter(["a", "b"]))

    @get("/nested")
    async def nested(self, req: Request) -> Response:
        req.before_send(lambda request, response: request.before_send(mark))
        return req.res.json({})

    @get("/too-late")
    async def note_too_late(self, req: Request) -> Response:
        before = req.is_answered

        async def lines() -> AsyncIterator[str]:
            yield f"{before} {req.is_answered} "
            try:
                req.before_send(mark)
            except RuntimeError as error:
                yield str(error)

        return req.res.stream_text(lines())

    @get("/current")
    async def current(self, req: Request) -> bool:
        return current_request() is req

    @get("/current-in-thread")
    def current_in_thread(self, req: Request) -> bool:
        return current_request() is req

    @get("/error")
    async def error(self, req: Request) -> Response:
        req.before_send(mark)
        raise Busy

    @get("/failing")
    async def failing(self, req: Request) -> Response:
        req.before_send(fail)
        req.before_send(mark)
        return req.res.json({}).set_cookie("a", "1")

    @socket("/socket")
    async def talk(self, req: Request) -> None:
        raise Busy


class Handlers(ExceptionHandler):
    @handles(Busy)
    async def busy(self, req: Request, exc: Busy) -> Response:
        return req.res.json({"own": True}).status(429)


@pytest.fixture
async def http(make_app: MakeApp, client: Connect) -> PateraTestClient:
    return await client(make_app(Api, EXTENSIONS=[SilentShop(configs_name="SILENT"), Shop()], DEBUG=False))


@pytest.mark.parametrize(("path", "status"), [("/ok", 200), ("/plain", 202), ("/stream", 200), ("/error", 503)])
async def test_before_send_sees_every_kind_of_answer(http: PateraTestClient, path: str, status: int) -> None:
    response = await http.get(path)
    assert (response.status_code, response.headers.get_list("x-seen")) == (status, [str(status)])


async def test_before_send_awaits_coroutine_functions(http: PateraTestClient) -> None:
    assert (await http.get("/ok")).headers["x-later"] == "GET"


async def test_before_send_noted_by_another_one_runs_too(http: PateraTestClient) -> None:
    assert (await http.get("/nested")).headers["x-seen"] == "200"


async def test_before_send_is_refused_once_the_response_is_being_sent(http: PateraTestClient) -> None:
    text = (await http.get("/too-late")).text
    assert text == "False True before_send() was called when the response was being sent already"


async def test_current_request_is_the_one_being_answered(http: PateraTestClient) -> None:
    assert [(await http.get(url)).json() for url in ("/current", "/current-in-thread")] == [True, True]
    assert current_request() is None


async def test_error_of_before_send_is_answered_without_headers_of_the_lost_answer(http: PateraTestClient) -> None:
    response = await http.get("/failing")
    assert (response.status_code, response.headers["x-seen"]) == (503, "503")
    assert "set-cookie" not in response.headers


async def test_extension_gives_an_unhandled_error_its_answer(http: PateraTestClient) -> None:
    response = await http.get("/error")
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert response.json() == {"status": "error", "message": "/error is busy", "data": None}


async def test_handler_of_application_comes_before_the_extension(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(Api, EXTENSIONS=[Shop()], EXCEPTION_HANDLERS=[Handlers], DEBUG=False))
    response = await http.get("/error")
    assert (response.status_code, response.json()) == (429, {"own": True})


async def test_translated_error_closes_a_websocket_with_its_status(http: PateraTestClient) -> None:
    with pytest.raises(WebSocketRejected) as refused:
        async with http.websocket("/socket"):
            pass
    assert refused.value.code == 4503
