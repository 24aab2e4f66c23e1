"""The standard library's loggers of uvicorn and SQLAlchemy, joined to the sinks of running applications."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
import threading
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

from loguru import logger

from ._context import find_application
from ._log_records import APPLICATION_KEY, application_key, escape_control
from ._log_secrets import mask_query

if TYPE_CHECKING:
    from .application import Patera

# The last one has a name of its own here because an engine with `echo` gives it a handler unless it has one.
JOINED_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "sqlalchemy.engine", "sqlalchemy.engine.Engine")

# Its lines are made of what a client sent.
_ACCESS_LOGGER = "uvicorn.access"


class Interception:
    """Passes records of `JOINED_LOGGERS` on to loguru while at least one application runs.

    A record goes to one application: the one it was written for, else the one that started first.
    """

    def __init__(self) -> None:
        self._applications: list[Patera] = []
        self._joined: list[_JoinedLogger] = []
        self._lock = threading.Lock()

    def join(self, app: Patera) -> None:
        """Count an application in; the first one takes the loggers over."""
        with self._lock:
            self._applications.append(app)
            if len(self._applications) == 1:
                handler = _ForwardingHandler(self)
                joined = (_take_over(logging.getLogger(name), handler) for name in JOINED_LOGGERS)
                self._joined = [each for each in joined if each is not None]

    def leave(self, app: Patera) -> None:
        """Count an application out; after the last one the loggers are as they were."""
        with self._lock:
            if app not in self._applications:
                return
            self._applications.remove(app)
            if not self._applications:
                for joined in self._joined:
                    joined.restore()
                self._joined = []

    def owner(self) -> Patera | None:
        """Return the application whose sinks take a record that is written now."""
        applications = list(self._applications)
        application = find_application()
        if application in applications:
            return application
        return applications[0] if applications else None


#: The loggers are global, and so is what is done to them.
interception = Interception()


@dataclass(frozen=True, slots=True)
class _JoinedLogger:
    """A logger that was taken over, with what it had before."""

    log: logging.Logger
    handlers: list[logging.Handler]
    propagate: bool
    forwarding: logging.Handler

    def restore(self) -> None:
        if self.forwarding not in self.log.handlers:
            return  # Configured anew meanwhile, so what was there before has no place any more.
        kept = {*self.handlers, self.forwarding}
        added = [handler for handler in self.log.handlers if handler not in kept]
        self.log.handlers = [*self.handlers, *added]
        self.log.propagate = self.propagate


class _ForwardingHandler(logging.Handler):
    """Writes records to loguru with their own level, name, exception and place in the code."""

    def __init__(self, owners: Interception) -> None:
        super().__init__()
        self._owners = owners

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:
            self.handleError(record)
            return
        if record.name == _ACCESS_LOGGER:
            message = escape_control(mask_query(message))
        bound = {"logger_name": record.name}
        if (application := self._owners.owner()) is not None:
            bound[APPLICATION_KEY] = application_key(application)
        raised = record.exc_info if record.exc_info and record.exc_info[0] else None
        if raised is not None and isinstance(raised[1], asyncio.CancelledError):
            # A server that stops cancels the streams that are still open; that is no fault to trace.
            message, raised = f"{message.strip()}: {raised[1]!r}", None
        depth = _depth_of(record, inspect.currentframe())
        logger.bind(**bound).opt(depth=depth, exception=raised).log(_level_of(record), message)


def _take_over(log: logging.Logger, handler: logging.Handler) -> _JoinedLogger | None:
    """Put the handler in the place of a logger's console handlers; handlers for files and the like stay."""
    if not log.handlers and not log.propagate:
        # Silenced on purpose: uvicorn does it for `--no-access-log` and checks for handlers later.
        return None
    joined = _JoinedLogger(log, list(log.handlers), log.propagate, handler)
    log.handlers = [*(each for each in log.handlers if not _is_console(each)), handler]
    log.propagate = False
    return joined


def _is_console(handler: logging.Handler) -> bool:
    if type(handler) is logging.StreamHandler:
        return True
    consoles = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    return isinstance(handler, logging.StreamHandler) and handler.stream in consoles


def _level_of(record: logging.LogRecord) -> str | int:
    try:
        return logger.level(record.levelname).name
    except ValueError:
        return record.levelno


def _depth_of(record: logging.LogRecord, frame: FrameType | None) -> int:
    """Count the frames from the handler up to the one that the record names, which knows about `stacklevel`."""
    depth = 0
    while frame is not None:
        code = frame.f_code
        if (code.co_filename, code.co_name, frame.f_lineno) == (record.pathname, record.funcName, record.lineno):
            return depth
        frame = frame.f_back
        depth += 1
    return 0
