"""SQLAlchemy's engines of one database: asynchronous and synchronous, for writing and for reading only."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool, QueuePool

from ._access import ACCESS_OPTION, access_of, is_autocommit
from ._shield import shield_ends
from ._sqlite import MemoryAnchor, open_sqlite, prepare_sqlite, skip_idle_rollbacks, wait_for_tables
from ._statements import log_statements
from ._urls import is_shared_memory
from ._waiting import limit_waiting

if TYPE_CHECKING:
    from loguru import Logger

__all__ = ["EngineMaker", "reading_options"]

#: Keywords of `create_engine` that fit one driver only, so that the synchronous engine does not inherit them.
_OF_ONE_DRIVER = {"async_creator", "connect_args", "creator", "module", "pool", "poolclass"}
#: What makes a transaction one for reading, as its first statement.
_BEGIN_READING = {
    "mysql": "START TRANSACTION READ ONLY",
    "mariadb": "START TRANSACTION READ ONLY",
    "postgresql": "SET TRANSACTION READ ONLY",
}
_OF_QUEUES = {"max_overflow", "pool_size", "pool_timeout", "pool_use_lifo"}


class EngineMaker:
    """Makes the engines of one database in one application.

    Args:
        configs: The values of `SqlDatabaseConfigs`.
        logger: The application's logger, for `SHOW_SQL`.
        label: The name of the database in the log.
        on_error: Called with each error of the engines before it is raised.
    """

    def __init__(
        self,
        configs: Mapping[str, Any],
        logger: Logger,
        label: str,
        on_error: Callable[[ExceptionContext], None],
    ) -> None:
        self._configs = configs
        self._logger = logger
        self._label = label
        self._on_error = on_error
        self._anchors: dict[str | None, MemoryAnchor] = {}

    def make_async(self, url: URL, *, is_reading: bool = False) -> AsyncEngine:
        """Return an async engine; it connects when it is first used.

        Args:
            url: A URL with an async driver.
            is_reading: Whether SQLite refuses every change on its connections.
        """
        options = self._options(url, {"poolclass": AsyncAdaptedQueuePool}, self._configs["ENGINE_OPTIONS"])
        engine = create_async_engine(_without_arguments(url), **options)
        self._prepare(engine.sync_engine, options, is_reading=is_reading)
        # Its listener connects by itself: those that come after it are not asked.
        limit_waiting(engine.sync_engine, self._configs["CONNECT_TIMEOUT"])
        shield_ends(engine.sync_engine)
        # Around the shield, which makes a task.
        if engine.dialect.name == "sqlite":
            skip_idle_rollbacks(engine.sync_engine)
        return engine

    def make_sync(self, url: URL, *, is_reading: bool = False) -> Engine:
        """Return a synchronous engine; it connects when it is first used.

        Args:
            url: A URL with a synchronous driver.
            is_reading: Whether SQLite refuses every change on its connections.
        """
        given = self._configs["ENGINE_OPTIONS"]
        shared = {key: value for key, value in given.items() if key not in _OF_ONE_DRIVER or value is NullPool}
        options = self._options(url, {"poolclass": QueuePool}, {**shared, **self._configs["SYNC_ENGINE_OPTIONS"]})
        engine = create_engine(_without_arguments(url), **options)
        self._prepare(engine, options, is_reading=is_reading)
        return engine

    def release(self) -> None:
        """Let go of databases in memory; their data ends with the last connection."""
        for anchor in self._anchors.values():
            anchor.release()

    def _options(self, url: URL, first: dict[str, Any], last: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keywords of `create_engine`: those of the configuration between `first` and `last`."""
        configs = self._configs
        options = {
            **first,
            **_pool_size(url, configs),
            "pool_timeout": configs["POOL_TIMEOUT"],
            "pool_recycle": configs["POOL_RECYCLE"],
            # A file has no connection that could be lost, and the question costs as much as a query.
            "pool_pre_ping": configs["POOL_PRE_PING"] and url.get_backend_name() != "sqlite",
            # The values of a statement are those of the users; errors are logged.
            "hide_parameters": True,
            **last,
            "connect_args": {**_driver_arguments(url, configs), **last.get("connect_args", {})},
        }
        unfit: set[str] = set()
        if "pool" in options:
            unfit = {key for key in options if key.startswith("pool") and key != "pool"}
        elif not issubclass(options["poolclass"], QueuePool):
            unfit = _OF_QUEUES
        return {key: value for key, value in options.items() if key not in unfit and value is not None}

    def _prepare(self, engine: Engine, options: Mapping[str, Any], *, is_reading: bool) -> None:
        backend = engine.dialect.name
        event.listen(engine, "handle_error", self._on_error)
        if backend == "sqlite":
            pragmas = self._pragmas(engine.url, is_reading=is_reading)
            is_autocommitting = is_reading or options.get("isolation_level") == "AUTOCOMMIT"
            prepare_sqlite(engine, pragmas, is_autocommitting=is_autocommitting)
            if is_shared_memory(engine.url):
                wait_for_tables(engine, self._configs["BUSY_TIMEOUT"])
                self._anchors.setdefault(engine.url.database, MemoryAnchor(engine.url)).hold_with(engine)
        if backend in _BEGIN_READING:
            event.listen(engine, "begin", _begin_reading)
        if self._configs["SHOW_SQL"]:
            log_statements(engine, self._logger, self._label)

    def _pragmas(self, url: URL, *, is_reading: bool) -> dict[str, Any]:
        kind = {} if is_shared_memory(url) else {"journal_mode": "WAL"}
        pragmas = {"foreign_keys": "ON", **kind, **self._configs["SQLITE_PRAGMAS"]}
        return {**pragmas, "query_only": "ON"} if is_reading else pragmas


