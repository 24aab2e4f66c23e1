"""Where a handler's parameter is read from, said outright: `Annotated[str, Header()]`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Body", "Cookie", "File", "Form", "Header", "Parameter", "Path", "Query"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """Base of the markers that stand in `Annotated`.

    Args:
        alias: The name on the wire; the parameter's own name where None.
    """

    alias: str | None = None


class Query(Parameter):
    """Read from the query string; with a Pydantic model, all its fields are.

    Example:
        async def search(self, req: Request, page: Annotated[int, Query(), Field(ge=1)] = 1) -> Response: ...
    """

    __slots__ = ()


class Header(Parameter):
    """Read from a request header; `x_api_key` is the header `x-api-key`.

    Example:
        async def me(self, req: Request, x_api_key: Annotated[str, Header()]) -> Response: ...
    """

    __slots__ = ()


class Cookie(Parameter):
    """Read from a cookie.

    Example:
        async def home(self, req: Request, theme: Annotated[str, Cookie()] = "light") -> Response: ...
    """

    __slots__ = ()


class Form(Parameter):
    """Read from one field of an urlencoded or multipart form; with a Pydantic model, from all of them.

    Example:
        async def login(self, req: Request, name: Annotated[str, Form()]) -> Response: ...
    """

    __slots__ = ()


class File(Parameter):
    """Read from a file of a multipart form; the annotation is `UploadedFile` or a list of it.

    Example:
        async def upload(self, req: Request, avatar: Annotated[UploadedFile, File()]) -> Response: ...
    """

    __slots__ = ()


class Body(Parameter):
    """Read from the request body: JSON unless `@consumes` says otherwise.

    Example:
        async def tag(self, req: Request, names: Annotated[list[str], Body()]) -> Response: ...
    """

    __slots__ = ()


class Path(Parameter):
    """Read from the variable of the route with the same name; only says what is already so.

    Example:
        async def show(self, req: Request, user_id: Annotated[int, Path(), Field(ge=1)]) -> Response: ...
    """

    __slots__ = ()
