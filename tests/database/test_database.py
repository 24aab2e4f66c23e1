"""`SqlDatabase`: its configuration, its life in applications, several of them, and what it tells of itself."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Integer, make_url, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import patera.database
from patera import Patera, Request, on_startup
from patera.cli import CLIController, command
from patera.controller import Controller, get
from patera.database.sql import AsyncSession, SqlDatabase
from patera.database.sql._urls import location_of
from patera.exceptions import ConfigurationError
from patera.testing import PateraTestClient
from tests.databases import own_database

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]

KINDS = ("sqlite", "postgres", "mariadb")
MEMORY = {"DATABASE_URI": "sqlite://"}
#: A port of this machine on which nothing listens.
NOWHERE = "postgresql+asyncpg://user:s3cret@127.0.0.1:1/shop"


def messages(application: Patera, *levels: str) -> list[str]:
    return [each["message"] for each in application.log_buffer.get_all() if each["level"] in levels]


def asking(db: SqlDatabase) -> type[Controller]:
    class Asking(Controller):
        @get("/")
        async def ask(self, req: Request) -> list[str]:
            async with db.create_session() as session:
                return list(await session.scalars(text("SELECT 'answer'")))

        @get("/sync")
        def ask_in_thread(self, req: Request) -> list[str]:
            with db.create_sync_session() as session:
                return list(session.scalars(text("SELECT 'answer'")))

    return Asking


class TestConfiguration:
    def test_names_have_defaults(self, make_app: MakeApp) -> None:
        db = SqlDatabase()
        application = make_app(EXTENSIONS=[db], SQL_DATABASE=MEMORY)
        assert (db.db_name, db.configs_name, db.session_name, db.nice_name) == ("db", "SQL_DATABASE", "session", None)
        assert application.extensions["SQL_DATABASE"] is db

    def test_names_are_given_by_position(self, make_app: MakeApp) -> None:
        archive = SqlDatabase("archive", "ARCHIVE_DATABASE")
        configs = {**MEMORY, "SESSION_NAME": "archived", "NICE_NAME": "The archive"}
        make_app(EXTENSIONS=[archive], ARCHIVE_DATABASE=configs)
        assert (archive.db_name, archive.session_name, archive.nice_name) == ("archive", "archived", "The archive")

    def test_flat_keys_are_read(self, make_app: MakeApp) -> None:
        db = SqlDatabase()
        make_app(EXTENSIONS=[db], SQL_DATABASE_DATABASE_URI="sqlite:///x.db", SQL_DATABASE_SESSION_NAME="flat")
        assert (db.db_uri, db.session_name) == ("sqlite+aiosqlite:///x.db", "flat")

    def test_variable_prefix_stands_before_dict_and_flat_keys(self, make_app: MakeApp) -> None:
        db = SqlDatabase(variable_prefix="MY_")
        make_app(EXTENSIONS=[db], MY_SQL_DATABASE=MEMORY, MY_SQL_DATABASE_SESSION_NAME="mine")
        assert db.session_name == "mine"

    def test_session_name_has_a_second_spelling_and_the_first_wins(self, make_app: MakeApp) -> None:
        one, other = SqlDatabase(), SqlDatabase("other", "OTHER")
        second = {**MEMORY, "DATABASE_SESSION_NAME": "b"}
        make_app(EXTENSIONS=[one, other], SQL_DATABASE=second, OTHER={**second, "SESSION_NAME": "a"})
        assert (one.session_name, other.session_name) == ("b", "a")

    def test_session_name_that_is_no_parameter_is_a_mistake(self, make_app: MakeApp) -> None:
        with pytest.raises(ConfigurationError, match=r"PAT322 SQL_DATABASE\['SESSION_NAME'\]"):
            make_app(EXTENSIONS=[SqlDatabase()], SQL_DATABASE={**MEMORY, "SESSION_NAME": "my session"})

    def test_unknown_key_is_a_mistake_with_the_closest_one(self, make_app: MakeApp) -> None:
        with pytest.raises(ConfigurationError, match=r"PAT320[\s\S]*Did you mean 'SHOW_SQL'\?"):
            make_app(EXTENSIONS=[SqlDatabase()], SQL_DATABASE={**MEMORY, "SHOWSQL": True})

    async def test_misspelt_name_of_the_dict_is_taken_with_a_warning(self, make_app: MakeApp, client: Connect) -> None:
        db = SqlDatabase()
        application = make_app(asking(db), EXTENSIONS=[db], SQL_DATADATE={**MEMORY, "SESSION_NAME": "taken"})
        http = await client(application)
        assert (await http.get("/")).json() == ["answer"]
        assert db.state.configs["SESSION_NAME"] == "taken"
        assert messages(application, "WARNING") == [
            "The configuration has SQL_DATADATE, which is taken as SQL_DATABASE"
        ]

    def test_misspelt_name_beside_the_right_one_has_no_effect(self, make_app: MakeApp) -> None:
        db = SqlDatabase()
        make_app(EXTENSIONS=[db], SQL_DATABASE=MEMORY, SQL_DATADATE={**MEMORY, "SESSION_NAME": "taken"})
        assert db.session_name == "session"

    def test_url_is_not_in_the_representation(self, make_app: MakeApp) -> None:
        db = SqlDatabase()
        application = make_app(EXTENSIONS=[db], SQL_DATABASE={"DATABASE_URI": NOWHERE})
        assert repr(db) == "<SqlDatabase SQL_DATABASE>"
        assert "s3cret" not in repr(application.extension_states)
        assert "s3cret" not in repr(db.engine)
        assert db.db_uri == NOWHERE


class TestLifeCycle:
    async def test_database_is_connected_before_methods_of_the_startup(self, make_app: MakeApp) -> None:
        db, found = SqlDatabase(), []
        base = type(make_app(EXTENSIONS=[db], SQL_DATABASE=MEMORY))

        class Application(base):  # type: ignore[misc, valid-type]
            @on_startup
            async def ask(self) -> None:
                found.append(db.engine.pool.checkedin())  # type: ignore[attr-defined]

        async with Application().lifespan():
            assert found == [1]

    @pytest.mark.parametrize("kind", KINDS)
    async def test_shutdown_closes_the_connections_of_both_sides(
        self, kind: str, make_app: MakeApp, tmp_path: Path
    ) -> None:
        async with own_database(kind, tmp_path) as uri:
            db = SqlDatabase()
            application = make_app(asking(db), EXTENSIONS=[db], SQL_DATABASE={"DATABASE_URI": uri})
            async with PateraTestClient(application) as http:
                assert [(await http.get(each)).json() for each in ("/", "/sync")] == [["answer"], ["answer"]]
                pools: list[Any] = [db.engine.pool, db.sync_engine.pool]
                assert [pool.checkedin() for pool in pools] == [1, 1]
            pools = [db.engine.pool, db.sync_engine.pool]
            assert [pool.checkedin() for pool in pools] == [0, 0]

    @pytest.mark.parametrize("kind", KINDS)
    async def test_database_can_be_used_again_after_it_was_disconnected(
        self, kind: str, make_app: MakeApp, client: Connect, tmp_path: Path
    ) -> None:
        async with own_database(kind, tmp_path) as uri:
            db = SqlDatabase()
            application = make_app(asking(db), EXTENSIONS=[db], SQL_DATABASE={"DATABASE_URI": uri})
            async with PateraTestClient(application) as http:
                await db.disconnect()
                assert [(await http.get(each)).json() for each in ("/", "/sync")] == [["answer"], ["answer"]]
                await db.disconnect()
                await db.connect()
                assert (await http.get("/")).json() == ["answer"]
            async with PateraTestClient(application) as http:
                assert (await http.get("/sync")).json() == ["answer"]

    async def test_database_connects_at_its_first_use_without_a_startup(self, make_app: MakeApp) -> None:
        db = SqlDatabase()
        application = make_app(asking(db), EXTENSIONS=[db], SQL_DATABASE=MEMORY)
        async with PateraTestClient(application, lifespan=False) as http:
            assert [(await http.get(each)).json() for each in ("/", "/sync")] == [["answer"], ["answer"]]
        pool: Any = db.engine.pool
        assert pool.checkedin() == 0

    def test_application_without_use_of_the_database_never_connects(self, make_app: MakeApp) -> None:
        make_app(EXTENSIONS=[SqlDatabase()], SQL_DATABASE={"DATABASE_URI": NOWHERE}).build()

    async def test_session_is_an_error_before_there_is_an_application(self) -> None:
        with pytest.raises(RuntimeError, match="belongs to no application yet: list it in EXTENSIONS"):
            SqlDatabase().create_session()

    async def test_unreachable_server_stops_the_startup_and_is_named_without_password(self, make_app: MakeApp) -> None:
        application = make_app(EXTENSIONS=[SqlDatabase()], SQL_DATABASE={"DATABASE_URI": NOWHERE})
        with pytest.raises(RuntimeError) as caught:
            await application.lifespan().__aenter__()
        assert "SQL_DATABASE failed" in str(caught.value)
        assert "the database 'db' cannot be reached at 127.0.0.1:1/shop: " in str(caught.value)
        assert "s3cret" not in str(caught.value)

    @pytest.mark.parametrize(
        ("kind", "driver", "reason"),
        [
            ("postgres", "postgresql+asyncpg", 'database "patera_no_such" does not exist'),
            ("postgres", "postgresql+psycopg", 'database "patera_no_such" does not exist'),
            ("mariadb", "mysql+aiomysql", "Unknown database 'patera_no_such'"),
            ("mariadb", "mysql+asyncmy", "Unknown database 'patera_no_such'"),
        ],
    )
    async def test_reason_of_the_server_is_named(
        self, kind: str, driver: str, reason: str, make_app: MakeApp, tmp_path: Path
    ) -> None:
        async with own_database(kind, tmp_path) as text_of_uri:
            uri = make_url(text_of_uri).set(drivername=driver, database="patera_no_such")
            configs = {"DATABASE_URI": uri.render_as_string(hide_password=False)}
            application = make_app(EXTENSIONS=[SqlDatabase()], SQL_DATABASE=configs)
            with pytest.raises(RuntimeError) as caught:
                await application.lifespan().__aenter__()
        assert f"cannot be reached at {location_of(uri)}: " in str(caught.value)
        assert reason in str(caught.value)

    async def test_file_that_cannot_be_opened_is_named(self, make_app: MakeApp, tmp_path: Path) -> None:
        configs = {"DATABASE_URI": f"sqlite:///{tmp_path}/no/such/x.db"}
        application = make_app(EXTENSIONS=[SqlDatabase()], SQL_DATABASE=configs)
        with pytest.raises(
            RuntimeError, match=f"{tmp_path}/no/such/x.db: OperationalError: unable to open database file"
        ):
            await application.lifespan().__aenter__()

    async def test_database_that_is_not_required_is_503_until_it_is_there(
        self, make_app: MakeApp, client: Connect, tmp_path: Path
    ) -> None:
        db, folder = SqlDatabase(), tmp_path / "later"
        configs = {"DATABASE_URI": f"sqlite:///{folder}/x.db", "REQUIRED": False}
        application = make_app(asking(db), EXTENSIONS=[db], SQL_DATABASE=configs, DEBUG=False)
        http = await client(application)
        (line,) = messages(application, "ERROR")
        assert line.startswith(f"the database 'db' cannot be reached at {folder}/x.db: ")
        assert [(await http.get(each)).status_code for each in ("/", "/sync")] == [503, 503]
        folder.mkdir()
        assert [(await http.get(each)).status_code for each in ("/", "/sync")] == [200, 200]

    async def test_password_is_in_no_line_of_the_log(self, make_app: MakeApp, client: Connect) -> None:
        db = SqlDatabase()
        configs = {"DATABASE_URI": NOWHERE, "REQUIRED": False, "SHOW_SQL": True}
        application = make_app(asking(db), EXTENSIONS=[db], SQL_DATABASE=configs, DEBUG=False)
        http = await client(application)
        assert (await http.get("/")).status_code == 503
        assert "s3cret" not in str(application.log_buffer.get_all())

    async def test_applications_with_one_database_object_share_nothing(
        self, make_app: MakeApp, client: Connect, tmp_path: Path
    ) -> None:
        db = SqlDatabase()

        class Names(Controller):
            @get("/")
            async def show(self, req: Request) -> str:
                return db.db_uri

        applications = [
            make_app(Names, EXTENSIONS=[db], SQL_DATABASE={"DATABASE_URI": f"sqlite:///{tmp_path}/{name}.db"})
            for name in ("one", "two")
        ]
        one, two = [await client(application) for application in applications]
        answers = await asyncio.gather(one.get("/"), two.get("/"))
        assert [Path(answer.text).name for answer in answers] == ["one.db", "two.db"]
        await one.close()
        assert (await two.get("/")).status_code == 200


class TestSeveral:
    async def test_each_has_its_own_session_and_rows(self, make_app: MakeApp, client: Connect, tmp_path: Path) -> None:
        db, archive = SqlDatabase(), SqlDatabase("archive", "ARCHIVE")

        class Both(Controller):
            @get("/")
            @db.readonly_session
            @archive.readonly_session
            async def ask(self, req: Request, session: AsyncSession, archived: AsyncSession) -> list[str]:
                asked = text("SELECT 'a' || 'b'"), text("SELECT version()")
                return [
                    str(await each.scalar(statement))
                    for each, statement in zip((session, archived), asked, strict=True)
                ]

        async with own_database("postgres", tmp_path) as uri:
            configs = {"DATABASE_URI": uri, "SESSION_NAME": "archived"}
            http = await client(make_app(Both, EXTENSIONS=[db, archive], SQL_DATABASE=MEMORY, ARCHIVE=configs))
            one, other = (await http.get("/")).json()
            assert (one, other[:10]) == ("ab", "PostgreSQL")
            await http.close()

    def test_two_of_one_name_are_a_mistake(self, make_app: MakeApp) -> None:
        application = make_app(EXTENSIONS=[SqlDatabase(), SqlDatabase(configs_name="B")], SQL_DATABASE=MEMORY, B=MEMORY)
        with pytest.raises(ConfigurationError, match=r"1 mistake[\s\S]*PAT406 SQL_DATABASE and B"):
            application.build()


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    __db_name__ = "db"
    id: Mapped[int] = mapped_column(primary_key=True)


class Old(Base):
    __tablename__ = "old"
    __db_name__ = "archiv"
    id: Mapped[int] = mapped_column(primary_key=True)


class Plain(Base):
    __tablename__ = "plain"
    id: Mapped[int] = mapped_column(primary_key=True)


class Document:
    __db_name__ = "documents"


class TestModels:
    def test_models_of_a_database_are_listed(self, make_app: MakeApp) -> None:
        db, archive = SqlDatabase(), SqlDatabase("archiv", "B")
        make_app(EXTENSIONS=[db, archive], SQL_DATABASE=MEMORY, B=MEMORY, MODELS=[User, Old, Plain])
        assert (db.models_list, archive.models_list) == ([User], [Old])

    def test_model_of_a_database_that_the_application_lacks_is_one_mistake(self, make_app: MakeApp) -> None:
        databases = {"EXTENSIONS": [SqlDatabase(), SqlDatabase("archive", "B")], "SQL_DATABASE": MEMORY, "B": MEMORY}
        application = make_app(**databases, MODELS=[User, Old, Plain, Document])
        with pytest.raises(ConfigurationError) as caught:
            application.build()
        (mistake,) = caught.value.mistakes
        assert (mistake.code, mistake.where.rpartition(".")[2], mistake.accepted) == (
            "PAT407",
            "Old",
            "'archive', 'db'",
        )
        assert "Did you mean 'archive'?" in mistake.change
        assert mistake.location.startswith(__file__)

    def test_model_without_source_that_names_no_database_is_a_mistake_without_place(self, make_app: MakeApp) -> None:
        columns = {"id": mapped_column(Integer, primary_key=True)}
        made = type("Made", (Base,), {"__tablename__": "made", "__db_name__": "nowhere", **columns})
        application = make_app(EXTENSIONS=[SqlDatabase()], SQL_DATABASE=MEMORY, MODELS=[made])
        with pytest.raises(ConfigurationError) as caught:
            application.build()
        (mistake,) = caught.value.mistakes
        assert (mistake.code, mistake.location) == ("PAT407", "")


class TestRaw:
    @pytest.mark.parametrize("kind", KINDS)
    async def test_rows_are_mappings(self, kind: str, make_app: MakeApp, client: Connect, tmp_path: Path) -> None:
        db = SqlDatabase()
        async with own_database(kind, tmp_path) as uri:
            http = await client(make_app(EXTENSIONS=[db], SQL_DATABASE={"DATABASE_URI": uri}))
            assert await db.execute_raw("CREATE TABLE a (b INTEGER)", as_transaction=True) == []
            rows = await db.execute_raw("SELECT :one AS one, 'x' AS two", {"one": "1"})
            assert [dict(row) for row in rows] == [{"one": "1", "two": "x"}]
            assert [row["n"] for row in await db.execute_raw(select(text("1 AS n")))] == [1]
            await http.close()

    @pytest.mark.parametrize("kind", KINDS)
    async def test_changes_are_kept_in_a_transaction_only(
        self, kind: str, make_app: MakeApp, client: Connect, tmp_path: Path
    ) -> None:
        db = SqlDatabase()
        async with own_database(kind, tmp_path) as uri:
            http = await client(make_app(EXTENSIONS=[db], SQL_DATABASE={"DATABASE_URI": uri}))
            await db.execute_raw("CREATE TABLE a (b INTEGER)", as_transaction=True)
            await db.execute_raw("INSERT INTO a VALUES (1)")
            await db.execute_raw("INSERT INTO a VALUES (2)", as_transaction=True)
            assert [row["b"] for row in await db.execute_raw("SELECT b FROM a")] == [2]
            await http.close()


class TestOverview:
    @pytest.mark.parametrize("kind", KINDS)
    async def test_tables_and_rows_are_counted(
        self, kind: str, make_app: MakeApp, client: Connect, tmp_path: Path
    ) -> None:
        db = SqlDatabase()
        async with own_database(kind, tmp_path) as uri:
            configs = {"DATABASE_URI": uri, "NICE_NAME": "Shop"}
            http = await client(make_app(EXTENSIONS=[db], SQL_DATABASE=configs))
            for statement in (
                "CREATE TABLE a (id INTEGER PRIMARY KEY, name VARCHAR(9))",
                "CREATE INDEX by_name ON a (name)",
                "CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INTEGER, FOREIGN KEY (a_id) REFERENCES a (id))",
                "INSERT INTO a VALUES (1, 'x'), (2, 'y')",
            ):
                await db.execute_raw(statement, as_transaction=True)
            assert await db.count_tables() == 2
            assert await db.count_rows_exact() == ({"a": 2, "b": 0}, 2)
            overview = await db.collect_db_overview()
            assert (overview["nice_name"], overview["tables"], overview["total_rows"]) == ("Shop", 2, 2)
            details = overview["details"]
            assert details["a"]["indexes"] == ["by_name"]
            assert (details["a"]["primary_key"], details["b"]["foreign_keys"]) == (["id"], {"a_id": "a"})
            assert "details" not in await db.collect_db_overview(with_extras=False)
            await http.close()

    async def test_schema_is_the_one_that_is_asked_for(
        self, make_app: MakeApp, client: Connect, tmp_path: Path
    ) -> None:
        db = SqlDatabase()
        async with own_database("postgres", tmp_path) as uri:
            http = await client(make_app(EXTENSIONS=[db], SQL_DATABASE={"DATABASE_URI": uri}))
            await db.execute_raw("CREATE SCHEMA other", as_transaction=True)
            await db.execute_raw('CREATE TABLE other."odd name" (id INTEGER)', as_transaction=True)
            assert (await db.count_tables(), await db.count_tables("other")) == (0, 1)
            assert await db.count_rows_exact("other") == ({"odd name": 0}, 0)
            await http.close()


def test_decorators_are_the_same_each_time() -> None:
    db = SqlDatabase()
    assert db.managed_session is db.managed_session is db.managed_session_for_cli
    assert db.readonly_session is db.readonly_session
    assert db.transactional is db.transactional


async def test_session_of_a_command_commits(make_app: MakeApp, client: Connect) -> None:
    db = SqlDatabase()

    class Commands(CLIController):
        @command("fill")
        @db.managed_session_for_cli
        async def fill(self, session: AsyncSession) -> None:
            await session.execute(text("CREATE TABLE a (b INTEGER)"))
            await session.execute(text("INSERT INTO a VALUES (3)"))

    application = make_app(EXTENSIONS=[db], SQL_DATABASE=MEMORY, CLI_CONTROLLERS=[Commands])
    http = await client(application)
    assert (await http.cli("fill")).exit_code == 0
    assert [row["b"] for row in await db.execute_raw("SELECT b FROM a")] == [3]


def test_name_that_the_package_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'patera\.database' has no attribute 'SqlDatabse'"):
        patera.database.SqlDatabse  # noqa: B018
