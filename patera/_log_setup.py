"""The start and the end of an application's logging."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from loguru import logger

from ._log_interception import interception
from ._log_records import InMemoryLogBuffer, compile_filter
from .exceptions import ConfigurationError, Mistake

if TYPE_CHECKING:
    from .application import Patera
    from .logging import LoggerBase


class LoggingSetup:
    """What one application added to logging, from its startup to its shutdown.

    Example:
        setup = start_logging(app, load_loggers(app, [FileLogger]))
        ...
        setup.stop()
    """

    def __init__(self, app: Patera) -> None:
        self.app = app
        self.sink_ids: list[int] = []

    def stop(self) -> None:
        """Remove the application's own sinks, after what is queued was written, and free joined loggers."""
        interception.leave(self.app)
        self.remove_sinks()

    def remove_sinks(self) -> None:
        """Remove the sinks, the oldest last: it is the default logger and reports what the others do."""
        while self.sink_ids:
            sink_id = self.sink_ids.pop()
            try:
                logger.remove(sink_id)
            except ValueError:
                continue  # Removed by the application itself, with `logger.remove()`.
            except Exception as error:
                self.app.logger.warning("A log sink could not be closed: {!r}", error)


def start_logging(app: Patera, loggers: Sequence[LoggerBase]) -> LoggingSetup:
    """Add an application's sinks and its log buffer, and join the loggers of uvicorn and SQLAlchemy.

    Loguru's own sink on STDERR is removed if the program has left it as it was, because every line
    would be written twice. Sinks of other applications and of the program stay.

    Example:
        setup = start_logging(app, load_loggers(app, [FileLogger]))

    Args:
        app: The application that starts.
        loggers: What `load_loggers` returned.

    Raises:
        ConfigurationError: A sink cannot be added. Nothing is left behind then.
    """
    setup = LoggingSetup(app)
    try:
        _add_sinks(setup, loggers)
    except BaseException:
        setup.remove_sinks()
        raise
    _remove_untouched_default()
    interception.join(app)
    return setup


def _add_sinks(setup: LoggingSetup, loggers: Sequence[LoggerBase]) -> None:
    mistakes: list[Mistake] = []
    for each in loggers:
        if each.remove_existing_handlers():
            setup.remove_sinks()
        try:
            setup.sink_ids.append(each.configure())
        except ConfigurationError as error:
            mistakes.extend(error.mistakes)
    if mistakes:
        raise ConfigurationError(*mistakes)
    setup.sink_ids.append(_add_buffer(setup.app, loggers))


def _add_buffer(app: Patera, loggers: Sequence[LoggerBase]) -> int:
    """Let the buffer keep what at least one of the loggers writes; an application without one gets it."""
    if app.log_buffer is None:
        app.log_buffer = InMemoryLogBuffer(app.configs["IN_MEMORY_LOG_BUFFER_SIZE"])
    levels = [each.get_level() for each in loggers]
    return logger.add(
        app.log_buffer,
        level=min((logger.level(each).no if isinstance(each, str) else each for each in levels), default=0),
        format="{message}",
        filter=compile_filter(app, type(app.log_buffer).__name__, None),
        colorize=False,
        backtrace=False,
        diagnose=False,
        catch=True,
    )


def _remove_untouched_default() -> None:
    # Loguru gives its own sink the id 0, and removing it is the only way to change it. A program
    # that told loguru to add none may have added the sink with that id itself.
    autoinit = os.environ.get("LOGURU_AUTOINIT", "true").lower()
    if autoinit in {"1", "true", "yes", "y", "ok", "on"} and sys.__stderr__ is not None:
        with suppress(ValueError):
            logger.remove(0)
