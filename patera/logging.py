"""Logging: loguru's logger everywhere, and the sinks that an application adds from its start to its end.

Importing this module adds no sink. `start_logging` does, when an application starts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar, overload

from loguru import logger

from ._log_config import (
    CompressionType,
    FilterType,
    LoggerConfig,
    LoggerConfigModel,
    OutputSink,
    RetentionType,
    RotationType,
    checked_config,
    file_count,
    resolve_sink,
)
from ._log_format import DEFAULT_FORMAT, JsonFormat, accepted_format
from ._log_records import InMemoryLogBuffer, bind_logger, compile_filter, escape_control
from ._log_setup import LoggingSetup, start_logging
from .exceptions import ConfigurationError, Mistake

if TYPE_CHECKING:
    from pydantic import BaseModel

    from .application import Patera

__all__ = [
    "CompressionType",
    "DefaultLogger",
    "FilterType",
    "InMemoryLogBuffer",
    "LogLevel",
    "LoggerBase",
    "LoggerConfig",
    "LoggerConfigModel",
    "LoggingSetup",
    "OutputSink",
    "RetentionType",
    "RotationType",
    "bind_logger",
    "config_name",
    "escape_control",
    "load_loggers",
    "start_logging",
]


T = TypeVar("T")


class LogLevel(StrEnum):
    """The levels of a log line, least important first.

    Example:
        DEFAULT_LOGGER = {"LEVEL": LogLevel.INFO}
    """

    TRACE = "TRACE"
    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


class LoggerBase:
    """One sink of an application: subclass it, list the class in `LOGGERS`, configure it by its name.

    The configuration dict has the class's name in upper snake case. Every `get_` method returns one
    setting and may be overridden. Rotation, retention, compression, mode, delay and encoding have an
    effect on files only.

    Example:
        class FileLogger(LoggerBase):
            def get_filter(self) -> FilterType:
                return lambda record: "PERFORMANCE" in record["message"]

        FILE_LOGGER = {"SINK": "logs/app.log", "LEVEL": LogLevel.INFO}   # in the config class

    Args:
        app: The application; set by the framework.

    Raises:
        ConfigurationError: The configuration dict has an unknown key or a value that does not fit.
    """

    #: The Pydantic model of the configuration dict.
    configs_model: type[BaseModel] = LoggerConfigModel

    def __init__(self, app: Patera) -> None:
        self.app = app
        #: What the configuration dict sets; defaults are not in it.
        self.conf: dict[str, Any] = self.validate_configs(app.configs.get(self.logger_name) or {})

    @property
    def logger_name(self) -> str:
        """The key of the configuration dict: `FILE_LOGGER` for `FileLogger`."""
        return config_name(type(self))

    def validate_configs(self, configs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the configuration dict after `configs_model` has checked it.

        Raises:
            ConfigurationError: Naming every unknown key and every value that does not fit.
        """
        return checked_config(self.logger_name, configs, self.configs_model)

    @overload
    def get_conf_value(self, key: str) -> Any: ...
    @overload
    def get_conf_value(self, key: str, default: T) -> T: ...
    def get_conf_value(self, key: str, default: Any = None) -> Any:
        """Return a value of the configuration dict, or the default where it is not set."""
        return self.conf.get(key, default)

    def get_sink(self) -> OutputSink:
        """Return where lines go: a path, a stream, a function or a `logging.Handler`."""
        sink: OutputSink = resolve_sink(self.get_conf_value("SINK", "STDERR"))
        return sink

    def get_level(self) -> str | int:
        """Return the lowest level that is written."""
        return self.get_conf_value("LEVEL", LogLevel.TRACE)

    def get_format(self) -> str:
        """Return the format of a line, in loguru's syntax.

        `{extra[logger_name]}` is the logger's name, `{extra[request_id]}` the request's id or `-`.
        """
        return self.get_conf_value("FORMAT", DEFAULT_FORMAT)

    def get_filter(self) -> FilterType:
        """Return what chooses records: a function, a module name, levels by module, or None for all."""
        return None

    def get_enqueue(self) -> bool:
        """Return whether lines pass through a queue; such a sink needs the lifespan's shutdown."""
        return self.get_conf_value("ENQUEUE", False)

    def get_backtrace(self) -> bool:
        """Return whether a traceback goes up beyond the place where the exception was caught."""
        return self.get_conf_value("BACKTRACE", True)

    def get_diagnose(self) -> bool:
        """Return whether tracebacks show the values of variables: secrets, so only in DEBUG unless set.

        Where they do not, secrets in messages and exceptions are masked too: passwords, tokens, cookies,
        the credentials within URIs.
        """
        return self.get_conf_value("DIAGNOSE", bool(self.app.debug))

    def get_colorize(self) -> bool:
        """Return whether markup becomes colours: yes, unless set, serialised or `NO_COLOR` is in the environment."""
        return self.get_conf_value("COLORIZE", not self.get_serialize() and not os.environ.get("NO_COLOR"))

    def get_serialize(self) -> bool:
        """Return whether each record is written as one JSON object with all it holds."""
        return self.get_conf_value("SERIALIZE", False)

    def get_rotation(self) -> RotationType:
        """Return when a new file is begun: a size, a time, or None for never."""
        return self.get_conf_value("ROTATION", "5 MB")

    def get_retention(self) -> RetentionType:
        """Return how many rotated files are kept, or for how long, or None for all."""
        return self.get_conf_value("RETENTION", 5)

    def get_compression(self) -> CompressionType:
        """Return the format in which rotated files are packed, or None."""
        return self.get_conf_value("COMPRESSION", "zip")

    def get_delay(self) -> bool:
        """Return whether the file is only created for its first line."""
        return self.get_conf_value("DELAY", True)

    def get_encoding(self) -> str:
        """Return the file's encoding."""
        return self.get_conf_value("ENCODING", "utf-8")

    def get_mode(self) -> str:
        """Return the mode in which the file is opened."""
        return self.get_conf_value("MODE", "a")

    def remove_existing_handlers(self) -> bool:
        """Return whether the sinks that this application added before are removed; others never are."""
        return False

    def dict_to_format_string(self, fields: Mapping[str, Any]) -> str:
        """Return a format whose lines are JSON, always valid, from a format for each member.

        Example:
            def get_format(self) -> str:
                return self.dict_to_format_string({"at": "{time}", "level": "{level}", "text": "{message}"})

        A traceback becomes the member `exception`.

        Args:
            fields: The members; dicts may be nested.
        """
        return JsonFormat(fields)

    def configure(self) -> int:
        """Add the sink to loguru; the framework does it when the application starts.

        Returns:
            The sink's id, for `logger.remove`.

        Raises:
            ConfigurationError: Loguru or the operating system refuses the sink (PAT043).
        """
        try:
            text, loss = accepted_format(self.get_format())
            sink_id = self._add_sink(text)
        except (LookupError, OSError, TypeError, ValueError) as error:
            raise ConfigurationError(self._refusal(error)) from error
        if loss:
            self.app.logger.warning("FORMAT of {}: {}", self.logger_name, loss)
        return sink_id

    def _add_sink(self, text: str) -> int:
        sink: Any = resolve_sink(self.get_sink())
        options: dict[str, Any] = {
            "format": text.write_line if isinstance(text, JsonFormat) else text,
            "level": self.get_level(),
            "filter": compile_filter(self.app, type(self).__name__, self.get_filter(), masks=not self.get_diagnose()),
            "enqueue": self.get_enqueue(),
            "backtrace": self.get_backtrace(),
            "diagnose": self.get_diagnose(),
            "colorize": self.get_colorize(),
            "serialize": self.get_serialize(),
        }
        if isinstance(sink, str | os.PathLike):
            options |= self._file_options()
        return logger.add(sink, catch=True, **options)

    def _file_options(self) -> dict[str, Any]:
        return {
            "rotation": self.get_rotation(),
            "retention": file_count(self.get_retention()),
            "compression": self.get_compression(),
            "delay": self.get_delay(),
            "encoding": self.get_encoding(),
            "mode": self.get_mode(),
        }

    def _refusal(self, error: Exception) -> Mistake:
        kind = type(self)
        return Mistake(
            "PAT043",
            f"{kind.__module__}.{kind.__qualname__}",
            f"a sink that cannot be added: {error}",
            "options that loguru accepts, and a path that can be written",
            f"correct {self.logger_name}, or the get_ method that returns the value",
        )


