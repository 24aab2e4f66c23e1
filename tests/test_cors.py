"""CORS (Fetch standard, section 3.2): who may ask, what a preflight is told, and that errors are readable too.

Every rule holds in both forms of the edge: inside each endpoint, and around foreign ASGI middleware.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from loguru import logger
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from patera import HttpStatus, MiddlewareBase, Patera, Request, Response, abort
from patera.controller import Controller, cors, delete, get, no_cors, path, post, put, socket
from patera.exceptions import ExceptionHandler, NotFound, handles
from patera.testing import PateraTestClient, WebSocketRejected

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]

OK, EVIL, OWN, PARTNER = "https://ok.example", "https://evil.example", "http://testserver", "https://partner.example"
LISTED = {"CORS_ALLOW_ORIGINS": [OK]}
REFUSED_ORIGIN = {"status": "error", "message": "CORS origin not allowed"}
REFUSED_METHOD = {"status": "error", "message": "CORS method not allowed"}


class PassOn:
    """Pure ASGI middleware that changes nothing; with it the edge stands outside."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


@pytest.fixture(params=["inline", "wrapped"])
def make(request: pytest.FixtureRequest, make_app: MakeApp) -> MakeApp:
    """`make_app` in one of the edge's two forms, in production unless said otherwise."""
    outer = [PassOn] if request.param == "wrapped" else []

    def make(*controllers: type, MIDDLEWARE: tuple[Any, ...] = (), **values: Any) -> Patera:  # noqa: N803
        return make_app(*controllers, MIDDLEWARE=[*outer, *MIDDLEWARE], **{"DEBUG": False, **values})

    return make


def cors_headers(response: httpx.Response) -> dict[str, str]:
    """The CORS headers and `vary`, each of which stands there once."""
    names = [name for name in response.headers if name.startswith("access-control-") or name == "vary"]
    assert all(len(response.headers.get_list(name)) == 1 for name in names), response.headers
    return {name.removeprefix("access-control-"): response.headers[name] for name in names}


@path("/users")
class Users(Controller):
    @get("/")
    async def index(self, req: Request) -> Response:
        return req.res.text("users")

    @post("/")
    async def create(self, req: Request) -> Response:
        return req.res.text("created")

    @put("/<int:user_id>")
    async def change(self, req: Request, user_id: int) -> Response:
        return req.res.text("changed")

    @get("/gone")
    async def gone(self, req: Request) -> Response:
        abort("gone", HttpStatus.GONE)

    @get("/broken")
    async def broken(self, req: Request) -> Response:
        raise ValueError("broken")

    @get("/vary")
    async def vary(self, req: Request) -> Response:
        return req.res.text("x").set_header("vary", "Accept").set_header("access-control-allow-origin", "mine")

    @get("/stream")
    async def stream(self, req: Request) -> Response:
        return req.res.stream(["x"])

    @get("/plain")
    async def plain(self, req: Request) -> Any:
        return PlainTextResponse("x")


# The origin of a request


async def test_origin_under_the_default_is_any_without_credentials(make: MakeApp, client: Connect) -> None:
    http = await client(make(Users))
    found = [cors_headers(await http.get("/users/", headers=headers)) for headers in ({"origin": EVIL}, {})]
    assert found == [{"allow-origin": "*"}, {"allow-origin": "*"}]


async def test_origin_listed_is_echoed_with_credentials_and_vary(make: MakeApp, client: Connect) -> None:
    response = await (await client(make(Users, **LISTED))).get("/users/", headers={"origin": OK})
    assert (response.text, cors_headers(response)) == (
        "users",
        {"allow-origin": OK, "allow-credentials": "true", "vary": "Origin"},
    )


async def test_origin_listed_without_credentials_has_no_such_header(make: MakeApp, client: Connect) -> None:
    http = await client(make(Users, **LISTED, CORS_ALLOW_CREDENTIALS=False))
    assert cors_headers(await http.get("/users/", headers={"origin": OK})) == {"allow-origin": OK, "vary": "Origin"}


async def test_origin_missing_is_answered_with_vary_alone(make: MakeApp, client: Connect) -> None:
    response = await (await client(make(Users, **LISTED))).get("/users/")
    assert (response.text, cors_headers(response)) == ("users", {"vary": "Origin"})


