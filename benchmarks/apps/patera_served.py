"""What `python -m benchmarks memory` serves with Patera: the usual endpoints, an echo websocket and two uploads."""

from typing import Annotated

from benchmarks.apps.patera_app import Config
from patera import Patera, Request, Response, UploadedFile, app
from patera.controller import Controller, File, get, max_content_length, path, post, socket

CHUNK = 1024 * 1024


class ServedConfig(Config):
    CONTROLLERS: list[str] = ["benchmarks.apps.patera_app:Api", "benchmarks.apps.patera_served:Connections"]


@app(__name__, configs=ServedConfig)
class Application(Patera):
    pass


@path("/")
class Connections(Controller):
    @get("/ping")
    async def ping(self, req: Request) -> Response:
        return req.res.text("pong")

    @socket("/echo")
    async def echo(self, req: Request) -> None:
        await req.accept()
        async for message in req.iter_text():
            await req.send_text(message)

    @post("/upload/form")
    @max_content_length(None)
    async def read_form(self, req: Request, file: Annotated[UploadedFile, File()]) -> Response:
        size = 0
        while chunk := await file.aread(CHUNK):
            size += len(chunk)
        return req.res.json({"size": size})

    @post("/upload/raw")
    @max_content_length(None)
    async def read_stream(self, req: Request) -> Response:
        size = 0
        async for chunk in req.stream():
            size += len(chunk)
        return req.res.json({"size": size})
