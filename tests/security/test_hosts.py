"""`Host` and `ALLOWED_HOSTS`: what names no host, or another one, is refused before any code of the application."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from patera import Patera, Request, Response
from patera.controller import Controller, get, path
from patera.exceptions import ConfigurationError, ExceptionHandler, handles
from patera.testing import PateraTestClient, WebSocketRejected
from tests.security.site import EVERYWHERE, PassOn, Site, send_raw, with_mount

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]

NOT_ALLOWED = {"status": "error", "message": "Host not allowed"}
ALLOWED = ["ok.example", "*.shop.example"]


@pytest.fixture(params=["inline", "wrapped"])
def make(request: pytest.FixtureRequest, make_app: MakeApp) -> MakeApp:
    """`make_app` in one of the edge's two forms, in production."""
    outer = [PassOn] if request.param == "wrapped" else []

    def make(**values: Any) -> Patera:
        return with_mount(make_app(Site, **{"MIDDLEWARE": outer, "DEBUG": False, **values}))

    return make


@pytest.mark.parametrize(
    "host",
    [
        "ok.example",
        "OK.Example",
        "ok.example:8443",
        "ok.example.",
        "a.shop.example",
        "a.b.shop.example:80",
    ],
)
async def test_host_that_is_listed_is_let_in(make: MakeApp, client: Connect, host: str) -> None:
    http = await client(make(ALLOWED_HOSTS=ALLOWED))
    for _ in range(2):
        assert (await http.get("/site/", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evilok.example",
        "ok.example.evil.example",
        "shop.example",
        "evilshop.example",
        "a.shop.example.evil.example",
        "127.0.0.1",
        "[::1]",
    ],
)
async def test_host_that_is_not_listed_is_refused(make: MakeApp, client: Connect, host: str) -> None:
    """A29."""
    response = await (await client(make(ALLOWED_HOSTS=ALLOWED))).get("/site/", headers={"host": host})
    assert (response.status_code, response.json()) == (400, NOT_ALLOWED)


@pytest.mark.parametrize("url", EVERYWHERE)
async def test_host_that_is_not_listed_is_refused_everywhere(make: MakeApp, client: Connect, url: str) -> None:
    response = await (await client(make(ALLOWED_HOSTS=ALLOWED))).get(url, headers={"host": "evil.example"})
    assert (response.status_code, response.json()) == (400, NOT_ALLOWED)


async def test_answer_to_a_refused_host_has_the_headers_of_the_edge(make: MakeApp, client: Connect) -> None:
    http = await client(make(ALLOWED_HOSTS=ALLOWED))
    response = await http.get("/site/", headers={"host": "evil.example", "x-request-id": "abc"})
    found = [response.headers.get_list(name) for name in ("x-request-id", "x-content-type-options", "content-type")]
    assert found == [["abc"], ["nosniff"], ["application/json"]]


async def test_answer_to_a_refused_host_follows_the_error_format(make: MakeApp, client: Connect) -> None:
    http = await client(make(ALLOWED_HOSTS=ALLOWED, ERROR_FORMAT="problem"))
    response = await http.get("/site/", headers={"host": "evil.example"})
    assert (response.json()["detail"], response.headers["content-type"]) == (
        "Host not allowed",
        "application/problem+json",
    )


async def test_refused_head_request_has_no_body(make: MakeApp, client: Connect) -> None:
    response = await (await client(make(ALLOWED_HOSTS=ALLOWED))).head("/site/", headers={"host": "evil.example"})
    assert (response.status_code, response.content) == (400, b"")


async def test_refused_host_reaches_no_exception_handler(make: MakeApp, client: Connect) -> None:
    seen: list[str] = []

    class Handlers(ExceptionHandler):
        @handles(Exception)
        async def note(self, req: Request, exc: Exception) -> Response:
            seen.append(str(req.url))
            return req.res.text("handled")

    http = await client(make(ALLOWED_HOSTS=ALLOWED, EXCEPTION_HANDLERS=[Handlers]))
    assert (await http.get("/nowhere", headers={"host": "evil.example"})).json() == NOT_ALLOWED
    assert seen == []


@pytest.mark.parametrize("url", ["/site/ws", "/mounted/ws", "/nowhere"])
async def test_websocket_of_a_host_that_is_not_listed_is_refused(make: MakeApp, client: Connect, url: str) -> None:
    http = await client(make(ALLOWED_HOSTS=ALLOWED))
    with pytest.raises(WebSocketRejected) as caught:
        async with http.websocket(url, headers={"host": "evil.example"}):
            pass
    assert caught.value.code == 4400


async def test_websocket_of_a_listed_host_is_let_in(make: MakeApp, client: Connect) -> None:
    async with (await client(make(ALLOWED_HOSTS=ALLOWED))).websocket("/site/ws", headers={"host": "ok.example"}) as ws:
        assert (await ws.receive_text()).startswith("ws://ok.example/site/ws")


@pytest.mark.parametrize(
    "hosts",
    [
        ["a.example", "b.example"],
        ["a.example", "a.example"],
        ["a.example/path"],
        ["user@a.example"],
        ["a.example b.example"],
        ["a.example,b.example"],
        ["a.example:port"],
        ["a.example:80:80"],
        ["a.example#"],
        ["a.example?x"],
        ["a.example\\b"],
        ["\xe9.example"],
        ["%61.example"],
        ["[::1"],
        ["::1"],
        ["a" * 300],
        [""],
    ],
    ids=repr,
)
async def test_malformed_host_is_refused_even_where_any_is_allowed(make: MakeApp, hosts: list[str]) -> None:
    """A28."""
    status, headers, body = await send_raw(make(), [("host", host) for host in hosts])
    assert (status, body) == (400, b'{"status":"error","message":"Malformed Host header"}')
    assert headers["content-length"] == str(len(body))


