"""`SqlDatabase`: the extension that gives an application a SQL database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel
from sqlalchemy import Engine, Executable, RowMapping, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from patera.exceptions import BaseHttpException, Mistake
from patera.extension import BaseExtension

from . import _overview
from ._configs import SqlDatabaseConfigs
from ._errors import DatabaseUnreachable, answer_to, explain_late_reading
from ._mistakes import database_mistakes, models_of
from ._sessions import ManagedSession, ReadonlySession, Transactional
from ._state import SqlState

if TYPE_CHECKING:
    from patera.application import Patera
    from patera.request import Request

__all__ = ["SqlDatabase", "SqlState"]

#: How one of the documents spells the key.
_MISSPELT_KEY = "SQL_DATADATE"


class SqlDatabase(BaseExtension):
    """A SQL database on SQLAlchemy: engines, sessions, and answers to its errors.

    Several in one application differ in all three: `db_name`, `configs_name` and `SESSION_NAME`.

    Example:
        db = SqlDatabase()                          # reads SQL_DATABASE = {"DATABASE_URI": ...}
        archive = SqlDatabase("archive", "ARCHIVE_DATABASE")

        @get("/")
        @db.readonly_session
        async def index(self, req: Request, session: AsyncSession) -> Response: ...

    Args:
        db_name: The name that models refer to: `create_declarative_base("archive")`.
        configs_name: Name of the config dict.
        variable_prefix: What stands before that name, and before flat keys.
    """

    default_configs_name: ClassVar[str | None] = "SQL_DATABASE"
    configs_model: ClassVar[type[BaseModel] | None] = SqlDatabaseConfigs

    def __init__(self, db_name: str = "db", configs_name: str = "SQL_DATABASE", *, variable_prefix: str = "") -> None:
        super().__init__(configs_name=configs_name, variable_prefix=variable_prefix)
        self._db_name = db_name

    @property
    def db_name(self) -> str:
        """The name that models refer to."""
        return self._db_name

    @property
    def session_name(self) -> str:
        """The name of the parameter that the session decorators fill."""
        name: str = self.configs["SESSION_NAME"]
        return name

    @property
    def db_uri(self) -> str:
        """The URL of the async engine, with the password: not for logs."""
        return self._sql_state.url.render_as_string(hide_password=False)

    @property
    def engine(self) -> AsyncEngine:
        """SQLAlchemy's engine; it connects when it is first used."""
        return self._sql_state.async_engine

    @property
    def sync_engine(self) -> Engine:
        """The synchronous engine of `def` handlers, for the same database.

        Raises:
            MissingExtra: No synchronous driver of the database is installed.
        """
        return self._sql_state.sync_engine

    @property
    def models_list(self) -> list[Any]:
        """The classes of `MODELS` that belong to this database."""
        return models_of(self.app, self.db_name)

    @cached_property
    def managed_session(self) -> ManagedSession:
        """Decorator: a session that commits when the method succeeds, and else rolls back."""
        return ManagedSession(self)

    @property
    def managed_session_for_cli(self) -> ManagedSession:
        """The same as `managed_session`, which works on commands too."""
        return self.managed_session

    @cached_property
    def readonly_session(self) -> ReadonlySession:
        """Decorator: a session in which nothing can be written."""
        return ReadonlySession(self)

    @cached_property
    def transactional(self) -> Transactional:
        """Decorator: `managed_session` without a parameter; queries find the session by themselves."""
        return Transactional(self)

    def create_session(self) -> AsyncSession:
        """Return a new session, which the caller commits and closes; the decorators do both by themselves.

        Example:
            async with db.create_session() as session:
                session.add(User(fullname="Ada"))
                await session.commit()

        Raises:
            RuntimeError: The database belongs to no application yet.
        """
        return self._sql_state.make_session()

    def create_sync_session(self) -> Session:
        """Return a new synchronous session, which the caller commits and closes.

        Raises:
            RuntimeError: The database belongs to no application yet.
            MissingExtra: No synchronous driver of the database is installed.
        """
        return self._sql_state.make_sync_session()

    async def connect(self) -> None:
        """Connect now instead of at the first use; the startup does this.

        Raises:
            DatabaseUnreachable: The database does not answer within `CONNECT_TIMEOUT`.
        """
        await self._sql_state.connect()

    async def disconnect(self) -> None:
        """Close all connections; the next use connects again."""
        await self._sql_state.disconnect()

    async def execute_raw(
        self,
        statement: str | Executable,
        parameters: Mapping[str, Any] | None = None,
        *,
        as_transaction: bool = False,
    ) -> list[RowMapping]:
        """Execute a statement on a connection of its own, and return its rows.

        Example:
            rows = await db.execute_raw("SELECT name FROM users WHERE age > :age", {"age": 30})

        Args:
            statement: SQL, or a statement of SQLAlchemy.
            parameters: Values by name; never put them into the text.
            as_transaction: Whether to commit; otherwise what the statement changes is rolled back.

        Returns:
            The rows as mappings; nothing for a statement without rows.
        """
        executable = text(statement) if isinstance(statement, str) else statement
        engine = self._sql_state.async_engine_for("write" if as_transaction else None)
        async with engine.connect() as connection:
            result = await connection.execute(executable, parameters)
            rows = list(result.mappings()) if result.returns_rows else []
            if as_transaction:
                await connection.commit()
        return rows

    async def count_tables(self, schema: str | None = None) -> int:
        """Return the number of tables, without views.

        Args:
            schema: The schema; None for the default one.
        """
        return await _overview.count_tables(self.engine, schema)

    async def count_rows_exact(self, schema: str | None = None) -> tuple[dict[str, int], int]:
        """Return the number of rows of each table, and their sum; every table is read.

        Args:
            schema: The schema; None for the default one.
        """
        return await _overview.count_rows_exact(self.engine, schema)

    async def collect_db_overview(self, schema: str | None = None, with_extras: bool = True) -> dict[str, Any]:
        """Return the tables and the number of their rows, as plain data for people to read.

        Args:
            schema: The schema; None for the default one.
            with_extras: Whether to add views, columns, indexes and foreign keys, and the server's version.
        """
        overview = await _overview.collect_db_overview(self.engine, schema, with_extras=with_extras)
        return {"db_name": self.db_name, "nice_name": self.nice_name or self.db_name, **overview}

    def init_app(self, app: Patera) -> SqlState:
        """Make the engines, which connect later, and return the state.

        Raises:
            ConfigurationError: `DATABASE_URI` is missing or wrong, or its driver is not installed.
        """
        return SqlState(self.db_name, f"{self.configs_key}['DATABASE_URI']", self.configs, app.logger)

    async def startup(self, app: Patera) -> None:
        """Connect.

        Raises:
            DatabaseUnreachable: There is no answer, and the database is `REQUIRED`.
        """
        state: SqlState = app.extension_states[self]
        if self._is_misspelt(app.configs):
            app.logger.warning("The configuration has {}, which is taken as {}", _MISSPELT_KEY, self.configs_key)
        try:
            await state.connect()
        except DatabaseUnreachable as error:
            await state.disconnect()
            if state.configs["REQUIRED"]:
                raise
            app.logger.error("{}; requests that need it are answered with 503 until it is back", error)

    async def shutdown(self, app: Patera) -> None:
        """Close all connections."""
        state: SqlState = app.extension_states[self]
        await state.disconnect()

    def mistakes(self, app: Patera) -> Sequence[Mistake]:
        """Refuse two databases of one name, and models of a database that the application does not have."""
        return database_mistakes(app)

    def translate_error(self, error: Exception, request: Request) -> BaseHttpException | None:
        """Answer conflicts with 409, unacceptable values with 400, and a database that is away or busy with 503."""
        explain_late_reading(error)
        return answer_to(error, request.app.extension_states.get(self))

    def read_configs(self, configs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of this database; `SQL_DATADATE` is taken where `SQL_DATABASE` is missing."""
        if self._is_misspelt(configs):
            configs = {**configs, self.configs_key: configs[_MISSPELT_KEY]}
        return super().read_configs(configs)

    def claimed_keys(self, configs: Mapping[str, Any]) -> set[str]:
        """Return the configuration keys of this database."""
        misspelt = {_MISSPELT_KEY} if self._is_misspelt(configs) else set()
        return super().claimed_keys(configs) | misspelt

    @property
    def _sql_state(self) -> SqlState:
        state: SqlState = self.state
        return state

    def _is_misspelt(self, configs: Mapping[str, Any]) -> bool:
        return self.configs_key == "SQL_DATABASE" and "SQL_DATABASE" not in configs and _MISSPELT_KEY in configs
