"""Startup and shutdown of an application, step by step, each step named."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ._context import running_applications, use_application
from ._hooks import SHUTDOWN_KEY, STARTUP_KEY, Step, marked_methods
from .concurrency import wait_for_background_tasks
from .logging import LoggingSetup, start_logging

if TYPE_CHECKING:
    from .application import Patera


class StartupError(RuntimeError):
    """A step of the startup failed; the error itself is the cause.

    Args:
        step: The extension or method that failed.
        error: What it raised.
    """

    def __init__(self, step: str, error: BaseException) -> None:
        super().__init__(f"The startup of {step} failed: {type(error).__name__}: {error}")


class Lifecycle:
    """One run of an application from startup to shutdown; an async context manager.

    Startup: logging, extensions in registration order, mounted applications, `@on_startup` methods
    alphabetically. Shutdown: `@on_shutdown` methods alphabetically, background tasks, then the rest
    in reverse. A failing shutdown step is logged and never stops the others.

    Args:
        app: The application.
    """

    def __init__(self, app: Patera) -> None:
        self._app = app
        self._logging: LoggingSetup | None = None
        self._started: list[Callable[[], Awaitable[Any]]] = []

    async def __aenter__(self) -> None:
        """Start the application.

        Raises:
            StartupError: A step failed; what had started was stopped again.
        """
        self._app.build()
        self._logging = start_logging(self._app, self._app.loggers)
        with use_application(self._app):
            try:
                self._app.log_configuration()
                await self._start()
            except BaseException:
                try:
                    await self._stop()
                finally:
                    self._leave()
                raise
        running_applications.append(self._app)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the application."""
        with use_application(self._app):
            try:
                for step in marked_methods(self._app, SHUTDOWN_KEY):
                    await self._run_last(step)
                await self._finish_background_tasks()
                await self._stop()
            finally:
                self._leave()

    async def _start(self) -> None:
        app = self._app
        for name, extension in app.extensions.items():
            await self._run_first((f"the extension {name}", partial(extension.startup, app)))
            self._started.append(partial(self._stop_extension, name, extension))
            for function in app.hooks.startup_of(extension):
                await self._run_first((f"the extension {name} ({_name(function)})", function))
        self._started.append(lambda: self._run_all(app.hooks.shutdown_of(None)))
        for function in app.hooks.startup_of(None):
            await self._run_first((_name(function), function))
        for mounted in dict.fromkeys(app.mounted_applications()):
            await self._start_mounted(mounted)
        for step in marked_methods(app, STARTUP_KEY):
            await self._run_first(step)

    async def _start_mounted(self, mounted: Patera) -> None:
        lifespan: AbstractAsyncContextManager[None] = mounted.lifespan()
        await self._run_first((f"the mounted application {mounted.app_name}", lifespan.__aenter__))
        self._started.append(partial(lifespan.__aexit__, None, None, None))

    async def _stop_extension(self, name: str, extension: Any) -> None:
        await self._run_all(self._app.hooks.shutdown_of(extension))
        await self._run_last((f"the extension {name}", partial(extension.shutdown, self._app)))

    async def _run_all(self, functions: list[Callable[[], Any]]) -> None:
        for function in reversed(functions):
            await self._run_last((_name(function), function))

    async def _run_first(self, step: Step) -> None:
        name, function = step
        try:
            await _call(function)
        except Exception as error:
            raise StartupError(name, error) from error

    async def _run_last(self, step: Step) -> None:
        name, function = step
        limit, cancels = asyncio.timeout(self._seconds), _cancels()
        try:
            async with limit:
                await _call(function)
        except (Exception, asyncio.CancelledError) as error:
            # A step may await a task that it has cancelled; only a new cancellation is that of the shutdown.
            if _cancels() > cancels:
                raise
            if limit.expired():
                self._app.logger.error("The shutdown of {} was cancelled after {} s", name, self._seconds)
            else:
                self._app.logger.opt(exception=error).error("The shutdown of {} failed", name)

    async def _finish_background_tasks(self) -> None:
        cancelled = await wait_for_background_tasks(self._app, self._seconds)
        if cancelled:
            self._app.logger.warning("{} background tasks were cancelled at shutdown", cancelled)

    async def _stop(self) -> None:
        while self._started:
            await self._started.pop()()

    def _leave(self) -> None:
        """Undo what others see of a running application, also where its shutdown was cancelled."""
        if self._app in running_applications:
            running_applications.remove(self._app)
        if self._logging is not None:
            self._logging.stop()
            self._logging = None

    @property
    def _seconds(self) -> float:
        seconds: float = self._app.configs["BACKGROUND_TASKS_SHUTDOWN_TIMEOUT"]
        return seconds


def _cancels() -> int:
    """Return how often the running task was asked to stop."""
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0


async def _call(function: Callable[[], Any]) -> None:
    result = function()
    if inspect.isawaitable(result):
        await result


def _name(function: Any) -> str:
    name: str = getattr(function, "__qualname__", repr(function))
    return name
