"""JSON Web Tokens: only what this application signed, for this purpose, in its time."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from typing import Any, ClassVar

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patera.auth import Authentication, AuthUtils, TokenPair
from patera.exceptions import ConfigurationError
from tests.auth.users import ADA, MakeApp, TokenAuth, attached

KEY, OTHER = "Yx7cV1bN9mQ3wE5rT2yU8iO4pA6sD0fG", "zX9cV3bN1mQ5wE7rT4yU0iO6pA8sD2fH"
OWN = "p" * 16 + "J" * 16
TOKEN = AuthUtils.create_jwt_token({"sub": "7", "scope": "read"}, KEY)
PUBLIC_KEY = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9
q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==
-----END PUBLIC KEY-----"""


@pytest.fixture
def auth(make_app: MakeApp) -> TokenAuth:
    return auth_with(make_app)


def auth_with(make_app: MakeApp, *, secret: str = KEY, fallbacks: list[str] | None = None, **configs: Any) -> TokenAuth:
    return attached(
        make_app, TokenAuth(), SECRET_KEY=secret, SECRET_KEY_FALLBACKS=fallbacks or [], AUTHENTICATION=configs
    )


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw_token(payload: Any, header: Any = None, key: str | None = OWN, digest: str = "sha256") -> str:
    """A token with any header and payload; unsigned where `key` is None."""
    parts = [header if header is not None else {"alg": "HS256", "typ": "JWT"}, payload]
    texts = [part if isinstance(part, str) else json.dumps(part) for part in parts]
    signed = ".".join(encoded(text.encode()) for text in texts)
    signature = hmac.new((key or "").encode(), signed.encode(), digest).digest() if key is not None else b""
    return f"{signed}.{encoded(signature)}"


def claims(**others: Any) -> dict[str, Any]:
    now = int(time.time())
    given = {"sub": "7", "iat": now, "exp": now + 60, **others}
    return {name: value for name, value in given.items() if value is not ...}


def test_token_holds_its_claims_and_times(auth: TokenAuth) -> None:
    before = int(time.time())
    found = auth.validate_jwt_token(auth.create_jwt_token({"user_id": 7, "sub": 7, "roles": ["a"]}))
    assert found is not None
    assert (found["user_id"], found["sub"], found["roles"]) == (7, 7, ["a"])
    assert 3600 <= found["exp"] - before <= 3610
    assert before <= found["iat"] <= before + 10


def test_lifetime_of_a_token_is_that_of_the_call(auth: TokenAuth) -> None:
    found = auth.validate_jwt_token(auth.create_jwt_token({"exp": 1, "iat": 1}, expires_in=60))
    assert found is not None
    assert found["exp"] - found["iat"] == 60
    assert auth.validate_jwt_token(auth.create_jwt_token({}, expires_in=-1)) is None


def test_static_functions_read_the_tokens_of_the_extension(auth: TokenAuth) -> None:
    assert AuthUtils.validate_jwt_token(auth.create_jwt_token({"sub": "7"}), KEY) is not None
    assert auth.validate_jwt_token(TOKEN) is not None
    assert AuthUtils.validate_jwt_token(TOKEN, OTHER) is None


@pytest.mark.parametrize("payload", [None, "sub", ["sub"], 7])
def test_payload_that_is_no_dict_is_refused(auth: TokenAuth, payload: Any) -> None:
    with pytest.raises(TypeError, match="a dict of its claims"):
        auth.create_jwt_token(payload)


@pytest.mark.parametrize("expires_in", ["60", None, True])
def test_lifetime_that_is_no_number_is_refused(auth: TokenAuth, expires_in: Any) -> None:
    with pytest.raises(TypeError, match="a number of seconds"):
        auth.create_jwt_token({}, expires_in=expires_in)


def test_token_of_any_library_with_the_own_key_is_taken(make_app: MakeApp) -> None:
    auth = auth_with(make_app, JWT_SECRET_KEY=OWN)
    assert auth.validate_jwt_token(raw_token(claims())) is not None
    assert auth.validate_jwt_token(jwt.encode(claims(), OWN, algorithm="HS256")) is not None
    assert auth.validate_jwt_token(raw_token(claims(nbf=int(time.time())))) is not None


