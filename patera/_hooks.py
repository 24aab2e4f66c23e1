"""What startup and shutdown run: marked methods of an application's class, and functions that extensions add."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .exceptions import ConfigurationError, Mistake

if TYPE_CHECKING:
    from .application import Patera

STARTUP_KEY = "_patera_on_startup"
SHUTDOWN_KEY = "_patera_on_shutdown"

Step = tuple[str, Callable[[], Any]]


def marked_methods(app: Patera, key: str) -> list[Step]:
    """Return the methods of the application's class that carry a mark, alphabetically, inherited ones too."""
    names = sorted({name for base in type(app).__mro__ for name in vars(base)})
    found = [name for name in names if hasattr(inspect.getattr_static(type(app), name), key)]
    return [(f"{type(app).__qualname__}.{name}", getattr(app, name)) for name in found]


def refuse_hiding_methods(cls: type[Patera], base: type) -> None:
    """Refuse startup and shutdown methods whose names hide members of the framework's class.

    Raises:
        ConfigurationError: `@on_startup async def load(self)` would replace `Patera.load`, for example.
    """
    own = cls.__mro__[: cls.__mro__.index(base)]
    found = {name: method for owner in reversed(own) for name, method in vars(owner).items() if hasattr(base, name)}
    mistakes = [
        Mistake(
            "PAT002",
            f"{cls.__module__}.{cls.__qualname__}.{name}",
            f"a startup or shutdown method named {name!r}, which hides {base.__name__}.{name}",
            "a name that the framework's class does not have",
            "rename the method",
            f"{method.__code__.co_filename}:{method.__code__.co_firstlineno}",
        )
        for name, method in found.items()
        if _is_hook(method)
    ]
    if mistakes:
        raise ConfigurationError(*mistakes)


def _is_hook(method: Any) -> bool:
    return hasattr(method, "__code__") and (hasattr(method, STARTUP_KEY) or hasattr(method, SHUTDOWN_KEY))


class AddedHooks:
    """Functions that extensions add to startup and shutdown, kept with the extension that added them."""

    def __init__(self) -> None:
        self._startup: list[tuple[Any, Callable[[], Any]]] = []
        self._shutdown: list[tuple[Any, Callable[[], Any]]] = []
        #: The extension that is being initialised.
        self.current: Any = None

    def add_startup(self, function: Callable[[], Any]) -> None:
        """Note a startup function for the current extension."""
        self._startup.append((self.current, function))

    def add_shutdown(self, function: Callable[[], Any]) -> None:
        """Note a shutdown function for the current extension."""
        self._shutdown.append((self.current, function))

    def startup_of(self, extension: Any) -> list[Callable[[], Any]]:
        """Return the startup functions that an extension added; None for the application's own."""
        return [function for owner, function in self._startup if owner is extension]

    def shutdown_of(self, extension: Any) -> list[Callable[[], Any]]:
        """Return the shutdown functions that an extension added."""
        return [function for owner, function in self._shutdown if owner is extension]
