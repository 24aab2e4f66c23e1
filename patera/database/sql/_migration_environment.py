"""What the `env.py` of a migrations folder calls: runs Alembic's migrations on a connection that is open already."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from ._migration_errors import MigrationError

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

__all__ = ["CONNECTION_KEY", "METADATA_KEY", "URL_KEY", "WRITES_KEY", "run_migrations"]

#: Names under which the commands leave things in the attributes of Alembic's configuration.
CONNECTION_KEY = "connection"
METADATA_KEY = "target_metadata"
URL_KEY = "patera.url"
WRITES_KEY = "patera.writes"

#: How MariaDB and MySQL show defaults that models write in another way.
_SPELLINGS = {
    "true": "1",
    "false": "0",
    "'1'": "1",
    "'0'": "0",
    "now()": "current_timestamp()",
    "current_timestamp": "current_timestamp()",
}


def run_migrations(context: Any, **options: Any) -> None:
    """Run what the current `db-*` command asks for; the last line of a folder's `env.py`.

    Each revision has a transaction of its own. Column types and server defaults are compared, SQLite gets
    its changes in batch mode, and foreign keys are checked there after each revision.

    Example:
        def include_object(object, name, type_, reflected, compare_to):
            return name != "spatial_ref_sys"

        run_migrations(context, include_object=include_object)

    Args:
        context: `alembic.context`.
        **options: Keywords of `context.configure()`, over those that Patera passes.

    Raises:
        MigrationError: Something else than the `db-*` commands runs the file.
    """
    attributes = context.config.attributes
    if URL_KEY not in attributes:
        raise MigrationError("This env.py gets its database from the application; use its db-* commands")
    url = attributes[URL_KEY]
    backend = url.get_backend_name()
    settings: dict[str, Any] = {
        "target_metadata": attributes[METADATA_KEY],
        "compare_type": True,
        "compare_server_default": _differ_in_more_than_spelling if backend in ("mysql", "mariadb") else True,
        "render_as_batch": backend == "sqlite",
        "render_item": _import_own_type,
        "transaction_per_migration": True,
    }
    if backend == "sqlite":
        settings["transactional_ddl"] = True
    if context.is_offline_mode():
        _write_sql(context, {**settings, "url": url, **options})
    else:
        _Run(context, attributes[CONNECTION_KEY], writes=attributes[WRITES_KEY]).run({**settings, **options})


def _import_own_type(kind: str, item: Any, autogeneration: Any) -> bool:
    """Let a new revision import the module of a column type that is the application's own; Alembic writes the rest."""
    module = type(item).__module__
    if kind == "type" and module.partition(".")[0] != "sqlalchemy":
        autogeneration.imports.add(f"import {module}")
    return False


def _differ_in_more_than_spelling(
    context: Any, inspected: Any, declared: Any, inspected_default: str | None, default: Any, rendered: str | None
) -> bool | None:
    """Return False for defaults that MariaDB and MySQL merely write otherwise than the model, else leave it open."""
    if inspected_default is None or rendered is None:
        return None
    one, other = (_SPELLINGS.get(each.lower(), each.lower()) for each in (inspected_default, rendered))
    return False if one == other else None


def _write_sql(context: Any, settings: dict[str, Any]) -> None:
    context.configure(**{"literal_binds": True, "dialect_opts": {"paramstyle": "named"}, **settings})
    with context.begin_transaction():
        context.run_migrations()


class ForeignKeyViolation(Exception):
    """A revision left rows behind that refer to rows which do not exist."""


class _Run:
    """One run over a connection, begun again where another process went ahead on the same SQLite file.

    There, the first step goes on in the transaction that has read the version, and each later one finds out
    that it is outdated when it updates the version, if not before.
    """

    def __init__(self, context: Any, connection: Connection, *, writes: bool) -> None:
        self.context = context
        self.connection = connection
        self.checks = writes and connection.dialect.name == "sqlite"
        self.writes = writes
        #: The states of the version table that this run has met or made.
        self.seen: list[set[str]] = []
        self.broken_keys: Counter[tuple[str, str]] = Counter()

    def run(self, settings: dict[str, Any]) -> None:
        """Run all steps, and commit."""
        others = settings.get("on_version_apply") or ()
        others = others if isinstance(others, list | tuple) else (others,)
        settings = {"connection": self.connection, **settings, "on_version_apply": [self.applied, *others]}
        self.context.configure(**settings)
        while not self._attempt():
            pass
        if self.writes:
            self.connection.commit()

    def _attempt(self) -> bool:
        migrations: MigrationContext = self.context.get_context()
        self.seen.append(set(migrations.get_current_heads()))
        if self.checks:
            self.broken_keys = _broken_keys(self.connection)
        try:
            with self.context.begin_transaction():
                self.context.run_migrations()
        except Exception:
            self.connection.rollback()
            if self.checks and self._is_overtaken(migrations):
                return False
            raise
        return True

    def _is_overtaken(self, migrations: MigrationContext) -> bool:
        now = set(migrations.get_current_heads())
        self.connection.rollback()
        return now not in self.seen

    def applied(self, *, ctx: MigrationContext, step: Any, heads: Any, run_args: Any) -> None:
        """Note a finished step, within its transaction."""
        if self.checks:
            broken = _broken_keys(self.connection) - self.broken_keys
            if broken:
                found = ", ".join(f"{count} of {table} to {parent}" for (table, parent), count in broken.items())
                raise ForeignKeyViolation(f"rows are left whose foreign keys lead nowhere ({found})")
        self.seen.append(set(heads))


def _broken_keys(connection: Connection) -> Counter[tuple[str, str]]:
    """Count the rows of an SQLite database whose foreign key has no target, by table and parent."""
    try:
        rows = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    except OperationalError:
        # A key that refers to columns without an index cannot be checked, and may be older than the migrations.
        return Counter()
    return Counter((row[0], row[2]) for row in rows)
