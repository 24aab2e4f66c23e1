"""Answers exceptions: the application's handlers by class, then the framework's own answers."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http.client import responses as phrases
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import ClientDisconnect

from patera.exceptions import (
    HANDLED_KEY,
    BaseHttpException,
    ExceptionHandler,
    HtmlAborterException,
    MethodNotAllowed,
    NotFound,
    RequestValidationError,
)
from patera.response import Response

from .shaping import AnyResponse, Shape

if TYPE_CHECKING:
    from patera.application import Patera
    from patera.request import Request

Handler = Callable[["Request", BaseException], Awaitable[Any]]

SERVER_ERROR = {"status": "error", "message": "Internal server error"}

#: Starlette's page has its style and script inside; nothing else is loaded, sent or framed.
DEBUG_PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class HandlerEntry:
    """One `@handles` method, ready to be called."""

    name: str
    call: Callable[..., Any]
    is_async: bool
    shape: Shape


class ErrorTable:
    """Answers every exception of an application's requests.

    Args:
        app: The application.
        entries: Handler by exception class.
        is_problem: Whether the framework's answers follow RFC 9457.
    """

    def __init__(self, app: Patera, entries: Mapping[type[BaseException], HandlerEntry], *, is_problem: bool) -> None:
        self._app = app
        self._entries = dict(entries)
        self._is_problem = is_problem

    async def answer(self, request: Request, error: Exception) -> AnyResponse:
        """Return the response for an exception of the pipeline.

        Raises:
            ClientDisconnect: The client is gone; nobody reads an answer.
        """
        if isinstance(error, ClientDisconnect):
            raise error
        error = as_patera_error(error)
        request.fresh_response()
        found = self._find(error)
        if found is None:
            return await self._own_answer(request, translate_error(self._app, request, error))
        entry, subject = found
        try:
            return await self._call(entry, request, subject)
        except ClientDisconnect:
            raise
        except Exception as raised:
            failure = as_patera_error(raised)
            if not isinstance(failure, BaseHttpException):
                self._app.logger.opt(exception=error).error("{} failed while it answered this exception", entry.name)
            request.fresh_response()
            return await self._own_answer(request, translate_error(self._app, request, failure))

    def names(self) -> dict[type[BaseException], str]:
        """Return the handler's name for each exception class."""
        return {kind: entry.name for kind, entry in self._entries.items()}

    def handles(self, kind: type[Exception]) -> bool:
        """Tell whether a handler of the application may answer exceptions of a class or its subclasses."""
        return any(issubclass(kind, entry) or issubclass(entry, kind) for entry in self._entries)

    def is_handled(self, error: Exception) -> bool:
        """Tell whether the answer to `error` is meant, by a handler or by the error itself."""
        error = as_patera_error(error)
        return isinstance(error, BaseHttpException) or self._find(error) is not None

    def _find(self, error: BaseException) -> tuple[HandlerEntry, BaseException] | None:
        for kind in type(error).__mro__:
            if kind is BaseHttpException and isinstance(error, HtmlAborterException):
                # It renders itself; only a handler that names it knows better.
                return None
            if kind is BaseHttpException and isinstance(error, RequestValidationError):
                entry = self._entries.get(ValidationError)
                if entry is not None:
                    return entry, error.cause
            if kind in self._entries:
                return self._entries[kind], error
        return None

    async def _call(self, entry: HandlerEntry, request: Request, subject: BaseException) -> AnyResponse:
        if entry.is_async:
            result = await entry.call(request, subject)
        else:
            result = await run_in_thread(entry.call, request, subject)
        return await entry.shape.finish(request, result)

    async def _own_answer(self, request: Request, error: Exception) -> AnyResponse:
        if isinstance(error, BaseHttpException):
            try:
                return await self._render_itself(request, error)
            except Exception as failure:
                request.fresh_response()
                error = failure
        return await self._answer_unhandled(request, error)

    async def _answer_unhandled(self, request: Request, error: Exception) -> AnyResponse:
        request.scope["patera.unhandled"] = error
        if not self._app.debug:
            self._app.logger.opt(exception=error).critical("Unhandled exception in {}", _endpoint_name(request))
        elif "text/html" in request.headers.get("accept", ""):
            page: AnyResponse = await run_in_thread(debug_page, request, error)
            return page
        return self.server_error(request.res)

    async def _render_itself(self, request: Request, error: BaseHttpException) -> Response[Any]:
        if not isinstance(error, HtmlAborterException):
            return self.render(request.res, error)
        response: Response[Any] = await request.res.html(error.template, error.data).status(error.status_code)
        response.shape()
        return response

    def render(self, response: Response[Any], error: BaseHttpException) -> Response[Any]:
        """Fill a response with an error that is its own answer."""
        content = self._problem(error) if self._is_problem else error.content()
        response.status(error.status_code).json(content).set_headers(error.headers)
        if self._is_problem:
            response.set_header("content-type", "application/problem+json")
        response.shape()
        return response

    def server_error(self, response: Response[Any]) -> Response[Any]:
        """Fill a response with the generic answer that tells nothing of the fault."""
        content = _problem_of(500, SERVER_ERROR["message"]) if self._is_problem else SERVER_ERROR
        response.status(500).json(content)
        if self._is_problem:
            response.set_header("content-type", "application/problem+json")
        response.shape()
        return response

    def _problem(self, error: BaseHttpException) -> dict[str, Any]:
        problem = _problem_of(error.status_code, error.message)
        further = {key: value for key, value in error.content().items() if key not in ("status", "message")}
        return {**problem, **{key: value for key, value in further.items() if value is not None}}