SIGNATURE = raw_token(claims()).rpartition(".")[2]


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(raw_token(claims(), {"alg": "none"}, None), id="alg none"),
        pytest.param(raw_token(claims(), {"alg": "None"}, None), id="alg None"),
        pytest.param(raw_token(claims(), {"alg": "none"}), id="alg none, signed"),
        pytest.param(raw_token(claims(), {"alg": ""}), id="empty alg"),
        pytest.param(raw_token(claims(), {"typ": "JWT"}), id="no alg"),
        pytest.param(raw_token(claims(), {"alg": ["HS256"]}), id="alg list"),
        pytest.param(raw_token(claims(), {"alg": "HS512"}, digest="sha512"), id="another HMAC"),
        pytest.param(raw_token(claims(), {"alg": "RS256"}), id="RS256"),
        pytest.param(raw_token(claims(), key=None), id="empty signature"),
        pytest.param(raw_token(claims(), key=PUBLIC_KEY), id="signed with a public key"),
        pytest.param(raw_token(claims(), key=""), id="signed with no key"),
        pytest.param(raw_token(claims(), key=OTHER), id="signed with another key"),
        pytest.param(raw_token(claims(exp=...)), id="no exp"),
        pytest.param(raw_token(claims(iat=...)), id="no iat"),
        pytest.param(raw_token(claims(exp=None)), id="exp null"),
        pytest.param(raw_token(claims(exp=int(time.time()) - 1)), id="expired"),
        pytest.param(raw_token(claims(exp=str(int(time.time()) + 60))), id="exp string"),
        pytest.param(raw_token(claims(exp=time.time() + 60.5)), id="exp float"),
        pytest.param(raw_token(claims(exp=True)), id="exp bool"),
        pytest.param(raw_token('{"iat": 1, "exp": 1e400}'), id="exp 1e400"),
        pytest.param(raw_token('{"iat": 1, "exp": NaN}'), id="exp NaN"),
        pytest.param(raw_token('{"iat": 1, "exp": Infinity}'), id="exp Infinity"),
        pytest.param(raw_token(f'{{"iat": 1, "exp": {"9" * 5000}}}'), id="exp of 5000 digits"),
        pytest.param(raw_token(claims(iat=int(time.time()) + 600)), id="iat in the future"),
        pytest.param(raw_token(claims(iat="1")), id="iat string"),
        pytest.param(raw_token(claims(nbf=int(time.time()) + 600)), id="nbf in the future"),
        pytest.param(raw_token(claims(nbf="1")), id="nbf string"),
        pytest.param(raw_token(claims(aud="someone")), id="for somebody else"),
        pytest.param(raw_token(claims(typ="refresh")), id="refresh token"),
        pytest.param(raw_token(claims(typ="other")), id="unknown type"),
        pytest.param(raw_token(claims(), {"alg": "HS256", "crit": ["exp"]}), id="crit of a claim"),
        pytest.param(raw_token(claims(), {"alg": "HS256", "crit": ["b64"], "b64": True}), id="crit b64"),
        pytest.param(raw_token(claims(), {"alg": "HS256", "crit": []}), id="crit empty"),
        pytest.param(raw_token(claims(), {"alg": "HS256", "crit": "exp", "exp": 1}), id="crit string"),
        pytest.param(raw_token(claims(), {"alg": "HS256", "kid": 7}), id="kid number"),
        pytest.param(raw_token("[]"), id="payload list"),
        pytest.param(raw_token("null"), id="payload null"),
        pytest.param(raw_token("{"), id="payload broken"),
        pytest.param(raw_token("[" * 3000), id="payload deep"),
        pytest.param(raw_token(claims(), "[" * 3000), id="header deep"),
        pytest.param(raw_token(claims(), "[]"), id="header list"),
        pytest.param(raw_token(claims(data="x" * 9000)), id="too long"),
        pytest.param("x" * 1_000_000, id="a megabyte"),
        pytest.param("", id="empty"),
        pytest.param("..", id="dots"),
        pytest.param("a.b", id="two parts"),
        pytest.param("a.b.c.d", id="four parts"),
        pytest.param("ä.ö.ü", id="not ASCII"),
        pytest.param("\ud800.a.b", id="lone surrogate"),
        pytest.param(raw_token(claims()) + "=", id="padding"),
        pytest.param(raw_token(claims()) + "\n", id="line break"),
        pytest.param(" " + raw_token(claims()), id="space"),
        pytest.param(f"{raw_token(claims()).rpartition('.')[0]}.{SIGNATURE[:-1]}", id="signature cut"),
        pytest.param(None, id="None"),
        pytest.param(b"a.b.c", id="bytes"),
        pytest.param(7, id="number"),
    ],
)
def test_token_that_is_not_one_of_ours_is_none(make_app: MakeApp, token: Any) -> None:
    assert auth_with(make_app, JWT_SECRET_KEY=OWN).validate_jwt_token(token) is None


