"""Running queries: the same for both kinds of query, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from sqlalchemy import func
from sqlalchemy.exc import MultipleResultsFound, NoResultFound
from sqlalchemy.orm import joinedload, selectinload

from patera.database.sql import AsyncQuery, Query
from patera.exceptions import NotFound
from tests.database.library import Author, Book, Library, Loan, Shelf, collected, got, library_database, open_library


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=("sqlite", "postgres"))
async def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with library_database(request.param, tmp_path_factory.mktemp("library")) as url:
        yield url


@pytest.fixture(params=("async", "sync"))
async def library(request: pytest.FixtureRequest, url: str) -> AsyncIterator[Library]:
    async with open_library(request.param, url) as opened:
        yield opened


async def test_all_gives_every_row(library: Library) -> None:
    authors = await got(library.query(Author).order_by(Author.id).all())
    assert [author.name for author in authors] == ["Ada", "Ben", "Cleo"]


async def test_all_without_a_match_gives_an_empty_list(library: Library) -> None:
    assert await got(library.query(Author).filter_by(name="Zoe").all()) == []


async def test_all_after_a_join_gives_one_row_per_match(library: Library) -> None:
    query = library.query(Author).join(Book).order_by(Book.id)
    assert [author.name for author in await got(query.all())] == ["Ada", "Ada", "Ben", "Ben"]


async def test_all_after_a_join_with_distinct_gives_each_row_once(library: Library) -> None:
    query = library.query(Author).join(Book).distinct().order_by(Author.id)
    assert [author.name for author in await got(query.all())] == ["Ada", "Ben"]


async def test_all_with_an_eagerly_joined_collection_gives_each_row_once(library: Library) -> None:
    authors = await got(library.query(Author).options(joinedload(Author.books)).order_by(Author.id).all())
    assert [[book.title for book in author.books] for author in authors] == [
        ["Notes", "Sketch"],
        ["Notes", "Atlas"],
        [],
    ]


async def test_all_with_an_eagerly_joined_collection_beside_a_join_gives_each_row_once(library: Library) -> None:
    query = library.query(Author).join(Book).options(joinedload(Author.books)).order_by(Author.id)
    assert [author.name for author in await got(query.all())] == ["Ada", "Ben"]


async def test_first_gives_the_first_row_of_the_order(library: Library) -> None:
    author = await got(library.query(Author).order_by(Author.name.desc()).first())
    assert author.name == "Cleo"


async def test_first_sends_limit_1(library: Library) -> None:
    await got(library.query(Author).first())
    assert "LIMIT" in library.statements[-1]


async def test_first_without_a_match_is_none(library: Library) -> None:
    assert await got(library.query(Author).filter_by(id=9).first()) is None


async def test_first_of_no_rows_by_limit_is_none(library: Library) -> None:
    assert await got(library.query(Author).limit(0).first()) is None


async def test_first_with_an_eagerly_joined_collection_has_all_of_it(library: Library) -> None:
    author = await got(library.query(Author).options(joinedload(Author.books)).order_by(Author.id).first())
    assert [book.title for book in author.books] == ["Notes", "Sketch"]


async def test_one_gives_the_only_row(library: Library) -> None:
    assert (await got(library.query(Author).filter_by(name="Ben").one())).id == 2


async def test_one_without_a_match_is_an_error(library: Library) -> None:
    with pytest.raises(NoResultFound, match=r"one\(\): no Author matches"):
        await got(library.query(Author).filter_by(id=9).one())


async def test_one_of_several_is_an_error(library: Library) -> None:
    with pytest.raises(MultipleResultsFound, match="several Author rows"):
        await got(library.query(Author).one())


async def test_one_reads_two_rows_at_most(library: Library) -> None:
    with pytest.raises(MultipleResultsFound):
        await got(library.query(Author).one())
    assert "LIMIT" in library.statements[-1]


async def test_one_or_none_gives_the_only_row_or_none(library: Library) -> None:
    assert (await got(library.query(Author).filter_by(id=3).one_or_none())).name == "Cleo"
    assert await got(library.query(Author).filter_by(id=9).one_or_none()) is None


async def test_one_or_none_of_several_is_an_error(library: Library) -> None:
    with pytest.raises(MultipleResultsFound):
        await got(library.query(Author).one_or_none())


async def test_get_gives_the_row_of_the_key(library: Library) -> None:
    assert (await got(library.query(Author).get(2))).name == "Ben"
    assert await got(library.query(Author).get(9)) is None


async def test_get_holds_to_the_conditions_of_the_query(library: Library) -> None:
    assert await got(library.query(Author).where(Author.born > 1900).get(1)) is None


@pytest.mark.parametrize("key", [(7, "kim"), [7, "kim"], {"book_id": 7, "reader": "kim"}])
async def test_get_with_a_key_of_several_columns_gives_its_row(library: Library, key: object) -> None:
    await library.add(Loan(book_id=7, reader="kim"), Loan(book_id=7, reader="lou"))
    assert (await got(library.query(Loan).get(key))).reader == "kim"


async def test_get_with_a_key_as_text_reads_it(library: Library) -> None:
    assert (await got(library.query(Author).get("2"))).name == "Ben"
    assert await got(library.query(Author).get("x")) is None
    number = uuid4()
    await library.add(Shelf(id=number))
    assert (await got(library.query(Shelf).get(str(number)))).id == number
    assert await got(library.query(Shelf).get("x")) is None


@pytest.mark.parametrize("key", [7, (7,), (7, "kim", 1), {"book_id": 7}, {"book": 7, "reader": "kim"}])
async def test_get_with_another_number_of_columns_is_an_error(library: Library, key: object) -> None:
    with pytest.raises(ValueError, match="primary key of Loan is a tuple of book_id, reader, or a dict of them"):
        await got(library.query(Loan).get(key))


async def test_or_404_methods_give_the_row(library: Library) -> None:
    query = library.query(Author).filter_by(name="Ada")
    assert (await got(query.first_or_404())).id == 1
    assert (await got(query.one_or_404())).id == 1
    assert (await got(query.get_or_404(1))).id == 1


async def test_or_404_methods_without_a_row_answer_404(library: Library) -> None:
    query = library.query(Author).filter_by(name="Zoe")
    for result in (query.first_or_404, query.one_or_404, lambda: query.get_or_404(9)):
        with pytest.raises(NotFound, match="Author not found") as caught:
            await got(result())
        assert caught.value.status_code == 404


async def test_or_404_methods_with_a_description_answer_with_it(library: Library) -> None:
    with pytest.raises(NotFound, match="Nobody has the number 9"):
        await got(library.query(Author).get_or_404(9, "Nobody has the number 9"))


async def test_one_or_404_of_several_answers_404(library: Library) -> None:
    with pytest.raises(NotFound):
        await got(library.query(Author).one_or_404())


async def test_exists_tells_whether_a_row_matches(library: Library) -> None:
    assert await got(library.query(Author).filter_by(name="Ada").exists()) is True
    assert await got(library.query(Author).filter_by(name="Zoe").exists()) is False


async def test_exists_reads_no_rows(library: Library) -> None:
    await got(library.query(Author).order_by(Author.name).exists())
    assert library.statements[-1].startswith("SELECT EXISTS")


async def test_count_gives_the_number_of_rows(library: Library) -> None:
    assert await got(library.query(Author).count()) == 3
    assert await got(library.query(Author).where(Author.born.is_not(None)).order_by(Author.name).count()) == 2


async def test_count_agrees_with_all(library: Library) -> None:
    authors = library.query(Author)
    queries = [
        authors.join(Book),
        authors.outerjoin(Book),
        authors.join(Book).distinct(),
        authors.limit(2),
        authors.order_by(Author.id).offset(1),
        authors.join(Book).limit(3),
        authors.options(joinedload(Author.books)),
        authors.join(Book).group_by(Author.id).having(func.sum(Book.pages) > 200),
    ]
    counts = [await got(query.count()) for query in queries]
    assert counts == [len(await got(query.all())) for query in queries] == [4, 5, 2, 2, 2, 3, 3, 1]


async def test_scalars_gives_the_values_of_a_column(library: Library) -> None:
    assert await got(library.query(Author).order_by(Author.id).scalars(Author.name)) == ["Ada", "Ben", "Cleo"]
    assert await got(library.query(Author).where(Author.id < 3).scalars(func.max(Author.born))) == [1920]


async def test_scalars_of_an_expression_reads_the_rows_of_the_model(library: Library) -> None:
    assert await got(library.query(Author).filter_by(name="Ada").scalars(func.count())) == [1]


async def test_scalars_of_a_joined_model_gives_its_values(library: Library) -> None:
    query = library.query(Author).join(Book).where(Author.name == "Ben").order_by(Book.title)
    assert await got(query.scalars(Book.title)) == ["Atlas", "Notes"]


async def test_stream_yields_every_row(library: Library) -> None:
    rows = library.query(Author).order_by(Author.id).stream(batch=2)
    assert [author.name for author in await collected(rows)] == ["Ada", "Ben", "Cleo"]


async def test_stream_loads_what_options_ask_for(library: Library) -> None:
    rows = library.query(Author).options(selectinload(Author.books)).order_by(Author.id).stream(batch=2)
    assert [len(author.books) for author in await collected(rows)] == [2, 2, 0]


async def test_delete_removes_matching_rows_and_returns_their_number(library: Library) -> None:
    assert await got(library.query(Book).where(Book.pages > 50).delete()) == 3
    assert await got(library.query(Book).scalars(Book.title)) == ["Sketch"]


async def test_delete_without_conditions_empties_the_table(library: Library) -> None:
    assert await got(library.query(Book).order_by(Book.id).delete()) == 4
    assert await got(library.query(Book).count()) == 0


async def test_update_changes_matching_rows_and_returns_their_number(library: Library) -> None:
    assert await got(library.query(Book).filter_by(title="Notes").update({"pages": 7})) == 2
    assert await got(library.query(Book).filter_by(pages=7).update(title="Short", pages=8)) == 2
    assert await got(library.query(Book).filter_by(title="Short").scalars(Book.pages)) == [8, 8]


async def test_update_takes_expressions(library: Library) -> None:
    await got(library.query(Book).filter_by(id=2).update({Book.pages: Book.pages + 1}))
    assert await got(library.query(Book).filter_by(id=2).scalars(Book.pages)) == [21]


async def test_update_reaches_rows_that_are_loaded_already(library: Library) -> None:
    book = await got(library.query(Book).get(2))
    await got(library.query(Book).filter_by(id=2).update(title="Changed"))
    assert book.title == "Changed"


async def test_update_without_values_is_an_error(library: Library) -> None:
    with pytest.raises(ValueError, match=r"update\(\) got no values"):
        await got(library.query(Book).update({}))


async def test_change_of_a_query_with_more_than_conditions_is_an_error(library: Library) -> None:
    books = library.query(Book)
    for query in (books.limit(1), books.offset(1), books.join(Author), books.distinct(), books.group_by(Book.id)):
        with pytest.raises(ValueError, match="conditions alone"):
            await got(query.delete())
    for query in (books.having(Book.id > 1), books.options(selectinload(Book.author)), books.transform(lambda s: s)):
        with pytest.raises(ValueError, match=r"put them into a condition: .where\(Book.id.in_"):
            await got(query.update(pages=1))
    assert await got(books.count()) == 4


async def test_query_that_fails_leaves_the_rows_of_its_session(library: Library) -> None:
    await library.add(Author(id=9, name="Zoe"))
    with pytest.raises(NoResultFound):
        await got(library.query(Author).filter_by(id=99).one())
    assert (await got(library.query(Author).get(9))).name == "Zoe"


async def test_kind_of_query_follows_the_kind_of_session(library: Library) -> None:
    flavour = AsyncQuery if hasattr(library.session, "sync_session") else Query
    assert type(library.query(Author).where(Author.id > 0)) is flavour


@pytest.mark.parametrize("flavour", ["async", "sync"])
async def test_mariadb_runs_queries_too(tmp_path: Path, flavour: str) -> None:
    async with library_database("mariadb", tmp_path) as url, open_library(flavour, url) as library:
        authors, books = library.query(Author), library.query(Book)
        assert [author.id for author in await got(authors.order_by("name DESC").all())] == [3, 2, 1]
        assert (await got(authors.join(Book).filter_by(title="Atlas").one())).name == "Ben"
        assert await got(authors.join(Book).distinct().count()) == 2
        assert await got(authors.filter_by(name="Ada").exists()) is True
        assert (await got(authors.get_or_404(3))).name == "Cleo"
        assert await got(books.filter_by(title="Notes").update(pages=1)) == 2
        assert await got(books.where(Book.pages == 1).delete()) == 2
        assert len(await collected(books.stream())) == 2
        assert (await got(authors.order_by(Author.id).paginate(2, 2))).items[0].name == "Cleo"
