"""Reading HTML forms: urlencoded and multipart bodies, and what a handler sees of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import Request as StarletteRequest

from ._values import MultiValues
from .exceptions import MalformedRequest
from .http import MediaType
from .uploads import UploadedFile

if TYPE_CHECKING:
    from starlette._utils import AwaitableOrContextManager

    from ._body import BodyRequest

__all__ = ["FORM_TYPES", "FilesView", "Form", "FormView", "read_form"]

FORM_TYPES = (MediaType.APPLICATION_X_WWW_FORM_URLENCODED, MediaType.MULTIPART_FORM_DATA)

MAX_FIELDS = 1000
MAX_FILES = 1000

#: Bytes of one field, name included; files are not limited by it.
MAX_FIELD_SIZE = 1024 * 1024

V = TypeVar("V")


class Form(MultiValues[str | UploadFile], FormData):
    """A parsed form, for the length of its request.

    As a mapping it is Starlette's: texts, and Starlette's `UploadFile` for files. `fields`, `files`
    and `fields_and_files` are what the rest of Patera uses, with `UploadedFile` for files.

    Example:
        async with req.form() as form:
            form["title"], form.files["picture"].size

    Args:
        items: Pairs of name and value in the order of the body.
    """

    def __init__(self, items: list[tuple[str, str | UploadFile]]) -> None:
        super().__init__(items)
        both = [(name, value if isinstance(value, str) else UploadedFile.wrap(value)) for name, value in items]
        self.fields_and_files: MultiValues[str | UploadedFile] = MultiValues(both)
        self.fields: MultiValues[str] = MultiValues((name, value) for name, value in both if isinstance(value, str))
        self.files: MultiValues[UploadedFile] = MultiValues(
            (name, value) for name, value in both if isinstance(value, UploadedFile)
        )


async def read_form(
    media_type: str,
    headers: Headers,
    stream: AsyncGenerator[bytes, None],
    *,
    max_files: int | float,
    max_fields: int | float,
    max_part_size: int,
) -> Form:
    """Parse the form of a body; files past 1 MiB go to disk while it arrives.

    Args:
        media_type: One of `FORM_TYPES`.
        headers: The request's headers, for the multipart boundary.
        stream: The body.
        max_files: Files at most.
        max_fields: Text fields at most.
        max_part_size: Bytes of one text field at most.

    Raises:
        MalformedRequest: The body is no such form, ends too early or exceeds a limit; nothing stays open.
    """
    is_multipart = media_type == MediaType.MULTIPART_FORM_DATA
    parser_class = _WholeMultiPartParser if is_multipart else FormParser
    limits = {"max_files": max_files} if is_multipart else {}
    try:
        parser = parser_class(headers, stream, max_fields=max_fields, max_part_size=max_part_size, **limits)
        async with aclosing(parser.stream):
            parsed = await parser.parse()
    except MultiPartException as exc:
        raise MalformedRequest(exc.message) from exc
    except FormParserError as exc:
        # Starlette 1.6 lets the parser's own errors through, after closing the files.
        raise MalformedRequest("Invalid multipart data.") from exc
    return Form(parsed.multi_items())


class _WholeMultiPartParser(MultiPartParser):
    """Starlette's parser, which notices a body that ends before its final boundary."""

    def __init__(self, headers: Headers, stream: AsyncGenerator[bytes, None], **limits: Any) -> None:
        super().__init__(headers, self._until_end(stream), **limits)
        self.is_whole = False

    def on_end(self) -> None:
        self.is_whole = True

    async def _until_end(self, stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        async with aclosing(stream):
            async for chunk in stream:
                yield chunk
        # Raised into the parser's own error handling, which closes the files.
        if not self.is_whole:
            raise MultiPartException("The multipart body ends before its final boundary.")


class _View(Mapping[str, V]):
    """What was read of a form, without `await`: for `def` handlers, and after the form was awaited."""

    def __init__(self, request: BodyRequest) -> None:
        self._request = request

    @property
    @abstractmethod
    def _values(self) -> MultiValues[V]: ...

    def __getitem__(self, key: str) -> V:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: str, default: Any = None, type: Any = None) -> Any:
        """Return the first value of `key`; see `MultiValues.get`."""
        return self._values.get(key, default, type)

    def getlist(self, key: str, type: Any = None) -> list[Any]:
        """Return all values of `key`; see `MultiValues.getlist`."""
        return self._values.getlist(key, type)

    def multi_items(self) -> list[tuple[str, V]]:
        """Return all pairs, repeated keys included."""
        return self._values.multi_items()


class FormView(_View[str]):
    """`req.form`: call it to read the form; once that is read, it is a mapping of the text fields.

    Example:
        form = await req.form()
        req.form["title"], req.form.get("page", 1, type=int)
    """

    def __call__(
        self,
        *,
        max_files: int | float = MAX_FILES,
        max_fields: int | float = MAX_FIELDS,
        max_part_size: int = MAX_FIELD_SIZE,
    ) -> AwaitableOrContextManager[Form]:
        """Read the form, the first time; await the result or use it with `async with`.

        Args:
            max_files: Files at most.
            max_fields: Text fields at most.
            max_part_size: Bytes of one text field at most.

        Raises:
            MalformedRequest: The body is broken, cut off or exceeds a limit.
            UnsupportedMediaType: The body is no form.
            PayloadTooLarge: The body is larger than the endpoint allows.
        """
        form: Any = StarletteRequest.form(
            self._request, max_files=max_files, max_fields=max_fields, max_part_size=max_part_size
        )
        return form  # type: ignore[no-any-return]

    @property
    def _values(self) -> MultiValues[str]:
        return self._request.read_form_or_fail().fields


class FilesView(_View[UploadedFile]):
    """`req.files`: call it to read the form; once that is read, it is a mapping of its files.

    Example:
        files = await req.files()
        await files["picture"].asave(path)
    """

    async def __call__(self) -> MultiValues[UploadedFile]:
        """Read the form, the first time, and return its files. Raises what `req.form()` raises."""
        return (await self._request.form()).files

    @property
    def _values(self) -> MultiValues[UploadedFile]:
        return self._request.read_form_or_fail().files
