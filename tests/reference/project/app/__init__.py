from app.configs import Config
from patera import Patera, app, on_shutdown, on_startup


@app(__name__, configs=Config)
class Application(Patera):
    @on_startup
    async def first_startup_method(self):
        print("Starting up...")

    @on_shutdown
    async def first_shutdown_method(self):
        print("Shuting down...")
