"""The response: what handlers fill in, chain and return. Nothing is sent before the handler is done."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Callable, Generator, Iterable, Mapping
from datetime import datetime
from os import PathLike
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Self
from urllib.parse import quote, urlencode, urlsplit

from pydantic_core import PydanticSerializationError
from starlette.background import BackgroundTask
from starlette.responses import Response as StarletteResponse
from typing_extensions import TypeVar

from ._context import current_request, find_application
from ._cookies import format_cookie
from ._files import FileBody, FileChunks, file_type
from ._headers import ResponseHeaders, content_disposition, content_type_header, merge_headers
from ._json import dump_json
from ._streams import ServerSentEvent, StreamBody, StreamContent, encode_events, encode_lines
from ._types import Message, RawHeader, Receive, Scope, Send
from .exceptions import ResponseValidationError
from .http import HttpStatus

if TYPE_CHECKING:
    from .request import Request

__all__ = ["ForeignResponse", "Response", "ServerSentEvent", "is_safe_redirect"]

T = TypeVar("T", default=Any)


class _Unset:
    """Marks that no value was given, where None is a value."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = _Unset()

JSON_TYPE: Final = (b"content-type", b"application/json")
TEXT_TYPE: Final = (b"content-type", b"text/plain; charset=utf-8")
HTML_TYPE: Final = (b"content-type", b"text/html; charset=utf-8")
BINARY_TYPE: Final = (b"content-type", b"application/octet-stream")
NDJSON_TYPE: Final = (b"content-type", b"application/x-ndjson")
EVENTS_TYPE: Final = (b"content-type", b"text/event-stream; charset=utf-8")

BODILESS: Final = frozenset((204, 304))

_ENDPOINT_NAME = re.compile(r"[A-Za-z_]\w*\.[A-Za-z_]\w*")
_REDIRECT_SAFE = ":/%#?=@[]!$&'()*+,;"


