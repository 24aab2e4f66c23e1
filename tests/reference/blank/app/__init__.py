from app.configs import Config
from patera import Patera, app, on_shutdown, on_startup  # noqa: F401


@app(__name__, configs=Config)
class Application(Patera):
    pass
