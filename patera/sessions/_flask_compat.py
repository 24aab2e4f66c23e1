"""Flask's session cookie, read and written as Flask does: `SESSION_COMPAT = "flask"`.

The format is that of Flask 3.1: itsdangerous' URL-safe timed text with the salt `cookie-session`,
keys derived by HMAC, SHA-1; JSON in which six kinds of values are wrapped in a dict of one key that
begins with a space. What Flask-Login and others keep in a session is kept.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from uuid import UUID

from markupsafe import Markup

from ._codec import JsonCodec
from ._cookie_store import CookieStore
from ._settings import Record

#: Values by tag: how each is read back from what JSON holds of it.
_READERS: dict[str, Callable[[Any], Any]] = {
    " di": lambda value: {key.removesuffix("__"): item for key, item in value.items()},
    " t": tuple,
    " b": b64decode,
    " m": Markup,
    " u": UUID,
    " d": lambda value: _as_utc(parsedate_to_datetime(value)),
}


class FlaskCodec(JsonCodec):
    """Writes Flask's tagged JSON; tuples, bytes, `Markup`, UUIDs and datetimes come back as they were."""

    scalars = (str, bool, int, bytes, UUID, datetime)
    sequences = (list, tuple)
    pair = tuple
    accepted = (
        "str, int, float, bool, None, bytes, Markup, UUID, datetime, and lists, tuples and dicts of these with str keys"
    )

    def dumps(self, value: Any) -> str:
        """Return the JSON text of a value, tagged where JSON has no such type."""
        return json.dumps(_tagged(value), separators=(",", ":"), allow_nan=False)

    def loads(self, text: str | bytes) -> Any:
        """Return the value of a tagged JSON text."""
        return json.loads(text, object_hook=_untagged)


class FlaskCookieStore(CookieStore):
    """Keeps sessions in Flask's cookie; it has no beginning, so the lifetime counts from the last write."""

    salt = "cookie-session"
    digest: Any = staticmethod(hashlib.sha1)
    codec = FlaskCodec()

    def payload_of(self, record: Record) -> Any:
        """Return what is signed: the values alone."""
        return record.data

    def record_of(self, payload: Any, signed: int) -> Record | None:
        """Return the session that was signed at a time."""
        return Record(payload, signed, signed) if isinstance(payload, dict) else None


def _tagged(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    match value:
        case dict():
            if len(value) == 1 and next(iter(value)) in _READERS:
                return {" di": {f"{key}__": _tagged(item) for key, item in value.items()}}
            return {key: _tagged(item) for key, item in value.items()}
        case tuple():
            return {" t": [_tagged(item) for item in value]}
        case list():
            return [_tagged(item) for item in value]
        case bytes():
            return {" b": b64encode(value).decode("ascii")}
        case Markup():
            return {" m": str(value)}
        case UUID():
            return {" u": value.hex}
        case datetime():
            return {" d": format_datetime(_as_utc(value), usegmt=True)}
    return value


def _untagged(value: dict[str, Any]) -> Any:
    """Return what a JSON object stands for; JSON reads the inner ones first."""
    if len(value) != 1:
        return value
    tag, content = next(iter(value.items()))
    return _READERS[tag](content) if tag in _READERS else value


def _as_utc(moment: datetime) -> datetime:
    """Return a time in UTC, for which one without a zone is taken."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
