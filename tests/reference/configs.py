# mypy: disable-error-code="assignment"
"""The configuration table of the document as a class: every key, type and default as it is listed."""

import os
from typing import Any, List, Optional, Type

from pydantic import Field

from patera import BaseConfig, LogLevel, Request, Response


class DocumentedConfig(BaseConfig):
    APP_NAME: str = Field("Documented", description="Human-readable name of the app")
    VERSION: str = Field("1.0", description="Application version")
    BASE_PATH: str = os.path.dirname(__file__)

    REQUEST_CLASS: Type[Request] = Field(Request, description="Request class used for handling application requests.")
    RESPONSE_CLASS: Type[Response] = Field(Response, description="Response class used for returning responses.")

    SECRET_KEY: Optional[str] = "some-super-secret-key"

    DEBUG: Optional[bool] = True
    HOST: Optional[str] = "localhost"
    TEMPLATES_DIR: Optional[str] = "/templates"
    STATIC_DIR: Optional[str] = "/static"
    STATIC_URL: Optional[str] = "/static"
    TEMPLATES_STRICT: Optional[bool] = True
    STRICT_SLASHES: Optional[bool] = False
    OPEN_API: Optional[bool] = True
    OPEN_API_URL: Optional[str] = "/openapi"
    OPEN_API_DESCRIPTION: Optional[str] = "Simple API"

    CORS_ENABLED: Optional[bool] = True
    CORS_ALLOW_ORIGINS: Optional[list[str]] = ["*"]
    CORS_ALLOW_METHODS: Optional[list[str]] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    CORS_ALLOW_HEADERS: Optional[list[str]] = ["Authorization", "Content-Type"]
    CORS_EXPOSE_HEADERS: Optional[list[str]] = []
    CORS_ALLOW_CREDENTIALS: Optional[bool] = True
    CORS_MAX_AGE: Optional[int] = None

    CONTROLLERS: Optional[List[str]] = []
    CLI_CONTROLLERS: Optional[List[str]] = []
    EXTENSIONS: Optional[List[str]] = []
    MODELS: Optional[List[str]] = []
    EXCEPTION_HANDLERS: Optional[List[str]] = []
    MIDDLEWARE: Optional[List[str]] = []
    LOGGERS: Optional[List[str]] = []

    DEFAULT_LOGGER: dict[str, Any] = {
        "LEVEL": LogLevel.TRACE,
        "FORMAT": "<green>{time:HH:mm:ss}</green> | <level>{level}</level> | {extra[logger_name]} | "
        "<level>{message}<level>",
        "BACKTRACE": True,
        "DIAGNOSE": True,
        "COLORIZE": True,
    }
