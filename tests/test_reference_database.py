"""The SQL chapter of the reference document runs as it is written there."""

import ast
import re
import runpy
import shlex
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from patera import Patera
from patera.database.sql import AsyncQuery, AsyncSession, Page, SqlDatabase
from patera.database.sql.migrate import Migrate
from patera.testing import PateraTestClient
from tests.databases import own_database
from tests.reference_document import PATH, Snippet, snippet
from tests.reference_project import Project, project_in, run_snippet
from tests.reference_signatures import assert_accepts, signatures

if not PATH.is_file():
    pytest.skip(f"the reference document is not at {PATH}", allow_module_level=True)

Connect = Callable[[Patera], Awaitable[PateraTestClient]]
Run = Callable[..., list[str]]

#: What the snippets use without importing it.
NAMES = """
from typing import Any
from pydantic import BaseModel
from app.api.models.user_model import User
from app.extensions import db
from patera import HttpStatus, MediaType, Request, Response
from patera.controller import *
from patera.database.sql import AsyncSession

class UserData(BaseModel):
    id: int | None = None
    fullname: str
    email: str | None = None
"""

ADA = {"fullname": "Ada", "email": "ada@example.org"}


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """The minimum application in the working directory, to which paths in URLs are relative."""
    monkeypatch.chdir(tmp_path)
    with project_in(tmp_path) as made:
        made.add(snippet(129), snippet(142))
        yield made


@pytest.fixture
def project(empty: Project) -> Project:
    """The application with the extensions, the model, the script, and a database in a file."""
    return complete(empty, snippet(997))


@pytest.fixture(params=["sqlite", "postgres"])
async def stored(request: pytest.FixtureRequest, empty: Project, tmp_path: Path) -> AsyncIterator[Project]:
    """The same, on a database with the tables."""
    async with own_database(request.param, tmp_path) as url:
        complete(empty, configs_with(url))
        async with PateraTestClient(empty.application()) as http:
            models, db = http.app.models, empty.load("app.extensions").db
            assert db.db_uri.partition(":")[0] == url.partition(":")[0]
            async with db.engine.begin() as connection:
                await connection.run_sync(models[0].metadata.create_all)
        empty.forget()
        yield empty


def complete(made: Project, configs: Snippet) -> Project:
    made.write("app/extensions.py", snippet(976).text)
    made.add(snippet(1056), snippet(1103))
    made.configure(snippet(987), configs, snippet(1187))
    return made


def configs_with(url: str) -> Snippet:
    """Return the configuration with the URL of a test's database, PostgreSQL's as it is written for that."""
    if url.startswith("sqlite"):
        return snippet(997).repaired(999, r'(?<=: )".+?"', repr(url))
    line = snippet(1006).repaired(1007, r"//.+(?=\")", url[url.index("//") :]).text.strip()
    return snippet(997).repaired(999, ".+", f"{line},")


