"""The application: what its class may define, what it loads, and what can be added to it."""

import asyncio
import gc
import re
import sys
import types
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Context, copy_context
from pathlib import Path
from typing import Any

import pytest
from loguru import logger
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from patera import (
    BaseConfig,
    BaseExtension,
    MiddlewareBase,
    Patera,
    Request,
    Response,
    app,
    app_path,
    on_shutdown,
    on_startup,
)
from patera.cli import Command
from patera.controller import Controller, get, path
from patera.exceptions import ConfigurationError, MissingConfiguration
from patera.logging import LoggerBase
from patera.request import current_request
from patera.routing import Converter
from patera.testing import PateraTestClient

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]


class Config(BaseConfig):
    APP_NAME: str = "Test"
    VERSION: str = "1.0"
    BASE_PATH: str = "."


def test_startup_method_that_hides_a_member_of_the_framework_is_refused() -> None:
    class Mixin:
        @on_shutdown
        async def aclose(self) -> None: ...

    @app(__name__, configs=Config)
    class Application(Mixin, Patera):
        @on_startup
        async def load(self) -> None: ...  # type: ignore[override]

    with pytest.raises(ConfigurationError) as caught:
        Application()
    assert [(mistake.code, mistake.found) for mistake in caught.value.mistakes] == [
        ("PAT002", "a startup or shutdown method named 'aclose', which hides Patera.aclose"),
        ("PAT002", "a startup or shutdown method named 'load', which hides Patera.load"),
    ]


def test_override_that_is_no_startup_method_is_accepted() -> None:
    @app(__name__, configs=Config)
    class Application(Patera):
        def build(self) -> None:
            super().build()
            self.state.is_built = True

    application = Application()
    application.build()
    assert application.state.is_built is True


@pytest.mark.parametrize("is_on", [True, False])
@pytest.mark.parametrize("rule", ["/notes", "/<unknown:note>"])
def test_build_leaves_the_garbage_collector_as_it_was(make_app: MakeApp, rule: str, is_on: bool) -> None:
    @path(rule)
    class Notes(Controller):
        @get("/")
        async def index(self, req: Request) -> Response:
            return req.res.text("")

    application = make_app(Notes)
    was_on = gc.isenabled()
    gc.enable() if is_on else gc.disable()
    try:
        with suppress(ConfigurationError):
            application.build()
        assert gc.isenabled() is is_on
    finally:
        gc.enable() if was_on else gc.disable()


# Decorating the class


def test_application_without_decorator_is_refused() -> None:
    class Application(Patera):
        pass

    with pytest.raises(ConfigurationError) as caught:
        Application()
    (mistake,) = caught.value.mistakes
    assert (mistake.code, mistake.found, mistake.change) == (
        "PAT001",
        "no @app decorator",
        "decorate the class with @app(__name__, configs=Config)",
    )


@pytest.mark.parametrize("configs", [dict, Config(), "Config"])
def test_application_with_a_config_of_another_kind_is_refused(configs: Any) -> None:
    @app(__name__, configs=configs)
    class Application(Patera):
        pass

    with pytest.raises(ConfigurationError, match=r"PAT001 .*\n  found:    configs="):
        Application()


def test_application_class_is_its_own_factory(make_app: MakeApp) -> None:
    application = make_app()
    assert isinstance(type(application)(), Patera)


def test_app_returns_the_class_itself() -> None:
    class Application(Patera):
        pass

    assert app_path("/x")(app(__name__, configs=Config)(Application)) is Application


# Import strings


def test_import_strings_that_fail_are_reported_together(make_app: MakeApp) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_app(
            CONTROLLERS=["json:Missing", "nowhere.at_all:Users"],
            EXTENSIONS=["json:JSONDecoder"],
            EXCEPTION_HANDLERS=["no colon"],
            MIDDLEWARE=["json:loads"],
        )
    assert sorted({mistake.where.split(":")[0].split("[")[0] for mistake in caught.value.mistakes}) == [
        "CONTROLLERS",
        "EXCEPTION_HANDLERS",
        "EXTENSIONS",
        "MIDDLEWARE",
    ]


