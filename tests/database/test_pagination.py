"""Pages of a result: numbers from outside, the dict that is documented, and its attributes."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from pydantic import BaseModel
from sqlalchemy.orm import joinedload

from patera import Patera, Request, Response
from patera.controller import Controller, get, path
from patera.database.sql import Page, QueryError
from patera.exceptions import NotFound
from patera.testing import PateraTestClient
from tests.database.library import Author, Book, Library, got, library_database, open_library


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=("sqlite", "postgres"))
async def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with library_database(request.param, tmp_path_factory.mktemp("library")) as url:
        yield url


@pytest.fixture(params=("async", "sync"))
async def library(request: pytest.FixtureRequest, url: str) -> AsyncIterator[Library]:
    async with open_library(request.param, url) as opened:
        await opened.add(*(Book(id=number, title=f"Book {number}", author_id=1) for number in range(5, 24)))
        yield opened


async def test_page_has_the_documented_keys(library: Library) -> None:
    page = await got(library.query(Book).order_by(Book.id).paginate(2, 10))
    ids = [book.id for book in page.pop("items")]
    assert ids == list(range(11, 21))
    assert page == {"total": 23, "page": 2, "pages": 3, "per_page": 10, "has_next": True, "has_prev": True}


async def test_page_without_numbers_is_the_first_of_ten_rows(library: Library) -> None:
    page = await got(library.query(Book).paginate())
    assert (page.page, page.per_page, len(page.items), page.has_prev, page.has_next) == (1, 10, 10, False, True)


async def test_pages_together_have_every_row_once(library: Library) -> None:
    query = library.query(Book).order_by(Book.pages, Book.title)
    ids = [book.id for number in range(1, 9) for book in (await got(query.paginate(number, 3))).items]
    assert len(ids) == 23
    assert set(ids) == set(range(1, 24))


async def test_page_of_an_unsorted_query_is_sorted_by_the_key(library: Library) -> None:
    page = await got(library.query(Book).paginate(1, 100))
    assert [book.id for book in page.items] == list(range(1, 24))


@pytest.mark.parametrize("number", [0, -1, "0", "-7", -(10**30)])
async def test_page_below_1_is_the_first(library: Library, number: Any) -> None:
    page = await got(library.query(Book).paginate(number, 10))
    assert (page.page, len(page.items)) == (1, 10)


@pytest.mark.parametrize("number", [0, -1, "0", -(10**30)])
async def test_per_page_below_1_is_1(library: Library, number: Any) -> None:
    page = await got(library.query(Book).paginate(1, number))
    assert (page.per_page, page.pages, len(page.items)) == (1, 23, 1)


@pytest.mark.parametrize("number", [4, 10**9, 2**63, 10**30, "9" * 5000])
async def test_page_behind_the_last_is_empty(library: Library, number: Any) -> None:
    page = await got(library.query(Book).paginate(number, 10))
    assert (page.items, page.total, page.pages, page.has_next, page.has_prev) == ([], 23, 3, False, True)


async def test_page_behind_the_last_reads_no_rows(library: Library) -> None:
    await got(library.query(Book).paginate(10**9, 10))
    assert "OFFSET" not in library.statements[-1]


@pytest.mark.parametrize("number", [10**6, 10**30, "9" * 5000])
async def test_per_page_is_bounded(library: Library, number: Any) -> None:
    page = await got(library.query(Book).paginate(1, number))
    assert (page.per_page, len(page.items)) == (1000, 23)
    assert (await got(library.query(Book).paginate(1, number, max_per_page=5))).per_page == 5


@pytest.mark.parametrize("number", [10**6, 2**63 - 1, 10**30])
async def test_per_page_without_a_bound_is_what_was_asked_for(library: Library, number: int) -> None:
    page = await got(library.query(Book).paginate(1, number, max_per_page=None))
    assert (page.per_page, len(page.items)) == (min(number, 2**63 - 1), 23)


async def test_numbers_as_text_are_understood(library: Library) -> None:
    page = await got(library.query(Book).paginate("2", " 20 "))
    assert (page.page, page.per_page, len(page.items)) == (2, 20, 3)


@pytest.mark.parametrize(
    "number", ["x", "", "1.5", "1e3", "0x1", "1_0", "²", 1.0, True, None, [1], "1; DROP TABLE books"]
)
async def test_number_that_is_none_answers_400(library: Library, number: Any) -> None:
    for numbers in ((number, 10), (1, number)):
        with pytest.raises(QueryError, match="must be a whole number") as caught:
            await got(library.query(Book).paginate(*numbers))
        assert caught.value.status_code == 400


async def test_page_with_error_out_is_a_404_behind_the_last(library: Library) -> None:
    with pytest.raises(NotFound, match="There is no page 4"):
        await got(library.query(Book).paginate(4, 10, error_out=True))
    empty = await got(library.query(Book).filter_by(id=0).paginate(1, 10, error_out=True))
    assert (empty.items, empty.pages) == ([], 0)


async def test_page_of_a_query_with_limit_and_offset_stays_within_them(library: Library) -> None:
    query = library.query(Book).order_by(Book.id).offset(10).limit(5)
    pages = [await got(query.paginate(number, 3)) for number in (1, 2, 3)]
    assert [[book.id for book in page.items] for page in pages] == [[11, 12, 13], [14, 15], []]
    assert {(page.total, page.pages) for page in pages} == {(5, 2)}


async def test_page_of_a_join_counts_what_it_shows(library: Library) -> None:
    joined = library.query(Author).join(Book)
    assert (await got(joined.paginate(1, 10))).total == 23
    page = await got(joined.distinct().paginate(1, 10))
    assert (page.total, [author.name for author in page.items]) == (2, ["Ada", "Ben"])


async def test_page_with_an_eagerly_joined_collection_counts_its_rows(library: Library) -> None:
    page = await got(library.query(Author).options(joinedload(Author.books)).order_by(Author.id).paginate(1, 2))
    assert (page.total, [len(author.books) for author in page.items]) == (3, [21, 2])


async def test_mariadb_pages_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with library_database("mariadb", tmp_path_factory.mktemp("library")) as url:
        for flavour in ("async", "sync"):
            async with open_library(flavour, url) as library:
                page = await got(library.query(Book).join(Author).order_by(Book.title).paginate("2", 3))
                assert ([book.title for book in page.items], page.total) == (["Sketch"], 4)
                assert (await got(library.query(Book).paginate(10**30, 10**30, max_per_page=None))).items == []


class BookData(BaseModel):
    id: int
    title: str


class BookPage(BaseModel):
    items: list[BookData]
    total: int
    has_next: bool


PAGE = Page([Book(id=3, title="Notes", author_id=1)], total=21, page=2, per_page=10)


@path("/books")
class Books(Controller):
    @get("/")
    async def shaped(self, req: Request) -> Response[BookPage]:
        return req.res.json(PAGE)

    @get("/plain")
    async def plain(self, req: Request) -> Response:
        return req.res.json(PAGE.map(lambda book: book.title))

    @get("/template")
    async def template(self, req: Request) -> Response:
        source = "{% for book in page.items %}{{ book.title }} {% endfor %}{{ page.page }}/{{ page['pages'] }}"
        return await req.res.html_from_string(source, {"page": PAGE})


@pytest.fixture
async def http(
    make_app: Callable[..., Patera], client: Callable[[Patera], Awaitable[PateraTestClient]]
) -> PateraTestClient:
    return await client(make_app(Books))


async def test_page_returned_by_a_handler_is_json(http: PateraTestClient) -> None:
    assert (await http.get("/books/plain")).json() == {
        "items": ["Notes"], "total": 21, "page": 2, "pages": 3, "per_page": 10, "has_next": True, "has_prev": True
    }  # fmt: skip


async def test_page_returned_by_a_typed_handler_has_the_declared_fields(http: PateraTestClient) -> None:
    assert (await http.get("/books/")).json() == {"items": [{"id": 3, "title": "Notes"}], "total": 21, "has_next": True}


async def test_page_in_a_template_has_attributes_and_keys(http: PateraTestClient) -> None:
    assert (await http.get("/books/template")).text == "Notes 2/3"


def test_page_is_a_dict_to_everyone_who_asks() -> None:
    page = Page([1, 2], total=2, page=1, per_page=10)
    expected = {
        "items": [1, 2],
        "total": 2,
        "page": 1,
        "pages": 1,
        "per_page": 10,
        "has_next": False,
        "has_prev": False,
    }
    assert page == expected
    assert isinstance(page, dict)
    assert {**page} == dict(page) == expected
    assert json.loads(json.dumps(page)) == json.loads(json.dumps(page, indent=1, sort_keys=True)) == expected
    assert list(page) == list(expected)


def test_page_items_are_the_rows_and_can_be_called_as_of_a_dict() -> None:
    page = Page(["a", "b"], total=2, page=1, per_page=10)
    items: Any = page.items
    assert items == ["a", "b"]
    assert items is page["items"]
    assert dict(items()) == page
    assert [key for key, _ in items()] == list(page)


def test_page_whose_items_were_replaced_stays_a_dict() -> None:
    page = Page(["a"], total=1, page=1, per_page=10)
    page["items"] = ["A"]
    assert json.loads(json.dumps(page))["items"] == ["A"]
    assert page.items == ["A"]


def test_page_can_be_copied_and_pickled() -> None:
    page = Page(["a"], total=11, page=2, per_page=10)
    for copied in (copy.copy(page), copy.deepcopy(page), pickle.loads(pickle.dumps(page))):
        assert type(copied) is Page
        assert copied == page
        assert json.dumps(copied) == json.dumps(page)
    assert json.dumps(page.copy()) == json.dumps(page)
    assert type(copy.copy(page.items)) is list


@pytest.mark.parametrize(("number", "previous", "following"), [(1, None, 2), (2, 1, 3), (3, 2, None), (4, 3, None)])
def test_page_knows_its_neighbours(number: int, previous: int | None, following: int | None) -> None:
    page: Page[int] = Page([], total=21, page=number, per_page=10)
    assert (page.prev_num, page.next_num) == (previous, following)


@pytest.mark.parametrize(("total", "pages"), [(0, 0), (1, 1), (10, 1), (11, 2), (20, 2), (21, 3)])
def test_pages_are_counted_up(total: int, pages: int) -> None:
    assert Page([], total=total, page=1, per_page=10).pages == pages


@pytest.mark.parametrize(
    ("number", "pages", "edges", "expected"),
    [
        (7, 20, {}, [1, 2, None, 5, 6, 7, 8, 9, 10, 11, None, 19, 20]),
        (1, 1, {}, [1]),
        (1, 0, {}, []),
        (1, 5, {}, [1, 2, 3, 4, 5]),
        (1, 20, {}, [1, 2, 3, 4, 5, None, 19, 20]),
        (20, 20, {}, [1, 2, None, 18, 19, 20]),
        (5, 9, {}, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (30, 20, {}, [1, 2, None, 19, 20]),
        (5, 9, {"left_edge": 0, "right_edge": 0, "left_current": 1, "right_current": 1}, [None, 4, 5, 6, None]),
        (5, 9, {"left_edge": 1, "right_edge": 1, "left_current": 0, "right_current": 0}, [1, None, 5, None, 9]),
        (6, 10**12, {"right_edge": 1}, [1, 2, None, 4, 5, 6, 7, 8, 9, 10, None, 10**12]),
    ],
)
def test_iter_pages_leaves_gaps(number: int, pages: int, edges: dict[str, int], expected: list[int | None]) -> None:
    assert list(Page([], total=pages * 10, page=number, per_page=10).iter_pages(**edges)) == expected


def test_map_changes_the_items_alone() -> None:
    page = Page([1, 2], total=12, page=2, per_page=10)
    mapped = page.map(str)
    assert mapped == {**page, "items": ["1", "2"]}
    assert mapped.items == ["1", "2"]
    assert page.items == [1, 2]
