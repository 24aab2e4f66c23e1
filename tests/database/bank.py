"""A bank of accounts on real databases: what the tests of sessions share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from sqlalchemy import ForeignKey, String, insert, select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from patera import Patera
from patera.database.sql import SqlDatabase
from patera.testing import PateraTestClient
from tests.databases import own_database

MakeApp = Callable[..., Patera]

KINDS = ("sqlite", "postgres")
ALL_KINDS = (*KINDS, "mariadb")

db = SqlDatabase()
other = SqlDatabase("other", "OTHER_DATABASE")


class Base(DeclarativeBase):
    __db_name__ = "db"


class Account(Base):
    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(String(40), unique=True)
    balance: Mapped[int] = mapped_column(default=0)


class Card(Base):
    """Refers to an account; SQLite and PostgreSQL look at that in the commit, MariaDB cannot."""

    __tablename__ = "cards"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", deferrable=True, initially="DEFERRED"))


class AccountData(BaseModel):
    id: int
    owner: str
    balance: int = 0


@dataclass
class Bank:
    """An application that was started, and its database."""

    app: Patera
    http: PateraTestClient
    #: The URL of the database itself, whatever the application has to pass on the way.
    url: str

    async def owners(self, database: SqlDatabase = db) -> list[str]:
        """Return what is committed, read on a connection of its own."""
        async with database_state(self.app, database).async_engine.connect() as connection:
            return list(await connection.scalars(select(Account.owner).order_by(Account.id)))

    async def balance(self, owner: str = "ada") -> int:
        async with database_state(self.app).async_engine.connect() as connection:
            return int((await connection.scalars(select(Account.balance).where(Account.owner == owner))).one())

    def checked_out(self) -> int:
        """Return how many connections are not back in their pools."""
        return checked_out(self.app)


def database_state(app: Patera, database: SqlDatabase = db) -> Any:
    return app.extension_states[database]


def checked_out(app: Patera) -> int:
    """Return how many connections of all databases are not back in their pools, synchronous ones included."""
    count = 0
    for database in (each for each in app.extensions.values() if isinstance(each, SqlDatabase)):
        state = database_state(app, database)
        engines = [state.async_engine_for(access) for access in (None, "read", "write")]
        pools = {engine.pool for engine in [*engines, *state._sync_engines.values()]}
        count += sum(pool.checkedout() for pool in pools)
    return count


async def create_tables(app: Patera, *owners: str, database: SqlDatabase = db) -> None:
    """Create the tables, with an account for each owner."""
    async with database_state(app, database).async_engine.begin() as connection:
        is_mariadb = connection.dialect.name == "mysql"
        tables = [Account.__table__] if is_mariadb else None
        await connection.run_sync(Base.metadata.create_all, tables=tables)
        if owners:
            rows = [{"owner": owner, "balance": 100} for owner in owners]
            await connection.execute(insert(Account), rows)


@asynccontextmanager
async def open_bank(
    make_app: MakeApp,
    folder: Path,
    *controllers: type,
    kind: str = "sqlite",
    owners: Iterable[str] = (),
    database: dict[str, Any] | None = None,
    raises: bool = False,
    through: Callable[[str], str] = str,
    **configs: Any,
) -> AsyncIterator[Bank]:
    """Start an application on a new database with the tables; no connection may be missing at the end.

    Args:
        make_app: The fixture.
        folder: Where an SQLite file stands.
        *controllers: The application's controllers.
        kind: "sqlite", "postgres" or "mariadb".
        owners: An account is made for each.
        database: Further values of `SQL_DATABASE`.
        raises: Whether errors of the application are raised here, in DEBUG.
        through: Changes the URL that the application gets.
        **configs: Further values of the configuration.
    """
    async with own_database(kind, folder) as url:
        values = {"DEBUG": raises, "EXTENSIONS": [db], **configs}
        app = make_app(*controllers, SQL_DATABASE={"DATABASE_URI": through(url), **(database or {})}, **values)
        async with PateraTestClient(app, raise_app_exceptions=raises) as http:
            await create_tables(app, *owners)
            yield Bank(app, http, url)
            assert checked_out(app) == 0


async def error_of(work: Awaitable[Any]) -> str:
    """Return the message with which SQLAlchemy or a session refuses something."""
    try:
        await work
    except InvalidRequestError as error:
        return str(error)
    return "no error"


def scope_of(method: str, path: str) -> dict[str, Any]:
    """Return the ASGI scope of a request."""
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [],
        "asgi": {"version": "3.0", "spec_version": "2.3"},
    }
