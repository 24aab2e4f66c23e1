"""The snippets of the reference document run as they are written there: re-indented, plain slips repaired."""

import ast
import inspect
import re
import shlex
import tomllib
import zipfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

import anyio
import httpx
import pytest

import patera
import patera.controller
from patera import BaseConfig, HttpStatus, MediaType, Patera, Request, Response
from patera.exceptions import (
    AborterException,
    ConfigurationError,
    HtmlAborterException,
    MissingConfiguration,
    ResponseValidationError,
)
from patera.logging import DefaultLogger
from patera.testing import PateraTestClient, PyJoltTestClient
from tests.documents import python_environment, run_pytest, run_python
from tests.reference_document import PATH, SNIPPETS, blocks, snippet
from tests.reference_project import Project, project_in, run_snippet
from tests.reference_signatures import assert_accepts, signatures
from tests.server import run_process

if not PATH.is_file():
    pytest.skip(f"the reference document is not at {PATH}", allow_module_level=True)

Connect = Callable[[Patera], Awaitable[PateraTestClient]]

#: What snippets from the inside of a controller's file use without importing it.
NAMES = """
from typing import Any, Optional
from pydantic import BaseModel, ValidationError
from patera import HttpStatus, MediaType, Request, Response, abort
from patera.controller import *
from patera.exceptions import ExceptionHandler, handles

class Named(BaseModel):
    name: str

class Answered(BaseModel):
    message: str
    status: str = "success"
    data: Any = None

TestModel, ResponseModel, ErrorResponse, UserLoginData = Named, Answered, Answered, Named
"""

REQUEST_MEMBER = re.compile(r"^req\.(\w+) -> (.+?)\s*#", re.MULTILINE)
PRINTED = re.compile(r'print\(f?"(.+)"\)')

#: The chapters whose subjects the framework has.
CHAPTERS = (range(129, 1231), range(1463, 1578), range(1951, 2095))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """The minimum application with its configuration."""
    with project_in(tmp_path) as made:
        made.add(snippet(129), snippet(142))
        yield made


def with_controller(project: Project, *parts: str) -> Patera:
    """Return an application with a controller `Part` at `/part` around parts of a class body."""
    return project.with_controller(NAMES, *parts)


# The document


def test_every_block_of_these_chapters_is_a_snippet() -> None:
    assert {line for line in blocks() if any(line in chapter for chapter in CHAPTERS)} == set(SNIPPETS)


def test_every_snippet_is_run_by_a_test() -> None:
    text = "".join(path.read_text() for path in sorted(Path(__file__).parent.glob("test_reference_*.py")))
    named = re.findall(r"\b(?:snippet\(|parametrize\(\"line\", \[)([\d, ]+)", text)
    assert set(map(int, re.findall(r"\d+", " ".join(named)))) == set(SNIPPETS)


# Application, configuration, running


async def test_minimum_application_answers_not_found(project: Project, client: Connect) -> None:
    response = await (await client(project.application())).get("/")
    assert (response.status_code, response.json()["status"]) == (404, "error")


def test_application_has_the_documented_members(project: Project) -> None:
    application = project.application()
    listed = "from __future__ import annotations\nclass Listed:\n" + snippet(262).inside(1)
    members = {name: value for name, value in vars(run_snippet(listed)["Listed"]).items() if name[0] != "_"}
    for name, member in members.items():
        if isinstance(member, property):
            annotation = member.fget and member.fget.__annotations__.get("return")
            kinds = {"str": str, "dict[str, Any]": dict, None: object}
            assert isinstance(getattr(application, name), kinds[annotation])
        elif name != "get_conf":
            assert_accepts(getattr(Patera, name), inspect.signature(member))
    assert application.app is application


def test_get_conf_of_unknown_name_raises_error_unless_there_is_a_default(project: Project) -> None:
    application = project.application()
    assert application.get_conf("NOTHING", None) is None
    assert application.get_conf("SECRET_KEY") == application.configs["SECRET_KEY"]
    with pytest.raises(MissingConfiguration, match="NOTHING"):
        application.get_conf("NOTHING")


