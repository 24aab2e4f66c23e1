"""Exception handlers and custom exceptions."""

from typing import Any

from pydantic import BaseModel

from patera import HttpStatus, Request, Response, abort
from patera.controller import Controller, get, path
from patera.exception import BaseHttpException, CustomException, NotFound
from patera.exceptions import AborterException, ExceptionHandler, handles


class ErrorResponse(BaseModel):
    message: str
    details: Any | None = None


class MyCustomException(Exception):
    """implementation"""


class MyCustomHttpException(BaseHttpException):
    """implementation"""


class CustomExceptionFromCustomException(CustomException):
    """implementation"""


class SomeOtherException(Exception):
    """One of several for one handler"""


class AThirdException(SomeOtherException):
    """One more"""


@path("/errors")
class ErrorsApi(Controller):
    @get("/<int:number>")
    async def fail(self, req: Request, number: int) -> Response:
        kinds: list[type[Exception]] = [
            MyCustomException,
            SomeOtherException,
            AThirdException,
            CustomExceptionFromCustomException,
            LookupError,
        ]
        if number == len(kinds):
            raise MyCustomHttpException("Teapot", HttpStatus.IM_A_TEAPOT)
        if number > len(kinds):
            abort("stopped")
        raise kinds[number](f"number {number}")


class CustomExceptionHandler(ExceptionHandler):
    @handles(MyCustomException, SomeOtherException)
    async def handler_method(
        self, req: "Request", exc: MyCustomException | SomeOtherException
    ) -> "Response[ErrorResponse]":
        return req.response.json({"message": str(exc), "details": self.app.app_name}).status(HttpStatus.CONFLICT)

    @handles(CustomExceptionFromCustomException)
    async def custom(self, req: Request, exc: CustomExceptionFromCustomException) -> Response[ErrorResponse]:
        return req.response.json({"message": "custom"}).status(HttpStatus.BAD_REQUEST)

    @handles(NotFound)
    async def not_found(self, req: Request, exc: NotFound) -> Response[ErrorResponse]:
        return req.response.json({"message": f"Nothing for {req.method}"}).status(exc.status_code)

    @handles(AborterException)
    async def aborted(self, req: Request, exc: AborterException) -> Response[ErrorResponse]:
        return req.response.json({"message": exc.message}).status(exc.status_code)


class CatchAll(ExceptionHandler):
    @handles(Exception)
    async def anything(self, req: Request, exc: Exception) -> Response[ErrorResponse]:
        return req.response.json({"message": type(exc).__name__}).status(HttpStatus.INTERNAL_SERVER_ERROR)
