"""Where the session decorators stand: on endpoints, classes, commands and plain methods; what is refused at build."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from patera import Patera, Request, Response
from patera.cli import CLIController, argument, command
from patera.controller import Controller, get, path, post, socket
from patera.database.sql import AsyncSession, Session
from patera.database.sql._current import database_named
from patera.exceptions import ConfigurationError
from patera.testing import PateraTestClient
from tests.database.bank import KINDS, Account, AccountData, MakeApp, checked_out, create_tables, db, open_bank
from tests.databases import own_database


def test_session_on_class_and_method_is_one_layer(make_app: MakeApp) -> None:
    @db.managed_session
    class Twice(Controller):
        @get("/")
        @db.managed_session
        async def show(self, req: Request, session: AsyncSession) -> None: ...

    assert layer_names(make_sql_app(make_app, Twice)) == ["db.managed_session"]


def test_session_decorator_is_order_free(make_app: MakeApp) -> None:
    class Ordered(Controller):
        @db.managed_session
        @get("/")
        async def show(self, req: Request, session: AsyncSession) -> None: ...

    assert layer_names(make_sql_app(make_app, Ordered)) == ["db.managed_session"]


def test_both_kinds_of_session_on_one_method_are_a_mistake(make_app: MakeApp) -> None:
    @db.readonly_session
    class Mixed(Controller):
        @get("/")
        @db.managed_session
        async def show(self, req: Request, session: AsyncSession) -> None: ...

    application = make_sql_app(make_app, Mixed)
    with pytest.raises(ConfigurationError) as caught:
        application.build()
    (mistake,) = caught.value.mistakes
    assert (mistake.code, mistake.found) == (
        "PAT313",
        "@db.managed_session and @db.readonly_session; a session either writes or only reads",
    )


def test_session_of_a_database_that_is_no_extension_is_a_mistake(make_app: MakeApp) -> None:
    class Lost(Controller):
        @get("/")
        @db.managed_session
        async def show(self, req: Request, session: AsyncSession) -> None: ...

    with pytest.raises(ConfigurationError) as caught:
        make_app(Lost).build()
    (mistake,) = caught.value.mistakes
    assert (mistake.code, mistake.found, mistake.change) == (
        "PAT410",
        "@db.managed_session of a database that is not in EXTENSIONS, which has nothing",
        "add the import string of <SqlDatabase SQL_DATABASE> to EXTENSIONS",
    )


def test_session_that_the_method_does_not_take_is_a_mistake(make_app: MakeApp) -> None:
    class Deaf(Controller):
        @get("/")
        @db.managed_session
        async def show(self, req: Request) -> None: ...

    application = make_sql_app(make_app, Deaf)
    with pytest.raises(ConfigurationError, match=r"db\.managed_session injects 'session'"):
        application.build()


def test_session_on_a_websocket_is_worth_a_warning(make_app: MakeApp) -> None:
    class Talking(Controller):
        @socket("/")
        @db.readonly_session
        async def talk(self, req: Request, session: AsyncSession) -> None: ...

    application = make_sql_app(make_app, Talking)
    application.build()
    assert [line.partition(": ")[2] for line in application._built().warnings] == [
        "db.readonly_session stays open as long as the websocket does"
    ]


async def test_session_of_a_websocket_is_open_as_long_as_that(make_app: MakeApp, tmp_path: Path) -> None:
    class Talking(Controller):
        @socket("/")
        @db.managed_session
        async def talk(self, req: Request, session: AsyncSession) -> None:
            await req.accept()
            session.add(Account(owner=str(await req.receive_json())))
            await session.flush()
            await req.send_json(checked_out(req.app))

    async with open_bank(make_app, tmp_path, Talking) as bank:
        async with bank.http.websocket("/") as ws:
            await ws.send_json("ada")
            assert await ws.receive_json() == 1
        assert (await bank.owners(), bank.checked_out()) == (["ada"], 0)


def make_sql_app(make_app: MakeApp, *controllers: type, **database: Any) -> Patera:
    return make_app(*controllers, EXTENSIONS=[db], SQL_DATABASE={"DATABASE_URI": "sqlite+aiosqlite://", **database})


def layer_names(application: Patera) -> list[str]:
    application.build()
    return [layer.name for layer in application._built().plan.endpoints[0].layers]


# Elsewhere


@path("/adding")
class Adding(Controller):
    @post("/")
    @db.managed_session
    async def add(self, req: Request, session: AsyncSession) -> Response[AccountData]:
        account = Account(owner="ada")
        session.add(account)
        return req.res.json(account)


class Commands(CLIController):
    @command("add")
    @argument("owner")
    @db.managed_session
    async def add(self, owner: str, session: AsyncSession) -> None:
        session.add(Account(owner=owner))

    @command("add-and-fail")
    @db.managed_session
    async def add_and_fail(self, session: AsyncSession) -> None:
        session.add(Account(owner="eve"))
        await session.flush()
        raise ValueError("no")

    @command("count")
    @db.readonly_session
    async def count(self, session: AsyncSession) -> int:
        return len((await session.scalars(select(Account))).all())

    @command("count-plainly")
    @db.readonly_session
    def count_plainly(self, session: Session, fail: bool = False) -> int:
        if fail:
            raise ValueError("no")
        return len(session.scalars(select(Account)).all())


async def test_command_with_managed_session_commits(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_bank(make_app, tmp_path, CLI_CONTROLLERS=[Commands]) as bank:
        added = await bank.http.cli("add", "ada")
        failed = await bank.http.cli("add-and-fail")
        counted = await bank.http.cli("count")
        assert (added.exit_code, failed.exit_code, counted.value) == (0, 1, 1)
        assert await bank.owners() == ["ada"]


def test_command_without_a_running_application_connects_and_disconnects(make_app: MakeApp, tmp_path: Path) -> None:
    values = {"SQL_DATABASE": {"DATABASE_URI": f"sqlite+aiosqlite:///{tmp_path}/cli.db"}}
    application = make_app(EXTENSIONS=[db], CLI_CONTROLLERS=[Commands], **values)
    asyncio.run(create_tables_and_close(application))
    application.run_cli("add", "ada")
    assert application.run_cli("count") == 1
    assert checked_out(application) == 0


def test_plain_command_closes_what_it_has_connected_to(make_app: MakeApp, tmp_path: Path) -> None:
    values = {"SQL_DATABASE": {"DATABASE_URI": f"sqlite+aiosqlite:///{tmp_path}/cli.db"}}
    application = make_app(EXTENSIONS=[db], CLI_CONTROLLERS=[Commands], **values)
    asyncio.run(create_tables_and_close(application))
    assert application.run_cli("count-plainly") == 0
    with pytest.raises(ValueError, match="no"):
        application.run_cli("count-plainly", fail=True)
    del application
    # A connection that is left open is a warning, and so an error, when it is collected.
    gc.collect()


async def create_tables_and_close(application: Patera) -> None:
    await create_tables(application)
    await application.aclose()


@pytest.mark.parametrize("kind", KINDS)
async def test_session_without_lifespan_connects_on_first_use(make_app: MakeApp, tmp_path: Path, kind: str) -> None:
    async with own_database(kind, tmp_path) as url:
        application = make_app(Adding, EXTENSIONS=[db], SQL_DATABASE={"DATABASE_URI": url}, DEBUG=False)
        await create_tables(application)
        async with PateraTestClient(application, lifespan=False) as http:
            assert (await http.post("/adding")).json() == {"id": 1, "owner": "ada", "balance": 0}


async def test_session_name_of_the_configuration_is_injected(make_app: MakeApp, tmp_path: Path) -> None:
    class Named(Controller):
        @post("/")
        @db.managed_session
        async def add(self, req: Request, transaction: AsyncSession) -> Response:
            transaction.add(Account(owner="ada"))
            return req.res.no_content()

    async with open_bank(make_app, tmp_path, Named, database={"SESSION_NAME": "transaction"}) as bank:
        assert ((await bank.http.post("/")).status_code, await bank.owners()) == (204, ["ada"])


async def test_sessions_of_two_applications_with_one_extension_are_apart(make_app: MakeApp, tmp_path: Path) -> None:
    class Calling(Controller):
        @post("/")
        @db.managed_session
        async def call(self, req: Request, session: AsyncSession) -> Response:
            session.add(Account(owner="outer"))
            async with PateraTestClient(inner.app, lifespan=False) as http:
                return req.res.json((await http.post("/adding")).json())

    folder = tmp_path / "inner"
    folder.mkdir()
    async with (
        open_bank(make_app, folder, Adding) as inner,
        open_bank(make_app, tmp_path, Calling, BASE_PATH=str(tmp_path)) as outer,
    ):
        assert (await outer.http.post("/")).json()["owner"] == "ada"
        assert (await inner.owners(), await outer.owners()) == (["ada"], ["outer"])


async def test_database_of_unknown_name_is_refused_with_the_known_ones(make_app: MakeApp, tmp_path: Path) -> None:
    class Asking(Controller):
        @get("/<name>")
        async def ask(self, req: Request, name: str) -> Response:
            try:
                return req.res.text(str(database_named(name) is db))
            except LookupError as error:
                return req.res.text(str(error))

    async with open_bank(make_app, tmp_path, Asking) as bank:
        assert (await bank.http.get("/db")).text == "True"
        assert (await bank.http.get("/dbx")).text == (
            "The application 'Test' has no database 'dbx'; its EXTENSIONS have 'db'. Did you mean 'db'?"
        )


def test_database_asked_for_outside_of_applications_is_refused() -> None:
    with pytest.raises(LookupError, match="'db' is asked for by code that runs for no application: use it in a requ"):
        database_named("db")
