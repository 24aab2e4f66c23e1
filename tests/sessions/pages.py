"""Endpoints that do to the session what a request asks for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx

from patera import MiddlewareBase, Patera, Request, Response
from patera.controller import Controller, get, path, post, socket
from patera.exceptions import ExceptionHandler, NotFound, handles
from patera.testing import PateraTestClient

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]

#: Set by tests that hold a request back: it waits for "go" and says "waiting".
signals: dict[str, asyncio.Event] = {}


@path("/")
class Pages(Controller):
    @get("/nothing")
    async def do_nothing(self, req: Request) -> Response:
        return req.res.text("nothing")

    @get("/read")
    async def read(self, req: Request) -> dict[str, Any]:
        return dict(req.session)

    @get("/thread")
    def read_in_thread(self, req: Request) -> dict[str, Any]:
        req.session["thread"] = True
        return dict(req.session)

    @post("/set")
    async def set_all(self, req: Request) -> dict[str, Any]:
        req.session.update(await req.json())
        return dict(req.session)

    @post("/append")
    async def append(self, req: Request) -> dict[str, Any]:
        req.session["cart"].append(await req.json())
        return dict(req.session)

    @post("/pop/<key>")
    async def pop(self, req: Request, key: str) -> dict[str, Any]:
        return {"popped": req.session.pop(key, None)}

    @post("/same")
    async def set_same(self, req: Request) -> None:
        req.session["cart"] = req.session["cart"]

    @post("/modified")
    async def mark(self, req: Request) -> None:
        req.session.modified = True

    @post("/clear")
    async def clear(self, req: Request) -> None:
        req.session.clear()

    @post("/login")
    async def log_in(self, req: Request) -> None:
        req.session.regenerate()
        req.session["user"] = 7

    @post("/permanent/<int:value>")
    async def make_permanent(self, req: Request, value: int) -> None:
        req.session["x"] = 1
        req.session.permanent = bool(value)

    @get("/state")
    async def state(self, req: Request) -> dict[str, Any]:
        session = req.session
        before = session.accessed
        found = {"new": session.new, "length": len(session), "permanent": session.permanent}
        return {"accessed": [before, session.accessed], "modified": session.modified, "repr": repr(session), **found}

    @post("/set-and-fail")
    async def set_and_fail(self, req: Request) -> None:
        req.session["kept"] = "yes"
        raise NotFound("gone")

    @post("/wait")
    async def set_slowly(self, req: Request) -> None:
        req.session["slow"] = True
        signals["waiting"].set()
        await signals["go"].wait()

    @get("/wait")
    async def read_slowly(self, req: Request) -> dict[str, Any]:
        found = dict(req.session)
        signals["waiting"].set()
        await signals["go"].wait()
        return found

    @get("/stream")
    async def stream(self, req: Request) -> Response:
        async def lines() -> AsyncIterator[str]:
            yield f"{req.session.get('x')} "
            try:
                req.session["late"] = True
            except RuntimeError as error:
                yield str(error)

        return req.res.stream(lines(), media_type="text/plain")

    @get("/deferred")
    async def change_later(self, req: Request) -> Response:
        def change() -> None:
            req.session["late"] = True

        req.defer(change)
        return req.res.text("sent")

    @socket("/socket")
    async def talk(self, req: Request) -> None:
        await req.accept()
        await req.send_json(dict(req.session))
        try:
            req.session["late"] = True
        except RuntimeError as error:
            await req.send_text(str(error))


class Visits(MiddlewareBase):
    """Counts requests of all kinds in the session."""

    async def middleware(self, req: Request) -> Response:
        req.session["visits"] = req.session.get("visits", 0) + 1
        res: Response = await self.next(req)
        return res


class Handlers(ExceptionHandler):
    @handles(NotFound)
    async def not_found(self, req: Request, exc: NotFound) -> Response:
        return req.res.json({"nothing for": req.session.get("name")}).status(404)


def cookie_of(response: httpx.Response) -> str | None:
    """Return the value of the session cookie that a response sets, None where it sets none."""
    for header in response.headers.get_list("set-cookie"):
        name, _, rest = header.partition("=")
        if name == "session":
            return str(rest.partition(";")[0])
    return None


def sent(cookie: str) -> dict[str, str]:
    """Return the headers of a request with a session cookie."""
    return {"cookie": f"session={cookie}"}
