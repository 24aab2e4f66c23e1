"""What a validation error tells the client: which rule was broken where, never what was sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_args

from pydantic_core.core_schema import ErrorType

if TYPE_CHECKING:
    from pydantic import ValidationError

#: Errors that are listed one by one; a body of a few MB could otherwise have an answer of many GB.
MAX_ERRORS = 1000

#: Shorter values are no secrets, and parts of ordinary words.
MASKED_LENGTH = 4

#: Values from here on are masked within words too.
DISTINCT_LENGTH = 8

#: Pydantic's own errors, whose messages come from the rule; those of a validator's code may hold anything.
_OWN_TYPES = frozenset(get_args(ErrorType)) - {"value_error", "assertion_error"}


def has_too_many(error: ValidationError) -> bool:
    """Tell whether an error is too large to be listed, or even looked through."""
    return error.error_count() > MAX_ERRORS


def public_errors(error: ValidationError) -> list[dict[str, Any]]:
    """Return location, message and type of each error, all fit to be shown."""
    if has_too_many(error):
        return [{"loc": ("body",), "msg": f"More than {MAX_ERRORS} errors", "type": "too_many_errors"}]
    found = error.errors(include_url=False)
    return [{"loc": item["loc"], "msg": public_message(dict(item)), "type": item["type"]} for item in found]


def public_message(error: Mapping[str, Any]) -> str:
    """Return Pydantic's message without the submitted value, should it repeat that.

    Example:
        {"type": "value_error", "msg": "Value error, joe@x is taken", "input": "joe@x"} gives
        "Value error, *** is taken"

    Args:
        error: One of `ValidationError.errors()`; masked where it has its `input`.
    """
    if error["type"] == "union_tag_invalid":
        return f"Input tag does not match any of the expected tags: {error['ctx']['expected_tags']}"
    if error["type"] == "uuid_parsing":
        return "Input should be a valid UUID"
    message = str(error["msg"])
    return message if error["type"] in _OWN_TYPES else _masked(message, error.get("input"))


def _masked(message: str, value: Any) -> str:
    lowered = message.lower()
    texts = {text for text in _texts(value) if MASKED_LENGTH <= len(text) <= len(message) and text.lower() in lowered}
    for text in sorted(texts, key=len, reverse=True):
        pattern = re.escape(text) if len(text) >= DISTINCT_LENGTH else rf"(?<!\w){re.escape(text)}(?!\w)"
        message = re.sub(pattern, "***", message, flags=re.IGNORECASE)
    return message


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts of all values within a submitted one; of JSON, no nesting is deeper than the parser's limit."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value).strip()
