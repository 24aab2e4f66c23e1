"""What a declared return type does to the body: only its fields leave, and what does not fit is one clean 500."""

import datetime
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

import httpx
import pytest
from loguru import logger
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    SerializeAsAny,
    ValidationError,
    computed_field,
    field_serializer,
)
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.responses import Response as StarletteResponse
from typing_extensions import TypedDict

from patera import HttpStatus, MediaType, Patera, Request, Response
from patera.controller import Controller, get, produces
from patera.exceptions import ExceptionHandler, ResponseValidationError, handles
from patera.testing import PateraTestClient

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]
Answer = Callable[..., Awaitable[httpx.Response]]

ItemT = TypeVar("ItemT")
ERROR = {"status": "error", "message": "Internal server error"}


class Item(BaseModel):
    title: str
    count: int = 1


class Secret(Item):
    password: str = "secret"


class Other(BaseModel):
    name: str


class Aliased(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    title: str = Field(alias="itemTitle")


class Page(BaseModel, Generic[ItemT]):
    items: list[ItemT]
    total: int


class Nested(BaseModel):
    item: Item
    by_name: dict[str, Item] = {}


class Doubled(BaseModel):
    count: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def doubled(self) -> int:
        return "twice"  # type: ignore[return-value]


class Unchecked(BaseModel):
    """Its validator returns what its field does not declare."""

    count: Annotated[int, PlainValidator(str)]


class Row:
    """What an ORM hands out: attributes, more than are declared."""

    def __init__(self, **values: Any) -> None:
        vars(self).update(values)


@dataclass
class Point:
    x: int
    y: int = 0


@dataclass
class SecretPoint(Point):
    secret: str = "secret"


class Movie(TypedDict):
    name: str
    year: int


class Pair(NamedTuple):
    left: int
    right: int


ROW = Row(title="x", count=2, password="secret")


@pytest.fixture
def answer(make_app: MakeApp, client: Connect) -> Answer:
    """The answer of an endpoint that returns `value` under the annotation `returned`."""

    async def answer(returned: Any, value: Any, *handlers: Any, **configs: Any) -> httpx.Response:
        class Api(Controller):
            @get("/")
            async def show(self, req: Request) -> returned:
                return value(req) if callable(value) else value

        application = make_app(Api, EXCEPTION_HANDLERS=handlers, **{"DEBUG": False, **configs})
        return await (await client(application)).get("/")

    return answer


@pytest.fixture
def records() -> Iterator[list[Any]]:
    """All log records of the test."""
    found: list[Any] = []
    sink = logger.add(lambda message: found.append(message.record), level=0, format="{message}")
    yield found
    logger.remove(sink)


def in_json(data: Any) -> Callable[[Request], Response]:
    return lambda req: req.res.json(data)


# What fits


FITTING = [
    (Item, {"title": "x"}, {"title": "x", "count": 1}),
    (Item, {"title": "x", "password": "secret"}, {"title": "x", "count": 1}),
    (Item, Item(title="x"), {"title": "x", "count": 1}),
    (Item, Secret(title="x"), {"title": "x", "count": 1}),
    (Item, ROW, {"title": "x", "count": 2}),
    (list[Item], [], []),
    (list[Item], [ROW, Secret(title="y"), {"title": "z", "a": 1}], [
        {"title": "x", "count": 2}, {"title": "y", "count": 1}, {"title": "z", "count": 1},
    ]),
    (Item | Other, {"name": "x", "more": 1}, {"name": "x"}),
    (Item | Other, Secret(title="x"), {"title": "x", "count": 1}),
    (Item | None, Item(title="x"), {"title": "x", "count": 1}),
    (dict[str, Item], {"a": ROW}, {"a": {"title": "x", "count": 2}}),
    (dict[str, datetime.datetime], {"at": datetime.datetime(2024, 1, 2)}, {"at": "2024-01-02T00:00:00"}),
    (dict[str, Any], {"at": datetime.date(2024, 1, 2), "n": float("nan")}, {"at": "2024-01-02", "n": None}),
    (Page[Item], {"items": [ROW], "total": 1, "next": 2}, {"items": [{"title": "x", "count": 2}], "total": 1}),
    (Page[Item], Page[Secret](items=[Secret(title="x")], total=1), {"items": [{"title": "x", "count": 1}], "total": 1}),
    (Nested, {"item": Secret(title="x"), "by_name": {"a": ROW}}, {
        "item": {"title": "x", "count": 1}, "by_name": {"a": {"title": "x", "count": 2}},
    }),
    (Nested, Nested(item=Secret(title="x")), {"item": {"title": "x", "count": 1}, "by_name": {}}),
    (Aliased, {"title": "x"}, {"itemTitle": "x"}),
    (Aliased, {"itemTitle": "x"}, {"itemTitle": "x"}),
    (Aliased, Row(title="x"), {"itemTitle": "x"}),
    (Annotated[Item, {"unhashable": 1}], ROW, {"title": "x", "count": 2}),
    (Point, Point(1), {"x": 1, "y": 0}),
    (Point, SecretPoint(1), {"x": 1, "y": 0}),
    (Point, {"x": 1}, {"x": 1, "y": 0}),
    (Movie, {"name": "x", "year": 1, "secret": 1}, {"name": "x", "year": 1}),
    (int, 3, 3),
    (bool, False, False),
    (list[int], [], []),
    (set[int], {1}, [1]),
    (datetime.date, datetime.date(2024, 1, 2), "2024-01-02"),
]  # fmt: skip


@pytest.mark.parametrize(("declared", "value", "body"), FITTING)
@pytest.mark.parametrize("form", ["Response[T] of json()", "Response[T] of the value", "T of the value", "T of json()"])
async def test_body_that_fits_has_the_declared_fields(
    answer: Answer, declared: Any, value: Any, body: Any, form: str
) -> None:
    returned = Response[declared] if form.startswith("Response") else declared
    response = await answer(returned, in_json(value) if form.endswith("json()") else value)
    found = (response.status_code, response.json(), response.headers["content-type"])
    assert found == (200, body, "application/json")


async def test_body_of_computed_field_is_sent(answer: Answer) -> None:
    class Square(BaseModel):
        side: int

        @computed_field  # type: ignore[prop-decorator]
        @property
        def area(self) -> int:
            return self.side**2

    assert (await answer(Response[Square], in_json({"side": 3}))).json() == {"side": 3, "area": 9}


async def test_field_declared_as_any_model_sends_all_of_it(answer: Answer) -> None:
    class Open(BaseModel):
        item: SerializeAsAny[Item]

    found = (await answer(Open, Open(item=Secret(title="x")))).json()
    assert found == {"item": {"title": "x", "count": 1, "password": "secret"}}


async def test_type_as_string_shapes_too(make_app: MakeApp, client: Connect) -> None:
    class Api(Controller):
        @get("/outer")
        async def outer(self, req: Request) -> "Response[Item]":
            return req.res.json(ROW)

        @get("/inner")
        async def inner(self, req: Request) -> Response["Item"]:
            return req.res.json(ROW)

        @get("/plain")
        async def plain(self, req: Request) -> "list[Item]":
            return [ROW]  # type: ignore[list-item]

    http = await client(make_app(Api))
    bodies = [(await http.get(url)).json() for url in ("/outer", "/inner", "/plain")]
    assert bodies == [{"title": "x", "count": 2}, {"title": "x", "count": 2}, [{"title": "x", "count": 2}]]


async def test_response_types_of_a_union_all_fit(answer: Answer) -> None:
    returned = Response[Item] | Response[Other]
    assert (await answer(returned, in_json({"name": "x", "a": 1}))).json() == {"name": "x"}


async def test_type_of_body_and_status_shapes_the_body(answer: Answer) -> None:
    response = await answer(tuple[Item, int], (ROW, 201))
    assert (response.status_code, response.json()) == (201, {"title": "x", "count": 2})


async def test_type_of_body_status_and_headers_shapes_the_body(answer: Answer) -> None:
    response = await answer(tuple[Item, HttpStatus, dict[str, str]], (ROW, HttpStatus.CREATED, {"x-a": "1"}))
    found = (response.status_code, response.json(), response.headers["x-a"])
    assert found == (201, {"title": "x", "count": 2}, "1")


async def test_type_that_is_a_tuple_takes_one_as_body(answer: Answer) -> None:
    response = await answer(tuple[Item, ...], (ROW, Item(title="y")))
    assert response.json() == [{"title": "x", "count": 2}, {"title": "y", "count": 1}]


async def test_none_where_the_type_takes_it_is_null(answer: Answer) -> None:
    response = await answer(Item | None, None)
    assert (response.status_code, response.content) == (200, b"null")


# What is not shaped


@pytest.mark.parametrize("status", [301, 404, 422, 500])
async def test_body_of_another_status_than_2xx_is_sent_as_it_is(answer: Answer, status: int) -> None:
    response = await answer(Response[Item], lambda req: req.res.json({"message": "no"}).status(status))
    assert (response.status_code, response.json()) == (status, {"message": "no"})


async def test_body_of_any_2xx_is_shaped(answer: Answer) -> None:
    response = await answer(Response[Item], lambda req: req.res.json(ROW).status(201))
    assert (response.status_code, response.json()) == (201, {"title": "x", "count": 2})


SHAPELESS = [Response, "Response", Response[Any], Any, dict, list, dict | list, StarletteResponse]


@pytest.mark.parametrize("returned", SHAPELESS)
async def test_type_that_says_nothing_shapes_nothing(answer: Answer, returned: Any) -> None:
    assert (await answer(returned, in_json({"any": 1}))).json() == {"any": 1}


async def test_endpoint_without_annotation_shapes_nothing(make_app: MakeApp, client: Connect) -> None:
    class Api(Controller):
        @get("/")
        async def show(self, req: Request):  # type: ignore[no-untyped-def]
            return {"any": 1}

    assert (await (await client(make_app(Api))).get("/")).json() == {"any": 1}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (lambda req: req.res.text("text"), "text"),
        (lambda req: Response("text"), "text"),
        (lambda req: PlainTextResponse("text"), "text"),
        (lambda req: JSONResponse({"any": 1}), '{"any":1}'),
        (lambda req: req.res.stream_text(["te", "xt"]), "text"),
        (lambda req: req.res.html_from_string("{{ 1 + 1 }}"), "2"),
        (lambda req: req.res.redirect("/x"), ""),
    ],
    ids=["text", "Response", "PlainTextResponse", "JSONResponse", "stream", "html", "redirect"],
)
async def test_body_that_is_no_json_value_is_sent_as_it_is(answer: Answer, value: Any, text: str) -> None:
    assert (await answer(Response[Item], value)).text == text


