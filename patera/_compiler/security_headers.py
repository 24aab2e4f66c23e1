"""The headers that tell browsers to be careful: `SECURITY_HEADERS` and `@security_headers`, made ready at build."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from patera._endpoint import SecurityRecord
from patera._headers import encode_header
from patera._types import RawHeader, Scope
from patera.exceptions import Mistake

#: Sent on https only (RFC 6797, section 7.2), and by default not in DEBUG: browsers keep it for a year.
TRANSPORT_SECURITY = "strict-transport-security"

DEFAULTS: dict[str, str] = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
    "x-frame-options": "SAMEORIGIN",
    TRANSPORT_SECURITY: "max-age=31536000",
}


@dataclass(frozen=True, slots=True, eq=False)
class SecurityHeaders:
    """The headers as they are sent.

    Args:
        plain: Those of an answer over http.
        https: Those of an answer over https.
        names: The names of all; a header that an answer has already stays as it is.
    """

    plain: tuple[RawHeader, ...] = ()
    https: tuple[RawHeader, ...] = ()
    names: frozenset[bytes] = frozenset()

    def headers_for(self, scope: Scope) -> tuple[RawHeader, ...]:
        """Return the headers for the scheme of a request."""
        return self.https if scope.get("scheme") == "https" else self.plain


NO_SECURITY_HEADERS = SecurityHeaders()


def default_values(configs: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of an application, by lower-case name: the defaults with those of `SECURITY_HEADERS`."""
    given = configs.get("SECURITY_HEADERS", True)
    if given is False:
        return {}
    hidden = {TRANSPORT_SECURITY} if configs.get("DEBUG") else set()
    defaults = {name: value for name, value in DEFAULTS.items() if name not in hidden}
    return _overlaid(defaults, given if isinstance(given, Mapping) else {})


def merge_values(base: Mapping[str, str], records: Sequence[SecurityRecord | None]) -> Mapping[str, str]:
    """Return the headers of an endpoint: the application's, then what the class' and the method's record change.

    Where they change nothing these are the application's own, the same object.
    """
    merged = base
    for record in records:
        if record is None:
            continue
        if record.is_whole:
            merged = base if record.is_on else {}
        merged = _overlaid(merged, dict(record.values))
    return merged


def compile_security_headers(values: Mapping[str, str]) -> SecurityHeaders:
    """Return headers by lower-case name as they are sent; equal ones are the same object."""
    return _compiled(tuple(values.items()))


@lru_cache(maxsize=256)
def _compiled(values: tuple[tuple[str, str], ...]) -> SecurityHeaders:
    https = tuple(encode_header(name, value) for name, value in values)
    plain = tuple(header for header in https if header[0] != TRANSPORT_SECURITY.encode())
    return SecurityHeaders(plain, https, frozenset(name for name, _ in https))


def header_mistakes(values: Mapping[str, str], where: str, location: str = "") -> Iterator[Mistake]:
    """Find headers that cannot be sent."""
    for name, value in values.items():
        try:
            encode_header(name, value)
        except (TypeError, ValueError) as error:
            yield Mistake(
                "PAT542",
                where,
                str(error),
                "names and values that can be sent in a header, None to leave a header out",
                f"correct {name!r}",
                location,
            )


def _overlaid(base: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    lowered = {str(name).lower(): value for name, value in changes.items()}
    kept = {name: value for name, value in base.items() if name not in lowered}
    return {**kept, **{name: value for name, value in lowered.items() if value is not None}}
