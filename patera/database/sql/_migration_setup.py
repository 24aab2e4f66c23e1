"""What the migration commands work on: one database of one application, its folder and its models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, MetaData

from ._migration_database import MigrationDatabase
from ._migration_errors import MigrationError
from ._migration_folder import MigrationFolder

__all__ = ["MigrationSetup"]


@dataclass(frozen=True, slots=True)
class MigrationSetup:
    """Everything that a migration command needs to know.

    Args:
        db_name: The name that the models carry as `__db_name__`.
        prefix: What stands before the names of the commands.
        folder: The migrations folder.
        database: The database to migrate.
        async_url: The URL of the application's engine, for an `env.py` that is asynchronous.
        sync_url: Returns one for a synchronous driver, for any other `env.py` that connects by itself.
        models: What `MODELS` names, those of other databases included.
    """

    db_name: str
    prefix: str
    folder: MigrationFolder
    database: MigrationDatabase
    async_url: URL
    sync_url: Callable[[], URL]
    models: tuple[Any, ...]

    def command(self, name: str) -> str:
        """Return a command as it is typed: `second_db-upgrade`."""
        return f"{self.prefix}db-{name}"

    @property
    def metadata(self) -> list[MetaData]:
        """The tables of this database's models, one collection for each base class."""
        own = [model for model in self.models if getattr(model, "__db_name__", None) == self.db_name]
        return list({id(model.metadata): model.metadata for model in own}.values())

    @property
    def foreign_url(self) -> URL:
        """The URL for an `env.py` that connects by itself."""
        return self.async_url if self.folder.wants_async_url else self.sync_url()

    def require_models(self) -> None:
        """Refuse to compare a database with nothing: every table would be dropped.

        Raises:
            MigrationError: No model belongs to the database.
        """
        if self.metadata:
            return
        names = [f"{model.__name__} ({getattr(model, '__db_name__', None)!r})" for model in self.models]
        found = f"MODELS names only models of other databases: {', '.join(names)}" if names else "MODELS is empty"
        raise MigrationError(
            f"No model belongs to the database {self.db_name!r}: {found}. Add import strings such as "
            f"'app.models:User' of classes whose base is create_declerative_base({self.db_name!r})"
        )
