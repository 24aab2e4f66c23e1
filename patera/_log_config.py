"""Configuration dicts of loggers: their types, and the check that names every mistake in one."""

from __future__ import annotations

import codecs
import logging
import os
import re
import string
import sys
from collections.abc import Callable
from datetime import time, timedelta
from pathlib import Path
from typing import Any, TextIO, TypedDict

from loguru import logger
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from .exceptions import ConfigurationError, Mistake, closest

FilterType = str | dict[str | None, str | int | bool] | Callable[[Any], bool] | None
RotationType = str | int | time | timedelta | Callable[[Any, TextIO], bool] | None
RetentionType = str | int | timedelta | Callable[[list[str]], None] | None
CompressionType = str | Callable[[str], None] | None
OutputSink = str | Path | TextIO | Callable[[Any], None] | logging.Handler


class LoggerConfig(TypedDict, total=False):
    """The keys of a logger's configuration dict, for annotating one.

    Example:
        FILE_LOGGER: LoggerConfig = {"SINK": "logs/app.log", "ROTATION": "5 MB"}
    """

    SINK: OutputSink | None
    LEVEL: str | int | None
    FORMAT: str | None
    ENQUEUE: bool | None
    BACKTRACE: bool | None
    DIAGNOSE: bool | None
    COLORIZE: bool | None
    SERIALIZE: bool | None
    DELAY: bool | None
    ROTATION: RotationType
    RETENTION: RetentionType
    COMPRESSION: CompressionType
    ENCODING: str | None
    MODE: str | None


class LoggerConfigModel(BaseModel):
    """What a logger's configuration dict may hold; None is the default, for the files' limits "no limit".

    A logger with keys of its own extends it and names the class as its `configs_model`.

    Example:
        class AuditConfigModel(LoggerConfigModel):
            TENANT: str
    """

    # Built for the first application, not by the import.
    model_config = ConfigDict(extra="forbid", defer_build=True)

    SINK: Any = None
    LEVEL: str | int | None = None
    FORMAT: str | None = None
    ENQUEUE: bool | None = None
    BACKTRACE: bool | None = None
    DIAGNOSE: bool | None = None
    COLORIZE: bool | None = None
    SERIALIZE: bool | None = None
    DELAY: bool | None = None
    ROTATION: Any = None
    RETENTION: Any = None
    COMPRESSION: Any = None
    ENCODING: str | None = None
    MODE: str | None = None

    @field_validator("SINK")
    @classmethod
    def _check_sink(cls, value: Any) -> Any:
        is_sink = isinstance(value, os.PathLike | logging.Handler) or callable(value) or hasattr(value, "write")
        if value is None or is_sink or (isinstance(value, str) and value):
            return value
        raise ValueError("not a sink")

    @field_validator("LEVEL")
    @classmethod
    def _check_level(cls, value: str | int | None) -> str | int | None:
        if isinstance(value, str):
            return logger.level(value.upper()).name
        if value is not None and value < 0:
            raise ValueError("a level is not negative")
        return value

    @field_validator("FORMAT")
    @classmethod
    def _check_format(cls, value: str | None) -> str | None:
        list(string.Formatter().parse(value or ""))
        return value

    @field_validator("ROTATION")
    @classmethod
    def _check_rotation(cls, value: Any) -> Any:
        return _judged_by_loguru("rotation", value)

    @field_validator("RETENTION")
    @classmethod
    def _check_retention(cls, value: Any) -> Any:
        return _judged_by_loguru("retention", file_count(value))

    @field_validator("COMPRESSION")
    @classmethod
    def _check_compression(cls, value: Any) -> Any:
        return _judged_by_loguru("compression", value)

    @field_validator("ENCODING")
    @classmethod
    def _check_encoding(cls, value: str | None) -> str | None:
        try:
            codecs.lookup(value or "utf-8")
        except LookupError as error:
            raise ValueError(str(error)) from error
        return value

    @field_validator("MODE")
    @classmethod
    def _check_mode(cls, value: str | None) -> str | None:
        if value is not None and value not in {"a", "w", "x", "a+", "w+", "x+"}:
            raise ValueError("not a mode for writing text")
        return value


