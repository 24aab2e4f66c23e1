"""Sessions when something fails: commits refused, pools exhausted, locks, timeouts, concurrent writers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from patera import Request, Response
from patera.controller import Controller, cancel_on_disconnect, path, post
from patera.database.sql import AsyncSession, Session
from patera.exceptions import ExceptionHandler, handles
from patera.http import HttpStatus
from tests.database.bank import ALL_KINDS, KINDS, Account, Bank, Card, MakeApp, db, open_bank, scope_of

# What the commit itself refuses


@path("/cards")
class Cards(Controller):
    """The key of a card is looked at in the commit."""

    @post("/")
    @db.managed_session
    async def add(self, req: Request, session: AsyncSession) -> Response:
        session.add_all([Account(owner="ada"), Card(account_id=77)])
        await session.flush()
        return req.res.text("made").status(HttpStatus.CREATED)

    @post("/sync")
    @db.managed_session
    def add_sync(self, req: Request, session: Session) -> Response:
        session.add_all([Account(owner="ada"), Card(account_id=77)])
        session.flush()
        return req.res.text("made").status(HttpStatus.CREATED)


class Conflicts(ExceptionHandler):
    @handles(IntegrityError)
    async def conflict(self, req: Request, error: IntegrityError) -> Response:
        return req.res.text("seen").status(HttpStatus.IM_A_TEAPOT)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", ["", "sync"])
async def test_row_that_the_commit_refuses_is_409_and_stores_nothing(
    make_app: MakeApp, tmp_path: Path, kind: str, rule: str
) -> None:
    pool = {"POOL_SIZE": 1, "MAX_OVERFLOW": 0}
    async with open_bank(make_app, tmp_path, Cards, kind=kind, database=pool) as bank:
        for _ in range(2):
            response = await bank.http.post(f"/cards/{rule}")
            assert (response.status_code, response.json()["status"], await bank.owners()) == (409, "error", [])


@pytest.mark.parametrize("rule", ["", "sync"])
async def test_exception_handler_sees_what_the_commit_refuses(make_app: MakeApp, tmp_path: Path, rule: str) -> None:
    async with open_bank(make_app, tmp_path, Cards, EXCEPTION_HANDLERS=[Conflicts]) as bank:
        response = await bank.http.post(f"/cards/{rule}")
        assert (response.status_code, response.text, await bank.owners()) == (418, "seen", [])


class Skewed(Controller):
    """Two requests that each write what the other one has read."""

    both_have_read = asyncio.Barrier(2)

    @post("/<owner>")
    @db.managed_session
    async def book(self, req: Request, owner: str, session: AsyncSession) -> Response:
        rows = (await session.scalars(select(Account))).all()
        await self.both_have_read.wait()
        session.add(Account(owner=owner, balance=sum(row.balance for row in rows)))
        return req.res.text("booked")


async def test_serialization_failure_is_503_and_stores_nothing(make_app: MakeApp, tmp_path: Path) -> None:
    options = {"ENGINE_OPTIONS": {"isolation_level": "SERIALIZABLE"}}
    async with open_bank(make_app, tmp_path, Skewed, kind="postgres", owners=["ada"], database=options) as bank:
        answers = await asyncio.gather(bank.http.post("/eve"), bank.http.post("/ida"))
        lost, booked = sorted(answers, key=lambda answer: answer.text == "booked")
        assert (booked.status_code, lost.status_code, lost.headers["retry-after"]) == (200, 503, "1")
        assert len(await bank.owners()) == 2


# Concurrent writers


class Counting(Controller):
    @post("/")
    @db.managed_session
    async def increment(self, req: Request, session: AsyncSession) -> Response:
        account = (await session.scalars(select(Account).with_for_update())).one()
        account.balance += 1
        return req.res.no_content()

    @post("/sync")
    @db.managed_session
    def increment_sync(self, req: Request, session: Session) -> Response:
        account = session.scalars(select(Account).with_for_update()).one()
        account.balance += 1
        return req.res.no_content()


@pytest.mark.parametrize("kind", ALL_KINDS)
async def test_concurrent_increments_of_one_row_are_all_counted(make_app: MakeApp, tmp_path: Path, kind: str) -> None:
    pool = {"POOL_SIZE": 10, "MAX_OVERFLOW": 0, "BUSY_TIMEOUT": 60}
    async with open_bank(make_app, tmp_path, Counting, kind=kind, owners=["ada"], database=pool) as bank:
        answers = await asyncio.gather(*(bank.http.post("/") for _ in range(200)))
        assert ({answer.status_code for answer in answers}, await bank.balance()) == ({204}, 300)


@pytest.mark.parametrize("kind", KINDS)
async def test_concurrent_increments_of_def_handlers_are_all_counted(
    make_app: MakeApp, tmp_path: Path, kind: str
) -> None:
    async with open_bank(
        make_app, tmp_path, Counting, kind=kind, owners=["ada"], database={"BUSY_TIMEOUT": 60}
    ) as bank:
        answers = await asyncio.gather(*(bank.http.post("/sync") for _ in range(100)))
        assert ({answer.status_code for answer in answers}, await bank.balance()) == ({204}, 200)


# Waiting in vain


class Waiting(Controller):
    started = asyncio.Event()
    may_end = asyncio.Event()

    @post("/hold")
    @db.managed_session
    async def hold(self, req: Request, session: AsyncSession) -> Response:
        session.add(Account(owner="ada"))
        await session.flush()
        self.started.set()
        await self.may_end.wait()
        return req.res.text("held")

    @post("/add")
    @db.managed_session
    async def add(self, req: Request, session: AsyncSession) -> Response:
        session.add(Account(owner="eve"))
        return req.res.text("added")

    @cancel_on_disconnect
    @post("/leave")
    @db.managed_session
    async def add_and_wait(self, req: Request, session: AsyncSession) -> Response:
        session.add(Account(owner="ada"))
        await session.flush()
        self.started.set()
        await asyncio.Event().wait()
        return req.res.text("never")


@pytest.fixture
def waiting() -> type[Waiting]:
    """The controller, with events of this test's loop."""
    Waiting.started, Waiting.may_end = asyncio.Event(), asyncio.Event()
    return Waiting


