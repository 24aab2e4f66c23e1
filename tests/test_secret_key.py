"""The keys that sign: which ones count, and which ones anybody can guess."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from patera import Patera
from patera.config import masked
from patera.exceptions import ConfigurationError
from patera.secret_key import secret_key_mistakes, secret_keys
from patera.testing import PateraTestClient
from tests.conftest import SECRET_KEY

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]


def test_key_of_now_comes_first_and_earlier_ones_after_it(make_app: MakeApp) -> None:
    older = [SECRET_KEY[::-1], SECRET_KEY.swapcase()]
    assert secret_keys(make_app(SECRET_KEY_FALLBACKS=older)) == [SECRET_KEY, *older]


@pytest.mark.parametrize("key", [None, ""])
@pytest.mark.parametrize("debug", [True, False])
def test_key_that_is_missing_says_how_to_make_one(make_app: MakeApp, key: str | None, debug: bool) -> None:
    with pytest.raises(ConfigurationError, match=r"PAT501 Test\.SECRET_KEY") as caught:
        secret_keys(make_app(SECRET_KEY=key, DEBUG=debug))
    assert "secrets.token_urlsafe(48)" in str(caught.value)


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("dev", "a key of 3 characters"),
        ("x" * 31, "a key of 31 characters"),
        ("abcabcab" * 8, "a key of 3 different characters only"),
        ("your-secret-key-goes-here-0123456789", "a sample key"),
        ("please CHANGE ME before you deploy this", "a sample key"),
        ("django-insecure-x8#k2!pq0vz7r4m1yw3u6t9s", "a sample key"),
        ("09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7", "a sample key"),
        ("192B9BDD22AB9ED4D12E236C78AFCB9A393EC15F71BBF5DC987D54727823BCBF", "a sample key"),
    ],
)
def test_key_that_can_be_guessed_is_refused_outside_of_debug(make_app: MakeApp, key: str, found: str) -> None:
    assert secret_keys(make_app(SECRET_KEY=key)) == [key]
    with pytest.raises(ConfigurationError, match=f"PAT502 Test\n.*SECRET_KEY is {found}") as caught:
        secret_keys(make_app(SECRET_KEY=key, DEBUG=False))
    assert key not in str(caught.value)


def test_fallback_that_can_be_guessed_is_refused_too(make_app: MakeApp) -> None:
    app = make_app(SECRET_KEY_FALLBACKS=[SECRET_KEY[::-1], "old"], DEBUG=False)
    with pytest.raises(ConfigurationError, match=r"SECRET_KEY_FALLBACKS\[1\] is a key of 3 characters"):
        secret_keys(app)


@pytest.mark.parametrize(
    "make", [lambda: secrets.token_hex(16), lambda: secrets.token_hex(32), lambda: secrets.token_urlsafe(48)]
)
def test_random_key_is_accepted(make: Callable[[], str]) -> None:
    for _ in range(200):
        assert secret_key_mistakes({"SECRET_KEY": make()}, "app") == []


def test_mistake_names_who_needs_the_key() -> None:
    (mistake,) = secret_key_mistakes({"DEBUG": False}, "shop.Orders.list", "orders.py:7")
    assert (mistake.code, mistake.where, mistake.location) == ("PAT501", "shop.Orders.list", "orders.py:7")


def test_key_is_no_mistake_in_debug() -> None:
    configs: list[dict[str, Any]] = [{"DEBUG": True, "SECRET_KEY": key} for key in (None, "dev")]
    assert [secret_key_mistakes(each, "app") for each in configs] == [[], []]


def test_keys_are_masked_where_configurations_are_shown(make_app: MakeApp) -> None:
    app = make_app(SECRET_KEY_FALLBACKS=[SECRET_KEY[::-1]], SESSION_BACKEND="memory")
    assert SECRET_KEY not in repr(app.config)
    assert SECRET_KEY[::-1] not in repr(app.config)
    assert masked("SESSION_BACKEND", "redis://:hidden@localhost/0") == "redis://:***@localhost/0"


async def test_key_that_can_be_guessed_is_worth_a_warning_at_startup_outside_of_debug(
    make_app: MakeApp, client: Connect
) -> None:
    configs: list[dict[str, Any]] = [
        {"SECRET_KEY": "dev", "DEBUG": False},
        {"SECRET_KEY": "dev", "DEBUG": True},
        {"SECRET_KEY": None, "DEBUG": False},
        {"DEBUG": False},
    ]
    apps = [make_app(**each) for each in configs]
    for app in apps:
        await client(app)
    messages = [[entry["message"] for entry in app.log_buffer.get_all()] for app in apps]
    warned = [[text for text in texts if "SECRET_KEY" in text] for texts in messages]
    assert warned[0] == [
        "SECRET_KEY is a key of 3 characters, and DEBUG is off: sessions and whatever else is signed will fail"
    ]
    assert warned[1:] == [[], [], []]
