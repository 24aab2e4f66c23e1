"""A database that goes away while requests are served, and comes back: a proxy refuses, hangs and cuts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, select
from sqlalchemy.ext.asyncio import create_async_engine

from patera import Request, Response
from patera.controller import Controller, get, post
from patera.database.sql import AsyncSession, Session
from tests.database.bank import Account, Bank, MakeApp, db, open_bank
from tests.databases import MARIADB, POSTGRES
from tests.tcp_proxy import TcpProxy, tcp_proxy

DRIVERS = ("asyncpg", "psycopg", "mariadb")

#: Far above the limits that are set here; whoever hangs fails the test.
PATIENCE_SECONDS = 20


class Reading(Controller):
    """Some endpoints wait in the middle, until the test has done something to the database."""

    waits: asyncio.Event
    may_go_on: asyncio.Event

    @get("/")
    @db.readonly_session
    async def index(self, req: Request, session: AsyncSession) -> Response:
        return req.res.json(list(await session.scalars(select(Account.owner))))

    @get("/sync")
    @db.readonly_session
    def index_sync(self, req: Request, session: Session) -> Response:
        return req.res.json(list(session.scalars(select(Account.owner))))

    @post("/add")
    @db.managed_session
    async def add(self, req: Request, session: AsyncSession) -> Response:
        session.add(Account(owner="eve"))
        return req.res.text("added")

    @post("/pause")
    @db.managed_session
    async def add_and_pause(self, req: Request, session: AsyncSession) -> Response:
        session.add(Account(owner="eve"))
        await session.flush()
        self.waits.set()
        await self.may_go_on.wait()
        return req.res.text("added")

    @post("/pause-and-fail")
    @db.managed_session
    async def add_pause_and_fail(self, req: Request, session: AsyncSession) -> Response:
        await self.add_and_pause(req)  # type: ignore[call-arg]
        raise ValueError("no")

    @post("/pause-and-read")
    @db.managed_session
    async def add_pause_and_read(self, req: Request, session: AsyncSession) -> Response:
        await self.add_and_pause(req)  # type: ignore[call-arg]
        return req.res.json(list(await session.scalars(select(Account.owner))))

    @get("/pause-reading")
    @db.readonly_session
    async def read_and_pause(self, req: Request, session: AsyncSession) -> Response:
        owners = list(await session.scalars(select(Account.owner)))
        self.waits.set()
        await self.may_go_on.wait()
        return req.res.json(owners)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("path", ["/", "/sync"])
async def test_server_that_refuses_is_503_until_it_is_back(
    make_app: MakeApp, tmp_path: Path, driver: str, path: str
) -> None:
    async with behind_proxy(make_app, tmp_path, driver) as (bank, proxy):
        assert (await bank.http.get(path)).json() == ["ada"]
        proxy.refuse()
        for _ in range(2):
            assert await unavailable(bank, path)
        await proxy.pass_on()
        assert (await bank.http.get(path)).json() == ["ada"]


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("path", ["/", "/sync"])
async def test_connections_that_were_cut_are_replaced_before_they_are_used(
    make_app: MakeApp, tmp_path: Path, driver: str, path: str
) -> None:
    async with behind_proxy(make_app, tmp_path, driver) as (bank, proxy):
        assert (await bank.http.get(path)).json() == ["ada"]
        proxy.cut()
        await asyncio.sleep(0.05)
        assert (await bank.http.get(path)).json() == ["ada"]


@pytest.mark.parametrize("driver", DRIVERS)
async def test_server_that_hangs_is_503_until_it_is_back(make_app: MakeApp, tmp_path: Path, driver: str) -> None:
    async with behind_proxy(make_app, tmp_path, driver) as (bank, proxy):
        assert (await bank.http.get("/")).json() == ["ada"]
        proxy.hang()
        assert await unavailable(bank, "/")
        assert await unavailable(bank, "/")
        await proxy.pass_on()
        assert (await bank.http.get("/")).json() == ["ada"]


@pytest.mark.parametrize("driver", DRIVERS)
async def test_connection_cut_before_the_commit_is_503_and_stores_nothing(
    make_app: MakeApp, tmp_path: Path, driver: str
) -> None:
    async with behind_proxy(make_app, tmp_path, driver) as (bank, proxy):
        assert await answer_to_fault(bank, "/pause", proxy.cut) == (503, "5")
        assert (await owners_of(bank), bank.checked_out()) == (["ada"], 0)
        assert (await bank.http.post("/add")).text == "added"
        assert await owners_of(bank) == ["ada", "eve"]


@pytest.mark.parametrize("driver", DRIVERS)
async def test_error_of_the_handler_is_answered_though_its_connection_was_cut(
    make_app: MakeApp, tmp_path: Path, driver: str
) -> None:
    async with behind_proxy(make_app, tmp_path, driver) as (bank, proxy):
        assert await answer_to_fault(bank, "/pause-and-fail", proxy.cut) == (500, None)
        assert (await owners_of(bank), bank.checked_out()) == (["ada"], 0)
        assert (await bank.http.get("/")).json() == ["ada"]


@pytest.mark.parametrize("driver", DRIVERS)
async def test_answer_that_was_read_is_given_though_the_connection_was_cut(
    make_app: MakeApp, tmp_path: Path, driver: str
) -> None:
    async with behind_proxy(make_app, tmp_path, driver) as (bank, proxy):
        assert await answer_to_fault(bank, "/pause-reading", proxy.cut, "GET") == (200, None)
        assert bank.checked_out() == 0


@pytest.mark.parametrize("driver", DRIVERS)
async def test_request_that_times_out_on_a_hanging_server_is_504(
    make_app: MakeApp, tmp_path: Path, driver: str
) -> None:
    async with behind_proxy(make_app, tmp_path, driver, REQUEST_TIMEOUT=1) as (bank, proxy):
        assert await answer_to_fault(bank, "/pause-and-read", proxy.hang) == (504, None)
        assert bank.checked_out() == 0
        await proxy.pass_on()
        assert (await bank.http.get("/")).json() == ["ada"]


@asynccontextmanager
async def behind_proxy(
    make_app: MakeApp, folder: Path, driver: str, **configs: Any
) -> AsyncIterator[tuple[Bank, TcpProxy]]:
    """Start an application whose connections go through a proxy."""
    kind = "mariadb" if driver == "mariadb" else "postgres"
    server = make_url(MARIADB if driver == "mariadb" else POSTGRES)
    Reading.waits, Reading.may_go_on = asyncio.Event(), asyncio.Event()
    async with tcp_proxy(server.host or "127.0.0.1", server.port or 5432) as proxy:

        def through(url: str) -> str:
            changed = make_url(url.replace("asyncpg", driver)).set(host="127.0.0.1", port=proxy.port)
            return changed.render_as_string(hide_password=False)

        limits = {"CONNECT_TIMEOUT": 1}
        async with open_bank(
            make_app, folder, Reading, kind=kind, owners=["ada"], database=limits, through=through, **configs
        ) as bank:
            yield bank, proxy


async def unavailable(bank: Bank, path: str) -> bool:
    async with asyncio.timeout(PATIENCE_SECONDS):
        response = await bank.http.get(path)
    return (response.status_code, response.headers.get("retry-after")) == (503, "5")


async def answer_to_fault(bank: Bank, path: str, fault: Any, method: str = "POST") -> tuple[int, str | None]:
    """Send a request, do something to its connection while it waits, and return status and `Retry-After`."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        asking = asyncio.create_task(bank.http.request(method, path))
        await Reading.waits.wait()
        fault()
        await asyncio.sleep(0.05)
        Reading.may_go_on.set()
        response = await asking
    return response.status_code, response.headers.get("retry-after")


async def owners_of(bank: Bank) -> list[str]:
    """Return what is committed, read past the proxy."""
    engine = create_async_engine(bank.url)
    try:
        async with engine.connect() as connection:
            return list(await connection.scalars(select(Account.owner).order_by(Account.id)))
    finally:
        await engine.dispose()
