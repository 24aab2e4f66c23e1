"""Where a handler's parameters come from, what refuses them, and which declarations are mistakes of the build."""

import datetime
import decimal
import enum
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, NewType, Optional, TypeAlias

import httpx
import pytest
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    RootModel,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType, TypedDict

from patera import MediaType, Patera, Request, UploadedFile
from patera.controller import (
    Body,
    Controller,
    Cookie,
    File,
    Form,
    Header,
    Path,
    Query,
    VerbDecorator,
    consumes,
    delete,
    get,
    path,
    post,
    put,
)
from patera.exceptions import ConfigurationError, Mistake
from patera.testing import PateraTestClient

if TYPE_CHECKING:
    from elsewhere import Unknown, UnknownResponse  # type: ignore[import-not-found]

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]
Serve = Callable[..., Awaitable[PateraTestClient]]

MULTIPART, URLENCODED = MediaType.MULTIPART_FORM_DATA, MediaType.APPLICATION_X_WWW_FORM_URLENCODED


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Item(BaseModel):
    title: str
    count: int = 1


class Other(BaseModel):
    title: str


@dataclass
class Point:
    x: int
    y: int = 0


class Movie(TypedDict):
    name: str
    year: int


UserId = NewType("UserId", int)
Page: TypeAlias = Annotated[int, Field(ge=1)]
Lazy = TypeAliasType("Lazy", Annotated[int, Query("lazy-name")])


@pytest.fixture
def serve(make_app: MakeApp, client: Connect) -> Serve:
    """A client of an application whose only controller has the functions as its methods."""

    async def serve(*functions: Any, **configs: Any) -> PateraTestClient:
        return await client(make_app(controller_of(*functions), **configs))

    return serve


def controller_of(*functions: Any) -> type[Controller]:
    return type("Api", (Controller,), {function.__name__: function for function in functions})


def mistakes_of(make_app: MakeApp, *functions: Any) -> tuple[Mistake, ...]:
    with pytest.raises(ConfigurationError) as caught:
        make_app(controller_of(*functions)).build()
    return caught.value.mistakes


def method_of(verb: VerbDecorator) -> str:
    return str(getattr(verb, "__name__", "")).upper()


def lines_of(mistake: Mistake) -> list[str]:
    """A mistake's text without the path of this file."""
    return str(mistake).replace(__file__, "FILE").split("\n")


def details(response: httpx.Response) -> Any:
    assert response.status_code == 422, response.text
    return response.json()["details"]


# Route values


async def test_path_value_reaches_the_parameter_of_its_name(serve: Serve) -> None:
    @get("/<int:user_id>/<name>")
    async def show(self: Any, req: Request, name: str, user_id: int) -> Any:
        return [user_id, name]

    assert (await (await serve(show)).get("/3/ada")).json() == [3, "ada"]


async def test_path_value_without_annotation_is_the_converters(serve: Serve) -> None:
    @get("/<uuid:key>")
    async def show(self: Any, req: Request, key) -> Any:  # type: ignore[no-untyped-def]
        return type(key).__name__

    assert (await (await serve(show)).get(f"/{uuid.uuid4()}")).text == "UUID"


async def test_path_value_is_converted_to_the_annotation(serve: Serve) -> None:
    @get("/<day>")
    async def show(self: Any, req: Request, day: datetime.date) -> Any:
        return day.year

    http = await serve(show)
    assert (await http.get("/2024-01-02")).json() == 2024
    assert list(details(await http.get("/soon"))) == ["day"]


async def test_path_marker_adds_constraints(serve: Serve) -> None:
    @get("/<int:user_id>")
    async def show(self: Any, req: Request, user_id: Annotated[int, Path(), Field(ge=10)]) -> Any:
        return user_id

    http = await serve(show)
    assert (await http.get("/10")).json() == 10
    assert (await http.get("/9")).json()["errors"][0]["loc"] == ["path", "user_id"]


async def test_path_value_wins_over_the_query(serve: Serve) -> None:
    @get("/<int:page>")
    async def show(self: Any, req: Request, page: int = 1) -> Any:
        return page

    assert (await (await serve(show)).get("/3?page=4")).json() == 3


async def test_path_values_all_reach_a_handler_that_takes_any(serve: Serve) -> None:
    @get("/<int:a>/<b>")
    async def show(self: Any, req: Request, b: str, page: int = 1, **values: Any) -> Any:
        return [b, page, values]

    assert (await (await serve(show)).get("/3/x?page=2")).json() == ["x", 2, {"a": 3}]


async def test_path_value_stands_beside_others(serve: Serve) -> None:
    @get("/<int:user_id>")
    async def show(self: Any, req: Request, user_id: int, page: int = 1) -> Any:
        return [user_id, page]

    assert (await (await serve(show)).get("/3?page=2")).json() == [3, 2]


async def test_path_values_of_an_outer_mount_do_not_reach_the_handler(make_app: MakeApp, client: Connect) -> None:
    @get("/<int:item>")
    async def show(self: Any, req: Request, item: int) -> Any:
        return item

    outer = make_app()
    outer.mount("/{tenant}", make_app(controller_of(show)))
    assert (await (await client(outer)).get("/acme/3")).json() == 3


# Query string


