"""Controllers and their decorators. Every decorator here only records; `build()` compiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, overload

from ._endpoint import (
    CorsRecord,
    HookRecord,
    SecurityRecord,
    VerbRecord,
    endpoint_record,
    update_controller,
    update_endpoint,
)
from .http import HttpMethod, HttpStatus, MediaType
from .parameters import Body, Cookie, File, Form, Header, Path, Query

if TYPE_CHECKING:
    from pydantic import BaseModel

    from .application import Patera

__all__ = [
    "DELETE",
    "GET",
    "PATCH",
    "POST",
    "PUT",
    "SOCKET",
    "Body",
    "Controller",
    "Cookie",
    "Descriptor",
    "File",
    "Form",
    "Header",
    "Path",
    "Query",
    "VerbDecorator",
    "after_request",
    "before_request",
    "cancel_on_disconnect",
    "consumes",
    "cors",
    "delete",
    "development",
    "get",
    "max_content_length",
    "no_cors",
    "open_api_docs",
    "patch",
    "path",
    "post",
    "produces",
    "put",
    "security_headers",
    "socket",
]

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound="type[Controller]")
T = TypeVar("T")


class Controller:
    """Base of classes whose methods answer requests, listed in `CONTROLLERS`.

    One instance lives as long as the application; state kept in `self` is shared by all requests.

    Example:
        @path("/api/users")
        class UsersApi(Controller):
            @get("/<int:user_id>")
            async def show(self, req: Request, user_id: int) -> Response:
                return req.res.json({"id": user_id})

    Args:
        app: The application; set by the framework.
    """

    def __init__(self, app: Patera) -> None:
        self.app = app


@dataclass(frozen=True, slots=True, init=False)
class Descriptor:
    """One further answer of an endpoint, for the OpenAPI document.

    Example:
        @open_api_docs(Descriptor(HttpStatus.NOT_FOUND, "User not found", body=ErrorResponse))

    Args:
        status: The HTTP status.
        description: When this answer is given; the status' phrase where None.
        media_type: Media type of the body.
        body: Pydantic model of the body.
    """

    status: HttpStatus | int
    description: str | None
    media_type: MediaType
    body: type[BaseModel] | None

    def __init__(
        self,
        status: HttpStatus | int = HttpStatus.BAD_REQUEST,
        description: str | None = None,
        media_type: MediaType = MediaType.APPLICATION_JSON,
        body: type[BaseModel] | None = None,
    ) -> None:
        known = HttpStatus(status) if status in HttpStatus.__members__.values() else int(status)
        object.__setattr__(self, "status", known)
        object.__setattr__(self, "description", description)
        object.__setattr__(self, "media_type", media_type)
        object.__setattr__(self, "body", body)


def path(url_path: str = "/", open_api_spec: bool = True, tags: list[str] | None = None) -> Callable[[C], C]:
    """Give a controller its URL prefix.

    Example:
        @path("/api/v1/users", tags=["Users"])
        class UsersApi(Controller): ...

    Args:
        url_path: Prefix of all its endpoints, in Werkzeug's rule syntax.
        open_api_spec: Whether the OpenAPI document shows its endpoints.
        tags: Groups in the OpenAPI document; the class' name where None.
    """
    _require("path", url_path, str, '("/")')

    def record(cls: C) -> C:
        update_controller(cls, path=url_path, in_schema=open_api_spec, tags=None if tags is None else tuple(tags))
        return cls

    return record


class VerbDecorator(Protocol):
    """Signature that the five verb decorators share."""

    def __call__(
        self, url_path: str = "/", open_api_spec: bool = True, tags: list[str] | None = None
    ) -> Callable[[F], F]:
        """Make a method the endpoint of a verb and path."""


def _verb(method: HttpMethod) -> VerbDecorator:
    name = method.lower()

    def decorator(url_path: str = "/", open_api_spec: bool = True, tags: list[str] | None = None) -> Callable[[F], F]:
        _require(name, url_path, str, '("/")')
        return _record_verb(VerbRecord(method, url_path, open_api_spec, tuple(tags or ())))

    decorator.__name__ = decorator.__qualname__ = name
    decorator.__doc__ = f"""Answer {method} requests to a path below the controller's; may be stacked with other verbs.

    Example:
        @{name}("/<int:user_id>")
        async def endpoint(self, req: Request, user_id: int) -> Response: ...

    Args:
        url_path: The rest of the URL, in Werkzeug's rule syntax: `<int:id>`, `<name>`, `<path:rest>`.
        open_api_spec: Whether the OpenAPI document shows it.
        tags: Further groups in the OpenAPI document.
    """
    return decorator


def _record_verb(verb: VerbRecord) -> Callable[[F], F]:
    def record(function: F) -> F:
        update_endpoint(function, verbs=(verb, *endpoint_record(function).verbs))
        return function

    return record


def _require(name: str, value: object, kind: Any, example: str) -> None:
    """Refuse what is no argument of a decorator, such as the method itself where the brackets were left out."""
    if not isinstance(value, kind):
        raise TypeError(f"@{name} got {value!r} as its argument; write @{name}{example}")


get = _verb(HttpMethod.GET)
post = _verb(HttpMethod.POST)
put = _verb(HttpMethod.PUT)
patch = _verb(HttpMethod.PATCH)
delete = _verb(HttpMethod.DELETE)


def socket(url_path: str = "/") -> Callable[[F], F]:
    """Answer websocket connections to a path below the controller's.

    Example:
        @socket("/ws")
        async def talk(self, req: Request) -> None:
            await req.accept()

    Args:
        url_path: The rest of the URL, in Werkzeug's rule syntax.
    """
    _require("socket", url_path, str, '("/")')
    return _record_verb(VerbRecord(HttpMethod.SOCKET, url_path, in_schema=False))


GET, POST, PUT, PATCH, DELETE, SOCKET = get, post, put, patch, delete, socket


def consumes(media_type: MediaType | str) -> Callable[[F], F]:
    """Accept only bodies of this media type (else 415) and read Pydantic parameters from them.

    Example:
        @post("/")
        @consumes(MediaType.APPLICATION_JSON)
        async def create(self, req: Request, data: UserData) -> Response: ...

    Args:
        media_type: What the body must be; `APPLICATION_JSON` also accepts `*/*+json`.
    """
    _require("consumes", media_type, str, "(MediaType.APPLICATION_JSON)")
    return _update(consumes=str(media_type))


def produces(media_type: MediaType | str, status_code: int | HttpStatus | None = None) -> Callable[[F], F]:
    """Set the response's media type, and the status where the handler sets none.

    A handler that sets another media type is overruled, with one warning in the log.

    Example:
        @post("/")
        @produces(MediaType.APPLICATION_JSON, HttpStatus.CREATED)
        async def create(self, req: Request) -> Response[User]: ...

    Args:
        media_type: The media type; `NO_CONTENT` sends no body at all.
        status_code: Status where the handler sets none.
    """
    _require("produces", media_type, str, "(MediaType.APPLICATION_JSON)")
    return _update(produces=str(media_type), produces_status=None if status_code is None else int(status_code))


def open_api_docs(*args: Descriptor) -> Callable[[F], F]:
    """Add further answers of an endpoint to the OpenAPI document.

    Example:
        @open_api_docs(Descriptor(HttpStatus.NOT_FOUND, "User not found"))

    Args:
        *args: The answers.
    """
    for descriptor in args:
        _require("open_api_docs", descriptor, Descriptor, '(Descriptor(HttpStatus.NOT_FOUND, "Not found"))')

    def record(function: F) -> F:
        update_endpoint(function, descriptors=(*args, *endpoint_record(function).descriptors))
        return function

    return record


def max_content_length(limit: int | None) -> Callable[[F], F]:
    """Allow another body size here than `MAX_CONTENT_LENGTH` (413 beyond it); of a websocket, another message size.

    Example:
        @post("/videos")
        @max_content_length(500 * 1024 * 1024)
        async def upload(self, req: Request) -> Response: ...

    Args:
        limit: Bytes; None for no limit.
    """
    _require("max_content_length", limit, int | None, "(1024 * 1024)")
    return _update(max_content_length=limit, unlimited_content=limit is None)


def cancel_on_disconnect(function: F) -> F:
    """Cancel the handler when its client is gone; without this it runs to its end.

    Example:
        @get("/report")
        @cancel_on_disconnect
        async def report(self, req: Request) -> Response: ...
    """
    update_endpoint(function, cancel_on_disconnect=True)
    return function


def _update(**changes: Any) -> Callable[[F], F]:
    def record(function: F) -> F:
        update_endpoint(function, **changes)
        return function

    return record


def development(target: T) -> T:
    """Make a controller or an endpoint exist only in DEBUG; elsewhere it is a 404.

    Example:
        @get("/try")
        @development
        async def unfinished(self, req: Request) -> Response: ...
    """
    return _record_both(target, development=True)


def no_cors(target: T) -> T:
    """Switch CORS off for an endpoint or a controller.

    Example:
        @get("/internal")
        @no_cors
        async def internal(self, req: Request) -> Response: ...
    """
    return _record_both(target, cors=CorsRecord(enabled=False))


def cors(
    *,
    allow_origins: Sequence[str] | None = None,
    allow_methods: Sequence[str] | None = None,
    allow_headers: Sequence[str] | None = None,
    expose_headers: Sequence[str] | None = None,
    allow_credentials: bool | None = None,
    max_age: int | None = None,
) -> Callable[[T], T]:
    """Give an endpoint or a controller its own CORS policy (Fetch standard); None inherits the global key.

    Example:
        @get("/")
        @cors(allow_origins=["https://example.org"], allow_credentials=True)
        async def shared(self, req: Request) -> Response: ...

    Args:
        allow_origins: Origins, compared as strings, or `["*"]`.
        allow_methods: Methods a cross-origin request may use.
        allow_headers: Request headers it may carry; an empty list allows those it asks for.
        expose_headers: Response headers that scripts may read.
        allow_credentials: Whether cookies may go along; never with `*`.
        max_age: Seconds for which a preflight answer may be kept.
    """

    def names(values: Sequence[str] | None) -> tuple[str, ...] | None:
        return None if values is None else tuple(values)

    policy = CorsRecord(
        allow_origins=names(allow_origins),
        allow_methods=names(allow_methods),
        allow_headers=names(allow_headers),
        expose_headers=names(expose_headers),
        allow_credentials=allow_credentials,
        max_age=max_age,
    )
    return lambda target: _record_both(target, cors=policy)


def security_headers(values: bool | Mapping[str, str | None]) -> Callable[[T], T]:
    """Change the security headers of an endpoint or a controller; what the handler sets itself always wins.

    Example:
        @get("/widget")
        @security_headers({"X-Frame-Options": None, "Content-Security-Policy": "frame-ancestors *"})
        async def widget(self, req: Request) -> Response: ...

    Args:
        values: Header values by name, None to leave one out; False for no such header at all, True for the
            application's (below a class that has other ones).
    """
    _require("security_headers", values, bool | Mapping, "(False)")
    if isinstance(values, bool):
        record = SecurityRecord(is_whole=True, is_on=values)
    else:
        record = SecurityRecord(tuple(values.items()))
    return lambda target: _record_both(target, security=record)


def _record_both(target: T, **changes: Any) -> T:
    if isinstance(target, type):
        update_controller(target, **changes)
    elif callable(target):
        update_endpoint(target, **changes)
    else:
        raise TypeError(f"This decorator takes a controller or a method, got {target!r}")
    return target


@overload
def before_request(function: F) -> F: ...
@overload
def before_request(*, order: int = 0) -> Callable[[F], F]: ...
def before_request(function: F | None = None, *, order: int = 0) -> F | Callable[[F], F]:
    """Run a method before each endpoint of its controller; a response that it returns ends the request.

    Example:
        @before_request
        async def count(self, req: Request) -> None:
            req.state.started = time.monotonic()

    Args:
        function: The method, `async def` or `def`, taking the request.
        order: Lower runs first; equal ones run alphabetically.
    """
    return _hook("before", function, order)


@overload
def after_request(function: F) -> F: ...
@overload
def after_request(*, order: int = 0) -> Callable[[F], F]: ...
def after_request(function: F | None = None, *, order: int = 0) -> F | Callable[[F], F]:
    """Run a method after each endpoint of its controller, on error answers too; it may return a replacement.

    It runs after the commit: what fails here is an error answer, while the data stays saved.

    Example:
        @after_request
        async def stamp(self, res: Response) -> None:
            res.headers["x-served-by"] = "users"

    Args:
        function: The method, `async def` or `def`, taking the response.
        order: Lower runs first; equal ones run alphabetically.
    """
    return _hook("after", function, order)


def _hook(phase: Literal["before", "after"], function: F | None, order: int) -> F | Callable[[F], F]:
    record = _update(hook=HookRecord(phase, order))
    return record if function is None else record(function)
