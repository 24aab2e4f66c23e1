"""Sessions that are kept in a cache backend: the cookie holds a signed random id."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, TypeVar

from itsdangerous import BadSignature

from patera.caching import BaseCacheBackend
from patera.signing import is_canonical, signer_of

from ._codec import JsonCodec
from ._cookie_store import MAX_LENGTH
from ._session import PERMANENT_KEY
from ._settings import Lifetimes, Record, SessionUnavailable

T = TypeVar("T")

#: Random bytes of an id: 256 bits.
ID_SIZE = 32


class ServerStore:
    """Keeps sessions in a backend, where they end at once when they are ended.

    Args:
        backend: The backend.
        keys: The application's keys, the one that signs first.
        prefix: Begins the backend's keys.
        lifetimes: How long entries are kept.
        log: Writes a line about what failed.
    """

    is_remote: Literal[True] = True
    salt = "patera.session.id"
    codec = JsonCodec()

    def __init__(
        self,
        backend: BaseCacheBackend,
        keys: Sequence[str],
        prefix: str,
        lifetimes: Lifetimes,
        log: Callable[..., None],
    ) -> None:
        self.backend = backend
        self._prefix = prefix
        self._lifetimes = lifetimes
        self._log = log
        self._signer = signer_of(keys, self.salt)

    async def fetch(self, cookie: str) -> Record | None:
        """Return the session of a cookie, None for what this application did not sign or has ended.

        Raises:
            SessionUnavailable: The backend fails.
        """
        identifier = self._identifier(cookie)
        return await self._get(identifier) if identifier is not None else None

    async def save(self, record: Record) -> str | None:
        """Write a session; return its cookie if the client has to be told.

        A session that another request has ended meanwhile stays so, and what this one changed is lost.

        Raises:
            SessionUnavailable: The backend fails.
        """
        if record.identifier is None:
            record.identifier = secrets.token_urlsafe(ID_SIZE)
            await self._ask(self.backend.set(self._key(record.identifier), *self._entry(record)))
        else:
            is_kept = await self._ask(self.backend.replace(self._key(record.identifier), *self._entry(record)))
            if not is_kept or record.was_permanent == bool(record.data.get(PERMANENT_KEY)):
                return None
        return self._signer.sign(record.identifier).decode("ascii")

    async def renew(self, record: Record) -> None:
        """Note that a session was used; what other requests have written to it meanwhile stays.

        Raises:
            SessionUnavailable: The backend fails.
        """
        current = await self._get(record.identifier)
        if current is not None:
            current.seen = record.seen
            await self._ask(self.backend.replace(self._key(record.identifier), *self._entry(current)))

    async def end(self, record: Record) -> None:
        """Delete a session.

        Raises:
            SessionUnavailable: The backend fails.
        """
        await self._ask(self.backend.delete(self._key(record.identifier)))

    async def _get(self, identifier: str | None) -> Record | None:
        match await self._ask(self.backend.get(self._key(identifier))):
            case {"data": dict(data), "created": int(created), "seen": int(seen)}:
                return Record(data, created, seen, identifier)
        return None

    def _key(self, identifier: str | None) -> str:
        return f"{self._prefix}{identifier}"

    def _entry(self, record: Record) -> tuple[dict[str, Any], float]:
        """Return what the backend keeps, and for how many seconds."""
        entry = {"data": record.data, "created": record.created, "seen": record.seen}
        return entry, max(1.0, self._lifetimes.remaining(record, time.time()))

    def _identifier(self, cookie: str) -> str | None:
        if len(cookie) > MAX_LENGTH or not is_canonical(cookie):
            return None
        try:
            return self._signer.unsign(cookie).decode("ascii")
        except (BadSignature, UnicodeError):
            return None

    async def _ask(self, answer: Awaitable[T]) -> T:
        try:
            return await answer
        except Exception as error:
            self._log("The session store {} failed: {}: {}", type(self.backend).__name__, type(error).__name__, error)
            raise SessionUnavailable from error
