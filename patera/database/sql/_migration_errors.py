"""`MigrationError`, and how errors and paths are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

__all__ = ["MigrationError", "shown_path", "summary"]


class MigrationError(Exception):
    """A migration command failed; the message is one line that says what to do, the cause has the details.

    Example:
        try:
            migrate.upgrade()
        except MigrationError as error:
            app.logger.error("The database was not upgraded: {}", error)
    """


def summary(error: BaseException) -> str:
    """Return the type and the first line of an error, of the driver's own where there is one."""
    inner: Any = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    first_line = next(iter(str(inner).strip().splitlines()), "")
    return ": ".join(filter(None, [type(inner).__name__, first_line]))


def shown_path(path: Path) -> str:
    """Return a path as people read it: relative to the working directory where it is below that."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
