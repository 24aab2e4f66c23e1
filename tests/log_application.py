"""A small application for tests of logging: it writes to memory, and leaves global logging as it was."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from loguru import logger

from patera._context import current_request
from patera._log_interception import JOINED_LOGGERS
from patera.logging import InMemoryLogBuffer, LoggerBase, LoggingSetup, bind_logger, load_loggers, start_logging


class Application:
    """The part of an application that logging uses."""

    def __init__(self, **configs: Any) -> None:
        self.configs = configs
        self.debug = False
        self.log_buffer = InMemoryLogBuffer()
        this: Any = self
        self.logger = bind_logger(this)


class LoggedRequest:
    """The part of a request that logging uses."""

    def __init__(self, app: Any, request_id: str | None = None) -> None:
        self.scope = {"app": app, **({"patera.request_id": request_id.encode()} if request_id else {})}


class Memory(list[str]):
    """A stream that keeps its lines."""

    def write(self, message: str) -> None:
        self.append(message.rstrip("\n"))


def make_app(**configs: Any) -> Any:
    return Application(**configs)


def to_memory(**configs: Any) -> tuple[Any, Memory]:
    """Make an application whose default logger writes to memory, without colours."""
    lines = Memory()
    defaults = {"SINK": lines, "FORMAT": "{message}", "COLORIZE": False}
    return make_app(DEFAULT_LOGGER={**defaults, **configs}), lines


@contextmanager
def running(app: Any, *classes: type[LoggerBase]) -> Iterator[LoggingSetup]:
    setup = start_logging(app, load_loggers(app, classes))
    try:
        yield setup
    finally:
        setup.stop()


@contextmanager
def answering(request: Any) -> Iterator[None]:
    token = current_request.set(request)
    try:
        yield
    finally:
        current_request.reset(token)


def state_of(name: str) -> tuple[list[logging.Handler], bool, int]:
    log = logging.getLogger(name)
    return list(log.handlers), log.propagate, log.level


@contextmanager
def unchanged_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail where a sink is left behind, and put loggers of the standard library back."""
    monkeypatch.setenv("LOGURU_AUTOINIT", "false")  # Loguru's own sink belongs to the test run.
    monkeypatch.delenv("NO_COLOR", raising=False)
    saved = {name: state_of(name) for name in (*JOINED_LOGGERS, "uvicorn.asgi")}
    sinks = repr(logger)
    yield
    for name, (handlers, propagate, level) in saved.items():
        log = logging.getLogger(name)
        log.handlers, log.propagate = handlers, propagate
        log.setLevel(level)
    assert repr(logger) == sinks