@pytest.mark.parametrize(
    "origin",
    [
        EVIL,
        "null",
        "https://ok.example.evil.example",
        "http://ok.example",
        "https://ok.example:8443",
        "HTTPS://OK.EXAMPLE",
    ],
)
@pytest.mark.parametrize("url", ["/users/", "/nowhere", "/mounted/"])
async def test_origin_not_listed_is_403_without_running_the_handler(
    make: MakeApp, client: Connect, origin: str, url: str
) -> None:
    application = make(Users, **LISTED)
    application.mount("/mounted", PlainTextResponse("x"))
    response = await (await client(application)).get(url, headers={"origin": origin})
    assert (response.status_code, response.json(), cors_headers(response)) == (
        403,
        REFUSED_ORIGIN,
        {"vary": "Origin"},
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": OWN},
        {"origin": OWN, "sec-fetch-site": "same-origin"},
        {"origin": "https://testserver", "sec-fetch-site": "same-origin"},
    ],
    ids=["by host", "by host and browser", "behind a TLS proxy"],
)
async def test_request_of_the_same_origin_is_never_touched(
    make: MakeApp, client: Connect, headers: dict[str, str]
) -> None:
    response = await (await client(make(Users, **LISTED))).post("/users/", headers=headers)
    assert (response.text, cors_headers(response)) == ("created", {"vary": "Origin"})


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_request_that_the_browser_calls_cross_origin_is_checked(
    make: MakeApp, client: Connect, site: str
) -> None:
    headers = {"origin": EVIL, "sec-fetch-site": site}
    assert (await (await client(make(Users, **LISTED))).post("/users/", headers=headers)).status_code == 403


# The method of a request


async def test_method_not_allowed_is_405_for_other_origins_only(make: MakeApp, client: Connect) -> None:
    http = await client(make(Users, CORS_ALLOW_METHODS=["GET"]))
    response = await http.post("/users/", headers={"origin": EVIL})
    found = (response.status_code, response.json(), response.headers["allow"], cors_headers(response))
    assert found == (405, REFUSED_METHOD, "GET", {"allow-origin": "*"})
    assert [(await http.post("/users/", headers=headers)).text for headers in ({}, {"origin": OWN})] == ["created"] * 2


async def test_method_head_is_allowed_where_get_is(make: MakeApp, client: Connect) -> None:
    http = await client(make(Users, CORS_ALLOW_METHODS=["GET"]))
    assert (await http.head("/users/", headers={"origin": EVIL})).status_code == 200


async def test_method_in_lower_case_in_the_config_is_allowed(make: MakeApp, client: Connect) -> None:
    http = await client(make(Users, CORS_ALLOW_METHODS=["post"]))
    assert (await http.post("/users/", headers={"origin": EVIL})).text == "created"


# Preflights


def asking(method: str, origin: str = OK, **more: str) -> dict[str, str]:
    return {"origin": origin, "access-control-request-method": method, **more}


async def test_preflight_under_the_default_allows_the_documented(make: MakeApp, client: Connect) -> None:
    response = await (await client(make(Users))).options("/users/", headers=asking("POST"))
    assert (response.status_code, response.content, cors_headers(response)) == (
        204,
        b"",
        {
            "allow-origin": "*",
            "allow-methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
            "allow-headers": "Authorization, Content-Type",
        },
    )


async def test_preflight_of_a_listed_origin_has_all_headers(make: MakeApp, client: Connect) -> None:
    configs = {**LISTED, "CORS_ALLOW_METHODS": ["GET", "POST"], "CORS_MAX_AGE": 60}
    response = await (await client(make(Users, **configs))).options("/users/", headers=asking("POST"))
    assert cors_headers(response) == {
        "allow-origin": OK,
        "allow-credentials": "true",
        "allow-methods": "GET, POST",
        "allow-headers": "Authorization, Content-Type",
        "max-age": "60",
        "vary": "Origin",
    }


@pytest.mark.parametrize(("asked", "answered"), [("X-One, X-Two", "X-One, X-Two"), (None, None)])
async def test_preflight_without_list_of_headers_allows_those_asked_for(
    make: MakeApp, client: Connect, asked: str | None, answered: str | None
) -> None:
    more = {"access-control-request-headers": asked} if asked else {}
    http = await client(make(Users, CORS_ALLOW_HEADERS=[]))
    response = await http.options("/users/", headers=asking("POST", **more))
    assert response.headers.get("access-control-allow-headers") == answered


async def test_preflight_of_a_route_with_variables_is_answered(make: MakeApp, client: Connect) -> None:
    response = await (await client(make(Users))).options("/users/3", headers=asking("PUT"))
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (204, "*")


