"""The snippets of the reference document run as they are written, re-indented and with plain typos corrected."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from patera import BaseConfig, HttpStatus, LogLevel, MediaType, Patera, Request, Response
from patera.exceptions import ConfigurationError, MissingConfiguration
from patera.testing import PateraTestClient, PyJoltTestClient, WebSocketRejected
from tests.documents import imported_from, python_environment, run_pytest, run_python
from tests.reference import (
    configs,
    controllers,
    cross_origin,
    errors,
    exchange,
    hooks,
    loggers,
    middleware,
    routes,
    sockets,
)
from tests.server import run_process

REFERENCE = Path(__file__).parent / "reference"
PROJECT = REFERENCE / "project"

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]


# Application, configuration, running


async def test_minimum_application_answers_not_found(client: Connect) -> None:
    with imported_from(REFERENCE / "blank"):
        from app import Application  # type: ignore[import-not-found]

        http = await client(Application())
    response = await http.get("/")
    assert (response.status_code, response.json()) == (404, {"status": "error", "message": "Endpoint not found"})


def test_application_has_the_documented_members() -> None:
    with imported_from(PROJECT):
        from app import Application

        app = Application()
        assert app.root_path == str(PROJECT / "app")
        assert app.static_files_path == str(PROJECT / "app" / "static")
    assert (app.app_name, app.version, app.app) == ("Test app", "1.0", app)
    assert app.configs["SECRET_KEY"] == app.get_conf("SECRET_KEY") == "some-super-secret-key"
    assert app.url_for("UsersApi.get_user", user_id=3) == "/api/v1/users/3"
    assert callable(app.logger.info)
    assert callable(app.run_cli)


def test_get_conf_of_unknown_name_raises_error_unless_there_is_a_default() -> None:
    with imported_from(PROJECT):
        from app import Application

        app = Application()
    with pytest.raises(MissingConfiguration, match="SECRET_KEI"):
        app.get_conf("SECRET_KEI")
    assert app.get_conf("SECRET_KEI", None) is None


def test_configuration_table_as_class_is_accepted_with_its_types() -> None:
    values = configs.DocumentedConfig().as_dict()
    assert (values["REQUEST_CLASS"], values["RESPONSE_CLASS"]) == (Request, Response)
    assert values["CORS_ALLOW_METHODS"] == ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def test_configuration_defaults_are_those_of_the_table() -> None:
    class Config(BaseConfig):
        APP_NAME: str = "Defaults"
        VERSION: str = "1.0"
        BASE_PATH: str = str(REFERENCE)

    documented, defaults = configs.DocumentedConfig().as_dict(), Config().as_dict()
    keys = {"DEBUG", "HOST", "TEMPLATES_STRICT", "STRICT_SLASHES"} | {
        key for key in documented if key.startswith(("CORS_", "OPEN_API", "STATIC_", "TEMPLATES_"))
    }
    assert {key: defaults[key] for key in keys} == {key: documented[key] for key in keys}
    assert (defaults["PORT"], defaults["LIFESPAN"]) == (8080, "on")


@pytest.mark.parametrize(
    "command",
    [
        ["run.py"],
        ["-m", "uvicorn", "app:Application", "--reload", "--port", "0", "--factory", "--host", "localhost"],
    ],
    ids=["run.py", "uvicorn"],
)
async def test_application_is_served_and_stopped(command: list[str], tmp_path: Path) -> None:
    env_file = {"PORT": "0", "LOG_FILE": str(tmp_path / "file.log")}
    async with run_process(*command, cwd=PROJECT, env=python_environment(**env_file)) as server:
        async with httpx.AsyncClient() as http:
            response = await retry(lambda: http.get(f"http://localhost:{server.port}/api/v1/users/1"))
        assert response.json() == {"id": 1, "fullname": "John Doe", "email": "johndoe@email.com"}
        assert int(response.headers["x-process-time-ms"]) >= 0
    output = "".join(server.output)
    assert "Starting up..." in output
    assert "Shuting down..." in output


async def retry(call: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """Ask until the reloader's child listens."""
    with anyio.fail_after(20):
        while True:
            try:
                return await call()
            except httpx.TransportError:
                await anyio.sleep(0.05)
    raise AssertionError


