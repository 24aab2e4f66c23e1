"""Tells how long requests take."""

import time

from patera.middleware import MiddlewareBase
from patera.request import Request
from patera.response import Response


class TimingMW(MiddlewareBase):
    """Adds a header to every answer, and a line for the file logger about slow ones."""

    async def middleware(self, req: Request) -> Response:
        """Time everything below this middleware."""
        started = time.perf_counter()
        try:
            res: Response = await self.next(req)
            res.headers["x-process-time-ms"] = str(_milliseconds_since(started))
            return res
        finally:
            # An error passes here as an exception, on its way to the exception handlers.
            self._report(req, _milliseconds_since(started))

    def _report(self, req: Request, milliseconds: int) -> None:
        if milliseconds > self.app.get_conf("SLOW_REQUEST_MS"):
            self.app.logger.debug("PERFORMANCE {} {}: {} ms", req.method, req.path, milliseconds)


def _milliseconds_since(started: float) -> int:
    return int((time.perf_counter() - started) * 1000)
