"""A websocket of another site's page, which comes with the user's cookies, is refused before it is accepted."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from patera import Patera, Request
from patera.controller import Controller, cors, no_cors, path, socket
from patera.testing import PateraTestClient, WebSocketRejected
from tests.security.site import PassOn, Site, with_mount

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]

EVIL, OK, OWN = "https://evil.example", "https://ok.example", "http://testserver"
COOKIE = {"cookie": "session=abc"}


@path("/chat")
class Chat(Controller):
    @socket("/default")
    async def default(self, req: Request) -> None:
        await req.accept()
        await req.send_text("hello")

    @socket("/listed")
    @cors(allow_origins=[OK])
    async def listed(self, req: Request) -> None:
        await req.accept()
        await req.send_text("hello")

    @socket("/off")
    @no_cors
    async def off(self, req: Request) -> None:
        await req.accept()
        await req.send_text("hello")


@pytest.fixture(params=["inline", "wrapped"])
def make(request: pytest.FixtureRequest, make_app: MakeApp) -> MakeApp:
    """`make_app` in one of the edge's two forms, in production."""
    outer = [PassOn] if request.param == "wrapped" else []

    def make(**values: Any) -> Patera:
        return with_mount(make_app(Chat, Site, **{"MIDDLEWARE": outer, "DEBUG": False, **values}))

    return make


async def is_accepted(http: PateraTestClient, url: str, headers: dict[str, str]) -> bool:
    try:
        async with http.websocket(url, headers=headers):
            return True
    except WebSocketRejected as refusal:
        return refusal.code != 4403


@pytest.mark.parametrize("url", ["/chat/default", "/chat/off", "/mounted/ws"])
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, True),
        (COOKIE, True),
        ({"origin": EVIL}, True),
        ({"origin": EVIL, **COOKIE}, False),
        ({"origin": "null", **COOKIE}, False),
        ({"origin": EVIL, "authorization": "Basic YTpi"}, False),
        ({"origin": EVIL, "authorization": "Bearer abc"}, True),
        ({"origin": OWN, **COOKIE}, True),
        ({"origin": "http://testserver.evil.example", **COOKIE}, False),
        ({"origin": "http://testserver:8080", **COOKIE}, False),
        ({"origin": "https://testserver", **COOKIE}, True),
        ({"origin": "https://testserver", "sec-fetch-site": "cross-site", **COOKIE}, False),
        ({"origin": EVIL, "sec-fetch-site": "same-origin", **COOKIE}, True),
        ({"origin": OWN, "sec-fetch-site": "same-site", **COOKIE}, False),
    ],
    ids=[
        "program",
        "program with cookie",
        "other page",
        "other page with cookie",
        "null with cookie",
        "other page with ambient login",
        "other page with token",
        "own page",
        "other host that begins alike",
        "other port",
        "own page behind a TLS proxy",
        "same name, but the browser says otherwise",
        "own page, as the browser says",
        "sibling site",
    ],
)
async def test_cookies_come_from_own_pages_alone_where_any_origin_is_allowed(
    make: MakeApp, client: Connect, url: str, headers: dict[str, str], expected: bool
) -> None:
    """S26."""
    assert await is_accepted(await client(make()), url, headers) is expected


@pytest.mark.parametrize("values", [{"CORS_ALLOW_ORIGINS": [OK]}, {"CORS_ALLOW_ORIGINS": ["*", OK]}])
@pytest.mark.parametrize("url", ["/chat/default", "/mounted/ws"])
async def test_listed_origin_may_bring_cookies(
    make: MakeApp, client: Connect, url: str, values: dict[str, Any]
) -> None:
    http = await client(make(**values))
    found = [await is_accepted(http, url, {"origin": origin, **COOKIE}) for origin in (OK, EVIL, OWN)]
    assert found == [True, False, True]


async def test_list_of_an_endpoint_holds_without_cookies_too(make: MakeApp, client: Connect) -> None:
    http = await client(make())
    found = [await is_accepted(http, "/chat/listed", {"origin": origin}) for origin in (OK, EVIL)]
    assert found == [True, False]
    assert await is_accepted(http, "/chat/listed", {"origin": OK, **COOKIE})


async def test_cors_switched_off_takes_no_cookies_of_other_pages(make: MakeApp, client: Connect) -> None:
    http = await client(make(CORS_ENABLED=False))
    found = [await is_accepted(http, "/chat/default", {"origin": origin, **COOKIE}) for origin in (EVIL, OWN)]
    assert found == [False, True]
