"""Fixtures: an application with an empty blog in memory, and a client of it."""

from collections.abc import AsyncIterator

import pytest

from app import Application
from app.extensions import blog
from app.storage.blog_store import Post, User
from patera.testing import PateraTestClient


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> Application:
    monkeypatch.setenv("PATERA_BLOG__PATH", ":memory:")
    monkeypatch.setenv("PATERA_DEBUG", "false")
    return Application()


@pytest.fixture
async def client(application: Application) -> AsyncIterator[PateraTestClient]:
    async with PateraTestClient(application) as client:
        yield client


@pytest.fixture
async def user(client: PateraTestClient) -> User:
    return await blog.store.add_user("Ada Lovelace", "ada@example.org")


@pytest.fixture
async def post(user: User) -> Post:
    return await blog.store.add_post(user.id, "Notes", "It weaves patterns.")
