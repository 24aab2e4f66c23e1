"""Reading JSON strictly, and writing it."""

from __future__ import annotations

from functools import partial
from typing import Any

from pydantic_core import from_json, to_json

from .exceptions import MalformedRequest

__all__ = ["check_json_numbers", "dump_json", "parse_json"]

#: Serialises anything that Pydantic knows; NaN and infinities, which JSON lacks, become null.
dump_json = partial(to_json, by_alias=True, inf_nan_mode="null")


def parse_json(body: bytes | str) -> Any:
    """Return the value of a JSON text; of a key that stands twice in an object, the last value counts.

    Example:
        parse_json(b'{"id": 1}')

    Args:
        body: The text, in UTF-8.

    Raises:
        MalformedRequest: It is empty or no JSON, nested deeper than 200, or has a `NaN`, an
            `Infinity`, half a surrogate pair or an integer of more than 4300 digits.
    """
    try:
        return from_json(body, allow_inf_nan=False)
    except (ValueError, RecursionError) as exc:
        raise MalformedRequest("Malformed JSON") from exc


def check_json_numbers(body: bytes) -> None:
    """Refuse `NaN` and `Infinity`, which a validator reading JSON itself would accept for a float.

    Args:
        body: A JSON text, in UTF-8.

    Raises:
        MalformedRequest: One of them stands outside a string, or one is there and the text is no JSON.
    """
    # `find` and not `in`: for bytes that tries an integer first, which takes four times as long.
    if body.find(b"NaN") >= 0 or body.find(b"Infinity") >= 0:
        parse_json(body)
