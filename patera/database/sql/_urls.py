"""Database URLs: which driver serves which side, and how a URL is shown to people."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from patera._imports import require
from patera.exceptions import ConfigurationError, Mistake, closest

__all__ = ["async_url", "is_shared_memory", "location_of", "named_memory", "read_uri", "sync_url"]


@dataclass(frozen=True, slots=True)
class _Driver:
    """A driver: its name behind the `+`, the package to import, the extra that installs it."""

    name: str
    package: str
    extra: str


_POSTGRES = (_Driver("asyncpg", "asyncpg", "postgres"), _Driver("psycopg", "psycopg", "postgres"))
# aiomysql comes first because it brings PyMySQL, which serves the synchronous side.
_MYSQL = (_Driver("aiomysql", "aiomysql", "mysql"), _Driver("asyncmy", "asyncmy", "mysql"))

#: Drivers by kind of database; of those for one side the first that is installed is used.
_ASYNC = {
    "sqlite": (_Driver("aiosqlite", "aiosqlite", "database"),),
    "postgresql": (*_POSTGRES, _Driver("psycopg_async", "psycopg", "postgres")),
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
}
_MYSQL_SYNC = (
    _Driver("pymysql", "pymysql", "mysql"),
    _Driver("mysqldb", "MySQLdb", "mysql"),
    _Driver("mariadbconnector", "mariadb", "mysql"),
    _Driver("mysqlconnector", "mysql.connector", "mysql"),
)
_SYNC = {
    "sqlite": (_Driver("pysqlite", "sqlite3", "database"),),
    "postgresql": (_POSTGRES[1], _Driver("psycopg2", "psycopg2", "postgres"), _Driver("pg8000", "pg8000", "postgres")),
    "mysql": _MYSQL_SYNC,
    "mariadb": _MYSQL_SYNC,
}
_EXTRAS = {"sqlite": "database", "postgresql": "postgres", "mysql": "mysql", "mariadb": "mysql"}

#: What a driver calls the URL parameters of another one; None where it knows no such parameter.
_ASYNCPG_NAMES: Mapping[str, str | None] = {
    "sslmode": "ssl",
    "channel_binding": None,
    "gssencmode": None,
    "connect_timeout": None,
}
_LIBPQ_NAMES: Mapping[str, str | None] = {
    "ssl": "sslmode",
    "prepared_statement_cache_size": None,
    "prepared_statement_name_func": None,
    "statement_cache_size": None,
    "max_cached_statement_lifetime": None,
    "max_cacheable_statement_size": None,
    "command_timeout": None,
    "timeout": None,
}

_NAMES: Mapping[str, Mapping[str, str | None]] = {
    "asyncpg": _ASYNCPG_NAMES,
    "psycopg": _LIBPQ_NAMES,
    "psycopg_async": _LIBPQ_NAMES,
    "psycopg2": _LIBPQ_NAMES,
    "aiomysql": {"read_timeout": None, "write_timeout": None},
}


def read_uri(uri: str | None, key: str) -> URL:
    """Return a `DATABASE_URI` as SQLAlchemy's URL; `postgres://` is taken as `postgresql://`.

    Example:
        read_uri("postgres://app@localhost/app", "SQL_DATABASE['DATABASE_URI']")

    Args:
        uri: The text of the configuration.
        key: Where it stands, for messages.

    Raises:
        ConfigurationError: There is none, or it is no URL.
    """
    if not uri or not uri.strip():
        examples = "'sqlite+aiosqlite:///./test.db', 'postgresql+asyncpg://user:password@localhost/name'"
        raise ConfigurationError(Mistake("PAT401", key, "no value", f"a URL such as {examples}", "add it"))
    try:
        url = make_url(uri.strip())
    except (ArgumentError, ValueError):
        # Neither the text nor the parser's words are repeated: they may hold a password.
        raise ConfigurationError(_malformed(key)) from None
    backend, plus, driver = url.drivername.partition("+")
    if backend != "sqlite" and "@" in f"{url.host}{url.database}":
        # The rest of a password: what is taken for host and database is shown to people.
        raise ConfigurationError(_malformed(key))
    if backend == "sqlite" and url.host:
        raise ConfigurationError(_malformed(key, "sqlite:///name.db, with three slashes, or four for an absolute path"))
    return url.set(drivername=f"postgresql{plus}{driver}") if backend == "postgres" else url


def async_url(url: URL, key: str) -> URL:
    """Return the URL with an async driver; where the given one is synchronous, another of the same database.

    Args:
        url: What `read_uri()` returned.
        key: Where it stands, for messages.

    Raises:
        ConfigurationError: There is no such database or driver, or its package is not installed.
    """
    backend, _, name = url.drivername.partition("+")
    if backend not in _ASYNC:
        return _foreign_async(url, key)
    drivers = {driver.name: driver for driver in _ASYNC[backend]}
    if name in drivers:
        driver = drivers[name]
    elif not name or name in {driver.name for driver in _SYNC[backend]}:
        driver = _installed(_ASYNC[backend])
    else:
        raise ConfigurationError(_unknown(url, key))
    require(driver.package, driver.extra, f"{key} ({backend}+{driver.name})")
    return _with_driver(url, driver)


def sync_url(url: URL, key: str, fallback: str | None = None) -> URL:
    """Return the URL of the same database for a synchronous driver.

    Args:
        url: What `read_uri()` returned.
        key: Where it stands, for messages.
        fallback: A URL for databases that are not known here, such as `ALEMBIC_DATABASE_URI_SYNC`.

    Raises:
        MissingExtra: No synchronous driver of the database is installed.
        ConfigurationError: The database is not known here, and there is no fallback.
    """
    backend, _, name = url.drivername.partition("+")
    if backend not in _SYNC:
        return _foreign_sync(url, key, fallback)
    drivers = {driver.name: driver for driver in _SYNC[backend]}
    driver = drivers.get(name.removesuffix("_async")) or _installed(_SYNC[backend])
    require(driver.package, driver.extra, f"the synchronous side of {key}, for `def` handlers and migrations")
    return _with_driver(url, driver)


def is_shared_memory(url: URL) -> bool:
    """Whether a URL names an SQLite database in memory which connections of one process share."""
    return url.query.get("mode") == "memory" and url.query.get("cache") == "shared"


def named_memory(url: URL, name: str) -> URL:
    """Return a URL of `:memory:` as one with a name, so that every connection sees the same data; others unchanged.

    Args:
        url: Any URL.
        name: The name, one for each application and database.
    """
    database = url.database or ""
    is_nameless = database in ("", ":memory:") or database.startswith("file::memory:")
    is_memory = is_nameless or url.query.get("mode") == "memory"
    if url.get_backend_name() != "sqlite" or not is_memory:
        return url
    if is_shared_memory(url) and not is_nameless:
        return url
    return url.set(database=f"file:{name}", query={"mode": "memory", "cache": "shared", "uri": "true"})


def location_of(url: URL) -> str:
    """Return where a database is, without its user and password: `localhost:5432/app`, or a file's path."""
    if url.get_backend_name() == "sqlite":
        file = (url.database or "").removeprefix("file:")
        return "memory" if is_shared_memory(url) else os.path.abspath(file)
    hosts = url.query.get("host")
    host = url.host or (hosts if isinstance(hosts, str) else ",".join(hosts or ())) or "localhost"
    return f"{host}{f':{url.port}' if url.port else ''}/{url.database or ''}"