@pytest.mark.parametrize(
    "header",
    [
        {"kid": "../../../../dev/null"},
        {"kid": "x' UNION SELECT 'key"},
        {"kid": "key-1"},
        {"jwk": {"kty": "oct", "k": encoded(b"attacker")}},
        {"jku": "http://127.0.0.1:1/keys"},
        {"x5u": "http://127.0.0.1:1/cert"},
        {"x5c": ["attacker"]},
    ],
)
def test_token_cannot_choose_its_key(make_app: MakeApp, header: dict[str, Any]) -> None:
    auth = auth_with(make_app, JWT_SECRET_KEY=OWN)
    assert auth.validate_jwt_token(raw_token(claims(), {"alg": "HS256", **header}, key="attacker")) is None
    assert auth.validate_jwt_token(raw_token(claims(), {"alg": "HS256", **header}, key="")) is None
    assert auth.validate_jwt_token(raw_token(claims(), {"alg": "HS256", **header})) is None
    assert auth.validate_jwt_token(raw_token(claims(), {"alg": "HS256"})) is not None


def test_issuer_and_audience_of_the_configuration_are_required(make_app: MakeApp) -> None:
    auth = auth_with(make_app, JWT_SECRET_KEY=OWN, JWT_ISSUER="https://a.example", JWT_AUDIENCE="api")
    own = auth.validate_jwt_token(auth.create_jwt_token({"sub": "7"}))
    assert own is not None
    assert (own["iss"], own["aud"]) == ("https://a.example", "api")
    good = {"iss": "https://a.example", "aud": "api"}
    assert auth.validate_jwt_token(raw_token(claims(**good))) is not None
    assert auth.validate_jwt_token(raw_token(claims(**{**good, "aud": ["other", "api"]}))) is not None
    for wrong in (
        {"iss": ...},
        {"iss": "https://b.example"},
        {"aud": ...},
        {"aud": "other"},
        {"aud": ["x"]},
        {"aud": 7},
    ):
        assert auth.validate_jwt_token(raw_token(claims(**{**good, **wrong}))) is None


def test_leeway_of_the_configuration_holds(make_app: MakeApp) -> None:
    late = raw_token(claims(exp=int(time.time()) - 5))
    assert auth_with(make_app, JWT_SECRET_KEY=OWN, JWT_LEEWAY=30).validate_jwt_token(late) is not None
    assert auth_with(make_app, JWT_SECRET_KEY=OWN).validate_jwt_token(late) is None


@pytest.mark.parametrize(("algorithm", "digest", "size"), [("HS384", "sha384", 48), ("HS512", "sha512", 64)])
def test_algorithm_of_the_configuration_is_the_only_one(
    make_app: MakeApp, algorithm: str, digest: str, size: int
) -> None:
    key = "k" * size
    auth = auth_with(make_app, JWT_SECRET_KEY=key, JWT_ALGORITHM=algorithm)
    assert auth.validate_jwt_token(raw_token(claims(), {"alg": algorithm}, key, digest)) is not None
    assert auth.validate_jwt_token(raw_token(claims(), {"alg": "HS256"}, key)) is None
    derived = auth_with(make_app, JWT_ALGORITHM=algorithm)
    assert derived.validate_jwt_token(derived.create_jwt_token({})) is not None


def test_own_key_that_is_too_short_is_a_mistake_that_does_not_show_it(make_app: MakeApp) -> None:
    with pytest.raises(ConfigurationError, match="JWT_SECRET_KEY needs 64 bytes for HS512") as caught:
        auth_with(make_app, JWT_SECRET_KEY="hunter2-hunter2-hunter2-hunter2-x", JWT_ALGORITHM="HS512")
    assert "hunter2" not in str(caught.value)


def test_own_key_is_in_no_representation(make_app: MakeApp) -> None:
    auth = auth_with(make_app, JWT_SECRET_KEY=[OWN, "q" * 32])
    assert OWN not in f"{auth!r} {auth.configs!r} {auth.app.config!r}"


# Rotation


def test_old_key_verifies_and_the_new_one_signs(make_app: MakeApp) -> None:
    rotated = auth_with(make_app, secret=OTHER, fallbacks=[KEY])
    assert rotated.validate_jwt_token(TOKEN) is not None
    assert AuthUtils.validate_jwt_token(rotated.create_jwt_token({}), OTHER) is not None
    assert auth_with(make_app, secret=OTHER).validate_jwt_token(TOKEN) is None
    own = auth_with(make_app, JWT_SECRET_KEY=["q" * 32, OWN])
    assert own.validate_jwt_token(raw_token(claims())) is not None
    assert own.validate_jwt_token(raw_token(claims(), key="q" * 32)) is not None


