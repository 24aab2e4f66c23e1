"""What the tests of this folder share: users, ways to know them, and requests as one of them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import pytest
from pwdlib.hashers.argon2 import Argon2Hasher

from patera import Patera, Request
from patera.auth import Authentication, BearerLoader, PasswordHasher, UserLoader
from patera.testing import PateraTestClient, WebSocketRejected

A = TypeVar("A", bound=Authentication)
MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]

#: An Argon2id that takes no time.
QUICK = Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1)


@dataclass
class User:
    """A user of the tests."""

    id: int
    name: str
    roles: list[Any] = field(default_factory=list)
    password_hash: str | None = None


ADA = User(1, "ada", ["admin", "editor"])
EVE = User(2, "eve", ["reader"])
USERS = {user.name: user for user in (ADA, EVE)}


class HeaderAuth(Authentication):
    """Believes the header `x-user`, and counts how often it was asked."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.loads = 0

    async def user_loader(self, req: Request) -> User | None:
        self.loads += 1
        return USERS.get(req.headers.get("x-user", ""))


class TokenAuth(Authentication):
    """Takes bearer tokens."""

    loaders: ClassVar[Sequence[UserLoader]] = (BearerLoader(),)
    passwords = PasswordHasher(QUICK)

    async def load_user(self, user_id: str) -> User | None:
        return next((user for user in USERS.values() if str(user.id) == user_id), None)


def attached(make_app: MakeApp, auth: A, **values: Any) -> A:
    """The extension, in an application that lives as long as it does."""
    vars(auth)["application"] = make_app(EXTENSIONS=[auth], **values)
    return auth


async def refusal_of(http: PateraTestClient, path: str, headers: dict[str, str] | None = None) -> int:
    """The code that a websocket is refused with."""
    with pytest.raises(WebSocketRejected) as caught:
        async with http.websocket(path, headers=headers):
            pass
    return caught.value.code
