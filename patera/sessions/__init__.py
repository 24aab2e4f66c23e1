"""Sessions of browsers: `req.session`, and messages for the next page.

Example:
    @post("/cart")
    async def add(self, req: Request, item: Annotated[int, Form()]) -> Response:
        req.session.setdefault("cart", []).append(item)
        flash("Added to your cart")
        return req.res.redirect("Cart.show")
"""

from __future__ import annotations

from ._extension import SessionStorage, load_session, session_of, sessions
from ._flash import flash, get_flashed_messages
from ._session import CSRF_KEY, Session
from ._settings import SessionTooLarge, SessionUnavailable

__all__ = [
    "CSRF_KEY",
    "Session",
    "SessionStorage",
    "SessionTooLarge",
    "SessionUnavailable",
    "flash",
    "get_flashed_messages",
    "load_session",
    "session_of",
    "sessions",
]
