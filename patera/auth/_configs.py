"""The values of `AUTHENTICATION`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AliasChoices, BaseModel, Field, NonNegativeInt, PositiveInt, SecretStr, model_validator

__all__ = ["AuthConfigs"]

DAY = 24 * 60 * 60

#: The shortest key of each algorithm, in bytes (RFC 7518, section 3.2).
KEY_LENGTHS = {"HS256": 32, "HS384": 48, "HS512": 64}


class AuthConfigs(BaseModel):
    """What an application may set in its `AUTHENTICATION` dict; times in seconds.

    Example:
        AUTHENTICATION = {"LOGIN_URL": "/login", "JWT_ISSUER": "https://example.org"}
    """

    AUTHENTICATION_ERROR_MESSAGE: Annotated[
        str, Field(validation_alias=AliasChoices("AUTHENTICATION_ERROR_MESSAGE", "AUTHENTICATION_ERROR_MSG"))
    ] = "Login required"
    UNAUTHORIZED_ERROR_MESSAGE: Annotated[
        str,
        Field(
            validation_alias=AliasChoices(
                "UNAUTHORIZED_ERROR_MESSAGE", "UNAUTHORIZED_ERROR_MSG", "AUTHORIZATION_ERROR_MSG"
            )
        ),
    ] = "Missing user role(s)"
    PERMISSION_ERROR_MESSAGE: str = "Missing permission"

    #: Where browsers go that need a login: a path, a URL, or an endpoint's name; None answers 401.
    LOGIN_URL: str | None = None
    #: What Basic authentication calls the protected area; None for the application's name.
    REALM: str | None = None
    SIGNED_COOKIE_LIFETIME: PositiveInt | None = 30 * DAY

    REMEMBER_COOKIE_NAME: str = "remember_me"
    REMEMBER_LIFETIME: PositiveInt = 30 * DAY

    #: One key or several, the one that signs first; None derives them from the secret keys.
    JWT_SECRET_KEY: SecretStr | list[SecretStr] | None = None
    JWT_ALGORITHM: Literal["HS256", "HS384", "HS512"] = "HS256"
    JWT_ISSUER: str | None = None
    JWT_AUDIENCE: str | None = None
    JWT_LEEWAY: NonNegativeInt = 0
    JWT_ACCESS_LIFETIME: PositiveInt = 15 * 60
    JWT_REFRESH_LIFETIME: PositiveInt = 30 * DAY

    @model_validator(mode="after")
    def _has_long_keys(self) -> Self:
        shortest = KEY_LENGTHS[self.JWT_ALGORITHM]
        if any(len(key.encode()) < shortest for key in jwt_keys(self.JWT_SECRET_KEY)):
            raise ValueError(f"JWT_SECRET_KEY needs {shortest} bytes for {self.JWT_ALGORITHM} (RFC 7518, section 3.2)")
        return self


def jwt_keys(value: SecretStr | list[SecretStr] | None) -> list[str]:
    """Return the keys in a value of `JWT_SECRET_KEY`."""
    keys = value if isinstance(value, list) else [value] if value is not None else []
    return [key.get_secret_value() for key in keys]
