"""The blog: users write posts, visitors comment on them."""

from app.configs import Config
from app.demo import add_demo_content
from app.extensions import blog
from patera import Patera, app, on_shutdown, on_startup


@app(__name__, configs=Config)
class Application(Patera):
    """The application; `uvicorn app:Application --factory` serves it."""

    @on_startup
    async def fill_empty_blog(self) -> None:
        """Show a newcomer something to look at."""
        if self.debug and not await blog.store.list_users():
            await add_demo_content(blog.store)
        self.logger.info("{} {} is ready", self.app_name, self.version)

    @on_shutdown
    async def say_goodbye(self) -> None:
        """Leave a line in the log."""
        self.logger.info("{} stops", self.app_name)
