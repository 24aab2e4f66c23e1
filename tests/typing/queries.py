"""What a type checker knows of models, queries, pages and repositories; nothing here is run."""

from __future__ import annotations

from typing import Any, assert_type

from sqlalchemy import String
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, Session, mapped_column

from patera.database import DeclarativeBaseModel
from patera.database.sql import AsyncQuery, Page, Query, Repository


class Base(DeclarativeBaseModel):
    __abstract__ = True
    __db_name__: str = "typing"


class User(Base):
    __tablename__: str = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))

    @classmethod
    def named(cls, session: AsyncSession, name: str) -> AsyncQuery[User]:
        return cls.query(session).filter_by(name=name)


class Users(Repository[User]):
    writable = ("name",)


async def of_queries(session: AsyncSession) -> None:
    query = User.query(session).where(User.id > 1).join(User).order_by(User.name).limit(3)
    assert_type(query, AsyncQuery[User])
    assert_type(User.query(), AsyncQuery[User])
    assert_type(await query.all(), list[User])
    assert_type(await query.first(), User | None)
    assert_type(await query.one(), User)
    assert_type(await query.get(1), User | None)
    assert_type(await query.first_or_404(), User)
    assert_type(await query.count(), int)
    assert_type(await query.exists(), bool)
    assert_type(await query.scalars(User.name), list[str])
    assert_type(await query.delete(), int)
    async for user in query.stream():
        assert_type(user, User)


def of_queries_without_await(session: Session) -> None:
    query = User.query(session).filter_by(name="Ada").distinct()
    assert_type(query, Query[User])
    assert_type(query.all(), list[User])
    assert_type(query.first(), User | None)
    assert_type(query.get_or_404(1), User)
    assert_type(query.paginate(), Page[User])
    assert_type(query.scalars(User.id), list[int])


async def of_pages(session: AsyncSession) -> None:
    page = await User.query(session).paginate(page=2, per_page=20)
    assert_type(page, Page[User])
    assert_type(page.items, list[User])
    assert_type(page["items"], Any)
    assert_type(page.next_num, int | None)
    assert_type(page.map(lambda user: user.name), Page[str])


async def of_repositories(session: AsyncSession) -> None:
    assert_type(Repository(User), Repository[User])
    users = Users(session=session)
    assert_type(await users.get(1), User | None)
    assert_type(await users.list(User.id > 1, name="Ada"), list[User])
    assert_type(await users.create(name="Ada"), User)
    assert_type(await users.update(1, name="Ada"), User)
    assert_type(await users.paginate(), Page[User])
