"""The examples start under a real server, answer, keep their OpenAPI document's word, and stop with their hooks."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from openapi_spec_validator import validate

from tests.databases import own_database
from tests.documents import ROOT, python_environment, run_pytest, run_python
from tests.server import run_process, start_process

EXAMPLES = ROOT / "examples"
DEV = EXAMPLES / "dev"
UVICORN = ("-m", "uvicorn", "app:Application", "--factory", "--host", "127.0.0.1", "--port", "0")

HELLO = ("-m", "uvicorn", "tests.apps.hello:Application", "--factory", "--host", "127.0.0.1", "--port", "0")

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)


@pytest.fixture
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """The variables that the blog needs: where its data is, a database with its tables, and a key to sign with."""
    async with own_database(getattr(request, "param", "sqlite"), tmp_path) as url:
        key = secrets.token_urlsafe(48)
        variables = {"PATERA_SQL_DATABASE__DATABASE_URI": url, "PATERA_SECRET_KEY": key}
        done = await asyncio.to_thread(run_python, DEV, "cli.py", "db-upgrade", **variables)
        assert done.returncode == 0, done.stdout
        yield variables


@pytest.fixture
def blog(database: dict[str, str]) -> dict[str, str]:
    """The environment of a process that serves the blog."""
    return python_environment(**database)


@pytest.mark.parametrize(
    ("example", "path", "answer"),
    [
        ("quickstart", "/notes/7", {"text": "This is note 7"}),
        ("dev", "/api/v1/users/1", {"id": 1, "fullname": "Ada Lovelace", "has_avatar": False}),
    ],
)
async def test_example_answers_under_a_server_and_shuts_down(
    example: str, path: str, answer: object, blog: dict[str, str]
) -> None:
    async with run_process(*UVICORN, cwd=EXAMPLES / example, env=blog) as server, httpx.AsyncClient() as http:
        response = await http.get(server.url + path)
        assert (response.status_code, response.json()) == (200, answer)
    assert "Application shutdown complete" in "".join(server.output)


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
async def test_blog_runs_its_shutdown_method_when_it_is_terminated(blog: dict[str, str]) -> None:
    async with run_process(*UVICORN, cwd=DEV, env=blog) as server, httpx.AsyncClient() as http:
        await http.get(server.url)  # a signal right after "running" ends older servers without a shutdown
    output = "".join(server.output)
    assert output.index("Blog 1.0 is ready") < output.index("Blog stops")


async def test_run_script_of_the_blog_serves_on_the_configured_port(blog: dict[str, str]) -> None:
    environment = {**blog, "PATERA_PORT": "0", "PATERA_HOST": "127.0.0.1", "PATERA_DEBUG": "false"}
    async with run_process("run.py", cwd=DEV, env=environment) as server, httpx.AsyncClient() as http:
        assert "Nothing here yet" in (await http.get(server.url)).text


def test_tests_of_the_blog_pass() -> None:
    done = run_pytest(DEV)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)
def test_command_of_the_blog_keeps_what_it_added(database: dict[str, str]) -> None:
    added = run_python(DEV, "cli.py", "add-user", "Ada", "ada@example.org", "--role", "admin", **database)
    listed = run_python(DEV, "cli.py", "list-users", **database)
    assert (added.returncode, listed.stdout) == (0, "   1  Ada <ada@example.org> admin\n")


@pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)
def test_models_and_migrations_of_the_blog_agree(database: dict[str, str]) -> None:
    done = run_python(DEV, "cli.py", "db-check", **database)
    assert done.returncode == 0, done.stdout


async def test_blog_answers_what_its_open_api_document_says(tmp_path: Path, blog: dict[str, str]) -> None:
    """Generated requests meet no 5xx, no undocumented status or media type, no body that the schema forbids."""
    async with run_process(*UVICORN, cwd=DEV, env=blog) as server, httpx.AsyncClient() as http:
        url = f"{server.url}/openapi/specs.json"
        validate((await http.get(url)).json())
        login = {"email": "ada@example.org", "password": "notes on the engine"}
        token = (await http.post(f"{server.url}/api/v1/auth/token", json=login)).json()["access_token"]
        options = ["--checks", ",".join(CHECKS), "--seed", "7", "--max-examples", "15", "--no-color", "--no-shrink"]
        options += ["--header", f"Authorization: Bearer {token}"]
        done = await asyncio.to_thread(run_python, tmp_path, "-m", "schemathesis.cli", "run", url, *options)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "Tested: 14" in done.stdout


async def test_server_without_lifespan_runs_no_startup_method_and_answers() -> None:
    async with (
        run_process(*HELLO, "--lifespan", "off", env=python_environment()) as server,
        httpx.AsyncClient() as http,
    ):
        assert (await http.get(server.url)).text == "Hello"
    assert "hello starts" not in "".join(server.output)


async def test_url_behind_a_proxy_that_strips_a_prefix_has_the_prefix() -> None:
    async with (
        run_process(*HELLO, "--root-path", "/shop", env=python_environment()) as server,
        httpx.AsyncClient() as http,
    ):
        assert (await http.get(f"{server.url}/where")).text == "/shop/"


async def test_application_with_a_mistake_ends_before_it_listens() -> None:
    arguments = ["-m", "uvicorn", "tests.apps.mistaken:Application", "--factory", "--port", "0"]
    process = await start_process(arguments, cwd=ROOT, env=python_environment())
    output, _ = await process.communicate()
    assert process.returncode not in (0, None)
    assert b"PAT110 tests.apps.mistaken.Mistaken.show(what)" in output


async def test_application_whose_startup_fails_ends_with_3() -> None:
    arguments = ["-m", "uvicorn", "tests.apps.failing:Application", "--factory", "--port", "0"]
    process = await start_process(arguments, cwd=ROOT, env=python_environment())
    output, _ = await process.communicate()
    assert process.returncode == 3
    assert b"no such server" in output