def test_table_of_keys_is_a_config_class_with_the_defaults_of_the_framework(project: Project) -> None:
    given = {"APP_NAME": "Table", "VERSION": "1", "BASE_PATH": str(project.folder)}
    without_value = dict.fromkeys(re.findall(r"^(\w+): Optional\[[^=\n]+$", snippet(159).text, re.MULTILINE))
    project.write("app/configs.py", "from patera import BaseConfig", "class Config(BaseConfig):")
    project.configure(snippet(159).as_dict(201, 205))
    documented = project.load("app.configs").Config(**given, **without_value).as_dict()
    defaults = BaseConfig(**given).as_dict()
    differing = {key for key, value in documented.items() if defaults[key] != value}
    assert differing == {"REQUEST_CLASS", "RESPONSE_CLASS", "DEFAULT_LOGGER"}
    assert (documented["REQUEST_CLASS"], documented["RESPONSE_CLASS"]) == (Request, Response)


def test_application_without_keys_has_the_documented_classes(project: Project) -> None:
    application = project.application()
    assert (application.request_class, application.response_class) == (Request, Response)


@pytest.mark.parametrize("line", [221, 227])
async def test_application_is_served_and_stopped(line: int, project: Project) -> None:
    """The commands stand behind uv and its file of variables; here they are told to take a free port."""
    project.write(snippet(129).file_name, snippet(240).text)
    project.add(snippet(211))
    words = snippet(line).text.replace("8080", "0").split(".env.dev ")[1].split()
    arguments = words if words[0] == snippet(211).file_name else ["-m", *words]
    async with run_process(*arguments, cwd=project.folder, env=python_environment(PORT="0")) as server:
        response = await answer(f"http://localhost:{server.port}/")
        assert (response.status_code, response.json()["status"]) == (404, "error")
    assert all(text in "".join(server.output) for text in PRINTED.findall(snippet(240).text))


async def answer(url: str) -> httpx.Response:
    """Ask until the child of the reloader listens."""
    async with httpx.AsyncClient() as http:
        with anyio.fail_after(20):
            while True:
                try:
                    return await http.get(url)
                except httpx.TransportError:
                    await anyio.sleep(0.05)
    raise AssertionError