QUERY_VALUES = [
    (int, "3", "3"),
    (float, "1.5", "1.5"),
    (str, "x", "'x'"),
    (bool, "true", "True"),
    (bool, "0", "False"),
    (bytes, "x", "b'x'"),
    (decimal.Decimal, "1.50", "Decimal('1.50')"),
    (datetime.date, "2024-01-02", "datetime.date(2024, 1, 2)"),
    (datetime.datetime, "2024-01-02T03:04:05", "datetime.datetime(2024, 1, 2, 3, 4, 5)"),
    (datetime.time, "03:04", "datetime.time(3, 4)"),
    (datetime.timedelta, "PT1H", "datetime.timedelta(seconds=3600)"),
    (uuid.UUID, "12345678-1234-1234-1234-123456789abc", "UUID('12345678-1234-1234-1234-123456789abc')"),
    (Color, "red", "<Color.RED: 'red'>"),
    (Literal["a", "b"], "a", "'a'"),
    (Optional[int], "3", "3"),  # noqa: UP045
    (int | None, "3", "3"),
    (int | str, "x", "'x'"),
    (UserId, "3", "3"),
    (Page, "3", "3"),
    (NonNegativeInt, "0", "0"),
    (Annotated[int, Query()], "3", "3"),
    (Annotated[int, Query], "3", "3"),
    (list[int], "3", "[3]"),
    (set[str], "x", "{'x'}"),
    (tuple[int, ...], "3", "(3,)"),
    (list[Color], "blue", "[<Color.BLUE: 'blue'>]"),
]


@pytest.mark.parametrize(("annotation", "sent", "received"), QUERY_VALUES)
async def test_query_value_is_converted_to_the_annotation(
    serve: Serve, annotation: Any, sent: str, received: str
) -> None:
    @get("/")
    async def show(self: Any, req: Request, value: annotation) -> Any:
        return repr(value)

    assert (await (await serve(show)).get("/", params={"value": sent})).text == received


async def test_query_value_missing_is_the_default(serve: Serve) -> None:
    @get("/")
    async def show(self: Any, req: Request, page: int = 1, tags: list[str] = ["none"]) -> Any:  # noqa: B006
        return [page, tags]

    assert (await (await serve(show)).get("/")).json() == [1, ["none"]]


async def test_query_value_that_does_not_fit_is_422_with_details_and_errors(serve: Serve) -> None:
    @get("/")
    async def show(self: Any, req: Request, page: int = 1) -> None: ...

    message = "Input should be a valid integer, unable to parse string as an integer"
    response = await (await serve(show)).get("/?page=x")
    assert (response.status_code, response.json()) == (
        422,
        {
            "status": "error",
            "message": "Validation failed.",
            "details": {"page": message},
            "errors": [{"loc": ["query", "page"], "msg": message, "type": "int_parsing"}],
        },
    )


async def test_query_value_required_and_missing_is_422(serve: Serve) -> None:
    @get("/")
    async def show(self: Any, req: Request, page: int) -> None: ...

    assert details(await (await serve(show)).get("/")) == {"page": "Field required"}


async def test_parameters_that_do_not_fit_are_reported_together(serve: Serve) -> None:
    @get("/<day>")
    async def show(
        self: Any,
        req: Request,
        day: datetime.date,
        page: int,
        x_key: Annotated[int, Header()],
        theme: Annotated[str, Cookie()],
    ) -> None: ...

    response = await (await serve(show)).get("/soon?page=x", headers={"x-key": "y"})
    locations = [error["loc"] for error in response.json()["errors"]]
    assert locations == [["path", "day"], ["query", "page"], ["header", "x-key"], ["cookie", "theme"]]


async def test_query_value_repeated_fills_a_list_and_gives_a_scalar_its_first(serve: Serve) -> None:
    @get("/")
    async def show(self: Any, req: Request, tag: list[str], page: int) -> Any:
        return [tag, page]

    assert (await (await serve(show)).get("/?tag=a&tag=b&page=1&page=2")).json() == [["a", "b"], 1]


async def test_query_value_of_a_list_is_checked_one_by_one(serve: Serve) -> None:
    @get("/")
    async def show(self: Any, req: Request, ids: list[int]) -> None: ...

    response = await (await serve(show)).get("/?ids=1&ids=x")
    assert response.json()["errors"][0]["loc"] == ["query", "ids", 1]


async def test_query_value_may_be_blank(serve: Serve) -> None:
    @get("/")
    async def show(self: Any, req: Request, name: str = "default") -> Any:
        return name

    assert (await (await serve(show)).get("/?name=")).text == ""


@pytest.mark.parametrize(
    "annotation",
    [Annotated[int, Query("p")], Annotated[int, Query(alias="p")], Annotated[int, Query(), Field(alias="p")]],
)
async def test_query_alias_is_the_name_on_the_wire_and_in_errors(serve: Serve, annotation: Any) -> None:
    @get("/")
    async def show(self: Any, req: Request, page: annotation) -> Any:
        return page

    http = await serve(show)
    assert (await http.get("/?p=3")).json() == 3
    assert (await http.get("/?p=x")).json()["errors"][0]["loc"] == ["query", "p"]


async def test_query_alias_of_a_field_without_marker_counts(serve: Serve) -> None:
    @get("/")
    async def show(self: Any, req: Request, page: Annotated[int, Field(alias="p")] = 1) -> Any:
        return page

    assert (await (await serve(show)).get("/?p=3&page=4")).json() == 3


async def test_query_alias_of_a_type_alias_counts(serve: Serve) -> None:
    @get("/")
    async def show(self: Any, req: Request, value: Lazy) -> Any:
        return value

    assert (await (await serve(show)).get("/?lazy-name=3")).json() == 3


async def test_query_and_header_of_one_name_are_told_apart(serve: Serve) -> None:
    @get("/")
    async def show(
        self: Any, req: Request, page: Annotated[int, Query("key")], token: Annotated[str, Header("key")]
    ) -> Any:
        return [page, token]

    http = await serve(show)
    assert (await http.get("/?key=3", headers={"key": "secret"})).json() == [3, "secret"]
    assert (await http.get("/?key=x", headers={"key": "y"})).json()["errors"][0]["loc"] == ["query", "page"]


async def test_query_constraint_is_checked(serve: Serve) -> None:
    @get("/")
    async def show(self: Any, req: Request, page: Annotated[int, Query(), Field(ge=1)] = 1) -> None: ...

    expected = {"page": "Input should be greater than or equal to 1"}
    assert details(await (await serve(show)).get("/?page=0")) == expected


