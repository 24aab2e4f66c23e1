"""One application with an endpoint for every row; tests make it with the configuration that they need."""

import asyncio
import ipaddress
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextvars import ContextVar
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AnyUrl, BaseModel, Field, field_validator, model_validator

from patera import (
    BaseConfig,
    BaseExtension,
    HttpStatus,
    MediaType,
    MiddlewareBase,
    Patera,
    Request,
    Response,
    UploadedFile,
    app,
    on_shutdown,
    on_startup,
    run_in_background,
)
from patera._types import ASGIApp, Receive, Scope, Send
from patera.controller import (
    Body,
    Controller,
    Cookie,
    File,
    Form,
    Header,
    after_request,
    before_request,
    cancel_on_disconnect,
    consumes,
    cors,
    delete,
    get,
    max_content_length,
    no_cors,
    path,
    post,
    produces,
    put,
    socket,
)
from patera.exceptions import ExceptionHandler, handles
from patera.layer import Call, Layer, Place

#: Where handlers note what happened to them, in order.
events: list[str] = []

#: A context variable of the user's own.
tenant: ContextVar[str] = ContextVar("tenant", default="nobody")

SECRET = "s3cret-value"


class RecordingSession(Layer):
    """Notes what a database session would do: begin, then commit or roll back."""

    place = Place.SESSION

    async def around(self, call: Call, next: Callable[[Call], Awaitable[Any]]) -> Any:
        events.append("begin")
        try:
            settled = await call.settle(await next(call))
        except BaseException:
            events.append("rollback")
            raise
        events.append("commit")
        return settled

    def around_sync(self, call: Call, next: Callable[[Call], Any]) -> Any:
        events.append("begin")
        try:
            settled = call.settle_sync(next(call))
        except BaseException:
            events.append("rollback")
            raise
        events.append("commit")
        return settled


session = RecordingSession()


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Order(BaseModel):
    name: str
    amount: float = 1.0
    count: int = 1
    note: Any = None


class Everything(BaseModel):
    """A field for each kind of error that could repeat what was sent."""

    enum: Colour = Colour.RED
    literal: Literal["small", "large"] = "small"
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    key: uuid.UUID | None = None
    number: int = 0
    price: Decimal = Decimal(0)
    moment: datetime | None = None
    zone: ZoneInfo | None = None
    url: AnyUrl | None = None
    address: ipaddress.IPv4Address | None = None
    pattern: Annotated[str, Field(pattern="^[a-z]{3}$")] = "abc"
    short: Annotated[str, Field(max_length=3)] = "abc"
    either: int | bool = 0
    checked: str = ""
    asserted: str = ""
    token: str = ""
    repeated: str = ""

    @field_validator("checked")
    @classmethod
    def _refuse(cls, value: str) -> str:
        if value:
            raise ValueError(f"{value} is not allowed")
        return value

    @field_validator("asserted")
    @classmethod
    def _assert(cls, value: str) -> str:
        assert not value, f"got {value!r}"
        return value

    @model_validator(mode="after")
    def _compare(self) -> "Everything":
        if self.token != self.repeated:
            raise ValueError(f"{self.token} differs from {self.repeated}")
        return self


class Strict(BaseModel, extra="forbid"):
    name: str = ""


class Credentials(BaseModel):
    name: str
    age: int = 0
    tags: list[str] = []


class Shown(BaseModel):
    id: int
    name: str


def refuse_first(value: list[Any]) -> None:
    raise ValueError(f"{value[0]} is not allowed")


@path("/bodies")
class BodiesApi(Controller):
    @post("/json")
    @consumes(MediaType.APPLICATION_JSON)
    async def json(self, req: Request, order: Order) -> Response:
        return req.res.json({"order": order})

    @post("/model")
    async def model(self, req: Request, order: Order) -> Response:
        return req.res.json({"order": order})

    @post("/sync")
    @consumes(MediaType.APPLICATION_JSON)
    def sync(self, req: Request, order: Order) -> Response:
        return req.res.json({"order": order})

    @post("/any")
    async def any(self, req: Request) -> Response:
        return req.res.json({"value": await req.json()})

    @post("/list")
    async def list(self, req: Request, items: Annotated[list[Any], Body()]) -> Response:
        return req.res.json({"count": len(items)})

    @post("/everything")
    async def everything(self, req: Request, data: Everything) -> Response:
        return req.res.json({"data": data})

    @post("/strict")
    async def strict(self, req: Request, data: Strict) -> Response:
        return req.res.json({"data": data})

    @post("/own-error")
    async def own_error(self, req: Request, value: Annotated[Any, Body(), AfterValidator(refuse_first)]) -> Response:
        return req.res.json({"value": value})

    @post("/small")
    @max_content_length(1000)
    async def small(self, req: Request) -> Response:
        return req.res.json({"size": len(await req.body())})

    @post("/small-form")
    @max_content_length(1000)
    async def small_form(self, req: Request) -> Response:
        return req.res.json({"fields": len((await req.form()).fields)})

    @post("/stream")
    @max_content_length(100_000)
    async def stream(self, req: Request) -> Response:
        size = 0
        async for piece in req.stream():
            size += len(piece)
        return req.res.json({"size": size})

    @post("/text")
    @consumes(MediaType.TEXT_PLAIN)
    async def text(self, req: Request, text: str) -> Response:
        return req.res.json({"text": text})


