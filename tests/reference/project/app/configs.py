import os
from pathlib import Path
from typing import Any, List, Optional

from patera import BaseConfig, LogLevel


class Config(BaseConfig):
    """Config class"""

    APP_NAME: str = "Test app"
    VERSION: str = "1.0"
    SECRET_KEY: str = "some-super-secret-key"
    BASE_PATH: str = os.path.dirname(__file__)
    DEBUG: bool = True

    CONTROLLERS: List[str] = ["app.api.users.user_api:UsersApi"]
    CLI_CONTROLLERS: List[str] = ["app.cli.cli_controller:UtilityCLIController"]
    EXCEPTION_HANDLERS: List[str] = ["app.api.exceptions.exception_handler:CustomExceptionHandler"]
    MIDDLEWARE: list[str] = ["app.middleware.timing_mw:TimingMW"]
    LOGGERS: Optional[List[str]] = ["app.loggers.file_logger:FileLogger"]

    DEFAULT_LOGGER: dict[str, Any] = {
        "LEVEL": LogLevel.DEBUG,
        "FORMAT": "<green>{time:HH:mm:ss}</green> | <level>{level}</level> | {extra[logger_name]} | "
        "<level>{message}<level>",
        "BACKTRACE": True,
        "DIAGNOSE": True,
        "COLORIZE": True,
        "SERIALIZE": False,
        "ENCODING": "utf-8",
    }
    FILE_LOGGER: dict[str, Any] = {
        "SINK": os.environ.get("LOG_FILE") or Path(BASE_PATH, "logging", "file.log"),
        "LEVEL": LogLevel.TRACE,
        "FORMAT": "<green>{time:HH:mm:ss}</green> | <level>{level}</level> | {extra[logger_name]} | "
        "<level>{message}</level>",
        "ENQUEUE": False,
        "BACKTRACE": True,
        "DIAGNOSE": True,
        "COLORIZE": True,
        "DELAY": True,
        "ROTATION": "5 MB",
        "RETENTION": "5 files",
        "COMPRESSION": "zip",
        "SERIALIZE": False,
        "ENCODING": "utf-8",
        "MODE": "a",
    }
