"""Patera: class controllers that compile to Starlette routes.

How to read this package, in the order of a request:

    application.py      Patera: loads the config, holds state, delegates
    _compiler/build.py  records of controllers become routes, once
    _compiler/stack.py  dispatch picks the route
    _compiler/exchange.py  request in, response out, errors answered
    _compiler/pipeline.py  guards, hooks, cache, parameters, sessions, handler
    _compiler/shaping.py   what the handler returned becomes bytes
    request.py, response.py, exceptions.py  what handlers touch
"""

from typing import TYPE_CHECKING, Any

from ._imports import late
from .application import Patera, app, app_path, on_shutdown, on_startup
from .exceptions import abort, html_abort
from .extension import BaseExtension
from .http import HttpMethod, HttpStatus, MediaType
from .middleware import MiddlewareBase
from .request import Request, UploadedFile
from .response import Response

if TYPE_CHECKING:
    from .concurrency import run_in_background, run_sync_or_async
    from .config import BaseConfig
    from .logging import LogLevel

__version__ = "1.0.0"

__all__ = [
    "BaseConfig",
    "BaseExtension",
    "HttpMethod",
    "HttpStatus",
    "LogLevel",
    "MediaType",
    "MiddlewareBase",
    "Patera",
    "Request",
    "Response",
    "UploadedFile",
    "abort",
    "app",
    "app_path",
    "html_abort",
    "on_shutdown",
    "on_startup",
    "run_in_background",
    "run_sync_or_async",
]


#: What is loaded when it is asked for: pydantic-settings, loguru and asyncio each take about as long as Starlette.
_LATE = {
    "BaseConfig": "patera.config",
    "LogLevel": "patera.logging",
    "run_in_background": "patera.concurrency",
    "run_sync_or_async": "patera.concurrency",
}
_LATE_MODULES = ("concurrency", "layer", "logging")


def __getattr__(name: str) -> Any:
    """Load what costs much when it is asked for.

    `patera.Exceptions` is the documented third spelling of `patera.exceptions`.
    """
    if name in _LATE:
        found = globals()[name] = getattr(late(_LATE[name]), name)
        return found
    if name == "Exceptions":
        return late("patera.exceptions")
    if name in _LATE_MODULES:
        return late(f"patera.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
