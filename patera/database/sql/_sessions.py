"""`@db.managed_session`, `@db.readonly_session` and `@db.transactional`: sessions around methods.

open > handler > flush > shape > commit > close; whatever fails on the way rolls back.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from patera.exceptions import Mistake
from patera.layer import Call, Layer, Next, NextSync, Place

from ._current import OpenSession, find_open, open_sessions, running_task
from ._ending import (
    close_after_stream,
    close_after_stream_sync,
    commit,
    commit_sync,
    flush_changes,
    flush_changes_sync,
    refuse_generator,
    roll_back,
    roll_back_sync,
    sessions_around,
)
from ._guard import lost_rows, refuse_writes

if TYPE_CHECKING:
    from patera.application import Patera

    from ._access import Access
    from ._database import SqlDatabase
    from ._state import SqlState

__all__ = ["ManagedSession", "ReadonlySession", "SessionLayer", "Transactional"]

READING_STATUSES = {400: "A value is out of range", 503: "The database is busy or not available"}
WRITING_STATUSES = {**READING_STATUSES, 409: "The data conflicts with what is stored"}

READONLY_REFUSAL = "@readonly_session opened it. Put @managed_session on the method that writes"
STREAM_REFUSAL = (
    "its changes were committed before the first byte of the stream that reads from it. "
    "Write before the stream is returned, or in a session of its own"
)


class SessionLayer(Layer):
    """A layer that opens a session of one database around a method, or joins the one that is open.

    Args:
        database: The database.
    """

    place = Place.SESSION

    #: The decorator's name.
    word: ClassVar[str]
    access: ClassVar[Access]

    def __init__(self, database: SqlDatabase) -> None:
        self.database = database

    @property
    def key(self) -> Hashable:
        """The kind and the database: written on the class and on the method, the layer runs once."""
        return (self.word, self.database)

    @property
    def name(self) -> str:
        """The decorator, as it is written where the variable has the database's name."""
        return f"{self.database.db_name}.{self.word}"

    def injects(self, app: Patera) -> Sequence[str]:
        """Return `SESSION_NAME` of the database."""
        state = app.extension_states.get(self.database)
        return (state.session_name if state is not None else "session",)

    def mistakes(self, app: Patera, where: str, location: str) -> Sequence[Mistake]:
        """Refuse a database that the application does not list."""
        if self.database in app.extension_states:
            return ()
        return (_missing_database(self, app, where, location),)

    def conflict(self, other: Layer) -> str:
        """Refuse to write and only read one database in one method."""
        if not isinstance(other, SessionLayer) or other.database is not self.database or other.access == self.access:
            return ""
        return f"@{self.name} and @{other.name}; a session either writes or only reads"

    async def around(self, call: Call, next: Next) -> Any:
        """Run the method with a session of the running task."""
        state, owner, outer = self._state(call), running_task(), open_sessions.get()
        if self._is_given(state, call) or (outer is not None and self._joins(state, owner, call)):
            return await next(call)
        session = state.make_session(access=self.access)
        opened = self._inject(OpenSession(state, call.app, session, owner, self.access, outer), call)
        token = open_sessions.set(opened)
        try:
            return await self._run(opened, session, call, next)
        finally:
            self._leave(opened, call)
            open_sessions.reset(token)

    def around_sync(self, call: Call, next: NextSync) -> Any:
        """Run a `def` method with a synchronous session of the running thread."""
        state, owner = self._state(call), threading.get_ident()
        if self._is_given(state, call) or self._joins(state, owner, call):
            return next(call)
        if find_open(state, running_task()) is not None:
            raise _blocking_call(self)
        session = state.make_sync_session(access=self.access)
        opened = self._inject(OpenSession(state, call.app, session, owner, self.access, open_sessions.get()), call)
        token = open_sessions.set(opened)
        try:
            return self._run_sync(opened, session, call, next)
        finally:
            self._leave(opened, call)
            open_sessions.reset(token)

    @abstractmethod
    async def _run(self, opened: OpenSession, session: AsyncSession, call: Call, next: Next) -> Any: ...

    @abstractmethod
    def _run_sync(self, opened: OpenSession, session: Session, call: Call, next: NextSync) -> Any: ...

    def _state(self, call: Call) -> SqlState:
        state: SqlState | None = None if call.app is None else call.app.extension_states.get(self.database)
        # The extension itself says what is wrong.
        return state if state is not None else self.database.state

    def _parameter(self, state: SqlState) -> str | None:
        return state.session_name

    def _is_given(self, state: SqlState, call: Call) -> bool:
        name = self._parameter(state)
        return name is not None and call.kwargs.get(name) is not None

    def _joins(self, state: SqlState, owner: Any, call: Call) -> bool:
        opened = find_open(state, owner)
        if opened is None:
            return False
        if self.access == "write" and opened.access == "read":
            raise _nested_in_reading(self)
        self._inject(opened, call)
        return True

    def _inject(self, opened: OpenSession, call: Call) -> OpenSession:
        name = self._parameter(opened.state)
        if name is not None:
            call.kwargs[name] = opened.session
        return opened

    def _leave(self, opened: OpenSession, call: Call) -> None:
        opened.is_over = True
        name = self._parameter(opened.state)
        if name is not None:
            # A layer outside may run the method again: it gets a new session then.
            call.kwargs.pop(name, None)


