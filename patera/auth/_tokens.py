"""JSON Web Tokens (RFC 7519), signed with HMAC: what is accepted is fixed, the token chooses nothing."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from patera._imports import require
from patera.signing import is_canonical

__all__ = ["TokenPair", "TokenRules"]

#: A longer text is no token of ours, and is not parsed.
MAX_TOKEN_LENGTH = 8192

ACCESS = "access"
REFRESH = "refresh"

_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


#: Header parameters that no token of ours has (RFC 7515, section 4.1): extensions, and where to find the key.
_FOREIGN_PARAMETERS = frozenset(("crit", "b64", "kid", "jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256"))


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a client gets that logs in with tokens.

    Args:
        access_token: Sent with each request; lives for minutes.
        refresh_token: Exchanged for the next pair; lives for days.
        expires_in: Lifetime of the access token in seconds.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int

    def as_dict(self) -> dict[str, Any]:
        """Return the pair as the token response of OAuth 2.0 (RFC 6749, section 5.1)."""
        return {
            "access_token": self.access_token,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "refresh_token": self.refresh_token,
        }


@dataclass(frozen=True, slots=True)
class TokenRules:
    """How tokens are signed and what they have to claim.

    Args:
        keys: The keys, the one that signs first.
        algorithm: HS256, HS384 or HS512.
        issuer: What `iss` has to be; None where it does not matter.
        audience: What `aud` has to contain; None where it does not matter.
        leeway: By how many seconds clocks may differ.
    """

    keys: tuple[str, ...] = field(repr=False)
    algorithm: str = "HS256"
    issuer: str | None = None
    audience: str | None = None
    leeway: int = 0


@lru_cache(maxsize=64)
def derived_keys(secret_keys: tuple[str, ...], purpose: str) -> tuple[str, ...]:
    """Return the keys for tokens that belong to secret keys: nothing else is signed with them."""
    salt = f"patera.auth.{purpose}".encode()
    return tuple(hmac.new(key.encode(), salt, hashlib.sha256).hexdigest() for key in secret_keys)


def encode_token(payload: Mapping[str, Any], expires_in: int, rules: TokenRules) -> str:
    """Return a signed token with the claims of `payload`, `iat` and `exp`.

    Raises:
        TypeError: The payload is no mapping of what JSON can hold, or the lifetime is no number.
    """
    if not isinstance(payload, Mapping):
        raise TypeError(f"The payload of a token is a dict of its claims, got {type(payload).__name__}")
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float):
        raise TypeError(f"expires_in is a number of seconds, got {expires_in!r}")
    now = int(time.time())
    claims = {**_own_claims(rules), **payload, "iat": now, "exp": now + int(expires_in)}
    encoded: str = _jwt().encode(claims, rules.keys[0], algorithm=rules.algorithm)
    return encoded


def decode_token(token: str, rules: TokenRules) -> dict[str, Any] | None:
    """Return the claims of a token, or None: forged, expired, not for us, or no token at all."""
    if not isinstance(token, str) or len(token) > MAX_TOKEN_LENGTH:
        return None
    if not _TOKEN.fullmatch(token) or not is_canonical(token):
        return None
    for key in rules.keys:
        try:
            decoded = _decode(token, key, rules)
        except _jwt().InvalidSignatureError:
            continue
        except (_jwt().PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            return None
        return _checked(decoded)
    return None


def _decode(token: str, key: str, rules: TokenRules) -> dict[str, Any]:
    # The subject may be a number, as in tokens of older applications.
    options = {"require": ["exp", "iat"], "verify_sub": False, "verify_jti": False}
    decoded: dict[str, Any] = _jwt().decode_complete(
        token,
        key,
        algorithms=[rules.algorithm],
        issuer=rules.issuer,
        audience=rules.audience,
        leeway=rules.leeway,
        options=options,
    )
    return decoded


def _checked(decoded: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the claims unless the header asks for an extension or names a key, or a time is no whole number."""
    claims: dict[str, Any] = decoded["payload"]
    if not _FOREIGN_PARAMETERS.isdisjoint(decoded["header"]):
        return None
    times = [claims[name] for name in ("exp", "iat", "nbf") if name in claims]
    return claims if all(type(each) is int for each in times) else None


def _own_claims(rules: TokenRules) -> dict[str, str]:
    claims = {"iss": rules.issuer, "aud": rules.audience}
    return {name: value for name, value in claims.items() if value is not None}


@cache
def _jwt() -> Any:
    return require("jwt", "auth", "JSON Web Tokens")
