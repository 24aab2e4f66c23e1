"""Sessions of streamed responses: committed before the headers, open for reading until the last byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text, update
from starlette.responses import StreamingResponse

from patera import Request, Response
from patera.controller import Controller, get, path, post
from patera.database.sql import AsyncSession, Session
from tests.database.bank import ALL_KINDS, KINDS, Account, Bank, MakeApp, db, error_of, open_bank, scope_of

OWNERS = ("ada", "eve", "ida")


async def owners_of(session: AsyncSession) -> AsyncIterator[str]:
    for number in range(len(OWNERS)):
        statement = select(Account.owner).order_by(Account.id).offset(number).limit(1)
        yield f"{await session.scalar(statement)},"


def owners_of_sync(session: Session) -> Iterator[str]:
    for number in range(len(OWNERS)):
        statement = select(Account.owner).order_by(Account.id).offset(number).limit(1)
        yield f"{session.scalar(statement)},"


@path("/streams")
class Streams(Controller):
    @get("/readonly")
    @db.readonly_session
    async def readonly(self, req: Request, session: AsyncSession) -> Response:
        return req.res.stream_text(owners_of(session))

    @get("/managed")
    @db.managed_session
    async def managed(self, req: Request, session: AsyncSession) -> Response:
        return req.res.stream_text(owners_of(session))

    @get("/generator")
    @db.readonly_session
    async def generator(self, req: Request, session: AsyncSession) -> AsyncIterator[str]:
        async for owner in owners_of(session):
            yield owner

    @get("/events")
    @db.readonly_session
    async def events(self, req: Request, session: AsyncSession) -> Response:
        return req.res.sse(owners_of(session))

    @get("/lines")
    @db.readonly_session
    async def lines(self, req: Request, session: AsyncSession) -> Response:
        return req.res.ndjson(owners_of(session))

    @get("/starlette")
    @db.managed_session
    async def starlette(self, req: Request, session: AsyncSession) -> StreamingResponse:
        return StreamingResponse(owners_of(session))

    @get("/delegated")
    async def delegate(self, req: Request) -> Response:
        loosely: Any = self
        response: Response = await loosely.make(req)
        return response

    @db.readonly_session
    async def make(self, req: Request, session: AsyncSession) -> Response:
        return req.res.stream_text(owners_of(session))

    @get("/sync")
    @db.readonly_session
    def sync(self, req: Request, session: Session) -> Response:
        return req.res.stream_text(owners_of_sync(session))

    @get("/sync-managed")
    @db.managed_session
    def sync_managed(self, req: Request, session: Session) -> Response:
        return req.res.stream_text(owners_of_sync(session))

    @get("/sync-generator")
    @db.readonly_session
    def sync_generator(self, req: Request, session: Session) -> Iterator[str]:
        yield from owners_of_sync(session)

    @post("/add")
    @db.managed_session
    async def add(self, req: Request, session: AsyncSession) -> Response:
        session.add(Account(owner="zoe"))

        async def rows() -> AsyncIterator[str]:
            yield await error_of(session.execute(update(Account).values(balance=0)))
            yield "\n"
            yield await error_of(session.execute(text("UPDATE accounts SET balance = 0")))
            yield "\n"
            yield await error_of(session.commit())

        return req.res.stream_text(rows())

    @post("/add-sync")
    @db.managed_session
    def add_sync(self, req: Request, session: Session) -> Response:
        session.add(Account(owner="zoe"))

        def rows() -> Iterator[str]:
            for work in (lambda: session.execute(text("UPDATE accounts SET balance = 0")), session.commit):
                try:
                    work()
                except Exception as error:
                    yield f"{error}\n"

        return req.res.stream_text(rows())

    @get("/failing")
    @db.readonly_session
    async def failing(self, req: Request, session: AsyncSession) -> Response:
        async def rows() -> AsyncIterator[str]:
            yield str(await session.scalar(select(Account.owner)))
            raise ValueError("no more")

        return req.res.stream_text(rows())

    @get("/endless")
    @db.managed_session
    async def endless(self, req: Request, session: AsyncSession) -> Response:
        async def rows() -> AsyncIterator[str]:
            while True:
                yield str(await session.scalar(select(Account.owner)))
                await asyncio.sleep(0)

        return req.res.stream_text(rows())


RULES = ("readonly", "managed", "generator", "starlette", "delegated", "sync", "sync-managed", "sync-generator")
CASES = [(kind, rule) for kind in KINDS for rule in RULES] + [("mariadb", "managed"), ("mariadb", "sync-managed")]


@pytest.mark.parametrize(("kind", "rule"), CASES)
async def test_stream_reads_from_its_session_until_the_end(
    make_app: MakeApp, tmp_path: Path, kind: str, rule: str
) -> None:
    async with open_bank(make_app, tmp_path, Streams, kind=kind, owners=OWNERS) as bank:
        response = await bank.http.get(f"/streams/{rule}")
        assert (response.status_code, response.text, bank.checked_out()) == (200, "ada,eve,ida,", 0)


async def test_events_and_lines_are_read_from_the_session(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_bank(make_app, tmp_path, Streams, owners=OWNERS) as bank:
        events = await bank.http.get("/streams/events")
        lines = await bank.http.get("/streams/lines")
        assert events.text == "data: ada,\n\ndata: eve,\n\ndata: ida,\n\n"
        assert lines.text == '"ada,"\n"eve,"\n"ida,"\n'


@pytest.mark.parametrize("kind", ALL_KINDS)
async def test_stream_that_writes_is_refused_after_the_commit(make_app: MakeApp, tmp_path: Path, kind: str) -> None:
    async with open_bank(make_app, tmp_path, Streams, kind=kind, owners=["ada"]) as bank:
        response = await bank.http.post("/streams/add")
        assert response.text.splitlines() == [
            f"This session only reads, but {found}: its changes were committed before the first byte of the stream "
            "that reads from it. Write before the stream is returned, or in a session of its own"
            for found in ("UPDATE was executed", "a statement that writes was executed", "commit() was called")
        ]
        assert (await bank.owners(), await bank.balance()) == (["ada", "zoe"], 100)


@pytest.mark.parametrize("kind", ALL_KINDS)
async def test_sync_stream_that_writes_is_refused_after_the_commit(
    make_app: MakeApp, tmp_path: Path, kind: str
) -> None:
    async with open_bank(make_app, tmp_path, Streams, kind=kind, owners=["ada"]) as bank:
        response = await bank.http.post("/streams/add-sync")
        assert [line.partition(":")[0] for line in response.text.splitlines()] == [
            "This session only reads, but a statement that writes was executed",
            "This session only reads, but commit() was called",
        ]
        assert (await bank.owners(), await bank.balance()) == (["ada", "zoe"], 100)


@pytest.mark.parametrize("kind", KINDS)
async def test_stream_is_committed_before_its_headers(make_app: MakeApp, tmp_path: Path, kind: str) -> None:
    async with open_bank(make_app, tmp_path, Streams, kind=kind) as bank:
        seen: list[Any] = []

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                seen.append(await bank.owners())

        await bank.app(scope_of("POST", "/streams/add"), asking(asyncio.Event()), send)
        assert seen == [["zoe"]]


async def test_failing_stream_gives_its_connection_back(make_app: MakeApp, tmp_path: Path) -> None:
    async with open_bank(make_app, tmp_path, Streams, owners=OWNERS, raises=True) as bank:
        with pytest.raises(ValueError, match="no more"):
            await bank.http.get("/streams/failing")
        assert bank.checked_out() == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", ["readonly", "sync"])
async def test_head_of_a_stream_gives_its_session_back(make_app: MakeApp, tmp_path: Path, kind: str, rule: str) -> None:
    async with open_bank(make_app, tmp_path, Streams, kind=kind, owners=OWNERS) as bank:
        response = await bank.http.head(f"/streams/{rule}")
        assert (response.status_code, response.content, bank.checked_out()) == (200, b"", 0)


@pytest.mark.parametrize("kind", ALL_KINDS)
async def test_stream_whose_client_leaves_gives_its_connection_back(
    make_app: MakeApp, tmp_path: Path, kind: str
) -> None:
    async with open_bank(make_app, tmp_path, Streams, kind=kind, owners=OWNERS) as bank:
        seen = await leave_after(bank, "/streams/endless", pieces=3)
        assert (seen, bank.checked_out()) == (1, 0)


@pytest.mark.parametrize("kind", KINDS)
async def test_stream_whose_task_is_cancelled_gives_its_connection_back(
    make_app: MakeApp, tmp_path: Path, kind: str
) -> None:
    async with open_bank(make_app, tmp_path, Streams, kind=kind, owners=OWNERS) as bank:
        started = asyncio.Event()

        async def send(message: Any) -> None:
            if message.get("body"):
                started.set()

        serving = asyncio.create_task(bank.app(scope_of("GET", "/streams/endless"), asking(asyncio.Event()), send))
        await started.wait()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert bank.checked_out() == 0


async def leave_after(bank: Bank, path: str, pieces: int) -> int:
    """Leave after some pieces; return how many connections were out meanwhile."""
    gone, out, count = asyncio.Event(), 0, 0

    async def send(message: Any) -> None:
        nonlocal out, count
        count += bool(message.get("body"))
        out = max(out, bank.checked_out())
        if count == pieces:
            gone.set()

    await bank.app(scope_of("GET", path), asking(gone), send)
    return out


def asking(gone: asyncio.Event) -> Any:
    """Return a `receive` whose client sends nothing, and leaves when it is told to."""
    is_asked = False

    async def receive() -> dict[str, Any]:
        nonlocal is_asked
        if not is_asked:
            is_asked = True
            return {"type": "http.request", "body": b""}
        await gone.wait()
        return {"type": "http.disconnect"}

    return receive