class Response(StarletteResponse, Generic[T]):
    """An HTTP response that is filled step by step; every setter returns the response itself.

    `Response[T]` as a return annotation filters 2xx bodies through `T`: undeclared fields never leave.
    A status that was set stays, whatever is set after it.

    Example:
        return req.res.json({"id": 1}).status(HttpStatus.CREATED).set_header("x-kind", "user")

    Args:
        content: Text or bytes of the body.
        status_code: The HTTP status.
        headers: Response headers.
        media_type: Value of `content-type`.
        background: Starlette task to run after the response was sent.
    """

    body: bytes
    _template: tuple[str, Mapping[str, Any] | None, bool] | None
    _stream: StreamBody | FileBody | None
    _added_type: RawHeader | None

    # Every attribute is set at once, and in one order: that makes the fastest objects.
    def __init__(
        self,
        content: Any = None,
        status_code: int | HttpStatus | None = None,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        background: BackgroundTask | None = None,
    ) -> None:
        self.raw_headers = []
        self.body = b""
        self.background = background
        self._status = None if status_code is None else int(status_code)
        self._data: Any = UNSET
        self._default_type: RawHeader | None = None
        self._added_type = None
        self._template = None
        self._stream = None
        #: False while something is set that no body was made of yet.
        self._is_shaped = True
        self._live_headers: ResponseHeaders | None = None
        if headers is not None:
            self.set_headers(headers)
        if media_type is not None:
            self.set_header("content-type", content_type_header(media_type)[1].decode("latin-1"))
        if content is not None:
            self._fill_content(content).shape()

    @property
    def status_code(self) -> int:
        """The status that will be sent."""
        return self._status or 200

    @status_code.setter
    def status_code(self, value: int) -> None:
        self._status = int(value)

    @property
    def headers(self) -> ResponseHeaders:
        """The headers, to read and to change."""
        headers = self._live_headers
        # Foreign code may have put another list in place.
        if headers is None or headers._list is not self.raw_headers:
            headers = self._live_headers = ResponseHeaders(raw=self.raw_headers)
        return headers

    @property
    def content_type(self) -> str | None:
        """The content type that was set, or the one that the body will get."""
        explicit = self.headers.get("content-type")
        if explicit is not None or self._default_type is None:
            return explicit
        return self._default_type[1].decode("latin-1")

    @property
    def is_streaming(self) -> bool:
        """Whether the body is a stream or a file, sent piece by piece."""
        return self._stream is not None

    def status(self, status_code: int | HttpStatus) -> Self:
        """Set the HTTP status; nothing but another call changes it again."""
        self._status = int(status_code)
        return self

    def json(self, data: Any) -> Self:
        """Set a JSON body: anything Pydantic can serialise, empty and false values as themselves.

        Args:
            data: Dict, list, model, dataclass, number, text, None, datetimes within them, ...
        """
        return self._fill(data, JSON_TYPE)

    def text(self, text: str) -> Self:
        """Set a plain text body (UTF-8)."""
        return self._fill(str(text), TEXT_TYPE)

    def no_content(self) -> Self:
        """Send no body, with status 204."""
        self._status = 204
        return self._fill(b"", None)

    def html(self, template_path: str, context: Mapping[str, Any] | None = None) -> Self:
        """Set a rendered template as body; may be awaited, and is rendered later if it was not.

        Example:
            return await req.res.html("user.html", {"user": user})

        Args:
            template_path: Path below `TEMPLATES_DIR`.
            context: Variables of the template.

        Raises:
            jinja2.TemplateError: When rendered, if the template is missing or broken.
        """
        return self._fill_template(template_path, context, is_source=False)

    def html_from_string(self, text: str, context: Mapping[str, Any] | None = None) -> Self:
        """Set a template given as text as body; it renders in Jinja's sandbox.

        Never build `text` from user input: pass user input in `context`, where it is escaped.

        Args:
            text: The template's source.
            context: Variables of the template.
        """
        return self._fill_template(text, context, is_source=True)

    def redirect(self, location: str, status_code: int | HttpStatus = HttpStatus.SEE_OTHER, **values: Any) -> Self:
        """Send the client elsewhere.

        Example:
            return req.res.redirect("UsersApi.show", user_id=3)

        Args:
            location: A URL, or an endpoint's name (`Class.method`).
            status_code: The redirection status, 303 by default.
            **values: Values for the endpoint's URL; query parameters of any other location.
        """
        self._fill(b"", None).status(status_code)
        target = self._location(location, values)
        self._set_raw(b"location", quote(target, safe=_REDIRECT_SAFE).encode("latin-1"))
        return self

    def safe_redirect(
        self, target: str | None, default: str = "/", status_code: int | HttpStatus = HttpStatus.SEE_OTHER
    ) -> Self:
        """Redirect to a target that came with the request, if it stays on this site.

        Example:
            return req.res.safe_redirect(req.query_params.get("next"), default="/")

        Args:
            target: A path on this site, or a URL of this host; on https none with plain http.
            default: Where to go when the target leads elsewhere.
            status_code: The redirection status.
        """
        request = current_request.get()
        host = request.headers.get("host") if request is not None else None
        is_secure = request is not None and request.scope.get("scheme") == "https"
        is_safe = bool(target) and is_safe_redirect(str(target), host, is_secure=is_secure)
        return self.redirect(str(target) if is_safe else default, status_code)

    def send_file(
        self,
        body: bytes | str | PathLike[str] | Any,
        headers: Mapping[str, str] | None = None,
        *,
        filename: str | None = None,
        media_type: str | None = None,
        inline: bool = False,
    ) -> Self:
        """Send a file: ranges, ETag and 304 (RFC 9110, sections 13 and 14) for a path.

        Args:
            body: Bytes, the path of a file, or a readable binary file object.
            headers: Further response headers.
            filename: Download name, sent as RFC 6266 says.
            media_type: Guessed from the name where None.
            inline: Show in the browser instead of downloading; only with `filename`.

        Raises:
            FileNotFoundError: When sent, if the path does not exist.
        """
        if isinstance(body, bytes | bytearray | memoryview):
            self._fill(bytes(body), file_type(filename))
        elif isinstance(body, str | PathLike):
            self._fill_stream(FileBody(body), file_type(filename or body))
        else:
            self._fill_stream(StreamBody(FileChunks(body)), file_type(filename))
        if filename is not None:
            self._set_raw(b"content-disposition", content_disposition(filename, inline=inline))
        if media_type is not None:
            self.set_header("content-type", media_type)
        return self.set_headers(headers or {})

    def stream(self, iterable: StreamContent, media_type: str | None = None) -> Self:
        """Send bytes or text piece by piece; the iterable is closed at the end, on errors and disconnects.

        Example:
            return req.res.stream(rows_as_csv(), media_type="text/csv")

        Args:
            iterable: Sync or async iterable of bytes or text; a sync one runs in a worker thread.
            media_type: `application/octet-stream` where None.
        """
        self._fill_stream(StreamBody(iterable), BINARY_TYPE)
        return self if media_type is None else self.set_header("content-type", media_type)

    def stream_text(self, iterable: StreamContent) -> Self:
        """Send text piece by piece as `text/plain; charset=utf-8`."""
        return self._fill_stream(StreamBody(iterable), TEXT_TYPE)

    def ndjson(self, items: Iterable[Any] | AsyncIterable[Any]) -> Self:
        """Send items as newline-delimited JSON, one line each."""
        return self._fill_stream(StreamBody(items, encode_lines), NDJSON_TYPE)

    def sse(self, events: Iterable[Any] | AsyncIterable[Any]) -> Self:
        """Send server-sent events (WHATWG HTML, section 9.2).

        Args:
            events: `ServerSentEvent`s; text becomes the data of one, anything else its JSON.
        """
        self._set_raw(b"cache-control", b"no-cache")
        self._set_raw(b"x-accel-buffering", b"no")
        return self._fill_stream(StreamBody(events, encode_events), EVENTS_TYPE)

    def set_header(self, key: str, value: str) -> Self:
        """Set a header, replacing one of the same name.

        Raises:
            ValueError: The name or value cannot be sent, such as one with a line break.
        """
        self.headers[key] = value
        return self

    def set_headers(self, headers: Mapping[str, str]) -> Self:
        """Set several headers."""
        for key, value in headers.items():
            self.headers[key] = value
        return self

    def set_cookie(  # type: ignore[override]
        self,
        cookie_name: str | None = None,
        value: str = "",
        max_age: int | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        http_only: bool = True,
        *,
        same_site: Literal["lax", "strict", "none"] | None = "lax",
        expires: datetime | str | int | None = None,
        partitioned: bool = False,
        key: str | None = None,
        httponly: bool | None = None,
        samesite: Literal["lax", "strict", "none"] | _Unset | None = UNSET,
    ) -> Self:
        """Set a cookie (RFC 6265); Starlette's keyword names work too.

        Args:
            cookie_name: Its name.
            value: Its value, quoted where needed.
            max_age: Seconds it lives; a session cookie where None.
            path: Path below which the client sends it back.
            domain: Domain for which the client sends it back.
            secure: Only over https.
            http_only: Out of reach for scripts.
            same_site: `lax`, `strict`, `none`, or None to leave it out.
            expires: Date, or seconds from now.
            partitioned: Keep it per top-level site.
            key: Starlette's name of `cookie_name`.
            httponly: Starlette's name of `http_only`.
            samesite: Starlette's name of `same_site`.

        Raises:
            ValueError: The name is no token, or an attribute holds a `;`, a line break or the like.
        """
        name = cookie_name if cookie_name is not None else key
        if name is None:
            raise TypeError('set_cookie() needs a name: set_cookie("theme", "dark")')
        cookie = format_cookie(
            name,
            value,
            max_age=max_age,
            expires=expires,
            path=path,
            domain=domain,
            secure=secure,
            http_only=http_only if httponly is None else httponly,
            same_site=same_site if isinstance(samesite, _Unset) else samesite,
            partitioned=partitioned,
        )
        self.raw_headers.append((b"set-cookie", cookie.encode("latin-1")))
        return self

    def delete_cookie(  # type: ignore[override]
        self,
        cookie_name: str | None = None,
        path: str = "/",
        domain: str | None = None,
        *,
        secure: bool = False,
        http_only: bool = True,
        same_site: Literal["lax", "strict", "none"] | None = "lax",
        key: str | None = None,
    ) -> Self:
        """Tell the client to drop a cookie; path and domain must be those it was set with."""
        return self.set_cookie(
            cookie_name,
            max_age=0,
            expires=0,
            path=path,
            domain=domain,
            secure=secure,
            http_only=http_only,
            same_site=same_site,
            key=key,
        )

    async def send(self, event: Message) -> None:
        """Send a raw ASGI event, as websocket handlers do.

        Raises:
            RuntimeError: No request is being answered.
        """
        await _current_request("send()").send(event)

    def __await__(self) -> Generator[Any, None, Self]:
        """Render a template that `html()` or `html_from_string()` noted; return the response itself."""
        yield from self.render_template().__await__()
        return self

    async def render_template(self) -> None:
        """Render the noted template, if there is one, into the body."""
        if self._template is None:
            return
        source, context, is_source = self._template
        request = _current_request("html()")
        render = request.app.templates.render_string if is_source else request.app.templates.render
        self._finish_template(await render(source, dict(context or {}), request))

    def render_template_sync(self) -> None:
        """Render the noted template in the worker thread of a `def` handler."""
        if self._template is None:
            return
        source, context, is_source = self._template
        request = _current_request("html()")
        render = request.app.templates.render_string_sync if is_source else request.app.templates.render_sync
        self._finish_template(render(source, dict(context or {}), request))

    def shape(
        self,
        encode: Callable[[Any], bytes] = dump_json,
        declared_type: RawHeader | None = None,
        name: str = "the response",
    ) -> None:
        """Make the body out of what was set.

        Args:
            encode: Turns the value that `json()` was given into bytes.
            declared_type: Content type header that takes the place of the body's own.
            name: What the error calls the source of the body.

        Raises:
            ResponseValidationError: The value does not fit the declared body, or cannot be sent.
        """
        data, own_type = self._data, self._default_type
        try:
            if own_type is JSON_TYPE:
                self.body = encode(data)
            elif data is not UNSET:
                self.body = data.encode() if isinstance(data, str) else bytes(data)
        except (PydanticSerializationError, UnicodeEncodeError, RecursionError) as error:
            raise ResponseValidationError(name, str(error)) from error
        if own_type is not None:
            if self.raw_headers:
                self._add_type(declared_type or own_type)
            else:
                self._added_type = declared_type or own_type
                self.raw_headers.append(self._added_type)
        self._is_shaped = True

    def content_headers(self) -> list[RawHeader]:
        """Return the headers to send: the live ones, with the length of the body where it may have one."""
        headers = self.raw_headers
        status = self._status or 200
        if self._stream is not None or status < 200 or status in BODILESS:
            return [header for header in headers if header[0] != b"content-length"]
        if headers:
            headers = [header for header in headers if header[0] != b"content-length"]
        headers.append((b"content-length", b"%d" % len(self.body)))
        return headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response as an ASGI application of its own."""
        if not self._is_shaped:
            await self.render_template()
            self.shape()
        if scope["type"] == "websocket":
            send = self._wrap_websocket_denial_send(send)
        if self._stream is not None:
            await self._stream.send(self, scope, receive, send)
        else:
            await self._send_body(scope, send)
        if self.background is not None:
            await self.background()

    async def _send_body(self, scope: Scope, send: Send) -> None:
        status = self._status or 200
        await send({"type": "http.response.start", "status": status, "headers": self.content_headers()})
        is_empty = status < 200 or status in BODILESS or scope.get("method") == "HEAD"
        await send({"type": "http.response.body", "body": b"" if is_empty else self.body})

    @property
    def _is_filled(self) -> bool:
        return self._data is not UNSET

    def _fill(self, data: Any, default_type: RawHeader | None) -> Self:
        self._data = data
        self._default_type = default_type
        self._is_shaped = False
        if self._template is not None or self._stream is not None:
            self._template = self._stream = None
        return self

    def _fill_content(self, content: Any) -> Self:
        if isinstance(content, str):
            return self._fill(content, TEXT_TYPE)
        if isinstance(content, bytes | bytearray | memoryview):
            return self._fill(bytes(content), BINARY_TYPE)
        raise TypeError(f"Response() takes text or bytes, got {content!r}; write Response().json(...)")

    def _fill_template(self, source: str, context: Mapping[str, Any] | None, *, is_source: bool) -> Self:
        self._fill(b"", HTML_TYPE)
        self._template = (source, context, is_source)
        return self

    def _fill_stream(self, stream: StreamBody | FileBody, default_type: RawHeader | None) -> Self:
        self._fill(b"", default_type)
        self._stream = stream
        return self

    def _finish_template(self, rendered: str) -> None:
        self._template = None
        self._data = rendered

    def _add_type(self, content_type: RawHeader) -> None:
        """Add the body's content type unless one was set; one that was added before makes room."""
        headers = self.raw_headers
        if self._added_type is not None and self._added_type in headers:
            headers.remove(self._added_type)
        for name, _ in headers:
            if name == b"content-type":
                return
        self._added_type = content_type
        headers.append(content_type)

    def _set_raw(self, name: bytes, value: bytes) -> None:
        self.raw_headers[:] = [header for header in self.raw_headers if header[0] != name]
        self.raw_headers.append((name, value))

    def _location(self, location: str, values: Mapping[str, Any]) -> str:
        app = find_application()
        if app is not None and _ENDPOINT_NAME.fullmatch(location) and app.has_endpoint(location):
            return app.url_for(location, **values)
        query = urlencode({key: value for key, value in values.items() if value is not None}, doseq=True)
        url, mark, fragment = location.partition("#")
        return f"{url}{'&' if '?' in url else '?'}{query}{mark}{fragment}" if query else location


