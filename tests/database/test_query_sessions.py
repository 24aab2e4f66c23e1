"""Which session a query uses in an application: the open one, one for the moment, or none."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from patera import Patera, Request, Response
from patera.cli import CLIController, command
from patera.controller import Controller, delete, get, patch, path, post
from patera.database.sql import AsyncQuery, AsyncSession, Query, Session, SqlDatabase
from patera.testing import PateraTestClient
from tests.database.library import Author, Book, collected, library_database
from tests.databases import own_database

MakeApp = Callable[..., Patera]

db = SqlDatabase("library", "LIBRARY_DATABASE")


class AuthorData(BaseModel):
    id: int
    name: str


@path("/authors")
class Authors(Controller):
    @get("/")
    async def without_session(self, req: Request) -> Response[list[AuthorData]]:
        return req.res.json(await Author.query().order_by(Author.id).all())

    @get("/<int:author_id>")
    @db.readonly_session
    async def get_or_404(self, req: Request, author_id: int, session: AsyncSession) -> Response[AuthorData]:
        return req.res.json(await Author.query(session).get_or_404(author_id))

    @get("/sorted")
    async def sorted(self, req: Request) -> Response[list[AuthorData]]:
        return req.res.json(await Author.query().order_by_strings(req.query_params["by"]).all())

    @get("/page")
    async def page(self, req: Request) -> Response:
        page = await Author.query().paginate(req.query_params.get("page", 1), req.query_params.get("per_page", 10))
        return req.res.json(page.map(lambda author: author.name))

    @get("/<int:author_id>/books")
    @db.readonly_session
    async def lazily_loaded(self, req: Request, author_id: int, session: AsyncSession) -> Response[list[str]]:
        author = await Author.query(session).get_or_404(author_id)
        return req.res.json([book.title for book in await author.awaitable_attrs.books])

    @get("/<int:author_id>/late")
    @db.readonly_session
    async def read_late(self, req: Request, author_id: int, session: AsyncSession) -> Response[list[str]]:
        author = await Author.query(session).get_or_404(author_id)
        return req.res.json([book.title for book in author.books])

    @post("/")
    @db.managed_session
    async def add_and_count(self, req: Request, session: AsyncSession) -> Response[int]:
        session.add(Author(id=4, name="Dora"))
        await session.flush()
        return req.res.json(await Author.query().count())

    @patch("/")
    @db.managed_session
    async def rename(self, req: Request, session: AsyncSession) -> Response[int]:
        return req.res.json(await Author.query().filter_by(id=1).update(name="Anna"))

    @delete("/")
    async def delete_without_session(self, req: Request) -> Response[int]:
        return req.res.json(await Book.query().delete())

    @get("/stream")
    async def stream_without_session(self, req: Request) -> Response[int]:
        return req.res.json(len(await collected(Book.query().stream())))

    @get("/tasks")
    @db.managed_session
    async def in_tasks(self, req: Request, session: AsyncSession) -> Response[list[int]]:
        session.add(Author(id=4, name="Dora"))
        await session.flush()
        return req.res.json(await asyncio.gather(*(Author.query().count() for _ in range(3))))

    @get("/configs")
    async def configs(self, req: Request) -> Response:
        return req.res.text(Author.db_configs_name())


@path("/plain")
class PlainAuthors(Controller):
    """`def` handlers, whose queries need no `await`."""

    @get("/<int:author_id>")
    @db.readonly_session
    def with_session(self, req: Request, author_id: int, session: Session) -> Response[AuthorData]:
        return req.res.json(Author.query(session).get_or_404(author_id))

    @get("/open")
    @db.readonly_session
    def with_open_session(self, req: Request, session: Session) -> Response[list[str]]:
        query: Any = Author.query()
        return req.res.json([type(query).__name__, query.first().name])

    @get("/short")
    def without_session(self, req: Request) -> Response[list[str]]:
        query: Any = Author.query()
        return req.res.json([type(query).__name__, *(author.name for author in query.order_by("id").all())])

    @post("/")
    @db.managed_session
    def change(self, req: Request, session: Session) -> Response[int]:
        query: Any = Author.query()
        return req.res.json(query.filter_by(id=1).update(name="Anna"))

    @delete("/")
    def delete_without_session(self, req: Request) -> Response[int]:
        query: Any = Book.query()
        return req.res.json(query.delete())


class Commands(CLIController):
    @command("authors")
    async def authors(self) -> list[str]:
        return [author.name for author in await Author.query().order_by("id").all()]

    @command("plain-authors")
    def plain_authors(self) -> list[str]:
        query: Any = Author.query()
        return [author.name for author in query.order_by("id").all()]


@pytest.fixture
async def http(request: pytest.FixtureRequest, make_app: MakeApp, tmp_path: Path) -> AsyncIterator[PateraTestClient]:
    async with library_database(getattr(request, "param", "sqlite"), tmp_path) as url:
        app = make_app(Authors, PlainAuthors, EXTENSIONS=[db], LIBRARY_DATABASE={"DATABASE_URI": url}, MODELS=[Author])
        async with PateraTestClient(app) as client:
            yield client
            assert {engine.pool.checkedout() for engine in engines_of(app)} == {0}


def engines_of(app: Patera) -> list[Any]:
    return [app.extension_states[db].async_engine, app.extension_states[db].sync_engine]


async def test_query_without_a_session_opens_one_for_the_moment(http: PateraTestClient) -> None:
    assert [author["name"] for author in (await http.get("/authors/")).json()] == ["Ada", "Ben", "Cleo"]


async def test_query_without_a_session_uses_the_open_one(http: PateraTestClient) -> None:
    assert (await http.post("/authors/")).json() == 4


async def test_query_without_a_session_in_other_tasks_has_sessions_of_its_own(http: PateraTestClient) -> None:
    assert (await http.get("/authors/tasks")).json() == [3, 3, 3]


async def test_update_without_a_session_uses_the_open_one(http: PateraTestClient) -> None:
    assert (await http.patch("/authors/")).json() == 1
    assert (await http.get("/authors/1")).json() == {"id": 1, "name": "Anna"}


@pytest.mark.parametrize(
    ("method", "url"), [("DELETE", "/authors/"), ("GET", "/authors/stream"), ("DELETE", "/plain/")]
)
async def test_change_or_stream_without_an_open_session_is_an_error(
    http: PateraTestClient, method: str, url: str
) -> None:
    with pytest.raises(RuntimeError, match=r"Book.query\(\).\w+\(\) needs an open session.*@db.managed_session"):
        await http.request(method, url)


# SQLAlchemy drops what it cannot await.
@pytest.mark.filterwarnings("ignore:coroutine 'Connection.cursor' was never awaited")
async def test_relationship_read_without_await_says_what_to_write(http: PateraTestClient) -> None:
    with pytest.raises(SQLAlchemyError) as caught:
        await http.get("/authors/1/late")
    (note,) = caught.value.__notes__
    assert "selectinload(...)" in note
    assert "await row.awaitable_attrs.name" in note
    del caught
    gc.collect()


async def test_missing_row_answers_404_with_its_message(http: PateraTestClient) -> None:
    answer = await http.get("/authors/9")
    assert (answer.status_code, answer.json()) == (404, {"status": "error", "message": "Author not found"})


@pytest.mark.parametrize("http", ["sqlite", "postgres"], indirect=True)
@pytest.mark.parametrize("number", [2**63, 10**30])
@pytest.mark.parametrize("url", ["/authors/{}", "/plain/{}"])
async def test_key_beyond_64_bit_answers_400(http: PateraTestClient, url: str, number: int) -> None:
    assert (await http.get(url.format(number))).status_code == 400


async def test_unknown_column_of_a_request_answers_400(http: PateraTestClient) -> None:
    answer = await http.get("/authors/sorted?by=password")
    assert answer.status_code == 400
    assert answer.json()["message"] == "Author has no column 'password'"
    assert (await http.get("/authors/sorted?by=name DESC")).json()[0]["name"] == "Cleo"


@pytest.mark.parametrize(
    ("query", "status"),
    [("page=0", 200), ("page=-1", 200), ("page=1000000000", 200), ("per_page=1000000", 200), ("page=x", 400)],
)
async def test_page_of_a_request_answers(http: PateraTestClient, query: str, status: int) -> None:
    assert (await http.get(f"/authors/page?{query}")).status_code == status


async def test_relationship_is_loaded_by_awaitable_attrs(http: PateraTestClient) -> None:
    assert (await http.get("/authors/1/books")).json() == ["Notes", "Sketch"]


async def test_model_knows_the_configuration_of_its_database(http: PateraTestClient) -> None:
    assert (await http.get("/authors/configs")).text == "LIBRARY_DATABASE"


async def test_plain_handler_queries_without_await(http: PateraTestClient) -> None:
    assert (await http.get("/plain/2")).json() == {"id": 2, "name": "Ben"}
    assert (await http.get("/plain/9")).status_code == 404


async def test_plain_handler_without_passing_its_session_queries_in_it(http: PateraTestClient) -> None:
    assert (await http.get("/plain/open")).json() == ["Query", "Ada"]
    assert (await http.post("/plain/")).json() == 1
    assert (await http.get("/plain/1")).json()["name"] == "Anna"


async def test_plain_handler_without_a_session_opens_one_for_the_moment(http: PateraTestClient) -> None:
    assert (await http.get("/plain/short")).json() == ["Query", "Ada", "Ben", "Cleo"]


async def test_command_of_either_kind_queries_without_a_session(make_app: MakeApp, tmp_path: Path) -> None:
    async with library_database("sqlite", tmp_path) as url:
        app = make_app(EXTENSIONS=[db], LIBRARY_DATABASE={"DATABASE_URI": url}, CLI_CONTROLLERS=[Commands])
        for name in ("authors", "plain-authors"):
            assert await asyncio.to_thread(app.run_cli, name) == ["Ada", "Ben", "Cleo"]
        await app.aclose()


async def test_query_without_a_session_outside_of_an_application_is_an_error() -> None:
    with pytest.raises(LookupError, match="The database 'library' is asked for by code that runs for no application"):
        await Author.query().all()
    with pytest.raises(LookupError, match="or pass a session"):
        Query(Author).all()


def test_query_outside_of_an_application_can_be_prepared() -> None:
    assert type(Author.query().filter_by(id=1)) is AsyncQuery


@path("/lost")
class Lost(Controller):
    @get("/")
    async def authors(self, req: Request) -> Response[int]:
        return req.res.json(await Author.query().count())


async def test_query_of_a_database_that_the_application_lacks_is_an_error(make_app: MakeApp, tmp_path: Path) -> None:
    uri = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    app = make_app(Lost, EXTENSIONS=[SqlDatabase("libary")], SQL_DATABASE={"DATABASE_URI": uri})
    async with PateraTestClient(app) as http:
        with pytest.raises(LookupError, match=r"has no database 'library'.*Did you mean 'libary'\?"):
            await http.get("/lost/")


class PlainBase(DeclarativeBase):
    pass


class Coin(PlainBase):
    __tablename__ = "coins"

    id: Mapped[int] = mapped_column(primary_key=True)


async def test_model_of_plain_sqlalchemy_can_be_queried_with_a_session(tmp_path: Path) -> None:
    async with own_database("sqlite", tmp_path) as url:
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            await connection.run_sync(PlainBase.metadata.create_all)
        async with AsyncSession(engine) as session:
            session.add(Coin(id=1))
            await session.flush()
            assert await AsyncQuery(Coin, session).count() == 1
        await engine.dispose()


async def test_model_of_plain_sqlalchemy_without_a_session_is_an_error() -> None:
    with pytest.raises(TypeError, match="Coin names no database, so its queries need a session"):
        await AsyncQuery(Coin).all()
    with pytest.raises(TypeError, match="create_declarative_base"):
        Query(Coin).delete()
