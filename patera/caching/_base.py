"""What every cache backend does, and where it finds its options."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from patera.application import Patera

#: Seconds that an entry lives when nobody says how long.
DEFAULT_DURATION = 300.0


class BaseCacheBackend(ABC):
    """Base of cache backends; derive from it to keep entries somewhere else.

    An entry is a dict of JSON values, and of bytes at its top level. What cannot be reached raises an
    exception, of whatever class; an entry that is not there is None.

    Example:
        class FileBackend(BaseCacheBackend):
            @classmethod
            def configure_from_app(cls, app: Patera, variable_prefix: str = "") -> "FileBackend":
                return cls(app.get_conf("CACHE_FOLDER"))
            ...
    """

    @classmethod
    @abstractmethod
    def configure_from_app(cls, app: Patera, variable_prefix: str = "") -> Self:
        """Return a backend with the options of an application.

        Args:
            app: The application.
            variable_prefix: What stands before the name of the config dict, `CACHE`, and of flat keys.
        """

    @abstractmethod
    async def connect(self) -> None:
        """Open what the backend needs; runs at startup. Without it, the first use does it."""

    @abstractmethod
    async def disconnect(self) -> None:
        """Close what is open; the backend can be used again."""

    @abstractmethod
    async def get(self, key: str) -> dict[str, Any] | None:
        """Return an entry that is the caller's own, or None if there is none or it has expired."""

    @abstractmethod
    async def set(self, key: str, value: dict[str, Any], duration: float | None = None) -> None:
        """Keep an entry, in place of one of that key.

        Args:
            key: The key.
            value: The entry.
            duration: Seconds until it expires; None for the backend's default. 0 or less removes it.
        """

    async def replace(self, key: str, value: dict[str, Any], duration: float | None = None) -> bool:
        """Keep an entry only if its key is still there; tell whether it was.

        This one looks first and writes then; a backend that can do both at once overrides it.

        Args:
            key: The key.
            value: The entry.
            duration: Seconds until it expires, as in `set()`.
        """
        if await self.get(key) is None:
            return False
        await self.set(key, value, duration)
        return True

    @abstractmethod
    async def delete(self, key: str) -> None:
        """Remove an entry, if it is there."""

    @abstractmethod
    async def clear(self) -> None:
        """Remove all entries of this backend."""


def cache_options(app: Patera, variable_prefix: str) -> dict[str, Any]:
    """Return the values of the dict `<PREFIX>CACHE`, over those of flat keys such as `<PREFIX>CACHE_REDIS_URL`."""
    name = f"{variable_prefix}CACHE"
    flat = {key.removeprefix(f"{name}_"): value for key, value in app.configs.items() if key.startswith(f"{name}_")}
    return {**flat, **(app.configs.get(name) or {})}
