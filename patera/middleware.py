"""Middleware as `(Request) -> Response`, around every HTTP request of the application."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.responses import Response as StarletteResponse

from .request import Request
from .response import Response

if TYPE_CHECKING:
    from .application import Patera

__all__ = ["MiddlewareBase"]

NextApp = Callable[[Request], Awaitable[Response[Any]]]


class MiddlewareBase:
    """Base of middleware classes, listed in `MIDDLEWARE` with the outermost first.

    It sees every HTTP request: unknown paths, static files and mounted applications too. An error
    from below arrives as an exception at `await self.next(req)`. One instance serves all requests.

    Example:
        class ServerName(MiddlewareBase):
            async def middleware(self, req: Request) -> Response:
                res = await self.next(req)
                res.headers["x-served-by"] = socket.gethostname()
                return res

    Args:
        app: The application; set by the framework.
        next_app: What comes below; set by the framework.
    """

    def __init__(self, app: Patera, next_app: NextApp) -> None:
        self.app = app
        self.next = next_app

    async def middleware(self, req: Request) -> Response[Any]:
        """Answer the request: with a response of one's own, or what `await self.next(req)` returned."""
        return await self.next(req)

    async def __call__(self, req: Request) -> Response[Any]:
        """Run the middleware and see to it that it returned a response."""
        response = await self.middleware(req)
        if not isinstance(response, StarletteResponse):
            raise self._no_response(response)
        return response

    def _no_response(self, returned: Any) -> TypeError:
        if inspect.iscoroutine(returned):
            returned.close()
        return TypeError(
            f"{type(self).__module__}.{type(self).__name__}.middleware returned {returned!r}; "
            f"it must return a Response: the one of `await self.next(req)` or one of its own"
        )