async def test_exhausted_pool_is_503_after_its_timeout(
    make_app: MakeApp, tmp_path: Path, waiting: type[Waiting]
) -> None:
    pool = {"POOL_SIZE": 1, "MAX_OVERFLOW": 0, "POOL_TIMEOUT": 0.1}
    async with open_bank(make_app, tmp_path, waiting, kind="postgres", database=pool) as bank:
        holding = asyncio.create_task(bank.http.post("/hold"))
        await waiting.started.wait()
        refused = await bank.http.post("/add")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        waiting.may_end.set()
        assert (await holding).status_code == 200
        assert (await bank.http.post("/add")).status_code == 200
        assert await bank.owners() == ["ada", "eve"]


async def test_locked_sqlite_database_is_503_after_its_timeout(
    make_app: MakeApp, tmp_path: Path, waiting: type[Waiting]
) -> None:
    async with open_bank(make_app, tmp_path, waiting, database={"BUSY_TIMEOUT": 0.1}) as bank:
        holding = asyncio.create_task(bank.http.post("/hold"))
        await waiting.started.wait()
        refused = await bank.http.post("/add")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        waiting.may_end.set()
        assert (await holding).status_code == 200
        assert await bank.owners() == ["ada"]


@pytest.mark.parametrize("kind", ALL_KINDS)
async def test_request_that_times_out_is_504_and_rolls_back(
    make_app: MakeApp, tmp_path: Path, kind: str, waiting: type[Waiting]
) -> None:
    async with open_bank(make_app, tmp_path, waiting, kind=kind, REQUEST_TIMEOUT=0.5) as bank:
        response = await bank.http.post("/hold")
        assert (response.status_code, await bank.owners(), bank.checked_out()) == (504, [], 0)


@pytest.mark.parametrize("kind", KINDS)
async def test_request_whose_client_leaves_rolls_back_where_it_is_cancelled(
    make_app: MakeApp, tmp_path: Path, kind: str, waiting: type[Waiting]
) -> None:
    async with open_bank(make_app, tmp_path, waiting, kind=kind) as bank:
        messages = iter([{"type": "http.request", "body": b""}])

        async def receive() -> dict[str, Any]:
            message = next(messages, None)
            if message is None:
                await waiting.started.wait()
            return message or {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            raise AssertionError("nobody is there")

        await bank.app(scope_of("POST", "/leave"), receive, send)
        assert (await bank.owners(), bank.checked_out()) == ([], 0)


# The commit is not interrupted

SLOW_COMMIT = """
CREATE FUNCTION wait() RETURNS trigger AS $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$ LANGUAGE plpgsql;
CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON accounts DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION wait();
"""


class Slow(Controller):
    @post("/")
    @db.managed_session
    async def add(self, req: Request, session: AsyncSession) -> Response:
        session.add(Account(owner="ada"))
        return req.res.text("added")


async def test_cancellation_during_the_commit_is_delivered_after_it(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_bank(make_app, tmp_path, Slow, kind="postgres") as bank:
        for statement in SLOW_COMMIT.strip().split("\n", 1):
            await db_execute(bank, statement)
        serving = asyncio.create_task(bank.http.post("/"))
        await until(
            bank, "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
        )
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert (await bank.owners(), bank.checked_out()) == (["ada"], 0)


async def db_execute(bank: Bank, statement: str) -> list[Any]:
    async with bank.app.extension_states[db].async_engine.begin() as connection:
        result = await connection.execute(text(statement))
        return list(result) if result.returns_rows else []


async def until(bank: Bank, question: str) -> None:
    """Ask the database until it has an answer."""
    for _ in range(1000):
        if await db_execute(bank, question):
            return
        await asyncio.sleep(0.01)
    raise TimeoutError(question)
