"""One request's session: found by its cookie, loaded, and written back with the response."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._session import PERMANENT_KEY, Session
from ._settings import CookieSettings, Lifetimes, Record

if TYPE_CHECKING:
    from patera.application import Patera
    from patera.request import Request

    from ._codec import JsonCodec
    from ._cookie_store import CookieStore
    from ._server_store import ServerStore

#: In the scope of a request whose session was used: nothing may cache its response.
USED_KEY = "patera.session_used"

_ON_A_WEBSOCKET = (
    "A websocket cannot change the session: its answer has been sent with the handshake. "
    "Read the session here, and change it in an HTTP endpoint"
)
_TOO_LATE = (
    "The session cannot change any more: it was written when the response began to be sent. "
    "Change it before the handler returns, not in a stream, a background task or a deferred function"
)
_NOT_LOADED = (
    "The session is kept on the server and was not loaded for this request; "
    "write `await load_session(req)` first (from patera.sessions)"
)


@dataclass(frozen=True, slots=True)
class SessionState:
    """What the sessions of one application have in common."""

    app: Patera
    store: CookieStore | ServerStore
    cookie: CookieSettings
    lifetimes: Lifetimes


class SessionExchange:
    """Loads the session of one request, and writes it back.

    Args:
        request: The request.
        state: The sessions of its application.
    """

    def __init__(self, request: Request, state: SessionState) -> None:
        self._request = request
        self._state = state
        self._is_closed = False
        #: What was fetched from a store on the server: a record, None, or why there is neither.
        self._fetched: Record | Exception | None = None
        self._is_fetched = False
        self.session = Session(self)

    @property
    def app(self) -> Patera:
        """The application whose session it is; one mounted below another has its own."""
        return self._state.app

    @property
    def codec(self) -> JsonCodec:
        """How values are written."""
        return self._state.store.codec

    async def fetch(self) -> None:
        """Fetch the session from a store on the server, once; a failure waits for whoever uses the session."""
        store = self._state.store
        if self._is_fetched or not store.is_remote:
            return
        cookie = self._cookie()
        try:
            self._fetched = await store.fetch(cookie) if cookie else None
        except Exception as error:
            self._fetched = error
        self._is_fetched = True

    def load(self) -> Record | None:
        """Return the record of the cookie, or None: there is none, it is not valid, or it has expired.

        Raises:
            SessionUnavailable: The store on the server could not be reached.
            RuntimeError: The session was not fetched from there.
        """
        record = self._find()
        self._note_use()
        if record is None or self._state.lifetimes.is_over(record, time.time()):
            return None
        record.was_permanent = bool(record.data.get(PERMANENT_KEY))
        return record

    def refuse_change(self) -> None:
        """Refuse a change that could not be kept.

        Raises:
            RuntimeError: This is a websocket, or the response was sent.
        """
        if self._request.scope["type"] == "websocket":
            raise RuntimeError(_ON_A_WEBSOCKET)
        if self._is_closed or self._request.is_answered:
            raise RuntimeError(_TOO_LATE)

    async def write_back(self, request: Request, response: Any) -> None:
        """Write what has changed, and tell the client; runs right before the response is sent.

        Raises:
            SessionUnavailable: The store on the server could not be reached.
            SessionTooLarge: The session does not fit into a cookie.
        """
        session, self._is_closed = self.session, True
        _vary(response)
        now = int(time.time())
        if not session.modified:
            if session.record is not None and self._state.lifetimes.needs_renewal(session.record, now):
                await self._renew(response, session.record, now)
            return
        for key, value in session.items():
            self.codec.check(key, value)
        if session:
            await self._save(response, now)
        elif session.record is not None:
            await self._state.store.end(session.record)
            self._send(response, "", 0)

    async def _renew(self, response: Any, record: Record, now: int) -> None:
        record.seen = now
        if self._state.lifetimes.slides:
            record.created = now
        self._send_record(response, await self._state.store.renew(record), record)

    async def _save(self, response: Any, now: int) -> None:
        session, previous = self.session, self.session.record
        record = Record(dict(session), now, now)
        if previous is not None and not session.is_regenerated:
            record.identifier, record.was_permanent = previous.identifier, previous.was_permanent
            record.created = now if self._state.lifetimes.slides else previous.created
        value = await self._state.store.save(record)
        if session.is_regenerated and previous is not None:
            await self._state.store.end(previous)
        self._send_record(response, value, record)

    def _send_record(self, response: Any, value: str | None, record: Record) -> None:
        if value is None:
            return
        remaining = record.created + self._state.lifetimes.absolute - record.seen
        self._send(response, value, max(1, int(remaining)) if self.session.permanent else None)

    def _send(self, response: Any, value: str, max_age: int | None) -> None:
        is_https = self._request.scope.get("scheme") == "https"
        response.raw_headers.append(self._state.cookie.header(value, max_age, is_https=is_https))

    def _cookie(self) -> str | None:
        return self._request.cookies.get(self._state.cookie.name)

    def _find(self) -> Record | None:
        store = self._state.store
        if not store.is_remote:
            cookie = self._cookie()
            return store.read(cookie) if cookie else None
        if isinstance(self._fetched, Exception):
            raise self._fetched
        if not self._is_fetched and self._cookie():
            raise RuntimeError(_NOT_LOADED)
        return self._fetched

    def _note_use(self) -> None:
        self._request.scope[USED_KEY] = True
        if self._request.scope["type"] == "http" and not self._request.is_answered:
            self._request.before_send(self.write_back)


def _vary(response: Any) -> None:
    """Tell caches that the response depends on the cookies (RFC 9110, section 12.5.5)."""
    headers = response.raw_headers
    named = {name.strip().lower() for key, value in headers if key.lower() == b"vary" for name in value.split(b",")}
    if not named & {b"cookie", b"*"}:
        headers.append((b"vary", b"Cookie"))
