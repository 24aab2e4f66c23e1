"""An application whose declarations cannot be compiled."""

from patera import Patera, Request, Response, app
from patera.controller import Controller, get, path
from tests.apps.configs import MistakenConfig


@path("/")
class Mistaken(Controller):
    @get("/")
    async def show(self, req: Request, what: object) -> Response:
        return req.res.text(str(what))


@app(__name__, configs=MistakenConfig)
class Application(Patera): ...
