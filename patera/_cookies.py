"""Cookies: read leniently and in linear time, written so that nothing can break out of them."""

from __future__ import annotations

import http.cookies
import re
from datetime import datetime
from email.utils import format_datetime

#: A character written as three octal digits, or any other that is quoted.
_QUOTED = re.compile(r"\\(?:([0-3][0-7]{2})|(.))")

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f;,]|[^\x00-\xff]")


def parse_cookies(header: str) -> dict[str, str]:
    r"""Return the cookies of a `Cookie` header as Starlette does; what is malformed is kept or left out.

    The unquoting is our own: that of Python before 3.11.10 and 3.12.6 takes quadratic time.

    Example:
        parse_cookies('theme=dark; name="a\"b"') == {"theme": "dark", "name": 'a"b'}

    Args:
        header: The header's value.
    """
    cookies = {}
    for chunk in header.split(";"):
        name, _, value = chunk.partition("=") if "=" in chunk else ("", "", chunk)
        name, value = name.strip(), value.strip()
        if name or value:
            cookies[name] = _unquoted(value)
    return cookies


def _unquoted(value: str) -> str:
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    return _QUOTED.sub(lambda match: chr(int(match[1], 8)) if match[1] else match[2], value[1:-1])


def format_cookie(
    name: str,
    value: str,
    *,
    max_age: int | None,
    expires: datetime | str | int | None,
    path: str | None,
    domain: str | None,
    secure: bool,
    http_only: bool,
    same_site: str | None,
    partitioned: bool,
) -> str:
    """Return the value of a `Set-Cookie` header (RFC 6265, section 4.1).

    Raises:
        ValueError: The name is no token, an attribute could be broken out of, or SameSite is unknown.
    """
    morsel = _morsel(name, value)
    if same_site is not None and same_site.lower() not in ("lax", "strict", "none"):
        raise ValueError(f"Invalid SameSite {same_site!r}: lax, strict, none or None")
    if isinstance(expires, datetime):
        expires = format_datetime(expires, usegmt=True)
    attributes = {"max-age": max_age, "expires": expires, "path": path, "domain": domain, "samesite": same_site}
    for attribute, given in attributes.items():
        if given is not None:
            morsel[attribute] = _checked(name, attribute, given)
    morsel["secure"], morsel["httponly"] = secure, http_only
    written = morsel.OutputString()
    return f"{written}; Partitioned" if partitioned else written


def _morsel(name: str, value: str) -> http.cookies.Morsel[str]:
    if re.search(r"[^\x00-\xff]", value):
        raise ValueError(f"Invalid value for cookie {name!r}: only latin-1 text can be sent; encode it first")
    cookie: http.cookies.SimpleCookie = http.cookies.SimpleCookie()
    try:
        cookie[name] = value
    except http.cookies.CookieError as error:
        raise ValueError(f"Invalid cookie name {name!r}: letters, digits and !#$%&'*+-.^_`|~: only") from error
    return cookie[name]


def _checked(name: str, attribute: str, given: object) -> object:
    # An Expires date has a comma of its own; it is free of what ends an attribute all the same.
    pattern = _FORBIDDEN if attribute != "expires" else re.compile(r"[\x00-\x1f\x7f;]|[^\x00-\xff]")
    if isinstance(given, str) and pattern.search(given):
        raise ValueError(f"Invalid {attribute} of cookie {name!r}: {given!r} holds a character that would end it")
    return given