@pytest.mark.parametrize("host", ["localhost", "a_b.example", "xn--bcher-kva.example", "[::1]:8000", "127.0.0.1:1"])
async def test_host_is_any_where_none_is_listed(make: MakeApp, host: str) -> None:
    assert (await send_raw(make(), [("host", host)]))[0] == 200


async def test_host_may_only_be_missing_before_http_1_1(make: MakeApp) -> None:
    """A28."""
    application = make()
    found = [(await send_raw(application, [], http_version=version))[0] for version in ("1.0", "1.1")]
    assert found == [200, 400]


async def test_host_may_not_be_missing_where_hosts_are_listed(make: MakeApp) -> None:
    status, _, body = await send_raw(make(ALLOWED_HOSTS=ALLOWED), [], http_version="1.0")
    assert (status, body) == (400, b'{"status":"error","message":"Host header missing"}')


async def test_star_allows_any_host(make: MakeApp, client: Connect) -> None:
    response = await (await client(make(ALLOWED_HOSTS=["*"]))).get("/site/", headers={"host": "evil.example"})
    assert response.status_code == 200


async def test_more_hosts_than_are_remembered_are_all_let_in(make: MakeApp) -> None:
    application = make(ALLOWED_HOSTS=["*.shop.example"])
    found = {(await send_raw(application, [("host", f"a{number}.shop.example")]))[0] for number in range(1100)}
    assert found == {200}


async def test_mounted_application_keeps_its_own_hosts(make_app: MakeApp, client: Connect) -> None:
    inner = make_app(Site, ALLOWED_HOSTS=["inner.example"], DEBUG=False)
    outer = make_app(DEBUG=False)
    outer.mount("/inner", inner)
    http = await client(outer)
    found = [await http.get("/inner/site/", headers={"host": host}) for host in ("inner.example", "outer.example")]
    assert [response.status_code for response in found] == [200, 400]
    assert found[1].headers.get_list("x-request-id")[1:] == []


async def test_application_below_another_framework_checks_hosts(make_app: MakeApp) -> None:
    inner = make_app(Site, DEBUG=False)
    outer = Starlette(routes=[Mount("/inner", app=inner)])
    scope = {"path": "/inner/site/", "raw_path": b"/inner/site/"}
    assert (await send_raw(outer, [("host", "a b")], **scope))[0] == 400
    assert (await send_raw(outer, [("host", "a")], **scope))[0] == 200


async def test_refused_request_stands_in_the_request_log(make: MakeApp, client: Connect) -> None:
    application = make(ALLOWED_HOSTS=ALLOWED, REQUEST_LOG=True)
    await (await client(application)).get("/site/", headers={"host": "evil.example"})
    lines = [record["message"] for record in application.log_buffer.get_all()]
    assert "GET '/site/' 400" in lines


@pytest.mark.parametrize(
    "entry", ["https://ok.example", "ok.example:8000", "ok.example/x", ".ok.example", "a.*.example", "", "ok example"]
)
def test_entry_that_no_host_matches_is_a_mistake(make_app: MakeApp, entry: str) -> None:
    with pytest.raises(ConfigurationError, match="PAT540") as caught:
        make_app(ALLOWED_HOSTS=[entry]).build()
    assert "ALLOWED_HOSTS" in str(caught.value)


def test_empty_list_of_hosts_is_a_mistake(make_app: MakeApp) -> None:
    with pytest.raises(ConfigurationError, match="refuses every request"):
        make_app(ALLOWED_HOSTS=[]).build()


# The size of all headers


@pytest.mark.parametrize(
    "headers",
    [
        [("x-a", "b" * 200_000)],
        [("x" * 200_000, "b")],
        [(f"x-{number}", "b" * 100) for number in range(2_000)],
    ],
    ids=["value", "name", "count"],
)
async def test_headers_beyond_the_limit_are_431(make: MakeApp, headers: list[tuple[str, str]]) -> None:
    """A31."""
    status, found, body = await send_raw(make(), [("host", "a"), *headers])
    assert (status, body) == (431, b'{"status":"error","message":"Request headers too large"}')
    assert found["x-content-type-options"] == "nosniff"


async def test_headers_within_the_limit_pass(make: MakeApp) -> None:
    assert (await send_raw(make(), [("host", "a"), ("cookie", "a=" + "b" * 60_000)]))[0] == 200


async def test_limit_of_headers_is_configurable(make: MakeApp) -> None:
    headers = [("host", "a"), ("x-a", "b" * 200)]
    found = [(await send_raw(make(MAX_HEADER_SIZE=size), headers))[0] for size in (100, 208, None)]
    assert found == [431, 200, 200]


async def test_websocket_with_headers_beyond_the_limit_is_refused(make: MakeApp, client: Connect) -> None:
    http = await client(make(MAX_HEADER_SIZE=1000))
    with pytest.raises(WebSocketRejected) as caught:
        async with http.websocket("/site/ws", headers={"x-a": "b" * 1000}):
            pass
    assert caught.value.code == 4431


async def test_request_id_of_a_client_is_kept_behind_other_headers(make_app: MakeApp) -> None:
    @path("/ids")
    class Ids(Controller):
        @get("/")
        async def show(self, req: Request) -> Response:
            return req.res.text(req.request_id)

    headers = [("x-request-id", "no id"), ("x-request-id", "first"), ("x-request-id", "second"), ("host", "a")]
    _, found, body = await send_raw(make_app(Ids), headers, path="/ids/", raw_path=b"/ids/")
    assert (found["x-request-id"], body) == ("first", b"first")