async def test_preflight_of_another_origin_is_403(make: MakeApp, client: Connect) -> None:
    response = await (await client(make(Users, **LISTED))).options("/users/", headers=asking("POST", EVIL))
    found = (response.status_code, response.json(), cors_headers(response))
    assert found == (403, REFUSED_ORIGIN, {"vary": "Origin"})


async def test_preflight_for_a_method_not_allowed_is_405(make: MakeApp, client: Connect) -> None:
    http = await client(make(Users, **LISTED, CORS_ALLOW_METHODS=["GET"]))
    response = await http.options("/users/", headers=asking("POST"))
    assert (response.status_code, response.json(), response.headers["access-control-allow-origin"]) == (
        405,
        REFUSED_METHOD,
        OK,
    )


@pytest.mark.parametrize(
    ("url", "method", "status", "message"),
    [("/nowhere", "GET", 404, "Endpoint not found"), ("/users/", "DELETE", 405, "Method not allowed")],
)
async def test_preflight_of_a_missing_route_says_so_with_cors_headers(
    make: MakeApp, client: Connect, url: str, method: str, status: int, message: str
) -> None:
    response = await (await client(make(Users, **LISTED))).options(url, headers=asking(method))
    assert (response.status_code, response.json()["message"], cors_headers(response)) == (
        status,
        message,
        {"allow-origin": OK, "allow-credentials": "true", "vary": "Origin"},
    )


async def test_preflight_of_a_missing_route_and_another_origin_is_403(make: MakeApp, client: Connect) -> None:
    response = await (await client(make(Users, **LISTED))).options("/nowhere", headers=asking("GET", EVIL))
    assert (response.status_code, response.json()) == (403, REFUSED_ORIGIN)


@pytest.mark.parametrize("headers", [{}, {"origin": OK}, {"access-control-request-method": "POST"}])
async def test_options_that_is_no_preflight_is_plain(make: MakeApp, client: Connect, headers: dict[str, str]) -> None:
    response = await (await client(make(Users, **LISTED))).options("/users/", headers=headers)
    found = (response.status_code, response.headers["allow"], "access-control-allow-methods" in response.headers)
    assert found == (204, "GET, HEAD, OPTIONS, POST", False)


# Policies of endpoints and controllers


@path("/own")
class Own(Controller):
    @get("/")
    @cors(allow_origins=[PARTNER], expose_headers=["X-Total"], max_age=5)
    async def index(self, req: Request) -> Response:
        return req.res.text("index")

    @cors(allow_origins=["*"], allow_methods=["POST"], allow_headers=["X-Token"])
    @post("/")
    async def create(self, req: Request) -> Response:
        return req.res.text("created")

    @put("/")
    @no_cors
    async def change(self, req: Request) -> Response:
        return req.res.text("changed")

    @delete("/")
    async def remove(self, req: Request) -> Response:
        return req.res.text("removed")


@pytest.mark.parametrize(
    ("method", "origin", "headers"),
    [
        (
            "GET",
            PARTNER,
            {"allow-origin": PARTNER, "allow-credentials": "true", "expose-headers": "X-Total", "vary": "Origin"},
        ),
        ("POST", PARTNER, {"allow-origin": "*"}),
        ("PUT", EVIL, {}),
        ("DELETE", OK, {"allow-origin": OK, "allow-credentials": "true", "vary": "Origin"}),
    ],
)
async def test_policy_of_an_endpoint_overlays_the_global_one(
    make: MakeApp, client: Connect, method: str, origin: str, headers: dict[str, str]
) -> None:
    response = await (await client(make(Own, **LISTED))).request(method, "/own/", headers={"origin": origin})
    assert (response.status_code, cors_headers(response)) == (200, headers)


async def test_policy_of_an_endpoint_refuses_what_the_global_one_allows(make: MakeApp, client: Connect) -> None:
    response = await (await client(make(Own, **LISTED))).get("/own/", headers={"origin": OK})
    assert (response.status_code, response.json()) == (403, REFUSED_ORIGIN)