# What handlers may return


@pytest.mark.parametrize(
    ("value", "body", "content_type"),
    [
        ({"a": 1}, b'{"a":1}', "application/json"),
        ([], b"[]", "application/json"),
        (Item(title="x"), b'{"title":"x","count":1}', "application/json"),
        (0, b"0", "application/json"),
        (False, b"false", "application/json"),
        ("text", b"text", "text/plain; charset=utf-8"),
        ("", b"", "text/plain; charset=utf-8"),
        (b"raw", b"raw", "application/octet-stream"),
        (bytearray(b"raw"), b"raw", "application/octet-stream"),
    ],
)
async def test_value_returned_is_the_body(answer: Answer, value: Any, body: bytes, content_type: str) -> None:
    response = await answer(Any, value)
    found = (response.status_code, response.content, response.headers["content-type"])
    assert found == (200, body, content_type)


async def test_generator_returned_is_a_text_stream(answer: Answer) -> None:
    assert (await answer(Any, lambda req: (letter for letter in "ab"))).text == "ab"


async def test_async_generator_returned_is_a_text_stream(answer: Answer) -> None:
    async def letters() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    assert (await answer(AsyncIterator[str], lambda req: letters())).text == "ab"


async def test_none_returned_is_204(answer: Answer) -> None:
    response = await answer(None, None)
    assert (response.status_code, response.content) == (204, b"")