def test_mistakes_of_extensions_and_loggers_are_reported_together(make_app: MakeApp) -> None:
    class Settings(BaseModel):
        SIZE: int

    class Part(BaseExtension):
        configs_model = Settings

        def init_app(self, app: Patera) -> None: ...

    class FileLogger(LoggerBase):
        pass

    with pytest.raises(ConfigurationError) as caught:
        make_app(EXTENSIONS=[Part], LOGGERS=[FileLogger], FILE_LOGGER={"LEVEL": "LOUD"})
    codes = [mistake.code[:5] for mistake in caught.value.mistakes]
    assert codes == ["PAT32", "PAT04"]


# Values and folders


def test_get_conf_returns_the_value(make_app: MakeApp) -> None:
    application = make_app(GREETING="hello")
    assert (application.get_conf("GREETING"), application.get_conf("APP_NAME")) == ("hello", "Test")


@pytest.mark.parametrize("default", [None, 3])
def test_get_conf_of_a_missing_key_returns_the_default(make_app: MakeApp, default: Any) -> None:
    assert make_app().get_conf("MISSING", default) == default


@pytest.mark.parametrize("kind", [MissingConfiguration, ConfigurationError, KeyError])
def test_get_conf_of_a_missing_key_without_default_names_the_closest(make_app: MakeApp, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"PAT010 get_conf\('APP_NAM'\)\n(?s:.)*Did you mean 'APP_NAME'\?"):
        make_app().get_conf("APP_NAM")


def test_properties_have_the_values_of_the_config(make_app: MakeApp, tmp_path: Path) -> None:
    application = make_app(APP_NAME="Shop", VERSION="2.0", DEBUG=False)
    found = (application.app_name, application.version, application.debug, application.configs["APP_NAME"])
    assert found == ("Shop", "2.0", False, "Shop")
    folders = (application.root_path, application.static_files_path)
    assert folders == (str(tmp_path), str(tmp_path / "static"))
    assert (application.app, isinstance(application.config, BaseConfig)) == (application, True)


def test_root_path_of_an_unknown_module_is_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @app("no.such.module", configs=Config)
    class Application(Patera):
        pass

    monkeypatch.chdir(tmp_path)
    assert Application().root_path == str(tmp_path)


def test_static_folder_is_the_configured_one(make_app: MakeApp, tmp_path: Path) -> None:
    assert make_app(STATIC_DIR="/assets").static_files_path == str(tmp_path / "assets")


def test_logger_of_the_application_names_it(make_app: MakeApp) -> None:
    found: list[str] = []
    sink = logger.add(lambda message: found.append(message.record["message"]), format="{message}")
    make_app().logger.info("hello")
    logger.remove(sink)
    assert found == ["hello"]


def test_jinja_environment_takes_filters(make_app: MakeApp) -> None:
    application = make_app()
    application.jinja_environment.filters["shout"] = str.upper
    assert application.jinja_environment.from_string("{{ 'x' | shout }}").render() == "X"


async def test_application_is_a_starlette_application(make_app: MakeApp, client: Connect) -> None:
    application = make_app(Users)
    assert isinstance(application, Starlette)
    application.state.answer = 42
    rules = [getattr(route, "path", None) for route in application.routes]
    assert ("/users/{user_id}" in str(rules), application.state.answer) == (True, 42)


# `url_for`


@path("/users")
class Users(Controller):
    @get("/<int:user_id>")
    async def show(self, req: Request, user_id: int) -> Response:
        urls = [self.app.url_for("Users.show", user_id=7), req.url_for("Users.show", user_id=7)]
        return req.res.json(urls)

    @get("/go")
    async def go(self, req: Request) -> Response:
        return req.res.redirect("Users.show", user_id=7)


def test_url_for_before_the_build_builds(make_app: MakeApp) -> None:
    assert make_app(Users).url_for("Users.show", user_id=3, tab="a b") == "/users/3?tab=a+b"