_ACCEPTED = {
    "SINK": "a path, STDERR, STDOUT, NULL, a stream, a function or a logging.Handler",
    "LEVEL": "a LogLevel, the name of a level or a number from 0",
    "FORMAT": "a format of loguru such as '{time} | {level} | {message}'; braces of the text are doubled",
    "ROTATION": "a size such as '5 MB', a time such as '1 day' or '12:00', a number of bytes, a timedelta, or None",
    "RETENTION": "a number of files such as 5 or '5 files', an age such as '10 days', a timedelta, or None",
    "COMPRESSION": "'zip', 'gz', 'bz2', 'xz', 'tar', 'tar.gz', 'tar.bz2', 'tar.xz', or None",
    "ENCODING": "the name of a text encoding such as 'utf-8'",
    "MODE": "'a' to append, 'w' to overwrite, or 'x' for a file that must not exist",
}

_STDERR_NAMES = {"STDERR", "SYS.ERR", "CONSOLE", "ERR"}
_STDOUT_NAMES = {"STDOUT", "SYS.OUT", "OUT"}
_NULL_NAMES = {"NULL", "DEVNULL", "NONE"}

# For these None has a meaning of its own; for every other key it stands for the default.
_NONE_SWITCHES_OFF = {"ROTATION", "RETENTION", "COMPRESSION"}


def checked_config(name: str, found: Any, model: type[BaseModel]) -> dict[str, Any]:
    """Return what a configuration dict sets, without the defaults.

    Args:
        name: The key of the dict in the application's configuration.
        found: Its value.
        model: What it may hold.

    Raises:
        ConfigurationError: PAT040 for unknown keys, PAT041 for values, PAT042 for something else than a dict.
    """
    if not isinstance(found, dict):
        accepted = f"a dict with keys among {', '.join(model.model_fields)}"
        raise ConfigurationError(Mistake("PAT042", name, repr(found), accepted, f"make {name} a dict"))
    try:
        checked = model.model_validate(found)
    except ValidationError as error:
        known = list(model.model_fields)
        raise ConfigurationError(*(_mistake(name, dict(entry), known) for entry in error.errors())) from error
    # Not a dump of the model: it would make a copy of a stream that is also a list or a dict.
    config = {key: getattr(checked, key) for key in found if key in checked.model_fields_set}
    return {key: value for key, value in config.items() if value is not None or key in _NONE_SWITCHES_OFF}


def file_count(retention: Any) -> Any:
    """Return 5 for the documented `"5 files"`, which loguru does not know; anything else as it is."""
    match = re.fullmatch(r"\s*(\d+)\s*files?\s*", retention, re.IGNORECASE) if isinstance(retention, str) else None
    return int(match[1]) if match else retention


def resolve_sink(sink: Any) -> Any:
    """Return the stream for `STDERR`, `STDOUT` and their other names, in any case; another sink as it is."""
    name = sink.upper() if isinstance(sink, str) else ""
    if name in _STDERR_NAMES:
        return sys.stderr or _discard
    if name in _STDOUT_NAMES:
        return sys.stdout or _discard
    return _discard if name in _NULL_NAMES else sink


def _discard(message: str) -> None:
    pass


def _judged_by_loguru(option: str, value: Any) -> Any:
    """Add a file sink with the option and remove it: only loguru knows the syntax of its options.

    `delay` keeps the file from being opened, and with a rotation nothing is cleaned up on removal.
    """
    options: dict[str, Any] = {"rotation": "1 GB"}
    if value is not None:
        options[option] = value
    try:
        logger.remove(logger.add(os.devnull, level=sys.maxsize, delay=True, **options))
    except TypeError as error:
        raise ValueError(str(error)) from error
    return value


def _mistake(name: str, error: dict[str, Any], known: list[str]) -> Mistake:
    key = ".".join(str(part) for part in error["loc"])
    where = f"{name}[{key!r}]"
    if error["type"] == "extra_forbidden":
        hint = closest(key.upper(), known)
        return Mistake("PAT040", where, "an unknown key", ", ".join(known), f"correct or remove the key.{hint}")
    found = "nothing" if error["type"] == "missing" else repr(error["input"])
    accepted = _ACCEPTED.get(key, error["msg"])
    return Mistake("PAT041", where, found, accepted, f"correct the value: {error['msg']}")