@path("/forms")
class FormsApi(Controller):
    @post("/read")
    async def read(self, req: Request) -> Response:
        form = await req.form()
        files = [{"name": file.filename, "safe": file.safe_filename} for _, file in form.files.multi_items()]
        return req.res.json({"fields": form.fields.multi_items(), "files": files})

    @post("/sync")
    def sync(self, req: Request) -> Response:
        return req.res.json({"fields": len(req.form), "files": len(req.files)})

    @post("/urlencoded")
    @consumes(MediaType.APPLICATION_X_WWW_FORM_URLENCODED)
    async def urlencoded(self, req: Request, data: Credentials) -> Response:
        return req.res.json({"data": data})

    @post("/multipart")
    @consumes(MediaType.MULTIPART_FORM_DATA)
    async def multipart(
        self, req: Request, title: Annotated[str, Form()], file: Annotated[UploadedFile, File()]
    ) -> Response:
        return req.res.json({"title": title, "file": file.safe_filename})

    @post("/upload")
    @session
    async def upload(self, req: Request) -> Response:
        events.append("upload began")
        try:
            await req.form()
            events.append("upload complete")
        except BaseException as error:
            events.append(f"upload ended with {type(error).__name__}")
            raise
        return req.res.no_content()


@path("/read")
class ReadApi(Controller):
    @get("/query")
    async def query(self, req: Request, a: list[str] | None = None, page: int = 1) -> Response:
        return req.res.json({"a": a, "page": page})

    @get("/params")
    async def params(self, req: Request) -> Response:
        return req.res.json(req.query_params.multi_items())

    @get("/header")
    async def header(self, req: Request, authorization: Annotated[str, Header()] = "") -> Response:
        return req.res.json({"size": len(authorization)})

    @get("/number-header")
    async def number_header(self, req: Request, x_count: Annotated[int, Header()]) -> Response:
        return req.res.json({"count": x_count})

    @get("/cookie")
    async def cookie(self, req: Request, theme: Annotated[str, Cookie()] = "light") -> Response:
        return req.res.json({"theme": theme, "cookies": len(req.cookies)})

    @get("/all")
    async def all(self, req: Request) -> Response:
        """Read whatever a request offers without its body."""
        names = ("url", "base_url", "host", "path", "query_string", "cookies", "is_json", "request_id", "method")
        read = {name: str(getattr(req, name)) for name in names}
        return req.res.json({**read, "html": req.accepts("text/html"), "query": dict(req.query_params)})


@path("/paths")
class PathsApi(Controller):
    @get("/int/<int:number>")
    async def int(self, req: Request, number: int) -> Response:
        return req.res.json({"digits": len(str(number))})

    @get("/word/<word>")
    async def word(self, req: Request, word: str) -> Response:
        return req.res.json({"word": word})

    @get("/rest/<path:rest>")
    async def rest(self, req: Request, rest: str) -> Response:
        return req.res.json({"rest": rest})

    @get("/uuid/<uuid:key>")
    async def uuid(self, req: Request, key: uuid.UUID) -> Response:
        return req.res.json({"key": key})

    @get("/float/<float:number>")
    async def float(self, req: Request, number: float) -> Response:
        return req.res.json({"number": number})

    @get("/verbs")
    async def read(self, req: Request) -> Response:
        events.append("read")
        return req.res.json({"size": 17}).set_header("x-kind", "whole")

    @put("/verbs")
    @delete("/verbs")
    async def write(self, req: Request) -> Response:
        events.append("write")
        return req.res.no_content()


