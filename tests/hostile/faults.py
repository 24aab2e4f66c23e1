"""Controllers, hooks and exception handlers that fail."""

import asyncio
import time
from pathlib import Path
from typing import Any

from patera import HttpStatus, MediaType, Request, Response, run_in_background
from patera.controller import Controller, after_request, before_request, cancel_on_disconnect, get, path, produces
from patera.exceptions import ExceptionHandler, handles
from tests.hostile.models import Shown
from tests.hostile.recording import SECRET, events, session, tenant
from tests.hostile.streams import blocking_numbers, endless, failing, note_deferred, note_tenant


class Refused(Exception):
    """Answered by a handler."""


class Worse(Exception):
    """Answered by a handler that fails."""


class Handlers(ExceptionHandler):
    @handles(Refused)
    async def refused(self, req: Request, exc: Refused) -> Response:
        return req.res.json({"status": "error", "message": "refused"}).status(HttpStatus.CONFLICT)

    @handles(Worse)
    async def worse(self, req: Request, exc: Worse) -> Response:
        raise RuntimeError("the handler of errors failed")


@session
@path("/faults")
class FaultsApi(Controller):
    @get("/raise")
    async def fail(self, req: Request) -> Response:
        req.defer(note_deferred)
        req.res.set_cookie("half", "done").status(201)
        raise RuntimeError(f"SELECT password FROM users -- {__file__} {SECRET}")

    @get("/raise-sync")
    def fail_sync(self, req: Request) -> Response:
        raise RuntimeError(f"SELECT password FROM users -- {__file__} {SECRET}")

    @get("/handled")
    async def handled(self, req: Request) -> Response:
        req.res.set_cookie("half", "done")
        raise Refused

    @get("/handler-fails")
    async def handler_fails(self, req: Request) -> Response:
        raise Worse("the first error")

    @get("/mid-stream")
    async def mid_stream(self, req: Request) -> Response:
        req.defer(note_deferred)
        return req.res.stream(failing("mid-stream"))

    @get("/endless")
    async def endless(self, req: Request) -> Response:
        req.defer(note_deferred)
        return req.res.stream(endless("endless"))

    @get("/endless-sse")
    async def endless_sse(self, req: Request) -> Response:
        req.defer(note_deferred)
        return req.res.sse(endless("sse"))

    @get("/endless-sync")
    def endless_sync(self, req: Request) -> Response:
        req.defer(note_deferred)
        return req.res.stream(blocking_numbers())

    @get("/plain")
    async def plain(self, req: Request) -> Response:
        return await self._work(req, "plain")

    @get("/cancellable")
    @cancel_on_disconnect
    async def cancellable(self, req: Request) -> Response:
        return await self._work(req, "cancellable")

    async def _work(self, req: Request, name: str) -> Response:
        events.append(f"{name} began")
        try:
            await asyncio.sleep(float(req.query_params.get("seconds", 0.3)))
        except asyncio.CancelledError:
            events.append(f"{name} cancelled")
            raise
        events.append(f"{name} ended")
        return req.res.text(name)

    @get("/hangs")
    async def hangs(self, req: Request) -> Response:
        req.defer(note_deferred)
        try:
            await asyncio.Event().wait()
        finally:
            events.append("hangs cancelled")
        return req.res.text("never")

    @get("/file")
    async def file(self, req: Request) -> Response:
        return req.res.send_file(Path(self.app.root_path, "large.bin"))

    @get("/blocks")
    async def blocks(self, req: Request) -> Response:
        time.sleep(0.6)  # noqa: ASYNC251 - that is the fault
        return req.res.text("done")

    @get("/none")
    async def none(self, req: Request) -> Response[Shown]:
        return None  # type: ignore[return-value]

    @get("/wrong-model")
    async def wrong_model(self, req: Request) -> Response[Shown]:
        return req.res.json({"id": SECRET, "name": "x"})

    @get("/unserialisable")
    async def unserialisable(self, req: Request) -> Response:
        return req.res.json({"first": 1, "object": object()})

    @get("/cycle")
    async def cycle(self, req: Request) -> Response:
        content: list[Any] = []
        content.append(content)
        return req.res.json(content)

    @get("/surrogate")
    @produces(MediaType.TEXT_PLAIN)
    async def surrogate(self, req: Request) -> Response:
        return req.res.text("\ud800")

    @get("/half-typed")
    async def half_typed(self, req: Request) -> Response[Shown]:
        return req.res

    @get("/wrong-tuple")
    async def wrong_tuple(self, req: Request) -> Any:
        return "body", 200, {}, "too many"

    @get("/tenant/<name>")
    async def tenant(self, req: Request, name: str) -> Response:
        given = tenant.get()
        tenant.set(name)
        await asyncio.sleep(0.01)
        run_in_background(note_tenant)
        return req.res.json({"given": given, "kept": tenant.get()})


@session
@path("/hooked")
class HookedApi(Controller):
    """Its hooks fail where the query says so."""

    @before_request
    async def before(self, req: Request) -> None:
        fail_in(req, "before")

    @after_request
    async def after(self, res: Response) -> None:
        if res.headers.get("x-fail") == "after":
            raise RuntimeError("after_request failed")

    @get("/")
    async def index(self, req: Request) -> Response:
        events.append("hooked ran")
        response = req.res.json({"ok": True})
        return response.set_header("x-fail", req.query_params.get("in", "nowhere"))


def fail_in(req: Request, place: str) -> None:
    if req.query_params.get("in") == place:
        raise RuntimeError(f"{place} failed")
