"""Signed values: what was signed comes back, and nothing else does."""

import hashlib
import secrets
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from itsdangerous import TimestampSigner, URLSafeTimedSerializer

from patera.auth import AuthUtils, InvalidSignature
from patera.exceptions import ConfigurationError
from tests.auth.users import HeaderAuth, MakeApp, attached

KEY, OTHER = "Yx7cV1bN9mQ3wE5rT2yU8iO4pA6sD0fG", "zX9cV3bN1mQ5wE7rT4yU0iO6pA8sD2fH"
SIGNED = AuthUtils.create_signed_cookie_value("user-7", KEY)


@pytest.fixture
def auth(make_app: MakeApp) -> HeaderAuth:
    return attached(make_app, HeaderAuth(), SECRET_KEY=KEY)


@pytest.mark.parametrize(("value", "text"), [("user-7", "user-7"), (7, "7"), ("", ""), ("ä; x=1 😀\n", "ä; x=1 😀\n")])
def test_signed_value_comes_back_as_text(auth: HeaderAuth, value: Any, text: str) -> None:
    signed = auth.create_signed_cookie_value(value)
    assert auth.decode_signed_cookie(signed) == text
    assert AuthUtils.decode_signed_cookie(signed, KEY) == text
    assert all(character.isalnum() or character in "-_." for character in signed)


@pytest.mark.parametrize("value", [None, True, 1.5, b"x", ["x"], {"a": 1}])
def test_value_that_is_no_text_is_refused(auth: HeaderAuth, value: Any) -> None:
    with pytest.raises(TypeError, match="holds a str or an int"):
        auth.create_signed_cookie_value(value)


def test_value_that_no_browser_would_keep_is_refused(auth: HeaderAuth) -> None:
    with pytest.raises(ValueError, match="a cookie holds 3800"):
        auth.create_signed_cookie_value(secrets.token_hex(4000))


def signed_with(key: str, *, salt: str = "patera.auth.cookie", digest: str = "sha256", value: Any = "user-7") -> str:
    options = {"key_derivation": "hmac", "digest_method": getattr(hashlib, digest)}
    signed = URLSafeTimedSerializer(key, salt=salt, signer_kwargs=options).dumps(value)
    return signed if isinstance(signed, str) else signed.decode()


FOREIGN: dict[str, Any] = {
    "empty": "",
    "letter": "x",
    "dot": ".",
    "two dots": "..",
    "value alone": "user-7",
    "last character lost": SIGNED[:-1],
    "character added": SIGNED + "x",
    "padding added": SIGNED + "=",
    "space before": " " + SIGNED,
    "newline after": SIGNED + "\n",
    "no signature": SIGNED.rpartition(".")[0],
    "empty signature": SIGNED.rpartition(".")[0] + ".",
    "other value": "user-7." + SIGNED.partition(".")[2],
    "megabyte": "x" * 1_000_000,
    "not ASCII": SIGNED + "é",
    "upper case": SIGNED.upper(),
    "other key": signed_with(OTHER),
    "salt of the remember cookie": signed_with(KEY, salt="patera.auth.remember"),
    "salt of the session": signed_with(KEY, salt="cookie-session"),
    "other digest": signed_with(KEY, digest="sha1"),
    "other serialisation": TimestampSigner(KEY).sign("user-7").decode(),
    "None": None,
    "bytes": b"x",
}


# Named, as the values hold the time: each worker of a parallel run must collect the same tests.
@pytest.mark.parametrize("text", FOREIGN.values(), ids=FOREIGN)
def test_text_that_was_not_signed_so_is_refused(auth: HeaderAuth, text: Any) -> None:
    with pytest.raises(InvalidSignature):
        auth.decode_signed_cookie(text)


def test_refusal_is_a_value_error_without_the_value(auth: HeaderAuth) -> None:
    assert issubclass(InvalidSignature, ValueError)
    with pytest.raises(ValueError, match="not valid") as caught:
        auth.decode_signed_cookie(SIGNED.replace(".", ".A", 1))
    assert SIGNED[:6] not in str(caught.value)


def test_value_that_is_too_old_is_refused(auth: HeaderAuth) -> None:
    signed = auth.create_signed_cookie_value("user-7")
    assert auth.decode_signed_cookie(signed, max_age=60) == "user-7"
    with pytest.raises(InvalidSignature, match="too old"):
        auth.decode_signed_cookie(signed, max_age=-1)


