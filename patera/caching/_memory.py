"""The cache backend of a single process."""

from __future__ import annotations

import copy
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from ._base import DEFAULT_DURATION, BaseCacheBackend, cache_options

if TYPE_CHECKING:
    from patera.application import Patera


#: Seconds between two searches for expired entries: each looks at all of them.
SWEEP_INTERVAL = 1.0


class MemoryCacheBackend(BaseCacheBackend):
    """Keeps entries in the memory of this process: they end with it, and no other process sees them.

    When it is full, expired entries go first, then those that were not used for the longest time.

    Example:
        backend = MemoryCacheBackend(max_size=1000)

    Args:
        max_size: Entries at most.
        default_duration: Seconds that an entry lives when `set()` does not say.
    """

    def __init__(self, *, max_size: int = 10_000, default_duration: float = DEFAULT_DURATION) -> None:
        if max_size < 1:
            raise ValueError(f"max_size is {max_size}; it has to be 1 or more")
        self._max_size = max_size
        self._default_duration = default_duration
        #: When each entry expires, and the entry; the one used last is last.
        self._entries: OrderedDict[str, tuple[float, dict[str, Any]]] = OrderedDict()
        self._next_sweep = 0.0

    @classmethod
    def configure_from_app(cls, app: Patera, variable_prefix: str = "") -> MemoryCacheBackend:
        """Return a backend with `MEMORY_MAXSIZE` and `DURATION` of the application's cache options."""
        options = cache_options(app, variable_prefix)
        return cls(
            max_size=options.get("MEMORY_MAXSIZE", 10_000), default_duration=options.get("DURATION", DEFAULT_DURATION)
        )

    async def connect(self) -> None:
        """Do nothing."""

    async def disconnect(self) -> None:
        """Do nothing; entries stay."""

    async def get(self, key: str) -> dict[str, Any] | None:
        """Return a copy of an entry, or None."""
        expires, value = self._entries.get(key, (0.0, {}))
        if expires <= time.monotonic():
            self._entries.pop(key, None)
            return None
        self._entries.move_to_end(key)
        return copy.deepcopy(value)

    async def set(self, key: str, value: dict[str, Any], duration: float | None = None) -> None:
        """Keep a copy of an entry."""
        seconds = self._default_duration if duration is None else duration
        self._entries.pop(key, None)
        if seconds > 0:
            self._make_room()
            self._entries[key] = time.monotonic() + seconds, copy.deepcopy(value)

    async def delete(self, key: str) -> None:
        """Remove an entry, if it is there."""
        self._entries.pop(key, None)

    async def clear(self) -> None:
        """Remove all entries."""
        self._entries.clear()

    def _make_room(self) -> None:
        if len(self._entries) < self._max_size:
            return
        now = time.monotonic()
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP_INTERVAL
            for key in [key for key, (expires, _) in self._entries.items() if expires <= now]:
                del self._entries[key]
        while len(self._entries) >= self._max_size:
            self._entries.popitem(last=False)
