"""The session decorators on `def` methods: a synchronous session of the same database, in one thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import InvalidRequestError

from patera import Request, Response, abort, run_in_background, run_sync_or_async
from patera.cli import CLIController, argument, command
from patera.concurrency import wait_for_background_tasks
from patera.controller import Controller, get, path, post
from patera.database.sql import Session
from patera.database.sql._current import current_session, current_sync_session, sync_session_for
from patera.http import HttpStatus
from tests.database.bank import (
    ALL_KINDS,
    KINDS,
    Account,
    AccountData,
    MakeApp,
    checked_out,
    create_tables,
    db,
    open_bank,
)


def sync_error_of(work: Any, *args: Any) -> str:
    try:
        work(*args)
    except InvalidRequestError as error:
        return str(error)
    return "no error"


@path("/accounts")
class Accounts(Controller):
    @post("/")
    @db.managed_session
    def add(self, req: Request, session: Session) -> Response[AccountData]:
        account = Account(owner="ada")
        session.add(account)
        return req.res.json(account).status(HttpStatus.CREATED)

    @post("/raise")
    @db.managed_session
    def add_and_raise(self, req: Request, session: Session) -> Response:
        session.add(Account(owner="ada"))
        session.flush()
        raise ValueError("no")

    @post("/abort")
    @db.managed_session
    def add_and_abort(self, req: Request, session: Session) -> Response:
        session.add(Account(owner="ada"))
        session.flush()
        abort("Not now", HttpStatus.CONFLICT)

    @post("/refuse")
    @db.managed_session
    def add_and_refuse(self, req: Request, session: Session) -> Response:
        session.add(Account(owner="ada"))
        return req.res.json({"message": "Not now"}).status(HttpStatus.CONFLICT)

    @post("/misfit")
    @db.managed_session
    def add_and_misfit(self, req: Request, session: Session) -> Response[AccountData]:
        session.add(Account(owner="ada"))
        session.flush()
        return req.res.json({"id": "none"})

    @post("/template")
    @db.managed_session
    def add_and_render(self, req: Request, session: Session) -> Response:
        session.add(Account(owner="ada"))
        return req.res.html("missing.html")

    @post("/early")
    @db.managed_session
    def commit_early(self, req: Request, session: Session) -> Response:
        session.add(Account(owner="ada"))
        session.commit()
        session.add(Account(owner="eve"))
        session.flush()
        raise ValueError("no")

    @post("/transactional")
    @db.transactional
    def add_without_parameter(self, req: Request) -> Response:
        session = current_sync_session("db")
        assert session is not None
        session.add(Account(owner="ada"))
        return req.res.json({"async": current_session("db")})

    @get("/")
    @db.readonly_session
    def index(self, req: Request, session: Session) -> Response[list[AccountData]]:
        return req.res.json(session.scalars(select(Account)).all())

    @get("/writing")
    @db.readonly_session
    def write(self, req: Request, session: Session) -> Response:
        return req.res.json(
            [
                sync_error_of(session.commit),
                sync_error_of(session.execute, insert(Account).values(owner="eve")),
                sync_error_of(session.execute, text("DELETE FROM accounts")),
            ]
        )

    @get("/forgotten")
    @db.readonly_session
    def forget(self, req: Request, session: Session) -> Response:
        session.add(Account(owner="eve"))
        return req.res.text("added")


@pytest.mark.parametrize("kind", ALL_KINDS)
async def test_def_handler_commits_and_answers_with_what_the_database_made(
    make_app: MakeApp, tmp_path: Path, kind: str
) -> None:
    async with open_bank(make_app, tmp_path, Accounts, kind=kind) as bank:
        response = await bank.http.post("/accounts")
        assert (response.status_code, response.json()) == (201, {"id": 1, "owner": "ada", "balance": 0})
        assert await bank.owners() == ["ada"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("rule", "status"), [("raise", 500), ("abort", 409), ("misfit", 500), ("template", 500)])
async def test_def_handler_that_fails_stores_nothing(
    make_app: MakeApp, tmp_path: Path, kind: str, rule: str, status: int
) -> None:
    async with open_bank(make_app, tmp_path, Accounts, kind=kind) as bank:
        response = await bank.http.post(f"/accounts/{rule}")
        assert (response.status_code, await bank.owners()) == (status, [])


@pytest.mark.parametrize(("rule", "status"), [("refuse", 409), ("early", 500), ("transactional", 200)])
async def test_def_handler_keeps_what_is_committed(make_app: MakeApp, tmp_path: Path, rule: str, status: int) -> None:
    async with open_bank(make_app, tmp_path, Accounts) as bank:
        response = await bank.http.post(f"/accounts/{rule}")
        assert (response.status_code, await bank.owners()) == (status, ["ada"])


@pytest.mark.parametrize("kind", ALL_KINDS)
async def test_def_handler_that_only_reads_cannot_write(make_app: MakeApp, tmp_path: Path, kind: str) -> None:
    async with open_bank(make_app, tmp_path, Accounts, kind=kind, owners=["ada"]) as bank:
        assert (await bank.http.get("/accounts")).json() == [{"id": 1, "owner": "ada", "balance": 100}]
        found = (await bank.http.get("/accounts/writing")).json()
        assert [message.partition(":")[0] for message in found] == [
            "This session only reads, but commit() was called",
            "This session only reads, but INSERT was executed",
            "This session only reads, but a statement that writes was executed",
        ]
        assert ((await bank.http.get("/accounts/forgotten")).status_code, await bank.owners()) == (500, ["ada"])


class Books:
    """A service with methods of both kinds."""

    @db.managed_session
    def add(self, owner: str, session: Session) -> Session:
        session.add(Account(owner=owner))
        return session

    @db.readonly_session
    def lend(self, session: Session) -> Session:
        return session

    @db.managed_session
    async def add_async(self, owner: str, session: Any) -> Any:
        session.add(Account(owner=owner))
        return session


books: Any = Books()


class Sharing(Controller):
    @post("/join")
    @db.managed_session
    def join(self, req: Request, session: Session) -> Response:
        same = [
            books.add("ada"),
            books.lend(),
            books.lend(None),
            books.lend(session=session),
            current_sync_session("db"),
        ]
        with sync_session_for("db") as lent:
            same.append(lent)
        return req.res.json([each is session for each in same])

    @post("/inside-reading")
    @db.readonly_session
    def write_inside_reading(self, req: Request, session: Session) -> Response:
        return req.res.text(sync_error_of(books.add, "ada"))

    @get("/short")
    def short(self, req: Request) -> Response:
        with sync_session_for("db") as session:
            owners = session.scalars(select(Account.owner)).all()
            error = sync_error_of(session.execute, insert(Account).values(owner="eve"))
        return req.res.json([owners, current_sync_session("db"), error.partition(":")[0]])

    @get("/thread")
    @db.readonly_session
    def thread(self, req: Request, session: Session) -> Response:
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.append(books.lend() is session))
        thread.start()
        thread.join()
        return req.res.json(found)

    @post("/background")
    @db.managed_session
    def background(self, req: Request, session: Session) -> Response:
        run_in_background(books.add, "eve")
        abort("no")

    @post("/in-loop")
    @db.managed_session
    async def call_in_loop(self, req: Request, session: Any) -> Response:
        return req.res.text(sync_error_of(books.lend))

    @post("/from-async")
    @db.managed_session
    async def call_from_async(self, req: Request, session: Any) -> Response:
        used = await run_sync_or_async(books.lend)
        return req.res.json([isinstance(used, Session), current_session("db") is session])


@pytest.mark.parametrize("kind", KINDS)
async def test_def_method_called_in_a_session_gets_that_session(make_app: MakeApp, tmp_path: Path, kind: str) -> None:
    async with open_bank(make_app, tmp_path, Sharing, kind=kind) as bank:
        response = await bank.http.post("/join")
        assert (response.json(), await bank.owners()) == ([True] * 6, ["ada"])


async def test_def_managed_session_inside_readonly_session_is_refused(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_bank(make_app, tmp_path, Sharing) as bank:
        response = await bank.http.post("/inside-reading")
        assert response.text.startswith("@db.managed_session was reached inside @db.readonly_session, and its changes")


async def test_def_query_outside_of_sessions_gets_a_short_one(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_bank(make_app, tmp_path, Sharing, owners=["ada"]) as bank:
        response = await bank.http.get("/short")
        assert response.json() == [["ada"], None, "This session only reads, but INSERT was executed"]


async def test_thread_of_a_def_handler_gets_a_session_of_its_own(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_bank(make_app, tmp_path, Sharing) as bank:
        assert (await bank.http.get("/thread")).json() == [False]


async def test_background_task_of_a_def_handler_commits_by_itself(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_bank(make_app, tmp_path, Sharing) as bank:
        assert (await bank.http.post("/background")).status_code == 400
        await wait_for_background_tasks(bank.app, 10)
        assert await bank.owners() == ["eve"]


async def test_def_method_called_from_async_handler_gets_a_session_of_its_own(
    make_app: MakeApp, tmp_path: Path
) -> None:
    async with open_bank(make_app, tmp_path, Sharing) as bank:
        assert (await bank.http.post("/from-async")).json() == [True, True]


async def test_def_method_called_in_the_loop_inside_an_async_session_is_refused(
    make_app: MakeApp, tmp_path: Path
) -> None:
    async with open_bank(make_app, tmp_path, Sharing) as bank:
        assert (await bank.http.post("/in-loop")).text == (
            "@db.readonly_session of a `def` method was reached in the event loop, inside an asynchronous session of "
            "the same database: the two could wait for each other for ever. Make the method `async def`"
        )


@pytest.mark.parametrize("kind", KINDS)
async def test_def_method_outside_of_requests_commits_by_itself(make_app: MakeApp, tmp_path: Path, kind: str) -> None:
    async with open_bank(make_app, tmp_path, kind=kind) as bank:
        session = await anyio.to_thread.run_sync(books.add, "ada")
        assert await bank.owners() == ["ada"]
        with pytest.raises(InvalidRequestError, match="permanently closed"):
            session.execute(select(Account))


async def test_def_generator_that_is_no_endpoint_is_refused(make_app: MakeApp, tmp_path: Path) -> None:
    @db.readonly_session
    def owners(session: Session) -> Iterator[str]:
        yield from session.scalars(select(Account.owner))

    loosely: Any = owners
    async with open_bank(make_app, tmp_path):
        with pytest.raises(TypeError, match=r"owners\(\) is a generator and no endpoint"):
            loosely()


class Commands(CLIController):
    @command("add")
    @argument("owner")
    @db.managed_session
    def add(self, owner: str, session: Session) -> None:
        session.add(Account(owner=owner))


def test_def_command_commits(make_app: MakeApp, tmp_path: Path) -> None:
    values = {"SQL_DATABASE": {"DATABASE_URI": f"sqlite+aiosqlite:///{tmp_path}/cli.db"}}
    application = make_app(EXTENSIONS=[db], CLI_CONTROLLERS=[Commands], **values)
    asyncio.run(create_and_read(application))
    application.run_cli("add", "ada")
    assert (asyncio.run(create_and_read(application)), checked_out(application)) == (["ada"], 0)


async def create_and_read(application: Any) -> list[str]:
    await create_tables(application)
    async with application.extension_states[db].async_engine.connect() as connection:
        owners = list(await connection.scalars(select(Account.owner)))
    await application.aclose()
    return owners