@path("/output")
class AnswersApi(Controller):
    @post("/set-header")
    async def set_header(self, req: Request, pair: Annotated[list[str], Body()]) -> Response:
        return req.res.text("x").set_header(pair[0], pair[1])

    @post("/set-cookie")
    async def set_cookie(self, req: Request, arguments: Annotated[dict[str, Any], Body()]) -> Response:
        return req.res.text("x").set_cookie(**arguments)

    @get("/redirect")
    async def redirect(self, req: Request, to: str) -> Response:
        return req.res.redirect(to)

    @get("/redirect-named")
    async def redirect_named(self, req: Request, word: str) -> Response:
        return req.res.redirect("PathsApi.word", word=word, tab=word)

    @get("/safe-redirect")
    async def safe_redirect(self, req: Request, next: str = "") -> Response:
        return req.res.safe_redirect(next, default="/home")

    @get("/download")
    async def download(self, req: Request, name: str) -> Response:
        return req.res.send_file(b"content", filename=name)

    @get("/file")
    async def file(self, req: Request) -> Response:
        return req.res.send_file(Path(self.app.root_path, "digits.txt"))

    @get("/stream")
    async def stream(self, req: Request) -> Response:
        return req.res.stream(numbers("stream"))

    @get("/page")
    async def page(self, req: Request, text: str) -> Response:
        return await req.res.html("page.html", {"text": text})

    @get("/string")
    async def string(self, req: Request, text: str) -> Response:
        return await req.res.html_from_string("<p title='{{ text }}'>{{ text }}</p>", {"text": text})

    @get("/source")
    async def source(self, req: Request, source: str) -> Response:
        return await req.res.html_from_string(source, {"secret": Holder()})

    @get("/template")
    async def template(self, req: Request, name: str) -> Response:
        return await req.res.html(name)

    @get("/debug")
    async def debug(self, req: Request, text: str) -> Response:
        local = f"{SECRET}{text}"
        raise RuntimeError(text or local)


class Holder:
    """What a template string may be given by mistake."""

    public = "seen"
    _private = SECRET


async def note_tenant() -> None:
    events.append(f"background of {tenant.get()}")


def note_deferred() -> None:
    events.append("deferred")


async def numbers(name: str) -> AsyncIterator[str]:
    try:
        for number in range(3):
            yield f"{number}\n"
            await asyncio.sleep(0)
    finally:
        events.append(f"{name} closed")


async def endless(name: str) -> AsyncIterator[str]:
    try:
        while True:
            yield "tick\n"
            await asyncio.sleep(0.01)
    finally:
        events.append(f"{name} closed")


async def failing(name: str) -> AsyncIterator[str]:
    try:
        yield "first\n"
        await asyncio.sleep(0)
        raise RuntimeError("the stream broke")
    finally:
        events.append(f"{name} closed")


def blocking_numbers() -> Iterator[str]:
    try:
        while True:
            yield "tick\n" * 100
    finally:
        events.append("blocking closed")


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
        _fail_in(req, "before")

    @after_request
    async def after(self, res: Response) -> None:
        if res.headers.get("x-fail") == "after":
            raise RuntimeError("after_request failed")

    @get("/")
    async def index(self, req: Request) -> Response:
        events.append("hooked ran")
        response = req.res.json({"ok": True})
        return response.set_header("x-fail", req.query_params.get("in", "nowhere"))


def _fail_in(req: Request, place: str) -> None:
    if req.query_params.get("in") == place:
        raise RuntimeError(f"{place} failed")


class FailingMiddleware(MiddlewareBase):
    """Fails on the way in or out where the query says so, and sets the tenant."""

    async def middleware(self, req: Request) -> Response:
        _fail_in(req, "way in")
        token = tenant.set("from the middleware")
        try:
            response = await self.next(req)
        finally:
            tenant.reset(token)
        _fail_in(req, "way out")
        return response


class PlainMiddleware(MiddlewareBase):
    """Does nothing."""


class PlainAsgi:
    """ASGI middleware that does nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class FailingAsgi:
    """ASGI middleware that fails before or after the application where a header says so."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        place = dict(scope["headers"]).get(b"x-fail") if scope["type"] == "http" else None
        if place == b"in":
            raise RuntimeError("the ASGI middleware failed")
        await self.app(scope, receive, send)
        if place == b"out":
            raise RuntimeError("the ASGI middleware failed")


@path("/cors")
class CorsApi(Controller):
    @get("/global")
    async def read(self, req: Request) -> Response:
        events.append("cors read")
        return req.res.json({"ok": True})

    @get("/own")
    @cors(allow_origins=["https://own.example"], allow_credentials=True)
    async def own(self, req: Request) -> Response:
        events.append("cors own")
        return req.res.json({"ok": True})

    @get("/none")
    @no_cors
    async def none(self, req: Request) -> Response:
        events.append("cors none")
        return req.res.json({"ok": True})


