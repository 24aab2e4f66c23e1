"""The blog: users write posts, visitors comment on them."""

from app.configs import Config
from app.demo import DEMO_PASSWORD, fill_if_empty
from patera import Patera, app, on_shutdown, on_startup


@app(__name__, configs=Config)
class Application(Patera):
    """The application; `uvicorn app:Application --factory` serves it."""

    @on_startup
    async def fill_empty_blog(self) -> None:
        """Show a newcomer something to look at."""
        if self.debug and await fill_if_empty(DEMO_PASSWORD):
            self.logger.info('Log in as ada@example.org or grace@example.org with "{}"', DEMO_PASSWORD)
        self.logger.info("{} {} is ready", self.app_name, self.version)

    @on_shutdown
    async def say_goodbye(self) -> None:
        """Leave a line in the log."""
        self.logger.info("{} stops", self.app_name)
