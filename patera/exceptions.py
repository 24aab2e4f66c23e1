"""Every error that Patera raises, and the declarations that answer errors.

Exception
├── CustomException                      base for an application's own errors
├── BaseHttpException                    renders itself: status, message, data
│   ├── AborterException                 abort()
│   ├── HtmlAborterException             html_abort()
│   ├── NotFound                         404
│   │   ├── MethodNotAllowed             405, with Allow
│   │   └── StaticAssetNotFound          404 for a static file
│   ├── MalformedRequest                 400: the body, query or a header cannot be read
│   │   └── MissingValue                 400: `req.form["x"]` that was not sent, also a KeyError
│   ├── PayloadTooLarge                  413
│   ├── UnsupportedMediaType             415
│   ├── RequestValidationError           422, Pydantic's error as `cause`
│   ├── RequestTimeout                   504: REQUEST_TIMEOUT passed
│   ├── CorsOriginNotAllowed             403
│   ├── CorsMethodNotAllowed             405
│   ├── AuthenticationException          401
│   └── UnauthorizedException            403
├── ResponseValidationError              a body that does not fit its `Response[T]`: 500
├── ConfigurationError                   mistakes found by the constructor or by build()
│   ├── MissingConfiguration             get_conf() of an unknown key, also a KeyError
│   └── MissingExtra                     an optional dependency is not installed
└── SetupFinishedError                   a set-up call after build()
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from ._validation import public_errors, public_message
from .http import HttpStatus

if TYPE_CHECKING:
    from pydantic import ValidationError

    from .application import Patera

__all__ = [
    "AborterException",
    "AuthenticationException",
    "AuthorizationException",
    "BaseHttpException",
    "ConfigurationError",
    "CorsMethodNotAllowed",
    "CorsOriginNotAllowed",
    "CustomException",
    "ExceptionHandler",
    "HtmlAborterException",
    "MalformedRequest",
    "MethodNotAllowed",
    "MissingConfiguration",
    "MissingExtra",
    "Mistake",
    "NotFound",
    "PayloadTooLarge",
    "RequestTimeout",
    "RequestValidationError",
    "ResponseValidationError",
    "SetupFinishedError",
    "StaticAssetNotFound",
    "UnauthorizedException",
    "UnsupportedMediaType",
    "abort",
    "closest",
    "handles",
    "html_abort",
    "public_message",
]

F = TypeVar("F", bound=Callable[..., Any])

HANDLED_KEY = "_patera_handles"


def closest(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the known word nearest to `word`, else an empty string."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean {matches[0]!r}?" if matches else ""


class CustomException(Exception):
    """A plain base for an application's own errors; `@handles` answers them.

    Example:
        class OutOfStock(CustomException): ...
    """


class BaseHttpException(Exception):
    """An error that is an HTTP answer: unhandled it renders itself as JSON with its status.

    Example:
        class Conflict(BaseHttpException):
            def __init__(self, name: str) -> None:
                super().__init__(f"{name} exists", HttpStatus.CONFLICT)

    Args:
        message: What the client is told.
        status_code: The HTTP status.
        status: The `status` word of the JSON body.
        data: Anything JSON can hold, sent as `data`.
        headers: Response headers that belong to the answer.
    """

    #: Whether the JSON body has a `data` member; the framework's own 404, 405 and 403 have none.
    has_data = True

    def __init__(
        self,
        message: str = "",
        status_code: int | HttpStatus = HttpStatus.INTERNAL_SERVER_ERROR,
        status: str = "error",
        data: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = int(status_code)
        self.status = status
        self.data = data
        self.headers = dict(headers or {})

    def content(self) -> dict[str, Any]:
        """Return the JSON body of the answer."""
        body: dict[str, Any] = {"status": self.status, "message": self.message}
        if self.has_data:
            body["data"] = self.data
        return body


class AborterException(BaseHttpException):
    """What `abort()` raises."""

    def __init__(
        self,
        message: str = "",
        status_code: int | HttpStatus = HttpStatus.BAD_REQUEST,
        status: str = "error",
        data: Any = None,
    ) -> None:
        super().__init__(message, status_code, status, data)


class HtmlAborterException(BaseHttpException):
    """What `html_abort()` raises: rendered as a template, with `data` as its context."""

    def __init__(
        self,
        template: str,
        status_code: int | HttpStatus = HttpStatus.BAD_REQUEST,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(template, status_code, data=data)
        self.template = template


class NotFound(BaseHttpException):
    """No route for the path (RFC 9110, section 15.5.5); `@handles(NotFound)` also sees wrong methods."""

    has_data = False
    code = 404
    description = "The requested URL was not found on the server."

    def __init__(self, message: str = "Endpoint not found", *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message, self.code, headers=headers)


class MethodNotAllowed(NotFound):
    """The path exists, the method does not: 405 with `Allow` (RFC 9110, section 15.5.6)."""

    code = 405
    description = "The method is not allowed for the requested URL."

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self.allowed = sorted(set(allowed))
        super().__init__("Method not allowed", headers={"allow": ", ".join(self.allowed)})


class StaticAssetNotFound(NotFound):
    """A file below `STATIC_URL` does not exist or must not be seen."""

    def __init__(
        self,
        message: str = "Static asset not found",
        status_code: int | HttpStatus = HttpStatus.NOT_FOUND,
        status: str = "error",
        data: Any = None,
    ) -> None:
        BaseHttpException.__init__(self, message, status_code, status, data)


class MalformedRequest(BaseHttpException):
    """The request cannot be read: broken JSON, a cut multipart body, a header given twice (400)."""

    def __init__(self, message: str = "Malformed request") -> None:
        super().__init__(message, HttpStatus.BAD_REQUEST)


class PayloadTooLarge(BaseHttpException):
    """The body is larger than `MAX_CONTENT_LENGTH` or `@max_content_length` (413)."""

    def __init__(self, limit: int) -> None:
        super().__init__("Payload too large", HttpStatus.PAYLOAD_TOO_LARGE, data={"limit": limit})
        self.limit = limit


class UnsupportedMediaType(BaseHttpException):
    """The body has another media type than `@consumes` names (415)."""

    def __init__(self, expected: str | None, received: str | None, message: str = "Unsupported Media Type") -> None:
        data = {"expected": expected, "received": received}
        super().__init__(message, HttpStatus.UNSUPPORTED_MEDIA_TYPE, data=data)


class RequestTimeout(BaseHttpException):
    """`REQUEST_TIMEOUT` seconds passed before the handler answered (504)."""

    def __init__(self, seconds: float) -> None:
        super().__init__("Request timed out", HttpStatus.GATEWAY_TIMEOUT, data={"seconds": seconds})


class CorsOriginNotAllowed(BaseHttpException):
    """A cross-origin request of an origin that the CORS policy does not list (403)."""

    has_data = False

    def __init__(self) -> None:
        super().__init__("CORS origin not allowed", HttpStatus.FORBIDDEN)


class CorsMethodNotAllowed(BaseHttpException):
    """A cross-origin request with a method that the CORS policy does not list (405)."""

    has_data = False

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        headers = {"allow": ", ".join(sorted(set(allowed)))}
        super().__init__("CORS method not allowed", HttpStatus.METHOD_NOT_ALLOWED, headers=headers)


class AuthenticationException(BaseHttpException):
    """Nobody is logged in where a login is required (401)."""

    def __init__(self, message: str = "Login required") -> None:
        super().__init__(message, HttpStatus.UNAUTHORIZED)


class UnauthorizedException(BaseHttpException):
    """The user lacks every one of the required roles (403)."""

    def __init__(self, message: str = "Missing user role(s)", roles: Sequence[Any] = ()) -> None:
        super().__init__(message, HttpStatus.FORBIDDEN)
        self.roles = list(roles)


AuthorizationException = UnauthorizedException


class RequestValidationError(BaseHttpException):
    """The request was read but its data does not fit what the handler declares (422).

    A handler for `pydantic.ValidationError` is called with `cause`; without one the answer names
    each field, never the value that was sent.

    Args:
        cause: Pydantic's error; the first part of each location is the field's name.
        sources: Where each first part was read from (`{"page": "query"}`); "body" where missing.
    """

    def __init__(self, cause: ValidationError, sources: Mapping[str, str] | None = None) -> None:
        super().__init__("Validation failed.", HttpStatus.UNPROCESSABLE_ENTITY)
        self.cause = cause
        self.sources = dict(sources or {})

    def errors(self) -> list[dict[str, Any]]:
        """Return `loc` (with its source), `msg` and `type` of each error, without any input."""
        return [{**error, "loc": self._located(error["loc"])} for error in public_errors(self.cause)]

    def _located(self, location: Sequence[Any]) -> list[Any]:
        source = self.sources.get(str(location[0]), "body")
        return [*location] if source == location[0] else [source, *location]

    def content(self) -> dict[str, Any]:
        """Return the JSON body: `details` by field as well as `errors` by full location."""
        found = public_errors(self.cause)
        details: dict[str, str] = {}
        for error in found:
            details.setdefault(str(error["loc"][0]), error["msg"])
        errors = [{**error, "loc": self._located(error["loc"])} for error in found]
        return {"status": self.status, "message": self.message, "details": details, "errors": errors}


class ResponseValidationError(Exception):
    """What a handler returned does not fit its `Response[T]`: a fault of the server, answered with 500.

    Not a `ValidationError`, so that the handler for request errors never answers it with 422.

    Args:
        endpoint: `Class.method` of the handler.
        problem: What does not fit, field by field.
    """

    def __init__(self, endpoint: str, problem: str) -> None:
        super().__init__(f"The response of {endpoint} does not fit its declaration: {problem}")
        self.endpoint = endpoint


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake of a configuration or declaration.

    Args:
        code: Stable code such as `PAT101`, listed in the documentation.
        where: `module.Class.method`, or the configuration key.
        found: What is there.
        accepted: What would be right.
        change: The change to make.
        location: `file:line`, where there is one.
    """

    code: str
    where: str
    found: str
    accepted: str
    change: str
    location: str = ""

    def __str__(self) -> str:
        place = f" ({self.location})" if self.location else ""
        lines = (f"found:    {self.found}", f"accepted: {self.accepted}", f"change:   {self.change}")
        return "\n  ".join((f"{self.code} {self.where}{place}", *lines))