async def test_query_validator_runs(serve: Serve) -> None:
    @get("/")
    async def show(self: Any, req: Request, name: Annotated[str, BeforeValidator(str.upper)]) -> Any:
        return name

    assert (await (await serve(show)).get("/?name=ada")).text == "ADA"


async def test_query_scalars_of_a_post_are_read_too(serve: Serve) -> None:
    @post("/")
    async def create(self: Any, req: Request, item: Item, dry: bool = False) -> Any:
        return [item.title, dry]

    assert (await (await serve(create)).post("/?dry=1", json={"title": "x"})).json() == ["x", True]


# Models from the query string


class Filter(BaseModel):
    page: int = 1
    tags: list[str] = []
    order: str = Field("id", alias="sort")
    ids: set[int] = Field(set(), alias="id")


@dataclass
class FilterData:
    page: int = 1
    tags: list[str] = field(default_factory=list)


class FilterDict(TypedDict):
    page: int
    tags: list[str]


@pytest.mark.parametrize("verb", [get, delete])
async def test_model_without_consumes_is_read_from_the_query(serve: Serve, verb: VerbDecorator) -> None:
    @verb("/")
    async def show(self: Any, req: Request, found: Filter) -> Any:
        return found

    http = await serve(show)
    response = await http.request(method_of(verb), "/?page=2&tags=a&tags=b&sort=name&id=1&id=2")
    assert response.json() == {"page": 2, "tags": ["a", "b"], "sort": "name", "id": [1, 2]}


@pytest.mark.parametrize("annotation", [Filter, FilterData, FilterDict])
async def test_model_with_query_marker_is_read_from_the_query_of_a_post(serve: Serve, annotation: Any) -> None:
    @post("/")
    async def create(self: Any, req: Request, found: Annotated[annotation, Query()]) -> Any:
        return found["tags"] if isinstance(found, dict) else found.tags

    assert (await (await serve(create)).post("/?page=2&tags=a&tags=b")).json() == ["a", "b"]


async def test_model_of_the_query_that_does_not_fit_is_422(serve: Serve) -> None:
    @get("/")
    async def show(self: Any, req: Request, found: Filter) -> None: ...

    response = await (await serve(show)).get("/?page=x&id=y")
    assert [error["loc"] for error in response.json()["errors"]] == [["query", "page"], ["query", "id", 0]]


async def test_model_of_the_query_with_default_may_be_left_out(serve: Serve) -> None:
    @get("/")
    async def show(self: Any, req: Request, found: Filter | None = None) -> Any:
        return repr(found)

    http = await serve(show)
    assert ((await http.get("/")).text, (await http.get("/?page=2")).text[:13]) == ("None", "Filter(page=2")


async def test_model_of_the_query_may_be_one_of_several_types(serve: Serve) -> None:
    @get("/")
    async def show(self: Any, req: Request, found: Filter | Literal["all"] = "all") -> Any:
        return repr(found)

    http = await serve(show)
    assert ((await http.get("/")).text, (await http.get("/?page=2")).text[:13]) == ("'all'", "Filter(page=2")


# Headers and cookies


async def test_header_is_read_by_the_parameters_name_with_hyphens(serve: Serve) -> None:
    @get("/")
    async def show(
        self: Any, req: Request, x_api_key: Annotated[str, Header()], n: Annotated[int, Header("X-N")] = 1
    ) -> Any:
        return [x_api_key, n]

    http = await serve(show)
    assert (await http.get("/", headers={"X-API-Key": "secret", "x-n": "3"})).json() == ["secret", 3]


async def test_header_missing_is_422_with_its_name(serve: Serve) -> None:
    @get("/")
    async def show(self: Any, req: Request, x_api_key: Annotated[str, Header()]) -> None: ...

    assert details(await (await serve(show)).get("/")) == {"x-api-key": "Field required"}


async def test_header_of_a_list_has_all_values(serve: Serve) -> None:
    @get("/")
    async def show(self: Any, req: Request, x_tag: Annotated[list[str], Header()]) -> Any:
        return x_tag

    http = await serve(show)
    assert (await http.get("/", headers=[("x-tag", "a"), ("x-tag", "b")])).json() == ["a", "b"]


async def test_header_given_twice_for_one_value_is_400(serve: Serve) -> None:
    @get("/")
    async def show(self: Any, req: Request, x_tag: Annotated[str, Header()]) -> None: ...

    response = await (await serve(show)).get("/", headers=[("x-tag", "a"), ("x-tag", "b")])
    assert response.status_code == 400


async def test_cookie_is_read_by_name_or_alias(serve: Serve) -> None:
    @get("/")
    async def show(
        self: Any, req: Request, theme: Annotated[str, Cookie()], lang: Annotated[str, Cookie("language")] = "en"
    ) -> Any:
        return [theme, lang]

    response = await (await serve(show)).get("/", headers={"cookie": "theme=dark; language=de"})
    assert response.json() == ["dark", "de"]


class Known(BaseModel):
    x_api_key: str
    theme: str = "light"


@pytest.mark.parametrize(("marker", "sent"), [(Header(), {"x-api-key": "k"}), (Cookie(), {"cookie": "x_api_key=k"})])
async def test_model_with_header_or_cookie_marker_has_them_as_fields(
    serve: Serve, marker: Any, sent: dict[str, str]
) -> None:
    @get("/")
    async def show(self: Any, req: Request, known: Annotated[Known, marker]) -> Any:
        return known

    assert (await (await serve(show)).get("/", headers=sent)).json() == {"x_api_key": "k", "theme": "light"}


# JSON bodies


