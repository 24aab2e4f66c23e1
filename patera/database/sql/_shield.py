"""What must not be left half-way when its task is cancelled: connecting, commit, rollback and closing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar

import anyio
from sqlalchemy import Engine
from sqlalchemy.util.concurrency import await_, greenlet_spawn, in_greenlet

__all__ = ["PATIENCE_SECONDS", "open_to_completion", "shield_ends", "to_completion"]

T = TypeVar("T")

#: How long a cancelled task waits for what it may not interrupt, before it interrupts it after all.
PATIENCE_SECONDS = 10.0

#: How long a driver may take to give up a cancelled statement, and to close a connection in good order.
CANCEL_SECONDS = 2.0
CLOSE_SECONDS = 3.0

#: Whether the running task is one that `to_completion()` has made.
_is_shielded: ContextVar[bool] = ContextVar("patera.sql.shielded", default=False)


async def to_completion(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, in a task of its own; a cancellation meanwhile is delivered after that.

    A server that no longer answers does not hold the caller for ever: `PATIENCE_SECONDS` after the
    cancellation the work is cancelled too.

    Example:
        await to_completion(session.close())

    Args:
        work: The coroutine.

    Raises:
        CancelledError: The caller was cancelled; what the work raised is its cause.
    """
    task = _start(work)
    cancellation = await _outlast(task)
    if cancellation is None:
        return task.result()
    try:
        raise cancellation from (None if task.cancelled() else task.exception())
    finally:
        # Its traceback refers to this frame: such a cycle would keep cursors and rows until the next collection.
        del cancellation


def _start(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    context = copy_context()
    context.run(_is_shielded.set, True)
    return asyncio.get_running_loop().create_task(work, context=context)


async def _outlast(task: asyncio.Future[Any], limit_seconds: float | None = None) -> asyncio.CancelledError | None:
    """Wait until a task is done, and return the cancellation that the caller was sent meanwhile.

    Args:
        task: The task; after the limit it is cancelled.
        limit_seconds: None for no limit, but `PATIENCE_SECONDS` from the caller's cancellation on.
    """
    try:
        if limit_seconds is None:
            await _done(task)
        else:
            await asyncio.wait((task,), timeout=limit_seconds)
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))
    except asyncio.CancelledError as cancellation:
        await _outlast_cancelled(task, PATIENCE_SECONDS if limit_seconds is None else limit_seconds)
        return cancellation
    return None


async def _done(task: asyncio.Future[Any]) -> None:
    """Do what `asyncio.wait()` does for one task, at a third of its price: each request comes here."""
    waiter = asyncio.get_running_loop().create_future()

    def wake(task: asyncio.Future[Any]) -> None:
        if not waiter.done():
            waiter.set_result(None)

    task.add_done_callback(wake)
    try:
        await waiter
    finally:
        task.remove_done_callback(wake)


async def _outlast_cancelled(task: asyncio.Future[Any], patience_seconds: float = PATIENCE_SECONDS) -> None:
    clock = asyncio.get_running_loop().time
    deadline: float | None = clock() + patience_seconds
    # Without the scope, a cancelled one of anyio around it would end each wait at once, again and again.
    with anyio.CancelScope(shield=True):
        while not task.done():
            left = None if deadline is None else deadline - clock()
            if left is not None and left <= 0:
                task.cancel()
                deadline = left = None
            try:
                await asyncio.wait((task,), timeout=left)
            except asyncio.CancelledError:
                continue


