"""Sessions that are kept in the cookie itself, signed: the client can read them and cannot change them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

from itsdangerous import BadData

from patera.signing import is_canonical, timed_serializer_of

from ._codec import JsonCodec
from ._settings import Record

#: Characters of a cookie that anybody has written on purpose; longer ones are not looked at.
MAX_LENGTH = 8192


class CookieStore:
    """Reads and writes sessions as signed text.

    Args:
        keys: The application's keys, the one that signs first.
    """

    is_remote: Literal[False] = False
    salt = "patera.session"
    digest: Any = staticmethod(hashlib.sha256)
    codec = JsonCodec()

    def __init__(self, keys: Sequence[str]) -> None:
        self._serializer = timed_serializer_of(keys, self.salt, codec=self.codec, digest=self.digest)

    def read(self, cookie: str) -> Record | None:
        """Return the session of a cookie, None for what this application did not sign so."""
        if len(cookie) > MAX_LENGTH or not is_canonical(cookie):
            return None
        try:
            payload, signed = self._serializer.loads(cookie, return_timestamp=True)
        except (BadData, ValueError, OverflowError, RecursionError):
            return None
        return self.record_of(payload, int(signed.timestamp()))

    async def save(self, record: Record) -> str | None:
        """Return the cookie of a session."""
        return str(self._serializer.dumps(self.payload_of(record)))

    async def renew(self, record: Record) -> str | None:
        """Return the cookie of a session that was only read."""
        return await self.save(record)

    async def end(self, record: Record) -> None:
        """Do nothing: a cookie that somebody kept stays valid until it expires."""

    def payload_of(self, record: Record) -> Any:
        """Return what is signed."""
        return {"c": record.created, "d": record.data}

    def record_of(self, payload: Any, signed: int) -> Record | None:
        """Return the session that was signed at a time."""
        match payload:
            case {"c": int(created), "d": dict(data)}:
                return Record(data, created, signed)
        return None
