"""What the configuration says of session cookies and of how long sessions live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from patera.exceptions import BaseHttpException
from patera.http import HttpStatus
from patera.response import Response

#: Bytes of a cookie with its attributes that every browser keeps (RFC 6265, section 6.1, less a reserve).
MAX_COOKIE_SIZE = 4093

#: An idle time is renewed once this part of it has passed: fewer writes, and fewer that overtake one another.
RENEWED_AFTER = 0.1


class SessionTooLarge(Exception):
    """A session does not fit into a cookie; unhandled it is a 500, and nothing of the session is sent.

    Args:
        name: The cookie's name.
        size: Its bytes.
    """

    def __init__(self, name: str, size: int) -> None:
        super().__init__(
            f"The session cookie {name!r} would have {size} bytes, and browsers drop cookies of more than "
            f"{MAX_COOKIE_SIZE}. Store less in the session, or keep sessions on the server: "
            'SESSION_BACKEND = "redis://localhost:6379/0"'
        )
        self.size = size


class SessionUnavailable(BaseHttpException):
    """The store of sessions cannot be reached (503); the session is not touched, and nobody is logged out."""

    def __init__(self) -> None:
        message = "The session store cannot be reached"
        super().__init__(message, HttpStatus.SERVICE_UNAVAILABLE, headers={"retry-after": "5"})


@dataclass(slots=True)
class Record:
    """A session as a store has it.

    Args:
        data: Its values.
        created: When it began, in seconds since 1970; `regenerate()` begins anew.
        seen: When it was written last.
        identifier: Its key in a store on the server.
        was_permanent: Whether the client was told to keep the cookie.
    """

    data: dict[str, Any]
    created: int
    seen: int
    identifier: str | None = None
    was_permanent: bool | None = None


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long sessions live, in seconds.

    Args:
        absolute: From their beginning.
        idle: From their last use; None for no limit.
        renews: Whether reading a session counts as its use.
        slides: Whether `absolute` counts from the last write too, as in Flask.
    """

    absolute: float
    idle: float | None = None
    renews: bool = True
    slides: bool = False

    @classmethod
    def from_configs(cls, configs: Mapping[str, Any]) -> Lifetimes:
        """Return the lifetimes of an application."""
        idle = configs["SESSION_IDLE_LIFETIME"]
        return cls(
            _seconds(configs["PERMANENT_SESSION_LIFETIME"]),
            None if idle is None else _seconds(idle),
            renews=configs["SESSION_REFRESH_EACH_REQUEST"],
            slides=configs["SESSION_COMPAT"] == "flask",
        )

    def is_over(self, record: Record, now: float) -> bool:
        """Tell whether a session has expired."""
        return self.remaining(record, now) < 0

    def remaining(self, record: Record, now: float) -> float:
        """Return the seconds that a session has left if nobody uses it."""
        ends = record.created + self.absolute
        if self.idle is not None:
            ends = min(ends, record.seen + self.idle)
        return ends - now

    def needs_renewal(self, record: Record, now: float) -> bool:
        """Tell whether a session that was only read has to be written, to live on."""
        window = self.idle
        if self.slides and record.was_permanent:
            window = self.absolute if window is None else min(window, self.absolute)
        return self.renews and window is not None and now - record.seen >= window * RENEWED_AFTER


@dataclass(frozen=True, slots=True)
class CookieSettings:
    """Name and attributes of the session cookie (RFC 6265, section 4.1.2)."""

    name: str
    domain: str | None
    path: str
    http_only: bool
    secure: bool | None
    same_site: Literal["lax", "strict", "none"] | None
    partitioned: bool

    @classmethod
    def from_configs(cls, configs: Mapping[str, Any]) -> CookieSettings:
        """Return the settings of an application."""
        return cls(
            name=configs["SESSION_COOKIE_NAME"],
            domain=configs["SESSION_COOKIE_DOMAIN"],
            path=configs["SESSION_COOKIE_PATH"],
            http_only=configs["SESSION_COOKIE_HTTPONLY"],
            secure=configs["SESSION_COOKIE_SECURE"],
            same_site=configs["SESSION_COOKIE_SAMESITE"],
            partitioned=configs["SESSION_COOKIE_PARTITIONED"],
        )

    def header(self, value: str, max_age: int | None, *, is_https: bool) -> tuple[bytes, bytes]:
        """Return the `Set-Cookie` header.

        Args:
            value: The cookie's value.
            max_age: Seconds that the client keeps it; None until it is closed, 0 to drop it.
            is_https: Whether the request came over https.

        Raises:
            SessionTooLarge: Browsers would drop it without a word.
        """
        response = Response[Any]().set_cookie(
            self.name,
            value,
            max_age=max_age,
            expires=0 if max_age == 0 else None,
            path=self.path,
            domain=self.domain,
            secure=is_https if self.secure is None else self.secure,
            http_only=self.http_only,
            same_site=self.same_site,
            partitioned=self.partitioned,
        )
        header = response.raw_headers[-1]
        if len(header[1]) > MAX_COOKIE_SIZE:
            raise SessionTooLarge(self.name, len(header[1]))
        return header


def _seconds(lifetime: int | timedelta) -> float:
    return lifetime.total_seconds() if isinstance(lifetime, timedelta) else float(lifetime)
