"""The load of a database page, in process: 2,000 requests, 200 at a time, for `/api/v1/users` from SQLite.

    python -m benchmarks.database [--rounds 7] [--requests 2000] [--concurrency 200]

Four applications do the same query through SQLAlchemy, each on a file and a pool of its own with the same settings:
Patera, Starlette as a careful user writes it, Starlette as its documentation shows it, and FastAPI. They take turns;
CPU time of the process counts, the driver's threads included. A row says how many times the time of the careful
Starlette code an application needs, compared within each round.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import util
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, TypeAdapter
from sqlalchemy import String, event, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Mapped, mapped_column
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse
from starlette.responses import Response as StarletteResponse
from starlette.routing import Route

from benchmarks.clock import cpu_microseconds, ratio, spread
from patera import BaseConfig, MediaType, Patera, Request, Response, app
from patera.controller import Controller, get, path, produces
from patera.database import DeclarativeBaseModel
from patera.database.sql import SqlDatabase

PATH = "/api/v1/users"
USERS = 20
SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": PATH,
    "raw_path": PATH.encode(),
    "query_string": b"",
    "root_path": "",
    "headers": [(b"host", b"localhost"), (b"accept", b"*/*")],
    "client": ("127.0.0.1", 40_000),
    "server": ("127.0.0.1", 8080),
}


class User(DeclarativeBaseModel):
    __db_name__ = "db"
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    fullname: Mapped[str] = mapped_column(String(100))
    email: Mapped[str] = mapped_column(String(200), unique=True)


class UserOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    fullname: str
    email: str


db = SqlDatabase()


@path(PATH)
class Users(Controller):
    @get("/")
    @produces(MediaType.APPLICATION_JSON)
    @db.readonly_session
    async def get_users(self, req: Request, session: AsyncSession) -> Response[list[UserOut]]:
        return req.res.json(await User.query(session).order_by(User.id).all())


def patera(url: str) -> Any:
    """Everything as it is by default; only the loggers and DEBUG are those of production."""

    class Config(BaseConfig):
        APP_NAME: str = "Users"
        VERSION: str = "1.0"
        BASE_PATH: str = "."
        DEBUG: bool = False
        CONTROLLERS: list[str] = [f"{__name__}:Users"]
        EXTENSIONS: list[str] = [f"{__name__}:db"]
        MODELS: list[str] = [f"{__name__}:User"]
        SQL_DATABASE: dict[str, Any] = {"DATABASE_URI": url}

    @app(__name__, configs=Config)
    class Application(Patera): ...

    return Application()


def sessions_of(url: str) -> tuple[AsyncEngine, async_sessionmaker[AsyncSession]]:
    """An engine with the pragmas and the pool that Patera sets, and its sessions."""
    engine = create_async_engine(url, pool_size=15, max_overflow=0)

    @event.listens_for(engine.sync_engine, "connect")
    def set_pragmas(connection: Any, record: Any) -> None:
        for pragma in ("foreign_keys = ON", "journal_mode = WAL"):
            connection.execute(f"PRAGMA {pragma}").close()

    return engine, async_sessionmaker(engine, expire_on_commit=False)


def starlette(url: str) -> Any:
    """Starlette as a careful user writes it: one pass of Pydantic from the rows to the bytes."""
    engine, sessions = sessions_of(url)
    adapter = TypeAdapter(list[UserOut])

    async def get_users(request: StarletteRequest) -> StarletteResponse:
        async with sessions() as session:
            rows = (await session.scalars(select(User).order_by(User.id))).all()
            body = adapter.dump_json(adapter.validate_python(rows))
        return StarletteResponse(body, media_type="application/json")

    return starlette_of(engine, get_users)


def starlette_documented(url: str) -> Any:
    """Starlette with `JSONResponse`, as its documentation shows it."""
    engine, sessions = sessions_of(url)

    async def get_users(request: StarletteRequest) -> StarletteResponse:
        async with sessions() as session:
            rows = (await session.scalars(select(User).order_by(User.id))).all()
            return JSONResponse([UserOut.model_validate(row).model_dump() for row in rows])

    return starlette_of(engine, get_users)


def starlette_of(engine: AsyncEngine, endpoint: Callable[..., Any]) -> Any:
    @asynccontextmanager
    async def lifespan(application: Starlette) -> AsyncIterator[None]:
        yield
        await engine.dispose()

    return Starlette(routes=[Route(PATH, endpoint)], lifespan=lifespan)


def fastapi(url: str) -> Any:
    """FastAPI with a session as dependency and a response model."""
    from fastapi import Depends, FastAPI

    engine, sessions = sessions_of(url)

    async def session_of_request() -> AsyncIterator[AsyncSession]:
        async with sessions() as session:
            yield session

    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[None]:
        yield
        await engine.dispose()

    application = FastAPI(lifespan=lifespan)

    @application.get(PATH, response_model=list[UserOut])
    async def get_users(session: Annotated[AsyncSession, Depends(session_of_request)]) -> Any:
        return (await session.scalars(select(User).order_by(User.id))).all()

    return application


VARIANTS: dict[str, Callable[[str], Any]] = {
    "Patera": patera,
    "Starlette, careful": starlette,
    "Starlette, documented": starlette_documented,
    "FastAPI": fastapi,
}


async def ask(application: Any) -> bytes:
    """Send one request and return the body of its answer."""
    body = b""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        nonlocal body
        if message["type"] == "http.response.start" and message["status"] != 200:
            raise SystemExit(f"{application} answers {message['status']}")
        body += message.get("body", b"")

    await application(dict(SCOPE), receive, send)
    return body


async def load(application: Any, requests: int, concurrency: int) -> None:
    """Send requests, so many at a time."""
    left = iter(range(requests))

    async def client() -> None:
        for _ in left:
            await ask(application)

    await asyncio.gather(*(client() for _ in range(concurrency)))


async def fill(url: str) -> None:
    """Create the table and its rows."""
    engine, sessions = sessions_of(url)
    async with engine.begin() as connection:
        await connection.run_sync(User.metadata.create_all)
    async with sessions.begin() as session:
        session.add_all(User(fullname=f"User {number}", email=f"{number}@example.org") for number in range(USERS))
    await engine.dispose()


async def started(stack: AsyncExitStack, folder: Path, number: int, make: Callable[[str], Any]) -> Any:
    """An application on a file of its own, between its startup and its shutdown."""
    url = f"sqlite+aiosqlite:///{folder}/users{number}.db"
    await fill(url)
    application = make(url)
    lifespan = application.lifespan() if isinstance(application, Patera) else application.router.lifespan_context(None)
    await stack.enter_async_context(lifespan)
    return application


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--concurrency", type=int, default=200)
    options = parser.parse_args()
    variants = {name: make for name, make in VARIANTS.items() if make is not fastapi or util.find_spec("fastapi")}
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        times = measured(runner, Path(folder), variants, options)
    print(
        f"{options.requests} requests, {options.concurrency} at a time, {options.rounds} rounds, Python {sys.version}"
    )
    for name, values in times.items():
        print(
            f"{name:24} {spread(values)} us a request, x careful Starlette {ratio(values, times['Starlette, careful'])}"
        )


def measured(
    runner: asyncio.Runner, folder: Path, variants: dict[str, Callable[[str], Any]], options: argparse.Namespace
) -> dict[str, list[float]]:
    """The CPU time of a request in microseconds, of each variant in each round."""
    stack = AsyncExitStack()

    async def start_all() -> dict[str, Any]:
        made = enumerate(variants.items())
        return {name: await started(stack, folder, number, make) for number, (name, make) in made}

    applications = runner.run(start_all())
    try:
        bodies = {runner.run(ask(application)) for application in applications.values()}
        if len(bodies) != 1:
            raise SystemExit(f"the answers differ: {bodies}")
        times: dict[str, list[float]] = {name: [] for name in applications}
        names = list(applications)
        for number in range(options.rounds + 1):
            shift = number % len(names)
            for name in names[shift:] + names[:shift]:
                work = load(applications[name], options.requests, options.concurrency)
                taken = cpu_microseconds(lambda: runner.run(work)) / options.requests  # noqa: B023 - called at once
                # The first round warms up.
                if number:
                    times[name].append(taken)
            print(f"round {number} of {options.rounds}", file=sys.stderr)
        return times
    finally:
        runner.run(stack.aclose())


if __name__ == "__main__":
    # Import strings name this module.
    sys.modules.setdefault("benchmarks.database", sys.modules[__name__])
    main()
