"""Controllers that read requests in every way there is."""

import uuid
from typing import Annotated, Any

from pydantic import AfterValidator

from patera import MediaType, Request, Response, UploadedFile
from patera.controller import (
    Body,
    Controller,
    Cookie,
    File,
    Form,
    Header,
    consumes,
    delete,
    get,
    max_content_length,
    path,
    post,
    put,
    socket,
)
from tests.hostile.models import Credentials, Everything, Order, Strict, refuse_first
from tests.hostile.recording import SECRET, Locked, events, session


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


@Locked()
@path("/locked")
class LockedApi(Controller):
    @get("/secret")
    async def secret(self, req: Request) -> Response:
        events.append("secret shown")
        return req.res.text(SECRET)

    @get("/<path:rest>")
    async def rest(self, req: Request, rest: str) -> Response:
        events.append("secret shown")
        return req.res.text(SECRET)


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

    @socket("/fails")
    async def fails(self, req: Request) -> None:
        await req.accept()
        await req.receive_text()
        raise RuntimeError("the socket's handler failed")