async def test_startup_and_shutdown_methods_run_with_the_lifespan(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write(snippet(129).file_name, snippet(240).text)
    async with PyJoltTestClient(project.application()):
        pass
    assert capsys.readouterr().out.splitlines() == PRINTED.findall(snippet(240).text)


# Logging


async def test_logger_defaults_are_those_of_the_document(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    documented = eval("{" + snippet(322).as_dict(323, 327).text + "}", {"LogLevel": patera.LogLevel})
    text = documented.pop("FORMAT")
    own = DefaultLogger(project.application())
    assert {key: getattr(own, f"get_{key.lower()}")() for key in documented} == documented
    by_default = await logged(project.application(), capsys)
    monkeypatch.setenv("PATERA_DEFAULT_LOGGER__FORMAT", text)
    assert await logged(project.application(), capsys) == by_default


async def logged(application: Patera, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return how the default logger writes a line, without the time."""
    async with PateraTestClient(application):
        capsys.readouterr()
        application.logger.info("A line")
    lines = [line for line in capsys.readouterr().err.splitlines() if "A line" in line]
    assert lines
    return [re.sub(r"\d\d:\d\d:\d\d", "", line) for line in lines]


async def test_default_logger_dict_is_used(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.configure(snippet(332))
    async with PateraTestClient(project.application()) as http:
        http.app.logger.trace("too little")
        http.app.logger.debug("enough")
    errors = capsys.readouterr().err
    assert "| DefaultLogger | " in errors
    assert "enough" in errors
    assert "too little" not in errors
    assert "level>" not in errors


def file_logger(project: Project, *parts: str) -> Patera:
    """Return an application with the documented file logger, or with one made of parts of a class body."""
    shown = snippet(351)
    documented = snippet(361)
    module = re.findall(r"'([\w.]+):", documented.text)[0]
    project.write(f"{module.replace('.', '/')}.py", "from patera.logging import FilterType", shown.text, *parts)
    project.configure(documented, snippet(370).as_dict(376, 389))
    return project.application()


def log_text(project: Project) -> str:
    return (project.folder / "app" / "logging" / "file.log").read_text()


async def test_file_logger_writes_with_the_documented_dict(project: Project) -> None:
    async with PateraTestClient(file_logger(project)) as http:
        http.app.logger.trace("Into the file")
    line = next(line for line in log_text(project).splitlines() if "Into the file" in line)
    assert "\x1b[" in line
    assert re.sub(r"\x1b\[\d+m", "", line)[8:].split(" | ") == ["", "TRACE", "FileLogger", "Into the file"]


async def test_file_logger_begins_a_new_file_after_5_mb_and_packs_the_old_one(project: Project) -> None:
    async with PateraTestClient(file_logger(project)) as http:
        for _ in range(6):
            http.app.logger.trace("x" * 1_000_000)
    files = sorted((project.folder / "app" / "logging").glob("file.*"))
    packed = [path for path in files if path.suffix == ".zip"]
    assert [zipfile.ZipFile(path).testzip() for path in packed] == [None]
    assert len(log_text(project)) < 5_000_000


def test_logger_path_that_does_not_fit_the_file_is_named_at_the_start(project: Project) -> None:
    project.add(snippet(351))
    project.configure(snippet(361))
    with pytest.raises(ConfigurationError, match=r"PAT031 LOGGERS: 'app\.logging\.file_logger:FileLogger'"):
        project.application()


async def test_format_method_decides_the_line(project: Project) -> None:
    shown = snippet(399)
    project.write("app/logging/file_logger.py", "from patera.logging import FilterType, LoggerBase", shown.text)
    project.configure(snippet(361), snippet(370).as_dict(376, 389).repaired(378, ".+", ""))
    async with PateraTestClient(project.application()) as http:
        http.app.logger.info("A line")
    plain = re.sub(r"\x1b\[\d+m", "", log_text(project))
    assert "| INFO     | FileLogger | tests.test_reference_document:test_format_method" in plain


async def test_filter_method_decides_about_lines(project: Project) -> None:
    async with PateraTestClient(file_logger(project, snippet(419).inside(1))) as http:
        http.app.logger.info("PERFORMANCE 3 ms")
        http.app.logger.info("Anything else")
    assert "PERFORMANCE" in log_text(project)
    assert "Anything else" not in log_text(project)


# Controllers


def with_users(project: Project) -> Patera:
    project.add(snippet(436))
    project.configure(snippet(474).repaired(476, "UserApi'", "UsersApi'"))
    return project.application()


async def test_controller_answers_as_documented(project: Project, client: Connect) -> None:
    http = await client(with_users(project))
    shown = await http.get("/api/v1/users/7")
    assert (shown.status_code, shown.json()["id"], shown.headers["content-type"]) == (200, 7, "application/json")
    user = {"email": "a@example.org", "fullname": "A"}
    made = await http.post("/api/v1/users/", json={**user, "more": 1})
    assert (made.status_code, made.json()) == (201, user)
    wrong = await http.post("/api/v1/users", json={"email": "a@example.org"})
    assert (wrong.status_code, list(wrong.json()["details"])) == (422, ["fullname"])
    assert (await http.post("/api/v1/users/", data=user)).status_code == 415


def test_misspelt_controller_names_the_closest_class(project: Project) -> None:
    project.add(snippet(436))
    project.configure(snippet(474))
    with pytest.raises(ConfigurationError, match="Did you mean 'UsersApi'"):
        project.application()


@pytest.mark.parametrize("line", [487, 494, 505, 546, 552, 558, 731])
def test_decorator_takes_the_documented_arguments(line: int) -> None:
    listed = signatures(snippet(line, as_written=True))
    assert listed
    for name, documented in listed.items():
        assert_accepts(getattr(patera.controller, name), documented)


def test_media_types_are_those_of_the_document() -> None:
    listed = run_snippet(snippet(511).text)
    assert {key: value for key, value in listed.items() if key.isupper()} == {each.name: each for each in MediaType}


async def test_consumed_model_is_in_the_open_api_document(project: Project, client: Connect) -> None:
    http = await client(with_controller(project, snippet(536).inside(1)))
    operation = (await http.get("/openapi/specs.json")).json()["paths"]["/part/"]["post"]
    assert list(operation["requestBody"]["content"]) == [MediaType.APPLICATION_JSON]
    assert operation["responses"]["200"]["content"][MediaType.APPLICATION_JSON]["schema"]["$ref"].endswith("/Answered")


async def test_consumed_model_reaches_the_method(project: Project, client: Connect) -> None:
    end = '        return {"message": data.name}'
    http = await client(with_controller(project, snippet(536).inside(1), end))
    response = await http.post("/part", json={"name": "Ada"})
    assert response.json() == {"message": "Ada", "status": "success", "data": None}
    assert (await http.post("/part", json={})).status_code == 422


async def test_method_without_the_declared_answer_is_an_error_of_the_server(project: Project, client: Connect) -> None:
    http = await client(with_controller(project, snippet(536).inside(1)))
    with pytest.raises(ResponseValidationError):
        await http.post("/part", json={"name": "Ada"})


async def test_descriptors_are_in_the_open_api_document(project: Project, client: Connect) -> None:
    http = await client(with_controller(project, snippet(564).inside(1)))
    operation = (await http.get("/openapi/specs.json")).json()["paths"]["/part/{user_id}"]["get"]
    texts = re.findall(r'description="(.+?)"', snippet(564).text)
    assert [operation["responses"][code]["description"] for code in ("404", "400")] == texts
    assert "schema" in operation["responses"]["404"]["content"][MediaType.APPLICATION_JSON]


@pytest.mark.parametrize(("debug", "status"), [("true", 200), ("false", 404)])
async def test_development_is_reachable_in_debug_only(
    debug: str, status: int, project: Project, client: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATERA_DEBUG", debug)
    method = '    @get("/")\n    async def show(self, req):\n        return "shown"'
    whole = [snippet(575).text, '@path("/whole")', "class Whole(Controller):", method]
    single = ['@path("/single")', "class Single(Controller):", snippet(575).inside(1), method]
    project.write("app/part.py", NAMES, *whole, *single)
    application = project.application()
    module = project.load("app.part")
    application.register_controller(module.Whole, module.Single)
    http = await client(application)
    assert [(await http.get(path)).status_code for path in ("/whole", "/single")] == [status, status]


# Request and response


async def test_request_has_the_documented_members(project: Project, client: Connect) -> None:
    listed = dict(REQUEST_MEMBER.findall(snippet(588).text))
    body = f"self.app.state.seen = {{name: getattr(req, name) for name in {list(listed)}}}"
    method = ['    @post("/<int:number>/<word>")', "    async def show(self, req, number, word):", f"        {body}"]
    application = with_controller(project, *method)
    await (await client(application)).post("/part/4/a?b=1&c=", headers={"x-kind": "test"})
    seen = application.state.seen
    for name, annotation in listed.items():
        kinds = {"str": str, "Any": object, "Response": Response}
        assert isinstance(seen[name], kinds.get(annotation, Mapping)), name
    texts = ("method", "path", "query_string")
    assert [seen[name] for name in texts] == ["POST", "/part/4/a", "b=1&c="]
    assert (seen["route_parameters"], dict(seen["query_params"])) == ({"number": 4, "word": "a"}, {"b": "1", "c": ""})
    assert (seen["headers"]["X-Kind"], seen["user"]) == ("test", None)


def test_response_has_the_documented_methods() -> None:
    listed = signatures(snippet(603))
    assert {"status", "redirect", "send_file", "set_cookie", "delete_cookie"} <= set(listed)
    for name, documented in listed.items():
        assert_accepts(getattr(Response, name), documented)


@pytest.mark.parametrize(
    ("call", "status", "body", "header"),
    [
        ("status(201).text('made')", 201, "made", ("content-type", "text/plain; charset=utf-8")),
        ("redirect('/elsewhere')", 303, "", ("location", "/elsewhere")),
        ("json({'a': [1]})", 200, '{"a":[1]}', ("content-type", "application/json")),
        ("no_content()", 204, "", ("content-type", None)),
        (
            "html_from_string('<p>{{ a }}</p>', {'a': '<'})",
            200,
            "<p>&lt;</p>",
            ("content-type", "text/html; charset=utf-8"),
        ),
        ("send_file(b'bytes', {'x-kind': 'file'})", 200, "bytes", ("x-kind", "file")),
        ("set_header('x-kind', 'a').text('')", 200, "", ("x-kind", "a")),
        (
            "set_cookie('a', 'b', 60, '/part', None, False, True).text('')",
            200,
            "",
            ("set-cookie", "a=b; HttpOnly; Max-Age=60; Path=/part; SameSite=lax"),
        ),
        ("delete_cookie('a', '/part', None).json(None)", 200, "null", ("content-type", "application/json")),
    ],
)
async def test_response_method_sends_what_is_documented(
    call: str, status: int, body: str, header: tuple[str, str | None], project: Project, client: Connect
) -> None:
    method = ['    @get("/")', "    async def show(self, req: Request) -> Response:", f"        return req.res.{call}"]
    response = await (await client(with_controller(project, *method))).get("/part")
    assert (response.status_code, response.text) == (status, body)
    assert response.headers.get(header[0]) == header[1]


# Hooks and websockets

DATABASE = """
class db:
    closed = False

    @classmethod
    def create_session(cls):
        return cls

    @classmethod
    async def close(cls):
        cls.closed = True

class User:
    @classmethod
    def query(cls, session):
        return cls

    @classmethod
    async def all(cls):
        return []
"""


async def test_hooks_run_around_the_endpoint(project: Project, client: Connect) -> None:
    shown = snippet(629).repaired(638, "$", "; req.res.headers['x-before'] = 'yes'")
    shown = shown.repaired(642, "$", "; res.headers['x-after'] = 'yes'")
    project.write("app/api.py", NAMES, DATABASE, shown.text)
    module = project.load("app.api")
    application = project.application()
    application.register_controller(module.UsersApi)
    response = await (await client(application)).get("/api/v1/users")
    assert (response.status_code, response.json()["status"]) == (200, "success")
    assert (response.headers["x-before"], response.headers["x-after"], module.db.closed) == ("yes", "yes", True)


async def test_minimal_websocket_handler_answers_every_message(project: Project, client: Connect) -> None:
    project.write("app/api.py", NAMES, snippet(665).text)
    application = project.application()
    application.register_controller(project.load("app.api").UsersApi)
    prefix = re.findall(r'"text": "(.+?)"', snippet(665).text)[0]
    async with (await client(application)).websocket("/api/v1/users/ws") as socket:
        for word in ("one", "two"):
            await socket.send_text(word)
            assert await socket.receive_text() == prefix + word


# Cross-origin requests


def test_cors_keys_have_the_documented_defaults(project: Project) -> None:
    defaults = BaseConfig(APP_NAME="Cors", VERSION="1", BASE_PATH=str(project.folder))
    documented = eval("{" + snippet(700).as_dict(701, 707).text + "}")
    assert {key: getattr(defaults, key) for key in documented} == documented


async def test_cors_keys_are_accepted_by_the_config_class(project: Project, client: Connect) -> None:
    project.configure(snippet(700))
    method = '    @get("/")\n    async def show(self, req):\n        return "shown"'
    http = await client(with_controller(project, method))
    response = await http.get("/part", headers={"origin": "https://other.example"})
    assert response.headers["access-control-allow-origin"] == "*"


async def test_no_cors_switches_headers_off(project: Project, client: Connect) -> None:
    http = await client(with_controller(project, snippet(715).inside(1), '        return "off"'))
    response = await http.get("/part", headers={"origin": "https://other.example"})
    assert (response.text, response.headers.get("access-control-allow-origin")) == ("off", None)


async def test_cors_without_values_keeps_the_global_policy(project: Project, client: Connect) -> None:
    http = await client(with_controller(project, snippet(731).inside(1), '        return "shared"'))
    response = await http.get("/part", headers={"origin": "https://other.example"})
    assert (response.text, response.headers["access-control-allow-origin"]) == ("shared", "*")


async def test_cors_with_values_overrides_the_global_policy(project: Project, client: Connect) -> None:
    shown = snippet(731).repaired(739, "None", "['https://one.example']").repaired(740, "None", "['GET']")
    shown = shown.repaired(741, "None", "['X-Token']").repaired(743, "None", "True").repaired(744, "None", "60")
    http = await client(with_controller(project, shown.inside(1), '        return "shared"'))
    refused = await http.get("/part", headers={"origin": "https://other.example"})
    assert (refused.status_code, refused.json()["status"]) == (403, "error")
    asked = {"origin": "https://one.example", "access-control-request-method": "GET"}
    headers = (await http.options("/part", headers=asked)).headers
    names = ("origin", "methods", "headers", "credentials")
    assert [headers[f"access-control-allow-{name}"] for name in names] == [asked["origin"], "GET", "X-Token", "true"]
    assert headers["access-control-max-age"] == "60"


async def test_method_that_the_policy_excludes_is_405(project: Project, client: Connect) -> None:
    shown = snippet(731).repaired(737, "GET", "POST").repaired(740, "None", "['GET']")
    http = await client(with_controller(project, shown.inside(1), '        return "shared"'))
    assert (await http.post("/part", headers={"origin": "https://other.example"})).status_code == 405


# Routes, errors, redirects


@pytest.mark.parametrize(("path", "value"), [("7", 7), ("ada", "ada"), ("a/b/c", "a/b/c")])
async def test_rule_injects_its_value(path: str, value: object, project: Project, client: Connect) -> None:
    parts = []
    for number, name in zip(range(764, 767), ("user_id", "user_name", "path"), strict=True):
        method = f"    async def by_{name}(self, req, {name}):\n        return {{'value': {name}}}"
        parts += [snippet(763).part(number, number).inside(1), method]
    http = await client(with_controller(project, *parts))
    assert (await http.get(f"/part/api/v1/users/{path}")).json() == {"value": value}


async def test_validation_handler_answers_422(project: Project, client: Connect) -> None:
    project.write("app/api/exceptions/custom_exceptions.py", "class EntityNotFound(Exception): ...")
    project.add(snippet(779))
    project.configure(snippet(811))
    response = await (await client(with_users(project))).post("/api/v1/users", json={"email": "a@example.org"})
    message = re.findall(r'"message": "(.+?)"', snippet(779).text)[0]
    assert (response.status_code, response.json()["message"]) == (422, message)
    assert list(response.json()["details"]) == ["fullname"]


FAILING = """
    @get("/")
    async def fail(self, req: Request) -> Response:
        raise LookupError("a secret")
"""


async def test_unhandled_exception_without_debug_is_the_documented_500(
    project: Project, client: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATERA_DEBUG", "false")
    application = with_controller(project, FAILING)
    response = await (await client(application)).get("/part")
    assert (response.status_code, response.json()) == (500, ast.literal_eval(snippet(824).text))
    assert [record["level"] for record in application.log_buffer.get_severe()] == ["CRITICAL"]


async def test_unhandled_exception_in_debug_is_raised(project: Project, client: Connect) -> None:
    with pytest.raises(LookupError, match="a secret"):
        await (await client(with_controller(project, FAILING))).get("/part")


HANDLED = """
class SomeOtherException(Exception): ...
class AThirdException(SomeOtherException): ...

@path("/part")
class Part(Controller):
    @get("/<int:number>")
    async def fail(self, req: Request, number: int) -> Response:
        if number == 0:
            Named(name=number)
        raise (SomeOtherException, AThirdException)[number - 1]

class Handlers(ExceptionHandler):
"""


@pytest.mark.parametrize(
    ("number", "name"), [(0, "ValidationError"), (1, "SomeOtherException"), (2, "AThirdException")]
)
async def test_handler_of_several_exceptions_gets_each(
    number: int, name: str, project: Project, client: Connect
) -> None:
    end = "        return req.response.json({'message': type(exc).__name__, 'data': self.app.app_name}).status(409)"
    project.write("app/part.py", NAMES, HANDLED, snippet(834).inside(1), end)
    application = project.application()
    application.register_controller(project.load("app.part").Part)
    application.register_exception_handler(project.load("app.part").Handlers)
    response = await (await client(application)).get(f"/part/{number}")
    assert (response.status_code, response.json()["message"]) == (409, name)
    assert response.json()["data"] == application.app_name


@pytest.mark.parametrize(
    ("name", "arguments", "status"),
    [
        ("MyCustomException", "'own'", 409),
        ("CustomExceptionFromCustomException", "'own'", 409),
        ("MyCustomHttpException", "'own', HttpStatus.IM_A_TEAPOT", 418),
    ],
)
async def test_custom_exception_can_be_raised_and_handled(
    name: str, arguments: str, status: int, project: Project, client: Connect
) -> None:
    raised = f"    @get('/')\n    async def fail(self, req: Request) -> Response:\n        raise {name}({arguments})"
    handler = [
        "class Handlers(ExceptionHandler):",
        "    @handles(MyCustomException, CustomExceptionFromCustomException)",
        "    async def answer(self, req, exc):",
        "        return req.res.json({'message': str(exc)}).status(409)",
    ]
    project.write("app/part.py", NAMES, snippet(847).text, "class Part(Controller):", raised, *handler)
    module, application = project.load("app.part"), project.application()
    application.register_controller(module.Part)
    application.register_exception_handler(module.Handlers)
    response = await (await client(application)).get("/")
    assert (response.status_code, response.json()["message"]) == (status, "own")


@pytest.mark.parametrize(
    ("name", "argument", "error"),
    [("abort", "gone", AborterException), ("html_abort", "gone.html", HtmlAborterException)],
)
def test_abort_takes_the_documented_arguments(name: str, argument: str, error: type[Exception]) -> None:
    shown = snippet(867)
    imported = run_snippet(shown.part(868, 868).text)[name]
    assert_accepts(imported, signatures(shown.part(869, 870))[name])
    with pytest.raises(error):
        imported(argument)


async def test_abort_answers_with_its_status_and_message(project: Project, client: Connect) -> None:
    shown = snippet(875).part(878, 884)
    response = await (await client(with_controller(project, shown.inside(1)))).get("/part/api/v1/users/3")
    message = re.findall(r'msg=f"(.+?)"', shown.text)[0].format(user_id=3)
    assert response.status_code == 404
    assert response.json() == {"status": "error", "message": message, "data": None}


async def test_html_abort_answers_with_its_template(project: Project, client: Connect) -> None:
    project.write("app/templates/gone.html", "No {{ name }}")
    imported = snippet(875).part(876, 876).text
    method = [
        "    @get('/')",
        "    async def show(self, req: Request) -> Response:",
        "        html_abort('gone.html', HttpStatus.GONE, {'name': '<a>'})",
    ]
    project.write("app/part.py", NAMES, imported, "class Part(Controller):", *method)
    application = project.application()
    application.register_controller(project.load("app.part").Part)
    response = await (await client(application)).get("/")
    assert (response.status_code, response.text) == (410, "No &lt;a&gt;")


async def test_redirect_leads_to_its_location_with_303(project: Project, client: Connect) -> None:
    http = await client(with_controller(project, snippet(893).inside(1)))
    response = await http.get("/part/api/v1/auth/login?name=Ada")
    location = re.findall(r'redirect\("(.+?)"\)', snippet(893).text)[0]
    assert (response.status_code, response.headers["location"]) == (HttpStatus.SEE_OTHER, location)


LOGIN = """
    @get("/login/<int:number>")
    async def login(self, req: Request, number: int) -> Response:
        kwargs = {"number": number}
"""


@pytest.mark.parametrize(
    ("pattern", "replacement", "target", "location"),
    [
        (r"\*\*kwargs", "**kwargs", "Part.plain", "/part/plain?number=5"),
        (r"\), \*\*kwargs\)", ", **kwargs))", "Part.login", "/part/login/5"),
    ],
    ids=["as written", "bracket moved"],
)
async def test_redirect_leads_to_another_endpoint(
    pattern: str, replacement: str, target: str, location: str, project: Project, client: Connect
) -> None:
    plain = '    @get("/plain")\n    async def plain(self, req): ...'
    shown = snippet(908).repaired(910, "<.+>", target).repaired(910, pattern, replacement)
    http = await client(with_controller(project, plain, LOGIN, shown.inside(2)))
    response = await http.get("/part/login/5")
    assert (response.status_code, response.headers["location"]) == (303, location)


# Files and templates


async def test_static_file_is_served_where_url_for_says(project: Project, client: Connect) -> None:
    project.write("app/static/my_image.png", "an image")
    expression = snippet(926).text.strip()
    method = f"    @get('/')\n    async def show(self, req):\n        return {expression}"
    http = await client(with_controller(project, method))
    url = (await http.get("/part")).text
    response = await http.get(url)
    assert (url, response.text) == ("/static/my_image.png", "an image\n")
    assert response.headers["content-type"] == "image/png"


async def test_template_is_rendered_and_the_status_kept(project: Project, client: Connect) -> None:
    project.write("app/templates/my_template.html", "<h1>{{ user_id }}</h1>")
    shown = snippet(940).repaired(950, "OK", "ACCEPTED")
    response = await (await client(with_controller(project, shown.inside(1)))).get("/part/5")
    assert (response.status_code, response.text) == (202, "<h1>5</h1>")
    assert response.headers["content-type"] == "text/html; charset=utf-8"


# Commands, middleware, tests


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["greet", "Ada"], {"name": "Ada"}),
        (["greet", "--name", "Ada"], {"name": "Ada"}),
        (["add", "2", "5"], {"a": 2, "b": 5, "result": 7}),
        (["add", "--a", "2", "--b", "5"], {"a": 2, "b": 5, "result": 7}),
    ],
)
def test_command_runs_from_the_script(words: list[str], values: dict[str, object], project: Project) -> None:
    project.add(snippet(1056), snippet(1951))
    project.configure(snippet(1986))
    greeting, sum_of_two = PRINTED.findall(snippet(1951).text)
    expected = {"greet": greeting, "add": sum_of_two}[words[0]].format(**values)
    done = run_python(project.folder, "cli.py", *words)
    assert (done.returncode, done.stdout) == (0, f"{expected}\n"), done.stderr


def test_help_of_the_script_shows_the_documented_texts(project: Project) -> None:
    project.add(snippet(1056), snippet(1951))
    project.configure(snippet(1986))
    texts = re.findall(r'(?:help|description)="(.+?)"', snippet(1951).text)
    shown = "".join(run_python(project.folder, "cli.py", *words, "--help").stdout for words in ([], ["greet"], ["add"]))
    assert all(text in " ".join(shown.split()) for text in texts)


async def test_middleware_adds_its_header(project: Project, client: Connect) -> None:
    project.add(snippet(1996))
    project.configure(snippet(2016))
    http = await client(with_users(project))
    response = await http.get("/api/v1/users/1")
    assert response.status_code == 200
    assert int(response.headers["x-process-time-ms"]) >= 0


def test_tests_of_the_project_pass_with_the_documented_settings(project: Project) -> None:
    for shown in (snippet(2042), snippet(2062)):
        project.write(f"app/{shown.file_name}", shown.text)
    settings = project.folder / "pyproject.toml"
    settings.write_text(snippet(2089).text)
    project.write(snippet(436).file_name, NAMES, DATABASE, snippet(629).text)
    project.configure(snippet(474).repaired(476, "UserApi'", "UsersApi'"))
    assert shlex.split(snippet(2078).text)[-1] == "pytest"
    done = run_pytest(project.folder)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert tomllib.loads(settings.read_text())["tool"]["pytest"]["ini_options"]["asyncio_mode"] == "auto"
