"""Security headers: on every answer once, changed by the config and by routes, overruled by handlers."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse

from patera import Patera, Request, Response
from patera.controller import Controller, get, no_cors, path, security_headers
from patera.exceptions import ConfigurationError
from patera.testing import PateraTestClient
from tests.security.site import EVERYWHERE, PassOn, Site, with_mount

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]

DEFAULTS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
    "x-frame-options": "SAMEORIGIN",
}
TRANSPORT = {"strict-transport-security": "max-age=31536000"}
WATCHED = {*DEFAULTS, *TRANSPORT, "content-security-policy", "permissions-policy"}


@pytest.fixture(params=["inline", "wrapped"])
def make(request: pytest.FixtureRequest, make_app: MakeApp) -> MakeApp:
    """`make_app` in one of the edge's two forms, in production unless said otherwise."""
    outer = [PassOn] if request.param == "wrapped" else []

    def make(*controllers: type, **values: Any) -> Patera:
        return make_app(*controllers, **{"MIDDLEWARE": outer, "DEBUG": False, **values})

    return make


def security_of(response: httpx.Response) -> dict[str, str]:
    """The security headers, each of which stands there once."""
    found = [name for name in response.headers if name in WATCHED]
    assert all(len(response.headers.get_list(name)) == 1 for name in found), response.headers
    return {name: response.headers[name] for name in found}


@pytest.mark.parametrize("url", EVERYWHERE)
async def test_headers_are_on_every_answer_once(make: MakeApp, client: Connect, url: str) -> None:
    """S34."""
    response = await (await client(with_mount(make(Site)))).get(url)
    assert security_of(response) == DEFAULTS


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "DELETE"])
async def test_headers_are_on_answers_to_other_methods(make: MakeApp, client: Connect, method: str) -> None:
    assert security_of(await (await client(make(Site))).request(method, "/site/")) == DEFAULTS


async def test_headers_are_on_preflights_and_redirects(make: MakeApp, client: Connect) -> None:
    http = await client(make(Site))
    preflight = {"origin": "https://a.example", "access-control-request-method": "POST"}
    answers = [await http.options("/site/", headers=preflight), await http.get("/site//empty")]
    assert [(answer.status_code, security_of(answer)) for answer in answers] == [(204, DEFAULTS), (308, DEFAULTS)]


async def test_headers_do_not_depend_on_cors(make: MakeApp, client: Connect) -> None:
    @path("/off")
    class Off(Controller):
        @get("/")
        @no_cors
        async def show(self, req: Request) -> Response:
            return req.res.text("x")

    for values in ({"CORS_ENABLED": False}, {"CORS_ALLOW_ORIGINS": ["https://ok.example"]}):
        http = await client(with_mount(make(Site, Off, **values)))
        found = [security_of(await http.get(url)) for url in ("/site/", "/off/", "/mounted/", "/nowhere")]
        assert found == [DEFAULTS] * 4


@pytest.mark.parametrize(
    "url", ["https://testserver/site/", "https://testserver/nowhere", "https://testserver/mounted/"]
)
async def test_transport_security_is_on_https_alone(make: MakeApp, client: Connect, url: str) -> None:
    http = await client(with_mount(make(Site)))
    assert security_of(await http.get(url)) == {**DEFAULTS, **TRANSPORT}


async def test_transport_security_is_not_sent_in_debug(make: MakeApp, client: Connect) -> None:
    """A browser would refuse http on localhost for a year."""
    http = await client(make(Site, DEBUG=True))
    assert security_of(await http.get("https://testserver/site/")) == DEFAULTS


async def test_config_changes_adds_and_removes_headers(make: MakeApp, client: Connect) -> None:
    configured = {"X-Frame-Options": None, "referrer-policy": "no-referrer", "Permissions-Policy": "camera=()"}
    http = await client(with_mount(make(Site, SECURITY_HEADERS=configured)))
    expected = {
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "permissions-policy": "camera=()",
    }
    assert [security_of(await http.get(url)) for url in EVERYWHERE] == [expected] * len(EVERYWHERE)


async def test_config_false_sends_none(make: MakeApp, client: Connect) -> None:
    http = await client(with_mount(make(Site, SECURITY_HEADERS=False)))
    assert [security_of(await http.get(url)) for url in EVERYWHERE] == [{}] * len(EVERYWHERE)


@path("/own")
class Own(Controller):
    @get("/headers")
    async def headers(self, req: Request) -> Response:
        return req.res.text("x").set_header("X-Frame-Options", "DENY")

    @get("/empty")
    async def empty(self, req: Request) -> Response:
        return req.res.no_content().set_header("X-Frame-Options", "DENY")

    @get("/stream")
    async def stream(self, req: Request) -> Response:
        return req.res.stream(["x"]).set_header("X-Frame-Options", "DENY")

    @get("/plain")
    async def plain(self, req: Request) -> Any:
        return PlainTextResponse("x", headers={"X-Frame-Options": "DENY"})