def test_lifetime_of_the_configuration_holds(make_app: MakeApp) -> None:
    class Past(TimestampSigner):
        def get_timestamp(self) -> int:
            return super().get_timestamp() - 3600

    options = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    made = URLSafeTimedSerializer(KEY, salt="patera.auth.cookie", signer=Past, signer_kwargs=options).dumps("user-7")
    signed = made if isinstance(made, str) else made.decode()
    for lifetime, is_valid in ((3500, False), (3700, True), (None, True)):
        auth = attached(make_app, HeaderAuth(), SECRET_KEY=KEY, AUTHENTICATION={"SIGNED_COOKIE_LIFETIME": lifetime})
        if is_valid:
            assert auth.decode_signed_cookie(signed) == "user-7"
        else:
            with pytest.raises(InvalidSignature):
                auth.decode_signed_cookie(signed)


def test_old_key_verifies_and_the_new_one_signs(make_app: MakeApp) -> None:
    auth = attached(make_app, HeaderAuth(), SECRET_KEY=OTHER, SECRET_KEY_FALLBACKS=[KEY])
    assert auth.decode_signed_cookie(SIGNED) == "user-7"
    assert AuthUtils.decode_signed_cookie(auth.create_signed_cookie_value("x"), OTHER) == "x"
    assert AuthUtils.decode_signed_cookie(SIGNED, [OTHER, KEY]) == "user-7"


def test_key_that_was_dropped_verifies_no_more(make_app: MakeApp) -> None:
    auth = attached(make_app, HeaderAuth(), SECRET_KEY=OTHER)
    with pytest.raises(InvalidSignature):
        auth.decode_signed_cookie(SIGNED)


def test_value_of_one_purpose_is_refused_for_any_other(make_app: MakeApp) -> None:
    auth = attached(make_app, HeaderAuth(), SECRET_KEY=KEY)
    purposes = ("cookie", "cart", "remember", "")
    signed = {purpose: auth.create_signed_cookie_value(7, purpose=purpose) for purpose in purposes}
    static = {purpose: AuthUtils.create_signed_cookie_value(7, KEY, purpose=purpose) for purpose in purposes}
    for purpose, value in (*signed.items(), *static.items()):
        assert auth.decode_signed_cookie(value, purpose=purpose) == "7"
        assert AuthUtils.decode_signed_cookie(value, KEY, purpose=purpose) == "7"
        for other in purposes:
            if other != purpose:
                with pytest.raises(InvalidSignature):
                    auth.decode_signed_cookie(value, purpose=other)
    assert auth.decode_signed_cookie(signed["cookie"]) == "7"


def test_without_a_key_nothing_is_signed(make_app: MakeApp) -> None:
    auth = attached(make_app, HeaderAuth(), SECRET_KEY=None)
    with pytest.raises(ConfigurationError, match="PAT501"):
        auth.create_signed_cookie_value("user-7")
    for key in ("", [], [""], None):
        with pytest.raises(ValueError, match="no secret key"):
            AuthUtils.create_signed_cookie_value("user-7", key)  # type: ignore[arg-type]


@given(position=st.integers(0, len(SIGNED) * 8 - 1))
@settings(max_examples=len(SIGNED) * 8, deadline=None)
def test_value_with_one_bit_flipped_is_refused(position: int) -> None:
    raw = bytearray(SIGNED.encode())
    raw[position // 8] ^= 1 << position % 8
    with pytest.raises(InvalidSignature):
        AuthUtils.decode_signed_cookie(raw.decode("latin-1"), KEY)


@given(position=st.integers(0, len(SIGNED) - 1), character=st.characters())
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_value_with_one_character_changed_is_refused(position: int, character: str) -> None:
    changed = SIGNED[:position] + character + SIGNED[position + 1 :]
    if changed != SIGNED:
        with pytest.raises(InvalidSignature):
            AuthUtils.decode_signed_cookie(changed, KEY)


@given(value=st.text(max_size=300))
@settings(deadline=None)
def test_any_text_comes_back(value: str) -> None:
    assert AuthUtils.decode_signed_cookie(AuthUtils.create_signed_cookie_value(value, KEY), KEY) == value