async def test_preflight_has_the_policy_of_the_requested_method(make: MakeApp, client: Connect) -> None:
    http = await client(make(Own, **LISTED))
    found = [cors_headers(await http.options("/own/", headers=asking(verb, PARTNER))) for verb in ("GET", "POST")]
    assert found == [
        {
            "allow-origin": PARTNER,
            "allow-credentials": "true",
            "allow-methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
            "allow-headers": "Authorization, Content-Type",
            "expose-headers": "X-Total",
            "max-age": "5",
            "vary": "Origin",
        },
        {"allow-origin": "*", "allow-methods": "POST", "allow-headers": "X-Token"},
    ]


async def test_preflight_without_cors_is_plain_options(make: MakeApp, client: Connect) -> None:
    response = await (await client(make(Own, **LISTED))).options("/own/", headers=asking("PUT", EVIL))
    found = (response.status_code, response.headers["allow"], cors_headers(response))
    assert found == (204, "DELETE, GET, HEAD, OPTIONS, POST, PUT", {})


async def test_policy_of_a_class_holds_for_its_endpoints_and_gives_way_to_theirs(
    make: MakeApp, client: Connect
) -> None:
    @cors(allow_origins=[PARTNER], expose_headers=["X-Class"])
    class Api(Controller):
        @get("/a")
        async def a(self, req: Request) -> Response:
            return req.res.text("a")

        @get("/b")
        @cors(expose_headers=["X-Method"])
        async def b(self, req: Request) -> Response:
            return req.res.text("b")

        @get("/c")
        @no_cors
        async def c(self, req: Request) -> Response:
            return req.res.text("c")

    http = await client(make(Api))
    answers = [await http.get(url, headers={"origin": PARTNER}) for url in ("/a", "/b", "/c")]
    exposed = [response.headers.get("access-control-expose-headers") for response in answers]
    assert exposed == ["X-Class", "X-Method", None]


async def test_policy_off_for_a_class_may_be_on_for_a_method(make: MakeApp, client: Connect) -> None:
    @no_cors
    class Api(Controller):
        @get("/a")
        async def a(self, req: Request) -> Response:
            return req.res.text("a")

        @get("/b")
        @cors(allow_origins=[PARTNER])
        async def b(self, req: Request) -> Response:
            return req.res.text("b")

    http = await client(make(Api))
    found = [cors_headers(await http.get(url, headers={"origin": PARTNER})) for url in ("/a", "/b")]
    assert found == [{}, {"allow-origin": PARTNER, "allow-credentials": "true", "vary": "Origin"}]


async def test_cors_disabled_adds_and_refuses_nothing(make: MakeApp, client: Connect) -> None:
    http = await client(make(Users, **LISTED, CORS_ENABLED=False))
    for method, url, status in (("GET", "/users/", 200), ("GET", "/nowhere", 404), ("OPTIONS", "/users/", 204)):
        response = await http.request(method, url, headers=asking("GET", EVIL))
        assert (response.status_code, cors_headers(response)) == (status, {})


async def test_cors_disabled_answers_a_preflight_for_another_method_as_plain_options(
    make: MakeApp, client: Connect
) -> None:
    http = await client(make(Users, CORS_ENABLED=False))
    response = await http.options("/users/", headers=asking("DELETE"))
    assert (response.status_code, response.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")


async def test_cors_disabled_may_be_on_for_an_endpoint(make: MakeApp, client: Connect) -> None:
    http = await client(make(Own, CORS_ENABLED=False))
    assert (await http.get("/own/", headers={"origin": PARTNER})).headers["access-control-allow-origin"] == PARTNER
    assert cors_headers(await http.delete("/own/", headers={"origin": PARTNER})) == {}


async def test_headers_to_expose_are_named_in_the_answer(make: MakeApp, client: Connect) -> None:
    http = await client(make(Users, CORS_EXPOSE_HEADERS=["X-Total", "X-Page"]))
    assert cors_headers(await http.get("/users/", headers={"origin": OK})) == {
        "allow-origin": "*",
        "expose-headers": "X-Total, X-Page",
    }


async def test_wildcard_with_credentials_set_by_the_application_is_worth_a_warning(
    make_app: MakeApp, client: Connect
) -> None:
    found: list[str] = []
    sink = logger.add(lambda message: found.append(message.record["message"]), level="WARNING", format="{message}")
    await client(make_app(CORS_ALLOW_ORIGINS=["*"], CORS_ALLOW_CREDENTIALS=True))
    logger.remove(sink)
    assert found == ["CORS_ALLOW_CREDENTIALS has no effect with the origin '*'; list the origins"]


# Which answers have the headers


LISTED_HEADERS = {"allow-origin": OK, "allow-credentials": "true", "vary": "Origin"}


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [
        ("GET", "/users/", 200),
        ("HEAD", "/users/", 200),
        ("GET", "/users/stream", 200),
        ("GET", "/users/plain", 200),
        ("GET", "/users/gone", 410),
        ("GET", "/users/broken", 500),
        ("GET", "/users//", 308),
        ("GET", "/nowhere", 404),
        ("DELETE", "/users/", 405),
        ("GET", "/static/nowhere.css", 404),
        ("GET", "/mounted/", 200),
        ("GET", "/mounted/nowhere", 404),
        ("GET", "/foreign", 200),
        ("OPTIONS", "/users/", 204),
    ],
)
async def test_answer_of_every_kind_has_the_headers(
    make: MakeApp, client: Connect, method: str, url: str, status: int
) -> None:
    application = make(Users, **LISTED)
    application.mount("/mounted", Starlette(routes=[Route("/", lambda request: PlainTextResponse("x"))]))
    application.router.routes.append(Route("/foreign", lambda request: PlainTextResponse("x")))
    response = await (await client(application)).request(method, url, headers={"origin": OK})
    assert (response.status_code, cors_headers(response)) == (status, LISTED_HEADERS)


