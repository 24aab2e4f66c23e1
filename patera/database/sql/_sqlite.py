"""What every SQLite connection is set to, and how its transactions begin."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import aiosqlite
from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.pool import PoolResetState
from sqlalchemy.util.concurrency import await_

from ._access import access_of, is_autocommit

__all__ = ["MemoryAnchor", "open_sqlite", "prepare_sqlite", "skip_idle_rollbacks", "wait_for_tables"]

#: Result codes of SQLite; the lower byte of an extended code is its family.
_BUSY, _READONLY = 5, 8
_LOCKED_SHARED_CACHE = 262
#: Seconds between two attempts to use a table that another connection to a database in memory has locked.
_PAUSE = 0.005


async def open_sqlite(*args: Any, **kwargs: Any) -> aiosqlite.Connection:
    """Open a connection of aiosqlite, and end its thread first where that fails.

    The thread reports to the event loop once more, which may be closed by then.

    Args:
        *args: What `aiosqlite.connect()` takes.
        **kwargs: The same by name.
    """
    connection = aiosqlite.connect(*args, **kwargs)
    # Before aiosqlite 0.22 the connection itself is the thread.
    thread: Any = getattr(connection, "_thread", connection)
    thread.daemon = True
    try:
        return await connection
    except BaseException:
        await asyncio.to_thread(thread.join)
        raise


def prepare_sqlite(engine: Engine, pragmas: Mapping[str, Any], *, is_autocommitting: bool) -> None:
    """Set the pragmas on each new connection, and let SQLAlchemy's transactions be those of SQLite.

    The driver of its own begins a transaction only before the first change: what was read before would
    not belong to it, and neither would schema changes and savepoints. So the driver is told to begin
    none, and each transaction of SQLAlchemy begins with a statement (the recipe of SQLAlchemy's
    documentation of SQLite).

    Args:
        engine: The engine, or the synchronous part of an async one.
        pragmas: Values by name.
        is_autocommitting: Whether each statement stands for itself, so that nothing has to begin.
    """

    def set_up(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for name, value in pragmas.items():
            _set_pragma(cursor, name, value)
        cursor.close()

    def begin(connection: Connection) -> None:
        if not is_autocommit(connection):
            connection.exec_driver_sql("BEGIN IMMEDIATE" if access_of(connection) == "write" else "BEGIN")

    event.listen(engine, "connect", set_up)
    if not is_autocommitting:
        event.listen(engine, "begin", begin)
        event.listen(engine, "reset", _end_transaction)


def _end_transaction(connection: Any, record: Any, state: PoolResetState) -> None:
    """Roll back what is left open: a commit that SQLite refuses ends no transaction, though SQLAlchemy takes it so."""
    if state.asyncio_safe and _is_in_transaction(connection):
        connection.rollback()


def skip_idle_rollbacks(engine: Engine) -> None:
    """Roll back only where there is something: each step of the driver is a visit to another thread.

    SQLAlchemy rolls back when a session ends and again when its connection returns to the pool. The driver
    does nothing then without a transaction, and a session that only reads has none.

    Args:
        engine: The engine, or the synchronous part of an async one.
    """
    dialect: Any = engine.dialect
    rollback = dialect.do_rollback

    def run(connection: Any) -> None:
        if _is_in_transaction(connection):
            rollback(connection)

    dialect.do_rollback = run


def _is_in_transaction(connection: Any) -> bool:
    driver_connection = getattr(connection, "driver_connection", connection)
    try:
        return bool(driver_connection.in_transaction)
    except ValueError:
        # A connection of aiosqlite that was closed; the attempt says so.
        return True


def wait_for_tables(engine: Engine, seconds: float) -> None:
    """Let statements wait for a table that another connection to a database in memory has locked.

    SQLite waits by itself for the lock of a file, and fails at once for the lock of a shared table.

    Args:
        engine: The engine, or the synchronous part of an async one.
        seconds: How long to wait.
    """

    def execute(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
        _attempt(lambda: cursor.execute(statement, parameters))
        return True

    def execute_many(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
        _attempt(lambda: cursor.executemany(statement, parameters))
        return True

    def _attempt(execute: Callable[[], Any]) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                execute()
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != _LOCKED_SHARED_CACHE or time.monotonic() >= deadline:
                    raise
            if engine.dialect.is_async:
                await_(asyncio.sleep(_PAUSE))
            else:
                time.sleep(_PAUSE)

    # What returns True has executed the statement.
    event.listen(engine, "do_execute", execute)
    event.listen(engine, "do_executemany", execute_many)


class MemoryAnchor:
    """One connection that keeps a named database in memory alive from its first use until it is released.

    Args:
        url: A URL of a shared database in memory.
    """

    def __init__(self, url: URL) -> None:
        self._uri = f"{url.database}?mode=memory&cache=shared"
        self._lock = threading.Lock()
        self._close: weakref.finalize[..., MemoryAnchor] | None = None

    def hold_with(self, engine: Engine) -> None:
        """Hold the database as soon as the engine connects."""
        event.listen(engine, "do_connect", self._hold)

    def release(self) -> None:
        """Close the connection; the next use holds the database again."""
        with self._lock:
            if self._close is not None:
                self._close()
            self._close = None

    def _hold(self, *connecting: Any) -> None:
        with self._lock:
            if self._close is None:
                connection = sqlite3.connect(self._uri, uri=True, check_same_thread=False)
                self._close = weakref.finalize(self, connection.close)


def _set_pragma(cursor: Any, name: str, value: Any) -> None:
    try:
        cursor.execute(f"PRAGMA {name}={value}")
    except sqlite3.OperationalError as error:
        # The journal mode is the file's: whoever has it locked sets it too, and one for reading only keeps its own.
        if name != "journal_mode" or error.sqlite_errorcode & 0xFF not in (_BUSY, _READONLY):
            raise
