"""Warns in DEBUG when a handler blocks the event loop, and names it."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from patera.application import Patera

#: Seconds between two awaits after which other requests are noticeably held up.
BLOCKING_SECONDS = 0.5


def watch_blocking(call: Callable[..., Any], name: str, app: Patera) -> Callable[..., Any]:
    """Return the handler with each of its steps between two awaits timed."""

    @functools.wraps(call)
    async def watched(*args: Any, **kwargs: Any) -> Any:
        return await _Watched(call(*args, **kwargs), name, app)

    return watched


class _Watched:
    """A coroutine whose steps are timed."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], name: str, app: Patera) -> None:
        self._coroutine = coroutine
        self._name = name
        self._app = app

    def __await__(self) -> Generator[Any, Any, Any]:
        step: Callable[[], Any] = functools.partial(self._coroutine.send, None)
        while True:
            try:
                waited_for = self._timed(step)
            except StopIteration as end:
                return end.value
            try:
                sent = yield waited_for
                step = functools.partial(self._coroutine.send, sent)
            except GeneratorExit:
                self._coroutine.close()
                raise
            except BaseException as error:
                step = functools.partial(self._coroutine.throw, error)

    def _timed(self, step: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        try:
            return step()
        finally:
            seconds = time.perf_counter() - started
            if seconds >= BLOCKING_SECONDS:
                self._app.logger.warning(
                    "{} blocked the event loop for {:.1f} s; use an async library, a `def` handler or "
                    "run_sync_or_async()",
                    self._name,
                    seconds,
                )
