"""The part of a request that reads the body."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable
from typing import Any, Literal

import anyio
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect
from starlette.requests import Request as StarletteRequest

from ._forms import FORM_TYPES, MAX_FIELD_SIZE, MAX_FIELDS, MAX_FILES, FilesView, Form, FormView, read_form
from ._imports import late
from ._json import parse_json
from ._types import Message
from ._values import MultiValues
from .exceptions import MalformedRequest, PayloadTooLarge, UnsupportedMediaType
from .http import MediaType
from .uploads import UploadedFile

__all__ = ["BodyRequest", "media_type_of"]

_PLAIN_ENCODINGS = (b"", b"identity")

_UTF8 = (None, "utf-8", "utf8", "us-ascii", "ascii")

#: Charsets of `text()`. A codec is never looked up by a client's word: some take quadratic time.
_TEXT_CHARSETS = {
    **dict.fromkeys(_UTF8, "utf-8"),
    "iso-8859-1": "latin-1",
    "latin-1": "latin-1",
    "windows-1252": "cp1252",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
}

_NOT_READ = "The {what} was not read yet: write `await {call}` first. (A `def` handler gets it read beforehand.)"


def media_type_of(request: BodyRequest) -> tuple[str | None, str | None]:
    """Return type and charset of the body, in lower case; None for what the client did not send.

    Example:
        media_type_of(request)      # ("application/json", "utf-8")

    Args:
        request: The request.

    Raises:
        MalformedRequest: There are two `Content-Type` headers.
    """
    header = request.single_header("content-type")
    if header is None:
        return None, None
    media_type, _, parameters = header.partition(";")
    charset = _charset(header) if parameters else None
    return media_type.strip().lower(), charset


def _charset(header: str) -> str | None:
    # By the form parser's own function: what is checked here must be what is used there.
    charset = parse_options_header(header)[1].get(b"charset")
    return None if charset is None else charset.decode("latin-1").strip().lower()


def _two_lengths() -> MalformedRequest:
    """Return the error of a body whose end sender and receiver may see in two places (RFC 9112, section 6.3)."""
    error = MalformedRequest("Both content-length and transfer-encoding were sent")
    error.headers["connection"] = "close"
    return error


class BodyRequest(StarletteRequest[Any]):
    """Starlette's request with limits, strict readers and deferred closing; base of `Request`."""

    #: Bytes of a body at most; None for no limit. The endpoint sets it.
    _body_limit: int | None

    _deferred: list[Callable[[], Any]] | None

    _form: Form | None

    def single_header(self, name: str) -> str | None:
        """Return the value of a header that must not be repeated, or None without one.

        Args:
            name: The header, in any case.

        Raises:
            MalformedRequest: The client sent it more than once.
        """
        key = name.lower().encode("latin-1")
        values = [value for header, value in self.scope["headers"] if header == key]
        if len(values) > 1:
            raise MalformedRequest(f"The header {name} was sent more than once")
        return values[0].decode("latin-1") if values else None

    @property
    def content_type(self) -> str | None:
        """The `Content-Type` header as it was sent, or None."""
        return self.single_header("content-type")

    @property
    def is_json(self) -> bool:
        """Whether the body is declared as JSON: `application/json` or a type that ends in `+json`."""
        media_type = media_type_of(self)[0] or ""
        return media_type == MediaType.APPLICATION_JSON or media_type.endswith("+json")

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it arrives, or the body that was read before.

        Raises:
            PayloadTooLarge: The body is larger than the endpoint allows; before reading where it says its length.
            UnsupportedMediaType: The body is compressed.
            ClientDisconnect: The client left before the end of its body.
            RuntimeError: The body was streamed before.
        """
        if "_body" in self.__dict__:
            yield self._body
            yield b""
            return
        self._check_body_headers()
        received = 0
        while not self._stream_consumed:
            chunk = self._take(await self._receive(), received)
            received += len(chunk)
            if chunk:
                yield chunk
        yield b""

    async def body(self) -> bytes:
        """Return the whole body; it is read once and kept. Raises what `stream()` raises."""
        body = getattr(self, "_body", None)
        if body is None:
            self._check_body_headers()
            chunk = self._take(await self._receive(), 0)
            body = self._body = chunk if self._stream_consumed else await self._read_rest(chunk)
        return body

    async def _read_rest(self, start: bytes) -> bytes:
        chunks, received = [start], len(start)
        while not self._stream_consumed:
            chunk = self._take(await self._receive(), received)
            received += len(chunk)
            chunks.append(chunk)
        return b"".join(chunks)

    def _check_body_headers(self) -> None:
        if self._stream_consumed:
            raise RuntimeError("Stream consumed")
        if self.scope["type"] != "http":
            raise RuntimeError("A websocket has no body: use receive_text(), receive_bytes() or receive_json()")
        length: bytes | None = None
        is_chunked = False
        for name, value in self.scope["headers"]:
            if name == b"content-length":
                if length is not None:
                    raise MalformedRequest("The header content-length was sent more than once")
                length = value
            elif name == b"transfer-encoding":
                is_chunked = True
            elif name == b"content-encoding" and value.strip().lower() not in _PLAIN_ENCODINGS:
                raise UnsupportedMediaType("identity", value.decode("latin-1"), "Unsupported content encoding")
        if is_chunked and length is not None:
            raise _two_lengths()
        limit = self._body_limit
        # Twenty digits are far beyond any limit, and thousands would be an error of `int`.
        if length is not None and limit is not None and not (length.isdigit() and int(length[:20]) <= limit):
            raise PayloadTooLarge(limit) if length.isdigit() else MalformedRequest("The content-length is no number")

    def _take(self, message: Message, received: int) -> bytes:
        if message["type"] == "http.request":
            chunk: bytes = message.get("body", b"")
            if not message.get("more_body", False):
                self._stream_consumed = True
            limit = self._body_limit
            if limit is not None and received + len(chunk) > limit:
                # Another reader would otherwise count the rest from zero.
                self._stream_consumed = True
                raise PayloadTooLarge(limit)
            return chunk
        if message["type"] == "http.disconnect":
            self._is_disconnected = True
            raise ClientDisconnect
        return b""

    async def json(self) -> Any:
        """Return the body's JSON value, whatever the media type; it is parsed once and kept.

        Raises:
            MalformedRequest: The body is no JSON; see `parse_json`.
        """
        if "_json" not in self.__dict__:
            self._json = parse_json(await self.body())
        return self._json

    async def text(self) -> str:
        """Return the body as text, in the charset of its `Content-Type`, else UTF-8.

        Raises:
            MalformedRequest: The bytes do not fit the charset.
            UnsupportedMediaType: The charset is neither Unicode nor western European.
        """
        charset = media_type_of(self)[1]
        codec = _TEXT_CHARSETS.get(charset)
        if codec is None:
            raise UnsupportedMediaType("charset=utf-8", self.content_type)
        try:
            return (await self.body()).decode(codec)
        except UnicodeDecodeError as exc:
            raise MalformedRequest("The body does not fit its charset") from exc

    @property
    def data(self) -> bytes:
        """The body that was read before; empty after a multipart form, which is not kept.

        Raises:
            RuntimeError: Nothing was read yet.
        """
        if "_body" in self.__dict__:
            return self._body
        if self._form is not None:
            return b""
        raise RuntimeError(_NOT_READ.format(what="body", call="req.body()"))

    def get_json(self, force: bool = False, silent: bool = False) -> Any:
        """Return the JSON value of the body that was read before.

        Args:
            force: Take the body for JSON, whatever its `Content-Type`.
            silent: Return None instead of raising for another media type or for malformed JSON.

        Raises:
            UnsupportedMediaType: The body is not declared as JSON.
            MalformedRequest: The body is no JSON.
            RuntimeError: The body was not read yet.
        """
        if not force and not self.is_json:
            if silent:
                return None
            raise UnsupportedMediaType(MediaType.APPLICATION_JSON, self.content_type)
        if "_json" not in self.__dict__:
            try:
                self._json = parse_json(self.data)
            except MalformedRequest:
                if silent:
                    return None
                raise
        return self._json

    @property
    def form(self) -> FormView:
        """The form: `await req.form()` reads it, then `req.form["name"]` is a field.

        Example:
            form = await req.form()
            title = form["title"]
        """
        return FormView(self)

    @property
    def files(self) -> FilesView:
        """The files of the form: `await req.files()` reads it, then `req.files["name"]` is a file.

        Example:
            files = await req.files()
            size = files["picture"].size
        """
        return FilesView(self)

    async def form_and_files(self) -> MultiValues[str | UploadedFile]:
        """Read the form, the first time, and return its fields and files. Raises what `req.form()` raises."""
        return (await self.form()).fields_and_files

    async def _get_form(
        self,
        *,
        max_files: int | float = MAX_FILES,
        max_fields: int | float = MAX_FIELDS,
        max_part_size: int = MAX_FIELD_SIZE,
    ) -> Form:
        if self._form is None:
            if self.content_type is None and not await self.body():
                self._form = Form([])
                return self._form
            self._form = await read_form(
                self._form_type(),
                self.headers,
                self.stream(),
                max_files=max_files,
                max_fields=max_fields,
                max_part_size=max_part_size,
            )
            if self._form.files:
                self.defer(self._form.close)
        return self._form

    def _form_type(self) -> str:
        media_type, charset = media_type_of(self)
        if media_type not in FORM_TYPES or charset not in _UTF8:
            raise UnsupportedMediaType(" or ".join(FORM_TYPES), self.content_type)
        return media_type

    def read_form_or_fail(self) -> Form:
        """Return the form that was read before; an empty one if the client sent no body at all.

        Raises:
            UnsupportedMediaType: The body that was read is no form.
            RuntimeError: The form was not read yet.
        """
        if self._form is not None:
            return self._form
        if "_body" in self.__dict__:
            if not self._body and self.content_type is None:
                return Form([])
            self._form_type()
        raise RuntimeError(_NOT_READ.format(what="form", call="req.form()"))

    async def get_data(self, location: Literal["json", "form", "files", "form_and_files", "query"] = "json") -> Any:
        """Return the data of one part of the request.

        Args:
            location: Which part.

        Raises:
            ValueError: There is no such part.
        """
        if location == "query":
            return self.query_params
        if location == "json":
            return await self.json()
        if location in ("form", "files", "form_and_files"):
            form = await self.form()
            return {"form": form.fields, "files": form.files, "form_and_files": form.fields_and_files}[location]
        raise ValueError(f"get_data() takes json, form, files, form_and_files or query, got {location!r}")

    async def load_body(self) -> None:
        """Read the body, and the form if it is one, so that a `def` handler finds plain values.

        Raises:
            MalformedRequest: The form is broken.
        """
        if self._form is not None:
            # A parameter or the CSRF check has read it; what it read is not kept.
            return
        media_type = media_type_of(self)[0]
        if media_type != MediaType.MULTIPART_FORM_DATA:
            await self.body()
        if media_type in FORM_TYPES:
            await self.form()

    def defer(self, callback: Callable[[], Any]) -> None:
        """Register a function, `def` or `async def`, that runs after the response was sent, the last one first.

        It runs after errors, cancellation and disconnects too: the place to close what a streamed
        response reads from.

        Example:
            req.defer(session.close)

        Args:
            callback: Called without arguments.
        """
        if self._deferred is None:
            self._deferred = []
        self._deferred.append(callback)

    async def run_deferred(self) -> None:
        """Run what `defer()` registered, each of them; failures are logged. The framework calls it.

        Raises:
            BaseException: A cancellation that arrived meanwhile, after everything ran.
        """
        if self._deferred is None:
            return
        interruption: BaseException | None = None
        with anyio.CancelScope(shield=True):
            while self._deferred:
                try:
                    await self._run_one(self._deferred.pop())
                except BaseException as exc:
                    interruption = interruption or exc
        if interruption is not None:
            raise interruption

    async def _run_one(self, callback: Callable[[], Any]) -> None:
        try:
            result = callback()
            if inspect.isawaitable(result):
                await result
        except Exception as exc:
            log = getattr(self.scope.get("app"), "logger", None) or late("patera.logging").logger
            log.opt(exception=exc).error("A deferred function failed: {!r}", callback)