def test_url_for_an_unknown_endpoint_names_the_closest(make_app: MakeApp) -> None:
    with pytest.raises(ValueError, match=r"there is no endpoint 'User\.show'\. Did you mean 'Users\.show'\?"):
        make_app(Users).url_for("User.show", user_id=3)


def test_url_for_without_a_value_names_it(make_app: MakeApp) -> None:
    with pytest.raises(ValueError, match=r"the URL of 'Users\.show' needs a value for 'user_id'"):
        make_app(Users).url_for("Users.show")


def below(prefix: str, application: Patera) -> Any:
    """The application as a server with that root path calls it."""

    async def run(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope = {**scope, "root_path": prefix, "path": prefix + scope["path"]}
        await application(scope, receive, send)

    return run


async def test_url_for_under_a_root_path_begins_with_it(make_app: MakeApp) -> None:
    async with PateraTestClient(below("/my shop", make_app(Users))) as http:
        urls = (await http.get("/users/3")).json()
        location = (await http.get("/users/go")).headers["location"]
    assert urls == ["/my%20shop/users/7", "http://testserver/my%20shop/users/7"]
    assert location == "/my%20shop/users/7"


async def test_url_for_in_a_mounted_application_begins_with_the_mount(make_app: MakeApp, client: Connect) -> None:
    outer = make_app()
    outer.mount("/shop", make_app(Users))
    http = await client(outer)
    assert (await http.get("/shop/users/3")).json() == ["/shop/users/7", "http://testserver/shop/users/7"]


# Adding to an application


async def test_controller_registered_answers(make_app: MakeApp, client: Connect) -> None:
    application = make_app()
    application.register_controller(Users)
    assert (await (await client(application)).get("/users/3")).status_code == 200


def prefixed(make_app: MakeApp) -> Patera:
    application = make_app(Users)
    return app_path("/api")(type(application))()


async def test_app_path_stands_before_controllers_and_open_api_pages_but_not_static_files(
    make_app: MakeApp, client: Connect, tmp_path: Path
) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "a.txt").write_text("a")
    http = await client(prefixed(make_app))
    urls = ("/api/users/3", "/users/3", "/api/openapi/specs.json", "/static/a.txt", "/api/static/a.txt")
    assert [(await http.get(url)).status_code for url in urls] == [200, 404, 200, 200, 404]


async def test_app_path_may_be_left_out_for_a_controller(make_app: MakeApp, client: Connect) -> None:
    class Health(Controller):
        @get("/health")
        async def show(self, req: Request) -> Response:
            return req.res.text("fine")

    application = prefixed(make_app)
    application.register_controller(Health, with_base_path=False)
    assert (await (await client(application)).get("/health")).text == "fine"


class ColorConverter(Converter[tuple[int, ...]]):
    regex = "[0-9a-f]{6}"
    python_type = tuple

    def convert(self, value: str) -> tuple[int, ...]:
        return tuple(bytes.fromhex(value))

    def to_string(self, value: tuple[int, ...]) -> str:
        return bytes(value).hex()


async def test_converter_registered_converts_both_ways(make_app: MakeApp, client: Connect) -> None:
    class Paint(Controller):
        @get("/<color:background>")
        async def show(self, req: Request, background: tuple[int, ...]) -> Any:
            return {"rgb": background}

    application = make_app(Paint)
    application.register_converter("color", ColorConverter)
    assert application.url_for("Paint.show", background=(255, 0, 16)) == "/ff0010"
    http = await client(application)
    assert ((await http.get("/ff0010")).json(), (await http.get("/red")).status_code) == ({"rgb": [255, 0, 16]}, 404)


def test_converter_registered_belongs_to_one_application(make_app: MakeApp) -> None:
    first, second = make_app(), make_app()
    first.register_converter("color", ColorConverter)
    assert "color" not in second.converters


@pytest.mark.parametrize("converter", [str, ColorConverter()])
def test_converter_of_another_kind_is_refused(make_app: MakeApp, converter: Any) -> None:
    with pytest.raises(TypeError, match=r"register_converter\(\) takes subclasses of Converter, got "):
        make_app().register_converter("color", converter)


