"""Who is counted as one client, and in which place: addresses before the login, users after the roles."""

from typing import Any

import pytest

from patera import Request, Response
from patera.controller import Controller, consumes, get, path, post
from patera.exceptions import AuthenticationException
from patera.http import MediaType
from patera.layer import Call, Layer, Place
from patera.rate_limit import by_address, by_user, rate_limit
from tests.rate_limit.endpoints import Connect, Limited, MakeApp, statuses


class Login(Layer):
    """Takes the user from a header."""

    place = Place.LOGIN

    async def guard(self, call: Call) -> None:
        assert call.request is not None
        if "x-user" not in call.request.headers:
            raise AuthenticationException
        call.request.user = call.request.headers["x-user"]


login = Login()


# Addresses


async def test_clients_are_told_apart_by_address(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(Limited, TRUSTED_PROXIES=["127.0.0.1"]))
    one, other = {"x-forwarded-for": "198.51.100.4"}, {"x-forwarded-for": "198.51.100.5"}
    assert await statuses(http, "/limited/two", 3, headers=one) == [200, 200, 429]
    assert await statuses(http, "/limited/two", 1, headers=other) == [200]


async def test_address_that_a_client_invents_does_not_count(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(Limited))
    found = [await statuses(http, "/limited/two", 1, headers={"x-forwarded-for": f"1.2.3.{n}"}) for n in range(3)]
    assert found == [[200], [200], [429]]


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("198.51.100.4", "198.51.100.5", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:198.51.100.4", "198.51.100.4", True),
    ],
)
async def test_address_of_ipv6_counts_by_its_network(
    make_app: MakeApp, client: Connect, one: str, other: str, is_same: bool
) -> None:
    http = await client(make_app(Limited, TRUSTED_PROXIES=["127.0.0.1"]))
    await statuses(http, "/limited/two", 2, headers={"x-forwarded-for": one})
    (status,) = await statuses(http, "/limited/two", 1, headers={"x-forwarded-for": other})
    assert status == (429 if is_same else 200)


@pytest.mark.parametrize(
    ("host", "key"),
    [
        (None, "address:unknown"),
        ("198.51.100.4", "address:198.51.100.4"),
        # A socket for both versions of IP names peers so.
        ("::ffff:198.51.100.4", "address:198.51.100.4"),
        # The client of a test, or a Unix socket.
        ("testclient", "address:testclient"),
    ],
)
def test_peer_of_every_kind_has_a_key(make_app: MakeApp, host: str | None, key: str) -> None:
    async def nothing(*_: Any) -> Any: ...

    client = None if host is None else (host, 1)
    scope: dict[str, Any] = {"type": "http", "headers": [], "client": client, "app": make_app()}
    assert by_address(Request(scope, nothing, nothing)) == key


# Places


@path("/account")
class Account(Controller):
    @post("/login")
    @login
    @rate_limit("2/minute")
    async def log_in(self, req: Request) -> Response:
        return req.res.text("in")

    @get("/report")
    @rate_limit("2/minute", key=by_user)
    @login
    async def report(self, req: Request) -> Response:
        return req.res.text(req.user)

    @get("/custom")
    @rate_limit("1/minute", key=lambda req: req.user, after_login=True)
    @login
    async def custom(self, req: Request) -> Response:
        return req.res.text(req.user)

    @get("/open")
    @rate_limit("1/minute", key=by_user)
    async def open(self, req: Request) -> Response:
        return req.res.text("open")


async def test_refused_logins_count_by_address(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(Account))
    found = [(await http.post("/account/login")).status_code for _ in range(3)]
    assert found == [401, 401, 429]
    assert (await http.post("/account/login", headers={"x-user": "ada"})).status_code == 429


async def test_limit_by_user_counts_each_user_and_no_refused_login(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(Account))
    assert await statuses(http, "/account/report", 3) == [401] * 3
    assert await statuses(http, "/account/report", 3, headers={"x-user": "ada"}) == [200, 200, 429]
    assert await statuses(http, "/account/report", 1, headers={"x-user": "eve"}) == [200]


async def test_custom_key_may_run_after_the_login(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(Account))
    assert await statuses(http, "/account/custom", 2, headers={"x-user": "ada"}) == [200, 429]
    assert await statuses(http, "/account/custom", 1, headers={"x-user": "eve"}) == [200]


