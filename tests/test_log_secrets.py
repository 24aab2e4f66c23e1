"""Secrets in logs: passwords, tokens, cookies and credentials are masked where variables are not shown anyway."""

import json
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field
from sqlalchemy import create_engine

from patera import Patera, Request, Response
from patera._log_secrets import mask_error, mask_query, mask_text
from patera.controller import Controller, get, path
from patera.testing import PateraTestClient
from tests.log_application import running, to_memory, unchanged_logging
from tests.server import raw_request, run_server

MakeApp = Callable[..., Patera]

SECRET = "hunter2-Zz9"


@pytest.mark.parametrize(
    "text",
    [
        "connecting to postgresql+asyncpg://app:SECRET@db.example/shop",
        "redis://:SECRET@localhost:6379/0",
        "mysql://root:a/SECRET@localhost",
        "https://bob:SECRET@mail.example/inbox",
        "Authorization: Bearer SECRET",
        "authorization: Basic SECRET==",
        "{'Authorization': 'Bearer SECRET'}",
        '{"cookie": "theme=dark; session=SECRET"}',
        "Cookie: theme=dark; session=SECRET",
        "Set-Cookie: session=SECRET; Path=/; HttpOnly",
        "(b'cookie', b'session=SECRET')",
        "(b'x-api-key', b'SECRET')",
        "password=SECRET&next=/",
        "{'name': 'ada', 'password': 'SECRET', 'age': 3}",
        '{"new_password":"SECRET"}',
        "password_confirmation: SECRET",
        "passwd = SECRET",
        "secret_key='SECRET'",
        "access_token: SECRET",
        "api-key => SECRET",
        "PRIVATE_KEY=SECRET",
        "credentials: SECRET",
        "sent bearer SECRET to the API",
        "sessionid=SECRET",
        "1 validation error for Login\npassword\n  Too short [type=too_short, input_value='SECRET', input_type=str]",
    ],
)
def test_secret_in_text_is_masked(text: str) -> None:
    """S33."""
    masked = mask_text(text.replace("SECRET", SECRET))
    assert SECRET not in masked
    assert "***" in masked


@pytest.mark.parametrize(
    "text",
    [
        "GET '/users/3' 200",
        "used 532 tokens: 400 in, 132 out",
        "secretary: Bob",
        "page 1 of http://localhost:8080/?mail=a@b.example",
        "started at 10:30 by ada@shop.example",
        "authorization failed for ada",
        "2 passengers: a, b",
        "the cookie is missing",
    ],
)
def test_text_without_secret_stays(text: str) -> None:
    assert mask_text(text) == text


@pytest.mark.parametrize(
    "piece",
    ["a", "://a:", "password:'", "x\n", "bearer ", "pass", "cookie: '", "token=\n ", "http://a:", " ", "authorization"],
)
def test_masking_takes_time_in_proportion_to_the_text(piece: str) -> None:
    """A quadratic pattern would need minutes for this one."""
    mask_text("pass" + piece * (400_000 // len(piece)))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GET /reset?token=abc HTTP/1.1", "GET /reset?token=*** HTTP/1.1"),
        ("GET /cb?code=abc&state=x.y&page=2", "GET /cb?code=***&state=***&page=2"),
        ("GET /x?reset_token=a%20b&user_password=c;api_key=d", "GET /x?reset_token=***&user_password=***;api_key=***"),
        ("GET /x?API-Key=a&Signature=b", "GET /x?API-Key=***&Signature=***"),
        ("GET /x?page=2&barcode=3&keyword=tea", "GET /x?page=2&barcode=3&keyword=tea"),
        ("GET /code=3/token=4", "GET /code=3/token=4"),
    ],
)
def test_secret_parameters_of_a_query_are_masked(line: str, expected: str) -> None:
    assert mask_query(line) == expected


