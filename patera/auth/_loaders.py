"""Ready ways to find out who sends a request: bearer token, Basic authentication, API key, session."""

from __future__ import annotations

import base64
import binascii
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from patera.exceptions import MalformedRequest
from patera.sessions import load_session

from ._hooks import ask
from ._login import FRESH_KEY, USER_ID_KEY
from ._remember import remembered_user
from ._users import METHOD_KEY

if TYPE_CHECKING:
    from patera.application import Patera
    from patera.request import Request

    from ._authentication import Authentication

__all__ = ["ApiKeyLoader", "BasicLoader", "BearerLoader", "SessionLoader", "UserLoader"]

#: Longer credentials are none of ours, and are not decoded.
MAX_CREDENTIALS_LENGTH = 8192
MAX_API_KEY_LENGTH = 1024

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class UserLoader(ABC):
    """One way to find out who sends a request; an `Authentication` lists those that it takes in `loaders`.

    Example:
        class HeaderLoader(UserLoader):
            async def load(self, auth: Authentication, req: Request) -> Any:
                return await auth.load_user(req.headers.get("x-user"))
    """

    #: What `request.scope["patera.auth_method"]` says of users that it found; CSRF protection asks for it.
    method: ClassVar[str] = "custom"
    #: The methods that the `Authentication` has to define for it.
    hooks: ClassVar[tuple[str, ...]] = ()
    #: Whether it reads what was signed with the secret key.
    is_signed: ClassVar[bool] = False

    @abstractmethod
    async def load(self, auth: Authentication, req: Request) -> Any:
        """Return the user, or None where the request does not say.

        Args:
            auth: The extension, which knows the users.
            req: The request; its body was not read yet, and must not be.
        """

    def challenge(self, auth: Authentication, req: Request) -> str | None:
        """Return what `WWW-Authenticate` of a 401 has to say (RFC 9110, section 11.6.1), or None."""
        return None

    def security(self, auth: Authentication, app: Patera) -> Mapping[str, Mapping[str, Any]]:
        """Return the OpenAPI security scheme by its name."""
        return {}


class BearerLoader(UserLoader):
    """Takes a JSON Web Token from `Authorization: Bearer` (RFC 6750) and asks `load_token_user()` whose it is."""

    method = "bearer"
    hooks = ("load_user", "load_token_user")
    is_signed = True

    async def load(self, auth: Authentication, req: Request) -> Any:
        """Return the user of a valid token that is not revoked."""
        token = credentials_of(req, "bearer")
        payload = auth.validate_jwt_token(token) if token else None
        if payload is None or await ask(auth.is_revoked, payload):
            return None
        return await ask(auth.load_token_user, payload)

    def challenge(self, auth: Authentication, req: Request) -> str:
        """Ask for a token, and say so if the one that was sent is not valid (RFC 6750, section 3)."""
        return 'Bearer error="invalid_token"' if credentials_of(req, "bearer") is not None else "Bearer"

    def security(self, auth: Authentication, app: Patera) -> Mapping[str, Mapping[str, Any]]:
        """Return the scheme `bearerAuth`."""
        return {"bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}


class BasicLoader(UserLoader):
    """Takes name and password from `Authorization: Basic` (RFC 7617) and checks them with `authenticate()`.

    Every request costs a password hash; browsers send the header by themselves, other sites' forms included.
    """

    method = "basic"
    hooks = ("find_user",)

    async def load(self, auth: Authentication, req: Request) -> Any:
        """Return the user that has the name and the password."""
        credentials = credentials_of(req, "basic")
        decoded = decoded_basic(credentials) if credentials else None
        return await auth.authenticate(*decoded) if decoded is not None else None

    def challenge(self, auth: Authentication, req: Request) -> str:
        """Ask for name and password; a browser shows its own dialog."""
        realm = re.sub(r'["\\\x00-\x1f\x7f]|[^\x00-\x7f]', "", auth.configs["REALM"] or auth.app.app_name)
        return f'Basic realm="{realm}", charset="UTF-8"'

    def security(self, auth: Authentication, app: Patera) -> Mapping[str, Mapping[str, Any]]:
        """Return the scheme `basicAuth`."""
        return {"basicAuth": {"type": "http", "scheme": "basic"}}


class SessionLoader(UserLoader):
    """Takes the user's id from the session, where `login()` or Flask-Login put it, else from the remember cookie."""

    method = "session"
    hooks = ("load_user",)
    is_signed = True

    async def load(self, auth: Authentication, req: Request) -> Any:
        """Return the user that has logged in with this browser."""
        await load_session(req)
        session, key = req.session, auth.qualified(USER_ID_KEY)
        user_id = session.get(key)
        if user_id is not None:
            return await ask(auth.load_user, str(user_id))
        user = await remembered_user(auth, req)
        if user is None:
            return None
        req.scope[METHOD_KEY] = "cookie"
        if session.writable:
            session.regenerate()
            session[key], session[FRESH_KEY] = auth.user_id(user), False
        return user

    def security(self, auth: Authentication, app: Patera) -> Mapping[str, Mapping[str, Any]]:
        """Return the scheme `sessionAuth`."""
        return {"sessionAuth": {"type": "apiKey", "in": "cookie", "name": app.configs["SESSION_COOKIE_NAME"]}}


class ApiKeyLoader(UserLoader):
    """Takes a key from a header and asks `load_api_key()` whose it is.

    Example:
        loaders = (ApiKeyLoader("X-Service-Key"),)

    Args:
        header: The name of the header.
    """

    method = "api_key"
    hooks = ("load_api_key",)

    def __init__(self, header: str = "X-API-Key") -> None:
        self.header = header

    async def load(self, auth: Authentication, req: Request) -> Any:
        """Return the user of the key."""
        key = single_header(req, self.header)
        if not key or len(key) > MAX_API_KEY_LENGTH or not key.isascii():
            return None
        return await ask(auth.load_api_key, key)

    def security(self, auth: Authentication, app: Patera) -> Mapping[str, Mapping[str, Any]]:
        """Return the scheme `apiKeyAuth`."""
        return {"apiKeyAuth": {"type": "apiKey", "in": "header", "name": self.header}}


def credentials_of(req: Request, scheme: str) -> str | None:
    """Return what stands behind a scheme in `Authorization`, None where another or none is named.

    Args:
        req: The request.
        scheme: `bearer` or `basic`.

    Raises:
        MalformedRequest: The header was sent twice; who of the two is meant is anybody's guess.
    """
    header = single_header(req, "Authorization")
    name, _, credentials = (header or "").partition(" ")
    if name.lower() != scheme or len(credentials) > MAX_CREDENTIALS_LENGTH:
        return "" if name.lower() == scheme else None
    return credentials


def single_header(req: Request, name: str) -> str | None:
    """Return the value of a header that may stand in a request once.

    Raises:
        MalformedRequest: It stands there more often.
    """
    values = req.headers.getlist(name)
    if len(values) > 1:
        raise MalformedRequest(f"The header {name} was sent more than once")
    return values[0] if values else None


def decoded_basic(credentials: str) -> tuple[str, str] | None:
    """Return name and password, or None where the text is no pair of them (RFC 7617, section 2)."""
    try:
        text = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    name, colon, password = text.partition(":")
    return (name, password) if colon and not _CONTROL.search(text) else None
