"""Asks the storage, and does without it for a while when it does not answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from patera._imports import late, require
from patera.exceptions import BaseHttpException, ConfigurationError, Mistake
from patera.http import HttpStatus

from ._configs import RateLimitConfigs
from ._headers import Standing, seconds_until

if TYPE_CHECKING:
    from limits import RateLimitItem
    from loguru import Logger

    from patera.application import Patera

T = TypeVar("T")

REDIS_SCHEMES = ("redis", "rediss", "redis+unix")
#: Seconds between two lines in the log about one storage.
LOG_INTERVAL = 60.0


class StorageUnavailable(Exception):
    """The storage did not answer, or is not asked again yet."""


class Limiter:
    """Counts requests, for one application.

    Args:
        configs: The values.
        prefix: Stands before all keys in Redis.
        logger: Where an outage is reported.
    """

    def __init__(self, configs: RateLimitConfigs, prefix: str, logger: Logger) -> None:
        self.configs = configs
        self._prefix = prefix
        self._logger = logger
        self._pool: Any = None
        self._asks_again_at = self._logs_again_at = 0.0
        strategies = require("limits.aio.strategies", "ratelimit", "rate limits")
        self._failures: tuple[type[Exception], ...] = (OSError, TimeoutError)
        self._strategy = strategies.STRATEGIES[configs.STRATEGY](self._make_storage())

    async def hit(self, item: RateLimitItem, name: str, scope: str, key: str) -> tuple[bool, Standing | None]:
        """Count a request; return whether it may pass, and how its client stands.

        Raises:
            BaseHttpException: 503: the storage does not answer, and `FAIL_OPEN` is off.
        """
        try:
            return await self._ask(lambda: self._hit(item, name, (scope, key)))
        except StorageUnavailable:
            if self.configs.FAIL_OPEN:
                return True, None
            retry_after = str(seconds_until(self.configs.RETRY_INTERVAL, 0))
            raise BaseHttpException(
                "Rate limits cannot be checked",
                HttpStatus.SERVICE_UNAVAILABLE,
                headers={"retry-after": retry_after},
            ) from None

    async def reset(self) -> None:
        """Forget all counts."""
        await self._strategy.storage.reset()

    async def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        if self._pool is not None:
            await self._pool.disconnect()

    async def _hit(self, item: RateLimitItem, name: str, keys: tuple[str, ...]) -> tuple[bool, Standing]:
        is_allowed = await self._strategy.hit(item, *keys)
        reset, remaining = await self._strategy.get_window_stats(item, *keys)
        window, left = item.get_expiry(), max(0, remaining) if is_allowed else 0
        return is_allowed, Standing(name, item.amount, window, left, seconds_until(reset, time.time()))

    async def _ask(self, count: Callable[[], Awaitable[T]]) -> T:
        if self._pool is None:
            return await count()
        now = time.monotonic()
        if now < self._asks_again_at:
            raise StorageUnavailable
        if self._asks_again_at:
            # One request tries, and all others go on without it meanwhile.
            self._asks_again_at = now + self.configs.RETRY_INTERVAL
        try:
            async with asyncio.timeout(self.configs.TIMEOUT):
                found = await count()
        except self._failures as error:
            self._report(error)
            raise StorageUnavailable from error
        self._asks_again_at = 0.0
        return found

    def _report(self, error: Exception) -> None:
        now = time.monotonic()
        self._asks_again_at = now + self.configs.RETRY_INTERVAL
        if now >= self._logs_again_at:
            self._logs_again_at = now + LOG_INTERVAL
            outcome = "requests pass unlimited" if self.configs.FAIL_OPEN else "limited requests are refused"
            self._logger.error("Rate limits cannot be counted ({}); {} meanwhile", type(error).__name__, outcome)

    def _make_storage(self) -> Any:
        uri = self.configs.STORAGE_URI
        if uri == "memory://":
            return late("patera.rate_limit._memory").BoundedMemory()
        storage = require("limits.aio.storage", "ratelimit", "rate limits").RedisStorage
        redis = require("redis.asyncio", "caching-redis", "rate limits in Redis")
        self._failures = (*self._failures, redis.RedisError)
        self._pool = redis.ConnectionPool.from_url(
            uri.replace("redis+unix://", "unix://", 1),
            socket_connect_timeout=self.configs.TIMEOUT,
            socket_timeout=self.configs.TIMEOUT,
        )
        return storage(f"async+{uri}", implementation="redispy", key_prefix=self._prefix, connection_pool=self._pool)


def check_uri(uri: str, where: str) -> None:
    """Refuse a storage that is none of the known ones.

    Raises:
        ConfigurationError: It is another one.
    """
    try:
        scheme = urlsplit(uri).scheme
        # Raises for what is no number of a port.
        _ = urlsplit(uri).port
        found = f"a storage of the kind {scheme or 'unknown'!r}"
    except ValueError:
        scheme, found = "", "a URI whose host or port is none"
    if uri == "memory://" or scheme in REDIS_SCHEMES:
        return
    raise ConfigurationError(
        Mistake(
            "PAT546",
            f"{where}['STORAGE_URI']",
            found,
            "'memory://', 'redis://host:6379/0', 'rediss://...' or 'redis+unix:///path'",
            "correct the URI",
        )
    )


#: The limiters of applications that list no `RateLimiter`.
_in_memory: WeakKeyDictionary[Patera, Limiter] = WeakKeyDictionary()


def limiter_of(app: Patera) -> Limiter:
    """Return what counts the requests of an application: that of its `RateLimiter`, else one in memory."""
    for state in app.extension_states.values():
        if isinstance(state, Limiter):
            return state
    if app not in _in_memory:
        _in_memory[app] = Limiter(RateLimitConfigs(), app.app_name, app.logger)
    return _in_memory[app]
