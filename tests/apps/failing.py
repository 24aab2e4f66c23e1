"""An application whose startup fails."""

from patera import Patera, app, on_startup
from tests.apps.configs import AppConfig


@app(__name__, configs=AppConfig)
class Application(Patera):
    @on_startup
    async def connect(self) -> None:
        raise ConnectionError("no such server")