async def test_limit_by_user_counts_by_address_where_nobody_is_logged_in(make_app: MakeApp, client: Connect) -> None:
    assert await statuses(await client(make_app(Account)), "/account/open", 2) == [200, 429]


def test_places_are_before_the_login_and_after_the_roles(make_app: MakeApp) -> None:
    plans = {plan.name: [layer.place for layer in plan.layers] for plan in make_app(Account).plan.endpoints}
    assert plans["Account.log_in"] == ["RATE_LIMIT", "LOGIN"]
    assert plans["Account.report"] == ["LOGIN", "RATE_LIMIT_USER"]


class Numbered:
    def __init__(self, number: int) -> None:
        self.id = number


class WithGetId:
    id = "row 1"

    def get_id(self) -> str:
        return "session id"


def request_of(user: Any) -> Request:
    async def nothing(*_: Any) -> Any: ...

    request = Request({"type": "http", "headers": [], "client": ("198.51.100.4", 1)}, nothing, nothing)
    request.user = user
    return request


@pytest.mark.parametrize(
    ("user", "key"),
    [
        (None, "address:198.51.100.4"),
        (Numbered(7), "user:7"),
        (WithGetId(), "user:session id"),
        ("ada", "user:ada"),
        (0, "user:0"),
    ],
)
def test_user_is_known_by_its_id(user: Any, key: str) -> None:
    assert by_user(request_of(user)) == key


def test_user_without_id_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(TypeError, match="pass key="):
        by_user(request_of(object()))


# Keys


@pytest.mark.parametrize("is_async", [False, True])
async def test_key_of_ones_own_may_be_async_and_none_is_not_limited(
    make_app: MakeApp, client: Connect, is_async: bool
) -> None:
    def plain(req: Request) -> str | None:
        return req.headers.get("x-key")

    async def later(req: Request) -> str | None:
        return req.headers.get("x-key")

    class Own(Controller):
        @get("/")
        @rate_limit("1/minute", key=later if is_async else plain)
        async def show(self, req: Request) -> Response:
            return req.res.text("x")

    http = await client(make_app(Own))
    assert await statuses(http, "/", 2, headers={"x-key": "a"}) == [200, 429]
    assert await statuses(http, "/", 1, headers={"x-key": "b"}) == [200]
    assert await statuses(http, "/", 3) == [200] * 3


async def test_key_may_be_in_the_body(make_app: MakeApp, client: Connect) -> None:
    """By account name: many addresses may try one password list."""

    async def by_name(req: Request) -> str:
        return str((await req.json())["name"])

    class Logins(Controller):
        @post("/")
        @consumes(MediaType.APPLICATION_JSON)
        @rate_limit("1/minute", key=by_name)
        async def log_in(self, req: Request, data: dict[str, str]) -> Response:
            return req.res.json(data)

    http = await client(make_app(Logins))
    found = [await http.post("/", json={"name": name}) for name in ("ada", "ada", "eve")]
    assert [answer.status_code for answer in found] == [200, 429, 200]
    assert found[2].json() == {"name": "eve"}


async def test_long_keys_are_told_apart(make_app: MakeApp, client: Connect) -> None:
    class Own(Controller):
        @get("/")
        @rate_limit("1/minute", key=lambda req: req.headers["x-key"])
        async def show(self, req: Request) -> Response:
            return req.res.text("x")

    http = await client(make_app(Own))
    keys = ["k" * 5000, "k" * 5001, "k" * 5000]
    assert [await statuses(http, "/", 1, headers={"x-key": key}) for key in keys] == [[200], [200], [429]]


async def test_text_that_a_client_chose_does_not_count_as_an_address(make_app: MakeApp, client: Connect) -> None:
    async def by_name(req: Request) -> str:
        return str((await req.json())["name"])

    @path("/login")
    class Login(Controller):
        @post("/")
        @rate_limit("2/minute")
        @rate_limit("2/minute", key=by_name)
        async def log_in(self, req: Request) -> Response:
            return req.res.text("in")

    http = await client(make_app(Login, TRUSTED_PROXIES=["127.0.0.1"]))
    planted = {"name": "address:198.51.100.4"}
    for n in (1, 2):
        await http.post("/login", json=planted, headers={"x-forwarded-for": f"203.0.113.{n}"})
    response = await http.post("/login", json={"name": "ada"}, headers={"x-forwarded-for": "198.51.100.4"})
    assert response.text == "in"
