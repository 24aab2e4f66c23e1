"""Databases for tests: one of their own on each server that the environment offers, dropped afterwards."""

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

POSTGRES = os.environ.get("PATERA_TEST_POSTGRES", "postgresql+asyncpg://postgres@127.0.0.1:5432/postgres")
MARIADB = os.environ.get("PATERA_TEST_MARIADB", "mysql+aiomysql://root@127.0.0.1:3306/test")

EMPTY_SCHEMA = """
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', name);
    END LOOP;
    CREATE SCHEMA public;
END $$
"""

#: PostgreSQL's databases of this process that no test has at the moment.
_kept: list[str] = []


@asynccontextmanager
async def own_database(kind: str, folder: Path) -> AsyncIterator[str]:
    """Create an empty database, and drop it in the end; skip the test where the server cannot be reached.

    Args:
        kind: "sqlite", "postgres" or "mariadb".
        folder: Where the file of an SQLite database stands.

    Yields:
        Its URL, for an async driver.
    """
    if kind == "sqlite":
        yield f"sqlite+aiosqlite:///{folder / 'test.db'}"
        return
    server = make_url(POSTGRES if kind == "postgres" else MARIADB)
    try:
        name = await _take(kind, server)
    except (SQLAlchemyError, OSError) as error:
        reason = f"no {kind} at {server.render_as_string()}: {type(error).__name__}"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}; CI runs these tests, it does not skip them")
        pytest.skip(reason)
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        if kind == "postgres":
            await _empty(server, name)
        else:
            await _run(server, f"DROP DATABASE {name}")


async def drop_databases() -> None:
    """Drop what is kept for further tests; the last one of a process calls this."""
    while _kept:
        await _run(make_url(POSTGRES), f"DROP DATABASE {_kept.pop()} WITH (FORCE)")


async def _take(kind: str, server: URL) -> str:
    """Return the name of an empty database: one that was emptied, or a new one."""
    if kind == "postgres" and _kept:
        return _kept.pop()
    name = f"patera_test_{uuid.uuid4().hex[:12]}"
    await _run(server, f"CREATE DATABASE {name}")
    return name


async def _empty(server: URL, name: str) -> None:
    """Remove what a test left; PostgreSQL takes a second to drop and create a database."""
    await _run(server, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    await _run(server.set(database=name), EMPTY_SCHEMA)
    _kept.append(name)


async def _run(server: URL, statement: str) -> None:
    engine = create_async_engine(server, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            await connection.execute(text(statement))
    finally:
        await engine.dispose()
