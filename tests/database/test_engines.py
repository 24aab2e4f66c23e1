"""Engines: both sides see one database, SQLite's transactions, pool and time limits, `SHOW_SQL`."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, QueuePool, StaticPool

from patera import Patera, Request, Response
from patera.controller import Controller, get, post
from patera.database.sql import AsyncSession, Session, SqlDatabase
from patera.exceptions import ConfigurationError
from patera.testing import PateraTestClient
from tests.databases import own_database

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]
Started = Callable[..., AbstractAsyncContextManager[SqlDatabase]]

KINDS = ("sqlite", "postgres", "mariadb")
#: Every driver pair: the async one, and the kind of database that it is for.
DRIVERS = {
    "sqlite+aiosqlite": "sqlite",
    "postgresql+asyncpg": "postgres",
    "postgresql+psycopg": "postgres",
    "mysql+aiomysql": "mariadb",
    "mysql+asyncmy": "mariadb",
}


@pytest.fixture
def started(make_app: MakeApp) -> Started:
    """Start an application with a database of the given configuration."""

    @asynccontextmanager
    async def start(uri: str, **configs: Any) -> AsyncIterator[SqlDatabase]:
        db = SqlDatabase()
        application = make_app(EXTENSIONS=[db], SQL_DATABASE={"DATABASE_URI": uri, **configs})
        async with application.lifespan():
            yield db

    return start


async def make_counter(db: SqlDatabase) -> None:
    await db.execute_raw("CREATE TABLE counter (value INTEGER NOT NULL)", as_transaction=True)
    await db.execute_raw("INSERT INTO counter VALUES (0)", as_transaction=True)


async def counted(db: SqlDatabase) -> int:
    (row,) = await db.execute_raw("SELECT value FROM counter")
    value: int = row["value"]
    return value


def pragma(session: Session, name: str) -> Any:
    return session.execute(text(f"PRAGMA {name}")).scalar()


@pytest.mark.parametrize("driver", DRIVERS)
async def test_both_engines_see_the_same_database(driver: str, started: Started, tmp_path: Path) -> None:
    async with own_database(DRIVERS[driver], tmp_path) as uri:
        uri = make_url(uri).set(drivername=driver).render_as_string(hide_password=False)
        async with started(uri) as db:
            await make_counter(db)
            with db.create_sync_session() as session:
                session.execute(text("UPDATE counter SET value = 7"))
                session.commit()
            assert await counted(db) == 7


@pytest.mark.parametrize("driver", DRIVERS)
async def test_session_for_reading_is_refused_changes_by_the_database(
    driver: str, started: Started, tmp_path: Path
) -> None:
    async with own_database(DRIVERS[driver], tmp_path) as uri:
        uri = make_url(uri).set(drivername=driver).render_as_string(hide_password=False)
        async with started(uri) as db:
            await make_counter(db)
            async with db.state.make_session(access="read") as session:
                assert (await session.execute(text("SELECT value FROM counter"))).scalar() == 0
                with pytest.raises(DBAPIError):
                    await session.execute(text("UPDATE counter SET value = 7"))
            with db.state.make_sync_session(access="read") as sync_session, pytest.raises(DBAPIError):
                sync_session.execute(text("UPDATE counter SET value = 7"))
            with db.create_sync_session() as sync_session:
                sync_session.execute(text("UPDATE counter SET value = 3"))
                sync_session.commit()
            assert await counted(db) == 3


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite+aiosqlite:///:memory:"])
async def test_memory_is_shared_by_both_engines(uri: str, started: Started) -> None:
    async with started(uri) as db:
        await make_counter(db)
        with db.create_sync_session() as session:
            assert session.execute(text("SELECT value FROM counter")).scalar() == 0


async def test_memory_of_one_application_is_not_that_of_another(make_app: MakeApp) -> None:
    db = SqlDatabase()
    configs: dict[str, Any] = {"EXTENSIONS": [db], "SQL_DATABASE": {"DATABASE_URI": "sqlite://"}}

    class Counter(Controller):
        @get("/")
        async def show(self, req: Request) -> list[str]:
            return await tables(db)

    one, other = make_app(Counter, **configs), make_app(Counter, **configs)
    async with PateraTestClient(one) as first, PateraTestClient(other) as second:
        async with one.extension_states[db].make_session() as session:
            await session.execute(text("CREATE TABLE a (b INTEGER)"))
            await session.commit()
        assert (await first.get("/")).json() == ["a"]
        assert (await second.get("/")).json() == []


async def test_memory_ends_with_the_application(make_app: MakeApp) -> None:
    db = SqlDatabase()
    application = make_app(EXTENSIONS=[db], SQL_DATABASE={"DATABASE_URI": "sqlite://"})
    async with application.lifespan():
        await make_counter(db)
    async with application.lifespan():
        assert await tables(db) == []


async def test_memory_stays_while_no_connection_is_in_use(started: Started) -> None:
    async with started("sqlite://", ENGINE_OPTIONS={"poolclass": NullPool}) as db:
        await make_counter(db)
        assert await counted(db) == 0


async def test_memory_locked_by_another_is_waited_for(started: Started) -> None:
    async with started("sqlite://") as db:
        await make_counter(db)
        async with db.state.make_session(access="write") as session:
            await session.execute(text("UPDATE counter SET value = 1"))
            reading = asyncio.create_task(counted(db))
            await asyncio.sleep(0.05)
            await session.commit()
        assert await reading == 1


async def test_memory_locked_by_another_is_waited_for_by_several_rows(started: Started) -> None:
    async with started("sqlite://") as db:
        await make_counter(db)
        async with db.state.make_session(access="write") as holding, db.create_session() as adding:
            await holding.execute(text("UPDATE counter SET value = 1"))
            rows = [{"value": 2}, {"value": 3}]
            inserting = asyncio.create_task(adding.execute(text("INSERT INTO counter VALUES (:value)"), rows))
            await asyncio.sleep(0.05)
            await holding.commit()
            await inserting
            await adding.commit()
        assert [row["value"] for row in await db.execute_raw("SELECT value FROM counter")] == [1, 2, 3]


async def test_memory_locked_by_another_is_waited_for_in_a_thread(started: Started) -> None:
    def read(db: SqlDatabase) -> Any:
        with db.create_sync_session() as session:
            return session.scalar(text("SELECT value FROM counter"))

    async with started("sqlite://") as db:
        await make_counter(db)
        async with db.state.make_session(access="write") as session:
            await session.execute(text("UPDATE counter SET value = 1"))
            reading = asyncio.create_task(asyncio.to_thread(read, db))
            await asyncio.sleep(0.05)
            await session.commit()
        assert await reading == 1


@pytest.mark.parametrize("uri", ["sqlite:///{folder}/test.db", "sqlite://"])
async def test_concurrent_increments_of_writing_sessions_are_all_counted(
    uri: str, make_app: MakeApp, client: Connect, tmp_path: Path
) -> None:
    db = SqlDatabase()

    class Counter(Controller):
        @post("/")
        @db.managed_session
        async def increment(self, req: Request, session: AsyncSession) -> Response:
            value = (await session.execute(text("SELECT value FROM counter"))).scalar_one()
            await asyncio.sleep(0)
            await session.execute(text("UPDATE counter SET value = :value"), {"value": value + 1})
            return req.res.no_content()

    application = make_app(Counter, EXTENSIONS=[db], SQL_DATABASE={"DATABASE_URI": uri.format(folder=tmp_path)})
    http = await client(application)
    await make_counter(db)
    responses = await asyncio.gather(*(http.post("/") for _ in range(50)))
    answers = [response.status_code for response in responses]
    assert set(answers) <= {204, 503}
    assert await counted(db) == answers.count(204)


async def test_sqlite_file_is_set_up_for_concurrent_use(started: Started, tmp_path: Path) -> None:
    async with started(f"sqlite:///{tmp_path}/x.db", BUSY_TIMEOUT=1.5) as db:
        async with db.create_session() as session:
            await session.run_sync(assert_set_up)
        with db.create_sync_session() as sync_session:
            assert_set_up(sync_session)


def assert_set_up(session: Session) -> None:
    assert [pragma(session, name) for name in ("journal_mode", "foreign_keys", "busy_timeout")] == ["wal", 1, 1500]


async def test_sqlite_pragmas_of_the_configuration_win(started: Started, tmp_path: Path) -> None:
    pragmas = {"synchronous": "NORMAL", "foreign_keys": "OFF", "cache_size": -500}
    async with started(f"sqlite:///{tmp_path}/x.db", SQLITE_PRAGMAS=pragmas) as db:
        with db.create_sync_session() as session:
            assert [pragma(session, name) for name in pragmas] == [1, 0, -500]


def test_sqlite_pragma_that_is_no_word_is_a_mistake(make_app: MakeApp) -> None:
    configs = {"DATABASE_URI": "sqlite://", "SQLITE_PRAGMAS": {"synchronous": "NORMAL; DROP TABLE users"}}
    with pytest.raises(ConfigurationError, match="PAT322 SQL_DATABASE\\['SQLITE_PRAGMAS"):
        make_app(EXTENSIONS=[SqlDatabase()], SQL_DATABASE=configs)


async def test_sqlite_file_that_is_opened_for_reading_is_read(started: Started, tmp_path: Path) -> None:
    async with started(f"sqlite:///{tmp_path}/x.db", SQLITE_PRAGMAS={"journal_mode": "DELETE"}) as db:
        await make_counter(db)
    async with started(f"sqlite:///file:{tmp_path}/x.db?mode=ro&uri=true") as db:
        assert await counted(db) == 0


async def test_sqlite_rollback_undoes_changes_of_the_schema(started: Started, tmp_path: Path) -> None:
    async with started(f"sqlite:///{tmp_path}/x.db") as db:
        async with db.create_session() as session:
            await session.execute(text("CREATE TABLE a (b INTEGER)"))
            await session.rollback()
        assert await tables(db) == []


async def test_sqlite_savepoint_keeps_what_was_before_it(started: Started) -> None:
    async with started("sqlite://") as db:
        await make_counter(db)
        async with db.create_session() as session:
            await session.execute(text("UPDATE counter SET value = 1"))
            savepoint = await session.begin_nested()
            await session.execute(text("UPDATE counter SET value = 2"))
            await savepoint.rollback()
            await session.commit()
        assert await counted(db) == 1


async def test_sqlite_autocommit_of_a_connection_begins_nothing(started: Started, tmp_path: Path) -> None:
    async with started(f"sqlite:///{tmp_path}/x.db") as db:
        autocommit = db.engine.execution_options(isolation_level="AUTOCOMMIT")
        async with autocommit.connect() as connection:
            await connection.execute(text("VACUUM"))
        with_option = {"ENGINE_OPTIONS": {"isolation_level": "AUTOCOMMIT"}}
    async with started(f"sqlite:///{tmp_path}/x.db", **with_option) as db, db.engine.connect() as connection:
        await connection.execute(text("VACUUM"))


@pytest.mark.parametrize("driver", DRIVERS)
async def test_session_for_reading_leaves_the_next_one_alone(driver: str, started: Started, tmp_path: Path) -> None:
    async with own_database(DRIVERS[driver], tmp_path) as uri:
        uri = make_url(uri).set(drivername=driver).render_as_string(hide_password=False)
        async with started(uri, POOL_SIZE=1, MAX_OVERFLOW=0) as db:
            await make_counter(db)
            async with db.state.make_session(access="read") as session:
                await session.execute(text("SELECT value FROM counter"))
            await db.execute_raw("UPDATE counter SET value = 2", as_transaction=True)
            assert await counted(db) == 2


async def test_pool_has_the_configured_size(started: Started, tmp_path: Path) -> None:
    configs = {"POOL_SIZE": 3, "MAX_OVERFLOW": 4, "POOL_TIMEOUT": 0.5, "POOL_RECYCLE": 60}
    async with own_database("postgres", tmp_path) as uri, started(uri, **configs) as db:
        for pool in (db.engine.pool, db.sync_engine.pool):
            found: Any = pool
            assert (found.size(), found._max_overflow, found.timeout(), found._recycle) == (3, 4, 0.5, 60)
            assert found._pre_ping


@pytest.mark.parametrize(
    ("configs", "sizes"),
    [({}, (15, 0)), ({"POOL_SIZE": 3}, (3, 10)), ({"MAX_OVERFLOW": 2}, (5, 2))],
    ids=["default", "size", "overflow"],
)
async def test_pool_of_sqlite_keeps_all_its_connections(
    configs: dict[str, int], sizes: tuple[int, int], started: Started, tmp_path: Path
) -> None:
    async with started(f"sqlite:///{tmp_path}/x.db", **configs) as db:
        for pool in (db.engine.pool, db.sync_engine.pool):
            found: Any = pool
            assert (found.size(), found._max_overflow) == sizes


async def test_engine_options_reach_sqlalchemy(started: Started, tmp_path: Path) -> None:
    options = {"poolclass": NullPool, "execution_options": {"a": 1}, "connect_args": {"timeout": 3}}
    async with started(f"sqlite:///{tmp_path}/x.db", ENGINE_OPTIONS=options) as db:
        assert isinstance(db.engine.pool, NullPool)
        assert isinstance(db.sync_engine.pool, NullPool)
        assert db.engine.get_execution_options()["a"] == 1
        async with db.create_session() as session:
            assert await session.run_sync(pragma, "busy_timeout") == 3000
        with db.create_sync_session() as sync_session:
            assert pragma(sync_session, "busy_timeout") == 5000


async def test_pool_class_of_one_side_is_not_that_of_the_other(started: Started) -> None:
    async with started("sqlite://", ENGINE_OPTIONS={"poolclass": StaticPool}) as db:
        assert (type(db.engine.pool), type(db.sync_engine.pool)) == (StaticPool, QueuePool)


async def test_pool_that_is_given_is_used(started: Started, tmp_path: Path) -> None:
    def connect() -> Any:
        return sqlite3.connect(tmp_path / "other.db")

    pool = QueuePool(connect, pool_size=1)
    async with started("sqlite://", POOL_SIZE=7, SYNC_ENGINE_OPTIONS={"pool": pool}) as db:
        assert db.sync_engine.pool is pool


async def test_session_options_reach_every_session(started: Started) -> None:
    async with started("sqlite://", SESSION_OPTIONS={"autoflush": True}) as db:
        assert db.create_session().sync_session.autoflush
        assert db.create_sync_session().autoflush


@pytest.mark.parametrize("key", ["ENGINE_OPTIONS", "SYNC_ENGINE_OPTIONS", "SESSION_OPTIONS"])
def test_option_that_sqlalchemy_does_not_know_is_a_mistake(key: str, make_app: MakeApp) -> None:
    configs = {"DATABASE_URI": "postgresql://u:secret@h/d", key: {"poolsize": 3}}
    with pytest.raises(ConfigurationError, match=r"PAT405[\s\S]*poolsize") as caught:
        make_app(EXTENSIONS=[SqlDatabase()], SQL_DATABASE=configs)
    assert "secret" not in str(caught.value)


def test_bind_in_session_options_is_a_mistake(make_app: MakeApp) -> None:
    with pytest.raises(ConfigurationError, match=r"PAT405[\s\S]*bind"):
        make_app(
            EXTENSIONS=[SqlDatabase()], SQL_DATABASE={"DATABASE_URI": "sqlite://", "SESSION_OPTIONS": {"bind": None}}
        )


@pytest.mark.parametrize("driver", [driver for driver, kind in DRIVERS.items() if kind != "sqlite"])
async def test_statement_timeout_holds_on_both_sides(driver: str, started: Started, tmp_path: Path) -> None:
    async with own_database(DRIVERS[driver], tmp_path) as uri:
        uri = make_url(uri).set(drivername=driver).render_as_string(hide_password=False)
        sleep = text("SELECT pg_sleep(20)" if "postgresql" in driver else "SELECT SLEEP(20) FROM counter")
        async with started(uri, STATEMENT_TIMEOUT=0.1) as db:
            await make_counter(db)
            with pytest.raises(DBAPIError):
                await db.execute_raw(sleep)
            with db.create_sync_session() as session, pytest.raises(DBAPIError):
                session.execute(sleep)


async def test_application_name_of_the_uri_reaches_the_server(started: Started, tmp_path: Path) -> None:
    async with own_database("postgres", tmp_path) as uri, started(f"{uri}?application_name=shop") as db:
        assert await db.execute_raw("SHOW application_name") == [{"application_name": "shop"}]


async def test_shown_sql_has_one_line_with_time_and_no_values(make_app: MakeApp, client: Connect) -> None:
    db = SqlDatabase()
    application = make_app(EXTENSIONS=[db], SQL_DATABASE={"DATABASE_URI": "sqlite://", "SHOW_SQL": True})
    await client(application)
    await make_counter(db)
    await db.execute_raw("UPDATE counter\n  SET value = :value", {"value": 271828}, as_transaction=True)
    lines = [record["message"] for record in application.log_buffer.get_all() if "UPDATE" in record["message"]]
    assert len(lines) == 1
    assert re.fullmatch(r"db: \d+\.\d\d ms: UPDATE counter SET value = \?", lines[0])


async def test_shown_sql_has_values_where_errors_may_have_them(make_app: MakeApp, client: Connect) -> None:
    db = SqlDatabase()
    configs = {"DATABASE_URI": "sqlite://", "SHOW_SQL": True, "ENGINE_OPTIONS": {"hide_parameters": False}}
    application = make_app(EXTENSIONS=[db], SQL_DATABASE=configs)
    await client(application)
    await db.execute_raw("SELECT :value", {"value": 271828})
    assert [line for line in messages(application) if line.endswith("SELECT ? (271828,)")]


async def test_shown_sql_has_statements_that_fail_and_both_sides(make_app: MakeApp, client: Connect) -> None:
    db = SqlDatabase("archive")
    application = make_app(EXTENSIONS=[db], SQL_DATABASE={"DATABASE_URI": "sqlite://", "SHOW_SQL": True})
    await client(application)
    with pytest.raises(DBAPIError):
        await db.execute_raw("SELECT nothing FROM nowhere")
    with db.create_sync_session() as session:
        session.execute(text("SELECT 'synchronous'"))
        session.commit()
    shown = "\n".join(messages(application))
    assert re.search(r"archive: \d+\.\d\d ms: SELECT nothing FROM nowhere \(OperationalError\)\n", shown)
    assert re.search(r"archive: \d+\.\d\d ms: SELECT 'synchronous'\narchive: COMMIT", shown)


async def test_shown_sql_is_written_once(
    make_app: MakeApp, client: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    db = SqlDatabase()
    application = make_app(EXTENSIONS=[db], SQL_DATABASE={"DATABASE_URI": "sqlite://", "SHOW_SQL": True})
    await client(application)
    await db.execute_raw("SELECT 'only once'")
    await application.logger.complete()
    written = capsys.readouterr()
    assert (written.out + written.err).count("only once") == 1


async def test_sql_is_not_shown_unless_asked_for(make_app: MakeApp, client: Connect) -> None:
    db = SqlDatabase()
    application = make_app(EXTENSIONS=[db], SQL_DATABASE={"DATABASE_URI": "sqlite://"})
    await client(application)
    await db.execute_raw("SELECT 1")
    assert [line for line in messages(application) if "SELECT" in line] == []


async def test_errors_of_statements_hide_their_values(started: Started) -> None:
    async with started("sqlite://") as db:
        with pytest.raises(DBAPIError) as caught:
            await db.execute_raw("SELECT :value FROM nowhere", {"value": "s3cret"})
        assert "s3cret" not in str(caught.value)


def messages(application: Patera) -> list[str]:
    return [record["message"] for record in application.log_buffer.get_all()]


async def tables(db: SqlDatabase) -> list[str]:
    async with db.engine.connect() as connection:
        return await connection.run_sync(lambda sync: inspect(sync).get_table_names())
