"""Counts in the memory of the process: bounded, and without tasks of its own."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from limits.aio.storage import MovingWindowSupport, Storage

#: Clients that are remembered per length of window; beyond it, who has been silent longest is forgotten.
MAX_KEYS = 100_000


class BoundedMemory(Storage, MovingWindowSupport):
    """A storage of the package `limits`. Nothing here waits, so that no other task comes in between.

    Args:
        clock: Returns the time in seconds.
        max_keys: Clients that are remembered per length of window.
    """

    STORAGE_SCHEME = None

    def __init__(self, clock: Callable[[], float] = time.time, max_keys: int = MAX_KEYS) -> None:
        super().__init__()
        self._clock = clock
        self._max_keys = max_keys
        #: By length of window: a key's requests or count, with the latest use at the end.
        self._moments: dict[int, OrderedDict[str, deque[float]]] = {}
        self._counts: dict[int, OrderedDict[str, tuple[float, int]]] = {}

    @property
    def base_exceptions(self) -> type[Exception]:
        """Nothing here fails."""
        return MemoryError

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Note a request, unless there were `limit` of them within `expiry` seconds."""
        keys = self._moments.setdefault(expiry, OrderedDict())
        now = self._clock()
        self._forget_moments(keys, now - expiry)
        found = keys.setdefault(key, deque())
        keys.move_to_end(key)
        _drop_until(found, now - expiry)
        if len(found) + amount > limit:
            return False
        found.extend([now] * amount)
        return True

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """Return when the oldest request within `expiry` seconds was, and how many there were."""
        now = self._clock()
        found = self._moments.get(expiry, OrderedDict[str, deque[float]]()).get(key, deque())
        _drop_until(found, now - expiry)
        return (found[0], len(found)) if found else (now, 0)

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count a request in the window that the first one began."""
        keys = self._counts.setdefault(expiry, OrderedDict())
        now = self._clock()
        while keys and (next(iter(keys.values()))[0] <= now or len(keys) > self._max_keys):
            keys.popitem(last=False)
        end, count = keys.get(key, (0.0, 0))
        if end <= now:
            end, count = now + expiry, 0
            keys.pop(key, None)
        keys[key] = (end, count + amount)
        return count + amount

    async def get(self, key: str) -> int:
        """Return a count."""
        return self._count_of(key)[1]

    async def get_expiry(self, key: str) -> float:
        """Return when a count ends, in seconds since 1970."""
        return self._count_of(key)[0]

    async def check(self) -> bool:
        """Memory answers."""
        return True

    async def reset(self) -> int | None:
        """Forget everything."""
        count = sum(map(len, self._moments.values())) + sum(map(len, self._counts.values()))
        self._moments.clear()
        self._counts.clear()
        return count

    async def clear(self, key: str) -> None:
        """Forget a key."""
        for moments in self._moments.values():
            moments.pop(key, None)
        for counts in self._counts.values():
            counts.pop(key, None)

    def _count_of(self, key: str) -> tuple[float, int]:
        now = self._clock()
        for keys in self._counts.values():
            end, count = keys.get(key, (0.0, 0))
            if end > now:
                return end, count
        return now, 0

    def _forget_moments(self, keys: OrderedDict[str, deque[float]], oldest: float) -> None:
        while keys:
            first = next(iter(keys.values()))
            if len(keys) <= self._max_keys and first and first[-1] > oldest:
                return
            keys.popitem(last=False)


def _drop_until(moments: deque[float], oldest: float) -> None:
    """Forget moments from the oldest on: each is looked at once, however many there are."""
    while moments and moments[0] <= oldest:
        moments.popleft()
