"""Password hashes: new ones, those of other programs, malformed ones, and the work that each check takes."""

import itertools
import unicodedata
from typing import Any

import bcrypt
import pytest
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher
from werkzeug.security import generate_password_hash

from patera.auth import AuthUtils, PasswordHasher
from tests.auth.users import QUICK, HeaderAuth, MakeApp, attached

quick = PasswordHasher(QUICK)

NFC, NFD = unicodedata.normalize("NFC", "café ångström"), unicodedata.normalize("NFD", "café ångström")


class CountingHasher(Argon2Hasher):
    """Counts how often it derives a key from a password."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.count = 0

    def hash(self, password: Any, *, salt: bytes | None = None) -> str:
        self.count += 1
        return super().hash(password, salt=salt)

    def verify(self, password: Any, hash: Any) -> bool:
        self.count += 1
        return super().verify(password, hash)


def test_new_hash_is_argon2id_with_a_salt_of_its_own() -> None:
    first, second = AuthUtils.create_password_hash("secret"), AuthUtils.create_password_hash("secret")
    assert first.startswith("$argon2id$v=19$")
    assert first != second
    assert AuthUtils.check_password_hash("secret", first)
    assert not AuthUtils.check_password_hash("Secret", first)
    assert not AuthUtils.password_hash_needs_update(first)


@pytest.mark.parametrize("password", ["", " ", "a\0b", "\0", "pässwörd", "😀" * 1000, "x" * 4096])
def test_password_of_any_text_is_checked_in_full(password: str) -> None:
    hashed = quick.create(password)
    assert quick.check(password, hashed)
    assert not quick.check(f"{password}\0", hashed)
    assert not quick.check(password[:-1], hashed) or not password


@pytest.mark.parametrize("password", ["x" * 4097, "ä" * 2049, "x" * 1_000_000, "\ud800"])
def test_password_that_is_too_long_is_refused_without_work(password: str) -> None:
    counting = CountingHasher()
    hasher = PasswordHasher(counting)
    with pytest.raises(ValueError, match="at most 4096 bytes"):
        hasher.create(password)
    assert not hasher.check(password, quick.create("x"))
    assert not hasher.verify(password, None)
    assert counting.count == 0


def test_password_that_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match="A password is a str, got NoneType"):
        quick.create(None)  # type: ignore[arg-type]
    assert not quick.check(None, quick.create("x"))  # type: ignore[arg-type]


def test_password_fits_in_each_of_its_unicode_forms() -> None:
    assert quick.check(NFD, quick.create(NFC))
    assert quick.check(NFC, quick.create(NFD))
    assert quick.check("pass123", quick.create("pass123"))


def test_hash_of_a_program_that_does_not_normalise_fits_what_was_typed() -> None:
    hashed = generate_password_hash(NFD, "pbkdf2:sha256:1000")
    assert quick.check(NFD, hashed)
    assert not quick.check(NFC, hashed)


@pytest.mark.parametrize(
    "hashed",
    [
        generate_password_hash("secret", "scrypt"),
        generate_password_hash("secret", "scrypt:1024:8:2"),
        generate_password_hash("secret", "pbkdf2:sha256:1000"),
        generate_password_hash("secret", "pbkdf2:sha1:1000"),
        generate_password_hash("secret", "pbkdf2:sha512:1000"),
        bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode(),
        bcrypt.hashpw(b"secret", bcrypt.gensalt(4, b"2a")).decode(),
        bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$"),
        Argon2Hasher(time_cost=2, memory_cost=16, parallelism=1).hash("secret"),
    ],
    ids=["scrypt", "small scrypt", "pbkdf2", "sha1", "sha512", "bcrypt", "bcrypt 2a", "bcrypt 2y", "argon2"],
)
def test_hash_of_another_kind_verifies_and_is_outdated(hashed: str) -> None:
    assert quick.check("secret", hashed)
    assert not quick.check("Secret", hashed)
    assert quick.needs_update(hashed)
    is_right, new = quick.check_and_update("secret", hashed)
    assert is_right
    assert new is not None
    assert quick.check("secret", new)
    assert not quick.needs_update(new)
    assert quick.check_and_update("Secret", hashed) == (False, None)
    assert quick.check_and_update("secret", new) == (True, None)


def test_bcrypt_reads_72_bytes_of_a_password() -> None:
    hashed = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    assert quick.check("x" * 72, hashed)
    assert quick.check("x" * 100, hashed)
    assert not quick.check("x" * 71, hashed)
    is_right, new = quick.check_and_update("x" * 100, hashed)
    assert is_right
    assert not quick.check("x" * 72, new)


ARGON2 = QUICK.hash("secret")
WERKZEUG = generate_password_hash("secret", "pbkdf2:sha256:1000")


@pytest.mark.parametrize(
    "hashed",
    [
        None,
        "",
        "!",
        "secret",
        "x" * 1_000_000,
        ARGON2[:-1],
        ARGON2[:-10],
        ARGON2.rpartition("$")[0],
        ARGON2.replace("$m=8,", "$m=x,"),
        ARGON2.replace("$m=8,", "$m=4294967295,"),
        ARGON2.replace("$m=8,", "$m=99999999999999999999,"),
        ARGON2.replace("t=1,", "t=1000000,"),
        ARGON2.replace("v=19", "v=99"),
        f"{ARGON2}\0",
        f"{ARGON2}é",
        WERKZEUG[:-1],
        WERKZEUG.replace("1000", "0"),
        WERKZEUG.replace("1000", "9999999999"),
        WERKZEUG.replace("sha256", "md5"),
        WERKZEUG.replace("sha256", "nothing"),
        WERKZEUG.replace("$", "", 1),
        "pbkdf2:sha256$salt$00",
        "scrypt:32768:8:1$salt$00",
        f"scrypt:1000:8:1$salt${'0' * 128}",
        f"scrypt:1073741824:8:1$salt${'0' * 128}",
        f"scrypt:0:0:0$salt${'0' * 128}",
        "sha256$salt$2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
        "$2b$12$short",
        "$2b$99$" + "a" * 53,
        "$2b$31$" + "a" * 53,
        "$2b$04$" + "z" * 53,
        7,
    ],
    # Numbers: the salts of real hashes differ in each process of a parallel run.
    ids=(f"malformed {number}" for number in itertools.count(1)),
)
def test_malformed_hash_fits_no_password(hashed: Any) -> None:
    assert quick.check("secret", hashed) is False
    assert quick.verify("secret", hashed) is False
    assert hashed is None or quick.needs_update(hashed)


@pytest.mark.parametrize("password", ["secret", NFD, ""])
async def test_unknown_user_takes_the_work_of_a_wrong_password(make_app: MakeApp, password: str) -> None:
    counting = CountingHasher()

    class Auth(HeaderAuth):
        passwords = PasswordHasher(counting)

    hashed = counting.hash("right")
    auth = attached(make_app, Auth())
    found = []
    for stored in (hashed, None, "malformed"):
        before = counting.count
        assert not await auth.verify_password(password, stored)
        found.append(counting.count - before)
    assert len(set(found)) == 1
    assert found[0] > 0


async def test_awaitable_functions_do_the_same(make_app: MakeApp) -> None:
    class Auth(HeaderAuth):
        passwords = quick

    auth = attached(make_app, Auth())
    hashed = await auth.acreate_password_hash("secret")
    assert auth.check_password_hash("secret", hashed)
    assert await auth.acheck_password_hash("secret", auth.create_password_hash("secret"))
    assert not await auth.acheck_password_hash("Secret", hashed)
    assert not await auth.acheck_password_hash("secret", "malformed")
    assert await auth.verify_password("secret", hashed)
    assert await auth.check_and_update("secret", hashed) == (True, None)
    assert not auth.password_hash_needs_update(hashed)
    with pytest.raises(ValueError, match="at most 4096 bytes"):
        await auth.acreate_password_hash("x" * 5000)


def test_another_hasher_makes_and_checks_hashes() -> None:
    hasher = PasswordHasher(BcryptHasher(rounds=4))
    hashed = hasher.create("secret")
    assert hashed.startswith("$2b$04$")
    assert hasher.check("secret", hashed)
    assert not hasher.needs_update(hashed)
    assert hasher.check("secret", ARGON2)
    assert hasher.needs_update(ARGON2)