@pytest.fixture
def unchanged(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with unchanged_logging(monkeypatch):
        yield


@pytest.mark.usefixtures("unchanged")
def test_message_and_exception_in_a_log_are_masked() -> None:
    app, lines = to_memory(FORMAT="{message}\n{exception}", DIAGNOSE=False)
    with running(app):
        try:
            try:
                raise ValueError(f"password={SECRET}")
            except ValueError as inner:
                raise ConnectionError(f"redis://:{SECRET}@db") from inner
        except ConnectionError:
            app.logger.exception("no connection to redis://:{}@db", SECRET)
    (line,) = lines
    assert SECRET not in line
    assert "ConnectionError: redis://:***@db" in line
    assert "ValueError: password=***" in line
    assert "no connection to redis://:***@db" in line


@pytest.mark.usefixtures("unchanged")
def test_log_that_shows_variables_masks_nothing() -> None:
    app, lines = to_memory(DIAGNOSE=True)
    with running(app):
        app.logger.info("password={}", SECRET)
        kept = app.log_buffer.get_all()
    assert lines == [f"password={SECRET}"]
    assert [record["message"] for record in kept] == ["password=***"]


@pytest.mark.usefixtures("unchanged")
def test_serialised_log_is_masked() -> None:
    app, lines = to_memory(SERIALIZE=True, DIAGNOSE=False)
    with running(app):
        try:
            raise ValueError(f"token={SECRET}")
        except ValueError:
            app.logger.exception("failed")
    assert SECRET not in lines[0]
    assert json.loads(lines[0])["record"]["exception"]["value"] == "token=***"


@pytest.mark.usefixtures("unchanged")
def test_log_with_a_queue_is_masked(tmp_path: Path) -> None:
    file = tmp_path / "app.log"
    app, _ = to_memory(SINK=str(file), FORMAT="{message} {exception}", DIAGNOSE=False, ENQUEUE=True)
    with running(app):
        try:
            raise ValueError(f"token={SECRET}")
        except ValueError:
            app.logger.exception("failed")
    assert "ValueError: token=***" in file.read_text()


def test_exception_without_secrets_is_itself() -> None:
    error = ValueError("plain")
    error.__cause__ = error.__context__ = KeyError("x")
    group = ExceptionGroup("several", [error, OSError("y")])
    assert mask_error(error) is error
    assert mask_error(group) is group


def test_masked_exception_looks_like_the_original() -> None:
    def raised() -> Exception:
        try:
            raise LookupError(f"password={SECRET}")
        except LookupError as error:
            error.add_note(f"token={SECRET}")
            return error

    error = raised()
    shown = "".join(traceback.format_exception(error)).replace(SECRET, "***")
    assert "".join(traceback.format_exception(mask_error(error))) == shown


def test_masked_exception_group_keeps_its_parts() -> None:
    group = ExceptionGroup("several", [ValueError(f"password={SECRET}"), OSError("y")])
    shown = "".join(traceback.format_exception(mask_error(group)))
    assert SECRET not in shown
    assert "ValueError: password=***" in shown
    assert "OSError: y" in shown


def test_exceptions_that_refer_to_each_other_are_masked_once() -> None:
    one, other = ValueError(f"password={SECRET}"), OSError("y")
    one.__context__, other.__context__ = other, one
    assert str(mask_error(one)) == "password=***"


class Login(BaseModel):
    name: str
    password: str = Field(min_length=30)


@path("/leaks")
class Leaks(Controller):
    @get("/login")
    async def login(self, req: Request) -> Response:
        Login(name="ada", password=SECRET)
        return req.res.no_content()

    @get("/database")
    async def database(self, req: Request) -> Response:
        create_engine(f"nothing://app:{SECRET}@db/shop")
        return req.res.no_content()

    @get("/headers")
    async def headers(self, req: Request) -> Response:
        raise ValueError(f"cannot use {req.headers!r}")


@pytest.mark.parametrize("name", ["login", "database", "headers"])
async def test_unhandled_error_is_logged_without_the_secrets_in_it(
    make_app: MakeApp, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    async with PateraTestClient(make_app(Leaks, DEBUG=False)) as http:
        headers = {"authorization": f"Bearer {SECRET}", "cookie": f"session={SECRET}"}
        assert (await http.get(f"/leaks/{name}", headers=headers)).status_code == 500
    written = capsys.readouterr().err
    assert "Unhandled exception in Leaks" in written
    assert SECRET not in written


async def test_access_log_of_the_server_has_no_secret_parameters(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    with unchanged_logging(monkeypatch):
        logging.getLogger("uvicorn.access").setLevel(logging.INFO)
        application = make_app(Leaks, DEBUG=True, REQUEST_LOG=True)
        async with run_server(application, access_log=True) as server:
            request = f"GET /nowhere?token={SECRET}&page=2 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
            await raw_request(server.port, request.encode())
            lines = [record["message"] for record in application.log_buffer.get_all()]
    (access,) = [line for line in lines if "/nowhere?" in line]
    assert "/nowhere?token=***&page=2" in access
    assert [line for line in lines if SECRET in line] == []


def test_configuration_shown_has_no_secrets(make_app: MakeApp) -> None:
    values: dict[str, Any] = {
        "SECRET_KEY": SECRET * 4,
        "OWN_API_KEY": SECRET,
        "SERVICES": {"MAIL": {"PASSWORD": SECRET}, "URI": f"redis://:{SECRET}@db"},
    }
    application = make_app(**values)
    assert SECRET not in repr(application.config)
    assert application.configs["OWN_API_KEY"] == SECRET
