"""Migrations: `Migrate` gives an application Alembic's commands, `run_migrations` is what its `env.py` calls.

| file | about |
|------|-------|
| `_migration_commands.py` | the commands as functions |
| `_migration_run.py` | one call of Alembic: configuration, lock, connection, outside of event loops |
| `_migration_environment.py` | what runs inside `env.py` |
| `_migration_folder.py` | new folders, and those of Alembic and Flask-Migrate |
| `_migration_database.py` | the connection and the lock |
| `_migration_log.py`, `_migration_explanation.py` | what is printed, and what errors mean |

Alembic is imported when the first command runs: servers that list the extension do without.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from sqlalchemy import URL

from patera._imports import late
from patera.cli import Command, CommandParameter
from patera.exceptions import ConfigurationError, MissingExtra, Mistake
from patera.extension import BaseExtension

from ._database import SqlDatabase, SqlState
from ._engines import EngineMaker
from ._migration_database import MigrationDatabase, migration_engines
from ._migration_environment import run_migrations
from ._migration_errors import MigrationError
from ._migration_log import Report, note
from ._urls import location_of, read_uri, sync_url

if TYPE_CHECKING:
    from patera.application import Patera

    from ._migration_setup import MigrationSetup

__all__ = ["Migrate", "MigrationError", "run_migrations"]

DIRECTORY_KEY = "ALEMBIC_MIGRATION_DIR"
SYNC_URI_KEY = "ALEMBIC_DATABASE_URI_SYNC"


class Migrate(BaseExtension):
    """Migrations of one database: eleven commands for the command line, and the same as methods.

    The commands are `db-init`, `db-migrate`, `db-upgrade`, `db-downgrade`, `db-history`, `db-current`,
    `db-heads`, `db-show`, `db-stamp`, and beside these `db-merge` and `db-check`. The methods may be
    called with and without a running event loop; each prints what its command prints unless it is given
    another `report`.

    Example:
        db = SqlDatabase()
        migrate = Migrate(db)                       # EXTENSIONS: "app.extensions:db", "app.extensions:migrate"

        migrate.upgrade()                           # what `db-upgrade` does, in a test for example
        migrate.upgrade(report=app.logger.info)

    Args:
        db: The database; its configuration has `ALEMBIC_MIGRATION_DIR` and `ALEMBIC_DATABASE_URI_SYNC`.
        command_prefix: Stands directly before the names of the commands; one for each further database.

    Raises:
        TypeError: `db` is no `SqlDatabase`.
    """

    def __init__(self, db: SqlDatabase, command_prefix: str = "") -> None:
        if not isinstance(db, SqlDatabase):
            raise TypeError(f"Migrate() takes the SqlDatabase whose tables it migrates, got {db!r}")
        super().__init__(configs_name=f"{db.configs_name}_MIGRATE", variable_prefix=db.variable_prefix)
        self.db = db
        self.command_prefix = command_prefix

    def init_app(self, app: Patera) -> _MigrateState:
        """Add the commands, and return the state.

        Raises:
            ConfigurationError: The commands cannot have these names, or another database has the folder.
        """
        configured = str(self.db.read_configs(app.configs).get(DIRECTORY_KEY) or "migrations")
        folder = Path(os.path.abspath(os.path.join(app.root_path, configured)))
        added = [self._command(name, *declared) for name, declared in COMMANDS.items()]
        mistakes = [*_prefix_mistakes(self), *_name_mistakes(self, app, added), *_folder_mistakes(self, app, folder)]
        if mistakes:
            raise ConfigurationError(*mistakes)
        app.add_command(*added)
        return _MigrateState(folder)

    async def shutdown(self, app: Patera) -> None:
        """Let go of a database in memory."""
        state: _MigrateState = app.extension_states[self]
        if state.engines is not None:
            state.engines.release()

    def mistakes(self, app: Patera) -> Sequence[Mistake]:
        """Refuse an application that does not list the database."""
        if self.db in app.extensions.values():
            return ()
        change = "add the import string of the SqlDatabase to EXTENSIONS"
        return [Mistake("PAT453", repr(self), f"{self.db!r} is not in EXTENSIONS", "both in EXTENSIONS", change)]

    def read_configs(self, configs: Mapping[str, Any]) -> dict[str, Any]:
        """Return nothing: the values are those of the database."""
        return {}

    def claimed_keys(self, configs: Mapping[str, Any]) -> set[str]:
        """Return nothing: the database claims its keys."""
        return set()

    def init(self, *, report: Report = click.echo) -> Path:
        """Write a new migrations folder, and return its path.

        Args:
            report: Takes the lines of output.

        Raises:
            MigrationError: The folder is not empty.
        """
        path: Path = self._call("init", report)
        return path

    def migrate(self, message: str = "", *, report: Report = click.echo) -> Path | None:
        """Compare the models with the database, and write a revision; without a difference none is written.

        Example:
            file = migrate.migrate("add users")

        Args:
            message: What the revision is about; it becomes part of the file's name.
            report: Takes the lines of output.

        Returns:
            The file of the new revision, or None.

        Raises:
            MigrationError: No model belongs to the database, it is not at the newest revision, or cannot be reached.
        """
        file: Path | None = self._call("migrate", report, message)
        return file

    def upgrade(self, revision: str = "head", sql: bool = False, *, report: Report = click.echo) -> None:
        """Run the revisions up to one; each has a transaction of its own.

        Several processes may do this at once: one runs the revisions, the others wait for it.

        Args:
            revision: `head`, `heads`, the beginning of a revision's name, or `+1` for the next one.
            sql: Whether to report the SQL instead of running it; `from:to` then says from where.
            report: Takes the lines of output.

        Raises:
            MigrationError: The database cannot be reached, or a revision failed.
        """
        self._call("upgrade", report, revision, sql=sql)

    def downgrade(self, revision: str = "-1", sql: bool = False, *, report: Report = click.echo) -> None:
        """Run the revisions backwards, down to one.

        Args:
            revision: `-1` for the one before, `base` for none at all, or the beginning of a revision's name.
            sql: Whether to report the SQL instead of running it; `from:to` then says from where.
            report: Takes the lines of output.

        Raises:
            MigrationError: The database cannot be reached, or a revision failed.
        """
        self._call("downgrade", report, revision, sql=sql)

    def history(self, verbose: bool = False, indicate_current: bool = False, *, report: Report = click.echo) -> None:
        """List all revisions, the newest first.

        Args:
            verbose: Whether to show them in full.
            indicate_current: Whether to mark the one that the database is at.
            report: Takes the lines of output.

        Raises:
            MigrationError: There is no folder, or the database cannot be reached.
        """
        self._call("history", report, verbose=verbose, indicate_current=indicate_current)

    def current(self, verbose: bool = False, *, report: Report = click.echo) -> None:
        """Show the revision that the database is at.

        Args:
            verbose: Whether to show it in full.
            report: Takes the lines of output.

        Raises:
            MigrationError: The folder does not have that revision, or the database cannot be reached.
        """
        self._call("current", report, verbose=verbose)

    def heads(self, verbose: bool = False, *, report: Report = click.echo) -> None:
        """Show the newest revision, or several where branches have not been joined.

        Args:
            verbose: Whether to show them in full.
            report: Takes the lines of output.

        Raises:
            MigrationError: There is no folder, or it cannot be read.
        """
        self._call("heads", report, verbose=verbose)

    def show(self, revision: str = "head", *, report: Report = click.echo) -> None:
        """Show one revision in full.

        Args:
            revision: `head`, `current`, or the beginning of a revision's name.
            report: Takes the lines of output.

        Raises:
            MigrationError: There is no such revision.
        """
        self._call("show", report, revision)

    def stamp(self, revision: str = "head", purge: bool = False, *, report: Report = click.echo) -> None:
        """Note a revision as the database's, and run nothing: for a database whose tables exist already.

        Args:
            revision: `head`, `base`, or the beginning of a revision's name.
            purge: Whether to forget first what is noted, which may be a revision that the folder lacks.
            report: Takes the lines of output.

        Raises:
            MigrationError: There is no such revision, or the database cannot be reached.
        """
        self._call("stamp", report, revision, purge=purge)

    def merge(self, message: str = "", *, report: Report = click.echo) -> Path | None:
        """Write a revision that joins all heads, and return its file, or None where there is nothing to join.

        Args:
            message: What it is about.
            report: Takes the lines of output.

        Raises:
            MigrationError: There is no folder, or it cannot be read.
        """
        file: Path | None = self._call("merge", report, message)
        return file

    def check(self, *, report: Report = click.echo) -> None:
        """Refuse where the models and the database differ, as a step of a build for example.

        Args:
            report: Takes the lines of output, one for each difference.

        Raises:
            MigrationError: They differ, or the comparison is not possible.
        """
        self._call("check", report)

    def _command(self, name: str, help: str, parameters: tuple[CommandParameter, ...]) -> Command:
        method = getattr(self, name)
        return Command(f"{self.command_prefix}db-{name}", help, method, parameters, type(self).__name__)

    def _call(self, name: str, report: Report, *args: Any, **kwargs: Any) -> Any:
        return getattr(late("patera.database.sql._migration_commands"), name)(self._setup(), report, *args, **kwargs)

    def _setup(self) -> MigrationSetup:
        app, state, database = self.app, self.state, self.db.state
        if state.engines is None:
            state.engines = migration_engines(self.db.configs, app.logger, self.db.db_name)
        url = self._url(database)
        setup: MigrationSetup = late("patera.database.sql._migration_setup").MigrationSetup(
            db_name=self.db.db_name,
            prefix=self.command_prefix,
            folder=late("patera.database.sql._migration_folder").MigrationFolder(state.folder, Path(app.root_path)),
            database=MigrationDatabase(url, state.engines),
            async_url=database.url,
            sync_url=lambda: database.sync_url if url.get_dialect().is_async else url,
            models=tuple(app.models),
        )
        return setup

    def _url(self, database: SqlState) -> URL:
        """The URL that migrations run on: the documented second one, else that of the application's own engine.

        SQLite has its synchronous driver always, and needs no event loop with it.
        """
        second = self.db.configs[SYNC_URI_KEY]
        if not second:
            return database.sync_url if database.url.get_backend_name() == "sqlite" else database.url
        key = f"{self.db.configs_key}[{SYNC_URI_KEY!r}]"
        url = _with_installed_driver(read_uri(second, key), key)
        if _names_another_database(url, database.url):
            note(f"{SYNC_URI_KEY} names another database than DATABASE_URI: {location_of(url)} is used")
        return url


@dataclass(slots=True)
class _MigrateState:
    """The migrations of one application.

    Args:
        folder: The path of the migrations folder.
        engines: Makes the engines, and keeps a database in memory alive; made when first needed.
    """

    folder: Path
    engines: EngineMaker | None = None


_MESSAGE = CommandParameter("message", str, False, "", "What the revision is about.")
_VERBOSE = CommandParameter("verbose", bool, False, False, "Show revisions in full.")
_SQL = CommandParameter("sql", bool, False, False, "Print the SQL instead of running it.")


def _revision(default: str) -> CommandParameter:
    return CommandParameter("revision", str, False, default, "A revision, or the beginning of its name.")


#: Help and parameters of each command, by the name of its method.
COMMANDS: dict[str, tuple[str, tuple[CommandParameter, ...]]] = {
    "init": ("Make the migrations folder.", ()),
    "migrate": ("Write a revision for what differs between models and database.", (_MESSAGE,)),
    "upgrade": ("Run the revisions up to one.", (_revision("head"), _SQL)),
    "downgrade": ("Run the revisions backwards, down to one.", (_revision("-1"), _SQL)),
    "history": (
        "List all revisions.",
        (_VERBOSE, CommandParameter("indicate_current", bool, False, False, "Mark the database's revision.")),
    ),
    "current": ("Show the revision that the database is at.", (_VERBOSE,)),
    "heads": ("Show the newest revision, or several.", (_VERBOSE,)),
    "show": ("Show one revision in full.", (_revision("head"),)),
    "stamp": (
        "Note a revision as the database's without running anything.",
        (_revision("head"), CommandParameter("purge", bool, False, False, "Forget first what is noted.")),
    ),
    "merge": ("Write a revision that joins all heads.", (_MESSAGE,)),
    "check": ("Fail where models and database differ.", ()),
}


def _with_installed_driver(url: URL, key: str) -> URL:
    """Return a configured URL, with another driver of its database where its own is not installed."""
    if url.get_dialect().is_async:
        return url
    try:
        return sync_url(url, key)
    except MissingExtra:
        return sync_url(url.set(drivername=url.get_backend_name()), key)


def _names_another_database(one: URL, other: URL) -> bool:
    def place(url: URL) -> tuple[str, str]:
        host = "localhost" if url.host in (None, "", "127.0.0.1", "::1") else str(url.host)
        is_file = url.get_backend_name() == "sqlite"
        return ("", location_of(url)) if is_file else (host, str(url.database))

    return place(one) != place(other)


def _prefix_mistakes(migrate: Migrate) -> list[Mistake]:
    prefix = migrate.command_prefix
    if not prefix.startswith("-") and not any(letter.isspace() or letter == ":" for letter in prefix):
        return []
    accepted = "text without spaces and ':' that does not begin with '-', such as 'second-'"
    return [Mistake("PAT450", repr(migrate), f"command_prefix={prefix!r}", accepted, "choose another prefix")]


def _name_mistakes(migrate: Migrate, app: Patera, added: list[Command]) -> list[Mistake]:
    taken = [command.name for command in added if command.name.replace("_", "-") in app.cli_commands]
    if not taken:
        return []
    return [
        Mistake(
            "PAT451",
            repr(migrate),
            f"the command {taken[0]!r}, which exists already",
            "a command_prefix of its own for each Migrate but one",
            f'write Migrate({migrate.db.db_name}, command_prefix="{migrate.db.db_name}-")',
        )
    ]


def _folder_mistakes(migrate: Migrate, app: Patera, folder: Path) -> list[Mistake]:
    states = app.extension_states.items()
    others = [other for other, state in states if isinstance(other, Migrate) and state.folder == folder]
    return [
        Mistake(
            "PAT452",
            f"{migrate.db.configs_key}[{DIRECTORY_KEY!r}]",
            f"the folder {folder}, which has the migrations of {other.db!r}",
            "a folder for each database",
            f"set {DIRECTORY_KEY} to another folder, such as 'migrations_{migrate.db.db_name}'",
        )
        for other in others
    ]
