"""Text that is signed with an application's keys: everybody can read it, nobody else can write it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from itsdangerous import BadData, Signer, URLSafeTimedSerializer
from itsdangerous.encoding import base64_decode, base64_encode

__all__ = ["is_canonical", "signer_of", "timed_serializer_of"]


def timed_serializer_of(
    keys: Sequence[str], salt: str, *, codec: Any = None, digest: Any = hashlib.sha256
) -> URLSafeTimedSerializer:
    """Return what writes values as signed text with a time in it, and reads them.

    Example:
        serializer = timed_serializer_of(secret_keys(app), "shop.unsubscribe")
        token = serializer.dumps(user.id)
        user_id = serializer.loads(token, max_age=3600)

    Args:
        keys: The keys, the one that signs first; all verify.
        salt: What the text is for: text signed for one purpose verifies for no other.
        codec: What turns values into JSON text; its `dumps` and `loads` are called.
        digest: The hash function of the signature.
    """
    options = {"key_derivation": "hmac", "digest_method": digest}
    return URLSafeTimedSerializer([*reversed(keys)], salt=salt, serializer=codec, signer_kwargs=options)


def signer_of(keys: Sequence[str], salt: str) -> Signer:
    """Return what signs text as it is, and tells whether text was signed.

    Args:
        keys: The keys, the one that signs first; all verify.
        salt: What the text is for.
    """
    return Signer([*reversed(keys)], salt=salt, key_derivation="hmac", digest_method=hashlib.sha256)


def is_canonical(signed: str) -> bool:
    """Tell whether a text is ASCII, and the signature at its end is spelled in the one way that it was written.

    Base64 reads several texts as the same bytes, as the last character has unused bits (RFC 4648, section 3.5).

    Args:
        signed: Signed text, or a JSON Web Token.
    """
    signature = signed.rpartition(".")[2]
    try:
        return signed.isascii() and base64_encode(base64_decode(signature)) == signature.encode("ascii")
    except BadData:
        return False
