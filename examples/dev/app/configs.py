"""The settings; an environment variable such as `PATERA_PORT=8000` changes one without touching this file."""

import os
from pathlib import Path
from typing import Any

from patera import BaseConfig, LogLevel
from patera.config import SettingsConfigDict

PROJECT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ENV_FILE = Path(PROJECT, ".env")


class Config(BaseConfig):
    """Settings of the blog."""

    # The place for PATERA_SECRET_KEY: `run.py` puts one there in DEBUG, and without DEBUG nothing starts without it.
    model_config = SettingsConfigDict(env_file=ENV_FILE)

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
        "app.api.tokens.token_api:TokensApi",
        "app.pages.blog_pages:BlogPages",
        "app.pages.account_pages:AccountPages",
    ]
    EXTENSIONS: list[str] = [
        "app.extensions:db",
        "app.extensions:migrate",
        "app.extensions:live",
        "app.authentication:auth",
    ]
    MODELS: list[str] = [
        "app.models.user_model:User",
        "app.models.user_model:Avatar",
        "app.models.post_model:Post",
        "app.models.post_model:Comment",
    ]
    EXCEPTION_HANDLERS: list[str] = ["app.exceptions.exception_handler:BlogExceptionHandler"]
    MIDDLEWARE: list[str] = ["app.middleware.timing_mw:TimingMW"]
    CLI_CONTROLLERS: list[str] = ["app.cli.cli_controller:BlogCLIController"]
    LOGGERS: list[str] = ["app.loggers.file_logger:FileLogger"]

    # PATERA_SQL_DATABASE__DATABASE_URI=postgresql+asyncpg://user:password@host/blog is all that PostgreSQL needs.
    SQL_DATABASE: dict[str, Any] = {"DATABASE_URI": f"sqlite+aiosqlite:///{os.path.join(PROJECT, 'blog.db')}"}
    AUTHENTICATION: dict[str, Any] = {"LOGIN_URL": "AccountPages.login"}
    DEFAULT_LOGGER: dict[str, Any] = {"LEVEL": LogLevel.INFO}
    FILE_LOGGER: dict[str, Any] = {
        "SINK": os.path.join(PROJECT, "logs", "performance.log"),
        "LEVEL": LogLevel.DEBUG,
        "ROTATION": "5 MB",
    }

    # Keys of the blog itself.
    READ_ONLY: bool = False
    SLOW_REQUEST_MS: int = 250
