"""Response headers: checked where they are set, merged where two parties set them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, TypeVar, overload
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders

from ._types import Message, RawHeader, Send

T = TypeVar("T")

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: What no header may hold (RFC 9110, section 5.5): servers drop the connection at best.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class RequestHeaders(Headers):
    """The headers of a request: case-insensitive; of a repeated one `get` returns the first value."""

    @overload
    def get(self, key: str, default: None = None) -> str | None: ...

    @overload
    def get(self, key: str, default: str) -> str: ...

    @overload
    def get(self, key: str, default: T) -> str | T: ...

    def get(self, key: str, default: Any = None) -> Any:
        """Return a header's value, else the default; Starlette's own raises and catches an error in between."""
        wanted = key.lower().encode("latin-1")
        for name, value in self._list:
            if name == wanted:
                return value.decode("latin-1")
        return default


class ResponseHeaders(MutableHeaders):
    """The live headers of a response: case-insensitive, and closed to header injection (RFC 9110, section 5.5)."""

    def __setitem__(self, key: str, value: str) -> None:
        header = _frequent_header(key, value) if type(value) is str else encode_header(key, value)
        name, headers = header[0], self._list
        names = [other for other, _ in headers]
        if name not in names:
            headers.append(header)
            return
        index = names.index(name)
        headers[index] = header
        headers[index + 1 :] = [each for each in headers[index + 1 :] if each[0] != name]

    def append(self, key: str, value: str) -> None:
        """Add a header beside one of the same name."""
        self._list.append(encode_header(key, value))

    def setdefault(self, key: str, value: str) -> str:
        """Set a header unless it is there; return its value."""
        encode_header(key, value)
        return super().setdefault(key, value)


@lru_cache(maxsize=256)
def encode_header_name(key: str) -> bytes:
    """Return a header's name in lower case.

    Raises:
        ValueError: The name is no token (RFC 9110, section 5.6.2).
    """
    if not isinstance(key, str) or not _TOKEN.fullmatch(key):
        raise ValueError(f"Invalid header name {key!r}: letters, digits and !#$%&'*+.^_`|~- only")
    return key.lower().encode("ascii")


def encode_header(key: str, value: str) -> RawHeader:
    """Return a header as it is sent.

    Raises:
        TypeError: The value is no string.
        ValueError: The name is no token, or the value has a line break, another control character or
            non-latin-1 text.
    """
    name = encode_header_name(key)
    if not isinstance(value, str):
        raise TypeError(f"The value of the header {key!r} must be a string, got {value!r}")
    if not value.isprintable() and _FORBIDDEN.search(value):
        raise ValueError(f"Invalid value for header {key!r}: line breaks and control characters cannot be sent")
    try:
        # Blanks around a value are none of it, and some servers refuse to send them.
        return name, value.strip(" \t").encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(
            f"Invalid value for header {key!r}: only latin-1 text can be sent; percent-encode it (RFC 8187)"
        ) from None


#: Most headers of an application are the same in every answer: to find one takes a third of the time to check it.
_frequent_header = lru_cache(maxsize=256)(encode_header)


def merge_headers(send: Send, extra: list[RawHeader]) -> Send:
    """Return a `send` that puts `extra` in place of equal-named headers of the response's start.

    Cookies and what the response varies by are added, never replaced.
    """

    async def merging(message: Message) -> None:
        if message["type"] == "http.response.start":
            replaced = {name for name, _ in extra if name not in (b"set-cookie", b"vary")}
            own = [header for header in message.get("headers", ()) if header[0].lower() not in replaced]
            message = {**message, "headers": [*own, *extra]}
        await send(message)

    return merging


def content_disposition(filename: str, *, inline: bool = False) -> bytes:
    """Return a `content-disposition` value with the name in both forms (RFC 6266, section 4.3)."""
    kind = "inline" if inline else "attachment"
    plain = re.sub(r"[^ !#-\[\]-~]", "_", filename.encode("ascii", "replace").decode("ascii").replace("?", "_"))
    value = f'{kind}; filename="{plain}"'
    if plain != filename:
        value += f"; filename*=UTF-8''{quote(filename, safe='', errors='replace')}"
    return value.encode("latin-1")


def content_type_header(media_type: str) -> RawHeader:
    """Return the content type header of a media type: text gets its charset."""
    is_text = media_type.startswith("text/") and "charset=" not in media_type
    return b"content-type", (f"{media_type}; charset=utf-8" if is_text else str(media_type)).encode("latin-1")
