"""The configuration of one SQL database."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    AliasChoices,
    BaseModel,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
)

__all__ = ["SqlDatabaseConfigs"]

Word = Annotated[str, Field(pattern=r"^\w+$")]


class SqlDatabaseConfigs(BaseModel):
    """The values of `SQL_DATABASE`; all times are seconds.

    Example:
        SQL_DATABASE = {"DATABASE_URI": "postgresql+asyncpg://app@localhost/app", "POOL_SIZE": 20}
    """

    DATABASE_URI: str | None = None
    SESSION_NAME: str = Field("session", validation_alias=AliasChoices("SESSION_NAME", "DATABASE_SESSION_NAME"))
    NICE_NAME: str | None = None
    #: Whether the application refuses to start without the database.
    REQUIRED: bool = True
    SHOW_SQL: bool = False

    ALEMBIC_MIGRATION_DIR: str = "migrations"
    ALEMBIC_DATABASE_URI_SYNC: str | None = None

    POOL_SIZE: PositiveInt | None = None
    MAX_OVERFLOW: NonNegativeInt | None = None
    #: How long a request waits for a connection before it is answered with 503.
    POOL_TIMEOUT: PositiveFloat = 30
    POOL_RECYCLE: int = 1800
    POOL_PRE_PING: bool = True

    CONNECT_TIMEOUT: PositiveFloat = 10
    #: How long SQLite waits for the lock of another writer.
    BUSY_TIMEOUT: NonNegativeFloat = 5
    #: How long the server works on one statement; PostgreSQL, MariaDB and MySQL (there for queries).
    STATEMENT_TIMEOUT: PositiveFloat | None = None

    #: Further settings of SQLite's connections, such as `{"synchronous": "NORMAL"}`.
    SQLITE_PRAGMAS: dict[Word, int | Word] = Field(default_factory=dict)

    #: Keywords of SQLAlchemy's `create_engine`, over those made from the values above.
    ENGINE_OPTIONS: dict[str, Any] = Field(default_factory=dict)
    #: The same for the synchronous engine of `def` handlers, over `ENGINE_OPTIONS`.
    SYNC_ENGINE_OPTIONS: dict[str, Any] = Field(default_factory=dict)
    #: Keywords of SQLAlchemy's `Session`, such as `{"autoflush": True}`.
    SESSION_OPTIONS: dict[str, Any] = Field(default_factory=dict)

    @field_validator("SESSION_NAME")
    @classmethod
    def _is_parameter_name(cls, name: str) -> str:
        if not name.isidentifier():
            raise ValueError("the name of a parameter is needed, such as 'session'")
        return name