def values_of(shown: Snippet) -> dict[str, Any]:
    """Return the items of a dict that stand without its braces."""
    found: dict[str, Any] = ast.literal_eval("{" + shown.text + "}")
    return found


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line of the document with the script of the project; returns what it prints."""

    def run_line(line: str) -> list[str]:
        script, *words = shlex.split(line.removeprefix("uv run "))
        monkeypatch.setattr(sys, "argv", [script, *words])
        capsys.readouterr()
        runpy.run_path(script, run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return run_line


def rows(sql: str, file: str = "test.db") -> list[Any]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(sql).fetchall()


def tables(file: str = "test.db") -> set[str]:
    return {name for (name,) in rows("SELECT name FROM sqlite_master WHERE type = 'table'", file)}


def lines_of(shown: Snippet) -> list[str]:
    return shown.text.splitlines()


# Extensions and configuration


async def test_extensions_are_initialised_with_the_application(project: Project, client: Connect) -> None:
    http = await client(project.application())
    module = project.load("app.extensions")
    assert [type(each) for each in http.app.extensions.values()] == [SqlDatabase, Migrate]
    assert [dict(row) for row in await module.db.execute_raw("SELECT 1 AS one")] == [{"one": 1}]
    assert module.db.db_uri == run_snippet(snippet(997).text)["SQL_DATADATE"]["DATABASE_URI"]


async def test_names_said_to_be_the_defaults_are(project: Project) -> None:
    project.application()
    shown, default = project.load("app.extensions").db, SqlDatabase()
    assert (shown.db_name, shown.configs_name) == (default.db_name, default.configs_name)


async def test_misspelt_name_of_the_dict_is_taken_with_a_warning(project: Project, client: Connect) -> None:
    key = snippet(997).text.partition(" ")[0]
    http = await client(project.application())
    [record] = [each for each in http.app.log_buffer.get_all() if key in each["message"]]
    assert (record["level"], "SQL_DATABASE" in record["message"]) == ("WARNING", True)


async def test_values_said_to_be_the_defaults_are(project: Project) -> None:
    project.application()
    db = project.load("app.extensions").db
    directory = run_snippet(snippet(1025).part(1026, 1026).text)["ALEMBIC_MIGRATION_DIR"]
    expected = {**values_of(snippet(1011)), **values_of(snippet(1017)), "ALEMBIC_MIGRATION_DIR": directory}
    assert {key: db.configs[key] for key in expected} == expected


@pytest.mark.parametrize("is_shown", [False, True])
async def test_statements_are_logged_if_wanted(
    is_shown: bool, empty: Project, client: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    line = snippet(1017).repaired(1018, "False", str(is_shown)).text.strip()
    complete(empty, snippet(997).repaired(1001, ".+", line))
    await client(empty.application())
    capsys.readouterr()
    await empty.load("app.extensions").db.execute_raw("SELECT 4711")
    output = capsys.readouterr()
    assert ("SELECT 4711" in output.out + output.err) is is_shown


async def test_two_databases_inject_sessions_of_two_names(empty: Project, client: Connect) -> None:
    line = snippet(1011).repaired(1012, '"session"', '"other"').text.strip()
    other = snippet(1043).repaired(1045, "<.+>", "sqlite+aiosqlite:///./other.db").repaired(1045, "$", line + ",")
    other = other.repaired(1046, "<.+>", "others").repaired(1047, "<.+>", "sqlite:///./other.db")
    second = snippet(1033).part(1038, 1039).repaired(1038, "db: ", "other: ").repaired(1038, r"\(", '("other", ')
    second = second.repaired(1039, "migrate: ", "others: ").repaired(1039, "db", "other").repaired(1039, '""', '"o-"')
    complete(empty, snippet(997))
    empty.write("app/extensions.py", snippet(976).text, second.text)
    listed = snippet(987).repaired(989, "$", " 'app.extensions:other', 'app.extensions:others',")
    empty.configure(listed, other)
    text = "(await {}.connection()).engine.url.database"
    method = [
        '    @get("/")',
        "    @db.managed_session",
        "    @other.readonly_session",
        "    async def show(self, req: Request, session: AsyncSession, other: AsyncSession) -> Response:",
        f"        return req.res.json([{text.format('session')}, {text.format('other')}])",
    ]
    http = await client(empty.with_controller(f"{NAMES}\nfrom app.extensions import other", *method))
    assert (await http.get("/part")).json() == ["./test.db", "./other.db"]


# Migrations


def migrated(project: Project, run: Run) -> str:
    """Run the documented commands, and return the name of the revision that they make."""
    project.application()
    for line in lines_of(snippet(1067)):
        run(line)
    [(revision,)] = rows("SELECT version_num FROM alembic_version")
    return str(revision)


def test_first_commands_make_the_tables_of_the_models(project: Project, run: Run) -> None:
    revision = migrated(project, run)
    [file] = Path("app/migrations/versions").glob("*.py")
    message = shlex.split(lines_of(snippet(1067))[1])[-1]
    assert message in file.read_text()
    assert revision in file.name
    assert tables() == {"users", "alembic_version"}


def test_other_commands_take_their_arguments(project: Project, run: Run) -> None:
    first = migrated(project, run)
    model = Path("app/api/models/user_model.py")
    model.write_text(model.read_text() + "    nickname: Mapped[str | None]\n")
    project.forget()
    for line in lines_of(snippet(1067))[1:]:
        run(line)
    [(second,)] = rows("SELECT version_num FROM alembic_version")
    downgrade, history, current, heads, show, stamp = (
        f"cli.py {line}".replace("rev. number", first) for line in lines_of(snippet(1076))
    )
    assert all(revision in "\n".join(run(history)) for revision in (first, second))
    assert second in "\n".join(run(current))
    assert second in "\n".join(run(heads))
    assert first in "\n".join(run(show))
    run(downgrade)
    assert rows("SELECT name FROM pragma_table_info('users') WHERE name = 'nickname'") == []
    run(stamp.replace(first, second))
    assert rows("SELECT version_num FROM alembic_version") == [(second,)]


def test_arguments_are_optional(project: Project, run: Run) -> None:
    revision = migrated(project, run)
    outputs = {}
    for line in [*lines_of(snippet(1067))[1:], *lines_of(snippet(1076))]:
        command = line.removeprefix("uv run cli.py ").split()[0]
        outputs[command] = "\n".join(run(f"cli.py {command}"))
    assert all(revision in outputs[command] for command in ("db-history", "db-heads", "db-show"))
    assert (tables(), rows("SELECT * FROM alembic_version")) == ({"alembic_version"}, [(revision,)])


def test_prefix_stands_before_the_commands(project: Project, run: Run) -> None:
    project.write("app/extensions.py", snippet(976).repaired(982, '""', '"second_"').text)
    for line in lines_of(snippet(1090)):
        run(re.sub("<.+>", "second_", line))
    assert tables() == {"users", "alembic_version"}


def test_keys_of_migrations_are_read_from_the_dict(empty: Project, run: Run) -> None:
    keys = snippet(1025).repaired(1026, '"migrations"', '"revisions"').repaired(1027, r"(?<=/)test\.db", "second.db")
    items = " ".join(line.partition(" #")[0] for line in lines_of(keys.as_dict(1026, 1027)))
    complete(empty, snippet(997).repaired(1001, "$", f", {items}"))
    for line in lines_of(snippet(1067)):
        run(line)
    assert Path("app/revisions/env.py").is_file()
    assert "users" in tables("second.db")


def test_another_name_of_the_dict_is_read(empty: Project, run: Run) -> None:
    complete(empty, snippet(1043).repaired(1045, "<.+>", "sqlite+aiosqlite:///./my.db"))
    imports = snippet(976).part(977, 979)
    empty.write("app/extensions.py", imports.text, snippet(1033).part(1038, 1039).text)
    configs = Path("app/configs.py")
    directory, uri = re.findall("<.+?>", configs.read_text())
    configs.write_text(configs.read_text().replace(directory, "my_revisions").replace(uri, "sqlite:///./my.db"))
    for line in lines_of(snippet(1067)):
        run(line)
    assert Path("app/my_revisions/env.py").is_file()
    assert "users" in tables("my.db")


# Models and queries


async def in_session(project: Project, text: str, **names: Any) -> dict[str, Any]:
    """Run statements that await, in a session; returns their variables."""
    lines = ["async def run(session, **names):", "    globals().update(names)", text, "    return locals()"]
    model, db = project.load("app.api.models.user_model").User, project.load("app.extensions").db
    async with PateraTestClient(project.application()), db.create_session() as session:
        session.add_all(model(fullname=name, email=f"{name}@example.org") for name in ("Ada", "Bea", "Cid"))
        await session.commit()
        module = run_snippet("\n".join(lines), User=model)
        found: dict[str, Any] = await module["run"](session, **names)
        return found


def test_model_has_the_documented_columns(project: Project) -> None:
    application = project.application()
    [model] = application.models
    columns = model.__table__.columns
    assert (model.__name__, model.db_name()) == ("User", "db")
    assert [(column.name, getattr(column.type, "length", None)) for column in columns] == [
        ("id", None),
        ("fullname", 30),
        ("email", 50),
    ]
    assert (columns["id"].primary_key, columns["email"].unique) == (True, True)


async def test_query_of_one_user_by_id(stored: Project) -> None:
    found = await in_session(stored, snippet(1130).inside(1), user_id=2)
    assert found["user"].fullname == "Bea"


async def test_query_of_all_users(stored: Project) -> None:
    found = await in_session(stored, snippet(1136).inside(1))
    assert {user.fullname for user in found["users"]} == {"Ada", "Bea", "Cid"}


@pytest.mark.parametrize("line", [1146, 1161])
def test_query_methods_take_the_documented_arguments(line: int) -> None:
    listed = signatures(snippet(line))
    assert len(listed) == len(lines_of(snippet(line)))
    for name, documented in listed.items():
        assert_accepts(getattr(AsyncQuery, name), documented)


CALLS = {
    "where": "User.id > 1, User.id < 3",
    "filter": "User.id > 1, User.id < 3",
    "filter_by": "id=2, fullname='Bea'",
    "join": "other, User.id == other.id",
    "limit": "3",
    "offset": "0",
    "order_by": "User.fullname, User.id",
    "like": "User.email, 'Bea@%', escape='/'",
    "ilike": "User.fullname, 'B_A'",
}


async def test_building_methods_can_be_chained(stored: Project) -> None:
    assert set(CALLS) == set(signatures(snippet(1146)))
    chain = "".join(f".{name}({arguments})" for name, arguments in CALLS.items())
    text = [
        "    from sqlalchemy.orm import aliased",
        "    other = aliased(User)",
        f"    query = User.query(session){chain}",
        "    users = await query.all()",
    ]
    found = await in_session(stored, "\n".join(text))
    assert isinstance(found["query"], AsyncQuery)
    assert [user.fullname for user in found["users"]] == ["Bea"]


async def test_executing_methods_return_what_is_documented(stored: Project) -> None:
    names = list(signatures(snippet(1161)))
    calls = ", ".join(f"'{name}': await query.{name}()" for name in names)
    text = f"    query = User.query(session).filter_by(fullname='Ada')\n    found = {{{calls}}}"
    found = (await in_session(stored, text))["found"]
    user = found["one"]
    assert list(found) == ["count", "paginate", "all", "first", "one"]
    assert (found["count"], found["all"], found["first"], user.fullname) == (1, [user], user, "Ada")
    assert (found["paginate"]["page"], found["paginate"]["per_page"]) == (1, 10)


async def test_page_has_the_documented_keys_and_types(stored: Project) -> None:
    model = stored.load("app.api.models.user_model").User
    documented = run_snippet(snippet(1173).text, Model=model)["result"]
    text = "    page = await User.query(session).order_by(User.id).paginate(page=2, per_page=2)"
    page = (await in_session(stored, text))["page"]
    assert isinstance(page, Page)
    assert isinstance(page, dict)
    assert list(page) == list(documented)
    assert all(isinstance(page[key], getattr(kind, "__origin__", kind)) for key, kind in documented.items())
    assert [user.fullname for user in page["items"]] == ["Cid"]
    assert [page[key] for key in list(documented)[1:]] == [3, 2, 2, 2, False, True]


# Sessions


def handlers() -> Snippet:
    """Return the two handlers; the first of them names a variable that is not there."""
    return snippet(1199).repaired(1209, "id=user_id", "id=user.id")


async def test_handlers_write_and_read(stored: Project, client: Connect) -> None:
    http = await client(stored.with_controller(NAMES, handlers().inside(1)))
    made = await http.post("/part", json=ADA)
    assert (made.status_code, made.json()["fullname"]) == (200, "Ada")
    shown = await http.get(f"/part/{made.json()['id']}")
    assert (shown.status_code, shown.json()) == (200, made.json())


async def test_managed_session_rolls_back_when_the_method_fails(stored: Project, client: Connect) -> None:
    failing = handlers().repaired(1209, "return ", "raise LookupError if user.fullname == 'Eve' else abort(418, 'Tea')")
    failing = failing.repaired(1209, r"'Tea'\).+", "'Tea')")
    application = stored.with_controller(f"{NAMES}\nfrom patera import abort", failing.inside(1))
    http = await client(application)
    assert (await http.post("/part", json=ADA)).status_code == 418
    with pytest.raises(LookupError):
        await http.post("/part", json={**ADA, "fullname": "Eve"})
    assert await stored.load("app.extensions").db.execute_raw("SELECT * FROM users") == []


async def test_second_user_of_an_address_is_a_conflict(stored: Project, client: Connect) -> None:
    http = await client(stored.with_controller(NAMES, handlers().inside(1)))
    assert [(await http.post("/part", json=ADA)).status_code for _ in range(2)] == [200, 409]
    assert len(await stored.load("app.extensions").db.execute_raw("SELECT * FROM users")) == 1


async def test_readonly_session_commits_nothing(stored: Project, client: Connect) -> None:
    changing = handlers().repaired(1217, "$", "; user.fullname += '!'")
    http = await client(stored.with_controller(NAMES, changing.inside(1)))
    number = (await http.post("/part", json=ADA)).json()["id"]
    for _ in range(2):
        assert (await http.get(f"/part/{number}")).json()["fullname"] == "Ada!"
    [row] = await stored.load("app.extensions").db.execute_raw("SELECT fullname FROM users")
    assert row["fullname"] == "Ada"


async def test_session_of_another_name_is_injected(empty: Project, client: Connect) -> None:
    line = snippet(1011).repaired(1012, '(?<=: )"session"', '"blog"').text.strip()
    complete(empty, snippet(997).repaired(1000, ".+", f"{line},"))
    method = [
        '    @get("/")',
        "    @db.managed_session",
        "    async def show(self, req: Request, blog: AsyncSession) -> Response:",
        "        return req.res.json(type(blog).__name__)",
    ]
    http = await client(empty.with_controller(NAMES, *method))
    assert (await http.get("/part")).json() == AsyncSession.__name__
