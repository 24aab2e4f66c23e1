"""Errors of the database that nothing handles: 409, 400, 503 with `Retry-After`, and 500 for the rest."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    insert,
    make_url,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from patera import Patera, Request, Response
from patera.controller import Controller, post
from patera.database.sql import AsyncSession, Session, SqlDatabase
from patera.exceptions import ExceptionHandler, handles
from patera.testing import PateraTestClient
from tests.databases import MARIADB, POSTGRES, own_database
from tests.tcp_proxy import TcpProxy, tcp_proxy

MakeApp = Callable[..., Patera]
Work = Callable[[Session], Any]

KINDS = {
    "sqlite+aiosqlite": "sqlite",
    "postgresql+asyncpg": "postgres",
    "postgresql+psycopg": "postgres",
    "mysql+aiomysql": "mariadb",
    "mysql+asyncmy": "mariadb",
}
#: Each async driver, and the synchronous side once for each kind of database.
SIDES = [
    *((driver, "async") for driver in KINDS),
    ("sqlite+aiosqlite", "sync"),
    ("postgresql+asyncpg", "sync"),
    ("mysql+aiomysql", "sync"),
]
SERVERS = [(driver, side) for driver, side in SIDES if KINDS[driver] != "sqlite"]
on_every_side = pytest.mark.parametrize(("driver", "side"), SIDES)
on_every_server = pytest.mark.parametrize(("driver", "side"), SERVERS)

metadata = MetaData()
users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("email", String(20), unique=True, nullable=False),
    Column("age", Integer, nullable=False),
    CheckConstraint("age < 200", name="plausible_age"),
)
posts = Table(
    "posts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", Integer, ForeignKey("users.id"), nullable=False),
)

CONFLICT = {"status": "error", "message": "The data conflicts with what is stored", "data": None}
UNACCEPTABLE = {"status": "error", "message": "A value is out of range or cannot be stored", "data": None}
BUSY = {"status": "error", "message": "The database is busy, try again", "data": None}
UNAVAILABLE = {"status": "error", "message": "The database is not available, try again later", "data": None}


@dataclass
class Service:
    """An application whose endpoints do work on one side of a database.

    Args:
        http: A client of it.
        side: "async" or "sync".
        db: The database.
        application: The application.
    """

    http: PateraTestClient
    side: str
    db: SqlDatabase
    application: Patera

    async def do(self, name: str) -> httpx.Response:
        return await self.http.post(f"/{self.side}/{name}")

    async def statuses(self, *names: str) -> dict[str, int]:
        return {name: (await self.do(name)).status_code for name in names}


Serve = Callable[..., Awaitable[Service]]


def make_controller(db: SqlDatabase, work: dict[str, Work]) -> type[Controller]:
    class Worker(Controller):
        @post("/async/<name>")
        async def asynchronous(self, req: Request, name: str) -> Response:
            async with db.create_session() as session:
                await session.run_sync(work[name])
                await session.commit()
            return req.res.no_content()

        @post("/sync/<name>")
        def synchronous(self, req: Request, name: str) -> Response:
            with db.create_sync_session() as session:
                work[name](session)
                session.commit()
            return req.res.no_content()

    return Worker


@pytest.fixture
async def serve(make_app: MakeApp, tmp_path: Path) -> AsyncIterator[Serve]:
    """Start applications on databases of their own, in which there is one user."""
    async with AsyncExitStack() as stack:

        async def start(
            driver: str, side: str, work: dict[str, Work], proxy: TcpProxy | None = None, **configs: Any
        ) -> Service:
            uri = make_url(await stack.enter_async_context(own_database(KINDS[driver], tmp_path)))
            uri = uri.set(drivername=driver)
            if proxy is not None:
                uri = uri.set(host="127.0.0.1", port=proxy.port)
            configs["DATABASE_URI"] = uri.render_as_string(hide_password=False)
            db = SqlDatabase()
            application = make_app(make_controller(db, work), EXTENSIONS=[db], SQL_DATABASE=configs, DEBUG=False)
            http = await stack.enter_async_context(PateraTestClient(application))
            async with db.engine.begin() as connection:
                await connection.run_sync(metadata.create_all)
                await connection.execute(insert(users).values(id=1, email="ada", age=36))
            return Service(http, side, db, application)

        yield start


def proxy_to(driver: str) -> AbstractAsyncContextManager[TcpProxy]:
    url = make_url(POSTGRES if KINDS[driver] == "postgres" else MARIADB)
    return tcp_proxy(url.host or "127.0.0.1", url.port or (5432 if KINDS[driver] == "postgres" else 3306))


def executing(statement: Any, *more: Any) -> Work:
    def work(session: Session) -> None:
        for each in (statement, *more):
            session.execute(each)

    return work


def answering(response: httpx.Response) -> tuple[int, Any, str | None]:
    return response.status_code, response.json(), response.headers.get("retry-after")


DATA = {
    "unique": executing(insert(users).values(email="ada", age=1)),
    "primary key": executing(insert(users).values(id=1, email="eve", age=1)),
    "reference to nothing": executing(insert(posts).values(user_id=77)),
    "row that is referred to": executing(insert(posts).values(user_id=1), delete(users)),
    "check": executing(insert(users).values(email="eve", age=200)),
    "not null": executing(insert(users).values(email=None, age=1)),
    "beyond 64 bit": executing(insert(users).values(email="eve", age=2**64)),
    "half of a surrogate": executing(insert(users).values(email="\ud800", age=1)),
    "syntax": executing(text("SELEC 1")),
}
TEXTS = {
    "beyond 32 bit": executing(insert(users).values(email="eve", age=2**31)),
    "too long": executing(insert(users).values(email="e" * 21, age=1)),
    "no date": executing(text("CREATE TABLE days (day DATE)"), text("INSERT INTO days VALUES ('2024-13-40')")),
}


@on_every_side
async def test_error_of_data_has_the_status_of_its_cause(driver: str, side: str, serve: Serve) -> None:
    service = await serve(driver, side, DATA)
    assert await service.statuses(*DATA) == {
        "unique": 409,
        "primary key": 409,
        "reference to nothing": 409,
        "row that is referred to": 409,
        "check": 400,
        "not null": 500,
        "beyond 64 bit": 400,
        "half of a surrogate": 400,
        "syntax": 500,
    }


@on_every_server
async def test_value_that_a_column_cannot_hold_is_400(driver: str, side: str, serve: Serve) -> None:
    service = await serve(driver, side, TEXTS)
    assert await service.statuses(*TEXTS) == {"beyond 32 bit": 400, "too long": 400, "no date": 400}


@pytest.mark.parametrize(
    ("driver", "side"),
    [("postgresql+asyncpg", "async"), ("postgresql+psycopg", "async"), ("postgresql+psycopg", "sync")],
)
async def test_nul_character_is_400_on_postgresql(driver: str, side: str, serve: Serve) -> None:
    service = await serve(driver, side, {"nul": executing(select(users).where(users.c.email == "a\0b"))})
    assert answering(await service.do("nul")) == (400, UNACCEPTABLE, None)


@on_every_side
async def test_number_beyond_64_bit_in_a_condition_is_no_fault_of_the_server(
    driver: str, side: str, serve: Serve
) -> None:
    service = await serve(driver, side, {"find": executing(select(users).where(users.c.id == 2**70))})
    # MariaDB compares numbers of any size, and finds nothing.
    assert (await service.do("find")).status_code == (204 if KINDS[driver] == "mariadb" else 400)


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg"])
async def test_division_by_zero_is_a_fault_of_the_server(driver: str, serve: Serve) -> None:
    service = await serve(driver, "async", {"divide": executing(text("SELECT 1 / 0"))})
    assert (await service.do("divide")).status_code == 500


@on_every_side
async def test_answer_tells_nothing_of_statement_table_or_value(driver: str, side: str, serve: Serve) -> None:
    service = await serve(driver, side, DATA)
    assert answering(await service.do("unique")) == (409, CONFLICT, None)
    assert answering(await service.do("check")) == (400, UNACCEPTABLE, None)


@on_every_side
async def test_lock_of_another_is_503_after_the_timeout(driver: str, side: str, serve: Serve) -> None:
    limits = {"postgres": "SET LOCAL lock_timeout = 100", "mariadb": "SET innodb_lock_wait_timeout = 1"}
    limit = executing(text(limits.get(KINDS[driver], "SELECT 1")), update(users).values(age=1))
    service = await serve(driver, side, {"update": limit}, BUSY_TIMEOUT=0.1)
    async with service.db.create_session() as session:
        await session.execute(update(users).values(age=2))
        assert answering(await service.do("update")) == (503, BUSY, "1")
    assert (await service.do("update")).status_code == 204


@on_every_server
async def test_deadlock_is_503_for_one_of_the_two(driver: str, side: str, serve: Serve) -> None:
    have_first = threading.Barrier(2)

    def swap(first: int, second: int) -> Work:
        def work(session: Session) -> None:
            session.execute(update(users).where(users.c.id == first).values(age=first))
            wait_for_other(session, have_first)
            session.execute(update(users).where(users.c.id == second).values(age=second))

        return work

    service = await serve(driver, side, {"one": swap(1, 2), "two": swap(2, 1)})
    async with service.db.engine.begin() as connection:
        await connection.execute(insert(users).values(id=2, email="eve", age=30))
    answers = await asyncio.gather(service.do("one"), service.do("two"))
    assert sorted(answer.status_code for answer in answers) == [204, 503]
    assert [answering(answer) for answer in answers if answer.status_code == 503] == [(503, BUSY, "1")]


@pytest.mark.parametrize(("driver", "side"), [each for each in SERVERS if KINDS[each[0]] == "postgres"])
async def test_serialization_failure_is_503_for_one_of_the_two(driver: str, side: str, serve: Serve) -> None:
    have_read = threading.Barrier(2)

    def increment(session: Session) -> None:
        session.connection(execution_options={"isolation_level": "SERIALIZABLE"})
        age = session.execute(select(users.c.age)).scalar_one()
        wait_for_other(session, have_read)
        session.execute(update(users).values(age=age + 1))

    service = await serve(driver, side, {"increment": increment})
    answers = await asyncio.gather(service.do("increment"), service.do("increment"))
    assert sorted(answer.status_code for answer in answers) == [204, 503]
    (row,) = await service.db.execute_raw(select(users.c.age))
    assert row["age"] == 37


def wait_for_other(session: Session, barrier: threading.Barrier) -> None:
    """Wait in a thread, or, where the session is that of a task, let the event loop run meanwhile."""
    if not session.connection().dialect.is_async:
        barrier.wait(10)
        return
    waiting = threading.Thread(target=barrier.wait, args=(10,))
    waiting.start()
    while waiting.is_alive():
        session.execute(select(1))


@on_every_server
async def test_connection_ended_by_the_server_is_503_and_the_next_request_works(
    driver: str, side: str, serve: Serve
) -> None:
    def end(session: Session) -> None:
        own = session.execute(text("SELECT pg_backend_pid()" if is_postgres else "SELECT CONNECTION_ID()")).scalar_one()
        with killer.connect() as connection:
            connection.execute(text(f"SELECT pg_terminate_backend({own})" if is_postgres else f"KILL {own}"))
        time.sleep(0.05)
        session.execute(select(1))

    is_postgres = KINDS[driver] == "postgres"
    service = await serve(driver, side, {"end": end, "ask": executing(select(1))})
    killer = create_engine(service.db.state.sync_url, isolation_level="AUTOCOMMIT")
    try:
        assert answering(await service.do("end")) == (503, UNAVAILABLE, "5")
    finally:
        killer.dispose()
    assert (await service.do("ask")).status_code == 204


@on_every_server
async def test_server_that_stops_is_503_and_the_first_request_after_it_is_back_works(
    driver: str, side: str, serve: Serve
) -> None:
    async with proxy_to(driver) as proxy:
        service = await serve(driver, side, {"ask": executing(select(1))}, proxy)
        assert (await service.do("ask")).status_code == 204
        proxy.refuse()
        assert answering(await service.do("ask")) == (503, UNAVAILABLE, "5")
        await proxy.pass_on()
        assert (await service.do("ask")).status_code == 204
        assert service.db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("driver", [driver for driver, side in SERVERS if side == "async"])
async def test_server_that_hangs_is_503_for_pooled_and_new_connections(driver: str, serve: Serve) -> None:
    async with proxy_to(driver) as proxy:
        work = {"ask": executing(select(1))}
        service = await serve(driver, "async", work, proxy, CONNECT_TIMEOUT=1)
        assert (await service.do("ask")).status_code == 204
        proxy.hang()
        assert answering(await service.do("ask")) == (503, UNAVAILABLE, "5")
        assert answering(await service.do("ask")) == (503, UNAVAILABLE, "5")
        await proxy.pass_on()
        assert (await service.do("ask")).status_code == 204
        assert service.db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


@on_every_side
async def test_pool_without_a_free_connection_is_503_after_the_timeout(driver: str, side: str, serve: Serve) -> None:
    def hold(session: Session) -> None:
        session.execute(select(1))
        with pool_of(session).connect():
            pass

    def pool_of(session: Session) -> Any:
        return session.get_bind()

    service = await serve(driver, side, {"hold": hold}, POOL_SIZE=1, MAX_OVERFLOW=0, POOL_TIMEOUT=0.1)
    assert answering(await service.do("hold")) == (503, BUSY, "1")


async def test_sqlite_file_that_is_gone_is_503(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    service = await serve("sqlite+aiosqlite", "async", {"ask": executing(select(1))})
    await service.db.disconnect()
    tmp_path.joinpath("test.db").rename(folder / "test.db")
    tmp_path.joinpath("test.db").mkdir()
    assert answering(await service.do("ask")) == (503, UNAVAILABLE, "5")


async def test_commit_that_fails_is_409(serve: Serve) -> None:
    deferred = text("CREATE TABLE once (id INTEGER UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    twice = executing(deferred, text("INSERT INTO once VALUES (1), (1)"))
    service = await serve("postgresql+asyncpg", "async", {"twice": twice})
    assert answering(await service.do("twice")) == (409, CONFLICT, None)


class Base(DeclarativeBase):
    pass


class Versioned(Base):
    __tablename__ = "versioned"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(10))
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}


async def test_row_that_was_changed_meanwhile_is_409(serve: Serve) -> None:
    def rename(session: Session) -> None:
        row = session.get_one(Versioned, 1)
        session.execute(text("UPDATE versioned SET version = version + 1"))
        row.name = "new"
        session.flush()

    service = await serve("sqlite+aiosqlite", "async", {"rename": rename})
    async with service.db.create_session() as session:
        await session.run_sync(lambda sync: Base.metadata.create_all(sync.connection()))
        session.add(Versioned(id=1, name="old"))
        await session.commit()
    assert answering(await service.do("rename")) == (409, CONFLICT, None)


async def test_handler_of_the_application_comes_first(make_app: MakeApp) -> None:
    db = SqlDatabase()

    class Handlers(ExceptionHandler):
        @handles(IntegrityError)
        async def taken(self, req: Request, exc: IntegrityError) -> Response:
            return req.res.text("taken").status(418)

    work = {"unique": executing(text("CREATE TABLE a (b UNIQUE)"), text("INSERT INTO a VALUES (1), (1)"))}
    application = make_app(
        make_controller(db, work),
        EXTENSIONS=[db],
        SQL_DATABASE={"DATABASE_URI": "sqlite://"},
        EXCEPTION_HANDLERS=[Handlers],
    )
    async with PateraTestClient(application) as http:
        assert (await http.post("/async/unique")).status_code == 418


async def test_error_of_another_engine_is_no_error_of_the_database(make_app: MakeApp) -> None:
    db, own = SqlDatabase(), create_engine("sqlite://")

    def violate(session: Session) -> None:
        with own.begin() as connection:
            connection.execute(text("CREATE TABLE a (b UNIQUE)"))
            connection.execute(text("INSERT INTO a VALUES (1), (1)"))

    def overflow(session: Session) -> None:
        raise OverflowError("of the application")

    def refuse(session: Session) -> None:
        raise ConnectionRefusedError("another service")

    def lock(session: Session) -> None:
        raise sqlite3.OperationalError("database is locked")

    work: dict[str, Work] = {"violate": violate, "overflow": overflow, "refuse": refuse, "lock": lock}
    configs = {"DATABASE_URI": "sqlite://"}
    application = make_app(make_controller(db, work), EXTENSIONS=[db], SQL_DATABASE=configs, DEBUG=False)
    async with PateraTestClient(application) as http:
        answers = {name: (await http.post(f"/async/{name}")).status_code for name in work}
    own.dispose()
    assert answers == dict.fromkeys(work, 500)


async def test_error_of_each_of_two_databases_is_answered(make_app: MakeApp, tmp_path: Path) -> None:
    db, archive = SqlDatabase(), SqlDatabase("archive", "ARCHIVE")

    class Both(Controller):
        @post("/<name>")
        @db.managed_session
        @archive.managed_session
        async def add(self, req: Request, name: str, session: AsyncSession, archived: AsyncSession) -> Response:
            for each in (session, archived):
                await each.execute(text("CREATE TABLE a (b INTEGER UNIQUE)"))
            await (session if name == "db" else archived).execute(text("INSERT INTO a VALUES (1), (1)"))
            return req.res.no_content()

    async with own_database("postgres", tmp_path) as uri:
        configs = {"DATABASE_URI": uri, "SESSION_NAME": "archived"}
        application = make_app(
            Both, EXTENSIONS=[db, archive], SQL_DATABASE={"DATABASE_URI": "sqlite://"}, ARCHIVE=configs, DEBUG=False
        )
        async with PateraTestClient(application) as http:
            assert (await http.post("/db")).status_code == 409
            assert (await http.post("/archive")).status_code == 409


async def test_answer_is_logged_at_the_level_of_its_status(serve: Serve) -> None:
    service = await serve(
        "sqlite+aiosqlite", "async", {**DATA, "ask": executing(update(users).values(age=1))}, BUSY_TIMEOUT=0
    )
    await service.do("unique")
    async with service.db.create_session() as session:
        await session.execute(update(users).values(age=2))
        await service.do("ask")
    records = service.application.log_buffer.get_all()
    assert [(each["level"], each["message"]) for each in records if "answers" in each["message"]] == [
        ("INFO", "409 answers IntegrityError in Worker.asynchronous"),
        ("ERROR", "503 answers OperationalError in Worker.asynchronous"),
    ]