class ConfigurationError(Exception):
    """Everything that is wrong with a configuration or with declarations, reported together.

    Args:
        *mistakes: The mistakes, in the order in which they were found.
    """

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__(*mistakes)
        self.mistakes = mistakes

    def __str__(self) -> str:
        count = len(self.mistakes)
        title = "1 mistake" if count == 1 else f"{count} mistakes"
        return "\n".join([f"{title} in the application:", *(str(mistake) for mistake in self.mistakes)])


class MissingConfiguration(ConfigurationError, KeyError):
    """`get_conf()` was asked for a key that nothing defines, and no default was given."""

    def __init__(self, key: str, known: Iterable[str]) -> None:
        ConfigurationError.__init__(
            self,
            Mistake(
                "PAT010",
                f"get_conf({key!r})",
                f"no configuration value named {key!r}",
                "a key of the config class",
                f"define it in the config class, or pass a default.{closest(key, known)}",
            ),
        )

    __str__ = ConfigurationError.__str__


class MissingExtra(ConfigurationError, ImportError):
    """A part of Patera needs a package that comes with an extra which is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        ConfigurationError.__init__(
            self,
            Mistake(
                "PAT011",
                purpose,
                f"the package {package!r} is not installed",
                f"an installation with the extra {extra!r}",
                f"install it: pip install 'patera[{extra}]' (from your checkout or wheel)",
            ),
        )

    __str__ = ConfigurationError.__str__


class SetupFinishedError(RuntimeError):
    """A set-up call came after `build()`, when it can no longer have an effect.

    Args:
        call: The method that was called.
    """

    def __init__(self, call: str) -> None:
        super().__init__(
            f"{call}() was called after the application had been built, so it would have no effect. "
            f"Call it between the constructor and the first request, url_for() or build()."
        )


class ExceptionHandler:
    """Base of classes that answer exceptions, listed in `EXCEPTION_HANDLERS`.

    Methods marked with `@handles` take the request and the exception and return a response; the
    handler of the most specific class wins.

    Example:
        class Handlers(ExceptionHandler):
            @handles(OutOfStock)
            async def out_of_stock(self, req: Request, exc: OutOfStock) -> Response:
                return req.res.json({"message": str(exc)}).status(HttpStatus.CONFLICT)

    Args:
        app: The application; set by the framework.
    """

    def __init__(self, app: Patera) -> None:
        self.app = app


def handles(*exceptions: type[BaseException]) -> Callable[[F], F]:
    """Mark a method of an `ExceptionHandler` as the answer to these exceptions and their subclasses.

    Example:
        @handles(ValueError, LookupError)
        async def bad_value(self, req: Request, exc: Exception) -> Response: ...

    Args:
        *exceptions: Exception classes, at least one.

    Raises:
        TypeError: Something else than exception classes was passed.
    """
    if not exceptions or not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in exceptions):
        raise TypeError(f"@handles takes exception classes, got {exceptions!r}; write @handles(ValueError)")

    def mark(method: F) -> F:
        setattr(method, HANDLED_KEY, (*getattr(method, HANDLED_KEY, ()), *exceptions))
        return method

    return mark


def abort(
    msg: str | int | HttpStatus = "",
    status_code: int | HttpStatus | str = HttpStatus.BAD_REQUEST,
    status: str = "error",
    data: Any = None,
) -> NoReturn:
    """End the request with an error answer.

    Example:
        abort(f"No user {user_id}", HttpStatus.NOT_FOUND)
        abort(404)                    # Flask's order is understood too
        abort(404, "No such user")

    Args:
        msg: The message, or Flask's status code.
        status_code: The HTTP status, or Flask's message after a status code.
        status: The `status` word of the JSON body.
        data: Anything JSON can hold.

    Raises:
        AborterException: Always.
    """
    if isinstance(msg, int):
        code, text = int(msg), status_code if isinstance(status_code, str) else _phrase(msg)
        raise AborterException(text, code, status, data)
    if isinstance(status_code, str):
        raise TypeError(f"abort() takes a status code after the message, got {status_code!r}")
    raise AborterException(msg, status_code, status, data)


def _phrase(code: int) -> str:
    try:
        return HttpStatus(code).name.replace("_", " ").capitalize()
    except ValueError:
        return ""


def html_abort(
    template: str, status_code: int | HttpStatus = HttpStatus.BAD_REQUEST, data: Mapping[str, Any] | None = None
) -> NoReturn:
    """End the request with a rendered template.

    Example:
        html_abort("404.html", HttpStatus.NOT_FOUND, {"name": name})

    Args:
        template: Path of the template below `TEMPLATES_DIR`.
        status_code: The HTTP status.
        data: The template's context.

    Raises:
        HtmlAborterException: Always.
    """
    raise HtmlAborterException(template, status_code, data)