BODIES = [
    (Item, {"title": "x"}, "Item(title='x', count=1)"),
    (Item | None, {"title": "x"}, "Item(title='x', count=1)"),
    (Item | Other, {"title": "x", "count": 2}, "Item(title='x', count=2)"),
    (list[Item], [{"title": "x"}], "[Item(title='x', count=1)]"),
    (dict[str, Item], {"a": {"title": "x"}}, "{'a': Item(title='x', count=1)}"),
    (dict[str, Any], {"a": 1}, "{'a': 1}"),
    (Point, {"x": 1}, "Point(x=1, y=0)"),
    (list[Point], [{"x": 1}], "[Point(x=1, y=0)]"),
    (Movie, {"name": "x", "year": 1}, "{'name': 'x', 'year': 1}"),
    (RootModel[list[int]], [1, 2], "RootModel[list[int]](root=[1, 2])"),
    (Annotated[list[str], Body()], ["a"], "['a']"),
    (Annotated[int, Body(), Field(ge=1)], 3, "3"),
    (Annotated[Item, Body()], {"title": "x"}, "Item(title='x', count=1)"),
]


@pytest.mark.parametrize(("annotation", "sent", "received"), BODIES)
async def test_body_without_consumes_is_json(serve: Serve, annotation: Any, sent: Any, received: str) -> None:
    @post("/")
    async def create(self: Any, req: Request, data: annotation) -> Any:
        return repr(data)

    assert (await (await serve(create)).post("/", json=sent)).text == received


@pytest.mark.parametrize("verb", [get, post, put, delete])
async def test_body_with_consumes_is_read_for_every_verb(serve: Serve, verb: VerbDecorator) -> None:
    @verb("/")
    @consumes(MediaType.APPLICATION_JSON)
    async def endpoint(self: Any, req: Request, data: Item) -> Any:
        return data.title

    http = await serve(endpoint)
    assert (await http.request(method_of(verb), "/", json={"title": "x"})).text == "x"


async def test_body_fills_every_model(serve: Serve) -> None:
    @post("/")
    async def create(self: Any, req: Request, one: Item, two: Other) -> Any:
        return [one.count, two.title]

    assert (await (await serve(create)).post("/", json={"title": "x", "count": 3})).json() == [3, "x"]


async def test_body_and_route_values_reach_the_handler_together(serve: Serve) -> None:
    @put("/<int:item_id>")
    async def change(self: Any, req: Request, item_id: int, data: Item) -> Any:
        return [item_id, data.title]

    assert (await (await serve(change)).put("/3", json={"title": "x"})).json() == [3, "x"]


async def test_route_value_of_a_models_name_is_no_model(serve: Serve) -> None:
    @post("/<data>")
    async def create(self: Any, req: Request, data: str, item: Item) -> Any:
        return [data, item.title]

    assert (await (await serve(create)).post("/a", json={"title": "x"})).json() == ["a", "x"]


async def test_body_that_does_not_fit_is_422_with_details_and_errors(serve: Serve) -> None:
    @post("/")
    async def create(self: Any, req: Request, data: list[Item]) -> None: ...

    response = await (await serve(create)).post("/", json=[{"title": "x"}, {"count": "many"}])
    assert response.json() == {
        "status": "error",
        "message": "Validation failed.",
        "details": {"1": "Field required"},
        "errors": [
            {"loc": ["body", 1, "title"], "msg": "Field required", "type": "missing"},
            {
                "loc": ["body", 1, "count"],
                "msg": "Input should be a valid integer, unable to parse string as an integer",
                "type": "int_parsing",
            },
        ],
    }


@pytest.mark.parametrize("body", ["null", "3", '"x"', "[]"])
async def test_body_of_another_top_level_type_is_422_at_body(serve: Serve, body: str) -> None:
    @post("/")
    async def create(self: Any, req: Request, data: Item) -> None: ...

    http = await serve(create)
    response = await http.post("/", content=body, headers={"content-type": "application/json"})
    assert (list(details(response)), response.json()["errors"][0]["loc"]) == (["body"], ["body"])


async def test_error_of_a_root_validator_of_ones_own_is_422_at_body(serve: Serve) -> None:
    class Numbers(RootModel[list[int]]):
        @field_validator("root")
        @classmethod
        def check(cls, root: list[int]) -> list[int]:
            raise ValueError("too {many}")

    @post("/")
    async def create(self: Any, req: Request, data: Annotated[Numbers, Body()]) -> None: ...

    assert details(await (await serve(create)).post("/", json=[1])) == {"body": "Value error, too {many}"}


async def test_error_type_of_ones_own_at_the_root_is_422_at_body(serve: Serve) -> None:
    class Pair(BaseModel):
        low: int
        high: int

        @model_validator(mode="after")
        def check(self) -> "Pair":
            raise PydanticCustomError("order", "low is over {limit}", {"limit": self.high})

    @post("/")
    async def create(self: Any, req: Request, data: Pair) -> None: ...

    response = await (await serve(create)).post("/", json={"low": 2, "high": 1})
    assert response.json()["errors"] == [{"loc": ["body"], "msg": "low is over 1", "type": "order"}]


async def test_nesting_that_a_validator_cannot_follow_is_400(serve: Serve) -> None:
    class Tree(BaseModel):
        @model_validator(mode="before")
        @classmethod
        def walk(cls, data: Any) -> Any:
            raise RecursionError

    @post("/")
    async def create(self: Any, req: Request, data: Tree) -> None: ...

    assert (await (await serve(create)).post("/", json={})).status_code == 400


async def test_body_malformed_is_400(serve: Serve) -> None:
    @post("/")
    async def create(self: Any, req: Request, data: Item) -> None: ...

    http = await serve(create)
    response = await http.post("/", content=b'{"title":', headers={"content-type": "application/json"})
    assert (response.status_code, response.json()) == (
        400,
        {"status": "error", "message": "Malformed JSON", "data": None},
    )


async def test_body_empty_where_it_is_required_is_400(serve: Serve) -> None:
    @post("/")
    async def create(self: Any, req: Request, data: Item) -> None: ...

    response = await (await serve(create)).post("/", headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["message"]) == (400, "Malformed JSON")


