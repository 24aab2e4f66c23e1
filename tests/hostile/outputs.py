"""Controllers that send what they were told to send."""

from pathlib import Path
from typing import Annotated, Any

from patera import HttpStatus, Request, Response
from patera.controller import Body, Controller, cors, get, no_cors, path, post
from patera.exceptions import html_abort
from tests.hostile.recording import SECRET, events
from tests.hostile.streams import numbers


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

    @get("/abort")
    async def abort(self, req: Request, name: str) -> Response:
        html_abort(name, HttpStatus.BAD_REQUEST)

    @get("/debug")
    async def debug(self, req: Request, text: str) -> Response:
        local = f"{SECRET}{text}"
        raise RuntimeError(text or local)


class Holder:
    """What a template string may be given by mistake."""

    public = "seen"
    _private = SECRET


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