def test_misspelt_import_string_names_the_closest_class(make_app: MakeApp) -> None:
    with imported_from(PROJECT), pytest.raises(ConfigurationError, match="Did you mean 'UsersApi'"):
        make_app(CONTROLLERS=["app.api.users.user_api:UserApi"])


# Logging


def written(tmp_path: Path, make_app: MakeApp, **values: Any) -> Patera:
    sink = {"SINK": str(tmp_path / "file.log"), "COLORIZE": False}
    return make_app(**{key: sink | value if isinstance(value, dict) else value for key, value in values.items()})


async def test_documented_default_logger_writes_to_standard_error(
    tmp_path: Path, make_app: MakeApp, capsys: pytest.CaptureFixture[str]
) -> None:
    async with PateraTestClient(make_app(DEFAULT_LOGGER=configs.DocumentedConfig().DEFAULT_LOGGER)) as http:
        http.app.logger.info("Hello")
    assert "DefaultLogger" in capsys.readouterr().err


async def test_file_logger_writes_with_documented_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_FILE", str(tmp_path / "logging" / "file.log"))
    with imported_from(PROJECT):
        from app import Application

        async with PateraTestClient(Application()) as http:
            http.app.logger.info("Hello file")
    assert "| FileLogger | \x1b[1mHello file\x1b[0m" in (tmp_path / "logging" / "file.log").read_text()


def test_file_logger_begins_a_new_file_after_5_mb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_FILE", str(tmp_path / "file.log"))
    with imported_from(PROJECT):
        from app import Application

        asyncio.run(log_megabytes(Application(), 6))
    assert [path.suffix for path in sorted(tmp_path.iterdir())] == [".zip", ".log"]


async def log_megabytes(app: Patera, count: int) -> None:
    async with app.lifespan():
        for _ in range(count):
            app.logger.trace("x" * 1_000_000)


async def test_format_method_decides_the_line(tmp_path: Path, make_app: MakeApp) -> None:
    app = written(tmp_path, make_app, LOGGERS=[loggers.FormatLogger], FORMAT_LOGGER={})
    async with PateraTestClient(app):
        app.logger.info("Hello")
    line = next(line for line in (tmp_path / "file.log").read_text().splitlines() if "Hello" in line)
    assert line[24:].startswith("| INFO     | FormatLogger | tests.test_reference:test_format_method")


async def test_filter_method_decides_about_lines(tmp_path: Path, make_app: MakeApp) -> None:
    app = written(tmp_path, make_app, LOGGERS=[loggers.PerformanceLogger], PERFORMANCE_LOGGER={"FORMAT": "{message}"})
    async with PateraTestClient(app):
        app.logger.info("PERFORMANCE 3 ms")
        app.logger.info("something else")
    assert (tmp_path / "file.log").read_text() == "PERFORMANCE 3 ms\n"


async def test_json_format_writes_lines_of_json(tmp_path: Path, make_app: MakeApp) -> None:
    app = written(tmp_path, make_app, LOGGERS=[loggers.JsonLogger], JSON_LOGGER={})
    async with PateraTestClient(app):
        app.logger.info('with "quotes"')
    lines = [json.loads(line) for line in (tmp_path / "file.log").read_text().splitlines()]
    assert {"INFO": 'with "quotes"'}.items() <= {line["level"]: line["message"] for line in lines}.items()


