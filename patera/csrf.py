"""Protection against forged requests of other sites (CSRF) where a browser sends its cookies along.

A form of another site can make a browser send any POST, cookies included. So an unsafe request has
to show two things: that it comes from a page of this site (`Sec-Fetch-Site` and `Origin`, which
scripts cannot set), and a token that only pages of this site can read, bound to the session.

Example:
    @path("/login")
    class Login(Controller):
        @get("/")
        async def form(self, req: Request) -> Response:
            return req.res.html("login.html")      # <form method="post">{{ csrf_input() }} ...

        @post("/")
        @csrf_protect
        async def log_in(self, req: Request) -> Response: ...

Methods with a login have the protection by themselves.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from .exceptions import BaseHttpException, Mistake
from .http import HttpStatus, MediaType
from .layer import Call, Layer, Place
from .request import current_request, media_type_of
from .secret_key import secret_key_mistakes
from .sessions import CSRF_KEY, session_of

if TYPE_CHECKING:
    from .application import Patera
    from .request import Request

__all__ = [
    "HEADER_METHODS",
    "TOKENLESS_METHODS",
    "CsrfError",
    "CsrfExempt",
    "CsrfProtect",
    "CsrfProtectLogins",
    "csrf_exempt",
    "csrf_input",
    "csrf_protect",
    "csrf_protect_logins",
    "csrf_token",
]

FIELD = "csrf_token"
HEADERS = ("x-csrf-token", "x-csrftoken", "x-xsrf-token")

#: In the scope: how the user was found. A login sets it.
METHOD_KEY = "patera.auth_method"
#: In the scope: that the endpoint takes requests of other sites.
EXEMPT_KEY = "patera.csrf_exempt"

#: Methods that change nothing (RFC 9110, section 9.2.1).
SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
#: What a browser never sends by itself, so that another site cannot make it do so.
HEADER_METHODS = frozenset(("bearer", "api_key"))
#: Ways to find a user for which no token is asked.
TOKENLESS_METHODS = HEADER_METHODS | {"basic"}

_FORMS = (MediaType.APPLICATION_X_WWW_FORM_URLENCODED, MediaType.MULTIPART_FORM_DATA)
#: Schemes that browsers repeat by themselves; any other is set by a script, and not for another site.
_AMBIENT = re.compile(r"(?:basic|digest|negotiate|ntlm)\b", re.IGNORECASE)
_ORIGIN = re.compile(r"https?://(?:\[[0-9a-f:.]+\]|[^/\[\]\s:@?#*,]+)(?::\d+)?", re.IGNORECASE)

SECRET_SIZE = 32


class CsrfError(BaseHttpException):
    """A request that another site may have forged (403); `data` has the reason.

    Args:
        reason: `csrf_origin`, `csrf_missing` or `csrf_invalid`.
        message: What the client is told.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message, HttpStatus.FORBIDDEN, data={"reason": reason})
        self.reason = reason


class CsrfProtect(Layer):
    """Refuses unsafe requests that do not show where they come from; the object to decorate with is `csrf_protect`.

    What no browser sends by itself passes: users found by a bearer token or an API key. Alone,
    without a login, every unsafe request is checked, so that nobody can be logged in as somebody
    else. For HTTP Basic authentication, and for a login without any cookie such as a client
    certificate, which browsers repeat by themselves, the origin is checked and no token asked for.
    """

    place = Place.CSRF
    #: One check for each request.
    name = key = "csrf_protect"
    statuses: Mapping[int, str] = {403: "The request comes from another site, or its CSRF token is missing or wrong"}

    def mistakes(self, app: Patera, where: str, location: str) -> Sequence[Mistake]:
        """Return origins that are none, and outside of DEBUG a SECRET_KEY that can be guessed."""
        if not app.configs["CSRF_ENABLED"]:
            return ()
        return [*_wrong_origins(app), *secret_key_mistakes(app.configs, f"{app.app_name}: csrf_protect")]

    async def guard(self, call: Call) -> None:
        """Check an unsafe request.

        Raises:
            CsrfError: It may be forged.
        """
        request = call.request
        if request is None or request.method in SAFE_METHODS or EXEMPT_KEY in request.scope:
            return
        if request.scope["type"] != "http":
            # Websockets have a check of their own.
            return
        configs = request.app.configs
        kind = _kind_of(request) if configs["CSRF_ENABLED"] else None
        if kind is None:
            return
        _check_origin(request, configs["CSRF_TRUSTED_ORIGINS"])
        if kind not in TOKENLESS_METHODS:
            await _check_token(request)


class CsrfProtectLogins(CsrfProtect):
    """What a login implies; the `Authentication` asks for the SECRET_KEY itself, where its users need one."""

    key = "csrf_protect_logins"

    def mistakes(self, app: Patera, where: str, location: str) -> Sequence[Mistake]:
        """Return origins that are none."""
        return _wrong_origins(app) if app.configs["CSRF_ENABLED"] else ()


