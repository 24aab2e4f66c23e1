from typing import Any

from pydantic import BaseModel, ValidationError

from patera import HttpStatus, Request, Response
from patera.exceptions import ExceptionHandler, handles

from .custom_exceptions import EntityNotFound  # noqa: F401


class ErrorResponse(BaseModel):
    message: str
    details: Any | None = None


class CustomExceptionHandler(ExceptionHandler):
    @handles(ValidationError)
    async def validation_error(self, req: "Request", exc: ValidationError) -> "Response[ErrorResponse]":
        """Handles validation errors"""
        details = {}
        if hasattr(exc, "errors"):
            for error in exc.errors():
                details[error["loc"][0]] = error["msg"]

        return req.response.json({"message": "Validation failed.", "details": details}).status(
            HttpStatus.UNPROCESSABLE_ENTITY
        )
