"""The cookie that logs a browser in again after its session has ended."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from patera.response import Response
from patera.secret_key import secret_keys

from ._cookies import InvalidSignature, read_signed, sign_value
from ._hooks import ask
from ._users import is_welcome

if TYPE_CHECKING:
    from patera.request import Request

    from ._authentication import Authentication

PURPOSE = "remember"
#: In the scope, with the name of the cookie: what the response will do to it.
CHANGE_KEY = "patera.remember"


class _Change:
    """Sets or drops the cookie when the response is sent; of several changes in one request the last counts."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.value = ""
        self.max_age = 0

    def apply(self, request: Request, response: Any) -> None:
        """Add the `Set-Cookie` header."""
        cookie = Response[Any]().set_cookie(
            self.name,
            self.value,
            max_age=self.max_age,
            expires=0 if not self.max_age else None,
            secure=request.scope.get("scheme") == "https",
            http_only=True,
            same_site="lax",
        )
        response.raw_headers.append(cookie.raw_headers[-1])


def remember(auth: Authentication, request: Request, user: Any) -> None:
    """Send a cookie that says who this browser is."""
    change = _change_of(auth, request)
    ticket = [auth.user_id(user), auth.remember_stamp(user)]
    change.value = sign_value(ticket, secret_keys(auth.app), auth.qualified(PURPOSE))
    change.max_age = auth.configs["REMEMBER_LIFETIME"]


def forget(auth: Authentication, request: Request) -> None:
    """Drop the cookie, if the browser has one or is about to get one."""
    name = _cookie_name(auth)
    if _scope_key(name) in request.scope or name in request.cookies:
        change = _change_of(auth, request)
        change.value, change.max_age = "", 0


async def remembered_user(auth: Authentication, request: Request) -> Any:
    """Return the user that the cookie names, or None: there is none, or it holds no longer."""
    cookie = request.cookies.get(_cookie_name(auth))
    if not cookie:
        return None
    try:
        ticket = read_signed(cookie, secret_keys(auth.app), auth.qualified(PURPOSE), auth.configs["REMEMBER_LIFETIME"])
    except InvalidSignature:
        return None
    match ticket:
        case [str(user_id), str(stamp)]:
            user = await ask(auth.load_user, user_id)
            is_valid = is_welcome(user) and hmac.compare_digest(stamp.encode(), auth.remember_stamp(user).encode())
            return user if is_valid else None
    return None


def _change_of(auth: Authentication, request: Request) -> _Change:
    name = _cookie_name(auth)
    change: _Change | None = request.scope.get(_scope_key(name))
    if change is None:
        change = request.scope[_scope_key(name)] = _Change(name)
        request.before_send(change.apply)
    return change


def _cookie_name(auth: Authentication) -> str:
    return auth.qualified(auth.configs["REMEMBER_COOKIE_NAME"])


def _scope_key(cookie_name: str) -> str:
    return f"{CHANGE_KEY}.{cookie_name}"
