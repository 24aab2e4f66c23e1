"""Hashes as `werkzeug.security.generate_password_hash` writes them: `method$salt$hex`."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable

#: A damaged hash must not ask for more work than any real one: bytes of memory, and rounds.
MAX_MEMORY = 2**30
MAX_ITERATIONS = 20_000_000

_SCRYPT = re.compile(r"scrypt:([0-9]{1,10}):([0-9]{1,6}):([0-9]{1,6})\$([^$]+)\$([0-9a-f]{128})")
_PBKDF2 = re.compile(r"pbkdf2:(sha1|sha256|sha384|sha512):([0-9]{1,10})\$([^$]+)\$([0-9a-f]+)")


def werkzeug_verifier(hashed: str) -> Callable[[bytes], bool] | None:
    """Return what compares a password with a Werkzeug hash, or None for any other text.

    Example:
        werkzeug_verifier("scrypt:32768:8:1$salt$0f3a...")(b"secret")
    """
    found = _SCRYPT.fullmatch(hashed)
    if found is not None:
        n, r, p = (int(number) for number in found.group(1, 2, 3))
        # The standard library asks for a power of two (RFC 7914, section 6).
        is_sound = n > 1 and n & (n - 1) == 0 and r > 0 and p > 0 and 132 * n * r * p <= MAX_MEMORY
        return _scrypt(n, r, p, found[4], found[5]) if is_sound else None
    found = _PBKDF2.fullmatch(hashed)
    if found is not None and 0 < int(found[2]) <= MAX_ITERATIONS:
        return _pbkdf2(found[1], int(found[2]), found[3], found[4])
    return None


def _scrypt(n: int, r: int, p: int, salt: str, digest: str) -> Callable[[bytes], bool]:
    def verify(password: bytes) -> bool:
        derived = hashlib.scrypt(password, salt=salt.encode(), n=n, r=r, p=p, maxmem=132 * n * r * p)
        return hmac.compare_digest(derived.hex(), digest)

    return verify


def _pbkdf2(name: str, iterations: int, salt: str, digest: str) -> Callable[[bytes], bool]:
    def verify(password: bytes) -> bool:
        derived = hashlib.pbkdf2_hmac(name, password, salt.encode(), iterations)
        return hmac.compare_digest(derived.hex(), digest)

    return verify
