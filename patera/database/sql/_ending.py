"""How sessions end: committed, rolled back, or kept for what a stream still reads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from functools import partial
from types import AsyncGeneratorType, GeneratorType
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.util.concurrency import greenlet_spawn

from ._guard import has_changes
from ._shield import PATIENCE_SECONDS, to_completion

if TYPE_CHECKING:
    from patera.layer import Call

    from ._current import OpenSession

__all__ = [
    "close_after_stream",
    "close_after_stream_sync",
    "commit",
    "commit_sync",
    "flush_changes",
    "flush_changes_sync",
    "refuse_generator",
    "roll_back",
    "roll_back_sync",
    "sessions_around",
]


async def commit(session: AsyncSession, *, is_kept: bool) -> None:
    """Commit and close; a cancellation meanwhile is delivered afterwards.

    Args:
        session: The session.
        is_kept: Whether it stays open, to be read from.
    """
    if session.in_transaction():
        await to_completion(greenlet_spawn(commit_sync, session.sync_session, is_kept=is_kept))
    elif not is_kept:
        # Without a transaction it has no connection to give back.
        session.sync_session.close()


def commit_sync(session: Session, *, is_kept: bool) -> None:
    """Commit and close the session of a `def` method.

    Args:
        session: The session.
        is_kept: Whether it stays open, to be read from.
    """
    try:
        session.commit()
    except BaseException:
        roll_back_sync(session)
        raise
    if not is_kept:
        session.close()


async def roll_back(session: AsyncSession) -> None:
    """Roll back and close, whatever cancels the caller meanwhile; a server that hangs is left alone."""
    if not session.in_transaction():
        session.sync_session.close()
    elif _can_hang(session):
        await to_completion(_close_in_time(session))
    else:
        await to_completion(greenlet_spawn(roll_back_sync, session.sync_session))


def _can_hang(session: AsyncSession) -> bool:
    """Whether there is a server that may not answer; a clock for each request costs more than one would think."""
    bind = session.sync_session.bind
    return bind is None or bind.dialect.name != "sqlite"


async def _close_in_time(session: AsyncSession) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            await greenlet_spawn(roll_back_sync, session.sync_session)


def roll_back_sync(session: Session) -> None:
    """Roll back and close; a connection that is lost has rolled back by itself."""
    try:
        session.close()
    except SQLAlchemyError:
        session.invalidate()


def close_after_stream(call: Call, result: Any, session: AsyncSession) -> bool:
    """Note to close a session after the last byte of a response that is made while it is sent.

    Args:
        call: The call of the method.
        result: What the method returned.
        session: The session.

    Returns:
        Whether it has to stay open.
    """
    if call.request is None or not _is_streamed(result):
        return False
    call.request.defer(partial(roll_back, session))
    return True


def close_after_stream_sync(call: Call, result: Any, session: Session) -> bool:
    """Do the same for the session of a `def` method; it is closed in a thread, as closing may block."""
    if call.request is None or not _is_streamed(result):
        return False
    call.request.defer(partial(anyio.to_thread.run_sync, roll_back_sync, session))
    return True


def _is_streamed(result: Any) -> bool:
    return getattr(result, "is_streaming", False) or getattr(result, "body_iterator", None) is not None


def sessions_around(opened: OpenSession, call: Call) -> Iterator[Any]:
    """Yield the sessions of other databases that the same method has, and that are committed after this one.

    There is no common commit of several databases: what can fail before the first one does so there.
    """
    outer = opened.outer
    while outer is not None:
        is_used = any(value is outer.session for value in call.kwargs.values())
        if is_used and outer.access == "write" and not outer.is_over:
            yield outer.session
        outer = outer.outer


async def flush_changes(session: AsyncSession) -> None:
    """Send what is pending to the database, if anything is."""
    if has_changes(session.sync_session):
        await session.flush()


def flush_changes_sync(session: Session) -> None:
    """Do the same for the session of a `def` method."""
    if has_changes(session):
        session.flush()


def refuse_generator(result: Any) -> None:
    """Refuse a generator that would read from a session that is closed before its first step.

    Raises:
        TypeError: The method that has the session is a generator, and no endpoint.
    """
    if isinstance(result, AsyncGeneratorType | GeneratorType):
        raise TypeError(
            f"{result.__qualname__}() is a generator and no endpoint, so its session would be closed before its "
            "first step: put the decorator on the method that iterates over it, and pass the session"
        )