def _pool_size(url: URL, configs: Mapping[str, Any]) -> dict[str, int | None]:
    """Return how many connections are kept, and how many come beyond them; None is what SQLAlchemy has, 5 and 10.

    Of those beyond, every one that comes back to a full pool is closed, though others wait for it. Connections
    of SQLite cost nobody else anything, so there all fifteen are kept.
    """
    size, overflow = configs["POOL_SIZE"], configs["MAX_OVERFLOW"]
    if url.get_backend_name() == "sqlite" and size is overflow is None:
        size, overflow = 15, 0
    return {"pool_size": size, "max_overflow": overflow}


def reading_options(dialect: Dialect) -> dict[str, Any]:
    """Return the execution options of an engine whose transactions are refused every change.

    asyncpg and the synchronous psycopg begin such a transaction by themselves. With the asynchronous one
    SQLAlchemy would wait for that while it checks a connection out, and lose the connection if the
    task is cancelled there; so its transactions begin with a statement, as those of MariaDB do.

    Args:
        dialect: The dialect of the engine.
    """
    if dialect.name == "postgresql" and not (dialect.is_async and dialect.driver.startswith("psycopg")):
        return {"postgresql_readonly": True}
    return {ACCESS_OPTION: "read"}


def _begin_reading(connection: Connection) -> None:
    if access_of(connection) == "read" and not is_autocommit(connection):
        connection.exec_driver_sql(_BEGIN_READING[connection.dialect.name])


def _driver_arguments(url: URL, configs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the driver of the URL is told about time limits and the like."""
    make = _ARGUMENTS.get(url.get_driver_name().removesuffix("_async"))
    return make(url, configs) if make is not None else {}


def _sqlite_arguments(url: URL, configs: Mapping[str, Any]) -> dict[str, Any]:
    # A connection serves one task or thread at a time; the pool hands it from one to the next.
    return {"timeout": configs["BUSY_TIMEOUT"], "check_same_thread": False}


def _aiosqlite_arguments(url: URL, configs: Mapping[str, Any]) -> dict[str, Any]:
    return {**_sqlite_arguments(url, configs), "async_creator_fn": open_sqlite}


def _asyncpg_arguments(url: URL, configs: Mapping[str, Any]) -> dict[str, Any]:
    settings = {"application_name": url.query["application_name"]} if "application_name" in url.query else {}
    if configs["STATEMENT_TIMEOUT"] is not None:
        settings["statement_timeout"] = str(_milliseconds(configs["STATEMENT_TIMEOUT"]))
    return {"timeout": configs["CONNECT_TIMEOUT"], "server_settings": settings}


def _psycopg_arguments(url: URL, configs: Mapping[str, Any]) -> dict[str, Any]:
    seconds = configs["CONNECT_TIMEOUT"]
    # A server behind a broken network acknowledges nothing; the system would wait for many minutes.
    arguments: dict[str, Any] = {"connect_timeout": math.ceil(seconds), "tcp_user_timeout": _milliseconds(seconds)}
    if configs["STATEMENT_TIMEOUT"] is not None:
        limit = f"-c statement_timeout={_milliseconds(configs['STATEMENT_TIMEOUT'])}"
        arguments["options"] = f"{url.query.get('options', '')} {limit}".strip()
    return arguments


def _mysql_arguments(url: URL, configs: Mapping[str, Any]) -> dict[str, Any]:
    arguments: dict[str, Any] = {"connect_timeout": math.ceil(configs["CONNECT_TIMEOUT"])}
    limit = configs["STATEMENT_TIMEOUT"]
    if limit is not None:
        # Only MariaDB reads the first comment, in seconds, and only MySQL the second one.
        both = f"/*M! max_statement_time={limit:g} */ /*!80000 max_execution_time={_milliseconds(limit)} */"
        arguments["init_command"] = f"SET {both}"
    return arguments


_ARGUMENTS = {
    "aiosqlite": _aiosqlite_arguments,
    "pysqlite": _sqlite_arguments,
    "asyncpg": _asyncpg_arguments,
    "psycopg": _psycopg_arguments,
    "psycopg2": _psycopg_arguments,
    "aiomysql": _mysql_arguments,
    "asyncmy": _mysql_arguments,
    "pymysql": _mysql_arguments,
}


def _without_arguments(url: URL) -> URL:
    """Return the URL without the parameters that its driver takes another way."""
    names = ["application_name"] if url.get_driver_name() == "asyncpg" else []
    return url.difference_update_query(names)


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
