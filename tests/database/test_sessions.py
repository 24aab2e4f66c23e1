"""The session decorators on `async def` methods: what is committed, when, and who shares a session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import InvalidRequestError

from patera import Request, Response, abort
from patera.controller import Controller, after_request, before_request, get, path, post
from patera.database.sql import AsyncSession
from patera.database.sql._guard import ReadonlyError
from patera.exceptions import ExceptionHandler, handles
from patera.http import HttpStatus
from patera.middleware import MiddlewareBase
from tests.database.bank import ALL_KINDS, KINDS, Account, AccountData, MakeApp, db, error_of, open_bank, scope_of


class Named(BaseModel):
    owner: str


@path("/accounts")
class Accounts(Controller):
    """Each endpoint adds an account and ends in another way."""

    @post("/")
    @db.managed_session
    async def add(self, req: Request, session: AsyncSession) -> Response[AccountData]:
        account = Account(owner="ada")
        session.add(account)
        return req.res.json(account).status(HttpStatus.CREATED)

    @post("/raise")
    @db.managed_session
    async def add_and_raise(self, req: Request, session: AsyncSession) -> Response:
        session.add(Account(owner="ada"))
        await session.flush()
        raise ValueError("no")

    @post("/abort")
    @db.managed_session
    async def add_and_abort(self, req: Request, session: AsyncSession) -> Response:
        session.add(Account(owner="ada"))
        await session.flush()
        abort("Not now", HttpStatus.CONFLICT)

    @post("/refuse")
    @db.managed_session
    async def add_and_refuse(self, req: Request, session: AsyncSession) -> Response:
        session.add(Account(owner="ada"))
        return req.res.json({"message": "Not now"}).status(HttpStatus.CONFLICT)

    @post("/misfit")
    @db.managed_session
    async def add_and_misfit(self, req: Request, session: AsyncSession) -> Response[AccountData]:
        session.add(Account(owner="ada"))
        await session.flush()
        return req.res.json({"id": "none"})

    @post("/nothing")
    @db.managed_session
    async def add_and_forget_body(self, req: Request, session: AsyncSession) -> Response[AccountData]:
        session.add(Account(owner="ada"))
        await session.flush()
        return None  # type: ignore[return-value]

    @post("/template")
    @db.managed_session
    async def add_and_render(self, req: Request, session: AsyncSession) -> Response:
        session.add(Account(owner="ada"))
        return req.res.html("missing.html")

    @post("/early")
    @db.managed_session
    async def commit_early(self, req: Request, session: AsyncSession) -> Response:
        session.add(Account(owner="ada"))
        await session.commit()
        session.add(Account(owner="eve"))
        await session.flush()
        raise ValueError("no")

    @post("/nested")
    @db.managed_session
    async def add_in_savepoint(self, req: Request, session: AsyncSession) -> Response:
        session.add(Account(owner="ada"))
        try:
            async with session.begin_nested():
                session.add(Account(owner="eve"))
                await session.flush()
                raise KeyError("eve")
        except KeyError:
            return req.res.text("partly")


# Commit and rollback


@pytest.mark.parametrize("kind", ALL_KINDS)
async def test_managed_session_commits_and_answers_with_what_the_database_made(
    make_app: MakeApp, tmp_path: Path, kind: str
) -> None:
    async with open_bank(make_app, tmp_path, Accounts, kind=kind) as bank:
        response = await bank.http.post("/accounts")
        assert (response.status_code, response.json()) == (201, {"id": 1, "owner": "ada", "balance": 0})
        assert await bank.owners() == ["ada"]


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize(
    ("rule", "status"),
    [("raise", 500), ("abort", 409), ("misfit", 500), ("nothing", 500), ("template", 500)],
    ids=lambda value: str(value),
)
async def test_managed_session_of_failed_request_stores_nothing(
    make_app: MakeApp, tmp_path: Path, kind: str, rule: str, status: int
) -> None:
    async with open_bank(make_app, tmp_path, Accounts, kind=kind) as bank:
        response = await bank.http.post(f"/accounts/{rule}")
        assert (response.status_code, await bank.owners()) == (status, [])


async def test_managed_session_of_handled_exception_stores_nothing(make_app: MakeApp, tmp_path: Path) -> None:
    class Handlers(ExceptionHandler):
        @handles(ValueError)
        async def value(self, req: Request, error: ValueError) -> Response:
            return req.res.text("handled")

    async with open_bank(make_app, tmp_path, Accounts, EXCEPTION_HANDLERS=[Handlers]) as bank:
        response = await bank.http.post("/accounts/raise")
        assert (response.status_code, response.text, await bank.owners()) == (200, "handled", [])


async def test_managed_session_of_returned_error_status_commits(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_bank(make_app, tmp_path, Accounts) as bank:
        response = await bank.http.post("/accounts/refuse")
        assert (response.status_code, await bank.owners()) == (409, ["ada"])


async def test_commit_of_the_handler_keeps_what_was_before_it(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_bank(make_app, tmp_path, Accounts) as bank:
        response = await bank.http.post("/accounts/early")
        assert (response.status_code, await bank.owners()) == (500, ["ada"])


@pytest.mark.parametrize("kind", ALL_KINDS)
async def test_savepoint_of_the_handler_rolls_back_alone(make_app: MakeApp, tmp_path: Path, kind: str) -> None:
    async with open_bank(make_app, tmp_path, Accounts, kind=kind) as bank:
        response = await bank.http.post("/accounts/nested")
        assert (response.text, await bank.owners()) == ("partly", ["ada"])


@pytest.mark.parametrize("kind", KINDS)
async def test_first_byte_is_sent_after_the_commit(make_app: MakeApp, tmp_path: Path, kind: str) -> None:
    async with open_bank(make_app, tmp_path, Accounts, kind=kind) as bank:
        seen: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b""}

        async def send(message: Any) -> None:
            seen.append((message["type"], await bank.owners(), bank.checked_out()))

        await bank.app(scope_of("POST", "/accounts/"), receive, send)
        assert seen == [("http.response.start", ["ada"], 0), ("http.response.body", ["ada"], 0)]


async def test_after_request_that_fails_leaves_the_row_and_answers_500(make_app: MakeApp, tmp_path: Path) -> None:
    class Failing(Accounts):
        @after_request
        async def fail(self, res: Response) -> None:
            raise OSError("disk")

    async with open_bank(make_app, tmp_path, Failing) as bank:
        response = await bank.http.post("/accounts")
        assert (response.status_code, await bank.owners()) == (500, ["ada"])


class FailsBefore(MiddlewareBase):
    async def middleware(self, req: Request) -> Response:
        raise OSError("disk")


class FailsAfter(MiddlewareBase):
    async def middleware(self, req: Request) -> Response:
        await self.next(req)
        raise OSError("disk")


class RefusedBefore(Accounts):
    @before_request
    async def fail(self, req: Request) -> None:
        raise OSError("disk")


@pytest.mark.parametrize(
    ("controller", "middleware", "stored"),
    [(Accounts, [FailsBefore], []), (RefusedBefore, [], []), (Accounts, [FailsAfter], ["ada"])],
    ids=["middleware, way in", "before_request", "middleware, way out"],
)
async def test_failure_around_the_handler_is_500_with_headers_and_undoes_no_commit(
    make_app: MakeApp, tmp_path: Path, controller: type, middleware: list[type], stored: list[str]
) -> None:
    async with open_bank(make_app, tmp_path, controller, kind="postgres", MIDDLEWARE=middleware) as bank:
        response = await bank.http.post("/accounts", headers={"origin": "https://shop.example"})
        assert (response.status_code, await bank.owners()) == (500, stored)
        assert {"access-control-allow-origin", "x-request-id"} <= set(response.headers)


async def test_session_used_after_its_request_says_that_it_is_closed(make_app: MakeApp, tmp_path: Path) -> None:
    kept: list[AsyncSession] = []

    class Keeping(Controller):
        @get("/managed")
        @db.managed_session
        async def managed(self, req: Request, session: AsyncSession) -> Response:
            kept.append(session)
            await session.execute(select(Account))
            return req.res.text("kept")

        @get("/readonly")
        @db.readonly_session
        async def readonly(self, req: Request, session: AsyncSession) -> Response:
            kept.append(session)
            return req.res.text("kept")

    async with open_bank(make_app, tmp_path, Keeping) as bank:
        await bank.http.get("/managed")
        await bank.http.get("/readonly")
        for session in kept:
            with pytest.raises(InvalidRequestError, match="permanently closed"):
                await session.execute(select(Account))


async def test_row_read_in_a_session_stays_readable_after_it(make_app: MakeApp, tmp_path: Path) -> None:
    kept: list[Account] = []

    class Keeping(Controller):
        @get("/")
        @db.managed_session
        async def show(self, req: Request, session: AsyncSession) -> Response:
            kept.extend(await session.scalars(select(Account)))
            kept[0].balance += 1
            return req.res.no_content()

    async with open_bank(make_app, tmp_path, Keeping, owners=["ada"]) as bank:
        await bank.http.get("/")
        assert (kept[0].owner, kept[0].balance, await bank.balance()) == ("ada", 101, 101)


async def test_body_is_read_before_the_session_opens(make_app: MakeApp, tmp_path: Path) -> None:
    events: list[Any] = []

    class Adding(Controller):
        @post("/")
        @db.managed_session
        async def add(self, req: Request, data: Named, session: AsyncSession) -> Response:
            session.add(Account(owner=data.owner))
            return req.res.no_content()

    async with open_bank(make_app, tmp_path, Adding, database={"POOL_SIZE": 1, "MAX_OVERFLOW": 0}) as bank:

        async def receive() -> dict[str, Any]:
            events.append(bank.checked_out())
            return {"type": "http.request", "body": b'{"owner": "ada"}'}

        async def send(message: Any) -> None:
            events.append(message.get("status"))

        headers = [(b"content-type", b"application/json")]
        await bank.app({**scope_of("POST", "/"), "headers": headers}, receive, send)
        assert (events[0], 204 in events, await bank.owners()) == (0, True, ["ada"])


# Reading only


@path("/reading")
class Reading(Controller):
    @get("/")
    @db.readonly_session
    async def index(self, req: Request, session: AsyncSession) -> Response[list[AccountData]]:
        return req.res.json((await session.scalars(select(Account))).all())

    @get("/flush")
    @db.readonly_session
    async def flush(self, req: Request, session: AsyncSession) -> Response:
        account = (await session.scalars(select(Account))).one()
        account.owner = "eve"
        return await refused(req, session.flush())

    @get("/commit")
    @db.readonly_session
    async def commit(self, req: Request, session: AsyncSession) -> Response:
        return await refused(req, session.commit())

    @get("/execute")
    @db.readonly_session
    async def execute(self, req: Request, session: AsyncSession) -> Response:
        return await refused(req, session.execute(insert(Account).values(owner="eve")))

    @get("/update")
    @db.readonly_session
    async def update(self, req: Request, session: AsyncSession) -> Response:
        return await refused(req, session.scalars(update(Account).values(balance=0)))

    @get("/raw")
    @db.readonly_session
    async def raw(self, req: Request, session: AsyncSession) -> Response:
        await session.execute(select(Account))
        return await refused(req, session.execute(text("UPDATE accounts SET balance = 0")))

    @get("/raw-first")
    @db.readonly_session
    async def raw_first(self, req: Request, session: AsyncSession) -> Response:
        return await refused(req, session.scalar(text("DELETE FROM accounts")))

    @get("/connection")
    @db.readonly_session
    async def connection(self, req: Request, session: AsyncSession) -> Response:
        connection = await session.connection()
        await connection.execute(text("DELETE FROM accounts"))
        return req.res.text("deleted")

    @get("/forgotten")
    @db.readonly_session
    async def forgotten(self, req: Request, session: AsyncSession) -> Response:
        session.add(Account(owner="eve"))
        return req.res.text("added")

    @get("/dressed")
    @db.readonly_session
    async def dressed(self, req: Request, session: AsyncSession) -> Response[AccountData]:
        account = (await session.scalars(select(Account))).one()
        account.owner = account.owner.title()
        return req.res.json(account)


async def refused(req: Request, work: Any) -> Response:
    return req.res.text(await error_of(work))


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("flush", "flush() found changes of Account"),
        ("commit", "commit() was called"),
        ("execute", "INSERT was executed"),
        ("update", "UPDATE was executed"),
        ("raw", "a statement that writes was executed"),
        ("raw-first", "a statement that writes was executed"),
    ],
)
async def test_write_in_readonly_session_is_refused_and_says_what_to_use(
    make_app: MakeApp, tmp_path: Path, kind: str, rule: str, found: str
) -> None:
    async with open_bank(make_app, tmp_path, Reading, Accounts, kind=kind, owners=["ada"]) as bank:
        response = await bank.http.get(f"/reading/{rule}")
        assert response.text == (
            f"This session only reads, but {found}: @readonly_session opened it. "
            "Put @managed_session on the method that writes"
        )
        assert (await bank.owners(), await bank.balance()) == (["ada"], 100)


@pytest.mark.parametrize("kind", ALL_KINDS)
async def test_write_past_the_readonly_session_is_refused_by_the_database(
    make_app: MakeApp, tmp_path: Path, kind: str
) -> None:
    async with open_bank(make_app, tmp_path, Reading, kind=kind, owners=["ada"]) as bank:
        response = await bank.http.get("/reading/connection")
        assert (response.status_code, await bank.owners()) == (500, ["ada"])


async def test_row_added_to_readonly_session_and_never_flushed_is_no_silent_loss(
    make_app: MakeApp, tmp_path: Path
) -> None:
    async with open_bank(make_app, tmp_path, Reading, raises=True) as bank:
        with pytest.raises(ReadonlyError, match="This session only reads, but it was given changes of Account: @reado"):
            await bank.http.get("/reading/forgotten")
        assert await bank.owners() == []


async def test_attribute_changed_for_the_answer_alone_is_not_stored(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_bank(make_app, tmp_path, Reading, owners=["ada"]) as bank:
        response = await bank.http.get("/reading/dressed")
        assert (response.json()["owner"], await bank.owners()) == ("Ada", ["ada"])


@pytest.mark.parametrize("kind", ALL_KINDS)
async def test_connection_that_served_a_readonly_session_writes_again(
    make_app: MakeApp, tmp_path: Path, kind: str
) -> None:
    pool = {"POOL_SIZE": 1, "MAX_OVERFLOW": 0}
    async with open_bank(make_app, tmp_path, Reading, Accounts, kind=kind, database=pool) as bank:
        assert (await bank.http.get("/reading")).json() == []
        assert (await bank.http.post("/accounts")).status_code == 201
        assert (await bank.http.get("/reading")).json() == [{"id": 1, "owner": "ada", "balance": 0}]
        assert (await bank.http.get("/reading/raw")).text.startswith("This session only reads")
