"""Building queries: each method's rows, names and texts from outside, and queries that never change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import func, select
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.orm import aliased, joinedload, selectinload

from patera.database.sql import AsyncQuery, QueryError, escape_like
from tests.database.library import Author, Base, Book, Library, Loan, Shelf, got, library_database, open_library


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=("sqlite", "postgres"))
async def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with library_database(request.param, tmp_path_factory.mktemp("library")) as url:
        yield url


@pytest.fixture(params=("async", "sync"))
async def library(request: pytest.FixtureRequest, url: str) -> AsyncIterator[Library]:
    async with open_library(request.param, url) as opened:
        yield opened


async def names(query: Any) -> list[str]:
    return [author.name for author in await got(query.all())]


async def test_where_and_filter_keep_rows_for_which_all_conditions_hold(library: Library) -> None:
    authors = library.query(Author)
    assert await names(authors.where(Author.born > 1800, Author.born < 1900)) == ["Ada"]
    assert await names(authors.filter(Author.born > 1800).filter(Author.name == "Ben")) == ["Ben"]


async def test_filter_by_compares_attributes(library: Library) -> None:
    authors = library.query(Author)
    assert await names(authors.filter_by(name="Ben", born=1920)) == ["Ben"]
    assert await names(authors.filter_by(born=None)) == ["Cleo"]


async def test_filter_by_compares_digits_with_numbers(library: Library) -> None:
    authors = library.query(Author)
    assert await names(authors.filter_by(id="2")) == ["Ben"]
    assert await names(authors.filter_by(name="2")) == []


async def test_filter_by_finds_nothing_for_text_that_the_column_cannot_hold(library: Library) -> None:
    authors, shelves = library.query(Author), library.query(Shelf)
    assert await names(authors.filter_by(id="Ben")) == []
    assert await names(authors.filter_by(born="\u0661")) == []
    assert await got(shelves.filter_by(id="Ben").all()) == []


@pytest.mark.parametrize("value", ["1", 1])
async def test_filter_by_of_a_relationship_and_a_value_answers_400(library: Library, value: Any) -> None:
    with pytest.raises(QueryError, match=r"Author\.books cannot be compared with") as caught:
        library.query(Author).filter_by(books=value)
    assert caught.value.status_code == 400


async def test_filter_by_knows_synonyms_hybrids_and_relationships(library: Library) -> None:
    authors = library.query(Author)
    ada = await got(authors.filter_by(full_name="Ada").one())
    assert await names(authors.filter_by(initial="B")) == ["Ben"]
    assert await got(library.query(Book).filter_by(author=ada).count()) == 2


async def test_filter_by_after_a_join_knows_names_of_both_models(library: Library) -> None:
    joined = library.query(Author).join(Book)
    assert await names(joined.filter_by(title="Atlas", name="Ben")) == ["Ben"]
    assert await names(library.query(Author).join(Author.books).filter_by(pages=20)) == ["Ada"]


async def test_filter_by_with_a_name_of_several_joined_models_is_an_error(library: Library) -> None:
    with pytest.raises(ValueError, match=r"Author and Book have it; write where\(Author.id == ...\)"):
        library.query(Author).join(Book).filter_by(id=1)


@pytest.mark.parametrize("name", ["nome", "metadata", "__class__", "query", "born_before", "title", "id; DROP TABLE"])
async def test_filter_by_with_an_unknown_name_answers_400(library: Library, name: str) -> None:
    with pytest.raises(QueryError, match="Author has no column") as caught:
        library.query(Author).filter_by(**{name: 1})
    assert caught.value.status_code == 400


async def test_error_of_an_unknown_name_tells_the_known_ones_to_the_developer_only(library: Library) -> None:
    with pytest.raises(QueryError) as caught:
        library.query(Author).filter_by(nome=1)
    assert "born" not in caught.value.message
    assert caught.value.__notes__ == ["mapped attributes: books, born, full_name, id, name"]


async def test_join_takes_a_model_a_relationship_an_alias_or_a_condition(library: Library) -> None:
    authors, other = library.query(Author), aliased(Book)
    assert await names(authors.join(Book).where(Book.id == 4)) == ["Ben"]
    assert await names(authors.join(Author.books).where(Book.id == 4)) == ["Ben"]
    assert await names(authors.join(Author.books.of_type(other)).filter_by(title="Atlas")) == ["Ben"]
    assert await names(authors.join(Loan, Loan.book_id == Author.id, isouter=True).filter_by(reader=None, id=1)) == [
        "Ada"
    ]


async def test_join_of_a_plain_table_adds_no_names(library: Library) -> None:
    joined = library.query(Author).join(Book.__table__)
    assert await names(joined.filter_by(id=1).where(Book.__table__.c.pages == 20)) == ["Ada"]


async def test_outerjoin_keeps_rows_without_a_match(library: Library) -> None:
    assert await names(library.query(Author).outerjoin(Book).where(Book.id.is_(None))) == ["Cleo"]


async def test_limit_and_offset_cut_the_rows(library: Library) -> None:
    authors = library.query(Author).order_by(Author.id)
    assert await names(authors.limit(1)) == ["Ada"]
    assert await names(authors.limit(1).offset(1)) == ["Ben"]
    assert await names(authors.limit("2").limit(None).offset("2")) == ["Cleo"]


@pytest.mark.parametrize("number", [-1, "-1", "x", "", "1.5", 1.5, None, True, "1_0", "0x1", [1]])
async def test_offset_that_is_no_number_of_rows_answers_400(library: Library, number: Any) -> None:
    with pytest.raises(QueryError, match="offset must be"):
        library.query(Author).offset(number)


async def test_limit_and_offset_beyond_64_bit_are_no_error(library: Library) -> None:
    authors = library.query(Author)
    assert len(await names(authors.limit(10**30))) == 3
    assert await names(authors.limit(10**30).offset("9" * 5000)) == []


async def test_order_by_sorts_by_expressions_and_texts(library: Library) -> None:
    authors = library.query(Author)
    assert await names(authors.order_by(Author.name.desc())) == ["Cleo", "Ben", "Ada"]
    assert await names(authors.order_by("name desc")) == ["Cleo", "Ben", "Ada"]
    assert await names(authors.order_by("name DESC").order_by(None).order_by("id")) == ["Ada", "Ben", "Cleo"]


async def test_order_by_called_twice_sorts_within_the_first_order(library: Library) -> None:
    books = library.query(Book).order_by(Book.title).order_by(Book.id.desc())
    assert [book.id for book in await got(books.all())] == [4, 3, 1, 2]


async def test_order_by_strings_sorts_in_both_directions(library: Library) -> None:
    books = library.query(Book).order_by_strings("title DESC", "id asc")
    assert [book.id for book in await got(books.all())] == [2, 1, 3, 4]


@pytest.mark.parametrize("order", ["name", " name ", "name ASC", "full_name", "initial"])
async def test_order_by_strings_takes_columns_synonyms_and_hybrids(library: Library, order: str) -> None:
    assert await names(library.query(Author).order_by_strings(order)) == ["Ada", "Ben", "Cleo"]


@pytest.mark.parametrize(
    "order",
    [
        *("", "nome", "name DOWN", "name, id", "-name", "name;", "name--", "authors.name", "books", "metadata"),
        *("__class__", "born_before", "name DESC NULLS LAST", "1", "(SELECT 1)", "na\x00me", None, 1),
    ],
)
async def test_order_by_strings_with_anything_else_answers_400(library: Library, order: Any) -> None:
    with pytest.raises(QueryError) as caught:
        library.query(Author).order_by_strings(order)
    assert caught.value.status_code == 400


async def test_order_by_strings_with_allowed_names_takes_no_others(library: Library) -> None:
    authors = library.query(Author)
    assert await names(authors.order_by_strings("name", allowed={"name", "id"})) == ["Ada", "Ben", "Cleo"]
    with pytest.raises(QueryError, match="Author has no column 'born'; accepted: id, name"):
        authors.order_by_strings("born", allowed={"name", "id"})


async def test_like_and_ilike_match_patterns(library: Library) -> None:
    authors = library.query(Author)
    assert await names(authors.like(Author.name, "_en")) == ["Ben"]
    assert await names(authors.ilike("name", "b%")) == ["Ben"]


async def test_like_with_an_escape_character_matches_wildcards_literally(library: Library) -> None:
    await library.add(Author(id=10, name="100%"), Author(id=11, name="1000"))
    assert await names(library.query(Author).like(Author.name, "100!%", "!")) == ["100%"]
    assert await names(library.query(Author).ilike(Author.name, "100!%", escape="!")) == ["100%"]


ODD_NAMES = ["50%_off", "50xyoff", "a/b", "a\\b", "ab", "%", "_", "[a]", "it's"]


@pytest.mark.parametrize("text", ["50%_off", "%", "_", "/", "\\", "a\\b", "[a]", "'"])
async def test_text_methods_take_wildcards_literally(library: Library, text: str) -> None:
    await library.add(*(Author(id=number, name=name) for number, name in enumerate(ODD_NAMES, 20)))
    authors = library.query(Author).order_by(Author.id)
    assert await names(authors.contains(Author.name, text)) == [name for name in ODD_NAMES if text in name]
    assert await names(authors.startswith("name", text)) == [name for name in ODD_NAMES if name.startswith(text)]
    assert await names(authors.endswith("name", text)) == [name for name in ODD_NAMES if name.endswith(text)]


async def test_text_methods_can_ignore_case(library: Library) -> None:
    assert await names(library.query(Author).contains(Author.name, "LE", ignore_case=True)) == ["Cleo"]


@pytest.mark.parametrize("escape", ["/", "\\", "!", "^", "]"])
async def test_escape_like_makes_a_pattern_of_just_this_text(library: Library, escape: str) -> None:
    await library.add(*(Author(id=number, name=name) for number, name in enumerate([*ODD_NAMES, f"x{escape}y"], 20)))
    for text in [*ODD_NAMES, f"x{escape}y"]:
        found = library.query(Author).like(Author.name, escape_like(text, escape), escape)
        assert await names(found) == [text]


@pytest.mark.parametrize("escape", ["", "ab", "%", "_"])
def test_escape_like_with_an_unusable_character_is_an_error(escape: str) -> None:
    with pytest.raises(ValueError, match="one character is needed"):
        escape_like("x", escape)


@pytest.mark.parametrize("flavour", ["async", "sync"])
async def test_mariadb_takes_wildcards_literally_too(tmp_path: Path, flavour: str) -> None:
    async with library_database("mariadb", tmp_path) as url, open_library(flavour, url) as library:
        await library.add(*(Author(id=number, name=name) for number, name in enumerate(ODD_NAMES, 20)))
        authors = library.query(Author).order_by(Author.id)
        for text in ("%", "_", "\\", "/", "'"):
            assert await names(authors.contains(Author.name, text)) == [name for name in ODD_NAMES if text in name]
        assert await names(authors.like("name", escape_like("a\\b", "\\"), "\\")) == ["a\\b"]


async def test_options_load_relationships(library: Library) -> None:
    author = await got(library.query(Author).options(selectinload(Author.books)).filter_by(id=1).one())
    assert [book.title for book in author.books] == ["Notes", "Sketch"]


async def test_execution_options_reach_the_execution(library: Library) -> None:
    author = await got(library.query(Author).get(1))
    author.name = "Changed"
    await got(library.query(Author).execution_options(populate_existing=True).get(1))
    assert author.name == "Ada"


def test_with_for_update_locks_in_the_words_of_the_database() -> None:
    dialects: dict[str, Any] = {"postgres": postgresql.dialect, "mariadb": mysql.dialect}
    skipping = AsyncQuery(Author).with_for_update(skip_locked=True).statement
    for dialect in dialects.values():
        assert str(skipping.compile(dialect=dialect())).endswith("FOR UPDATE SKIP LOCKED")
    waiting = AsyncQuery(Author).join(Book).with_for_update(nowait=True, read=True, of=Author).statement
    assert str(waiting.compile(dialect=dialects["postgres"]())).endswith("FOR SHARE OF authors NOWAIT")


async def test_with_for_update_gives_the_row(library: Library) -> None:
    assert (await got(library.query(Author).filter_by(id=1).with_for_update().one())).name == "Ada"


async def test_group_by_and_having_keep_groups(library: Library) -> None:
    query = library.query(Author).join(Book).group_by(Author.id).having(func.sum(Book.pages) > 200)
    assert await names(query) == ["Ben"]


async def test_transform_changes_the_statement_itself(library: Library) -> None:
    query = library.query(Author).transform(
        lambda statement: statement.join_from(Author, Book).where(Book.pages == 300)
    )
    assert await names(query) == ["Ben"]


async def test_statement_can_be_used_elsewhere(library: Library) -> None:
    old = library.query(Author).where(Author.born < 1900)
    subquery = old.statement.with_only_columns(Author.id)
    assert await got(library.query(Book).where(Book.author_id.in_(subquery)).count()) == 2


STEPS: list[Any] = [
    lambda query: query.where(Author.id == 1),
    lambda query: query.filter(Author.id == 1),
    lambda query: query.filter_by(id=1),
    lambda query: query.join(Book),
    lambda query: query.outerjoin(Book),
    lambda query: query.limit(1),
    lambda query: query.offset(1),
    lambda query: query.order_by(Author.name.desc()),
    lambda query: query.order_by_strings("name DESC"),
    lambda query: query.like(Author.name, "A%"),
    lambda query: query.ilike(Author.name, "A%"),
    lambda query: query.contains(Author.name, "A"),
    lambda query: query.startswith(Author.name, "A"),
    lambda query: query.endswith(Author.name, "a"),
    lambda query: query.distinct(),
    lambda query: query.group_by(Author.id),
    lambda query: query.having(Author.id == 1),
    lambda query: query.options(joinedload(Author.books)),
    lambda query: query.execution_options(populate_existing=True),
    lambda query: query.with_for_update(),
    lambda query: query.transform(lambda statement: statement.where(Author.id == 1)),
]


@pytest.mark.parametrize("step", STEPS)
def test_every_step_leaves_the_query_it_starts_from_as_it_was(step: Any) -> None:
    query = AsyncQuery(Author)
    before = dict(vars(query))
    built = step(query)
    assert built is not query
    assert vars(query) == before
    assert type(built) is AsyncQuery


async def test_query_that_was_built_upon_can_be_used_again(library: Library) -> None:
    authors = library.query(Author).order_by(Author.id)
    narrow = authors.filter_by(name="Ada")
    assert await names(narrow) == ["Ada"]
    assert await names(authors) == ["Ada", "Ben", "Cleo"]
    assert await got(authors.first()) is await got(authors.first())


def test_query_shows_its_sql_and_its_model() -> None:
    query = AsyncQuery(Author).filter_by(id=1)
    assert str(query) == str(select(Author).where(Author.id == 1))
    assert repr(query) == "<AsyncQuery of Author>"


@pytest.mark.parametrize("model", [Author(), "Author", int, Base, Author.__table__, None])
def test_query_of_something_that_is_no_model_is_an_error(model: Any) -> None:
    with pytest.raises(TypeError, match="a query needs a mapped class"):
        AsyncQuery(model)


async def test_query_of_an_alias_reads_the_model(library: Library) -> None:
    other = aliased(Author)
    query = type(library.query(Author))(other, library.session)
    assert await names(query.where(other.born > 1900)) == ["Ben"]
    assert (await got(query.get(1))).name == "Ada"
