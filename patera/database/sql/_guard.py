"""The synchronous session below every session of a layer: it can be told to refuse writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.orm import Session

__all__ = ["GuardedSession", "ReadonlyError", "has_changes", "lost_rows", "refuse_writes"]

#: SQLSTATE 25006, read_only_sql_transaction, of PostgreSQL.
_POSTGRES_READ_ONLY = "25006"
#: ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION of MariaDB and MySQL.
_MARIADB_READ_ONLY = 1792
#: SQLITE_READONLY; the upper bytes of a code tell more of the reason.
_SQLITE_READ_ONLY = 8


class ReadonlyError(InvalidRequestError):
    """A session that only reads was asked to write.

    Example:
        @db.readonly_session
        async def rename(self, req: Request, session: AsyncSession) -> Response:
            await session.execute(update(User).values(name="Ada"))     # ReadonlyError
    """


class GuardedSession(Session):
    """A SQLAlchemy session that refuses writes while `refusal` says why."""

    #: What the error tells about the session and its remedy; None where writing is allowed.
    refusal: str | None = None

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """Send pending changes to the database.

        Raises:
            ReadonlyError: There are changes, and the session only reads.
        """
        if self.refusal is not None and not self._is_clean():
            raise self.refused(f"flush() found changes of {_named([*self.new, *self.dirty, *self.deleted])}")
        if objects is None:
            super().flush()
        else:
            super().flush(objects)

    def commit(self) -> None:
        """Commit the transaction.

        Raises:
            ReadonlyError: The session only reads.
        """
        if self.refusal is not None:
            raise self.refused("commit() was called")
        super().commit()

    def execute(self, statement: Any, *args: Any, **options: Any) -> Any:
        """Execute a statement.

        Raises:
            ReadonlyError: It writes, and the session only reads.
        """
        return self._run(super().execute, statement, args, options)

    def scalar(self, statement: Any, *args: Any, **options: Any) -> Any:
        """Execute a statement and return the first column of its first row.

        Raises:
            ReadonlyError: It writes, and the session only reads.
        """
        return self._run(super().scalar, statement, args, options)

    def scalars(self, statement: Any, *args: Any, **options: Any) -> Any:
        """Execute a statement and return the first column of its rows.

        Raises:
            ReadonlyError: It writes, and the session only reads.
        """
        return self._run(super().scalars, statement, args, options)

    def _run(self, run: Callable[..., Any], statement: Any, args: Any, options: Any) -> Any:
        if self.refusal is None:
            return run(statement, *args, **options)
        if getattr(statement, "is_dml", False):
            raise self.refused(f"{type(statement).__name__.upper()} was executed")
        try:
            return run(statement, *args, **options)
        except DBAPIError as error:
            # The database refuses SQL given as text; what to change is said here.
            if not _is_read_only_error(error.orig):
                raise
            raise self.refused("a statement that writes was executed") from error

    def refused(self, found: str) -> ReadonlyError:
        """Return the error that says what was found, and what to change."""
        return ReadonlyError(f"This session only reads, but {found}: {self.refusal}")


def refuse_writes(session: Session, refusal: str) -> None:
    """Make a session one that only reads.

    Args:
        session: The synchronous session, which an asynchronous one has as `sync_session`.
        refusal: What the error says of the reason and the remedy.
    """
    assert isinstance(session, GuardedSession)
    session.refusal = refusal


def has_changes(session: Session) -> bool:
    """Whether a flush would have anything to look at."""
    return not session._is_clean()


def lost_rows(session: Session) -> None:
    """Refuse to end a session that only reads while rows were added to it or deleted from it.

    Raises:
        ReadonlyError: They would be lost without a word.
    """
    assert isinstance(session, GuardedSession)
    if session._new or session._deleted:
        raise session.refused(f"it was given changes of {_named([*session.new, *session.deleted])}")


def _named(rows: Sequence[Any]) -> str:
    return ", ".join(sorted({type(row).__name__ for row in rows})) or "rows"


def _is_read_only_error(error: Any) -> bool:
    if _POSTGRES_READ_ONLY in (getattr(error, "sqlstate", None), getattr(error, "pgcode", None)):
        return True
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == _SQLITE_READ_ONLY:
        return True
    return getattr(error, "args", ())[:1] == (_MARIADB_READ_ONLY,)
