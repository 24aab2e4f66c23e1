"""Middleware: timing, a short circuit, and data that reaches the exception handler."""

import time

from patera import HttpStatus, Request, Response
from patera.controller import Controller, get, path
from patera.exceptions import ExceptionHandler, handles
from patera.middleware import MiddlewareBase


class TimingMW(MiddlewareBase):
    async def middleware(self, req: Request) -> Response:
        t0 = time.perf_counter()
        res = await self.next(req)
        res.headers["x-process-time-ms"] = str(int((time.perf_counter() - t0) * 1000))
        return res


class StateMW(MiddlewareBase):
    async def middleware(self, req: Request) -> Response:
        if req.path == "/closed":
            return req.res.text("closed").status(HttpStatus.SERVICE_UNAVAILABLE)
        try:
            return await self.next(req)
        except KeyError:
            return Response("no key", 400)
        finally:
            req.state.timing = "measured"


@path("/mw")
class MiddlewareApi(Controller):
    @get("/")
    async def fine(self, req: Request) -> Response:
        return req.res.text("fine")

    @get("/error")
    async def error(self, req: Request) -> Response:
        raise LookupError

    @get("/key")
    async def key(self, req: Request) -> Response:
        raise KeyError


class Handlers(ExceptionHandler):
    @handles(LookupError)
    async def look_up_failed(self, req: Request, exc: LookupError) -> Response:
        return req.res.text(req.state.timing).status(HttpStatus.CONFLICT)
