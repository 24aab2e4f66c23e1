"""Log records: which application they belong to, what is filled in, what memory keeps of them."""

from __future__ import annotations

import itertools
import re
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from loguru import logger

from ._context import find_application
from ._log_secrets import mask_record
from .concurrency import current_request_id

if TYPE_CHECKING:
    from loguru import Logger, Message, Record

    from ._log_config import FilterType
    from .application import Patera

#: Key in a record's `extra`: the application whose logger wrote it.
APPLICATION_KEY = "patera_app"

# Control characters of ASCII and Unicode, line and paragraph separators, marks that turn the
# reading direction round, and lone surrogates, which no encoding can write.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_application_keys: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
_numbers = itertools.count(1)


def application_key(app: Patera) -> str:
    """Return the value of `APPLICATION_KEY` for an application, such as `Shop-1`.

    Text, because a sink with a queue pickles its records and a serialising one prints them.
    """
    if app not in _application_keys:
        _application_keys[app] = f"{type(app).__name__}-{next(_numbers)}"
    return _application_keys[app]


def bind_logger(app: Patera) -> Logger:
    """Return loguru's logger, bound so that only the sinks of `app` take its records.

    Example:
        app.logger = bind_logger(app)
    """
    return logger.bind(**{APPLICATION_KEY: application_key(app)})


def escape_control(text: str) -> str:
    r"""Return the text with control characters spelled out, so that it stays within one log line.

    Example:
        escape_control("/a\nINFO | forged") == r"/a\nINFO | forged"

    Args:
        text: Text of a client: a path, a user agent.
    """
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


class InMemoryLogBuffer:
    """The latest log records of an application, as plain dicts; `app.log_buffer` while it runs.

    Each dict has `time` (ISO 8601), `level`, `message`, `logger_name`, `file`, `line`, `name` and
    `function`. Lists start with the oldest record.

    Example:
        errors = app.log_buffer.get_last_severe(10)

    Args:
        maxlen: How many records are kept, `IN_MEMORY_LOG_BUFFER_SIZE`.
    """

    def __init__(self, maxlen: int = 1000) -> None:
        self._records: deque[dict[str, Any]] = deque(maxlen=maxlen)
        # Reentrant: a finalizer that logs may run while a list is made.
        self._lock = threading.RLock()

    def write(self, message: Message) -> None:
        """Keep a record; loguru calls this."""
        record = message.record
        entry = {
            "time": record["time"].isoformat(),
            "level": record["level"].name,
            "message": record["message"],
            "logger_name": str(record["extra"].get("logger_name", "")),
            "file": record["file"].name,
            "line": record["line"],
            "name": record["name"],
            "function": record["function"],
        }
        with self._lock:
            self._records.append(entry)

    def get_all(self) -> list[dict[str, Any]]:
        """Return every record that is still kept."""
        with self._lock:
            return list(self._records)

    def get_last(self, n: int = 100) -> list[dict[str, Any]]:
        """Return the `n` latest records."""
        return _last(self.get_all(), n)

    def get_severe(self) -> list[dict[str, Any]]:
        """Return the records of level ERROR and CRITICAL."""
        return [record for record in self.get_all() if record["level"] in {"ERROR", "CRITICAL"}]

    def get_last_severe(self, n: int = 100) -> list[dict[str, Any]]:
        """Return the `n` latest records of level ERROR and CRITICAL."""
        return _last(self.get_severe(), n)


def compile_filter(
    app: Patera, sink_name: str, user_filter: FilterType, *, masks: bool = True
) -> Callable[[Record], bool]:
    """Make the filter of a sink: other applications' records out, `extra` filled in, then the user's filter.

    Args:
        app: The application of the sink.
        sink_name: What `{extra[logger_name]}` shows for records without a name.
        user_filter: What `LoggerBase.get_filter` returned.
        masks: Whether secrets in messages and exceptions are masked.
    """
    key = application_key(app)
    chosen = _compile_user_filter(user_filter)

    def accepts(record: Record) -> bool:
        if not _belongs_to(record, app, key):
            return False
        _fill_in(record["extra"], sink_name)
        if masks:
            mask_record(record)
        return chosen(record)

    return accepts


def _last(records: list[dict[str, Any]], n: int) -> list[dict[str, Any]]:
    return records[-n:] if n > 0 else []


def _belongs_to(record: Record, app: Patera, key: str) -> bool:
    bound = record["extra"].get(APPLICATION_KEY)
    if bound is not None:
        return bool(bound == key)
    application = find_application()
    return application is None or application is app


class _SinkName(str):
    """A name that one sink filled in, so that the next sink of the same record can fill in its own."""

    __slots__ = ()


def _fill_in(extra: dict[Any, Any], sink_name: str) -> None:
    if isinstance(extra.setdefault("logger_name", _SinkName()), _SinkName):
        extra["logger_name"] = _SinkName(sink_name)
    extra.setdefault("request_id", current_request_id())


def _compile_user_filter(user_filter: FilterType) -> Callable[[Any], bool]:
    """Make a function of each form that loguru knows; inside our own filter loguru cannot do it."""
    if user_filter is None:
        return lambda record: True
    if isinstance(user_filter, str):
        return lambda record: _is_below(record["name"], user_filter)
    if isinstance(user_filter, dict):
        levels = {module: _level_number(level) for module, level in user_filter.items()}
        return lambda record: _passes_level(record, levels)
    return user_filter


def _is_below(name: str | None, module: str) -> bool:
    return name is not None and (not module or f"{name}.".startswith(f"{module}."))


def _level_number(level: str | int | bool) -> int | None:
    """Return the lowest level that passes, None where `False` lets nothing pass."""
    if isinstance(level, bool):
        return 0 if level else None
    return logger.level(level).no if isinstance(level, str) else level


def _passes_level(record: Record, levels: dict[str | None, int | None]) -> bool:
    """Look a record's module up, then its packages outwards, then the entry `""` for all others."""
    module = record["name"]
    while module not in levels and module:
        module = module.rpartition(".")[0]
    lowest = levels.get(module, 0)
    return lowest is not None and record["level"].no >= lowest
