"""Patera with the headers that the other frameworks send; the difference to `patera` is what its defaults cost."""

from collections.abc import Callable

from benchmarks.apps import patera_app
from patera import Patera, app

LEFT_OUT = {"cors": "it sends no CORS headers"} | dict.fromkeys(
    ("500-routes", "5000-routes"), "headers have nothing to do with routes"
)


class BareConfig(patera_app.Config):
    CORS_ENABLED: bool = False
    SECURITY_HEADERS: bool = False


class LayeredConfig(patera_app.LayeredConfig):
    CORS_ENABLED: bool = False
    SECURITY_HEADERS: bool = False


@app(__name__, configs=BareConfig)
class Application(Patera):
    pass


@app(__name__, configs=LayeredConfig)
class LayeredApplication(Patera):
    pass


APPLICATIONS: dict[str, Callable[[], Patera]] = {"endpoints": Application, "middleware": LayeredApplication}
