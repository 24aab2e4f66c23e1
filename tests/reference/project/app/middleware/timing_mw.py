import time

from patera.middleware import MiddlewareBase
from patera.request import Request
from patera.response import Response


class TimingMW(MiddlewareBase):
    async def middleware(self, req: Request) -> Response:
        t0 = time.perf_counter()
        res = await self.next(req)
        res.headers["x-process-time-ms"] = str(int((time.perf_counter() - t0) * 1000))
        return res