async def test_global_context_method_fills_every_template(make_app: MakeApp, client: Connect) -> None:
    class Pages(Controller):
        @get("/")
        async def show(self, req: Request) -> Response:
            return req.res.html_from_string("{{ year }}")

    application = make_app(Pages)
    application.add_global_context_method(lambda: {"year": 2024})
    assert (await (await client(application)).get("/")).text == "2024"


async def test_template_path_added_is_looked_up(make_app: MakeApp, client: Connect, tmp_path: Path) -> None:
    class Pages(Controller):
        @get("/")
        async def show(self, req: Request) -> Response:
            return req.res.html("page.html")

    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "page.html").write_text("from more")
    application = make_app(Pages)
    application.add_template_path(tmp_path / "more")
    assert (await (await client(application)).get("/")).text == "from more"


def greet() -> None:
    """Say hello."""


def test_command_added_twice_is_a_mistake(make_app: MakeApp) -> None:
    application = make_app()
    application.add_command(Command("greet", "Greet.", greet))
    with pytest.raises(ConfigurationError, match="PAT05"):
        application.add_command(Command("greet", "Greet in another way.", print))


def test_extension_that_adds_itself_is_registered_once(make_app: MakeApp) -> None:
    class Part(BaseExtension):
        def init_app(self, app: Patera) -> None:
            app.add_extension(self)

    part = Part()
    assert make_app(EXTENSIONS=[part]).extensions == {"PART": part}


def test_extensions_that_read_the_same_values_are_a_mistake(make_app: MakeApp) -> None:
    class Part(BaseExtension):
        def init_app(self, app: Patera) -> None: ...

    with pytest.raises(ConfigurationError, match=r"PAT301 EXTENSIONS: Part\n  found:    a second extension .*'PART'"):
        make_app(EXTENSIONS=[Part(), Part()])


def test_extension_listed_twice_is_one(make_app: MakeApp) -> None:
    class Part(BaseExtension):
        def init_app(self, app: Patera) -> None: ...

    part = Part()
    assert list(make_app(EXTENSIONS=[part, part]).extensions) == ["PART"]


def test_extension_listed_as_class_is_made(make_app: MakeApp) -> None:
    class Part(BaseExtension):
        def init_app(self, app: Patera) -> None: ...

    assert isinstance(make_app(EXTENSIONS=[Part]).extensions["PART"], Part)


# REQUEST_CLASS and RESPONSE_CLASS


class MyRequest(Request):
    @property
    def tenant(self) -> str:
        return self.headers.get("x-tenant", "nobody")


class MyResponse(Response[Any]):
    def teapot(self) -> "MyResponse":
        return self.status(418).text("teapot")


class Tea(Controller):
    @get("/")
    async def show(self, req: MyRequest) -> Response:
        assert isinstance(req.res, MyResponse)
        return req.res.teapot().set_header("x-tenant", req.tenant)


@pytest.mark.parametrize("form", ["class", "import string"])
async def test_exchange_classes_of_the_config_are_used(make_app: MakeApp, client: Connect, form: str) -> None:
    classes: dict[str, Any] = {"REQUEST_CLASS": MyRequest, "RESPONSE_CLASS": MyResponse}
    if form == "import string":
        module = types.ModuleType("patera_exchange_classes")
        vars(module).update(classes)
        sys.modules[module.__name__] = module
        classes = {key: f"{module.__name__}:{key}" for key in classes}
    response = await (await client(make_app(Tea, **classes))).get("/", headers={"x-tenant": "acme"})
    assert (response.status_code, response.headers["x-tenant"]) == (418, "acme")


class OldRequest(Request):
    def __init__(self, scope: Any, receive: Any, app: Any, route_parameters: Any, route_handler: Any) -> None:
        super().__init__(scope, receive)


class OldResponse(Response[Any]):
    def __init__(self, app: Any) -> None:
        super().__init__()