@pytest.mark.parametrize("headers", [{}, {"content-type": "application/json"}])
async def test_body_with_default_may_be_left_out(serve: Serve, headers: dict[str, str]) -> None:
    @post("/")
    async def create(self: Any, req: Request, data: Item | None = None) -> Any:
        return repr(data)

    assert (await (await serve(create)).post("/", headers=headers)).text == "None"


async def test_body_of_strict_model_refuses_unknown_fields(serve: Serve) -> None:
    class Strict(BaseModel):
        model_config = ConfigDict(extra="forbid")
        title: str

    @post("/")
    async def create(self: Any, req: Request, data: Strict) -> None: ...

    response = await (await serve(create)).post("/", json={"title": "x", "admin": True})
    assert details(response) == {"admin": "Extra inputs are not permitted"}


ACCEPTED_TYPES = [
    ("application/json", "application/json"),
    ("application/json", "Application/JSON; charset=utf-8"),
    ("application/json", 'application/json; charset="UTF-8"'),
    ("application/json", "application/vnd.api+json"),
    ("application/problem+json", "application/problem+json"),
    ("application/problem+json", "application/json"),
    ("application/problem+json", "application/hal+json"),
]


@pytest.mark.parametrize(("declared", "sent"), ACCEPTED_TYPES)
async def test_body_of_a_json_type_is_accepted(serve: Serve, declared: str, sent: str) -> None:
    @post("/")
    @consumes(declared)
    async def create(self: Any, req: Request, data: Item) -> Any:
        return data.title

    http = await serve(create)
    assert (await http.post("/", content=b'{"title": "x"}', headers={"content-type": sent})).text == "x"


