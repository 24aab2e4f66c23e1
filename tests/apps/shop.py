"""A shop whose routes use what `patera bench` can write in plain Starlette, and what it cannot."""

import os
from collections.abc import AsyncIterator, Sequence
from datetime import date
from enum import Enum
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field, create_model

from patera import BaseConfig, MediaType, Patera, Request, Response, app
from patera.controller import Controller, after_request, before_request, consumes, get, path, post, produces
from patera.exceptions import NotFound
from patera.layer import Call, Layer, Next, Place
from patera.parameters import Cookie, Form, Header


class Config(BaseConfig):
    APP_NAME: str = "Shop"
    VERSION: str = "1.0"
    DEBUG: bool = False
    BASE_PATH: str = os.path.dirname(__file__)
    CONTROLLERS: list[str] = [f"{__name__}:Items", f"{__name__}:Others", f"{__name__}:Hooked"]


class Kind(Enum):
    BOOK = "book"


class Item(BaseModel):
    id: int
    added: date = date(2026, 1, 1)


T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    items: list[T]


class Filters(BaseModel):
    sort: str = "name"


class Door(Layer):
    place = Place.LOGIN

    async def guard(self, call: Call) -> Any:
        return None


class Clock(Layer):
    place = Place.INJECT

    def injects(self, app: Patera) -> Sequence[str]:
        return ("today",)

    async def around(self, call: Call, next: Next) -> Any:
        call.kwargs["today"] = date(2026, 1, 1)
        return await next(call)


@path("/items")
class Items(Controller):
    @get("/")
    async def all(
        self,
        req: Request,
        page: Annotated[int, Field(ge=1)] = 1,
        kind: Kind = Kind.BOOK,
        name: str | None = None,
        tags: list[str] | None = None,
        order: Literal["up", "down"] = "up",
        limit: float = 1.5,
    ) -> Response[Page[Item]]:
        return req.res.json({"items": [Item(id=page)], "secret": [kind, name, tags, order, limit]})

    @get("/<int:item_id>")
    async def show(self, req: Request, item_id: int) -> Item:
        return Item(id=item_id)

    @get("/<name>")
    async def named(self, req: Request, name: str) -> str:
        return name

    @get("/dates")
    async def dates(self, req: Request) -> Any:
        return {"on": date(2026, 1, 1)}

    @get("/text/<word>/<any(red, blue):colour>")
    async def text(self, req: Request, word: str, colour: str) -> Response:
        return req.res.text(word + colour).set_headers({"x-word": word})

    @get("/tuple/<uuid:key>")
    async def pair(self, req: Request, key: UUID) -> Any:
        return {"key": str(key)}, 201

    @get("/thread/<path:rest>")
    def thread(self, req: Request, rest: str) -> Response[list[Item]]:
        return req.res.json([{"id": len(rest)}]).status(202).set_header("x-rest", rest)

    @get("/year/<int(fixed_digits=4, min=2000):year>")
    async def year(self, req: Request, year: int) -> dict[str, int]:
        return {"year": year}

    @get("/nothing")
    async def nothing(self, req: Request) -> None: ...

    @get("/empty")
    async def empty(self, req: Request) -> Response:
        return req.res.no_content()

    @get("/page")
    async def page(self, req: Request) -> Response:
        return await req.res.html("page.html", {"title": "Items"})

    @get("/csv")
    @produces("text/csv")
    async def csv(self, req: Request) -> str:
        return "a,b"

    @get("/filtered")
    async def filtered(
        self,
        req: Request,
        filters: Filters,
        agent: Annotated[str, Header(alias="user-agent")],
        theme: Annotated[str, Cookie()] = "dark",
    ) -> Any:
        return {"sort": filters.sort, "agent": agent, "theme": theme}

    @get("/injected")
    @Clock()
    async def injected(self, req: Request, today: date) -> Any:
        return {"today": today}

    @post("/")
    async def create(self, req: Request, item: Item) -> Response[Item]:
        return req.res.status(201).json(item)

    @post("/notes")
    @consumes(MediaType.TEXT_PLAIN)
    async def note(self, req: Request, body: str) -> str:
        return body


@path("/others")
class Others(Controller):
    count = 0

    @get("/made")
    async def made(self, req: Request) -> Response[create_model("Nameless", x=(int, 1))]:  # type: ignore[valid-type]
        return req.res.json({"x": 2})

    @get("/long/<string(length=70):word>")
    async def long(self, req: Request, word: str) -> str:
        return word

    @get("/since")
    async def since(self, req: Request, day: date = date(2026, 1, 1)) -> str:
        return str(day)

    @get("/stream")
    async def stream(self, req: Request) -> AsyncIterator[str]:
        yield "a"

    @get("/guarded")
    @Door()
    async def guarded(self, req: Request) -> str:
        return "in"

    @get("/own")
    async def own(self, req: Request) -> str:
        return req.request_id

    @get("/broken")
    async def broken(self, req: Request) -> str:
        raise ValueError("oh")

    @get("/gone/<int:number>")
    async def gone(self, req: Request, number: int) -> str:
        raise NotFound("no such thing")

    @get("/counted")
    async def counted(self, req: Request) -> Any:
        Others.count += 1
        return {"count": Others.count}

    @post("/form")
    async def form(self, req: Request, name: Annotated[str, Form()]) -> str:
        return name


@path("/hooked")
class Hooked(Controller):
    @before_request
    async def answer_early(self, req: Request) -> Any:
        return {"closed": True} if "closed" in req.query_params else None

    @before_request
    def check(self, req: Request) -> None: ...

    @after_request
    async def mark(self, res: Response) -> None:
        res.headers["x-hooked"] = "yes"

    @get("/")
    async def index(self, req: Request) -> dict[str, bool]:
        return {"closed": False}


@app(__name__, configs=Config)
class Application(Patera): ...
