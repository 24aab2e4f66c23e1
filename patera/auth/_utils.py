"""`AuthUtils`: signed cookies, tokens and passwords with a key that is passed, outside of an application."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ._cookies import read_signed, sign_value
from ._passwords import PasswordHasher
from ._tokens import TokenRules, decode_token, derived_keys, encode_token

__all__ = ["AuthUtils"]

COOKIE = "cookie"
TOKEN = "jwt"

_passwords = PasswordHasher()


class AuthUtils:
    """The helpers of `Authentication` for scripts and tests, which have no application.

    With the `SECRET_KEY` of an application they make and read what its `Authentication` does, unless that
    has a `JWT_SECRET_KEY` of its own.

    Example:
        token = AuthUtils.create_jwt_token({"sub": "7"}, secret_key, expires_in=60)

    `secret_key` is one key, or several of which the first signs and all verify.
    """

    @staticmethod
    def create_signed_cookie_value(value: str | int, secret_key: str | Sequence[str], *, purpose: str = COOKIE) -> str:
        """Return a value as signed text.

        Args:
            value: A text or a number.
            secret_key: The key.
            purpose: What it is for; it is read for the same purpose only.

        Raises:
            ValueError: There is no key, or the text is too long for a cookie.
        """
        return sign_value(as_text(value), keys_of(secret_key), salt_for(COOKIE, purpose))

    @staticmethod
    def decode_signed_cookie(
        cookie_value: str, secret_key: str | Sequence[str], max_age: int | None = None, *, purpose: str = COOKIE
    ) -> str:
        """Return the text in a signed value.

        Args:
            cookie_value: What `create_signed_cookie_value` returned.
            secret_key: The key.
            max_age: Largest age in seconds; None for any.
            purpose: What it was signed for.

        Raises:
            InvalidSignature: It was changed, is too old, or has another key or purpose.
        """
        return str(read_signed(cookie_value, keys_of(secret_key), salt_for(COOKIE, purpose), max_age))

    @staticmethod
    def create_jwt_token(payload: Mapping[str, Any], secret_key: str | Sequence[str], expires_in: int = 3600) -> str:
        """Return a JSON Web Token.

        Args:
            payload: Its claims; `iat` and `exp` are added.
            secret_key: The key.
            expires_in: Its lifetime in seconds.
        """
        return encode_token(payload, expires_in, _rules(secret_key))

    @staticmethod
    def validate_jwt_token(token: str, secret_key: str | Sequence[str]) -> dict[str, Any] | None:
        """Return the claims of a token, or None if it is not valid.

        Args:
            token: The token.
            secret_key: The key.
        """
        return decode_token(token, _rules(secret_key))

    @staticmethod
    def create_password_hash(password: str) -> str:
        """Return the Argon2id hash of a password; it takes a good part of a second and blocks.

        Raises:
            ValueError: The password is longer than 4096 bytes.
        """
        return _passwords.create(password)

    @staticmethod
    def check_password_hash(password: str, hashed_password: str) -> bool:
        """Tell whether a password belongs to a hash; blocks as long as hashing does."""
        return _passwords.check(password, hashed_password)

    @staticmethod
    def password_hash_needs_update(hashed_password: str) -> bool:
        """Tell whether a hash is none that `create_password_hash` makes now."""
        return _passwords.needs_update(hashed_password)


def as_text(value: str | int) -> str:
    """Return what a signed cookie holds.

    Raises:
        TypeError: The value is neither text nor a number.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError(f"A signed cookie holds a str or an int, got {type(value).__name__}; sign an id, or JSON text")
    return str(value)


def salt_for(cookie: str, purpose: str) -> str:
    """Return the salt of cookies for a purpose.

    Args:
        cookie: The salt of those that have none of their own.
        purpose: The purpose.
    """
    return cookie if purpose == COOKIE else f"{cookie}:{purpose}"


def keys_of(secret_key: str | Sequence[str]) -> list[str]:
    """Return the keys as a list.

    Raises:
        ValueError: There is none.
    """
    keys = [secret_key] if isinstance(secret_key, str) else list(secret_key or ())
    if not keys or not all(keys):
        raise ValueError("There is no secret key to sign with; set SECRET_KEY, and pass app.get_conf('SECRET_KEY')")
    return keys


def _rules(secret_key: str | Sequence[str]) -> TokenRules:
    return TokenRules(derived_keys(tuple(keys_of(secret_key)), TOKEN))
