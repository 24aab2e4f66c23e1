"""The smallest application that answers, starts and stops audibly."""

from patera import Patera, Request, Response, app, on_shutdown, on_startup
from patera.controller import Controller, get, path
from tests.apps.configs import HelloConfig


@path("/")
class Hello(Controller):
    @get("/")
    async def hello(self, req: Request) -> Response:
        return req.res.text("Hello")

    @get("/where")
    async def where(self, req: Request) -> Response:
        return req.res.text(self.app.url_for("Hello.hello"))


@app(__name__, configs=HelloConfig)
class Application(Patera):
    @on_startup
    async def start(self) -> None:
        self.logger.info("hello starts")

    @on_shutdown
    async def stop(self) -> None:
        self.logger.info("hello stops")
