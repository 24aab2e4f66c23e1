"""One SQL database in one application: its URLs, engines and sessions."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Engine, select
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from patera.exceptions import ConfigurationError, Mistake

from ._access import ACCESS_OPTION, Access
from ._engines import EngineMaker, reading_options
from ._errors import DatabaseUnreachable, mark_origin
from ._guard import GuardedSession
from ._urls import async_url, location_of, named_memory, read_uri, sync_url

if TYPE_CHECKING:
    from loguru import Logger

__all__ = ["SqlState"]

#: What both kinds of session are made with: rows stay readable after the commit, and a closed session stays closed.
_SESSION_OPTIONS = {"expire_on_commit": False, "autoflush": False, "close_resets_only": False}


class SqlState:
    """One database in one application; `SqlDatabase.state` finds it.

    Nothing connects before the first use, and everything can be used again after `disconnect()`.

    Args:
        db_name: The name of the database in the application.
        key: The configuration key of `DATABASE_URI`, for messages.
        configs: The values of `SqlDatabaseConfigs`.
        logger: The application's logger.

    Raises:
        ConfigurationError: The URL is missing or wrong, its driver is unknown or not installed, or
            SQLAlchemy refuses the options.
    """

    def __init__(self, db_name: str, key: str, configs: Mapping[str, Any], logger: Logger) -> None:
        self.db_name = db_name
        self.configs = configs
        self._key = key
        self._lock = threading.Lock()
        self._sync_engines: dict[Access, Engine] = {}
        self._given = named_memory(read_uri(configs["DATABASE_URI"], key), f"patera-{uuid.uuid4().hex}")
        #: The URL of the async engine.
        self.url: URL = async_url(self._given, key)
        self._maker = EngineMaker(configs, logger, db_name, lambda context: mark_origin(context, self))
        self._session_options = {**_SESSION_OPTIONS, **configs["SESSION_OPTIONS"]}
        self._async_engines = self._make_checked()
        #: The name of the parameter that the session decorators fill.
        self.session_name: str = configs["SESSION_NAME"]

    @property
    def location(self) -> str:
        """Where the database is, without user and password."""
        return location_of(self.url)

    @property
    def async_engine(self) -> AsyncEngine:
        """The engine of `async def` handlers."""
        return self._async_engines[None]

    @property
    def sync_engine(self) -> Engine:
        """The engine of `def` handlers, made when it is first asked for."""
        return self.sync_engine_for(None)

    @property
    def sync_url(self) -> URL:
        """The URL of the same database for a synchronous driver.

        Raises:
            MissingExtra: No such driver is installed.
        """
        return sync_url(self._given, self._key, self.configs["ALEMBIC_DATABASE_URI_SYNC"])

    def async_engine_for(self, access: Access) -> AsyncEngine:
        """Return the async engine for what a session does."""
        return self._async_engines[access]

    def sync_engine_for(self, access: Access) -> Engine:
        """Return the synchronous engine for what a session does."""
        with self._lock:
            if not self._sync_engines:
                self._sync_engines = self._make_sync_engines()
            return self._sync_engines[access]

    def make_session(self, *, access: Access = None) -> AsyncSession:
        """Return a new session; the caller closes it.

        Args:
            access: "write" holds SQLite's write lock from the beginning, so that what is read cannot change
                before it is written; "read" is refused every change by the database itself.
        """
        return AsyncSession(self._async_engines[access], sync_session_class=GuardedSession, **self._session_options)

    def make_sync_session(self, *, access: Access = None) -> Session:
        """Return a new synchronous session; the caller closes it.

        Args:
            access: As for `make_session()`.
        """
        return GuardedSession(self.sync_engine_for(access), **self._session_options)

    async def connect(self) -> None:
        """Connect, and ask the database for an answer.

        Raises:
            DatabaseUnreachable: There is none within `CONNECT_TIMEOUT`.
        """
        try:
            async with asyncio.timeout(self.configs["CONNECT_TIMEOUT"]), self.async_engine.connect() as connection:
                await connection.execute(select(1))
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseUnreachable(self.db_name, self.location, self._reason(error)) from error

    async def disconnect(self) -> None:
        """Close all pooled connections."""
        with self._lock:
            sync_engines, self._sync_engines = list(self._sync_engines.values()), {}
        for engine in self._async_engines.values():
            await engine.dispose()
        for sync_engine in sync_engines:
            await asyncio.to_thread(sync_engine.dispose)
        self._maker.release()

    def _make_checked(self) -> dict[Access, AsyncEngine]:
        try:
            engines = self._make_async_engines()
            GuardedSession(None, **self._session_options).close()
            if self.configs["SYNC_ENGINE_OPTIONS"]:
                # Else they are made when a `def` handler needs them: it may have no driver.
                self._sync_engines = self._make_sync_engines()
        except ModuleNotFoundError as error:
            raise ConfigurationError(self._without_driver(error)) from error
        except (ArgumentError, TypeError) as error:
            raise ConfigurationError(self._refused(error)) from error
        return engines

    def _make_async_engines(self) -> dict[Access, AsyncEngine]:
        engine = self._maker.make_async(self.url)
        if engine.dialect.name == "sqlite":
            reading = self._maker.make_async(self.url, is_reading=True)
        else:
            reading = engine.execution_options(**reading_options(engine.dialect))
        return {None: engine, "write": engine.execution_options(**{ACCESS_OPTION: "write"}), "read": reading}

    def _make_sync_engines(self) -> dict[Access, Engine]:
        engine = self._maker.make_sync(self.sync_url)
        if engine.dialect.name == "sqlite":
            reading = self._maker.make_sync(self.sync_url, is_reading=True)
        else:
            reading = engine.execution_options(**reading_options(engine.dialect))
        return {None: engine, "write": engine.execution_options(**{ACCESS_OPTION: "write"}), "read": reading}

    def _without_driver(self, error: ModuleNotFoundError) -> Mistake:
        return Mistake(
            "PAT408",
            self._key,
            f"the package {error.name!r}, which {self.url.drivername!r} needs, is not installed",
            "a driver that is installed",
            f"pip install {error.name}",
        )

    def _refused(self, error: Exception) -> Mistake:
        return Mistake(
            "PAT405",
            self._key,
            f"SQLAlchemy refuses it: {self._masked(str(error))}",
            "keywords that sqlalchemy.create_engine() takes in ENGINE_OPTIONS, and Session() in SESSION_OPTIONS",
            "correct the URL or the one of these that has it",
        )

    def _reason(self, error: BaseException) -> str:
        cause = getattr(error, "orig", None) or error
        text = self._masked(" ".join(str(cause).split()))
        return f"{type(cause).__name__}: {text}" if text else type(cause).__name__

    def _masked(self, text: str) -> str:
        """Return a text of a driver without the password, should it repeat it."""
        password = self.url.password
        return text.replace(password, "***") if password else text
