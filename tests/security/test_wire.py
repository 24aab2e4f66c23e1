"""The same rules over real sockets, for each of uvicorn's parsers: some of it one of them refuses by itself."""

from collections.abc import AsyncIterator, Callable

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from patera import Patera
from tests.hostile.wire import parse_answer, send_octets
from tests.security.site import Site
from tests.server import Server, raw_request, run_server

MakeApp = Callable[..., Patera]

GET = b"GET /site/ HTTP/1.1\r\nconnection: close\r\n"


@pytest.fixture(params=["httptools", "h11"])
async def server(request: pytest.FixtureRequest, make_app: MakeApp) -> AsyncIterator[Server]:
    application = make_app(Site, ALLOWED_HOSTS=["ok.example", "127.0.0.1"], DEBUG=False)
    async with run_server(application, http=request.param) as running:
        running.output.append(request.param)
        yield running


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"host: ok.example\r\n", 200),
        (b"host: ok.example:80\r\n", 200),
        (b"", 400),
        (b"host: ok.example\r\nhost: ok.example\r\n", 400),
        (b"host: ok.example\r\nhost: evil.example\r\n", 400),
        (b"host: evilok.example\r\n", 400),
        (b"host: ok.example.evil.example\r\n", 400),
        (b"host: ok.example@evil.example\r\n", 400),
        (b"host: ok.example/path\r\n", 400),
        (b"host: ok.example evil.example\r\n", 400),
        (b"host: ok.example\r\nx-forwarded-host: evil.example\r\n", 200),
    ],
    ids=[
        "listed",
        "with port",
        "none",
        "twice",
        "two",
        "prefix",
        "suffix",
        "userinfo",
        "path",
        "space",
        "forwarded by nobody",
    ],
)
async def test_request_is_answered_as_its_headers_deserve(server: Server, headers: bytes, status: int) -> None:
    """A28, A29, A30."""
    answer = await raw_request(server.port, GET + headers + b"\r\n")
    assert status_of(answer) == status
    if status == 200:
        assert b'"url":"http://ok.example' in answer


@pytest.mark.parametrize("headers", [b"cookie: a=" + b"b" * 200_000 + b"\r\n", b"x-a: b\r\n" * 20_000])
async def test_headers_of_200_kilobytes_are_refused(server: Server, headers: bytes) -> None:
    """A31; the parser that has a limit of its own may close before it has read them."""
    answer = await send_octets(server.port, GET + b"host: ok.example\r\n" + headers + b"\r\n")
    expected = {431} if server.output[0] == "httptools" else {0, 400}
    assert parse_answer(answer).status in expected


async def test_websocket_of_another_page_with_cookies_is_refused_with_403(server: Server) -> None:
    """S26."""
    url, cookies = f"ws://127.0.0.1:{server.port}/site/ws", {"cookie": "session=abc"}
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url, origin=Origin("https://evil.example"), additional_headers=cookies):
            pass
    assert refused.value.response.status_code == 403
    own = Origin(f"http://127.0.0.1:{server.port}")
    async with connect(url, origin=own, additional_headers=cookies) as ws:
        assert str(await ws.recv()).startswith("ws://127.0.0.1")


async def test_websocket_for_another_host_is_refused_with_403(server: Server) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"ws://localhost:{server.port}/site/ws", host="127.0.0.1", additional_headers={}):
            pass
    assert refused.value.response.status_code == 403
