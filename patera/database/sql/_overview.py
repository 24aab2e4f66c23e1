"""What is in a database: its tables and how many rows they have."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Inspector, func, inspect, select, table
from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["collect_db_overview", "count_rows_exact", "count_tables"]


async def count_tables(engine: AsyncEngine, schema: str | None = None) -> int:
    """Return the number of tables, without views.

    Args:
        engine: The engine of the database.
        schema: The schema; None for the default one.
    """
    async with engine.connect() as connection:
        return await connection.run_sync(lambda sync: len(inspect(sync).get_table_names(schema=schema)))


async def count_rows_exact(engine: AsyncEngine, schema: str | None = None) -> tuple[dict[str, int], int]:
    """Return the number of rows of each table, and their sum; every table is read.

    Args:
        engine: The engine of the database.
        schema: The schema; None for the default one.
    """
    async with engine.connect() as connection:
        counts = await connection.run_sync(_row_counts, schema)
    return counts, sum(counts.values())


async def collect_db_overview(
    engine: AsyncEngine, schema: str | None = None, *, with_extras: bool = True
) -> dict[str, Any]:
    """Return what there is in a database, as plain data.

    Args:
        engine: The engine of the database.
        schema: The schema; None for the default one.
        with_extras: Whether to add views, columns, indexes and foreign keys, and the server's version.
    """
    async with engine.connect() as connection:
        return await connection.run_sync(_overview, schema, with_extras)


def _overview(connection: Connection, schema: str | None, with_extras: bool) -> dict[str, Any]:
    counts = _row_counts(connection, schema)
    overview: dict[str, Any] = {
        "dialect": connection.dialect.name,
        "driver": connection.dialect.driver,
        "schema": schema,
        "tables": len(counts),
        "rows": counts,
        "total_rows": sum(counts.values()),
    }
    return {**overview, **_extras(connection, list(counts), schema)} if with_extras else overview


def _extras(connection: Connection, tables: list[str], schema: str | None) -> dict[str, Any]:
    inspector = inspect(connection)
    version = connection.dialect.server_version_info
    return {
        "server_version": ".".join(str(part) for part in version or ()),
        "views": inspector.get_view_names(schema=schema),
        "details": {name: _table_details(inspector, name, schema) for name in tables},
    }


def _table_details(inspector: Inspector, name: str, schema: str | None) -> dict[str, Any]:
    columns = inspector.get_columns(name, schema=schema)
    return {
        "columns": {column["name"]: str(column["type"]) for column in columns},
        "primary_key": inspector.get_pk_constraint(name, schema=schema)["constrained_columns"],
        "indexes": [index["name"] for index in inspector.get_indexes(name, schema=schema)],
        "foreign_keys": {
            ", ".join(key["constrained_columns"]): key["referred_table"]
            for key in inspector.get_foreign_keys(name, schema=schema)
        },
    }


def _row_counts(connection: Connection, schema: str | None) -> dict[str, int]:
    names = inspect(connection).get_table_names(schema=schema)
    # `table()` quotes the name, whatever it is.
    queries = {name: select(func.count()).select_from(table(name, schema=schema)) for name in sorted(names)}
    return {name: connection.scalar(query) or 0 for name, query in queries.items()}