def shield_ends(engine: Engine) -> None:
    """Let an async engine finish each commit, rollback and closing that it has begun.

    SQLAlchemy closes a connection whose statement was cancelled; a second cancellation would interrupt
    that too, and the driver would tell of it in the log.

    Args:
        engine: The synchronous part of the engine.
    """
    dialect: Any = engine.dialect
    is_sqlite = dialect.name == "sqlite"
    if is_sqlite:
        dialect.do_terminate = _behind_rollback(dialect.do_terminate)
    for name in ("do_commit", "do_rollback"):
        setattr(dialect, name, _shielded(getattr(dialect, name)))
    for name in ("do_close", "do_terminate"):
        # No server can hang behind SQLite, and its thread cannot be left before its statement ends.
        setattr(dialect, name, _closing(getattr(dialect, name), None if is_sqlite else CLOSE_SECONDS))
    if dialect.driver.startswith("psycopg"):
        # It asks the server to give up a cancelled statement, and warns if that is cancelled in turn.
        for name in ("do_execute", "do_executemany", "do_execute_no_params"):
            setattr(dialect, name, _cancelled_once(getattr(dialect, name)))


def _behind_rollback(terminate: Callable[[Any], None]) -> Callable[[Any], None]:
    """Roll back before closing: SQLite keeps its lock as long as a cursor that was cancelled is not collected."""

    def run(connection: Any) -> None:
        if in_greenlet():
            # Not awaited: the thread of the connection does one after the other, and what fails is closed anyway.
            rollback = asyncio.ensure_future(connection.driver_connection.rollback())
            rollback.add_done_callback(lambda task: task.cancelled() or task.exception())
        terminate(connection)

    return run


def _shielded(operation: Callable[[Any], None]) -> Callable[[Any], None]:
    def run(connection: Any) -> None:
        if _is_shielded.get() or not in_greenlet():
            operation(connection)
        else:
            await_(_postponing(greenlet_spawn(operation, connection)))

    return run


def _closing(operation: Callable[[Any], None], limit_seconds: float | None) -> Callable[[Any], None]:
    def run(connection: Any) -> None:
        if in_greenlet():
            await_(_postponing(greenlet_spawn(operation, connection), limit_seconds))
        else:
            operation(connection)

    return run


async def _postponing(work: Coroutine[Any, Any, None], limit_seconds: float | None = None) -> None:
    """Run work to its end, or to its limit; a cancellation meanwhile comes again where the task waits next.

    Raised here, SQLAlchemy would take it for a failure of the work.
    """
    task = _start(work)
    cancellation = await _outlast(task, limit_seconds)
    caller = asyncio.current_task()
    if cancellation is not None and caller is not None:
        # One request to cancel stays one: `asyncio.timeout()` counts them.
        caller.uncancel()
        caller.cancel(*cancellation.args)
    # A driver whose closing is cancelled closes by force.
    if limit_seconds is None or not task.cancelled():
        task.result()


def _cancelled_once(operation: Callable[..., None]) -> Callable[..., None]:
    def run(*arguments: Any) -> None:
        await_(_cancelling_once(greenlet_spawn(operation, *arguments)))

    return run


async def _cancelling_once(work: Coroutine[Any, Any, None]) -> None:
    """Pass the first cancellation on to work, and let no other disturb what it does then."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        await asyncio.wait((task,))
    except asyncio.CancelledError as cancellation:
        task.cancel()
        await _outlast_cancelled(task, CANCEL_SECONDS)
        raise cancellation from (None if task.cancelled() else task.exception())
    task.result()


async def open_to_completion(dialect: Any, opening: Coroutine[Any, Any, Any]) -> Any:
    """Await a new connection; where the caller is cancelled meanwhile, close it as soon as it stands.

    A driver that is cancelled while it connects leaves a half-open connection behind, which is a warning
    or an error in the log when it is collected.

    Args:
        dialect: SQLAlchemy's dialect.
        opening: Opens the connection.

    Raises:
        CancelledError: The caller was cancelled.
    """
    task = asyncio.ensure_future(opening)
    cancellation = await _outlast(task)
    if cancellation is None:
        return task.result()
    if not task.cancelled() and task.exception() is None:
        await to_completion(greenlet_spawn(dialect.do_terminate, task.result()))
    try:
        raise cancellation
    finally:
        del cancellation