async def test_none_returned_with_a_status_has_it(answer: Answer) -> None:
    def accept(req: Request) -> None:
        req.res.status(202)

    assert (await answer(None, accept)).status_code == 202


async def test_none_returned_after_filling_res_sends_it(answer: Answer) -> None:
    def fill(req: Request) -> None:
        req.res.json({"filled": True})

    assert (await answer(None, fill)).json() == {"filled": True}


async def test_tuple_returned_is_body_and_status(answer: Answer) -> None:
    response = await answer(Any, ({"a": 1}, HttpStatus.CREATED))
    assert (response.status_code, response.json()) == (201, {"a": 1})


async def test_tuple_returned_may_have_headers(answer: Answer) -> None:
    response = await answer(Any, ("text", 202, {"x-a": "1"}))
    assert (response.status_code, response.text, response.headers["x-a"]) == (202, "text", "1")


async def test_tuple_returned_may_hold_a_response(answer: Answer) -> None:
    response = await answer(Any, lambda req: (PlainTextResponse("plain"), 203, {"x-a": "1"}))
    assert (response.status_code, response.text, response.headers["x-a"]) == (203, "plain", "1")


async def test_tuple_returned_may_hold_none(answer: Answer) -> None:
    response = await answer(Any, (None, 202))
    assert (response.status_code, response.content) == (202, b"")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ((1,), r"Api.show returned a tuple of 1; \(body, status\) and headers are understood"),
        ((1, 200, {}, 4), r"Api.show returned a tuple of 4"),
        (("body", "created"), "Api.show returned 'created' as status; an int or HttpStatus stands there"),
    ],
)
async def test_tuple_of_another_form_is_an_error_that_says_so(answer: Answer, value: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        await answer(Any, value, DEBUG=True)


# What does not fit


MISFITS = [
    (Response[Item], in_json({}), "title: Field required"),
    (Response[Item], in_json({"title": "x", "count": "many"}), "count: Input should be a valid integer"),
    (Response[Item], in_json([]), "body: Input should be a valid dictionary or object to extract fields from"),
    (Response[Item], in_json(None), "body: Input should be a valid dictionary"),
    (Response[list[Item]], in_json([{"title": "x"}, {}]), "1.title: Field required"),
    (Response[Item], in_json(Other(name="x")), "title: Field required"),
    (Response[Item], in_json(Item.model_construct(title=3)), "Pydantic serializer warnings"),
    (Response[Nested], in_json({"item": Item.model_construct(title=3)}), "Pydantic serializer warnings"),
    (Response[list[Item]], in_json([Item.model_construct(title=3)]), "Pydantic serializer warnings"),
    (Response[Doubled], in_json({"count": 1}), "Pydantic serializer warnings"),
    (Response[Unchecked], in_json({"count": 1}), "Error serializing to JSON: PydanticSerializationError"),
    (Response[Item], None, "None was returned"),
    (Item, None, "None was returned"),
    (Item, (None, 200), "None was returned"),
    (Response[Item], lambda req: req.res, "a response without a body was returned"),
    (Response[Item], lambda req: Response(), "a response without a body was returned"),
    (Response[int], in_json("secret-value"), "body: Input should be a valid integer"),
    (Response[Movie], in_json({"name": "x"}), "year: Field required"),
    (Response[dict[str, Any]], in_json({"x": object()}), "Unable to serialize unknown type"),
]


@pytest.mark.parametrize(("returned", "value", "problem"), MISFITS)
async def test_body_that_does_not_fit_is_one_clean_500(
    answer: Answer, records: list[Any], returned: Any, value: Any, problem: str
) -> None:
    response = await answer(returned, value)
    assert (response.status_code, response.json()) == (500, ERROR)
    (record,) = [record for record in records if record["level"].name == "CRITICAL"]
    assert record["message"] == "Unhandled exception in Api.show"
    assert f"The response of Api.show does not fit its declaration: {problem}" in str(record["exception"].value)


async def test_body_that_does_not_fit_is_raised_in_debug(answer: Answer) -> None:
    with pytest.raises(ResponseValidationError, match=r"Api\.show does not fit its declaration: title: Field required"):
        await answer(Response[Item], in_json({}), DEBUG=True)


@pytest.mark.parametrize(
    "data", [{"title": "x", "count": "the-secret"}, Item.model_construct(title="x", count="the-secret")]
)
async def test_body_that_does_not_fit_names_no_value_in_the_log(answer: Answer, records: list[Any], data: Any) -> None:
    await answer(Response[Item], in_json(data))
    (error,) = [record["exception"].value for record in records if record["exception"]]
    assert "count" in str(error)
    assert "the-secret" not in "".join(traceback.format_exception(error))


async def test_body_that_does_not_fit_is_not_seen_by_the_handler_of_request_errors(answer: Answer) -> None:
    class Handlers(ExceptionHandler):
        @handles(ValidationError)
        async def invalid(self, req: Request, exc: ValidationError) -> Response:
            return req.res.json({"message": "your fault"}).status(422)

    assert (await answer(Response[Item], in_json({}), Handlers)).json() == ERROR


async def test_body_that_does_not_fit_keeps_nothing_of_the_failed_response(answer: Answer) -> None:
    response = await answer(Response[Item], lambda req: req.res.json({}).set_cookie("a", "1").set_header("x-a", "1"))
    assert ("set-cookie" in response.headers, "x-a" in response.headers) == (False, False)


async def test_body_whose_own_serializer_fails_names_its_error_in_the_log(answer: Answer, records: list[Any]) -> None:
    class Broken(BaseModel):
        name: str

        @field_serializer("name")
        def write(self, value: str) -> str:
            raise LookupError("no such alphabet")

    assert (await answer(Response[Broken], in_json({"name": "x"}))).status_code == 500
    (error,) = [record["exception"].value for record in records if record["exception"]]
    assert "no such alphabet" in "".join(traceback.format_exception(error))


async def test_status_produced_holds_for_an_empty_response(make_app: MakeApp, client: Connect) -> None:
    class Api(Controller):
        @get("/")
        @produces(MediaType.APPLICATION_JSON, HttpStatus.ACCEPTED)
        async def show(self, req: Request) -> Response:
            return req.res.set_header("x-a", "1")

    assert (await (await client(make_app(Api))).get("/")).status_code == 202


# Exception handlers


class Problem(BaseModel):
    message: str


async def handled(answer: Answer, returned: Any, value: Any) -> httpx.Response:
    class Handlers(ExceptionHandler):
        @handles(LookupError)
        async def missing(self, req: Request, exc: LookupError) -> returned:
            return value(req) if callable(value) else value

    def fail(req: Request) -> None:
        raise KeyError("x")

    return await answer(Response[Item], fail, Handlers)


async def test_type_of_exception_handler_shapes_its_error_body(answer: Answer) -> None:
    returned, data = Response[Problem], {"message": "gone", "secret": 1}
    response = await handled(answer, returned, lambda req: req.res.json(data).status(410))
    assert (response.status_code, response.json()) == (410, {"message": "gone"})


async def test_type_of_exception_handler_as_string_shapes_too(answer: Answer) -> None:
    response = await handled(answer, "Response[Problem]", (Row(message="gone", secret=1), 410))
    assert (response.status_code, response.json()) == (410, {"message": "gone"})


async def test_exception_handler_may_return_any_value(answer: Answer) -> None:
    response = await handled(answer, Any, ({"gone": True}, 410))
    assert (response.status_code, response.json()) == (410, {"gone": True})


async def test_body_of_exception_handler_that_does_not_fit_is_a_500(answer: Answer, records: list[Any]) -> None:
    response = await handled(answer, Response[Problem], lambda req: req.res.json({}).status(410))
    assert (response.status_code, response.json()) == (500, ERROR)
    failed = [record["message"] for record in records if record["level"].name == "ERROR"]
    assert failed == ["handled.<locals>.Handlers.missing failed while it answered this exception"]


async def test_type_of_exception_handler_that_cannot_be_resolved_is_a_mistake(make_app: MakeApp) -> None:
    class Handlers(ExceptionHandler):
        @handles(LookupError)
        async def missing(self, req: Request, exc: LookupError) -> "Response[Unknown]":  # type: ignore[name-defined]  # noqa: F821
            return req.res

    with pytest.raises(Exception, match=r"PAT115 .*Handlers\.missing -> Response\[Unknown\]"):
        make_app(EXCEPTION_HANDLERS=[Handlers]).build()


# `@produces` and another type


def declared(media_type: str, handler: Callable[[Request], Any]) -> type[Controller]:
    class Api(Controller):
        @get("/")
        @produces(media_type)
        async def show(self, req: Request) -> Any:
            return handler(req)

    return Api


@pytest.mark.parametrize(
    ("media_type", "handler", "given"),
    [
        (MediaType.APPLICATION_JSON, lambda req: req.res.json({}).set_header("content-type", "text/csv"), "text/csv"),
        (MediaType.TEXT_CSV, lambda req: req.res.json({}), "application/json"),
        (MediaType.APPLICATION_JSON, lambda req: req.res.html_from_string("x"), "text/html; charset=utf-8"),
    ],
    ids=["header", "json", "html"],
)
async def test_type_other_than_produced_is_overruled_with_one_warning(
    make_app: MakeApp,
    client: Connect,
    records: list[Any],
    media_type: MediaType,
    handler: Callable[[Request], Any],
    given: str,
) -> None:
    http = await client(make_app(declared(media_type, handler)))
    types = {(await http.get("/")).headers["content-type"].split(";")[0] for _ in range(3)}
    warnings = [record["message"] for record in records if record["level"].name == "WARNING"]
    assert (types, warnings) == (
        {media_type},
        [f"Api.show set the media type {given} but produces {media_type}; that is sent"],
    )


@pytest.mark.parametrize(
    ("media_type", "handler"),
    [
        (MediaType.TEXT_CSV, lambda req: req.res.text("a,b")),
        (MediaType.APPLICATION_JSON, lambda req: req.res.json({})),
        (MediaType.APPLICATION_PROBLEM_JSON, lambda req: req.res.json({})),
        (MediaType.TEXT_HTML, lambda req: req.res.html_from_string("x")),
        (MediaType.APPLICATION_XML, lambda req: req.res.html_from_string("<x/>")),
        (MediaType.TEXT_CSV, lambda req: req.res.text("a").set_header("content-type", "text/csv; header=absent")),
        (MediaType.APPLICATION_JSON, lambda req: req.res.redirect("/")),
        (MediaType.APPLICATION_JSON, lambda req: Response("no", 403)),
    ],
)
async def test_type_as_produced_is_no_warning(
    make_app: MakeApp, client: Connect, records: list[Any], media_type: MediaType, handler: Callable[[Request], Any]
) -> None:
    await (await client(make_app(declared(media_type, handler)))).get("/")
    assert [record["message"] for record in records if record["level"].name == "WARNING"] == []


async def test_type_with_parameters_as_produced_is_kept(make_app: MakeApp, client: Connect) -> None:
    api = declared(
        MediaType.TEXT_CSV, lambda req: req.res.text("a").set_header("content-type", "text/csv; header=absent")
    )
    assert (await (await client(make_app(api))).get("/")).headers["content-type"] == "text/csv; header=absent"
