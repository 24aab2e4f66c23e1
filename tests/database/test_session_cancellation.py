"""Requests that are cancelled wherever they wait: all or nothing is stored, and no connection is missing."""

from __future__ import annotations

import asyncio
import gc
import logging
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from patera import Request, Response
from patera.controller import Controller, get, post
from patera.database.sql import AsyncSession
from tests.database.bank import Account, Bank, MakeApp, db, open_bank, scope_of

#: Far more than any of the requests here waits.
MOST_STEPS = 200

DRIVERS = ("sqlite", "asyncpg", "psycopg", "mariadb")


class Transfers(Controller):
    @post("/managed")
    @db.managed_session
    async def transfer(self, req: Request, session: AsyncSession) -> Response:
        await move(session)
        return req.res.text("moved")

    @post("/committing")
    @db.managed_session
    async def transfer_and_commit(self, req: Request, session: AsyncSession) -> Response:
        await move(session)
        await session.commit()
        return req.res.text("moved")

    @post("/stream")
    @db.managed_session
    async def transfer_and_stream(self, req: Request, session: AsyncSession) -> Response:
        await move(session)
        return req.res.stream_text(balances(session))

    @get("/readonly")
    @db.readonly_session
    async def read(self, req: Request, session: AsyncSession) -> Response:
        return req.res.json([balance async for balance in balances(session)])

    @get("/stream")
    @db.readonly_session
    async def stream(self, req: Request, session: AsyncSession) -> Response:
        return req.res.stream_text(balances(session))


async def move(session: AsyncSession) -> None:
    """Take from one account, and give to the other in a second statement."""
    ada, eve = (await session.scalars(select(Account).order_by(Account.id))).all()
    ada.balance -= 10
    await session.flush()
    eve.balance += 10


async def balances(session: AsyncSession) -> AsyncIterator[str]:
    for owner in ("ada", "eve"):
        yield str(await session.scalar(select(Account.balance).where(Account.owner == owner)))


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("times", [1, MOST_STEPS], ids=["once", "ever again"])
@pytest.mark.parametrize("rule", ["managed", "committing", "stream"])
async def test_request_cancelled_at_any_step_moves_all_or_nothing(
    make_app: MakeApp, tmp_path: Path, driver: str, rule: str, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_transfers(make_app, tmp_path, driver) as bank:
        moved, ended = 0, False
        for step in range(1, MOST_STEPS):
            statuses, ended = await run_cancelled(bank, "POST", f"/{rule}", step, times)
            before, moved = moved, (100 - await bank.balance("ada")) // 10
            assert (await bank.balance("eve"), bank.checked_out()) == (100 + 10 * moved, 0)
            assert moved - before in ((1,) if statuses else (0, 1))
            if ended:
                break
        assert ended
        assert unusual(caplog) == []


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("times", [1, MOST_STEPS], ids=["once", "ever again"])
@pytest.mark.parametrize("rule", ["readonly", "stream"])
async def test_reading_request_cancelled_at_any_step_gives_its_connection_back(
    make_app: MakeApp, tmp_path: Path, driver: str, rule: str, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_transfers(make_app, tmp_path, driver) as bank:
        ended = False
        for step in range(1, MOST_STEPS):
            _, ended = await run_cancelled(bank, "GET", f"/{rule}", step, times)
            assert bank.checked_out() == 0
            if ended:
                break
        assert ended
        assert unusual(caplog) == []


def open_transfers(make_app: MakeApp, folder: Path, driver: str) -> Any:
    kind = driver if driver in ("sqlite", "mariadb") else "postgres"
    return open_bank(
        make_app,
        folder,
        Transfers,
        kind=kind,
        owners=["ada", "eve"],
        through=lambda url: url.replace("asyncpg", driver),
    )


async def run_cancelled(bank: Bank, method: str, path: str, step: int, times: int) -> tuple[list[int], bool]:
    """Run a request in a task that is cancelled when it waits for the `step`-th time.

    Args:
        bank: The application.
        method: The request's method.
        path: Its path.
        step: When it is cancelled.
        times: How often: each further cancellation comes when it waits again.

    Returns:
        The statuses that were sent, and whether the request ended before.
    """
    statuses: list[int] = []

    async def send(message: Any) -> None:
        if "status" in message:
            statuses.append(message["status"])

    counted = Counted(step, times)
    counted.task = asyncio.create_task(counted.run(bank.app(scope_of(method, path), listening(), send)))
    await asyncio.gather(counted.task, return_exceptions=True)
    return statuses, not counted.was_cancelled


class Counted:
    """Counts how often a task waits, and cancels it then."""

    def __init__(self, step: int, times: int) -> None:
        self.steps = range(step, step + times)
        self.count = 0
        self.was_cancelled = False
        self.task: asyncio.Task[Any] | None = None

    async def run(self, work: Awaitable[Any]) -> None:
        await self._forward(work)

    @types.coroutine
    def _forward(self, work: Awaitable[Any]) -> Generator[Any, Any, None]:
        steps = work.__await__()
        resume: Callable[[], Any] = lambda: next(steps)  # noqa: E731
        while True:
            try:
                waited_for = resume()
            except StopIteration:
                return
            self._cancel_if_due()
            try:
                value = yield waited_for
                resume = lambda: steps.send(value)  # noqa: B023, E731
            except BaseException as error:
                caught = error
                resume = lambda: steps.throw(caught)  # noqa: B023, E731

    def _cancel_if_due(self) -> None:
        self.count += 1
        if self.count in self.steps:
            assert self.task is not None
            self.was_cancelled = True
            asyncio.get_running_loop().call_soon(self.task.cancel)


def listening() -> Any:
    """Return a `receive` whose client sends nothing and stays."""
    messages = iter([{"type": "http.request", "body": b""}])

    async def receive() -> dict[str, Any]:
        message = next(messages, None)
        return message if message is not None else await asyncio.get_running_loop().create_future()

    return receive


def unusual(caplog: pytest.LogCaptureFixture) -> list[str]:
    gc.collect()
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
