"""Types of the config dicts of the built-in extensions, for annotations in a config class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

# Pydantic drops unknown keys of a typed dict; the extension has to see them, to name the mistake.
_KEEP_UNKNOWN = ConfigDict(extra="allow", arbitrary_types_allowed=True)


@with_config(_KEEP_UNKNOWN)
class SqlDatabaseConfig(TypedDict, total=False):
    """`SQL_DATABASE`: one SQL database and its migrations; all times are seconds.

    Example:
        SQL_DATABASE: SqlDatabaseConfig = {"DATABASE_URI": "sqlite+aiosqlite:///./test.db"}
    """

    DATABASE_URI: str
    SESSION_NAME: str
    DATABASE_SESSION_NAME: str
    SHOW_SQL: bool
    ALEMBIC_MIGRATION_DIR: str
    ALEMBIC_DATABASE_URI_SYNC: str
    NICE_NAME: str
    REQUIRED: bool
    POOL_SIZE: int
    MAX_OVERFLOW: int
    POOL_TIMEOUT: float
    POOL_RECYCLE: int
    POOL_PRE_PING: bool
    CONNECT_TIMEOUT: float
    BUSY_TIMEOUT: float
    STATEMENT_TIMEOUT: float
    SQLITE_PRAGMAS: dict[str, str | int]
    ENGINE_OPTIONS: dict[str, Any]
    SYNC_ENGINE_OPTIONS: dict[str, Any]
    SESSION_OPTIONS: dict[str, Any]


@with_config(_KEEP_UNKNOWN)
class NoSqlDatabaseConfig(TypedDict, total=False):
    """`NOSQL_DATABASE`: one document database; `BACKEND` is a backend class."""

    BACKEND: Any
    DATABASE_URI: str
    DATABASE: str | None
    DATABASE_NAME: str | None
    DB_INJECT_NAME: str
    INJECT_NAME: str
    SESSION_NAME: str
    NICE_NAME: str
    REQUIRED: bool


@with_config(_KEEP_UNKNOWN)
class AuthConfig(TypedDict, total=False):
    """`AUTHENTICATION`: messages, the login page, lifetimes in seconds, and how tokens are signed."""

    AUTHENTICATION_ERROR_MESSAGE: str
    AUTHENTICATION_ERROR_MSG: str
    UNAUTHORIZED_ERROR_MESSAGE: str
    UNAUTHORIZED_ERROR_MSG: str
    AUTHORIZATION_ERROR_MSG: str
    PERMISSION_ERROR_MESSAGE: str
    LOGIN_URL: str | None
    REALM: str | None
    SIGNED_COOKIE_LIFETIME: int | None
    REMEMBER_COOKIE_NAME: str
    REMEMBER_LIFETIME: int
    JWT_SECRET_KEY: str | list[str] | None
    JWT_ALGORITHM: str
    JWT_ISSUER: str | None
    JWT_AUDIENCE: str | None
    JWT_LEEWAY: int
    JWT_ACCESS_LIFETIME: int
    JWT_REFRESH_LIFETIME: int


@with_config(_KEEP_UNKNOWN)
class TaskManagerConfig(TypedDict, total=False):
    """`TASK_MANAGER`: stores, executors and class of the scheduler."""

    JOB_STORES: Mapping[str, Any]
    EXECUTORS: Mapping[str, Any]
    JOB_DEFAULTS: Mapping[str, Any]
    DAEMON: bool
    SCHEDULER: Any
    NICE_NAME: str


@with_config(_KEEP_UNKNOWN)
class CacheConfig(TypedDict, total=False):
    """`CACHE`: the backend class, or its short name, and its options; durations in seconds."""

    BACKEND: Any
    DURATION: int
    REDIS_URL: str
    REDIS_PASSWORD: str | None
    KEY_PREFIX: str | None
    SQLITE_PATH: str
    SQLITE_TABLE: str
    SQLITE_WAL_CHECKPOINT_MODE: str
    SQLITE_WAL_CHECKPOINT_EVERY: int
    MEMORY_MAXSIZE: int
    NICE_NAME: str
    REQUIRED: bool


@with_config(_KEEP_UNKNOWN)
class AiConfig(TypedDict, total=False):
    """`AI_INTERFACE`: access to an OpenAI-compatible API; the timeout in seconds."""

    API_KEY: str
    API_BASE_URL: str
    ORGANIZATION_ID: str | None
    PROJECT_ID: str | None
    TIMEOUT: float
    MODEL: str
    TEMPERATURE: float
    RESPONSE_FORMAT: dict[str, Any] | None
    TOOL_CHOICE: bool
    MAX_RETRIES: int
    CHAT_CONTEXT_NAME: str


@with_config(_KEEP_UNKNOWN)
class EmailConfig(TypedDict, total=False):
    """`EMAIL_CLIENT`: the SMTP server and the sender."""

    SENDER_NAME_OR_ADDRESS: str
    SMTP_SERVER: str
    SMTP_PORT: int
    USERNAME: str | None
    PASSWORD: str | None
    USE_TLS: bool
    USE_SSL: bool
    NICE_NAME: str


@with_config(_KEEP_UNKNOWN)
class AdminConfig(TypedDict, total=False):
    """`ADMIN_DASHBOARD`: where the dashboard is, and the endpoints for login and logout."""

    DASHBOARD_URL: str
    LOGO_URL: str | None
    URL_FOR_FOR_LOGIN: str
    URL_FOR_FOR_LOGOUT: str
    URL_FOR_FOR_PASSWORD_RESET: str | None
    USE_REMEMBER_ME: bool


@with_config(_KEEP_UNKNOWN)
class StateMachineConfig(TypedDict, total=False):
    """`STATE_MACHINE`: the URL of the transitions, and the model of their data."""

    API_URL: str
    INCLUDE_OPEN_API: bool
    USE_AUTH: bool
    TRANSITION_DATA: Any
