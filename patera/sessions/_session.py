"""The session as handlers see it: a mapping that is loaded when first used and knows what changed."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol

from ._settings import Record

if TYPE_CHECKING:
    from ._codec import JsonCodec

#: Flask's key for `session.permanent`.
PERMANENT_KEY = "_permanent"
#: The secret that CSRF tokens are made of; `regenerate()` drops it.
CSRF_KEY = "_csrf_token"


class Source(Protocol):
    """Where a session comes from."""

    @property
    def codec(self) -> JsonCodec:
        """How values are checked and written."""
        ...

    def load(self) -> Record | None:
        """Return what the store has, or None for a new session."""
        ...

    def refuse_change(self) -> None:
        """Raise `RuntimeError` where a change could not be kept."""
        ...


class Session(MutableMapping[str, Any]):
    """The session of one browser: `req.session`. Values are JSON; what cannot be kept is refused at once.

    It is loaded when it is first used, and written when it has changed, before the response is sent.
    Changes within lists and dicts count too.

    Example:
        req.session["cart"] = [3, 5]
        req.session["cart"].append(8)
        req.session.pop("cart", None)

    Args:
        source: Where it comes from.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._values: dict[str, Any] | None = None
        self._written = ""
        self._is_marked = False
        self.record: Record | None = None
        self.is_regenerated = False
        self.flashes: list[tuple[str, str]] | None = None

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.codec.check(key, value)
        data = self._changing()
        data[key] = value

    def __delitem__(self, key: str) -> None:
        data = self._changing()
        del data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __contains__(self, key: object) -> bool:
        return key in self._data

    def __repr__(self) -> str:
        # Values stay out of logs.
        names = "not loaded" if self._values is None else ", ".join(self._values) or "empty"
        return f"<Session: {names}>"

    @property
    def codec(self) -> JsonCodec:
        """How its values are checked and written."""
        return self._source.codec

    @property
    def new(self) -> bool:
        """Whether the request came without a session, or with one that is not valid."""
        return self._data is not None and self.record is None

    @property
    def writable(self) -> bool:
        """Whether a change would be kept: not on a websocket, and not when the response is being sent already."""
        try:
            self._source.refuse_change()
        except RuntimeError:
            return False
        return True

    @property
    def accessed(self) -> bool:
        """Whether the session was used in this request; its response is then never cached."""
        return self._values is not None

    @property
    def modified(self) -> bool:
        """Whether the session has changed; True can be set, so that it is written in any case."""
        return self._values is not None and (self._is_marked or not self._is_as_written(self._values))

    @modified.setter
    def modified(self, value: bool) -> None:
        if value:
            self._changing()
        self._is_marked = value

    @property
    def permanent(self) -> bool:
        """Whether the cookie outlives the browser window, for `PERMANENT_SESSION_LIFETIME`; False by default."""
        return bool(self._data.get(PERMANENT_KEY, False))

    @permanent.setter
    def permanent(self, value: bool) -> None:
        self[PERMANENT_KEY] = bool(value)

    def clear(self) -> None:
        """Remove everything: the cookie is dropped, and the entry of a store on the server is deleted."""
        self._changing().clear()

    def regenerate(self) -> None:
        """Begin the session anew with what it holds: call it whenever somebody logs in or gains rights.

        On the server it gets a new id, and the old one is deleted, so that an id planted before
        the login is worth nothing (session fixation). CSRF tokens of before no longer hold, and
        the lifetime starts again.
        """
        self._changing().pop(CSRF_KEY, None)
        self.is_regenerated = self._is_marked = True

    @property
    def _data(self) -> dict[str, Any]:
        if self._values is None:
            self.record = self._source.load()
            values = self.record.data if self.record is not None else {}
            self._written = self.codec.dumps(values)
            self._values = values
        return self._values

    def _is_as_written(self, values: dict[str, Any]) -> bool:
        try:
            return self.codec.dumps(values) == self._written
        except (TypeError, ValueError, RecursionError):
            return False

    def _changing(self) -> dict[str, Any]:
        """Return the values for a change; a session that is only cleared or replaced is loaded all the same."""
        self._source.refuse_change()
        return self._data
