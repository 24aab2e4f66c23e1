"""A library of authors and books on real databases, in sessions of both kinds: what the tests of queries share."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Engine, ForeignKey, String, create_engine, event, func, make_url
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.ext.hybrid import hybrid_method, hybrid_property
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship, synonym

from patera.database import DeclarativeBaseModel
from tests.databases import own_database

T = TypeVar("T")

SYNC_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}


class Base(DeclarativeBaseModel):
    __abstract__ = True
    __db_name__ = "library"


class Author(Base):
    __tablename__: str = "authors"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    born: Mapped[int | None]
    books: Mapped[list[Book]] = relationship(back_populates="author", order_by="Book.id")
    full_name: Mapped[str] = synonym("name")

    @hybrid_property
    def initial(self) -> str:
        return self.name[:1]

    @initial.inplace.expression
    @classmethod
    def _initial(cls) -> Any:
        return func.substr(cls.name, 1, 1)

    @hybrid_method
    def born_before(self, year: int) -> bool:
        return self.born is not None and self.born < year


class Book(Base):
    __tablename__: str = "books"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(40))
    pages: Mapped[int] = mapped_column(default=100)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="books")


class Loan(Base):
    """Has a key of two columns, one of which has another name in the database."""

    __tablename__: str = "loans"

    book_id: Mapped[int] = mapped_column("book", primary_key=True, autoincrement=False)
    reader: Mapped[str] = mapped_column(String(20), primary_key=True)


class Shelf(Base):
    id: Mapped[UUID] = mapped_column(primary_key=True)


@dataclass
class Library:
    """An open session, of either kind, on a database with the library's tables."""

    session: Any
    statements: list[str]

    def query(self, model: Any) -> Any:
        return model.query(self.session)

    async def add(self, *rows: Any) -> None:
        self.session.add_all(rows)
        await got(self.session.flush())


async def got(value: Awaitable[T] | T) -> T:
    """Return what a method of either kind of query gives."""
    return await value if inspect.isawaitable(value) else value


async def collected(rows: Any) -> list[Any]:
    """Return all that a stream of either kind yields."""
    return [row async for row in rows] if hasattr(rows, "__aiter__") else list(rows)


@asynccontextmanager
async def library_database(kind: str, folder: Path) -> AsyncIterator[str]:
    """Make a database of three authors and their four books, for any number of tests that do not commit.

    Args:
        kind: "sqlite", "postgres" or "mariadb".
        folder: Where an SQLite file stands.

    Yields:
        Its URL, for an async driver.
    """
    async with own_database(kind, folder) as url:
        engine = create_async_engine(url)
        try:
            async with engine.begin() as connection:
                await connection.run_sync(Base.metadata.create_all)
            async with AsyncSession(engine) as session:
                session.add_all(the_authors())
                await session.commit()
        finally:
            await engine.dispose()
        yield url


@asynccontextmanager
async def open_library(flavour: str, url: str) -> AsyncIterator[Library]:
    """Open a session, of the kind "async" or "sync", and roll it back in the end."""
    if flavour == "async":
        engine = create_async_engine(url)
        with _statements_of(engine.sync_engine) as statements:
            try:
                async with AsyncSession(engine, expire_on_commit=False, autoflush=False) as session:
                    yield Library(session, statements)
            finally:
                await engine.dispose()
        return
    plain = make_url(url)
    sync_engine = create_engine(plain.set(drivername=SYNC_DRIVERS[plain.get_backend_name()]))
    with _statements_of(sync_engine) as statements:
        try:
            with Session(sync_engine, expire_on_commit=False, autoflush=False) as own:
                yield Library(own, statements)
        finally:
            sync_engine.dispose()


@contextmanager
def _statements_of(engine: Engine) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        statements.append(" ".join(statement.split()))

    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


def the_authors() -> list[Author]:
    """Ada with two books, Ben with two, Cleo with none."""
    return [
        Author(id=1, name="Ada", born=1815, books=[Book(id=1, title="Notes"), Book(id=2, title="Sketch", pages=20)]),
        Author(id=2, name="Ben", born=1920, books=[Book(id=3, title="Notes"), Book(id=4, title="Atlas", pages=300)]),
        Author(id=3, name="Cleo", born=None),
    ]