def test_log_levels_are_those_of_the_document() -> None:
    assert list(LogLevel) == ["TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


# Controllers


async def test_controller_answers_as_documented(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(controllers.UsersApi))
    shown = await http.get("/api/v1/users/7")
    assert shown.json() == {"id": 7, "fullname": "John Doe", "email": "johndoe@email.com"}
    assert shown.headers["content-type"] == "application/json"
    made = await http.post("/api/v1/users/", json={"email": "a@example.org", "fullname": "A", "more": 1})
    assert (made.status_code, made.json()) == (201, {"email": "a@example.org", "fullname": "A"})
    wrong = await http.post("/api/v1/users", json={"email": "a@example.org"})
    assert (wrong.status_code, wrong.json()["details"]) == (422, {"fullname": "Field required"})


async def test_consumed_model_is_in_the_produced_one(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(controllers.ModelsApi))
    response = await http.post("/api/v1/models", json={"fullname": "A", "age": 30})
    assert response.json() == {"message": "User added", "status": "success", "data": {"fullname": "A", "age": 30}}


async def test_descriptors_are_in_the_open_api_document(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(controllers.ModelsApi, APP_NAME="Documented", VERSION="2"))
    document = (await http.get("/openapi/specs.json")).json()
    operation = document["paths"]["/api/v1/models/{user_id}"]["get"]
    assert operation["responses"]["404"]["description"] == "User not found"
    assert operation["responses"]["400"]["content"]["application/json"]["schema"]
    assert "delete" not in document["paths"]["/api/v1/models/{user_id}"]
    assert set(document["paths"]["/api/v1/models/"]["post"]["tags"]) == {"Created", "Models"}
    assert (document["info"]["title"], document["info"]["version"]) == ("Documented", "2")
    assert (await http.get("/openapi/docs")).headers["content-type"].startswith("text/html")


async def test_open_api_is_served_in_debug_only(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(controllers.ModelsApi, DEBUG=False))
    assert [(await http.get(path)).status_code for path in ("/openapi/docs", "/openapi/specs.json")] == [404, 404]


@pytest.mark.parametrize(("debug", "status"), [(True, 200), (False, 404)])
async def test_development_is_reachable_in_debug_only(
    debug: bool, status: int, make_app: MakeApp, client: Connect
) -> None:
    http = await client(make_app(controllers.ModelsApi, controllers.UnfinishedApi, DEBUG=debug))
    for path in ("/api/v1/models/unfinished", "/api/v1/unfinished"):
        assert (await http.get(path)).status_code == status


async def test_method_with_two_verbs_answers_both(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(controllers.ModelsApi))
    assert (await http.put("/api/v1/models/1")).text == "PUT 1"
    assert (await http.patch("/api/v1/models/2")).text == "PATCH 2"


def test_media_types_are_those_of_the_document() -> None:
    listed = """APPLICATION_X_WWW_FORM_URLENCODED MULTIPART_FORM_DATA APPLICATION_JSON APPLICATION_PROBLEM_JSON
    APPLICATION_XML TEXT_XML TEXT_PLAIN TEXT_HTML APPLICATION_OCTET_STREAM IMAGE_PNG IMAGE_JPEG IMAGE_GIF
    APPLICATION_PDF APPLICATION_X_NDJSON APPLICATION_CSV TEXT_CSV APPLICATION_YAML TEXT_YAML APPLICATION_GRAPHQL
    NO_CONTENT"""
    assert list(MediaType.__members__) == listed.split()
    assert (MediaType.APPLICATION_JSON, MediaType.NO_CONTENT) == ("application/json", "empty")


async def test_hooks_run_around_the_endpoint_in_alphabetical_order(make_app: MakeApp, client: Connect) -> None:
    response = await (await client(make_app(hooks.UsersApi))).get("/api/v1/users/")
    assert response.json()["data"] == ["before_request_method", "c_second"]
    assert response.headers["x-after"] == "yes"


# Request and response


async def test_request_has_the_documented_members(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(exchange.ExchangeApi))
    response = await http.post("/exchange/4/word?a=1&b=two", headers={"X-Kind": "test"})
    assert response.json() == {
        "route_parameters": {"number": 4, "word": "word"},
        "method": "POST",
        "path": "/exchange/4/word",
        "query_string": "a=1&b=two",
        "header": "test",
        "query_params": {"a": "1", "b": "two"},
        "user": None,
        "state": "yes",
        "same_response": True,
    }


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("status", 201, "made"),
        ("redirect", 302, ""),
        ("empty", 204, ""),
        ("from-string", 200, "<p>&lt;Ada&gt;</p>"),
        ("file", 200, "bytes"),
        ("cookies", 200, "null"),
        ("template/5", 200, "<h1>User 5</h1>"),
        ("image", 200, "/static/my_image.png"),
    ],
)
async def test_response_method_sends_what_is_documented(
    path: str, status: int, body: str, make_app: MakeApp, client: Connect, tmp_path: Path
) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "my_template.html").write_text("<h1>User {{ user_id }}</h1>")
    response = await (await client(make_app(exchange.ExchangeApi))).get(f"/exchange/{path}")
    assert (response.status_code, response.text) == (status, body)


async def test_cookies_are_set_and_deleted(make_app: MakeApp, client: Connect) -> None:
    response = await (await client(make_app(exchange.ExchangeApi))).get("/exchange/cookies")
    first, second = response.headers.get_list("set-cookie")
    assert first == "theme=dark; HttpOnly; Max-Age=60; Path=/exchange; SameSite=lax"
    assert second.startswith(('old=""; ', "old=; "))


