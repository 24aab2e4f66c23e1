"""Stores of entries that expire, by key: in memory or in Redis. The stores of server-side sessions.

Example:
    backend = RedisCacheBackend("redis://localhost:6379/0", key_prefix="shop:")
    await backend.set("greeting", {"text": "hello"}, duration=60)
    await backend.get("greeting")       # {"text": "hello"}
"""

from __future__ import annotations

from ._base import BaseCacheBackend
from ._memory import MemoryCacheBackend
from ._redis import RedisCacheBackend

__all__ = ["BaseCacheBackend", "MemoryCacheBackend", "RedisCacheBackend"]
