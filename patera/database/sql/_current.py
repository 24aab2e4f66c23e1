"""Which session of a database is open in the running task or thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from patera._imports import late
from patera.exceptions import closest
from patera.extension import find_application

from ._guard import refuse_writes
from ._shield import to_completion

if TYPE_CHECKING:
    from patera.application import Patera

    from ._access import Access
    from ._database import SqlDatabase
    from ._state import SqlState

__all__ = [
    "OpenSession",
    "current_session",
    "current_sync_session",
    "database_named",
    "find_open",
    "open_sessions",
    "running_task",
    "session_for",
    "sync_session_for",
]

SHORT_REFUSAL = (
    "a query without a session opened it for itself. Put @managed_session or @transactional on the method, "
    "or pass a session to the query"
)


class OpenSession:
    """A session that a layer has opened, from the first statement of its method to the last.

    Args:
        state: The database in its application.
        app: The application, None where the layer found none.
        session: The session, of either kind.
        owner: The task that opened an asynchronous session, or the thread of a synchronous one. Others
            inherit the context variable and must not use the session.
        access: "write" or "read".
        outer: The session that was opened before, of whichever database.
    """

    __slots__ = ("access", "app", "is_over", "outer", "owner", "session", "state")

    def __init__(
        self, state: SqlState, app: Patera | None, session: Any, owner: Any, access: Access, outer: OpenSession | None
    ) -> None:
        self.state = state
        self.app = app
        self.session = session
        self.owner = owner
        self.access = access
        self.outer = outer
        #: Contexts that were copied meanwhile keep the variable.
        self.is_over = False


#: The innermost open session; the others follow by `outer`.
open_sessions: ContextVar[OpenSession | None] = ContextVar("patera.sql.sessions", default=None)


def running_task() -> asyncio.Task[Any] | None:
    """Return the running task, None in a thread without an event loop."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def find_open(state: SqlState, owner: Any) -> OpenSession | None:
    """Return the open session of a database that belongs to a task or thread."""
    for opened in _opened_by(owner):
        if opened.state is state:
            return opened
    return None


def current_session(db_name: str) -> AsyncSession | None:
    """Return the session that a layer holds open in the running task, None if there is none.

    Example:
        session = current_session("db")

    Args:
        db_name: The database's name.
    """
    session: AsyncSession | None = _named(db_name, running_task()) if open_sessions.get() is not None else None
    return session


def current_sync_session(db_name: str) -> Session | None:
    """Return the session that a layer holds open in the running thread of a `def` method.

    Args:
        db_name: The database's name.
    """
    session: Session | None = _named(db_name, threading.get_ident()) if open_sessions.get() is not None else None
    return session


def session_for(db_name: str) -> _ShortSession:
    """Lend the open session of the running task, else a short one of its own that only reads.

    Example:
        async with session_for("db") as session:
            names = await session.scalars(select(User.name))

    Args:
        db_name: The database's name.

    Raises:
        LookupError: The application has no such database.
    """
    return _ShortSession(db_name)


@contextmanager
def sync_session_for(db_name: str) -> Iterator[Session]:
    """Do the same as `session_for` in the thread of a `def` method.

    Args:
        db_name: The database's name.

    Raises:
        LookupError: The application has no such database.
    """
    opened = current_sync_session(db_name)
    if opened is not None:
        yield opened
        return
    state: SqlState = database_named(db_name).state
    session = state.make_sync_session(access="read")
    refuse_writes(session, SHORT_REFUSAL)
    try:
        yield session
    finally:
        session.close()


def database_named(db_name: str) -> SqlDatabase:
    """Return the database of that name in the application that the code runs for.

    Example:
        database_named("db").engine

    Args:
        db_name: The name given to `SqlDatabase`.

    Raises:
        LookupError: The application has no such database, or there is no application.
    """
    app = find_application()
    if app is None:
        raise LookupError(
            f"The database {db_name!r} is asked for by code that runs for no application: "
            "use it in a request, a command, a job or a life cycle step, or pass a session"
        )
    kind: type[SqlDatabase] = late("patera.database.sql._database").SqlDatabase
    found = {each.db_name: each for each in app.extensions.values() if isinstance(each, kind)}
    if db_name not in found:
        known = ", ".join(map(repr, sorted(found))) or "no SqlDatabase at all"
        raise LookupError(
            f"The application {app.app_name!r} has no database {db_name!r}; its EXTENSIONS have {known}."
            f"{closest(db_name, found)}"
        )
    return found[db_name]


class _ShortSession:
    """The context manager of `session_for`; no generator, whose context variables would leak."""

    __slots__ = ("_db_name", "_own")

    def __init__(self, db_name: str) -> None:
        self._db_name = db_name
        self._own: AsyncSession | None = None

    async def __aenter__(self) -> AsyncSession:
        opened = current_session(self._db_name)
        if opened is not None:
            return opened
        state: SqlState = database_named(self._db_name).state
        self._own = state.make_session(access="read")
        refuse_writes(self._own.sync_session, SHORT_REFUSAL)
        return self._own

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._own is not None:
            await to_completion(self._own.close())


def _opened_by(owner: Any) -> Iterator[OpenSession]:
    opened = open_sessions.get()
    while opened is not None:
        if opened.owner == owner and not opened.is_over:
            yield opened
        opened = opened.outer


def _named(db_name: str, owner: Any) -> Any:
    app = find_application()
    for opened in _opened_by(owner):
        if opened.state.db_name == db_name and (app is None or opened.app is app):
            return opened.session
    return None