async def test_static_file_is_served_below_static(make_app: MakeApp, client: Connect, tmp_path: Path) -> None:
    (tmp_path / "static" / "icons").mkdir(parents=True)
    (tmp_path / "static" / "icons" / "my_image.png").write_bytes(b"\x89PNG")
    app = make_app()
    http = await client(app)
    response = await http.get(app.url_for("Static.get", filename="icons/my_image.png"))
    assert (response.content, response.headers["content-type"]) == (b"\x89PNG", "image/png")


# Websockets


async def test_minimal_websocket_handler_echoes(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(sockets.UsersApi))
    async with http.websocket("/api/v1/users/ws") as ws:
        for word in ("one", "two"):
            await ws.send_text(word)
            assert await ws.receive_text() == f"Hello from server. Echo: {word}"


async def test_websocket_without_handler_is_rejected(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(sockets.UsersApi))
    with pytest.raises(WebSocketRejected):
        async with http.websocket("/api/v1/users/other"):
            pass


# CORS


async def test_global_policy_allows_every_origin(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(cross_origin.CorsApi))
    response = await http.get("/cors/global", headers={"origin": "https://any.example"})
    assert response.headers["access-control-allow-origin"] == "*"


async def test_no_cors_switches_headers_off(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(cross_origin.CorsApi))
    response = await http.get("/cors/off", headers={"origin": "https://any.example"})
    assert (response.status_code, response.text) == (200, "off")
    assert "access-control-allow-origin" not in response.headers


async def test_origin_that_is_not_allowed_is_403(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(cross_origin.CorsApi))
    response = await http.get("/cors/own", headers={"origin": "https://any.example"})
    assert (response.status_code, response.json()["message"]) == (403, "CORS origin not allowed")


async def test_method_that_is_not_allowed_is_405(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(cross_origin.CorsApi))
    response = await http.post("/cors/own", headers={"origin": "https://any.example"})
    assert response.status_code == 405


async def test_preflight_answers_with_the_policy_of_the_endpoint(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(cross_origin.CorsApi))
    asked = {"origin": "https://partner.example", "access-control-request-method": "GET"}
    headers = (await http.options("/cors/own", headers=asked)).headers
    found = {name: headers.get(f"access-control-{name}") for name in ("allow-origin", "allow-credentials", "max-age")}
    assert found == {"allow-origin": "https://partner.example", "allow-credentials": "true", "max-age": "60"}
    assert headers["access-control-allow-methods"] == "GET"
    assert headers["access-control-allow-headers"] == "X-Token"


# Routing, errors, redirects


@pytest.mark.parametrize(
    ("path", "value"), [("7", 7), ("ada", "ada"), ("account/dashboard/main", "account/dashboard/main")]
)
async def test_documented_rules_inject_their_values(
    path: str, value: object, make_app: MakeApp, client: Connect
) -> None:
    http = await client(make_app(routes.RoutesApi))
    assert (await http.get(f"/api/v1/users/{path}")).json() == value


async def test_abort_without_handler_answers_with_its_status(make_app: MakeApp, client: Connect) -> None:
    response = await (await client(make_app(routes.RoutesApi))).get("/api/v1/missing/3")
    assert (response.status_code, response.json()) == (
        404,
        {"status": "error", "message": "User with id 3 not found", "data": None},
    )


async def test_html_abort_renders_its_template(make_app: MakeApp, client: Connect, tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "not_found.html").write_text("No {{ name }}")
    response = await (await client(make_app(routes.RoutesApi))).get("/page/missing")
    assert (response.status_code, response.text) == (404, "No &lt;page&gt;")


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("login", "url-for-location"),
        ("login/5", "/api/v1/users/5"),
        ("logout", "/api/v1/auth/login?reason=done"),
    ],
)
async def test_redirect_leads_to_location_with_303(
    path: str, location: str, make_app: MakeApp, client: Connect
) -> None:
    response = await (await client(make_app(routes.RoutesApi))).get(f"/api/v1/auth/{path}")
    assert (response.status_code, response.headers["location"]) == (HttpStatus.SEE_OTHER, location)


