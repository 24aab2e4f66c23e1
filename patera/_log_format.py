"""Formats of log lines: loguru's colour markup repaired where it is unbalanced, and lines of JSON."""

from __future__ import annotations

import json
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from loguru import logger

if TYPE_CHECKING:
    from loguru import Record

DEFAULT_FORMAT = (
    "<green>{time:HH:mm:ss}</green> | <level>{level}</level> | {extra[logger_name]} | <level>{message}</level>"
)

# Fields and doubled braces come first, because a field may hold what looks like a tag: `{level: <8}`.
_PIECES = re.compile(
    r"\{\{|\}\}|\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}|\\+<|(?P<tag><(?P<end>/?)(?P<name>(?:[fb]g\s)?[^<>\s]*)>)"
)


def accepted_format(text: str) -> tuple[str, str]:
    """Return a format that loguru accepts, and what was given up for it, else an empty string.

    Unbalanced tags are closed: `<level>{message}<level>` becomes `<level>{message}</level>`. Where
    that does not help, for an unknown colour, all tags are left out.

    Raises:
        ValueError: The fields cannot be parsed either.
    """
    if isinstance(text, JsonFormat) or is_accepted(text):
        return text, ""
    balanced = _balance(text)
    if is_accepted(balanced):
        return balanced, ""
    plain = _map_tags(text, lambda end, name: "")
    if is_accepted(plain):
        return plain, f"its colour markup cannot be parsed, so its lines have no colours: {text!r}"
    raise ValueError(f"the format cannot be parsed: {text!r}")


def is_accepted(text: str) -> bool:
    """Let loguru judge a format: it parses one as soon as a sink is added."""
    try:
        logger.remove(logger.add(_discard, level=sys.maxsize, format=text))
    except ValueError:
        return False
    return True


class JsonFormat(str):
    """A format whose lines are valid JSON whatever the message holds.

    As text it is the format that loguru's own syntax would need.

    Args:
        fields: Names of the JSON members, and a format for each: `{"text": "{message}"}`.
    """

    __slots__ = ("fields",)
    fields: dict[str, Any]

    def __new__(cls, fields: Mapping[str, Any]) -> JsonFormat:
        """Make the text and keep the fields."""
        text = super().__new__(cls, _as_template(fields))
        text.fields = dict(fields)
        return text

    def write_line(self, record: Record) -> str:
        """Return the line of one record, spelled as a format of loguru without fields and tags."""
        raised = record["exception"]
        error = "".join(traceback.format_exception(*raised)) if raised else ""
        line = _fill(self.fields, {**record, "exception": error})
        if error:
            line.setdefault("exception", error)
        # The escape keeps loguru from reading a tag in the message; JSON readers undo it.
        text = json.dumps(line, default=str).replace("<", "\\u003c")
        return text.replace("{", "{{").replace("}", "}}") + "\n"


def _discard(message: str) -> None:
    pass


def _map_tags(text: str, change: Callable[[str, str], str]) -> str:
    def piece(match: re.Match[str]) -> str:
        return change(match["end"], match["name"]) if match["tag"] else match[0]

    return _PIECES.sub(piece, text)


def _balance(text: str) -> str:
    opened: list[str] = []

    def change(end: str, name: str) -> str:
        if not end and name not in opened[-1:]:
            opened.append(name)
            return f"<{name}>"
        if not opened or (name and name not in opened):
            return ""
        closed = [opened.pop()]
        while name and closed[-1] != name:
            closed.append(opened.pop())
        return "".join(f"</{tag}>" for tag in closed)

    balanced = _map_tags(text, change)
    return balanced + "".join(f"</{tag}>" for tag in reversed(opened))


def _as_template(value: Any) -> str:
    if isinstance(value, Mapping):
        members = ", ".join(f"{json.dumps(str(key))}: {_as_template(item)}" for key, item in value.items())
        return "{{" + members + "}}"
    return json.dumps(value, default=str)


def _fill(value: Any, record: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        return {key: _fill(item, record) for key, item in value.items()}
    return value.format_map(record) if isinstance(value, str) else value