class ManagedSession(SessionLayer):
    """`@db.managed_session`: injects a session whose changes are committed when the method has succeeded.

    The commit comes after the response body was made and before its first byte is sent. An exception,
    a body that does not fit, and a cancellation roll back. A response with an error status commits.

    Example:
        @post("/")
        @consumes(MediaType.APPLICATION_JSON)
        @db.managed_session
        async def create(self, req: Request, data: UserData, session: AsyncSession) -> Response[UserData]:
            user = User(name=data.name)
            session.add(user)
            return req.res.json(user).status(HttpStatus.CREATED)

    A `def` method gets a synchronous `Session`. Within an open session of the same database in the same
    task or thread, the method gets that one, and whoever opened it commits. A session that the caller
    passes is used as it is.
    """

    word = "managed_session"
    access = "write"
    statuses = WRITING_STATUSES

    async def _run(self, opened: OpenSession, session: AsyncSession, call: Call, next: Next) -> Any:
        try:
            call.before_shape(lambda: flush_changes(session))
            result = await call.settle(await next(call))
            refuse_generator(result)
            for other in sessions_around(opened, call):
                await flush_changes(other)
        except BaseException:
            await roll_back(session)
            raise
        # Before the commit: a cancellation meanwhile must not leave the session open.
        is_kept = close_after_stream(call, result, session)
        await commit(session, is_kept=is_kept)
        if is_kept:
            session.sync_session.bind = opened.state.async_engine_for("read").sync_engine
            refuse_writes(session.sync_session, STREAM_REFUSAL)
        return result

    def _run_sync(self, opened: OpenSession, session: Session, call: Call, next: NextSync) -> Any:
        try:
            call.before_shape(lambda: flush_changes_sync(session))
            result = call.settle_sync(next(call))
            refuse_generator(result)
            for other in sessions_around(opened, call):
                flush_changes_sync(other)
        except BaseException:
            roll_back_sync(session)
            raise
        is_kept = close_after_stream_sync(call, result, session)
        commit_sync(session, is_kept=is_kept)
        if is_kept:
            session.bind = opened.state.sync_engine_for("read")
            refuse_writes(session, STREAM_REFUSAL)
        return result


class ReadonlySession(SessionLayer):
    """`@db.readonly_session`: injects a session that only reads.

    Flush, commit and statements that write are refused with `ReadonlyError`, and the database itself
    refuses them too: PostgreSQL and MariaDB in a read-only transaction, SQLite on a connection with
    `query_only`. Attributes that are changed for the answer alone stay unsaved.

    Example:
        @get("/<int:user_id>")
        @db.readonly_session
        async def show(self, req: Request, user_id: int, session: AsyncSession) -> Response[UserData]:
            return req.res.json(await User.query(session).get_or_404(user_id))

    Within an open session of the same database in the same task or thread, the method gets that one.
    """

    word = "readonly_session"
    access = "read"
    statuses = READING_STATUSES

    async def _run(self, opened: OpenSession, session: AsyncSession, call: Call, next: Next) -> Any:
        refuse_writes(session.sync_session, READONLY_REFUSAL)
        is_kept = False
        try:
            result = await call.settle(await next(call))
            refuse_generator(result)
            lost_rows(session.sync_session)
            is_kept = close_after_stream(call, result, session)
            return result
        finally:
            if not is_kept:
                await roll_back(session)

    def _run_sync(self, opened: OpenSession, session: Session, call: Call, next: NextSync) -> Any:
        refuse_writes(session, READONLY_REFUSAL)
        is_kept = False
        try:
            result = call.settle_sync(next(call))
            refuse_generator(result)
            lost_rows(session)
            is_kept = close_after_stream_sync(call, result, session)
            return result
        finally:
            if not is_kept:
                roll_back_sync(session)


class Transactional(ManagedSession):
    """`@db.transactional`: a managed session that is no parameter of the method.

    `Model.query()` without a session finds it, and so does `current_session()`.

    Example:
        @post("/<int:user_id>/visits")
        @db.transactional
        async def visit(self, req: Request, user_id: int) -> Response:
            await User.query().filter_by(id=user_id).update({"visits": User.visits + 1})
            return req.res.no_content()
    """

    word = "transactional"

    def injects(self, app: Patera) -> Sequence[str]:
        """Return nothing."""
        return ()

    def _parameter(self, state: SqlState) -> str | None:
        return None


def _missing_database(layer: SessionLayer, app: Patera, where: str, location: str) -> Mistake:
    database = layer.database
    listed = ", ".join(app.extensions) or "nothing"
    return Mistake(
        "PAT410",
        where,
        f"@{layer.name} of a database that is not in EXTENSIONS, which has {listed}",
        "a SqlDatabase that is listed in EXTENSIONS",
        f"add the import string of {database!r} to EXTENSIONS",
        location,
    )


def _blocking_call(layer: SessionLayer) -> InvalidRequestError:
    return InvalidRequestError(
        f"@{layer.name} of a `def` method was reached in the event loop, inside an asynchronous session of the same "
        "database: the two could wait for each other for ever. Make the method `async def`"
    )


def _nested_in_reading(layer: SessionLayer) -> InvalidRequestError:
    return InvalidRequestError(
        f"@{layer.name} was reached inside @{layer.database.db_name}.{ReadonlySession.word}, and its changes could not "
        f"be saved there: put @{layer.name} on the outer method, or call this one after that has ended"
    )
