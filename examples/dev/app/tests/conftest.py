"""Fixtures: an application with an empty blog in a database of its own, and a client of it."""

import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import pytest
from httpx import Response

from app import Application
from app.authentication import auth
from app.extensions import db, migrate
from app.models.base import Base
from app.models.post_model import Post
from app.models.user_model import Role, User
from patera.database.sql import AsyncSession
from patera.layer import INJECTED
from patera.testing import PateraTestClient

M = TypeVar("M", bound=Base)


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Application:
    monkeypatch.setenv("PATERA_SQL_DATABASE__DATABASE_URI", f"sqlite+aiosqlite:///{tmp_path / 'blog.db'}")
    monkeypatch.setenv("PATERA_DEBUG", "false")
    monkeypatch.setenv("PATERA_SECRET_KEY", secrets.token_urlsafe(48))
    return Application()


@pytest.fixture
async def client(application: Application) -> AsyncIterator[PateraTestClient]:
    async with PateraTestClient(application) as client:
        migrate.upgrade()
        yield client


@pytest.fixture
async def user(client: PateraTestClient) -> User:
    return await add(User(fullname="Ada Lovelace", email="ada@example.org"))


@pytest.fixture
async def stranger(user: User) -> User:
    return await add(User(fullname="Eve", email="eve@example.org"))


@pytest.fixture
async def admin(user: User) -> User:
    return await add(User(fullname="Grace Hopper", email="grace@example.org", role=Role.ADMIN))


@pytest.fixture
async def post(user: User) -> Post:
    return await add(Post(author_id=user.id, title="Notes", text="It weaves patterns."))


@db.managed_session
async def add(row: M, *, session: AsyncSession = INJECTED) -> M:
    """Store a row."""
    session.add(row)
    await session.flush()
    return row


def bearer(user: User) -> dict[str, str]:
    """Return the header of a program that a user has logged in."""
    return {"authorization": f"Bearer {auth.create_token_pair(user).access_token}"}


async def send_form(client: PateraTestClient, url: str, page: str | None = None, **fields: str) -> Response:
    """Send a form as a browser does: with the token of its page, which is at the same URL unless named."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', (await client.get(page or url)).text)
    assert found is not None
    return await client.post(url, data={"csrf_token": found[1], **fields})
