"""Limits how long an async engine waits for a server that accepts connections and says nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from sqlalchemy import Dialect, Engine, event
from sqlalchemy.util.concurrency import await_, greenlet_spawn

from ._shield import open_to_completion, to_completion

__all__ = ["limit_waiting"]

T = TypeVar("T")

#: Seconds that a pooled connection has to answer before it is taken for lost.
_PING_SECONDS = 5.0
#: Seconds that a driver has to give up its question.
_CANCEL_SECONDS = 0.1


def limit_waiting(engine: Engine, seconds: float) -> None:
    """Give up connecting after `seconds`; what the operating system refuses becomes an error of the driver.

    Drivers differ: one limits the connection to the port and not the greeting that follows, another
    raises `OSError` and `TimeoutError`, which SQLAlchemy then does not take for errors of the database.

    Args:
        engine: The synchronous part of an async engine.
        seconds: The limit for connecting.
    """

    def connect(dialect: Dialect, record: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        try:
            opening = _within(seconds, greenlet_spawn(dialect.connect, *args, **kwargs))
            return await_(open_to_completion(dialect, opening))
        except TimeoutError as error:
            raise _driver_error(dialect, f"the server did not answer within {seconds:g} s") from error
        except OSError as error:
            raise _driver_error(dialect, str(error)) from error

    event.listen(engine, "do_connect", connect)
    dialect: Any = engine.dialect
    ping = dialect.do_ping

    def limited_ping(connection: Any) -> bool:
        asking = _answers_within(min(seconds, _PING_SECONDS), greenlet_spawn(ping, connection))
        is_answering = await_(to_completion(asking))
        # A polite farewell would wait for the server once more.
        abandon = None if is_answering else getattr(connection, "_terminate_force_close", None)
        if abandon is not None:
            abandon()
        return is_answering

    # The pool's own check has no limit: a server that hangs would hold every request that uses the pool.
    dialect.do_ping = limited_ping


async def _within(seconds: float, result: Awaitable[T]) -> T:
    async with asyncio.timeout(seconds):
        return await result


async def _answers_within(seconds: float, ping: Coroutine[Any, Any, bool]) -> bool:
    """Return what a ping returns, or False after `seconds`; runs in a task of its own."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    # psycopg answers the first cancellation by asking the server, which hangs, to stop its work.
    timers = [loop.call_later(seconds + more, task.cancel) for more in (0, _CANCEL_SECONDS, 2 * _CANCEL_SECONDS)]
    try:
        return await ping
    except asyncio.CancelledError:
        return False
    finally:
        for timer in timers:
            timer.cancel()


def _driver_error(dialect: Dialect, message: str) -> Exception:
    error: Exception = dialect.loaded_dbapi.OperationalError(message)
    return error
