"""Repositories: reading with or without a session, writing in an open one, and what may be set."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import pytest_asyncio
from pydantic import BaseModel
from sqlalchemy import String, func
from sqlalchemy.orm import Mapped, Session, mapped_column

from patera import Patera, Request, Response
from patera.controller import Controller, delete, get, patch, path, post
from patera.database.sql import QueryError, Repository, SqlDatabase
from patera.exceptions import NotFound
from patera.testing import PateraTestClient
from tests.database.library import Author, Base, Book, Library, Loan, library_database, open_library

MakeApp = Callable[..., Patera]
M = TypeVar("M")

db = SqlDatabase("library", "LIBRARY_DATABASE")


class Visit(Base):
    """Has columns that the database fills by itself."""

    id: Mapped[int] = mapped_column(primary_key=True)
    place: Mapped[str] = mapped_column(String(20))
    rank: Mapped[int] = mapped_column(server_default="7")
    changes: Mapped[str | None] = mapped_column(String(20), onupdate=func.lower("CHANGED"))


class Authors(Repository[Author]):
    writable = ("name", "born")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=("sqlite", "postgres"))
async def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with library_database(request.param, tmp_path_factory.mktemp("library")) as url:
        yield url


@pytest.fixture
async def library(url: str) -> AsyncIterator[Library]:
    async with open_library("async", url) as opened:
        yield opened


@pytest.fixture
def authors(library: Library) -> Repository[Author]:
    return Repository(Author, session=library.session)


async def test_get_gives_the_row_or_none(authors: Repository[Author]) -> None:
    assert (await authors.get(1)) is (await authors.get("1"))
    assert await authors.get(9) is None


async def test_get_or_404_of_a_missing_row_answers_404(authors: Repository[Author]) -> None:
    assert (await authors.get_or_404(2)).name == "Ben"
    with pytest.raises(NotFound, match="Author not found"):
        await authors.get_or_404(9)
    with pytest.raises(NotFound, match="Nobody"):
        await authors.get_or_404(9, "Nobody")


async def test_list_takes_conditions_values_and_an_order(authors: Repository[Author]) -> None:
    assert [author.id for author in await authors.list(order_by="name DESC")] == [3, 2, 1]
    assert [author.id for author in await authors.list(Author.born > 1800, name="Ben")] == [2]
    assert [author.id for author in await authors.list(order_by=[Author.born.is_(None), "id"], limit=2, offset=1)] == [
        2,
        3,
    ]


async def test_exists_and_count_take_conditions_and_values(authors: Repository[Author]) -> None:
    assert await authors.exists(name="Ada") is True
    assert await authors.exists(Author.id > 9) is False
    assert await authors.count() == 3
    assert await authors.count(Author.id > 1, born=None) == 1


async def test_paginate_gives_a_page(authors: Repository[Author]) -> None:
    page = await authors.paginate("2", 1, Author.born.is_not(None), order_by="name")
    assert ([author.name for author in page.items], page.total) == (["Ben"], 2)
    assert (await authors.paginate(1, 50, max_per_page=2, born=None)).per_page == 2


@pytest.mark.parametrize(
    "call", [lambda a: a.list(nome=1), lambda a: a.count(nome=1), lambda a: a.list(order_by="nome")]
)
async def test_unknown_name_answers_400(authors: Repository[Author], call: Any) -> None:
    with pytest.raises(QueryError, match="Author has no column 'nome'"):
        await call(authors)


async def test_create_gives_the_row_with_its_key(library: Library) -> None:
    visits = Repository(Visit, session=library.session)
    visit = await visits.create({"place": "Rome"}, changes=None)
    assert visit.id is not None
    assert (visit.place, visit.rank) == ("Rome", 7)
    assert await visits.get(visit.id) is visit


async def test_update_changes_the_row_and_reads_what_the_database_computes(library: Library) -> None:
    visits = Repository(Visit, session=library.session)
    visit = await visits.create(place="Rome")
    assert await visits.update(visit, place="Oslo") is visit
    assert (visit.place, visit.changes) == ("Oslo", "changed")
    assert (await visits.update(visit.id, {"place": "Bern"}, rank=1)).rank == 1


async def test_update_of_a_missing_row_answers_404(authors: Repository[Author]) -> None:
    with pytest.raises(NotFound, match="Author not found"):
        await authors.update(9, name="Zoe")


async def test_update_of_a_row_from_elsewhere_changes_the_row_of_the_session(library: Library, url: str) -> None:
    async with open_library("async", url) as elsewhere:
        foreign = await Repository(Author, session=elsewhere.session).get_or_404(1)
    changed = await Repository(Author, session=library.session).update(foreign, name="Anna")
    assert changed is not foreign
    assert changed in library.session
    assert changed.name == "Anna"


async def test_update_of_a_row_that_was_never_saved_is_an_error(authors: Repository[Author]) -> None:
    with pytest.raises(ValueError, match=r"\(not saved\)> was never saved; add it with create\(\)"):
        await authors.update(Author(name="Zoe"), name="Zoe")


async def test_update_keeps_the_primary_key(authors: Repository[Author]) -> None:
    assert (await authors.update(1, {"id": 1, "name": "Anna"})).name == "Anna"
    with pytest.raises(QueryError, match="'id' is the primary key of Author and does not change"):
        await authors.update(2, {"id": 7})


async def test_delete_removes_the_row(library: Library) -> None:
    books, loans = Repository(Book, session=library.session), Repository(Loan, session=library.session)
    await books.delete(1)
    await books.delete(await books.get_or_404(2))
    assert [book.id for book in await books.list(order_by="id")] == [3, 4]
    await loans.create(book_id=1, reader="kim")
    await loans.delete((1, "kim"))
    assert await loans.count() == 0


async def test_delete_of_a_missing_row_answers_404(authors: Repository[Author]) -> None:
    with pytest.raises(NotFound):
        await authors.delete(9)


@pytest.mark.parametrize(
    "name", ["nome", "metadata", "registry", "__class__", "_sa_instance_state", "query", "born_before"]
)
async def test_name_that_is_no_attribute_is_never_set(authors: Repository[Author], name: str) -> None:
    for write in (authors.create({name: 1}), authors.update(1, {name: 1})):
        with pytest.raises(QueryError, match="Author has no column") as caught:
            await write
        assert caught.value.status_code == 400


async def test_name_that_is_not_writable_is_never_set(library: Library) -> None:
    authors = Authors(session=library.session)
    assert (await authors.update(1, name="Anna", born=1816)).born == 1816
    for write in (authors.create(id=9, name="Zoe"), authors.update(1, full_name="Zoe")):
        with pytest.raises(QueryError, match="cannot be set; accepted: born, name"):
            await write


def test_repository_knows_its_model() -> None:
    class Based(Repository[M]):
        pass

    class Books(Based[Book]):
        pass

    class OldBooks(Books):
        pass

    assert Repository(Author).model is Author
    assert (Authors().model, Books().model, OldBooks().model) == (Author, Book, Book)


def test_repository_without_a_model_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"Repository\(\) knows no model; write Repository\(User\)"):
        Repository()
    with pytest.raises(TypeError, match="needs a mapped class"):
        Repository(int)


def test_repository_with_a_session_of_the_wrong_kind_is_an_error() -> None:
    with pytest.raises(TypeError, match="takes an AsyncSession, got Session"):
        Authors(session=Session())  # type: ignore[arg-type]


def test_repository_whose_writable_names_are_a_text_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"write \('name',\)"):
        type("Wrong", (Repository,), {"writable": "name"})


class AuthorData(BaseModel):
    id: int
    name: str


class NewAuthor(BaseModel):
    id: int
    name: str


@path("/authors")
class AuthorsApi(Controller):
    authors = Repository(Author)

    @get("/")
    async def listed(self, req: Request) -> Response[list[AuthorData]]:
        return req.res.json(await self.authors.list(order_by="id"))

    @post("/")
    @db.managed_session
    async def create(self, req: Request, data: NewAuthor, session: Any) -> Response[AuthorData]:
        return req.res.json(await self.authors.create(data.model_dump()))

    @patch("/<int:author_id>")
    @db.transactional
    async def rename(self, req: Request, author_id: int) -> Response[AuthorData]:
        return req.res.json(await self.authors.update(author_id, name="Anna"))

    @delete("/<int:author_id>")
    async def delete_without_session(self, req: Request, author_id: int) -> Response:
        await self.authors.delete(author_id)
        return req.res.no_content()


@pytest.fixture
async def http(make_app: MakeApp, tmp_path: Path) -> AsyncIterator[PateraTestClient]:
    async with library_database("sqlite", tmp_path) as url:
        app = make_app(AuthorsApi, EXTENSIONS=[db], LIBRARY_DATABASE={"DATABASE_URI": url}, MODELS=[Author])
        async with PateraTestClient(app) as client:
            yield client


async def test_repository_reads_without_a_session(http: PateraTestClient) -> None:
    assert [author["id"] for author in (await http.get("/authors/")).json()] == [1, 2, 3]


async def test_repository_writes_in_the_open_session(http: PateraTestClient) -> None:
    assert (await http.post("/authors/", json={"id": 4, "name": "Dora"})).json() == {"id": 4, "name": "Dora"}
    assert (await http.patch("/authors/1")).json() == {"id": 1, "name": "Anna"}
    assert [author["name"] for author in (await http.get("/authors/")).json()] == ["Anna", "Ben", "Cleo", "Dora"]


async def test_repository_writing_without_a_session_is_an_error(http: PateraTestClient) -> None:
    with pytest.raises(RuntimeError, match=r"Repository.delete\(\) needs an open session.*@db.managed_session"):
        await http.delete("/authors/1")
