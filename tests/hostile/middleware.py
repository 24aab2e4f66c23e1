"""Middleware that does nothing, fails or forges."""

from patera import MiddlewareBase, Request, Response
from patera._types import ASGIApp, Receive, Scope, Send
from tests.hostile.faults import fail_in
from tests.hostile.recording import tenant


class FailingMiddleware(MiddlewareBase):
    """Fails on the way in or out where the query says so, and sets the tenant."""

    async def middleware(self, req: Request) -> Response:
        fail_in(req, "way in")
        token = tenant.set("from the middleware")
        try:
            response = await self.next(req)
        finally:
            tenant.reset(token)
        fail_in(req, "way out")
        return response


class PlainMiddleware(MiddlewareBase):
    """Does nothing."""


class PlainAsgi:
    """ASGI middleware that does nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class ForgingAsgi(PlainAsgi):
    """ASGI middleware that answers with headers of its own, in capitals."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        names = (b"X-Request-ID", b"Access-Control-Allow-Origin")
        headers = [(name, b"forged") for name in names]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"forged"})


class FailingAsgi(PlainAsgi):
    """ASGI middleware that fails before or after the application where a header says so."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        place = dict(scope["headers"]).get(b"x-fail") if scope["type"] == "http" else None
        if place == b"in":
            raise RuntimeError("the ASGI middleware failed")
        await self.app(scope, receive, send)
        if place == b"out":
            raise RuntimeError("the ASGI middleware failed")
