"""Limited endpoints, and what tests ask of them."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from patera import Patera, Request, Response
from patera.controller import Controller, get, path, put
from patera.rate_limit import rate_limit
from patera.testing import PateraTestClient

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]


@path("/limited")
class Limited(Controller):
    @get("/two")
    @rate_limit("2/minute")
    async def two(self, req: Request) -> Response:
        return req.res.json({"ok": True})

    @get("/other")
    @rate_limit("2/minute")
    async def other(self, req: Request) -> Response:
        return req.res.text("other")

    @get("/windows")
    @rate_limit("10/hour; 2/minute")
    async def windows(self, req: Request) -> Response:
        return req.res.text("windows")

    @get("/stacked")
    @rate_limit("3/minute", key=lambda req: "everybody")
    @rate_limit("2/minute")
    async def stacked(self, req: Request) -> Response:
        return req.res.text("stacked")

    @get("/stream")
    @rate_limit("1/minute")
    async def stream(self, req: Request) -> Response:
        return req.res.stream(["a", "b"])

    @get("/broken")
    @rate_limit("1/minute")
    async def broken(self, req: Request) -> Response:
        raise ValueError("broken")

    @get("/plain")
    @rate_limit("1/minute", message="Slower, please")
    def plain(self, req: Request) -> Response:
        return req.res.text("plain")

    @get("/shared/a")
    @rate_limit("2/minute", scope="reports")
    async def shared_a(self, req: Request) -> Response:
        return req.res.text("a")

    @get("/shared/b")
    @rate_limit("2/minute", scope="reports")
    async def shared_b(self, req: Request) -> Response:
        return req.res.text("b")

    @get("/verbs")
    @put("/verbs")
    @rate_limit("2/minute")
    async def verbs(self, req: Request) -> Response:
        return req.res.text("verbs")


async def statuses(http: PateraTestClient, url: str, count: int, **options: Any) -> list[int]:
    return [(await http.get(url, **options)).status_code for _ in range(count)]


def fields_of(response: httpx.Response, name: str) -> list[dict[str, str]]:
    """Read a structured field: each member's name with its parameters (RFC 9651)."""
    members = []
    for member in response.headers[name].split(", "):
        quoted, *parameters = member.split(";")
        assert quoted[0] == quoted[-1] == '"'
        members.append({"": quoted[1:-1], **dict(parameter.split("=") for parameter in parameters)})
    return members