def test_key_for_tokens_is_neither_the_secret_key_nor_that_of_cookies() -> None:
    for key in (KEY, hashlib.sha256(KEY.encode()).hexdigest()):
        with pytest.raises(jwt.InvalidSignatureError):
            jwt.decode(TOKEN, key, algorithms=["HS256"])


# Pairs


class Revoking(TokenAuth):
    """Remembers revoked tokens by `jti`."""

    def __init__(self) -> None:
        super().__init__()
        self.revoked: set[str] = set()

    async def is_revoked(self, payload: dict[str, Any]) -> bool:
        return payload["jti"] in self.revoked

    async def revoke_token(self, payload: dict[str, Any]) -> None:
        self.revoked.add(payload["jti"])


def pair_of(auth: Authentication) -> TokenPair:
    return auth.create_token_pair(ADA, {"scope": "read", "sub": "forged", "typ": "forged"})


def test_pair_has_an_access_and_a_refresh_token(auth: TokenAuth) -> None:
    pair = pair_of(auth)
    access = auth.validate_jwt_token(pair.access_token)
    assert access is not None
    assert (access["sub"], access["scope"], access["exp"] - access["iat"]) == ("1", "read", 900)
    assert auth.validate_jwt_token(pair.refresh_token) is None
    assert repr(pair) == "TokenPair(expires_in=900)"
    assert pair.as_dict() == {
        "access_token": pair.access_token,
        "token_type": "Bearer",
        "expires_in": 900,
        "refresh_token": pair.refresh_token,
    }


async def test_access_token_refreshes_nothing(auth: TokenAuth) -> None:
    for token in (pair_of(auth).access_token, auth.create_jwt_token({"sub": "1"}), "", None, "a.b.c"):
        assert await auth.refresh_token_pair(token) is None  # type: ignore[arg-type]


async def test_refresh_token_gives_the_next_pair_of_the_same_user(auth: TokenAuth) -> None:
    following = await auth.refresh_token_pair(pair_of(auth).refresh_token, {"scope": "write"})
    assert following is not None
    access = auth.validate_jwt_token(following.access_token)
    assert access is not None
    assert (access["sub"], access["scope"]) == ("1", "write")


async def test_refresh_token_that_was_used_is_revoked(make_app: MakeApp) -> None:
    auth = attached(make_app, Revoking())
    first = pair_of(auth)
    following = await auth.refresh_token_pair(first.refresh_token)
    assert following is not None
    assert await auth.refresh_token_pair(first.refresh_token) is None
    assert await auth.refresh_token_pair(following.refresh_token) is not None


async def test_refresh_token_that_is_used_twice_at_once_gives_one_pair(make_app: MakeApp) -> None:
    class Storing(TokenAuth):
        revoked: ClassVar[set[str]] = set()

        async def is_revoked(self, payload: dict[str, Any]) -> bool:
            is_known = payload["jti"] in self.revoked
            await asyncio.sleep(0)
            return is_known

        async def revoke_token(self, payload: dict[str, Any]) -> bool:
            is_first = payload["jti"] not in self.revoked
            self.revoked.add(payload["jti"])
            return is_first

    auth = attached(make_app, Storing())
    token = pair_of(auth).refresh_token
    pairs = await asyncio.gather(*(auth.refresh_token_pair(token) for _ in range(3)))
    assert [pair is not None for pair in pairs] == [True, False, False]


# Flipped bits


@given(position=st.integers(0, len(TOKEN) * 8 - 1))
@settings(max_examples=len(TOKEN) * 8, deadline=None)
def test_token_with_one_bit_flipped_is_none(position: int) -> None:
    raw = bytearray(TOKEN.encode())
    raw[position // 8] ^= 1 << position % 8
    assert AuthUtils.validate_jwt_token(raw.decode("latin-1"), KEY) is None


@given(position=st.integers(0, len(TOKEN) - 1), character=st.characters())
@settings(max_examples=500, deadline=None)
def test_token_with_one_character_changed_is_none(position: int, character: str) -> None:
    changed = TOKEN[:position] + character + TOKEN[position + 1 :]
    assert changed == TOKEN or AuthUtils.validate_jwt_token(changed, KEY) is None


def test_token_whose_signature_ends_in_unused_bits_is_none() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    others = [TOKEN[:-1] + each for each in alphabet if each != TOKEN[-1]]
    assert [each for each in others if AuthUtils.validate_jwt_token(each, KEY) is not None] == []