class CsrfExempt(Layer):
    """Lets requests of other sites through; the object to decorate with is `csrf_exempt`."""

    place = Place.CSRF
    #: Once is enough; the alphabet puts it in front of `csrf_protect`.
    name = key = "csrf_exempt"

    async def guard(self, call: Call) -> None:
        """Note that nothing is to be checked."""
        if call.request is not None:
            call.request.scope[EXEMPT_KEY] = True


#: Checks unsafe requests of a method or controller.
csrf_protect = CsrfProtect()
csrf_protect_logins = CsrfProtectLogins()

#: Switches the check off for a method or controller, as for webhooks, whatever else says that it is protected.
csrf_exempt = CsrfExempt()


def csrf_token(request: Request | None = None) -> str:
    """Return a token for forms (field `csrf_token`) and scripts (header `X-CSRF-Token`).

    Each call returns another text for the same secret, so that the size of compressed pages does
    not give it away; all are valid as long as the session is.

    Example:
        @get("/csrf")
        async def token(self, req: Request) -> dict[str, str]:
            return {"token": csrf_token(req)}

    Args:
        request: The request; by default the one being answered.

    Raises:
        RuntimeError: No request is being answered, or its response was sent.
    """
    session = session_of(_required(request))
    secret = _decoded(session.get(CSRF_KEY), SECRET_SIZE)
    if secret is None:
        secret = secrets.token_bytes(SECRET_SIZE)
        session[CSRF_KEY] = _encoded(secret)
    mask = secrets.token_bytes(SECRET_SIZE)
    return _encoded(mask + _xor(mask, secret))


def csrf_input(request: Request | None = None) -> Markup:
    """Return a hidden form field with a token, as HTML.

    Example:
        <form method="post">{{ csrf_input() }} ... </form>

    Args:
        request: The request; by default the one being answered.
    """
    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, csrf_token(request))


def _required(request: Request | None) -> Request:
    found = request if request is not None else current_request()
    if found is None:
        raise RuntimeError("A CSRF token belongs to a request, and none is being answered here; pass the request")
    return found


def _kind_of(request: Request) -> str | None:
    """Return how the user was found, None where a browser could not have been made to send the request."""
    if METHOD_KEY not in request.scope:
        return "unknown"
    kind = str(request.scope[METHOD_KEY])
    if kind in HEADER_METHODS:
        return None
    if "cookie" in request.headers:
        return kind
    # A client certificate, or a login of the network such as Kerberos, is repeated by browsers as Basic is.
    given = request.headers.get("authorization")
    return "basic" if given is None or _AMBIENT.match(given) else None


def _check_origin(request: Request, trusted: Sequence[str]) -> None:
    """Refuse a request of another site (Fetch Metadata, section 2.2; Fetch standard, section 3.1).

    Raises:
        CsrfError: It comes from one, and that is not trusted.
    """
    site, origins = request.headers.get("sec-fetch-site"), request.headers.getlist("origin")
    if site in ("same-origin", "none"):
        return
    if origins and all(origin.lower() in {each.lower() for each in trusted} for origin in origins):
        return
    own = f"{request.scope.get('scheme', 'http')}://{request.host}".lower()
    # A program that is no browser sends neither header.
    if site is None and all(origin.lower() == own for origin in origins):
        return
    raise CsrfError("csrf_origin", "The request comes from another site")


async def _check_token(request: Request) -> None:
    """Refuse a request without a token of its session.

    Raises:
        CsrfError: There is none, or one of another session.
    """
    token = await _token_of(request)
    if not token:
        raise CsrfError(
            "csrf_missing", f"The CSRF token is missing: send it in the header X-CSRF-Token or the form field {FIELD}"
        )
    secret, sent = _decoded(session_of(request).get(CSRF_KEY), SECRET_SIZE), _decoded(token, 2 * SECRET_SIZE)
    if secret is None or sent is None or not hmac.compare_digest(_xor(sent[:SECRET_SIZE], sent[SECRET_SIZE:]), secret):
        raise CsrfError("csrf_invalid", "The CSRF token is not one of this session: load the page again")


async def _token_of(request: Request) -> str | None:
    """Return the token of the headers; else, of a form, that of its field."""
    for name in HEADERS:
        if name in request.headers:
            return request.headers[name]
    if media_type_of(request)[0] not in _FORMS:
        return None
    value = (await request.form()).fields.get(FIELD)
    return value if isinstance(value, str) else None


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _decoded(text: Any, size: int) -> bytes | None:
    """Return so many bytes, None for what is not their one spelling."""
    if not isinstance(text, str) or len(text) != (size * 8 + 5) // 6 or not text.isascii():
        return None
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    return raw if len(raw) == size and _encoded(raw) == text else None


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _wrong_origins(app: Patera) -> list[Mistake]:
    return [
        Mistake(
            "PAT505",
            "CSRF_TRUSTED_ORIGINS",
            repr(origin),
            'an origin as browsers send it: scheme, host and port, such as "https://admin.example.org"',
            "write scheme and host, without a path or a slash at the end",
        )
        for origin in app.configs["CSRF_TRUSTED_ORIGINS"]
        if not _ORIGIN.fullmatch(origin)
    ]