@pytest.mark.parametrize(
    ("number", "status", "message"),
    [
        (0, 409, "number 0"),
        (1, 409, "number 1"),
        (2, 409, "number 2"),
        (3, 400, "custom"),
        (4, 500, "LookupError"),
        (5, 500, "MyCustomHttpException"),
        (6, 400, "stopped"),
    ],
)
async def test_exception_is_answered_by_its_handler(
    number: int, status: int, message: str, make_app: MakeApp, client: Connect
) -> None:
    app = make_app(errors.ErrorsApi, EXCEPTION_HANDLERS=[errors.CustomExceptionHandler, errors.CatchAll])
    response = await (await client(app)).get(f"/errors/{number}")
    assert (response.status_code, response.json()["message"]) == (status, message)


async def test_not_found_handler_sees_wrong_urls_and_methods(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(errors.ErrorsApi, EXCEPTION_HANDLERS=[errors.CustomExceptionHandler]))
    assert (await http.get("/nowhere")).json()["message"] == "Nothing for GET"
    assert (await http.delete("/errors/1")).json()["message"] == "Nothing for DELETE"


async def test_http_exception_without_handler_answers_itself(make_app: MakeApp, client: Connect) -> None:
    response = await (await client(make_app(errors.ErrorsApi))).get("/errors/5")
    assert (response.status_code, response.json()["message"]) == (418, "Teapot")


async def test_unhandled_exception_is_raised_in_debug(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(errors.ErrorsApi))
    with pytest.raises(LookupError, match="number 4"):
        await http.get("/errors/4")


async def test_unhandled_exception_is_500_and_logged_as_critical_without_debug(
    make_app: MakeApp, client: Connect
) -> None:
    app = make_app(errors.ErrorsApi, DEBUG=False)
    response = await (await client(app)).get("/errors/4")
    assert (response.status_code, response.json()) == (500, {"status": "error", "message": "Internal server error"})
    assert [record["level"] for record in app.log_buffer.get_severe()] == ["CRITICAL"]


async def test_validation_handler_answers_422(client: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_FILE", str(tmp_path / "file.log"))
    with imported_from(PROJECT):
        from app import Application

        http = await client(Application())
    response = await http.post("/api/v1/users", json={"email": "a@example.org"})
    assert (response.status_code, response.json()) == (
        422,
        {"message": "Validation failed.", "details": {"fullname": "Field required"}},
    )


# Middleware


async def test_middleware_measures_every_request(make_app: MakeApp, client: Connect) -> None:
    http = await client(make_app(middleware.MiddlewareApi, MIDDLEWARE=[middleware.TimingMW]))
    assert int((await http.get("/mw")).headers["x-process-time-ms"]) >= 0


async def test_middleware_may_answer_by_itself(make_app: MakeApp, client: Connect) -> None:
    app = make_app(middleware.MiddlewareApi, MIDDLEWARE=[middleware.TimingMW, middleware.StateMW])
    response = await (await client(app)).get("/closed")
    assert (response.status_code, response.text) == (503, "closed")
    assert "x-process-time-ms" in response.headers


async def test_error_that_middleware_answers_reaches_no_handler(make_app: MakeApp, client: Connect) -> None:
    app = make_app(middleware.MiddlewareApi, MIDDLEWARE=[middleware.StateMW], EXCEPTION_HANDLERS=[middleware.Handlers])
    assert (await (await client(app)).get("/mw/key")).text == "no key"


async def test_state_set_in_finally_is_readable_in_the_handler(make_app: MakeApp, client: Connect) -> None:
    app = make_app(middleware.MiddlewareApi, MIDDLEWARE=[middleware.StateMW], EXCEPTION_HANDLERS=[middleware.Handlers])
    response = await (await client(app)).get("/mw/error")
    assert (response.status_code, response.text) == (409, "measured")


# Command line and tests of the project


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (["greet", "--name", "Alice"], "Hello, Alice! Welcome to the CLI utility.\n"),
        (["greet", "Alice"], "Hello, Alice! Welcome to the CLI utility.\n"),
        (["add", "--a", "2", "--b", "5"], "The sum of 2 and 5 is 7.\n"),
    ],
)
def test_command_runs_from_the_cli_script(words: list[str], output: str) -> None:
    done = run_python(PROJECT, "cli.py", *words)
    assert (done.returncode, done.stdout) == (0, output)


def test_tests_of_the_project_pass() -> None:
    done = run_pytest(PROJECT)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_test_client_has_its_documented_name() -> None:
    assert PyJoltTestClient is PateraTestClient