@pytest.mark.parametrize("sent", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json"])
async def test_body_of_another_type_is_415(serve: Serve, sent: str) -> None:
    @post("/")
    @consumes(MediaType.APPLICATION_JSON)
    async def create(self: Any, req: Request, data: Item) -> None: ...

    response = await (await serve(create)).post("/", content=b'{"title": "x"}', headers={"content-type": sent})
    assert (response.status_code, response.json()) == (
        415,
        {
            "status": "error",
            "message": "Unsupported Media Type",
            "data": {"expected": "application/json", "received": sent},
        },
    )


async def test_body_without_type_is_415(serve: Serve) -> None:
    @post("/")
    async def create(self: Any, req: Request, data: Item) -> None: ...

    response = await (await serve(create)).post("/", content=b'{"title": "x"}')
    assert (response.status_code, response.json()["data"]["received"]) == (415, None)


async def test_body_in_another_charset_is_415(serve: Serve) -> None:
    @post("/")
    async def create(self: Any, req: Request, data: Item) -> None: ...

    headers = {"content-type": "application/json; charset=utf-16"}
    response = await (await serve(create)).post("/", content='{"title": "x"}'.encode("utf-16"), headers=headers)
    assert (response.status_code, response.json()["data"]["expected"]) == (415, "application/json; charset=utf-8")


@pytest.mark.parametrize("verb", [get, delete])
async def test_consumes_without_reading_parameter_has_no_effect(serve: Serve, verb: VerbDecorator) -> None:
    @verb("/")
    @consumes(MediaType.APPLICATION_JSON)
    async def endpoint(self: Any, req: Request) -> Any:
        return "fine"

    assert (await (await serve(endpoint)).request(method_of(verb), "/")).text == "fine"


async def test_consumes_no_content_ignores_whatever_is_sent(serve: Serve) -> None:
    @post("/")
    @consumes(MediaType.NO_CONTENT)
    async def start(self: Any, req: Request, again: bool = False, data: Item | None = None) -> Any:
        return [again, data]

    response = await (await serve(start)).post("/?again=1", content=b"whatever")
    assert (response.status_code, response.json()) == (200, [True, None])


# Raw bodies


@pytest.mark.parametrize(("annotation", "received"), [(str, "'é'"), (bytes, "b'\\xc3\\xa9'")])
async def test_raw_body_reaches_str_and_bytes(serve: Serve, annotation: Any, received: str) -> None:
    @post("/")
    @consumes(MediaType.TEXT_CSV)
    async def load(self: Any, req: Request, data: annotation) -> Any:
        return repr(data)

    http = await serve(load)
    assert (await http.post("/", content="é".encode(), headers={"content-type": "text/csv"})).text == received


async def test_raw_body_of_another_type_is_415(serve: Serve) -> None:
    @post("/")
    @consumes(MediaType.TEXT_CSV)
    async def load(self: Any, req: Request, data: str) -> None: ...

    response = await (await serve(load)).post("/", content=b"x", headers={"content-type": "text/plain"})
    assert (response.status_code, response.json()["data"]) == (
        415,
        {"expected": "text/csv", "received": "text/plain"},
    )


# Forms and files


class Login(BaseModel):
    name: str
    roles: list[str] = []
    note: str = Field("", alias="remark")


@dataclass
class LoginData:
    name: str
    roles: list[str] = field(default_factory=list)


@pytest.mark.parametrize("annotation", [Login, LoginData])
@pytest.mark.parametrize("media_type", [URLENCODED, MULTIPART])
async def test_form_fills_a_model(serve: Serve, annotation: Any, media_type: str) -> None:
    @post("/")
    @consumes(media_type)
    async def login(self: Any, req: Request, data: annotation) -> Any:
        return [data.name, data.roles]

    http = await serve(login)
    fields = {"name": "ada", "roles": ["a", "b"]}
    files = {"x": b""} if media_type == MULTIPART else None
    assert (await http.post("/", data=fields, files=files)).json() == ["ada", ["a", "b"]]


@pytest.mark.parametrize("files", [None, {"x": b""}], ids=["urlencoded", "multipart"])
async def test_form_markers_read_fields_of_either_encoding(serve: Serve, files: Any) -> None:
    @post("/")
    async def login(
        self: Any,
        req: Request,
        name: Annotated[str, Form()],
        roles: Annotated[list[str], Form("role")],
        age: Annotated[int, Form(), Field(ge=0)] = 0,
    ) -> Any:
        return [name, roles, age]

    http = await serve(login)
    response = await http.post("/", data={"name": "ada", "role": ["a", "b"], "age": "3"}, files=files)
    assert response.json() == ["ada", ["a", "b"], 3]


async def test_form_marker_on_a_model_fills_it_from_all_fields(serve: Serve) -> None:
    @post("/")
    async def login(self: Any, req: Request, data: Annotated[Login, Form()], name: Annotated[str, Form()]) -> Any:
        return [data.note, name]

    assert (await (await serve(login)).post("/", data={"name": "ada", "remark": "x"})).json() == ["x", "ada"]


async def test_form_fields_that_do_not_fit_are_422_with_their_names(serve: Serve) -> None:
    @post("/")
    async def login(
        self: Any, req: Request, name: Annotated[str, Form("user")], age: Annotated[int, Form()], f: UploadedFile
    ) -> None: ...

    response = await (await serve(login)).post("/", data={"age": "x"})
    assert [error["loc"] for error in response.json()["errors"]] == [["form", "user"], ["form", "age"], ["file", "f"]]


async def test_form_model_that_does_not_fit_is_422(serve: Serve) -> None:
    @post("/")
    @consumes(URLENCODED)
    async def login(self: Any, req: Request, data: Login) -> None: ...

    assert details(await (await serve(login)).post("/", data={"remark": "x"})) == {"name": "Field required"}


@pytest.mark.parametrize(
    ("media_type", "expected"), [(URLENCODED, str(URLENCODED)), (None, f"{URLENCODED} or {MULTIPART}")]
)
async def test_form_of_another_type_is_415(serve: Serve, media_type: str | None, expected: str) -> None:
    async def login(self: Any, req: Request, name: Annotated[str, Form()]) -> None: ...

    endpoint = post("/")(consumes(media_type)(login) if media_type else login)
    response = await (await serve(endpoint)).post("/", json={"name": "x"})
    assert response.json()["data"] == {"expected": expected, "received": "application/json"}


@pytest.mark.parametrize("annotation", [UploadedFile, Annotated[UploadedFile, File()], UploadedFile | None])
async def test_file_reaches_the_parameter(serve: Serve, annotation: Any) -> None:
    @post("/")
    async def upload(self: Any, req: Request, avatar: annotation) -> Any:
        return [avatar.filename, avatar.content_type, avatar.read().decode()]

    response = await (await serve(upload)).post("/", files={"avatar": ("a.txt", b"hi", "text/plain")})
    assert response.json() == ["a.txt", "text/plain", "hi"]


@pytest.mark.parametrize("annotation", [list[UploadedFile], Annotated[list[UploadedFile], File("photos")]])
async def test_files_of_one_name_fill_a_list(serve: Serve, annotation: Any) -> None:
    @post("/")
    async def upload(self: Any, req: Request, photos: annotation) -> Any:
        return [photo.filename for photo in photos]

    files = [("photos", ("a.png", b"1")), ("photos", ("b.png", b"2"))]
    assert (await (await serve(upload)).post("/", files=files)).json() == ["a.png", "b.png"]


async def test_file_with_default_may_be_left_out(serve: Serve) -> None:
    @post("/")
    async def upload(self: Any, req: Request, avatar: UploadedFile | None = None) -> Any:
        return repr(avatar)

    assert (await (await serve(upload)).post("/", data={"x": "y"})).text == "None"


async def test_file_is_a_field_of_a_model(serve: Serve) -> None:
    class Profile(BaseModel):
        name: str
        avatar: UploadedFile
        photos: list[UploadedFile] = []

    @post("/")
    @consumes(MULTIPART)
    async def upload(self: Any, req: Request, data: Profile) -> Any:
        return [data.name, data.avatar.filename, len(data.photos)]

    files = [("avatar", ("a.png", b"1")), ("photos", ("b.png", b"2")), ("photos", ("c.png", b"3"))]
    assert (await (await serve(upload)).post("/", data={"name": "ada"}, files=files)).json() == ["ada", "a.png", 2]


async def test_file_and_model_come_from_one_form(serve: Serve) -> None:
    @post("/")
    async def upload(self: Any, req: Request, data: Item, avatar: UploadedFile) -> Any:
        return [data.title, avatar.filename]

    response = await (await serve(upload)).post("/", data={"title": "x"}, files={"avatar": ("a.png", b"1")})
    assert response.json() == ["x", "a.png"]


# Annotations


async def test_annotation_as_string_is_resolved(serve: Serve) -> None:
    @post("/<day>")
    async def create(self: Any, req: "Request", day: "datetime.date", data: "list[Item]", page: "int" = 1) -> "Any":
        return [day.year, data[0].title, page]

    response = await (await serve(create)).post("/2024-01-02?page=3", json=[{"title": "x"}])
    assert response.json() == [2024, "x", 3]


async def test_annotation_as_string_finds_names_of_the_class(make_app: MakeApp, client: Connect) -> None:
    class Api(Controller):
        class Data(BaseModel):
            title: str

        @post("/")
        async def create(self, req: Request, data: "Data") -> Any:
            return data.title

    assert (await (await client(make_app(Api))).post("/", json={"title": "x"})).text == "x"


async def test_annotation_as_string_finds_names_of_the_closure(serve: Serve) -> None:
    class Local(BaseModel):
        title: str

    @post("/")
    async def create(self: Any, req: Request, data: "Local") -> Any:
        return isinstance(data, Local)

    assert (await (await serve(create)).post("/", json={"title": "x"})).json() is True


def test_annotation_of_a_closure_that_is_not_filled_yet_is_a_mistake(make_app: MakeApp) -> None:
    @post("/")
    async def create(self: Any, req: Request, data: "Later") -> Any:
        return Later

    (mistake,) = mistakes_of(make_app, create)
    assert mistake.code == "PAT111"

    class Later(BaseModel):
        pass


async def test_return_annotation_behind_type_checking_is_ignored_where_it_is_a_response(serve: Serve) -> None:
    @get("/")
    async def show(self: Any, req: Request) -> "UnknownResponse":
        return {"any": 1}

    assert (await (await serve(show)).get("/")).json() == {"any": 1}


async def test_annotation_behind_type_checking_is_ignored_where_it_decides_nothing(serve: Serve) -> None:
    @get("/<int:item>")
    async def show(self: "Unknown", req: "Unknown", item: "Unknown", extra: "Unknown" = None) -> Any:
        return [item, extra]

    assert (await (await serve(show)).get("/3?extra=x")).json() == [3, None]


async def test_parameter_with_default_that_nothing_fills_keeps_it(serve: Serve) -> None:
    @get("/")
    async def show(self: Any, req: Request, factory: Callable[[], int] = int, anything: Any = "kept") -> Any:
        return [factory(), anything]

    assert (await (await serve(show)).get("/?anything=x")).json() == [0, "kept"]


# Mistakes of the build


def test_parameter_that_nothing_fills_is_a_mistake(make_app: MakeApp) -> None:
    @get("/users")
    async def show(self: Any, req: Request, session: object) -> None: ...

    (mistake,) = mistakes_of(make_app, show)
    change = "name it in the rule '/users', annotate it, give it a default, or add the decorator that injects it"
    accepted = (
        "a variable of the route, a Pydantic model, a scalar or list of scalars (query string), "
        "a marker such as Annotated[str, Header()], or the name that a session decorator injects"
    )
    assert lines_of(mistake) == [
        f"PAT110 {__name__}.Api.show(session) (FILE:{show.__code__.co_firstlineno})",
        "  found:    a parameter with the annotation <class 'object'> that nothing fills",
        f"  accepted: {accepted}",
        f"  change:   {change}",
    ]


def test_parameter_without_annotation_that_nothing_fills_is_a_mistake(make_app: MakeApp) -> None:
    @get("/")
    async def show(self: Any, req: Request, user) -> None: ...  # type: ignore[no-untyped-def]

    (mistake,) = mistakes_of(make_app, show)
    assert (mistake.code, mistake.found) == ("PAT110", "a parameter with no annotation that nothing fills")


def test_path_marker_without_variable_is_a_mistake(make_app: MakeApp) -> None:
    @get("/users")
    async def show(self: Any, req: Request, user_id: Annotated[int, Path()]) -> None: ...

    (mistake,) = mistakes_of(make_app, show)
    assert mistake.code == "PAT110"
    assert mistake.found.endswith("that nothing fills: the rule '/users' has no variable of that name")


@pytest.mark.parametrize("annotation", [list[Item], dict[str, int], object])
def test_parameter_of_get_that_no_query_can_hold_is_a_mistake(make_app: MakeApp, annotation: Any) -> None:
    @get("/")
    async def show(self: Any, req: Request, value: annotation) -> None: ...

    (mistake,) = mistakes_of(make_app, show)
    assert mistake.code == "PAT110"


def test_annotation_that_cannot_be_resolved_and_decides_is_a_mistake(make_app: MakeApp) -> None:
    @post("/")
    async def create(self: Any, req: Request, data: "Unknown") -> None: ...

    (mistake,) = mistakes_of(make_app, create)
    assert lines_of(mistake) == [
        f"PAT111 {__name__}.Api.create(data) (FILE:{create.__code__.co_firstlineno})",
        "  found:    the annotation 'Unknown' cannot be resolved (NameError: name 'Unknown' is not defined)",
        "  accepted: an annotation that exists at run time, as it decides where the value is read from",
        "  change:   import the type outside of `if TYPE_CHECKING:`",
    ]


def test_variable_without_parameter_is_a_mistake(make_app: MakeApp) -> None:
    @get("/users/<int:user_id>")
    async def show(self: Any, req: Request) -> None: ...

    (mistake,) = mistakes_of(make_app, show)
    assert lines_of(mistake) == [
        f"PAT112 {__name__}.Api.show (FILE:{show.__code__.co_firstlineno})",
        "  found:    the rule '/users/<int:user_id>' has the variable 'user_id', the handler no parameter of that name",
        "  accepted: a parameter for each variable of the rule",
        "  change:   add the parameter 'user_id', or take the variable out of the rule",
    ]


@pytest.mark.parametrize("media_type", [MediaType.APPLICATION_JSON, MULTIPART, MediaType.TEXT_CSV])
def test_consumes_on_post_without_reading_parameter_is_a_mistake(make_app: MakeApp, media_type: MediaType) -> None:
    @post("/")
    @consumes(media_type)
    async def create(self: Any, req: Request) -> None: ...

    (mistake,) = mistakes_of(make_app, create)
    assert lines_of(mistake) == [
        f"PAT113 {__name__}.Api.create (FILE:{create.__code__.co_firstlineno})",
        f"  found:    @consumes('{media_type}') on POST without a parameter that reads the body",
        "  accepted: a parameter with a Pydantic model, or Annotated[..., Form()/File()/Body()]",
        "  change:   add the parameter, or remove @consumes",
    ]


def test_model_of_a_raw_body_is_a_mistake(make_app: MakeApp) -> None:
    @post("/")
    @consumes(MediaType.TEXT_CSV)
    async def create(self: Any, req: Request, data: Item) -> None: ...

    (mistake,) = mistakes_of(make_app, create)
    assert lines_of(mistake) == [
        f"PAT114 {__name__}.Api.create(data) (FILE:{create.__code__.co_firstlineno})",
        f"  found:    {Item!r} (body) to be read from a body of the type 'text/csv'",
        "  accepted: str or bytes, which get the raw body",
        "  change:   consume JSON or a form, or change the parameter",
    ]


def test_file_of_a_json_body_is_a_mistake(make_app: MakeApp) -> None:
    @post("/")
    @consumes(MediaType.APPLICATION_JSON)
    async def create(self: Any, req: Request, avatar: UploadedFile) -> None: ...

    (mistake,) = mistakes_of(make_app, create)
    assert (mistake.code, mistake.accepted) == ("PAT114", "a form, which has fields and files")


def test_model_required_of_no_content_is_a_mistake(make_app: MakeApp) -> None:
    @post("/")
    @consumes(MediaType.NO_CONTENT)
    async def create(self: Any, req: Request, data: Item) -> None: ...

    (mistake,) = mistakes_of(make_app, create)
    expected = ("PAT114", "no parameter that needs a body, as the body is ignored")
    assert (mistake.code, mistake.accepted) == expected


def test_return_annotation_that_cannot_be_resolved_is_a_mistake(make_app: MakeApp) -> None:
    @get("/")
    async def show(self: Any, req: Request) -> "list[Unknown]":
        return []

    (mistake,) = mistakes_of(make_app, show)
    assert lines_of(mistake) == [
        f"PAT115 {__name__}.Api.show -> list[Unknown] (FILE:{show.__code__.co_firstlineno})",
        "  found:    a return annotation that cannot be resolved (NameError: name 'Unknown' is not defined)",
        "  accepted: an annotation that exists at run time, as it decides which fields are sent",
        "  change:   import the type outside of `if TYPE_CHECKING:`",
    ]


class Opaque:
    """Pydantic knows no schema for it."""


@pytest.mark.parametrize("annotation", [Annotated[Opaque, Query()], Annotated[list[Opaque], Body()]])
def test_parameter_of_a_type_that_pydantic_cannot_use_is_a_mistake(make_app: MakeApp, annotation: Any) -> None:
    @get("/")
    async def show(self: Any, req: Request, value: annotation) -> None: ...

    (mistake,) = mistakes_of(make_app, show)
    lines = lines_of(mistake)
    assert lines[0] == f"PAT116 {__name__}.Api.show (FILE:{show.__code__.co_firstlineno})"
    assert lines[1].startswith(
        "  found:    a type that Pydantic cannot use: Unable to generate pydantic-core schema for"
    )
    assert lines[2:] == [
        "  accepted: types with a Pydantic schema",
        "  change:   use a Pydantic model, a dataclass or a standard type, or annotate with Any",
    ]


def test_return_type_that_pydantic_cannot_use_is_a_mistake(make_app: MakeApp) -> None:
    @get("/")
    async def show(self: Any, req: Request) -> list[Opaque]:
        return []

    (mistake,) = mistakes_of(make_app, show)
    assert (mistake.code, "a type that Pydantic cannot use" in mistake.found) == ("PAT116", True)


@pytest.mark.parametrize("default", [Query("p"), Field(1, ge=1)])
def test_marker_as_default_is_a_mistake(make_app: MakeApp, default: Any) -> None:
    @get("/")
    async def show(self: Any, req: Request, page: int = default) -> None: ...

    (mistake,) = mistakes_of(make_app, show)
    assert lines_of(mistake) == [
        f"PAT118 {__name__}.Api.show(page) (FILE:{show.__code__.co_firstlineno})",
        f"  found:    {default!r} as the default, which would be handed over as the value",
        "  accepted: markers and Field() within Annotated, as in page: Annotated[int, Query()] = 1",
        "  change:   move it into the annotation",
    ]


@pytest.mark.parametrize(
    ("rule", "annotation", "given"),
    [
        ("/<int:x>", str, "int"),
        ("/<int:x>", Optional[bytes], "int"),  # noqa: UP045
        ("/<uuid:x>", str, "UUID"),
        ("/<x>", list[int], "str"),
        ("/<x>", Item, "str"),
    ],
)
def test_annotation_that_no_value_of_the_rule_fits_is_a_mistake(
    make_app: MakeApp, rule: str, annotation: Any, given: str
) -> None:
    @get(rule)
    async def show(self: Any, req: Request, x: annotation) -> None: ...

    (mistake,) = mistakes_of(make_app, show)
    assert lines_of(mistake) == [
        f"PAT119 {__name__}.Api.show(x) (FILE:{show.__code__.co_firstlineno})",
        f"  found:    the annotation {annotation!r}, while the rule {rule!r} gives a value of the type {given}",
        "  accepted: an annotation that takes the converter's values",
        f"  change:   annotate it with {given}, or use another converter in the rule",
    ]


@pytest.mark.parametrize("annotation", [float, int | str, bool, datetime.datetime, Literal[3], Any, object])
async def test_annotation_that_values_of_the_rule_may_fit_is_accepted(serve: Serve, annotation: Any) -> None:
    @get("/<int:x>")
    async def show(self: Any, req: Request, x: annotation) -> None: ...

    assert (await (await serve(show)).get("/1")).status_code in (204, 422)


def test_mistakes_of_all_endpoints_are_reported_together(make_app: MakeApp) -> None:
    @get("/users/<int:user_id>")
    async def show(self: Any, req: Request, session: object) -> None: ...

    @post("/users")
    @consumes(MediaType.APPLICATION_JSON)
    async def create(self: Any, req: Request) -> None: ...

    codes = [mistake.code for mistake in mistakes_of(make_app, show, create)]
    assert codes == ["PAT110", "PAT112", "PAT113"]


def test_mistake_names_the_controller_by_its_module(make_app: MakeApp) -> None:
    @path("/users")
    class Users(Controller):
        @get("/<name>")
        async def show(self, req: Request) -> None: ...

    with pytest.raises(ConfigurationError) as caught:
        make_app(Users).build()
    where = f"{__name__}.test_mistake_names_the_controller_by_its_module.<locals>.Users.show"
    assert caught.value.mistakes[0].where == where