async def test_answer_of_a_validation_error_has_the_headers(make: MakeApp, client: Connect) -> None:
    class Api(Controller):
        @get("/")
        async def show(self, req: Request, page: int) -> None: ...

    response = await (await client(make(Api, **LISTED))).get("/", headers={"origin": OK})
    assert (response.status_code, cors_headers(response)) == (422, LISTED_HEADERS)


async def test_answer_of_an_exception_handler_has_the_headers(make: MakeApp, client: Connect) -> None:
    class Handlers(ExceptionHandler):
        @handles(NotFound)
        async def missing(self, req: Request, exc: NotFound) -> Any:
            return "missing", 404

    http = await client(make(EXCEPTION_HANDLERS=[Handlers], **LISTED))
    response = await http.get("/nowhere", headers={"origin": OK})
    assert (response.text, cors_headers(response)) == ("missing", LISTED_HEADERS)


@pytest.mark.parametrize("url", ["/users/", "/nowhere", "/mounted/"])
@pytest.mark.parametrize("fails", [False, True])
async def test_answer_of_middleware_has_the_headers(make: MakeApp, client: Connect, url: str, fails: bool) -> None:
    class Gate(MiddlewareBase):
        async def middleware(self, req: Request) -> Response:
            if fails:
                raise ValueError("broken")
            return Response("no", 401)

    application = make(Users, MIDDLEWARE=[Gate], **LISTED)
    application.mount("/mounted", Starlette())
    response = await (await client(application)).get(url, headers={"origin": OK})
    assert (response.status_code, cors_headers(response)) == (500 if fails else 401, LISTED_HEADERS)


async def test_page_of_an_error_in_debug_has_the_headers(make: MakeApp) -> None:
    application = make(Users, DEBUG=True, **LISTED)
    async with PateraTestClient(application, raise_app_exceptions=False) as http:
        response = await http.get("/users/broken", headers={"origin": OK, "accept": "text/html"})
    found = (response.headers["content-type"], cors_headers(response))
    assert found == ("text/html; charset=utf-8", LISTED_HEADERS)


async def test_headers_of_the_handler_are_replaced_and_its_vary_extended(make: MakeApp, client: Connect) -> None:
    response = await (await client(make(Users, **LISTED))).get("/users/vary", headers={"origin": OK})
    assert cors_headers(response) == {**LISTED_HEADERS, "vary": "Accept, Origin"}


async def test_vary_that_names_the_origin_already_is_not_extended(make: MakeApp, client: Connect) -> None:
    class Api(Controller):
        @get("/")
        async def show(self, req: Request) -> Response:
            return req.res.text("x").set_header("vary", "accept, origin")

    response = await (await client(make(Api, **LISTED))).get("/", headers={"origin": OK})
    assert response.headers.get_list("vary") == ["accept, origin"]


# Applications in applications


async def test_preflight_of_a_mount_is_answered_by_the_outer_policy(make: MakeApp, client: Connect) -> None:
    application = make(**LISTED)
    application.mount("/mounted", Starlette())
    response = await (await client(application)).options("/mounted/any", headers=asking("PUT"))
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (204, OK)