def _installed(drivers: tuple[_Driver, ...]) -> _Driver:
    """Return the first driver that is installed; else the first, whose absence is reported."""
    return next((driver for driver in drivers if find_spec(driver.package.partition(".")[0])), drivers[0])


def _with_driver(url: URL, driver: _Driver) -> URL:
    backend = url.drivername.partition("+")[0]
    return _renamed(url, _NAMES.get(driver.name, {})).set(drivername=f"{backend}+{driver.name}")


def _renamed(url: URL, names: Mapping[str, str | None]) -> URL:
    """Return the URL with the parameters that another driver names otherwise renamed, or left out."""
    query = {names.get(key, key): value for key, value in url.query.items()}
    return url.set(query={key: value for key, value in query.items() if key is not None})


def _foreign_async(url: URL, key: str) -> URL:
    """Accept any database that SQLAlchemy has an installed async dialect for."""
    try:
        dialect = url.get_dialect()
    except NoSuchModuleError:
        raise ConfigurationError(_unknown(url, key)) from None
    if not getattr(dialect, "is_async", False):
        raise ConfigurationError(_unknown(url, key))
    return url


def _foreign_sync(url: URL, key: str, fallback: str | None) -> URL:
    if fallback is not None:
        return read_uri(fallback, key)
    mistake = Mistake(
        "PAT404",
        key,
        f"the synchronous driver that belongs to {url.drivername!r} is not known",
        "a second URL, ALEMBIC_DATABASE_URI_SYNC",
        "add ALEMBIC_DATABASE_URI_SYNC with a synchronous driver of the same database",
    )
    raise ConfigurationError(mistake)


def _malformed(key: str, accepted: str = "dialect+driver://user:password@host:port/database") -> Mistake:
    return Mistake(
        "PAT402",
        key,
        "a text that is no database URL",
        accepted,
        "correct it; characters such as @, / and # in a password are percent-encoded (%40, %2F, %23)",
    )


def _unknown(url: URL, key: str) -> Mistake:
    known = [f"{backend}+{driver.name}" for backend, drivers in _ASYNC.items() for driver in drivers]
    extras = ", ".join(f"{backend} (extra {extra!r})" for backend, extra in _EXTRAS.items())
    return Mistake(
        "PAT403",
        key,
        f"{url.drivername!r}, for which there is no async driver",
        f"{', '.join(known)}; {extras}",
        f"correct the part before '://'.{closest(url.drivername, known)}",
    )
