"""Signed values for cookies: a timestamp in each, one salt per purpose, several keys for rotation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer

from patera.signing import is_canonical, timed_serializer_of

__all__ = ["InvalidSignature"]

#: Browsers keep no cookie of more than 4096 bytes, name and attributes included (RFC 6265, section 6.1).
MAX_COOKIE_LENGTH = 3800


class InvalidSignature(ValueError):
    """A signed value was changed, is too old, or was signed for another purpose or with another key.

    A `user_loader` may let it pass: it then counts as "nobody is logged in".
    """


def sign_value(value: Any, keys: Sequence[str], purpose: str) -> str:
    """Return a value as text that a cookie can hold, signed with the first key.

    Args:
        value: What JSON can hold.
        keys: The keys, the newest first.
        purpose: What the value is for; it verifies for no other purpose.

    Raises:
        ValueError: The text would be too long for a cookie.
    """
    signed = _serializer(tuple(keys), purpose).dumps(value)
    text = signed.decode("ascii") if isinstance(signed, bytes) else signed
    if len(text) > MAX_COOKIE_LENGTH:
        raise ValueError(
            f"The signed value has {len(text)} characters, and a cookie holds {MAX_COOKIE_LENGTH}; "
            "store the data on the server and sign its id"
        )
    return text


def read_signed(text: str, keys: Sequence[str], purpose: str, max_age: int | None) -> Any:
    """Return the value of a signed text.

    Args:
        text: What `sign_value` returned.
        keys: The keys, any of which may have signed it.
        purpose: What it was signed for.
        max_age: Largest age in seconds; None for any.

    Raises:
        InvalidSignature: It is not what was signed, or too old.
    """
    if not isinstance(text, str) or len(text) > MAX_COOKIE_LENGTH or not is_canonical(text):
        raise InvalidSignature("The signed value is malformed")
    try:
        return _serializer(tuple(keys), purpose).loads(text, max_age=max_age)
    except (BadData, RecursionError) as error:
        raise InvalidSignature("The signature of the value is not valid, or it is too old") from error


@lru_cache(maxsize=64)
def _serializer(keys: tuple[str, ...], purpose: str) -> URLSafeTimedSerializer:
    return timed_serializer_of(keys, f"patera.auth.{purpose}")
