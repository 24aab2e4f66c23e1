"""`TRUSTED_PROXIES`: what a proxy says of its client counts, what a client says of itself does not."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from patera import Patera
from patera.exceptions import ConfigurationError
from patera.testing import PateraTestClient
from tests.security.site import PassOn, Site, send_raw
from tests.server import raw_request, run_server

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]

PROXIES = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]
PROXY = ("10.1.2.3", 4000)


@pytest.fixture(params=["inline", "wrapped"])
def make(request: pytest.FixtureRequest, make_app: MakeApp) -> MakeApp:
    """`make_app` in one of the edge's two forms, in production."""
    outer = [PassOn] if request.param == "wrapped" else []

    def make(**values: Any) -> Patera:
        return make_app(Site, **{"MIDDLEWARE": outer, "DEBUG": False, **values})

    return make


async def seen(app: Patera, *headers: tuple[str, str], client: Any = PROXY) -> dict[str, Any]:
    """What the handler sees of a request with these headers from this peer."""
    status, _, body = await send_raw(app, [("host", "inner:8000"), *headers], client=client)
    assert status == 200, body
    found: dict[str, Any] = json.loads(body)
    return found


FORWARDED = [
    ("x-forwarded-for", "198.51.100.4"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "shop.example"),
]


async def test_trusted_proxy_names_client_scheme_and_host(make: MakeApp) -> None:
    assert await seen(make(TRUSTED_PROXIES=PROXIES), *FORWARDED) == {
        "url": "https://shop.example/site/",
        "host": "shop.example",
        "client": "198.51.100.4",
    }


@pytest.mark.parametrize("client", [("203.0.113.9", 1), ("11.0.0.1", 1), ("2001:db9::1", 1), ("unix", 1), None])
async def test_headers_of_another_peer_are_ignored(make: MakeApp, client: Any) -> None:
    """A30."""
    assert await seen(make(TRUSTED_PROXIES=PROXIES), *FORWARDED, client=client) == {
        "url": "http://inner:8000/site/",
        "host": "inner:8000",
        "client": client[0] if client else None,
    }


async def test_headers_are_ignored_where_no_proxy_is_trusted(make: MakeApp) -> None:
    """A30."""
    assert (await seen(make(), *FORWARDED))["client"] == "10.1.2.3"


@pytest.mark.parametrize("client", [("192.0.2.7", 1), ("2001:db8::5", 1), ("::ffff:10.0.0.1", 1)])
async def test_proxies_are_addresses_and_networks_of_both_kinds(make: MakeApp, client: Any) -> None:
    assert (await seen(make(TRUSTED_PROXIES=PROXIES), *FORWARDED, client=client))["client"] == "198.51.100.4"


@pytest.mark.parametrize(
    ("header", "client"),
    [
        ("198.51.100.4", "198.51.100.4"),
        ("1.2.3.4, 198.51.100.4", "198.51.100.4"),
        ("1.2.3.4, 198.51.100.4, 10.9.9.9, 192.0.2.7", "198.51.100.4"),
        ("10.0.0.1, 10.0.0.2", "10.0.0.1"),
        ("198.51.100.4:5555", "198.51.100.4"),
        ("2001:db9::9", "2001:db9::9"),
        ("[2001:DB9::9]:443", "2001:db9::9"),
        ("::ffff:198.51.100.4", "198.51.100.4"),
        ("1.2.3.4, unknown, 10.0.0.2", "10.0.0.2"),
        ("1.2.3.4, <script>", "10.1.2.3"),
        ("", "10.1.2.3"),
        (" ,, ", "10.1.2.3"),
    ],
)
async def test_client_is_the_rightmost_address_that_is_no_proxy(make: MakeApp, header: str, client: str) -> None:
    """What stands left of it may have been sent by the client."""
    found = await seen(make(TRUSTED_PROXIES=PROXIES), ("x-forwarded-for", header))
    assert found["client"] == client


async def test_several_headers_are_one_list(make: MakeApp) -> None:
    headers = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "198.51.100.4"), ("x-forwarded-for", "10.0.0.9")]
    assert (await seen(make(TRUSTED_PROXIES=PROXIES), *headers))["client"] == "198.51.100.4"


async def test_chain_of_invented_proxies_is_cut(make: MakeApp) -> None:
    header = ",".join(["1.2.3.4", *["10.0.0.5"] * 5000])
    assert (await seen(make(TRUSTED_PROXIES=PROXIES), ("x-forwarded-for", header)))["client"] == "10.0.0.5"


