"""`is_safe_url`: which targets that came with a request stay on this site."""

from collections.abc import Awaitable, Callable

import pytest

from patera import Patera, Request, Response
from patera.controller import Controller, get, path
from patera.security import is_safe_url
from patera.testing import PateraTestClient

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]

SAFE = [
    "/",
    "/orders?page=2#last",
    "/a%20b",
    "http://shop.example/orders",
    "https://shop.example/orders",
]
UNSAFE = [
    None,
    "",
    "//evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "https:evil.example",
    "https:///evil.example",
    "http://evil.example",
    "http://shop.example.evil.example",
    "http://shop.example@evil.example",
    "http://shop.example:81/",
    "http://[shop.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "\t//evil.example",
    "/\t/evil.example",
    " //evil.example",
    "/%09/evil.example",
    "/%5Cevil.example",
    "/%0d%0alocation:x",
    "orders",
]


@path("/check")
class Check(Controller):
    @get("/")
    async def check(self, req: Request) -> Response:
        return req.res.json(is_safe_url(req.query_params.get("url"), req))

    @get("/redirect")
    async def redirect(self, req: Request) -> Response:
        return req.res.safe_redirect(req.query_params.get("url"), default="/default")


@pytest.mark.parametrize(("url", "is_safe"), [*((url, True) for url in SAFE), *((url, False) for url in UNSAFE)])
async def test_url_that_stays_on_this_site_is_safe(
    make_app: MakeApp, client: Connect, url: str | None, is_safe: bool
) -> None:
    http = await client(make_app(Check))
    params = {"url": url} if url is not None else {}
    assert (await http.get("/check", params=params, headers={"host": "shop.example"})).json() is is_safe


@pytest.mark.parametrize("url", [*SAFE, *UNSAFE])
async def test_redirect_goes_where_a_safe_url_leads_and_nowhere_else(
    make_app: MakeApp, client: Connect, url: str | None
) -> None:
    http = await client(make_app(Check))
    params = {"url": url} if url is not None else {}
    found = await http.get("/check/redirect", params=params, headers={"host": "shop.example"})
    assert found.headers["location"] == (url if url in SAFE else "/default")


async def test_url_without_tls_leads_away_from_a_site_with_it(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(Check, TRUSTED_PROXIES=["127.0.0.1"]))
    https = {"host": "shop.example", "x-forwarded-proto": "https"}
    urls = ("http://shop.example/", "https://shop.example/")
    assert [(await http.get("/check", params={"url": url}, headers=https)).json() for url in urls] == [False, True]
