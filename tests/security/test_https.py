"""`FORCE_HTTPS`: plain http is sent to the same URL on https."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from patera import Patera
from patera.testing import PateraTestClient, WebSocketRejected
from tests.security.site import PassOn, Site, send_raw, with_mount

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]


@pytest.fixture(params=["inline", "wrapped"])
def make(request: pytest.FixtureRequest, make_app: MakeApp) -> MakeApp:
    """`make_app` in one of the edge's two forms, in production, with the redirect on."""
    outer = [PassOn] if request.param == "wrapped" else []

    def make(**values: Any) -> Patera:
        return with_mount(make_app(Site, **{"MIDDLEWARE": outer, "DEBUG": False, "FORCE_HTTPS": True, **values}))

    return make


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
async def test_request_over_http_is_redirected_with_its_method(make: MakeApp, client: Connect, method: str) -> None:
    response = await (await client(make())).request(method, "/site/?a=1&b=%20")
    assert (response.status_code, response.headers["location"], response.content) == (
        308,
        "https://testserver/site/?a=1&b=%20",
        b"",
    )
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "strict-transport-security" not in response.headers


@pytest.mark.parametrize("url", ["/nowhere", "/mounted/", "/static/x"])
async def test_redirect_holds_for_every_path(make: MakeApp, client: Connect, url: str) -> None:
    response = await (await client(make())).get(url)
    assert (response.status_code, response.headers["location"]) == (308, f"https://testserver{url}")


async def test_request_over_https_passes(make: MakeApp, client: Connect) -> None:
    assert (await (await client(make())).get("https://testserver/site/")).status_code == 200


@pytest.mark.parametrize(
    ("host", "path", "location"),
    [
        ("shop.example:8080", "/a", "https://shop.example/a"),
        ("[::1]:8080", "/a", "https://[::1]/a"),
        ("shop.example", "//evil.example/x", "https://shop.example//evil.example/x"),
        ("shop.example", "/%0d%0ax: y", "https://shop.example/%0d%0ax:%20y"),
        ("shop.example", '/"<\xff', "https://shop.example/%22%3C%FF"),
    ],
)
async def test_location_stays_on_the_host_and_drops_its_port(
    make: MakeApp, host: str, path: str, location: str
) -> None:
    scope = {"path": path, "raw_path": path.encode("latin-1")}
    status, headers, _ = await send_raw(make(), [("host", host)], **scope)
    assert (status, headers["location"]) == (308, location)


async def test_host_is_checked_before_the_redirect(make: MakeApp) -> None:
    found = [(await send_raw(make(ALLOWED_HOSTS=["a.example"]), [("host", host)]))[0] for host in ("a.example", "b")]
    assert found == [308, 400]


async def test_request_without_host_cannot_be_redirected(make: MakeApp) -> None:
    assert (await send_raw(make(), [], http_version="1.0"))[0] == 403


async def test_scheme_of_a_trusted_proxy_counts(make: MakeApp) -> None:
    application = make(TRUSTED_PROXIES=["203.0.113.9"])
    headers = [("host", "a.example"), ("x-forwarded-proto", "https")]
    found = [(await send_raw(application, headers, client=(peer, 1)))[0] for peer in ("203.0.113.9", "203.0.113.10")]
    assert found == [200, 308]


@pytest.mark.parametrize("url", ["/site/ws", "/mounted/ws"])
async def test_websocket_without_tls_is_refused(make: MakeApp, client: Connect, url: str) -> None:
    http = await client(make())
    with pytest.raises(WebSocketRejected) as caught:
        async with http.websocket(url):
            pass
    assert caught.value.code == 4403
    async with http.websocket(f"https://testserver{url}"):
        pass