@pytest.mark.parametrize("url", ["/own/headers", "/own/empty", "/own/stream", "/own/plain"])
async def test_header_that_the_handler_sets_wins(make: MakeApp, client: Connect, url: str) -> None:
    assert security_of(await (await client(make(Own))).get(url)) == {**DEFAULTS, "x-frame-options": "DENY"}


async def test_header_that_a_mounted_application_sets_wins(make: MakeApp, client: Connect) -> None:
    application = make(Site)
    application.mount("/framed", PlainTextResponse("x", headers={"X-Frame-Options": "DENY"}))
    application.mount("/inner", make(Own, Site))
    http = await client(application)
    expected = {**DEFAULTS, "x-frame-options": "DENY"}
    found = [security_of(await http.get(url)) for url in ("/framed/", "/inner/own/headers", "/inner/site/")]
    assert found == [expected, expected, DEFAULTS]


@path("/widgets")
@security_headers({"Content-Security-Policy": "frame-ancestors *", "X-Frame-Options": None})
class Widgets(Controller):
    @get("/class")
    async def of_class(self, req: Request) -> Response:
        return req.res.text("x")

    @get("/method")
    @security_headers({"Referrer-Policy": "no-referrer", "content-security-policy": "default-src 'self'"})
    async def of_method(self, req: Request) -> Response:
        return req.res.text("x")

    @security_headers(False)
    @get("/none")
    async def none(self, req: Request) -> Response:
        return req.res.text("x")

    @get("/default")
    @security_headers(True)
    async def default(self, req: Request) -> Response:
        return req.res.text("x")

    @get("/broken")
    @security_headers(False)
    async def broken(self, req: Request) -> Response:
        raise ValueError


class MoreWidgets(Widgets):
    """Inherits what its parent says."""


WITHOUT_FRAME = {name: value for name, value in DEFAULTS.items() if name != "x-frame-options"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("class", {**WITHOUT_FRAME, "content-security-policy": "frame-ancestors *"}),
        (
            "method",
            {**WITHOUT_FRAME, "referrer-policy": "no-referrer", "content-security-policy": "default-src 'self'"},
        ),
        ("none", {}),
        ("default", DEFAULTS),
        ("broken", {}),
    ],
)
async def test_decorators_of_class_and_method_overlay_the_config(
    make: MakeApp, client: Connect, name: str, expected: dict[str, str]
) -> None:
    assert security_of(await (await client(make(Widgets))).get(f"/widgets/{name}")) == expected


async def test_controller_inherits_the_headers_of_its_parent(make: MakeApp, client: Connect) -> None:
    response = await (await client(make(MoreWidgets))).get("/widgets/class")
    assert security_of(response) == {**WITHOUT_FRAME, "content-security-policy": "frame-ancestors *"}


def test_plan_has_the_headers_of_an_endpoint(make_app: MakeApp) -> None:
    plans = {plan.name: plan.security_headers for plan in make_app(Widgets).plan.endpoints}
    assert plans["Widgets.none"] == {}
    assert plans["Widgets.of_class"] == {**WITHOUT_FRAME, "content-security-policy": "frame-ancestors *"}


@pytest.mark.parametrize(
    ("name", "value"), [("X Frame", "DENY"), ("X-Frame-Options", "a\r\nb: c"), ("X-Frame-Options", "\u2603")]
)
def test_header_that_cannot_be_sent_is_a_mistake(make_app: MakeApp, name: str, value: str) -> None:
    class Bad(Controller):
        @get("/")
        @security_headers({name: value})
        async def show(self, req: Request) -> None: ...

    for application in (make_app(SECURITY_HEADERS={name: value}), make_app(Bad)):
        with pytest.raises(ConfigurationError, match="PAT542"):
            application.build()


@pytest.mark.parametrize("argument", [None, "nosniff", ["X-Frame-Options"], Site.index])
def test_decorator_refuses_other_arguments(argument: Any) -> None:
    with pytest.raises(TypeError, match="security_headers"):
        security_headers(argument)


async def test_pages_of_the_framework_have_a_content_security_policy(make_app: MakeApp, client: Connect) -> None:
    """S34."""
    http = PateraTestClient(make_app(Site), raise_app_exceptions=False)
    docs = await http.get("/openapi/docs")
    debug = await http.get("/site/broken", headers={"accept": "text/html"})
    await http.close()
    assert "script-src 'self'" in docs.headers["content-security-policy"]
    assert debug.headers["content-security-policy"].startswith("default-src 'none'")
    assert "Traceback" in debug.text
    assert security_of(debug)["x-frame-options"] == "SAMEORIGIN"