def _current_request(call: str) -> Request:
    """Return the request being answered: a reference of the response's own would be a cycle for each request."""
    request = current_request.get()
    if request is None:
        raise RuntimeError(f"{call} was used while no request is being answered")
    return request


class ForeignResponse(StarletteResponse):
    """What middleware sees of a mounted application or foreign route: it is run when it is sent.

    Headers set here are merged into its own; its body and status are not known.

    Args:
        run: Runs the application, given a `send` that merges the headers.
    """

    def __init__(self, run: Callable[[Scope, Receive, Send], Any]) -> None:
        self.raw_headers = []
        self.background = None
        self._run = run

    @property
    def status_code(self) -> int:  # type: ignore[override]
        """Unknown.

        Raises:
            AttributeError: Always.
        """
        raise AttributeError("The status of a mounted application is not known before it is sent")

    @property
    def body(self) -> bytes:  # type: ignore[override]
        """Unknown.

        Raises:
            AttributeError: Always.
        """
        raise AttributeError("The body of a mounted application is sent by itself and cannot be read")

    @property
    def headers(self) -> ResponseHeaders:
        """Headers to be merged into those of the application."""
        return ResponseHeaders(raw=self.raw_headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application."""
        await self._run(scope, receive, merge_headers(send, self.raw_headers))


def is_safe_redirect(target: str, host: str | None = None, *, is_secure: bool = False) -> bool:
    """Tell whether a redirect target stays on this site: a local path, or http(s) on `host` itself.

    Args:
        target: The URL that came with the request.
        host: This site's host and port; without it only paths are safe.
        is_secure: Whether this site is on https, so that plain http leads away from it.
    """
    if not target or target != target.strip() or re.search(r"[\x00-\x20\\]", target):
        return False
    try:
        parts = urlsplit(target)
    except ValueError:
        return False
    # A proxy may decode the path before it looks at it.
    if re.search(r"%(?:0[0-9a-f]|1[0-9a-f]|5c)", parts.path, re.IGNORECASE):
        return False
    if parts.scheme or parts.netloc:
        schemes = ("https",) if is_secure else ("http", "https")
        return parts.scheme in schemes and host is not None and parts.netloc == host
    return target.startswith("/") and not target.startswith("//")
