"""Passwords: Argon2id for new hashes; those of bcrypt and Werkzeug verify until a login replaces them."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

from patera._imports import require

from ._werkzeug_hashes import werkzeug_verifier

T = TypeVar("T")

#: A longer password is refused before any work is done for it.
MAX_PASSWORD_BYTES = 4096
#: bcrypt reads no further; implementations differ in whether they say so.
BCRYPT_BYTES = 72

#: A damaged Argon2 hash must not ask for more than a real one: KiB of memory, passes, lanes.
_MAX_ARGON2 = (2**20, 100, 64)
_ARGON2 = re.compile(
    r"\$argon2(?:id|i|d)\$(?:v=\d+\$)?m=(\d{1,10}),t=(\d{1,10}),p=(\d{1,10})"
    r"\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+"
)
_BCRYPT = re.compile(r"\$2[abxy]\$(?:0[4-9]|1[0-6])\$[A-Za-z0-9+/.]{53}")

#: A thread of hashing uses several cores and 64 MiB.
_MAX_THREADS = 8
_threads: RunVar[CapacityLimiter] = RunVar("patera_password_threads")


class PasswordHasher:
    """Makes and checks password hashes: Argon2id (RFC 9106) with the parameters of pwdlib, or another hasher.

    Passwords are compared in their Unicode form NFKC, as NIST SP 800-63B recommends, so that the same
    characters typed on another keyboard fit. One that is in no such form is tried as it was typed, too:
    hashes of other programs are made from that.

    Example:
        class Auth(Authentication):
            passwords = PasswordHasher(Argon2Hasher(memory_cost=128 * 1024))

    Args:
        hasher: A hasher of `pwdlib.hashers` for new hashes.
    """

    def __init__(self, hasher: Any = None) -> None:
        self._given = hasher

    @property
    def hasher(self) -> Any:
        """The hasher of new hashes."""
        if self._given is None:
            self._given = _argon2()
        return self._given

    def create(self, password: str) -> str:
        """Return the hash of a password, with its parameters and a random salt in it.

        Args:
            password: The password, of at most 4096 bytes in UTF-8.

        Raises:
            TypeError: It is no text.
            ValueError: It is longer, or no valid Unicode.
        """
        if not isinstance(password, str):
            raise TypeError(f"A password is a str, got {type(password).__name__}")
        forms = _forms_of(password)
        if not forms:
            raise ValueError(
                f"A password has at most {MAX_PASSWORD_BYTES} bytes of valid Unicode; ask for a shorter one"
            )
        created: str = self.hasher.hash(forms[0])
        return created

    def check(self, password: str, hashed: str | None) -> bool:
        """Tell whether a password belongs to a hash; a malformed one, or None, belongs to none.

        Args:
            password: What was typed.
            hashed: A hash of this class, of bcrypt, or of Werkzeug (`scrypt:`, `pbkdf2:`).
        """
        verify = self._verifier(hashed)
        return verify is not None and any(verify(form) for form in _forms_of(password))

    def verify(self, password: str, hashed: str | None) -> bool:
        """Do the same as `check`, with the work of one hash even where there is none to compare with.

        How long a login takes then does not tell whether the user exists.

        Args:
            password: What was typed.
            hashed: The user's hash; None for an unknown user.
        """
        if self._verifier(hashed) is not None:
            return self.check(password, hashed)
        for form in _forms_of(password):
            self.hasher.hash(form)
        return False

    def needs_update(self, hashed: str) -> bool:
        """Tell whether a hash was made by another method, or with other parameters, than new ones are.

        Args:
            hashed: A hash of any kind.
        """
        try:
            return not self.hasher.identify(hashed) or bool(self.hasher.check_needs_rehash(hashed))
        except Exception:
            # Each hasher has its own error for a text that only begins like its hashes.
            return True

    def check_and_update(self, password: str, hashed: str | None) -> tuple[bool, str | None]:
        """Check a password, and return the hash to store in the place of an outdated one, or None.

        The work is that of `verify`, and of one more hash where it is outdated and the password right.

        Args:
            password: What was typed.
            hashed: The user's hash; None for an unknown user.
        """
        if not self.verify(password, hashed):
            return False, None
        return True, self.create(password) if self.needs_update(str(hashed)) else None

    def _verifier(self, hashed: str | None) -> Callable[[bytes], bool] | None:
        """Return what compares a password with a hash; None where the text is no hash that is known."""
        if not isinstance(hashed, str) or not hashed.isascii() or _is_damaged(hashed):
            return None
        if self.hasher.identify(hashed):
            return _guarded(self.hasher.verify, hashed)
        if _ARGON2.fullmatch(hashed):
            return _guarded(_argon2().verify, hashed)
        if _BCRYPT.fullmatch(hashed):
            bcrypt = require("pwdlib.hashers.bcrypt", "auth", "bcrypt hashes").BcryptHasher()
            return _guarded(lambda password, hashed: bcrypt.verify(password[:BCRYPT_BYTES], hashed), hashed)
        return werkzeug_verifier(hashed)


async def in_password_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Run a function that hashes in one of the few threads that are kept for it.

    Other work in threads, such as `def` handlers, goes on while logins wait for one another.
    """
    try:
        limiter = _threads.get()
    except LookupError:
        limiter = CapacityLimiter(min(_MAX_THREADS, max(1, (os.cpu_count() or 1) // 2)))
        _threads.set(limiter)
    return await to_thread.run_sync(lambda: function(*arguments), limiter=limiter)


def _forms_of(password: str) -> list[bytes]:
    """Return what to hash or compare: NFKC, then the text as it is if that differs; nothing for what is refused."""
    try:
        typed = password.encode()
    except (AttributeError, UnicodeEncodeError):
        return []
    if len(typed) > MAX_PASSWORD_BYTES:
        return []
    return list(dict.fromkeys((unicodedata.normalize("NFKC", password).encode(), typed)))


def _argon2() -> Any:
    return require("pwdlib.hashers.argon2", "auth", "password hashing").Argon2Hasher()


def _is_damaged(hashed: str) -> bool:
    # The library reads up to a NUL, and takes whatever memory the hash asks for.
    if not hashed.startswith("$argon2"):
        return False
    found = _ARGON2.fullmatch(hashed)
    return found is None or any(int(number) > limit for number, limit in zip(found.groups(), _MAX_ARGON2, strict=True))


def _guarded(verify: Callable[[bytes, str], bool], hashed: str) -> Callable[[bytes], bool]:
    """Take an error of a hasher for a damaged hash."""

    def verify_guarded(password: bytes) -> bool:
        try:
            return bool(verify(password, hashed))
        except (ValueError, TypeError):
            return False

    return verify_guarded
