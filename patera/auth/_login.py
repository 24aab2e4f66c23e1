"""Login and logout of browsers, and the ways of a user's password and id into and out of the application."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from patera.response import is_safe_redirect

from ._credentials import Credentials
from ._hooks import ask
from ._remember import forget
from ._remember import remember as send_ticket
from ._users import is_welcome, set_user

if TYPE_CHECKING:
    from patera.request import Request

#: Keys of the session, as Flask-Login has them: sessions that it made stay logged in.
USER_ID_KEY = "_user_id"
FRESH_KEY = "_fresh"
_DEVICE_KEY = "_id"

_URL_SAFE = "/:@!$&'()*+,;=-._~"


class BrowserLogin(Credentials):
    """Base of `Authentication`: login by name and password, by session and by remember cookie."""

    def login(self: Any, req: Request, user: Any, remember: bool = False) -> None:
        """Log a user in: from the next request on, `SessionLoader` finds it in the session.

        The session begins anew, so that one planted before the login is worth nothing; it is emptied if it
        belonged to somebody else. Sessions on a server have to be loaded before, with
        `await load_session(req)`.

        Example:
            user = await auth.authenticate(form.email, form.password)
            if user is not None:
                auth.login(req, user, remember=form.remember)

        Args:
            req: The request.
            user: The user, whose id `user_id()` returns.
            remember: Whether the browser stays logged in for `REMEMBER_LIFETIME`, beyond its session.

        Raises:
            RuntimeError: This is a websocket, or the response was sent.
        """
        session, user_id, key = req.session, self.user_id(user), self.qualified(USER_ID_KEY)
        if str(session.get(key, user_id)) != user_id:
            session.clear()
        session.regenerate()
        session.pop(_DEVICE_KEY, None)
        session[key], session[FRESH_KEY] = user_id, True
        if remember:
            send_ticket(self, req, user)
        else:
            forget(self, req)
        set_user(self, req, user, "session")

    def logout(self: Any, req: Request) -> None:
        """Log the user out: the session is emptied and ended, the remember cookie is dropped.

        Example:
            auth.logout(req)
            return req.res.redirect("/")

        Args:
            req: The request.
        """
        req.session.clear()
        req.session.regenerate()
        forget(self, req)
        set_user(self, req, None)

    async def authenticate(self, username: str, password: str) -> Any:
        """Return the user with this name and password, or None, after the same work in either case.

        A user whose `is_active` is False is None, too.

        A hash of another kind than new ones is replaced with `save_password_hash()`.

        Args:
            username: What was typed; `find_user()` gets it.
            password: What was typed.
        """
        # No name has a NUL in it, and PostgreSQL refuses to look for one.
        user = await ask(self.find_user, username) if "\0" not in username else None
        hashed = self.password_hash(user) if user is not None else None
        is_right, new_hash = await self.check_and_update(password, hashed)
        if not is_right or not is_welcome(user):
            return None
        if new_hash is not None:
            await ask(self.save_password_hash, user, new_hash)
        return user

    def load_user(self, user_id: str) -> Any:
        """Return the user with an id from a session or token, or None; override it.

        Example:
            @db.readonly_session
            async def load_user(self, user_id: str, db_session: AsyncSession) -> User | None:
                return await User.query(db_session).filter_by(id=int(user_id)).first()

        Args:
            user_id: What `user_id()` returned, or the `sub` of a token.
        """
        raise NotImplementedError(f"{type(self).__name__} has no load_user(self, user_id); define it")

    async def load_token_user(self, payload: dict[str, Any]) -> Any:
        """Return the user of a token, or None; by default the one that `load_user()` has for `sub`.

        Args:
            payload: The claims of a valid access token.
        """
        subject = payload.get("sub")
        return None if subject is None else await ask(self.load_user, str(subject))

    def load_api_key(self, key: str) -> Any:
        """Return the user of an API key, or None; override it. Store digests of keys, not the keys.

        Args:
            key: What the client sent.
        """
        raise NotImplementedError(f"{type(self).__name__} has no load_api_key(self, key); define it")

    def find_user(self, username: str) -> Any:
        """Return the user with a name, or None; override it to use `authenticate()`.

        Args:
            username: What was typed.
        """
        raise NotImplementedError(f"{type(self).__name__} has no find_user(self, username); define it")

    def password_hash(self, user: Any) -> str | None:
        """Return the stored hash of a user's password, by default `user.password_hash`.

        Args:
            user: The user.
        """
        return getattr(user, "password_hash", None)

    async def save_password_hash(self, user: Any, password_hash: str) -> None:
        """Store a user's new hash; override it to have old hashes replaced at login.

        Args:
            user: The user.
            password_hash: The new hash of the same password.
        """

    def remember_stamp(self, user: Any) -> str:
        """Return a text that changes when remember cookies are to hold no longer: by default with the password.

        Args:
            user: The user.
        """
        hashed = self.password_hash(user)
        return hashlib.sha256(hashed.encode()).hexdigest()[:32] if hashed else ""

    def safe_next(self, req: Request, default: str = "/") -> str:
        """Return where to go after a login: `next` of the query string if it is a path here, else the default.

        Example:
            return req.res.redirect(auth.safe_next(req))

        Args:
            req: The request.
            default: Where to go otherwise.
        """
        target = req.query_params.get("next")
        return target if target and is_safe_redirect(target) else default

    def login_target(self, req: Request) -> str | None:
        """Return the login page with `next`, for a browser that opens a page; None for any other request.

        Args:
            req: The request.
        """
        page = self.configs["LOGIN_URL"]
        if page is None or not _opens_page(req):
            return None
        if not page.startswith("/") and req.app.has_endpoint(page):
            page = req.app.url_for(page)
        path = quote(req.scope.get("root_path", "") + req.path, safe=_URL_SAFE)
        if urlsplit(page).path == path:
            return None
        here = f"{path}?{req.query_string}" if req.query_string else path
        if not is_safe_redirect(here):
            return str(page)
        return f"{page}{'&' if '?' in page else '?'}{urlencode({'next': here})}"


def _opens_page(req: Request) -> bool:
    # `*/*` is what programs send.
    is_named = any("text/html" in header.lower() for header in req.headers.getlist("accept"))
    is_program = not is_named or "authorization" in req.headers
    return req.method in ("GET", "HEAD") and not is_program and req.accepts("text/html")
