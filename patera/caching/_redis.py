"""The cache backend that processes and machines share."""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from patera._imports import require
from patera.exceptions import ConfigurationError, Mistake

from ._base import DEFAULT_DURATION, BaseCacheBackend, cache_options

if TYPE_CHECKING:
    from patera.application import Patera

PURPOSE = "the Redis cache backend"

SCHEMES = ("redis", "rediss", "unix")

#: Keys that `clear()` removes with one command.
BATCH = 500


class RedisCacheBackend(BaseCacheBackend):
    """Keeps entries in Redis or one of its kind, as JSON: reading them runs no code, whoever wrote them.

    Example:
        backend = RedisCacheBackend("redis://localhost:6379/0", key_prefix="shop:")

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`, with the database's number.
        password: The password, where the URL does not hold it.
        key_prefix: Begins all keys, so that applications can share a database.
        default_duration: Seconds that an entry lives when `set()` does not say.
        timeout: Seconds to wait for a connection or an answer, before an operation fails.

    Raises:
        MissingExtra: The package `redis` is not installed.
        ValueError: The URL is none of Redis.
    """

    def __init__(
        self,
        url: str,
        *,
        password: str | None = None,
        key_prefix: str | None = None,
        default_duration: float = DEFAULT_DURATION,
        timeout: float = 2.0,
    ) -> None:
        _check_url(url)
        self._redis = require("redis.asyncio", "caching-redis", PURPOSE)
        self._url = url
        self._password = password
        self._prefix = key_prefix or ""
        self._default_duration = default_duration
        self._timeout = timeout
        self._client: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @classmethod
    def configure_from_app(cls, app: Patera, variable_prefix: str = "") -> RedisCacheBackend:
        """Return a backend with `REDIS_URL`, `REDIS_PASSWORD`, `KEY_PREFIX` and `DURATION` of the cache options.

        Raises:
            ConfigurationError: There is no `REDIS_URL`, or it is none.
        """
        options = cache_options(app, variable_prefix)
        where, accepted = f"{variable_prefix}CACHE['REDIS_URL']", "the URL of a Redis server"
        change = f'write {variable_prefix}CACHE = {{"REDIS_URL": "redis://localhost:6379/0"}}'
        if not options.get("REDIS_URL"):
            raise ConfigurationError(Mistake("PAT321", where, "no value", accepted, change))
        try:
            return cls(
                options["REDIS_URL"],
                password=options.get("REDIS_PASSWORD"),
                key_prefix=options.get("KEY_PREFIX"),
                default_duration=options.get("DURATION", DEFAULT_DURATION),
            )
        except ValueError as error:
            raise ConfigurationError(Mistake("PAT322", where, str(error), accepted, change)) from None

    async def connect(self) -> None:
        """Connect, and see whether the server answers.

        Raises:
            redis.RedisError: It does not.
        """
        await self._connected().ping()

    async def disconnect(self) -> None:
        """Close all connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def get(self, key: str) -> dict[str, Any] | None:
        """Return an entry, or None; what is no entry of a backend counts as none."""
        return _decoded(await self._connected().get(self._prefix + key))

    async def set(self, key: str, value: dict[str, Any], duration: float | None = None) -> None:
        """Keep an entry.

        Raises:
            TypeError: It holds something else than JSON values, and bytes at its top level.
        """
        await self._set(key, value, duration, only_existing=False)

    async def replace(self, key: str, value: dict[str, Any], duration: float | None = None) -> bool:
        """Keep an entry only if its key is still there, in one step."""
        return await self._set(key, value, duration, only_existing=True)

    async def delete(self, key: str) -> None:
        """Remove an entry, if it is there."""
        await self._connected().delete(self._prefix + key)

    async def clear(self) -> None:
        """Remove all entries that begin with the prefix; without one, everything in the database."""
        client = self._connected()
        if not self._prefix:
            await client.flushdb()
            return
        # `*?[]\` have a meaning in patterns.
        pattern = re.sub(r"([*?\[\]\\])", r"\\\1", self._prefix) + "*"
        found: list[bytes] = []
        async for key in client.scan_iter(match=pattern, count=BATCH):
            found.append(key)
            if len(found) == BATCH:
                await client.unlink(*found)
                found.clear()
        if found:
            await client.unlink(*found)

    async def _set(self, key: str, value: dict[str, Any], duration: float | None, *, only_existing: bool) -> bool:
        client, text = self._connected(), _encoded(value)
        milliseconds = round(1000 * (self._default_duration if duration is None else duration))
        if milliseconds <= 0:
            return bool(await client.delete(self._prefix + key))
        return bool(await client.set(self._prefix + key, text, px=milliseconds, xx=only_existing))

    def _connected(self) -> Any:
        """Return the client of the running event loop; connections of another loop cannot be used in this one."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._client, self._loop = self._make_client(), loop
        return self._client

    def _make_client(self) -> Any:
        connection_error = self._redis.ConnectionError
        backoff, retry = (require(f"redis.{name}", "caching-redis", PURPOSE) for name in ("backoff", "asyncio.retry"))
        options: dict[str, Any] = {"password": self._password} if self._password else {}
        return self._redis.Redis.from_url(
            self._url,
            socket_timeout=self._timeout,
            socket_connect_timeout=self._timeout,
            # Once more at once, for a connection that the server has closed meanwhile; never after a timeout.
            retry=retry.Retry(backoff.NoBackoff(), 1, supported_errors=(connection_error,)),
            **options,
        )


def _check_url(url: str) -> None:
    """Refuse what is no URL of Redis, in words that do not repeat the password in it.

    Raises:
        ValueError: The scheme or the port is none.
    """
    try:
        parts = urlsplit(url)
        # Raises for what is no number of a port.
        _ = parts.port
    except ValueError:
        raise ValueError("a URL whose host or port is none") from None
    if parts.scheme not in SCHEMES:
        raise ValueError(f"a URL of the kind {parts.scheme or 'unknown'!r}, not {', '.join(SCHEMES)}")


def _encoded(value: dict[str, Any]) -> str:
    """Return an entry as JSON; bytes stand apart, so that no value can be mistaken for them."""
    raw = {name: b64encode(item).decode("ascii") for name, item in value.items() if isinstance(item, bytes)}
    plain = {name: item for name, item in value.items() if name not in raw}
    return json.dumps({"value": plain, "bytes": raw}, separators=(",", ":"), allow_nan=False)


def _decoded(text: bytes | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        entry = json.loads(text)
        return {**entry["value"], **{name: b64decode(item) for name, item in entry["bytes"].items()}}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