@pytest.mark.parametrize(
    ("url", "origin", "status"), [("/foreign", OK, 204), ("/foreign", EVIL, 403), ("/no", OK, 404)]
)
async def test_preflight_of_a_foreign_route_is_answered_by_the_global_policy(
    make: MakeApp, client: Connect, url: str, origin: str, status: int
) -> None:
    application = make(**LISTED)
    application.router.routes.append(Route("/foreign", lambda request: PlainTextResponse("x")))
    response = await (await client(application)).options(url, headers=asking("GET", origin))
    assert response.status_code == status


async def test_preflight_of_a_mount_without_outer_cors_reaches_it(make: MakeApp, client: Connect) -> None:
    outer = make(CORS_ENABLED=False)
    outer.mount("/inner", make(Users, **LISTED))
    response = await (await client(outer)).options("/inner/users/", headers=asking("POST"))
    assert (response.status_code, response.headers["access-control-allow-methods"][:9]) == (204, "GET, POST")


@pytest.mark.parametrize("inner_form", ["inline", "wrapped"])
@pytest.mark.parametrize(("url", "status"), [("/inner/users/", 200), ("/inner/nowhere", 404), ("/inner/own/", 403)])
async def test_patera_in_patera_sends_each_header_once(
    make: MakeApp, make_app: MakeApp, client: Connect, inner_form: str, url: str, status: int
) -> None:
    outer = make(**LISTED)
    inner = make_app(Users, Own, MIDDLEWARE=[PassOn] if inner_form == "wrapped" else [])
    outer.mount("/inner", inner)
    response = await (await client(outer)).get(url, headers={"origin": OK})
    assert (response.status_code, cors_headers(response)) == (status, LISTED_HEADERS)
    assert len(response.headers.get_list("x-request-id")) == 1


async def test_patera_in_patera_shares_the_request_id(make: MakeApp, client: Connect) -> None:
    class Api(Controller):
        @get("/")
        async def show(self, req: Request) -> Response:
            return req.res.text(req.request_id)

    outer = make()
    outer.mount("/inner", make(Api))
    response = await (await client(outer)).get("/inner/")
    assert response.text == response.headers["x-request-id"]


async def test_patera_in_starlette_sends_its_own_headers(make: MakeApp) -> None:
    outer = Starlette(routes=[Mount("/inner", make(Users, **LISTED))])
    async with PateraTestClient(outer) as http:
        assert cors_headers(await http.get("/inner/users/", headers={"origin": OK})) == LISTED_HEADERS


# Websockets


class Chat(Controller):
    @socket("/ws")
    async def talk(self, req: Request) -> None:
        await req.accept()
        await req.res.send({"type": "websocket.send", "text": "hello"})


@pytest.mark.parametrize("headers", [{}, {"origin": OK}, {"origin": OWN}])
async def test_websocket_of_an_allowed_origin_is_accepted(
    make: MakeApp, client: Connect, headers: dict[str, str]
) -> None:
    async with (await client(make(Chat, **LISTED, CORS_ALLOW_METHODS=["POST"]))).websocket(
        "/ws", headers=headers
    ) as ws:
        assert await ws.receive_text() == "hello"


async def test_websocket_of_another_origin_is_refused_before_it_is_accepted(make: MakeApp, client: Connect) -> None:
    http = await client(make(Chat, **LISTED))
    with pytest.raises(WebSocketRejected) as caught:
        async with http.websocket("/ws", headers={"origin": EVIL}):
            pass
    assert caught.value.code == 4403


async def test_websocket_without_cors_takes_any_origin(make: MakeApp, client: Connect) -> None:
    class Open(Controller):
        @socket("/ws")
        @no_cors
        async def talk(self, req: Request) -> None:
            await req.accept()

    async with (await client(make(Open, **LISTED))).websocket("/ws", headers={"origin": EVIL}) as ws:
        await ws.close()


@pytest.mark.parametrize("url", ["/mounted/ws", "/foreign"])
async def test_websocket_of_another_application_is_checked_too(make: MakeApp, client: Connect, url: str) -> None:
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()

    application = make(**LISTED)
    application.mount("/mounted", Starlette(routes=[WebSocketRoute("/ws", talk)]))
    application.router.routes.append(WebSocketRoute("/foreign", talk))
    http = await client(application)
    async with http.websocket(url, headers={"origin": OK}) as ws:
        await ws.close()
    with pytest.raises(WebSocketRejected) as caught:
        async with http.websocket(url, headers={"origin": EVIL}):
            pass
    assert caught.value.code == 4403