class DefaultLogger(LoggerBase):
    """The logger that every application has: STDERR, configured by `DEFAULT_LOGGER`.

    A subclass that is listed in `LOGGERS` takes its place.

    Example:
        DEFAULT_LOGGER = {"LEVEL": LogLevel.WARNING}   # in the config class; the rest stays as it is
    """


def config_name(logger_class: type[LoggerBase]) -> str:
    """Return the key of a logger class's configuration dict: `FILE_LOGGER` for `FileLogger`.

    Example:
        known_keys = {config_name(each) for each in logger_classes}
    """
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", logger_class.__name__)
    return parts.upper()


def load_loggers(app: Patera, classes: Sequence[type[LoggerBase]]) -> list[LoggerBase]:
    """Make an application's loggers and check their configuration; no sink is added yet.

    Example:
        loggers = load_loggers(app, [FileLogger])

    Args:
        app: The application; its `configs` are read.
        classes: What `LOGGERS` names. A class that is named twice counts once.

    Returns:
        The default logger, unless a subclass of it is listed, and one of each class.

    Raises:
        ConfigurationError: With the mistakes of all loggers together.
    """
    listed: list[Any] = list(classes)
    if not any(_is_logger(each) and issubclass(each, DefaultLogger) for each in listed):
        listed.insert(0, DefaultLogger)
    loggers: list[LoggerBase] = []
    mistakes: list[Mistake] = []
    for number, logger_class in enumerate(listed):
        if logger_class in listed[:number]:
            continue
        try:
            loggers.append(_load_logger(app, logger_class))
        except ConfigurationError as error:
            mistakes.extend(error.mistakes)
    if mistakes:
        raise ConfigurationError(*mistakes)
    return loggers


def _is_logger(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, LoggerBase)


def _load_logger(app: Patera, found: Any) -> LoggerBase:
    if _is_logger(found):
        loaded: LoggerBase = found(app)
        return loaded
    change = "name a subclass of patera.logging.LoggerBase"
    raise ConfigurationError(Mistake("PAT044", "LOGGERS", repr(found), "a subclass of LoggerBase", change))
