"""What an `Authentication` signs and checks with the application's keys: cookies, tokens, passwords."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from patera.extension import BaseExtension
from patera.secret_key import secret_keys

from ._configs import AuthConfigs, jwt_keys
from ._cookies import read_signed, sign_value
from ._hooks import ask
from ._passwords import PasswordHasher, in_password_thread
from ._tokens import ACCESS, REFRESH, TokenPair, TokenRules, decode_token, derived_keys, encode_token
from ._utils import COOKIE, TOKEN, as_text, salt_for

if TYPE_CHECKING:
    from patera.application import Patera


CONFIGS_NAME = "AUTHENTICATION"


class Credentials(BaseExtension):
    """Base of `Authentication`: its helpers for cookies, tokens and passwords."""

    default_configs_name = CONFIGS_NAME
    configs_model = AuthConfigs

    #: How passwords are hashed; one with other parameters can take its place.
    passwords: ClassVar[PasswordHasher] = PasswordHasher()

    def init_app(self, app: Patera) -> Any:
        """Prepare the extension for one application."""

    def create_signed_cookie_value(self, value: str | int, *, purpose: str = COOKIE) -> str:
        """Return a value as text for a cookie, with a time and a signature in it; everybody can read it.

        Example:
            req.res.set_cookie("auth_cookie", auth.create_signed_cookie_value(user.id))

        Args:
            value: A text or a number, such as a user's id.
            purpose: What it is for; it is read for the same purpose only.

        Raises:
            TypeError: It is something else.
            ValueError: It is too long for a cookie.
            ConfigurationError: There is no SECRET_KEY.
        """
        return sign_value(as_text(value), secret_keys(self.app), salt_for(self.qualified(COOKIE), purpose))

    def decode_signed_cookie(self, cookie_value: str, max_age: int | None = None, *, purpose: str = COOKIE) -> str:
        """Return the text in the value of a signed cookie.

        Args:
            cookie_value: What `create_signed_cookie_value` returned.
            max_age: Largest age in seconds, instead of `SIGNED_COOKIE_LIFETIME`.
            purpose: What it was signed for.

        Raises:
            InvalidSignature: It was changed, is too old, or was not signed here; a `user_loader` may let
                that pass, it means that nobody is logged in.
        """
        oldest = self.configs["SIGNED_COOKIE_LIFETIME"] if max_age is None else max_age
        salt = salt_for(self.qualified(COOKIE), purpose)
        return str(read_signed(cookie_value, secret_keys(self.app), salt, oldest))

    def create_jwt_token(self, payload: Mapping[str, Any], expires_in: int = 3600) -> str:
        """Return a JSON Web Token (RFC 7519); everybody can read it.

        Example:
            auth.create_jwt_token({"sub": str(user.id)}, expires_in=600)

        Args:
            payload: Its claims; `iat`, `exp`, and `iss` and `aud` as configured, are added.
            expires_in: Its lifetime in seconds.

        Raises:
            ConfigurationError: There is no SECRET_KEY.
        """
        return encode_token(payload, expires_in, self._token_rules())

    def validate_jwt_token(self, token: str) -> dict[str, Any] | None:
        """Return the claims of a token, or None: forged, expired, for others, or a refresh token.

        Args:
            token: What stands behind `Bearer` in the header `Authorization`.
        """
        claims = decode_token(token, self._token_rules())
        return claims if claims is not None and claims.get("typ", ACCESS) == ACCESS else None

    def create_token_pair(self, user: Any, claims: Mapping[str, Any] | None = None) -> TokenPair:
        """Return an access token for the next minutes and a refresh token for the next days.

        Example:
            return auth.create_token_pair(user).as_dict()

        Args:
            user: Whose tokens they are; `sub` is what `user_id(user)` returns.
            claims: Further claims of the access token.
        """
        return self._pair_for(self.user_id(user), claims)

    async def refresh_token_pair(self, refresh_token: str, claims: Mapping[str, Any] | None = None) -> TokenPair | None:
        """Return the next pair for a refresh token, which is revoked; None if it is not valid any more.

        Args:
            refresh_token: The one of the last pair.
            claims: Further claims of the access token.
        """
        payload = decode_token(refresh_token, self._token_rules())
        if payload is None or payload.get("typ") != REFRESH or "sub" not in payload:
            return None
        if await ask(self.is_revoked, payload):
            return None
        if await ask(self.revoke_token, payload) is False:
            return None
        return self._pair_for(payload["sub"], claims)

    async def is_revoked(self, payload: dict[str, Any]) -> bool:
        """Tell whether a token was revoked; override it to look `payload["jti"]` up.

        Args:
            payload: The claims of a token that is valid otherwise.
        """
        return False

    async def revoke_token(self, payload: dict[str, Any]) -> bool | None:
        """Revoke a token; override it to keep `payload["jti"]` until `payload["exp"]`.

        Called for each refresh token that was used, and by whoever logs a client out.

        Example:
            async def revoke_token(self, payload):
                return bool(await redis.set(f"revoked:{payload['jti']}", 1, nx=True, exat=payload["exp"]))

        Args:
            payload: The claims of the token.

        Returns:
            False if it was revoked before, so that of two uses at the same time only one gives a pair.
        """
        return None

    def create_password_hash(self, password: str) -> str:
        """Return the Argon2id hash of a password; blocks, so `async def` code awaits `acreate_password_hash`.

        Args:
            password: The password.

        Raises:
            ValueError: It is longer than 4096 bytes.
        """
        return self.passwords.create(password)

    def check_password_hash(self, password: str, hashed_password: str | None) -> bool:
        """Tell whether a password belongs to a hash; blocks, so `async def` code awaits `acheck_password_hash`.

        Args:
            password: What was typed.
            hashed_password: A hash of Argon2, bcrypt or Werkzeug; a malformed one fits no password.
        """
        return self.passwords.check(password, hashed_password)

    def password_hash_needs_update(self, hashed_password: str) -> bool:
        """Tell whether a hash should be replaced at the next login.

        Args:
            hashed_password: A hash of any kind.
        """
        return self.passwords.needs_update(hashed_password)

    async def acreate_password_hash(self, password: str) -> str:
        """Do the same as `create_password_hash` in a thread.

        Example:
            user.password_hash = await auth.acreate_password_hash(form.password)
        """
        return await in_password_thread(self.passwords.create, password)

    async def acheck_password_hash(self, password: str, hashed_password: str | None) -> bool:
        """Do the same as `check_password_hash` in a thread."""
        return await in_password_thread(self.passwords.check, password, hashed_password)

    async def verify_password(self, password: str, hashed_password: str | None) -> bool:
        """Check a password in a thread, with the work of one hash for an unknown user too.

        Args:
            password: What was typed.
            hashed_password: The user's hash, None where there is no such user.
        """
        return await in_password_thread(self.passwords.verify, password, hashed_password)

    async def check_and_update(self, password: str, hashed_password: str | None) -> tuple[bool, str | None]:
        """Do the same as `verify_password`, and return the hash that replaces an outdated one, or None.

        Example:
            is_right, new_hash = await auth.check_and_update(password, user.password_hash)
        """
        return await in_password_thread(self.passwords.check_and_update, password, hashed_password)

    def user_id(self, user: Any) -> str:
        """Return what sessions and tokens call a user: `get_id()` or `id`; override it for anything else.

        Args:
            user: The user.

        Raises:
            TypeError: It has neither.
        """
        found = user.get_id() if hasattr(user, "get_id") else getattr(user, "id", None)
        if found is None:
            raise TypeError(
                f"{type(user).__name__} has no id and no get_id(); override user_id() in {type(self).__name__}"
            )
        return str(found)

    def qualified(self, name: str) -> str:
        """Return a name for what this one of several `Authentication`s keeps in cookies, sessions and tokens.

        The user with the number 7 of one must not become the number 7 of another. The only one, and the one
        whose configuration is `AUTHENTICATION`, use names as they are.

        Args:
            name: What the only one calls it.
        """
        others = [each for each in self.app.extensions.values() if isinstance(each, Credentials) and each is not self]
        return f"{name}.{self.configs_key}" if others and self.configs_key != CONFIGS_NAME else name

    def _token_rules(self) -> TokenRules:
        configs = self.configs
        keys = jwt_keys(configs["JWT_SECRET_KEY"]) or derived_keys(tuple(secret_keys(self.app)), self.qualified(TOKEN))
        return TokenRules(
            tuple(keys),
            configs["JWT_ALGORITHM"],
            configs["JWT_ISSUER"],
            configs["JWT_AUDIENCE"],
            configs["JWT_LEEWAY"],
        )

    def _pair_for(self, subject: str, claims: Mapping[str, Any] | None) -> TokenPair:
        lifetime, rules = self.configs["JWT_ACCESS_LIFETIME"], self._token_rules()
        own = {"sub": str(subject), "typ": ACCESS, "jti": secrets.token_urlsafe(16)}
        again = {"sub": str(subject), "typ": REFRESH, "jti": secrets.token_urlsafe(16)}
        return TokenPair(
            encode_token({**(claims or {}), **own}, lifetime, rules),
            encode_token(again, self.configs["JWT_REFRESH_LIFETIME"], rules),
            lifetime,
        )