@pytest.mark.parametrize(
    ("key", "value", "found", "accepted"),
    [
        ("REQUEST_CLASS", dict, "no subclass of patera.Request", "__init__(self, scope, receive, send)"),
        ("REQUEST_CLASS", OldRequest, "a constructor with another signature", "__init__(self, scope, receive, send)"),
        ("RESPONSE_CLASS", dict, "no subclass of patera.Response", "a constructor without required arguments"),
        ("RESPONSE_CLASS", OldResponse, "a constructor with another signature", "a constructor without required"),
    ],
)
def test_exchange_class_that_does_not_fit_is_a_mistake(
    make_app: MakeApp, key: str, value: type, found: str, accepted: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_app(**{key: value})
    (mistake,) = caught.value.mistakes
    assert (mistake.code, mistake.found, accepted in mistake.accepted) == ("PAT304", found, True)


# MIDDLEWARE


class NoMiddleware:
    """Has no way to be called."""


class Asgi:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-asgi", b"1"))
            await send(message)

        await self.app(scope, receive, sending)


class Inner(MiddlewareBase):
    pass


async def test_asgi_middleware_listed_wraps_every_answer(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(Users, MIDDLEWARE=[Asgi, Inner]))
    found = [(await http.get(url)).headers.get("x-asgi") for url in ("/users/3", "/nowhere")]
    assert found == ["1", "1"]


def test_asgi_middleware_behind_patera_middleware_is_a_mistake(make_app: MakeApp) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_app(MIDDLEWARE=[Inner, Asgi])
    (mistake,) = caught.value.mistakes
    assert (mistake.code, mistake.found, mistake.change) == (
        "PAT303",
        "ASGI middleware behind Inner, a MiddlewareBase class",
        "move it in front of Inner",
    )


def test_middleware_of_another_kind_is_a_mistake(make_app: MakeApp) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_app(MIDDLEWARE=[NoMiddleware])
    (mistake,) = caught.value.mistakes
    assert (mistake.code, mistake.found) == ("PAT302", "neither a MiddlewareBase class nor an ASGI middleware class")


# Request ids and the request log


class Ids(Controller):
    @get("/")
    async def show(self, req: Request) -> Response:
        return req.res.text(req.request_id)


@pytest.mark.parametrize("middleware", [(), (Asgi,)], ids=["inline", "wrapped"])
async def test_request_id_of_the_client_is_used_when_harmless(
    make_app: MakeApp, client: Connect, middleware: tuple[type, ...]
) -> None:
    http = await client(make_app(Ids, MIDDLEWARE=middleware))
    response = await http.get("/", headers={"x-request-id": "abc-123"})
    assert (response.text, response.headers.get_list("x-request-id")) == ("abc-123", ["abc-123"])


@pytest.mark.parametrize("sent", ["", "a b", "x" * 129, "<script>", "a\tb"])
async def test_request_id_of_the_client_that_could_do_harm_is_replaced(
    make_app: MakeApp, client: Connect, sent: str
) -> None:
    response = await (await client(make_app(Ids))).get("/", headers={"x-request-id": sent})
    assert response.headers["x-request-id"] == response.text
    assert re.fullmatch(r"[0-9a-f]{20}-\d+", response.text)


@pytest.mark.parametrize("middleware", [(), (Asgi,)], ids=["inline", "wrapped"])
@pytest.mark.parametrize("url", ["/", "/nowhere", "/static/x"])
async def test_request_id_is_in_every_answer_and_never_the_same(
    make_app: MakeApp, client: Connect, middleware: tuple[type, ...], url: str
) -> None:
    http = await client(make_app(Ids, MIDDLEWARE=middleware))
    assert len({(await http.get(url)).headers["x-request-id"] for _ in range(3)}) == 3


@pytest.mark.parametrize(("is_on", "lines"), [(True, [r"GET '/no\nwhere' 404", "GET '/' 200"]), (False, [])])
async def test_request_log_has_one_line_for_each_request(
    make_app: MakeApp, client: Connect, is_on: bool, lines: list[str]
) -> None:
    http = await client(make_app(Ids, REQUEST_LOG=is_on, DEFAULT_LOGGER={"SINK": "NULL"}))
    found: list[str] = []
    sink = logger.add(lambda message: found.append(message.record["message"]), level="INFO", format="{message}")
    await http.get("/no%0Awhere?secret=1")
    await http.get("/")
    logger.remove(sink)
    assert found == lines


async def test_request_that_takes_too_long_is_504(make_app: MakeApp, client: Connect) -> None:
    class Slow(Controller):
        @get("/")
        async def show(self, req: Request) -> Response:
            await asyncio.Event().wait()
            return req.res.text("never")

    response = await (await client(make_app(Slow, REQUEST_TIMEOUT=0.01))).get("/")
    assert (response.status_code, response.json()) == (
        504,
        {"status": "error", "message": "Request timed out", "data": {"seconds": 0.01}},
    )


# What startup warns of


@pytest.mark.parametrize(
    ("variables", "configs", "warning"),
    [
        (
            {"PORT": "9000"},
            {},
            "PORT was set by the environment variable PORT; PATERA_PORT is unmistakable",
        ),
        ({"DEBUG": "*"}, {}, "The environment variable DEBUG is ignored: "),
        ({"PATERA_DEBGU": "1"}, {}, "The environment variable PATERA_DEBGU is ignored: "),
        ({}, {"HOST": "0.0.0.0"}, "DEBUG is on because nothing sets it, and HOST is 0.0.0.0; set it"),
    ],
)
async def test_startup_warns_of_what_the_environment_did(
    make_app: MakeApp,
    client: Connect,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    configs: dict[str, Any],
    warning: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found: list[str] = []
    sink = logger.add(lambda message: found.append(message.record["message"]), level="WARNING", format="{message}")
    await client(make_app(**configs))
    logger.remove(sink)
    (message,) = found
    assert message.startswith(warning)


# Mounts


async def test_route_appended_after_the_build_is_found(make_app: MakeApp, client: Connect) -> None:
    application = make_app(Users)
    http = await client(application)
    assert (await http.get("/late")).status_code == 404
    application.router.routes.append(Route("/late", lambda request: PlainTextResponse("late")))
    assert (await http.get("/late")).text == "late"


async def test_application_of_any_kind_is_mounted(make_app: MakeApp, client: Connect) -> None:
    application = make_app(Users)
    application.mount("/plain", PlainTextResponse("plain"))
    application.mount("/inner", make_app(Ids))
    http = await client(application)
    assert ((await http.get("/plain/any")).text, (await http.get("/inner/")).status_code) == ("plain", 200)


async def test_mount_beside_a_catch_all_is_reached(make_app: MakeApp, client: Connect) -> None:
    class Pages(Controller):
        @get("/<path:page>")
        async def show(self, req: Request, page: str) -> Response:
            return req.res.text(f"page {page}")

    application = make_app(Pages)
    application.mount("/admin", PlainTextResponse("admin"))
    http = await client(application)
    assert [(await http.get(url)).text for url in ("/admin/x", "/other")] == ["admin", "page other"]


def test_applications_mounted_are_known(make_app: MakeApp) -> None:
    outer, inner = make_app(), make_app()
    outer.mount("/inner", inner)
    outer.mount("/plain", PlainTextResponse("plain"))
    assert outer.mounted_applications() == [inner]


@pytest.mark.parametrize("is_kept", [False, True], ids=["plain", "with a background task"])
async def test_context_of_the_last_message_keeps_the_request_only_as_long_as_it_is_needed(
    make_app: MakeApp, is_kept: bool
) -> None:
    """A server sets its timer for idle connections there, with a copy of the context."""

    @path("/")
    class Api(Controller):
        @get("/")
        async def show(self, req: Request) -> Response:
            response = req.res.text("x")
            response.background = BackgroundTask(seen.append, "task") if is_kept else None
            return response

    seen: list[Any] = []
    contexts: list[Context] = []

    async def send(message: Any) -> None:
        contexts.append(copy_context())

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"host", b"localhost")]}
    await make_app(Api)(scope, receive_nothing, send)
    assert contexts[0].run(current_request) is not None
    assert (contexts[-1].run(current_request) is not None) is is_kept
    assert (seen, current_request()) == (["task"] if is_kept else [], None)


async def receive_nothing() -> Any:
    return {"type": "http.disconnect"}