@path("/sockets")
class SocketsApi(Controller):
    @socket("/json")
    async def json(self, req: Request) -> None:
        await req.accept()
        async for value in req.iter_json():
            await req.send_json({"got": value})

    @socket("/text")
    @max_content_length(1_000_000)
    async def text(self, req: Request) -> None:
        await req.accept()
        async for text in req.iter_text():
            await req.send_text(text)

    @socket("/bytes")
    @max_content_length(1_000_000)
    async def bytes(self, req: Request) -> None:
        await req.accept()
        async for data in req.iter_bytes():
            await req.send_json({"size": len(data)})

    @socket("/endless")
    async def endless(self, req: Request) -> None:
        await req.accept()
        async for number in endless("socket"):
            await req.send_text(number)

    @socket("/fails")
    async def fails(self, req: Request) -> None:
        await req.accept()
        await req.receive_text()
        raise RuntimeError("the socket's handler failed")


def write_files(folder: Path) -> None:
    """Write static files, templates, and files to send into the application's folder."""
    static, templates = folder / "static", folder / "templates"
    (static / ".git").mkdir(parents=True)
    (static / ".well-known").mkdir()
    (static / "folder").mkdir()
    templates.mkdir()
    (static / "digits.txt").write_text("0123456789")
    (static / ".well-known" / "security.txt").write_text("Contact: x")
    (static / ".env").write_text(SECRET)
    (static / ".git" / "config").write_text(SECRET)
    (static / "nul.txt").write_text(SECRET)
    (folder / "outside.txt").write_text(SECRET)
    (static / "link.txt").symlink_to(folder / "outside.txt")
    (folder / "digits.txt").write_text("0123456789")
    (folder / "large.bin").write_bytes(bytes(4_000_000))
    (templates / "page.html").write_text(PAGE)
    (templates / "broken.html").write_text("<p>\n{% if %}\n</p>")


PAGE = """<p title="{{ text }}">{{ text }}</p>
<script>var text = {{ text|tojson }};</script>
"""


class Counter(BaseExtension):
    """Counts for each application, notes when it starts and stops, and fails where its name says so."""

    def init_app(self, app: Patera) -> list[str]:
        return []

    async def startup(self, app: Patera) -> None:
        if self.configs_name.startswith("BROKEN"):
            raise ConnectionError("no connection")
        events.append(f"{self.configs_name} started")

    async def shutdown(self, app: Patera) -> None:
        events.append(f"{self.configs_name} stopped")
        if self.configs_name.startswith("RELUCTANT"):
            raise ConnectionError("no connection")
        if self.configs_name.startswith("HANGING"):
            await asyncio.Event().wait()


first, second = Counter(configs_name="FIRST"), Counter(configs_name="SECOND")
broken, last = Counter(configs_name="BROKEN"), Counter(configs_name="LAST")
reluctant, hanging = Counter(configs_name="RELUCTANT"), Counter(configs_name="HANGING")


def extensions(*names: str) -> list[str]:
    """Return the import strings of extensions of this module."""
    return [f"{__name__}:{name}" for name in names]


class Config(BaseConfig):
    """Production, with everything that the tables need."""

    APP_NAME = "Hostile"
    VERSION = "1.0"
    BASE_PATH = str(Path(__file__).parent)
    DEBUG = False
    SECRET_KEY = "k" * 40
    EXCEPTION_HANDLERS = [f"{__name__}:Handlers"]
    CONTROLLERS = [
        f"{__name__}:{name}"
        for name in (
            "BodiesApi",
            "FormsApi",
            "ReadApi",
            "PathsApi",
            "AnswersApi",
            "FaultsApi",
            "HookedApi",
            "CorsApi",
            "SocketsApi",
        )
    ]


class Hostile(Patera):
    """Takes its files from `BASE_PATH`, which tests fill."""

    @property
    def root_path(self) -> str:
        return str(self.configs["BASE_PATH"])


class FailingToStart(Hostile):
    @on_startup
    async def load_catalogue(self) -> None:
        raise ConnectionError("no catalogue")


class FailingToStop(Hostile):
    @on_shutdown
    async def b_hangs(self) -> None:
        events.append("b_hangs")
        await asyncio.Event().wait()

    @on_shutdown
    async def a_raises(self) -> None:
        events.append("a_raises")
        raise ConnectionError("no connection")

    @on_shutdown
    async def c_ends(self) -> None:
        events.append("c_ends")


def create(folder: Path, base: type[Hostile] = Hostile, **values: Any) -> Patera:
    """Make the application with its files in a folder, and other configuration values."""
    config = type("Config", (Config,), {"BASE_PATH": str(folder), "__module__": __name__, **values})
    application: Patera = app(__name__, configs=config)(type("Application", (base,), {}))()
    return application


@app(__name__, configs=Config)
class Application(Hostile):
    """The application for servers in a process of their own."""


class BrokenConfig(Config):
    EXTENSIONS = extensions("first", "second", "broken", "last")


@app(__name__, configs=BrokenConfig)
class BrokenApplication(Hostile):
    """Its third extension cannot start."""
