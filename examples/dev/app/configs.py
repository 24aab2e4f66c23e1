"""The settings; an environment variable such as `PATERA_PORT=8000` changes one without touching this file."""

import os
from typing import Any

from patera import BaseConfig, LogLevel
from patera.config import SettingsConfigDict

PROJECT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Config(BaseConfig):
    """Settings of the blog."""

    model_config = SettingsConfigDict(env_file=os.path.join(PROJECT, ".env"))

    APP_NAME: str = "Blog"
    VERSION: str = "1.0"
    BASE_PATH: str = os.path.dirname(__file__)
    DEBUG: bool = True
    OPEN_API_DESCRIPTION: str = "Users write posts, visitors comment on them."

    CONTROLLERS: list[str] = [
        "app.api.users.user_api:UsersApi",
        "app.api.posts.post_api:PostsApi",
        "app.api.comments.comment_api:CommentsApi",
        "app.api.comments.comment_api:LiveComments",
        "app.pages.blog_pages:BlogPages",
    ]
    EXTENSIONS: list[str] = ["app.extensions:blog"]
    EXCEPTION_HANDLERS: list[str] = ["app.exceptions.exception_handler:BlogExceptionHandler"]
    MIDDLEWARE: list[str] = ["app.middleware.timing_mw:TimingMW"]
    CLI_CONTROLLERS: list[str] = ["app.cli.cli_controller:BlogCLIController"]
    LOGGERS: list[str] = ["app.loggers.file_logger:FileLogger"]

    BLOG: dict[str, Any] = {"PATH": os.path.join(PROJECT, "blog.db")}
    DEFAULT_LOGGER: dict[str, Any] = {"LEVEL": LogLevel.INFO}
    FILE_LOGGER: dict[str, Any] = {
        "SINK": os.path.join(PROJECT, "logs", "performance.log"),
        "LEVEL": LogLevel.DEBUG,
        "ROTATION": "5 MB",
    }

    # Keys of the blog itself.
    READ_ONLY: bool = False
    SLOW_REQUEST_MS: int = 250
