"""Who shares a session: methods that call one another, tasks of one request, two databases in one method."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError, InvalidRequestError

from patera import Request, Response, abort
from patera.controller import Controller, get, post
from patera.database.sql import AsyncSession
from patera.database.sql._current import current_session, session_for
from tests.database.bank import (
    KINDS,
    Account,
    AccountData,
    Bank,
    MakeApp,
    create_tables,
    db,
    error_of,
    open_bank,
    other,
)
from tests.databases import own_database
from tests.recording_layers import retry


class Books:
    """A service without an application of its own."""

    @db.managed_session
    async def add(self, owner: str, session: AsyncSession) -> AsyncSession:
        session.add(Account(owner=owner))
        return session

    @db.readonly_session
    async def count(self, session: AsyncSession) -> int:
        return len((await session.scalars(select(Account))).all())

    @db.readonly_session
    async def lend(self, session: AsyncSession) -> AsyncSession:
        return session

    @db.transactional
    async def add_without_parameter(self, owner: str) -> AsyncSession:
        session = current_session("db")
        assert session is not None
        session.add(Account(owner=owner))
        return session


books: Any = Books()


class Sharing(Controller):
    @post("/join")
    @db.managed_session
    async def join(self, req: Request, session: AsyncSession) -> Response:
        same = [await books.add("ada"), await books.add_without_parameter("eve"), await books.lend()]
        same.append(current_session("db"))
        await session.flush()
        return req.res.json([each is session for each in same] + [await books.count()])

    @post("/none")
    @db.managed_session
    async def pass_none(self, req: Request, session: AsyncSession) -> Response:
        same = [await books.add("ada", session=None), await books.lend(None)]
        return req.res.json([each is session for each in same])

    @post("/explicit")
    @db.managed_session
    async def pass_another(self, req: Request, session: AsyncSession) -> Response:
        async with db.create_session() as own:
            used = [await books.add("ada", session=own), await books.add("eve", own), await books.lend(own)]
            return req.res.json([each is own for each in used])

    @post("/failing")
    @db.managed_session
    async def join_and_fail(self, req: Request, session: AsyncSession) -> Response:
        await books.add("ada")
        abort("no")

    @get("/inside-reading")
    @db.readonly_session
    async def write_inside_reading(self, req: Request, session: AsyncSession) -> Response:
        return req.res.text(await error_of(books.add("ada")))

    @get("/short")
    async def short(self, req: Request) -> Response:
        async with session_for("db") as session:
            owners = (await session.scalars(select(Account.owner))).all()
            write = await error_of(session.execute(update(Account).values(balance=0)))
        return req.res.json([owners, current_session("db") is None, write])

    @post("/gather")
    @db.managed_session
    async def gather(self, req: Request, session: AsyncSession) -> Response:
        found = await asyncio.gather(books.lend(), books.lend(), look("db"))
        return req.res.json([each is session for each in found] + [found[0] is found[1], found[2]])

    @post("/task")
    @db.managed_session
    async def task(self, req: Request, session: AsyncSession) -> Response:
        await asyncio.create_task(books.add("eve"))
        abort("no")


async def look(db_name: str) -> AsyncSession | None:
    return current_session(db_name)


@pytest.mark.parametrize("kind", KINDS)
async def test_method_called_in_a_session_gets_that_session(make_app: MakeApp, tmp_path: Path, kind: str) -> None:
    pool = {"POOL_SIZE": 1, "MAX_OVERFLOW": 0, "POOL_TIMEOUT": 1}
    async with open_bank(make_app, tmp_path, Sharing, kind=kind, database=pool) as bank:
        response = await bank.http.post("/join")
        assert response.json() == [True, True, True, True, 2]
        assert await bank.owners() == ["ada", "eve"]


async def test_none_given_as_session_is_replaced(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_bank(make_app, tmp_path, Sharing) as bank:
        response = await bank.http.post("/none")
        assert (response.json(), await bank.owners()) == ([True, True], ["ada"])


async def test_session_given_by_name_or_position_is_used_as_it_is(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_bank(make_app, tmp_path, Sharing) as bank:
        response = await bank.http.post("/explicit")
        assert (response.json(), await bank.owners()) == ([True, True, True], [])


async def test_inner_method_does_not_commit_for_the_outer(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_bank(make_app, tmp_path, Sharing) as bank:
        response = await bank.http.post("/failing")
        assert (response.status_code, await bank.owners()) == (400, [])


async def test_managed_session_inside_readonly_session_is_refused(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_bank(make_app, tmp_path, Sharing) as bank:
        response = await bank.http.get("/inside-reading")
        assert response.text == (
            "@db.managed_session was reached inside @db.readonly_session, and its changes could not be saved there: "
            "put @db.managed_session on the outer method, or call this one after that has ended"
        )
        assert await bank.owners() == []


async def test_query_outside_of_sessions_gets_a_short_one_that_only_reads(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_bank(make_app, tmp_path, Sharing, owners=["ada"]) as bank:
        response = await bank.http.get("/short")
        owners, is_alone, write = response.json()
        assert (owners, is_alone) == (["ada"], True)
        assert write.startswith("This session only reads, but UPDATE was executed: a query without a session opened")


async def test_tasks_of_a_request_get_sessions_of_their_own(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_bank(make_app, tmp_path, Sharing) as bank:
        response = await bank.http.post("/gather")
        assert response.json() == [False, False, False, False, None]


async def test_task_of_its_own_commits_though_its_request_fails(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_bank(make_app, tmp_path, Sharing) as bank:
        response = await bank.http.post("/task")
        assert (response.status_code, await bank.owners()) == (400, ["eve"])


async def test_method_outside_of_requests_commits_by_itself(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_bank(make_app, tmp_path) as bank:
        session = await books.add("ada")
        await books.add_without_parameter("eve")
        assert (await bank.owners(), await books.count()) == (["ada", "eve"], 2)
        with pytest.raises(InvalidRequestError, match="permanently closed"):
            await session.execute(select(Account))


async def test_decorator_of_a_plain_function_takes_its_session_by_position(make_app: MakeApp, tmp_path: Path) -> None:
    @db.managed_session
    async def rename(session: AsyncSession, owner: str, *, last: str = "") -> AsyncSession:
        session.add(Account(owner=owner + last))
        return session

    loosely: Any = rename
    async with open_bank(make_app, tmp_path) as bank:
        async with db.create_session() as own:
            assert await loosely(own, "unsaved", last="x") is own
        await loosely(None, "ada", last="l")
        await loosely(owner="eve")
        assert await bank.owners() == ["adal", "eve"]


async def test_generator_that_is_no_endpoint_is_refused(make_app: MakeApp, tmp_path: Path) -> None:
    @db.readonly_session
    async def owners(session: AsyncSession) -> AsyncIterator[str]:
        for owner in await session.scalars(select(Account.owner)):
            yield owner

    loosely: Any = owners
    async with open_bank(make_app, tmp_path):
        with pytest.raises(TypeError, match=r"owners\(\) is a generator and no endpoint, .* pass the session"):
            loosely()


async def test_retry_around_the_session_leaves_nothing_of_the_failed_attempt(make_app: MakeApp, tmp_path: Path) -> None:
    attempts: list[AsyncSession] = []

    class Retrying(Controller):
        @post("/")
        @retry(2)
        @db.managed_session
        async def add(self, req: Request, session: AsyncSession) -> Response[AccountData]:
            attempts.append(session)
            account = Account(owner=f"attempt {len(attempts)}")
            session.add(account)
            if len(attempts) == 1:
                await session.flush()
                raise OSError
            return req.res.json(account)

    async with open_bank(make_app, tmp_path, Retrying) as bank:
        response = await bank.http.post("/")
        assert (response.json()["owner"], await bank.owners()) == ("attempt 2", ["attempt 2"])
        assert attempts[0] is not attempts[1]


# Two databases


class Both(Controller):
    @post("/")
    @other.managed_session
    @db.managed_session
    async def add(self, req: Request, session: AsyncSession, second: AsyncSession) -> Response:
        session.add(Account(owner="ada"))
        second.add(Account(owner="eve"))
        return req.res.json([current_session("db") is session, current_session("other") is second])

    @post("/<owner>")
    @db.managed_session
    @other.managed_session
    async def add_named(self, req: Request, owner: str, session: AsyncSession, second: AsyncSession) -> Any:
        session.add(Account(owner="ada" if owner == "first" else owner))
        second.add(Account(owner="ada" if owner == "second" else owner))
        # Made already, so that nothing is flushed before the commits.
        return Response("made", 200)


@pytest.mark.parametrize("kind", KINDS)
async def test_method_gets_sessions_of_two_databases(make_app: MakeApp, tmp_path: Path, kind: str) -> None:
    async with two_banks(make_app, tmp_path, kind, Both) as bank:
        response = await bank.http.post("/")
        assert response.json() == [True, True]
        assert (await bank.owners(), await bank.owners(other)) == (["ada"], ["eve"])


@pytest.mark.parametrize("failing", ["first", "second"])
async def test_row_that_one_of_two_databases_refuses_is_in_neither(
    make_app: MakeApp, tmp_path: Path, failing: str
) -> None:
    async with two_banks(make_app, tmp_path, "sqlite", Both, owners=["ada"]) as bank:
        response = await bank.http.post(f"/{failing}")
        assert response.status_code == 409
        assert (await bank.owners(), await bank.owners(other)) == (["ada"], ["ada"])


async def test_rows_refused_in_plain_method_with_two_databases_are_in_neither(
    make_app: MakeApp, tmp_path: Path
) -> None:
    @db.managed_session
    @other.managed_session
    async def add(session: AsyncSession, second: AsyncSession) -> None:
        session.add(Account(owner="ada"))
        second.add(Account(owner="new"))

    loosely: Any = add
    async with two_banks(make_app, tmp_path, "sqlite", owners=["ada"]) as bank:
        with pytest.raises(IntegrityError):
            await loosely()
        assert (await bank.owners(), await bank.owners(other)) == (["ada"], ["ada"])


@asynccontextmanager
async def two_banks(
    make_app: MakeApp, tmp_path: Path, kind: str, *controllers: type, owners: list[str] | None = None
) -> AsyncIterator[Bank]:
    folder = tmp_path / "other"
    folder.mkdir()
    async with own_database(kind, folder) as url:
        configs: Any = {"EXTENSIONS": [db, other], "OTHER_DATABASE": {"DATABASE_URI": url, "SESSION_NAME": "second"}}
        async with open_bank(make_app, tmp_path, *controllers, kind=kind, owners=owners or (), **configs) as bank:
            await create_tables(bank.app, *(owners or ()), database=other)
            yield bank