async def test_star_trusts_every_peer_and_takes_the_first_address(make: MakeApp) -> None:
    application = make(TRUSTED_PROXIES=["*"])
    found = [
        await seen(application, ("x-forwarded-for", "1.2.3.4, 198.51.100.4"), client=client)
        for client in (("203.0.113.9", 1), None)
    ]
    assert [each["client"] for each in found] == ["1.2.3.4", "1.2.3.4"]


@pytest.mark.parametrize(
    ("header", "scheme"),
    [("https", "https"), ("HTTPS", "https"), ("https, http", "http"), ("http, https", "https"), ("gopher", "http")],
)
async def test_scheme_is_what_the_nearest_proxy_says(make: MakeApp, header: str, scheme: str) -> None:
    found = await seen(make(TRUSTED_PROXIES=PROXIES), ("x-forwarded-proto", header))
    assert found["url"] == f"{scheme}://inner:8000/site/"


async def test_forwarded_host_is_checked_like_any_other(make: MakeApp) -> None:
    application = make(TRUSTED_PROXIES=PROXIES, ALLOWED_HOSTS=["shop.example"])
    found = [
        (await send_raw(application, [("host", host), ("x-forwarded-host", forwarded)], client=client))[0]
        for host, forwarded, client in (
            ("inner", "shop.example", PROXY),
            ("shop.example", "evil.example", PROXY),
            ("shop.example", "shop.example, a b", PROXY),
            ("inner", "shop.example", ("203.0.113.9", 1)),
        )
    ]
    assert found == [200, 400, 400, 400]


async def test_standard_forwarded_header_is_not_read(make: MakeApp) -> None:
    """Proxies that add X-Forwarded-For pass this one through, as the client wrote it."""
    found = await seen(make(TRUSTED_PROXIES=PROXIES), ("forwarded", "for=1.2.3.4;proto=https;host=evil.example"))
    assert found == {"url": "http://inner:8000/site/", "host": "inner:8000", "client": "10.1.2.3"}


async def test_websocket_gets_client_scheme_and_host_too(make: MakeApp, client: Connect) -> None:
    http = await client(make(TRUSTED_PROXIES=["127.0.0.1"]))
    async with http.websocket("/site/ws", headers=dict(FORWARDED)) as ws:
        assert await ws.receive_text() == "wss://shop.example/site/ws 198.51.100.4"


async def test_mounted_application_does_not_ask_again(make_app: MakeApp) -> None:
    """A client within the network of the proxies would be taken for one of them."""
    inner = make_app(Site, TRUSTED_PROXIES=["198.51.100.0/24"], DEBUG=False)
    outer = make_app(TRUSTED_PROXIES=["10.0.0.0/8"], DEBUG=False)
    outer.mount("/inner", inner)
    headers = [("host", "a"), ("x-forwarded-for", "1.2.3.4, 198.51.100.4")]
    scope = {"path": "/inner/site/", "raw_path": b"/inner/site/", "client": PROXY}
    _, _, body = await send_raw(outer, headers, **scope)
    assert json.loads(body)["client"] == "198.51.100.4"


@pytest.mark.parametrize("entry", ["proxy.example", "10.0.0", "10.0.0.0/33", "", "10.0.0.1:80"])
def test_entry_that_is_no_address_is_a_mistake(make_app: MakeApp, entry: str) -> None:
    with pytest.raises(ConfigurationError, match="PAT541"):
        make_app(TRUSTED_PROXIES=[entry]).build()


@pytest.mark.parametrize("parser", ["httptools", "h11"])
async def test_proxy_in_front_of_a_real_server_names_the_client(make_app: MakeApp, parser: str) -> None:
    application = make_app(Site, TRUSTED_PROXIES=["127.0.0.1"], DEBUG=False)
    request = (
        b"GET /site/ HTTP/1.1\r\nhost: inner\r\nconnection: close\r\nx-forwarded-for: 1.2.3.4, 198.51.100.4\r\n"
        b"x-forwarded-proto: https\r\nx-forwarded-host: shop.example\r\n\r\n"
    )
    async with run_server(application, http=parser, proxy_headers=False) as server:
        answer = await raw_request(server.port, request)
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {
        "url": "https://shop.example/site/",
        "host": "shop.example",
        "client": "198.51.100.4",
    }
    assert b"strict-transport-security: max-age=31536000" in answer