def _problem_of(status: int, detail: str) -> dict[str, Any]:
    """Return the members of RFC 9457, section 3.1."""
    return {"type": "about:blank", "title": phrases.get(status, "Error"), "status": status, "detail": detail}


def as_patera_error(error: Exception) -> Exception:
    """Translate Starlette's errors, in this one place."""
    if not isinstance(error, HTTPException):
        return error
    headers = dict(error.headers or {})
    translated: BaseHttpException
    if error.status_code == 404:
        translated = NotFound(headers=headers)
    elif error.status_code == 405:
        allowed = headers.get("Allow", headers.get("allow", ""))
        translated = MethodNotAllowed(name.strip() for name in allowed.split(",") if name.strip())
    else:
        translated = BaseHttpException(error.detail, error.status_code, headers=headers)
    if error.detail != phrases.get(error.status_code):
        translated.message = error.detail
    translated.__cause__ = error
    return translated


def translate_error(app: Patera, request: Request, error: Exception) -> Exception:
    """Return what an extension makes of an error that nothing answers; logged, as the answer hides its cause."""
    if isinstance(error, BaseHttpException):
        return error
    for extension in app.extensions.values():
        translated = extension.translate_error(error, request)
        if translated is not None:
            translated.__cause__ = error
            level = "ERROR" if translated.status_code >= 500 else "INFO"
            log = app.logger.opt(exception=error if translated.status_code >= 500 else None)
            log.log(level, "{} answers {} in {}", translated.status_code, type(error).__name__, _endpoint_name(request))
            return translated
    return error


def debug_page(request: Request, error: Exception) -> AnyResponse:
    """Return Starlette's page with the traceback; it shows source lines, never values of variables."""
    page = ServerErrorMiddleware(_no_app, debug=True).debug_response(request, error)
    page.headers["content-security-policy"] = DEBUG_PAGE_POLICY
    return page


async def _no_app(scope: Any, receive: Any, send: Any) -> None:
    """Stand in for the application that the page's class wants to wrap."""


def _endpoint_name(request: Request) -> str:
    exchange = request._exchange
    if exchange is not None and exchange.plan is not None:
        return str(exchange.name)
    # repr() spells out what could start another line of the log.
    return f"{request.method} {request.path!r}"


async def run_in_thread(function: Callable[..., Any], *args: Any) -> Any:
    """Run a plain function in a worker thread, with the context of the request."""
    return await anyio.to_thread.run_sync(lambda: function(*args))


def collect_handlers(
    handlers: list[ExceptionHandler], make_shape: Callable[[str, Any, type], Shape], warn: Callable[[str], None]
) -> dict[type[BaseException], HandlerEntry]:
    """Return the entry of each exception class; of two for one class the later registered wins."""
    entries: dict[type[BaseException], HandlerEntry] = {}
    for handler in handlers:
        for name, function in _marked_methods(type(handler)):
            method = getattr(handler, name)
            label = f"{type(handler).__qualname__}.{name}"
            is_async = inspect.iscoroutinefunction(inspect.unwrap(function)) or inspect.iscoroutinefunction(method)
            entry = HandlerEntry(label, method, is_async, make_shape(label, function, type(handler)))
            for kind in getattr(function, HANDLED_KEY):
                if kind in entries:
                    warn(f"{entries[kind].name} and {label} both handle {kind.__name__}; {label} is used")
                entries[kind] = entry
    return entries


def _marked_methods(cls: type) -> list[tuple[str, Any]]:
    names = sorted({name for base in cls.__mro__ for name in vars(base)})
    found = [(name, inspect.getattr_static(cls, name)) for name in names]
    return [(name, function) for name, function in found if hasattr(function, HANDLED_KEY)]
