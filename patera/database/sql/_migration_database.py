"""The database that is migrated: a connection of its own, through whatever driver there is, and the lock on it."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy import URL, Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import NullPool

from ._access import ACCESS_OPTION
from ._engines import EngineMaker
from ._migration_errors import MigrationError, summary
from ._migration_log import note
from ._urls import location_of

if TYPE_CHECKING:
    from loguru import Logger

__all__ = ["MigrationDatabase", "Run", "migration_engines"]

T = TypeVar("T")

#: How often a process looks whether another one has finished its migrations.
LOCK_POLL_SECONDS = 0.5

#: How long SQLite waits for another process in the middle of a revision, at least.
BUSY_SECONDS = 60

LOCK_NAME = "patera.migrations"

_NOT_INHERITED = {"isolation_level", "pool", "poolclass", "execution_options"}


class Run(Protocol):
    """Calls a function with the connection: at once, or inside the event loop that the driver needs."""

    def __call__(self, work: Callable[[Connection], T]) -> T:
        """Return what the function returns."""
        ...


@dataclass(frozen=True, slots=True)
class MigrationDatabase:
    """Where migrations run.

    Args:
        url: Its URL; the driver decides between a synchronous and an asynchronous engine.
        maker: Makes the engines, see `migration_engines()`.
    """

    url: URL
    maker: EngineMaker

    @property
    def backend(self) -> str:
        """The kind of database, `postgresql` for example."""
        return self.url.get_backend_name()

    def __str__(self) -> str:
        return f"the database at {location_of(self.url)}"

    def describe(self, error: BaseException) -> str:
        """Return the type and the first line of an error, without the password."""
        text = summary(error)
        return text.replace(self.url.password, "***") if self.url.password else text

    @contextmanager
    def open(self, *, writes: bool = False) -> Iterator[Run]:
        """Connect for a block.

        Args:
            writes: Whether the block changes the database; SQLite then takes the write lock with each transaction.

        Raises:
            MigrationError: The database cannot be reached.
        """
        options: dict[str, Any] = {ACCESS_OPTION: "write"} if writes else {}
        opened = self._open_async(options) if self.url.get_dialect().is_async else self._open(options)
        with opened as run:
            yield run

    @contextmanager
    def _open(self, options: dict[str, Any]) -> Iterator[Run]:
        connection = self._reach(self.maker.make_sync(self.url).execution_options(**options).connect)
        try:
            yield lambda work: work(connection)
        finally:
            connection.close()

    @contextmanager
    def _open_async(self, options: dict[str, Any]) -> Iterator[Run]:
        with asyncio.Runner() as runner:
            engine = self.maker.make_async(self.url).execution_options(**options)
            connection = self._reach(lambda: runner.run(_connect(engine)))
            try:
                yield lambda work: runner.run(connection.run_sync(work))
            finally:
                runner.run(connection.close())

    def _reach(self, connect: Callable[[], T]) -> T:
        try:
            return connect()
        except Exception as error:  # drivers raise what they like here
            raise MigrationError(f"Cannot connect to {self}: {self.describe(error)}") from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Wait until no other process migrates the database, and keep others waiting during a block.

        PostgreSQL and MariaDB have locks for it, on a connection of their own: `CREATE INDEX CONCURRENTLY`
        ends the transaction of a migration. SQLite has none and needs none, see `run_migrations()`.
        """
        take = _LOCKS.get(self.backend)
        if take is None:
            yield
            return
        with self.open() as run:
            if not run(take):
                note(f"Waiting for another process that migrates {self}")
                while not run(take):
                    time.sleep(LOCK_POLL_SECONDS)
            yield


async def _connect(engine: AsyncEngine) -> AsyncConnection:
    return await engine.connect()


def migration_engines(configs: Mapping[str, Any], logger: Logger, label: str) -> EngineMaker:
    """Return what makes engines like those of the application, but for migrations.

    These take as long as they need, use one connection and transactions, and have no foreign keys on SQLite:
    a changed table is a new one there, and dropping the old one would delete the rows that refer to it.

    Args:
        configs: The values of `SqlDatabaseConfigs`.
        logger: The application's logger, for `SHOW_SQL`.
        label: The name of the database in the log.
    """
    own = {"poolclass": NullPool}
    engine_options = {key: value for key, value in configs["ENGINE_OPTIONS"].items() if key not in _NOT_INHERITED}
    sync_options = {key: value for key, value in configs["SYNC_ENGINE_OPTIONS"].items() if key not in _NOT_INHERITED}
    changed = {
        "ENGINE_OPTIONS": {**engine_options, **own},
        "SYNC_ENGINE_OPTIONS": {**sync_options, **own},
        "SQLITE_PRAGMAS": {**configs["SQLITE_PRAGMAS"], "foreign_keys": "OFF"},
        "STATEMENT_TIMEOUT": None,
        "BUSY_TIMEOUT": max(configs["BUSY_TIMEOUT"], BUSY_SECONDS),
    }
    return EngineMaker({**configs, **changed}, logger, label, lambda context: None)


def _take_postgres_lock(connection: Connection) -> bool:
    """Lock until the transaction ends, with it or with the connection, also behind a pooler."""
    key = int.from_bytes(hashlib.sha256(LOCK_NAME.encode()).digest()[:8], signed=True)
    # CREATE INDEX CONCURRENTLY waits for every snapshot: waiting inside of the statement would hold one,
    # and so does the result of a SELECT with some drivers, until the next statement.
    if not connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": key}):
        connection.rollback()
        return False
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    return True


def _take_mysql_lock(connection: Connection) -> bool:
    """Lock until the connection ends; such locks belong to the server, so the name says for which database."""
    database = hashlib.sha256(str(connection.engine.url.database).encode()).hexdigest()[:16]
    return bool(connection.scalar(text("SELECT GET_LOCK(:name, 0)"), {"name": f"{LOCK_NAME}.{database}"}))


_LOCKS: dict[str, Callable[[Connection], bool]] = {
    "postgresql": _take_postgres_lock,
    "mysql": _take_mysql_lock,
    "mariadb": _take_mysql_lock,
}
