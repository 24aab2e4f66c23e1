import datetime
import decimal
import enum
import json
import re
import uuid
from collections.abc import Awaitable, Callable, Sequence
from html.parser import HTMLParser
from typing import Annotated, Any, Literal

import pytest
import schemathesis
from anyio import to_thread
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import validate
from pydantic import BaseModel, Field
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import negative_data_rejection

from patera import MediaType, Patera, Request, Response, abort
from patera.controller import (
    Controller,
    Cookie,
    Descriptor,
    File,
    Form,
    Header,
    Query,
    consumes,
    cors,
    delete,
    get,
    open_api_docs,
    path,
    post,
    produces,
    put,
    socket,
)
from patera.exceptions import ExceptionHandler, NotFound, handles
from patera.layer import Call, Layer, Next, Place
from patera.openapi import build_document, describe_application
from patera.openapi.page import asset, docs_page
from patera.testing import PateraTestClient
from patera.uploads import UploadedFile
from tests.server import run_server

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]
Document = dict[str, Any]


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Item(BaseModel):
    title: str = Field(alias="itemTitle")
    color: Color = Color.RED
    made: datetime.datetime | None = None


class Tree(BaseModel):
    name: str
    children: list["Tree"] = []


class Extra(BaseModel):
    note: str = ""


class Lists(BaseModel):
    names: list[str]
    notes: list[str] = []


class Page(BaseModel):
    page: int = Field(1, ge=1)
    tags: list[str] = []
    color: Color | None = None


class Upload(BaseModel):
    title: str
    file: UploadedFile


class Problem(BaseModel):
    code: int


class Odd:
    """Nothing that Pydantic knows."""


class Broken(BaseModel):
    value: Annotated[int, Field(json_schema_extra=lambda schema: schema["missing"])]


class Refusing:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        raise RuntimeError("no schema")


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Injecting(Layer):
    def injects(self, app: Patera) -> Sequence[str]:
        return ("session",)

    async def around(self, call: Call, next: Next) -> Any:
        return await next(call)


class Passing(Layer):
    """A guard that lets everybody pass."""

    async def guard(self, call: Call) -> None:
        """Pass."""


class Login(Passing):
    place = Place.LOGIN
    statuses = {401: "Login required"}
    security = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": "auth"},
    }


class Roles(Passing):
    place = Place.ROLES
    statuses = {403: "Missing role"}
    security = Login.security


class Key(Passing):
    place = Place.RATE_LIMIT_USER
    statuses = {429: "Too many requests"}
    security = {"key": {"type": "apiKey", "in": "header", "name": "x-key"}}


@path("/items", tags=["Stock"])
class Items(Controller):
    @get("/", tags=["Lists"])
    async def listing(self, req: Request, limit: int = 10, word: str | None = None) -> Response[list[Item]]:
        """List all
        items.

        With *every* detail.
        """
        return req.res.json([])

    @post("/")
    @consumes(MediaType.APPLICATION_JSON)
    @produces(MediaType.APPLICATION_JSON, 201)
    async def create(self, req: Request, item: Item) -> Response[Item]:
        return req.res.json(item)

    @get("/<int(min=1, max=9):item_id>")
    @open_api_docs(Descriptor(404, "No such item", body=Problem), Descriptor(409))
    async def show(self, req: Request, item_id: int) -> Response[Item]:
        return req.res.json({})

    @put("/<int:key>")
    async def replace(self, req: Request, key: int, item: Item, extra: Extra) -> Response[Item]:
        return req.res.json(item)

    @delete("/<int:item_id>")
    @produces(MediaType.NO_CONTENT)
    async def remove(self, req: Request, item_id: int) -> Response:
        return req.res.no_content()


async def specs(make_app: MakeApp, *controllers: type, **values: Any) -> Document:
    """Return the document of an application, checked against the OpenAPI 3.1 schema."""
    document = describe_application(make_app(*controllers, **values))
    validate(document)
    json.dumps(document)
    return document


def operation(document: Document, method: str, url: str) -> Document:
    found: Document = document["paths"][url][method]
    return found


def parameter(document: Document, method: str, url: str, name: str) -> Document:
    return next(each for each in operation(document, method, url)["parameters"] if each["name"] == name)


def body_schema(document: Document, method: str, url: str, media_type: str = "application/json") -> Document:
    found: Document = operation(document, method, url)["requestBody"]["content"][media_type]["schema"]
    return found


def answer(document: Document, method: str, url: str, status: int) -> Document:
    found: Document = operation(document, method, url)["responses"][str(status)]
    return found


def statuses(document: Document, method: str, url: str) -> list[str]:
    return list(operation(document, method, url)["responses"])


def ref(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


JSON = "application/json"


class TestDocument:
    async def test_document_of_application_is_valid(self, make_app: MakeApp) -> None:
        assert (await specs(make_app, Items))["openapi"] == "3.1.0"

    async def test_document_without_endpoints_is_valid(self, make_app: MakeApp) -> None:
        assert (await specs(make_app))["paths"] == {}

    async def test_info_comes_from_configuration(self, make_app: MakeApp) -> None:
        document = await specs(make_app, APP_NAME="Shop", VERSION="2.1", OPEN_API_DESCRIPTION="Sells.")
        assert document["info"] == {"title": "Shop", "version": "2.1", "description": "Sells."}

    async def test_servers_are_left_out_so_that_the_host_serves(self, make_app: MakeApp) -> None:
        assert "servers" not in await specs(make_app, Items)

    async def test_servers_given_are_listed(self, make_app: MakeApp) -> None:
        plan = make_app(Items).plan
        document = build_document(plan, title="x", version="1", description="", servers=[{"url": "/v1"}])
        assert document["servers"] == [{"url": "/v1"}]

    async def test_path_prefix_stands_before_every_path(self, make_app: MakeApp) -> None:
        document = build_document(make_app(Items).plan, title="x", version="1", description="", path_prefix="/api/")
        assert list(document["paths"]) == ["/api/items/", "/api/items/{item_id}"]

    async def test_tags_are_those_of_endpoint_and_controller(self, make_app: MakeApp) -> None:
        document = await specs(make_app, Items)
        assert (operation(document, "get", "/items/")["tags"], document["tags"]) == (
            ["Lists", "Stock"],
            [{"name": "Lists"}, {"name": "Stock"}],
        )

    async def test_tags_not_given_are_the_class_name(self, make_app: MakeApp) -> None:
        @path("/x")
        class Bare(Controller):
            @get("/")
            async def show(self, req: Request) -> Response:
                return req.res

        assert operation(await specs(make_app, Bare), "get", "/x/")["tags"] == ["Bare"]

    async def test_docstring_gives_summary_and_description(self, make_app: MakeApp) -> None:
        found = operation(await specs(make_app, Items), "get", "/items/")
        assert (found["summary"], found["description"]) == (
            "List all items.",
            "List all\nitems.\n\nWith *every* detail.",
        )

    async def test_docstring_missing_leaves_texts_out(self, make_app: MakeApp) -> None:
        assert "description" not in operation(await specs(make_app, Items), "post", "/items/")

    async def test_document_of_builtin_endpoints_is_empty(self, make_app: MakeApp) -> None:
        assert not [url for url in (await specs(make_app, Items))["paths"] if not url.startswith("/items")]


class TestOperationIds:
    async def test_operation_id_is_class_and_method(self, make_app: MakeApp) -> None:
        assert operation(await specs(make_app, Items), "get", "/items/")["operationId"] == "Items.listing"

    async def test_operation_id_of_second_verb_has_it(self, make_app: MakeApp) -> None:
        @path("/x")
        class Both(Controller):
            @get("/")
            @post("/")
            @get("/again")
            async def show(self, req: Request) -> Response:
                return req.res

        document = await specs(make_app, Both)
        ids = [item["operationId"] for url in document["paths"].values() for item in url.values()]
        assert (len(set(ids)), "Both.show" in ids, "Both.show.post" in ids) == (3, True, True)

    async def test_operation_ids_of_equally_named_controllers_differ(self, make_app: MakeApp) -> None:
        def make(url: str) -> type[Controller]:
            @path(url)
            class Same(Controller):
                @get("/")
                async def show(self, req: Request) -> Response:
                    return req.res

            return Same

        document = await specs(make_app, make("/a"), make("/b"), make("/c"))
        ids = [item["get"]["operationId"] for item in document["paths"].values()]
        assert ids == ["Same.show", "Same.show.get", "Same.show.get.2"]


class TestExclusion:
    async def test_controller_excluded_is_left_out(self, make_app: MakeApp) -> None:
        @path("/x", open_api_spec=False)
        class Hidden(Controller):
            @get("/")
            async def show(self, req: Request) -> Response:
                return req.res

        assert (await specs(make_app, Hidden))["paths"] == {}

    async def test_endpoint_excluded_is_left_out(self, make_app: MakeApp) -> None:
        @path("/x")
        class Partly(Controller):
            @get("/")
            async def show(self, req: Request) -> Response:
                return req.res

            @get("/hidden", open_api_spec=False)
            async def hidden(self, req: Request) -> Response:
                return req.res

        assert list((await specs(make_app, Partly))["paths"]) == ["/x/"]

    async def test_socket_is_left_out(self, make_app: MakeApp) -> None:
        @path("/x")
        class Chat(Controller):
            @socket("/ws")
            async def talk(self, req: Request) -> None:
                await req.accept()

        assert (await specs(make_app, Chat))["paths"] == {}


class TestPaths:
    async def test_two_controllers_of_one_path_are_both_there(self, make_app: MakeApp) -> None:
        @path("/items")
        class More(Controller):
            @get("/more")
            async def more(self, req: Request) -> Response:
                return req.res

        assert {"/items/", "/items/more"} <= set((await specs(make_app, Items, More))["paths"])

    async def test_variables_named_differently_share_one_path(self, make_app: MakeApp) -> None:
        document = await specs(make_app, Items)
        assert list(document["paths"]) == ["/items/", "/items/{item_id}"]
        assert operation(document, "put", "/items/{item_id}")["parameters"][0]["name"] == "item_id"

    async def test_rules_of_one_shape_and_method_are_both_there(self, make_app: MakeApp) -> None:
        @path("/x")
        class Overlapping(Controller):
            @get("/<int:key>")
            async def by_number(self, req: Request, key: int) -> Response:
                return req.res

            @get("/<key>")
            async def by_name(self, req: Request, key: str) -> Response:
                return req.res

            @get("/<path:rest>")
            async def others(self, req: Request, rest: str) -> Response:
                return req.res

        assert set((await specs(make_app, Overlapping))["paths"]) == {"/x/{key}", "/x/{key_2}", "/x/{rest}"}

    async def test_text_outside_ascii_is_encoded(self, make_app: MakeApp) -> None:
        @path("/x")
        class Texts(Controller):
            @get("/a b/é{}/<name>")
            async def show(self, req: Request, name: str) -> Response:
                return req.res

        assert list((await specs(make_app, Texts))["paths"]) == ["/x/a%20b/%C3%A9%7B%7D/{name}"]

    CONVERTERS = (
        ("<int:x>", int, {"type": "integer", "minimum": 0}),
        ("<int(min=1, max=9):x>", int, {"type": "integer", "minimum": 1, "maximum": 9}),
        ("<int(signed=True):x>", int, {"type": "integer"}),
        ("<float:x>", float, {"type": "number", "minimum": 0}),
        ("<uuid:x>", uuid.UUID, {"type": "string", "format": "uuid"}),
        ('<any(a, "b c"):x>', str, {"type": "string", "enum": ["a", "b c"]}),
        ("<string(length=2):x>", str, {"type": "string", "minLength": 2, "maxLength": 2}),
        ("<x>", str, {"type": "string"}),
    )

    @pytest.mark.parametrize(("variable", "annotation", "schema"), CONVERTERS)
    async def test_variable_has_schema_of_converter(
        self, make_app: MakeApp, variable: str, annotation: type, schema: Document
    ) -> None:
        @path("/v")
        class Typed(Controller):
            @get(f"/{variable}")
            async def show(self, req: Request, x: annotation) -> Response:  # type: ignore[valid-type]
                return req.res

        found = parameter(await specs(make_app, Typed), "get", "/v/{x}", "x")
        assert found == {"name": "x", "in": "path", "required": True, "schema": schema}

    async def test_variable_that_takes_slashes_is_marked(self, make_app: MakeApp) -> None:
        @path("/v")
        class Greedy(Controller):
            @get("/<path:rest>")
            async def show(self, req: Request, rest: str) -> Response:
                return req.res

        assert parameter(await specs(make_app, Greedy), "get", "/v/{rest}", "rest")["x-greedy-path"] is True

    async def test_variable_taken_with_all_others_is_there(self, make_app: MakeApp) -> None:
        @path("/v")
        class Generic(Controller):
            @get("/<int:x>")
            async def show(self, req: Request, **values: Any) -> Response:
                return req.res

        assert parameter(await specs(make_app, Generic), "get", "/v/{x}", "x")["schema"]["type"] == "integer"

    async def test_variable_validated_has_its_rules_and_422(self, make_app: MakeApp) -> None:
        @path("/v")
        class Validated(Controller):
            @get("/<x>")
            async def show(self, req: Request, x: Annotated[str, Field(pattern="^a")]) -> Response:
                return req.res

        document = await specs(make_app, Validated)
        assert parameter(document, "get", "/v/{x}", "x")["schema"] == {"type": "string", "pattern": "^a"}
        assert statuses(document, "get", "/v/{x}") == ["200", "404", "422"]


@path("/q")
class Sources(Controller):
    @get("/")
    async def read(
        self,
        req: Request,
        page: Annotated[Page, Query()],
        x_key: Annotated[str, Header()],
        theme: Annotated[Color, Cookie("look")] = Color.BLUE,
        word: str | None = None,
        numbers: list[int] = [],  # noqa: B006
        limit: Annotated[int, Field(le=50, description="How many")] = 10,
    ) -> Response:
        return req.res


class TestParameters:
    async def found(self, make_app: MakeApp, name: str) -> Document:
        return parameter(await specs(make_app, Sources), "get", "/q/", name)

    async def test_parameter_of_query_has_default(self, make_app: MakeApp) -> None:
        assert await self.found(make_app, "limit") == {
            "name": "limit",
            "in": "query",
            "required": False,
            "description": "How many",
            "schema": {"type": "integer", "maximum": 50, "default": 10},
        }

    async def test_parameter_optional_has_no_null(self, make_app: MakeApp) -> None:
        assert (await self.found(make_app, "word"))["schema"] == {"type": "string"}

    async def test_parameter_list_is_an_array(self, make_app: MakeApp) -> None:
        assert (await self.found(make_app, "numbers"))["schema"] == {
            "type": "array",
            "items": {"type": "integer"},
            "default": [],
        }

    async def test_parameter_of_header_has_wire_name(self, make_app: MakeApp) -> None:
        assert await self.found(make_app, "x-key") == {
            "name": "x-key",
            "in": "header",
            "required": True,
            "schema": {"type": "string"},
        }

    async def test_parameter_of_cookie_has_alias(self, make_app: MakeApp) -> None:
        found = await self.found(make_app, "look")
        assert (found["in"], found["schema"]) == ("cookie", {**ref("Color"), "default": "blue"})

    async def test_parameter_model_is_one_parameter_per_field(self, make_app: MakeApp) -> None:
        assert (await self.found(make_app, "page"))["schema"]["minimum"] == 1
        assert (await self.found(make_app, "tags"))["schema"]["type"] == "array"
        assert (await self.found(make_app, "color"))["schema"] == ref("Color")

    async def test_parameter_model_optional_keeps_defaults_of_fields(self, make_app: MakeApp) -> None:
        @path("/x")
        class Paged(Controller):
            @get("/")
            async def show(self, req: Request, page: Annotated[Page, Query()] = Page(page=2)) -> Response:  # noqa: B008
                return req.res

        assert parameter(await specs(make_app, Paged), "get", "/x/", "page")["schema"]["default"] == 1

    async def test_parameter_list_required_has_a_value(self, make_app: MakeApp) -> None:
        @path("/x")
        class Listed(Controller):
            @get("/")
            async def show(self, req: Request, ids: list[int]) -> Response:
                return req.res

        assert parameter(await specs(make_app, Listed), "get", "/x/", "ids")["schema"]["minItems"] == 1

    async def test_parameter_model_is_no_component(self, make_app: MakeApp) -> None:
        assert "Page" not in (await specs(make_app, Sources))["components"]["schemas"]

    async def test_parameter_with_default_that_is_no_json_has_none(self, make_app: MakeApp) -> None:
        @path("/x")
        class Endless(Controller):
            @get("/")
            async def show(self, req: Request, word: str = object()) -> Response:  # type: ignore[assignment]
                return req.res

        assert parameter(await specs(make_app, Endless), "get", "/x/", "word")["schema"] == {"type": "string"}

    async def test_parameter_injected_is_left_out(self, make_app: MakeApp) -> None:
        @path("/x")
        class Stored(Controller):
            @get("/")
            @Injecting()
            async def show(self, req: Request, session: Any) -> Response:
                return req.res

        assert "parameters" not in operation(await specs(make_app, Stored), "get", "/x/")

    async def test_parameters_validated_document_400_and_422(self, make_app: MakeApp) -> None:
        assert statuses(await specs(make_app, Sources), "get", "/q/") == ["200", "400", "422"]


@path("/b")
class Bodies(Controller):
    @post("/form")
    async def form(
        self, req: Request, name: Annotated[str, Form()], age: Annotated[int | None, Form()] = None
    ) -> Response:
        return req.res

    @post("/files")
    async def files(self, req: Request, one: UploadedFile, more: Annotated[list[UploadedFile], File()]) -> Response:
        return req.res

    @post("/model")
    @consumes(MediaType.MULTIPART_FORM_DATA)
    async def model(self, req: Request, upload: Upload, note: Annotated[str, Form()] = "") -> Response:
        return req.res

    @post("/csv")
    @consumes(MediaType.TEXT_CSV)
    async def csv(self, req: Request, rows: str) -> Response:
        return req.res

    @post("/bytes")
    @consumes(MediaType.IMAGE_PNG)
    async def image(self, req: Request, data: bytes) -> Response:
        return req.res

    @post("/optional")
    async def optional(self, req: Request, item: Item | None = None) -> Response:
        return req.res

    @post("/alone")
    @consumes(MediaType.APPLICATION_X_WWW_FORM_URLENCODED)
    async def alone(self, req: Request, extra: Extra) -> Response:
        return req.res

    @post("/lists")
    @consumes(MediaType.MULTIPART_FORM_DATA)
    async def lists(self, req: Request, lists: Lists) -> Response:
        return req.res

    @post("/twice")
    async def twice(self, req: Request, one: Extra, other: Extra) -> Response:
        return req.res

    @post("/ignored")
    @consumes(MediaType.NO_CONTENT)
    async def ignored(self, req: Request, extra: Extra | None = None) -> Response:
        return req.res

    @post("/tree")
    async def tree(self, req: Request, tree: Tree) -> Response[Tree]:
        return req.res.json(tree)


class TestBodies:
    async def test_body_of_model_is_its_component(self, make_app: MakeApp) -> None:
        document = await specs(make_app, Items)
        assert operation(document, "post", "/items/")["requestBody"] == {
            "required": True,
            "content": {JSON: {"schema": ref("Item")}},
        }

    async def test_body_component_has_wire_names(self, make_app: MakeApp) -> None:
        component = (await specs(make_app, Items))["components"]["schemas"]["Item"]
        assert (list(component["properties"]), component["required"]) == (["itemTitle", "color", "made"], ["itemTitle"])

    async def test_body_of_two_models_is_both(self, make_app: MakeApp) -> None:
        document = await specs(make_app, Items)
        assert body_schema(document, "put", "/items/{item_id}") == {"allOf": [ref("Item"), ref("Extra")]}

    async def test_body_of_form_fields_is_an_object_in_both_encodings(self, make_app: MakeApp) -> None:
        document = await specs(make_app, Bodies)
        schema = {
            "type": "object",
            "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
            "required": ["name"],
        }
        content = operation(document, "post", "/b/form")["requestBody"]["content"]
        assert content == {
            "multipart/form-data": {"schema": schema},
            "application/x-www-form-urlencoded": {"schema": schema},
        }

    async def test_body_of_files_is_binary_in_multipart(self, make_app: MakeApp) -> None:
        document = await specs(make_app, Bodies)
        binary = {"type": "string", "format": "binary"}
        assert list(operation(document, "post", "/b/files")["requestBody"]["content"]) == ["multipart/form-data"]
        assert body_schema(document, "post", "/b/files", "multipart/form-data")["properties"] == {
            "one": binary,
            "more": {"type": "array", "items": binary, "minItems": 1},
        }

    async def test_body_of_form_model_and_field_is_both(self, make_app: MakeApp) -> None:
        document = await specs(make_app, Bodies)
        assert body_schema(document, "post", "/b/model", "multipart/form-data") == {
            "allOf": [ref("Upload"), {"type": "object", "properties": {"note": {"type": "string", "default": ""}}}]
        }
        assert document["components"]["schemas"]["Upload"]["properties"]["file"]["format"] == "binary"

    async def test_body_raw_text_has_its_media_type(self, make_app: MakeApp) -> None:
        document = await specs(make_app, Bodies)
        assert body_schema(document, "post", "/b/csv", "text/csv") == {"type": "string"}

    async def test_body_raw_bytes_are_binary(self, make_app: MakeApp) -> None:
        document = await specs(make_app, Bodies)
        assert body_schema(document, "post", "/b/bytes", "image/png") == {"type": "string", "format": "binary"}

    async def test_body_raw_cannot_fail_validation(self, make_app: MakeApp) -> None:
        assert statuses(await specs(make_app, Bodies), "post", "/b/csv") == ["200", "400", "413", "415"]

    async def test_body_of_form_model_alone_is_its_component(self, make_app: MakeApp) -> None:
        document = await specs(make_app, Bodies)
        assert body_schema(document, "post", "/b/alone", "application/x-www-form-urlencoded") == ref("Extra")

    async def test_body_of_form_model_has_a_value_for_each_required_list(self, make_app: MakeApp) -> None:
        document = await specs(make_app, Bodies)
        assert body_schema(document, "post", "/b/lists", "multipart/form-data") == {
            "allOf": [ref("Lists"), {"properties": {"names": {"minItems": 1}}}]
        }

    async def test_body_of_one_model_twice_is_named_once(self, make_app: MakeApp) -> None:
        assert body_schema(await specs(make_app, Bodies), "post", "/b/twice") == ref("Extra")

    async def test_body_ignored_is_left_out(self, make_app: MakeApp) -> None:
        found = operation(await specs(make_app, Bodies), "post", "/b/ignored")
        assert ("requestBody" in found, list(found["responses"])) == (False, ["200"])

    async def test_body_optional_is_not_required(self, make_app: MakeApp) -> None:
        assert operation(await specs(make_app, Bodies), "post", "/b/optional")["requestBody"]["required"] is False

    async def test_body_recursive_refers_to_itself(self, make_app: MakeApp) -> None:
        document = await specs(make_app, Bodies)
        name = body_schema(document, "post", "/b/tree")["$ref"].rpartition("/")[2]
        children = document["components"]["schemas"][name]["properties"]["children"]
        assert children["items"] == ref(name)

    async def test_body_parsed_documents_its_errors(self, make_app: MakeApp) -> None:
        assert statuses(await specs(make_app, Items), "post", "/items/") == ["201", "400", "413", "415", "422"]


class TestAnswers:
    async def test_success_has_schema_of_response_type(self, make_app: MakeApp) -> None:
        assert answer(await specs(make_app, Items), "get", "/items/", 200) == {
            "description": "OK",
            "content": {JSON: {"schema": {"type": "array", "items": ref("Item")}}},
        }

    async def test_success_status_is_that_of_produces(self, make_app: MakeApp) -> None:
        assert answer(await specs(make_app, Items), "post", "/items/", 201)["description"] == "Created"

    async def test_success_without_content_has_none(self, make_app: MakeApp) -> None:
        assert answer(await specs(make_app, Items), "delete", "/items/{item_id}", 204) == {"description": "No Content"}

    async def test_success_of_produces_alone_has_media_type(self, make_app: MakeApp) -> None:
        @path("/x")
        class Media(Controller):
            @get("/html")
            @produces(MediaType.TEXT_HTML)
            async def html(self, req: Request) -> Response:
                return req.res

            @get("/png")
            @produces(MediaType.IMAGE_PNG)
            async def png(self, req: Request) -> Response:
                return req.res

        document = await specs(make_app, Media)
        assert answer(document, "get", "/x/html", 200)["content"] == {"text/html": {"schema": {"type": "string"}}}
        assert answer(document, "get", "/x/png", 200)["content"] == {"image/png": {}}

    async def test_success_of_text_and_bytes_has_their_media_types(self, make_app: MakeApp) -> None:
        @path("/x")
        class Raw(Controller):
            @get("/text")
            async def text(self, req: Request) -> Response[str]:
                return req.res.text("x")

            @get("/bytes")
            async def data(self, req: Request) -> Response[bytes]:
                return req.res.send_file(b"x")

        document = await specs(make_app, Raw)
        assert list(answer(document, "get", "/x/text", 200)["content"]) == ["text/plain", JSON]
        assert list(answer(document, "get", "/x/bytes", 200)["content"]) == ["application/octet-stream"]

    async def test_success_of_tagged_union_keeps_its_members(self, make_app: MakeApp) -> None:
        @path("/x")
        class Pets(Controller):
            @get("/")
            async def show(self, req: Request) -> Response[Annotated[Cat | Dog, Field(discriminator="kind")]]:
                return req.res.json({})

        document = await specs(make_app, Pets)
        schema = answer(document, "get", "/x/", 200)["content"][JSON]["schema"]
        assert schema["discriminator"]["mapping"] == {name: ref(name.title())["$ref"] for name in ("cat", "dog")}
        assert set(document["components"]["schemas"]) == {"Cat", "Dog"}

    async def test_success_of_input_and_output_may_differ(self, make_app: MakeApp) -> None:
        class Stamp(BaseModel):
            amount: decimal.Decimal

        @path("/x")
        class Accounts(Controller):
            @post("/")
            async def create(self, req: Request, stamp: Stamp) -> Response[Stamp]:
                return req.res.json(stamp)

        components = (await specs(make_app, Accounts))["components"]["schemas"]
        assert ("Stamp-Input" in components, "Stamp-Output" in components) == (True, True)

    async def test_descriptor_is_an_answer(self, make_app: MakeApp) -> None:
        assert answer(await specs(make_app, Items), "get", "/items/{item_id}", 409) == {"description": "Conflict"}

    async def test_descriptor_for_status_of_framework_stands_beside_it(self, make_app: MakeApp) -> None:
        assert answer(await specs(make_app, Items), "get", "/items/{item_id}", 404) == {
            "description": "No such item",
            "content": {JSON: {"schema": {"anyOf": [ref("Problem"), ref("Error")]}}},
        }

    async def test_descriptors_of_one_status_are_both_described(self, make_app: MakeApp) -> None:
        @path("/x")
        class Twice(Controller):
            @get("/")
            @open_api_docs(
                Descriptor(409, "Exists", body=Problem),
                Descriptor(409, "Locked", body=Extra),
                Descriptor(409, "As text", MediaType.TEXT_PLAIN),
            )
            async def show(self, req: Request) -> Response:
                return req.res

        found = answer(await specs(make_app, Twice), "get", "/x/", 409)
        assert found["description"] == "Exists\n\nLocked\n\nAs text"
        assert found["content"] == {JSON: {"schema": {"anyOf": [ref("Problem"), ref("Extra")]}}, "text/plain": {}}

    async def test_errors_of_framework_have_components(self, make_app: MakeApp) -> None:
        document = await specs(make_app, Items)
        assert answer(document, "post", "/items/", 422)["content"] == {JSON: {"schema": ref("ValidationErrorBody")}}
        assert answer(document, "post", "/items/", 415)["content"] == {JSON: {"schema": ref("Error")}}
        assert set(document["components"]["schemas"]["ValidationErrorBody"]["properties"]) == {
            "status",
            "message",
            "details",
            "errors",
        }

    async def test_errors_of_problem_format_are_rfc_9457(self, make_app: MakeApp) -> None:
        document = await specs(make_app, Items, ERROR_FORMAT="problem")
        content = answer(document, "post", "/items/", 415)["content"]
        assert list(content) == ["application/problem+json"]
        assert document["components"]["schemas"]["Error"]["required"] == ["type", "title", "status", "detail"]

    async def test_error_model_of_application_keeps_its_name(self, make_app: MakeApp) -> None:
        class Error(BaseModel):
            code: int

        @path("/x")
        class Named(Controller):
            @get("/<int:key>")
            async def show(self, req: Request, key: int) -> Response[Error]:
                return req.res.json({})

        document = await specs(make_app, Named)
        assert list(document["components"]["schemas"]["Error"]["properties"]) == ["code"]
        assert answer(document, "get", "/x/{key}", 404)["content"] == {JSON: {"schema": ref("PateraError")}}

    async def test_error_answered_by_handler_has_no_schema(self, make_app: MakeApp) -> None:
        class Handlers(ExceptionHandler):
            @handles(NotFound)
            async def missing(self, req: Request, exc: NotFound) -> Response:
                return req.res.text("nothing").status(404)

        document = await specs(make_app, Items, EXCEPTION_HANDLERS=[Handlers])
        assert answer(document, "put", "/items/{item_id}", 404) == {"description": "Not found"}
        assert "content" in answer(document, "put", "/items/{item_id}", 422)

    async def test_cors_refusals_are_documented_where_they_happen(self, make_app: MakeApp) -> None:
        @path("/x")
        class Shared(Controller):
            @get("/")
            @cors(allow_origins=["https://a.example"], allow_methods=["POST"])
            async def show(self, req: Request) -> Response:
                return req.res

            @get("/open")
            async def open(self, req: Request) -> Response:
                return req.res

        document = await specs(make_app, Shared)
        assert (statuses(document, "get", "/x/"), statuses(document, "get", "/x/open")) == (
            ["200", "403", "405"],
            ["200"],
        )

    async def test_value_refused_here_but_taken_by_another_method_is_405(self, make_app: MakeApp) -> None:
        document = await specs(make_app, Items)
        assert answer(document, "get", "/items/{item_id}", 405)["description"] == "The path belongs to another endpoint"
        assert "405" not in statuses(document, "get", "/items/")

    async def test_value_refused_by_all_methods_is_no_405(self, make_app: MakeApp) -> None:
        @path("/x")
        class Alike(Controller):
            @get("/<int:key>")
            async def show(self, req: Request, key: int) -> Response:
                return req.res

            @delete("/<int:key>")
            async def remove(self, req: Request, key: int) -> Response:
                return req.res

        assert statuses(await specs(make_app, Alike), "get", "/x/{key}") == ["200", "404"]

    async def test_type_unknown_to_pydantic_is_any_value(self, make_app: MakeApp) -> None:
        @path("/x")
        class Odds(Controller):
            @get("/")
            @open_api_docs(
                Descriptor(418, body=Odd),  # type: ignore[arg-type]
                Descriptor(409, body=Broken),
                Descriptor(410, body=Refusing),  # type: ignore[arg-type]
            )
            async def show(self, req: Request) -> Response:
                return req.res

        document = await specs(make_app, Odds)
        for status, name in ((418, "Odd"), (409, "Broken"), (410, "Refusing")):
            schema = answer(document, "get", "/x/", status)["content"][JSON]["schema"]
            assert schema == {"description": f"Any value ({name} has no JSON schema)"}

    async def test_type_partly_unknown_is_described_in_part(self, make_app: MakeApp) -> None:
        class Task(BaseModel):
            name: str
            run: Callable[[], int]

        @path("/x")
        class Tasks(Controller):
            @get("/")
            @open_api_docs(Descriptor(409, body=Task))
            async def show(self, req: Request) -> Response:
                return req.res

        component = (await specs(make_app, Tasks))["components"]["schemas"]["Task"]
        assert component["properties"]["name"]["type"] == "string"
        assert component["properties"]["run"]["description"].startswith("Any value")


class TestSecurity:
    async def test_guard_is_shown_with_scheme_and_status(self, make_app: MakeApp) -> None:
        @path("/x")
        class Guarded(Controller):
            @get("/")
            @Login()
            async def show(self, req: Request) -> Response:
                return req.res

        document = await specs(make_app, Guarded)
        assert operation(document, "get", "/x/")["security"] == [{"bearer": []}, {"cookie": []}]
        assert document["components"]["securitySchemes"] == Login.security
        assert answer(document, "get", "/x/", 401)["description"] == "Login required"

    async def test_guards_of_equal_schemes_ask_once(self, make_app: MakeApp) -> None:
        @path("/x")
        @Login()
        class Guarded(Controller):
            @get("/")
            @Roles()
            async def show(self, req: Request) -> Response:
                return req.res

        document = await specs(make_app, Guarded)
        assert operation(document, "get", "/x/")["security"] == [{"bearer": []}, {"cookie": []}]
        assert statuses(document, "get", "/x/") == ["200", "401", "403"]

    async def test_status_of_guard_and_cors_is_described_once(self, make_app: MakeApp) -> None:
        @path("/x")
        class Guarded(Controller):
            @get("/")
            @cors(allow_origins=["https://a.example"])
            @Roles()
            async def show(self, req: Request) -> Response:
                return req.res

        assert answer(await specs(make_app, Guarded), "get", "/x/", 403) == {
            "description": "Missing role",
            "content": {JSON: {"schema": ref("Error")}},
        }

    async def test_guards_of_different_schemes_ask_for_both(self, make_app: MakeApp) -> None:
        @path("/x")
        class Guarded(Controller):
            @get("/")
            @Login()
            @Key()
            async def show(self, req: Request) -> Response:
                return req.res

        document = await specs(make_app, Guarded)
        assert operation(document, "get", "/x/")["security"] == [{"bearer": [], "key": []}, {"cookie": [], "key": []}]

    async def test_schemes_of_one_name_that_differ_get_numbers(self, make_app: MakeApp) -> None:
        class OtherKey(Key):
            security = {"key": {"type": "apiKey", "in": "query", "name": "key"}}

        @path("/x")
        class Guarded(Controller):
            @get("/a")
            @Key()
            async def one(self, req: Request) -> Response:
                return req.res

            @get("/b")
            @OtherKey()
            async def other(self, req: Request) -> Response:
                return req.res

        document = await specs(make_app, Guarded)
        assert operation(document, "get", "/x/b")["security"] == [{"key_2": []}]
        assert set(document["components"]["securitySchemes"]) == {"key", "key_2"}


class TestController:
    async def test_specs_are_served_as_json(self, make_app: MakeApp, client: Connect) -> None:
        response = await (await client(make_app(Items))).get("/openapi/specs.json")
        validate(response.json())
        assert response.headers["content-type"] == JSON

    async def test_specs_known_are_304(self, make_app: MakeApp, client: Connect) -> None:
        http = await client(make_app(Items))
        etag = (await http.get("/openapi/specs.json")).headers["etag"]
        response = await http.get("/openapi/specs.json", headers={"if-none-match": f'"x", W/{etag}'})
        assert (response.status_code, response.content) == (304, b"")

    async def test_docs_load_only_assets_of_this_host(self, make_app: MakeApp, client: Connect) -> None:
        http = await client(make_app(Items))
        links = links_of((await http.get("/openapi/docs")).text)
        assert [link for link in links if not link.startswith(("/openapi/", "data:,"))] == []
        found = [await http.get(link) for link in links if link.startswith("/")]
        assert {response.status_code for response in found} == {200}

    async def test_docs_forbid_scripts_of_other_hosts(self, make_app: MakeApp, client: Connect) -> None:
        response = await (await client(make_app(Items))).get("/openapi/docs")
        policy = response.headers["content-security-policy"]
        assert ("script-src 'self';" in policy, "default-src 'none'" in policy) == (True, True)
        assert "<script>" not in response.text

    async def test_docs_with_slash_at_end_are_the_same(self, make_app: MakeApp, client: Connect) -> None:
        http = await client(make_app(Items))
        assert (await http.get("/openapi/docs/")).text == (await http.get("/openapi/docs")).text

    async def test_docs_url_is_configurable(self, make_app: MakeApp, client: Connect) -> None:
        http = await client(make_app(Items, OPEN_API_URL="/api/schema"))
        assert 'data-specs-url="/api/schema/specs.json"' in (await http.get("/api/schema/docs")).text

    async def test_docs_of_mounted_application_have_its_prefix(self, make_app: MakeApp, client: Connect) -> None:
        inner, outer = make_app(Items), make_app()
        outer.mount("/inner", inner)
        http = await client(outer)
        assert 'data-specs-url="/inner/openapi/specs.json"' in (await http.get("/inner/openapi/docs")).text
        assert (await http.get("/inner/openapi/specs.json")).json()["servers"] == [{"url": "/inner"}]

    async def test_assets_may_be_kept(self, make_app: MakeApp, client: Connect) -> None:
        http = await client(make_app())
        first = await http.get("/openapi/assets/swagger-ui.css")
        again = await http.get("/openapi/assets/swagger-ui.css", headers={"if-none-match": first.headers["etag"]})
        assert (first.headers["content-type"], again.status_code) == ("text/css; charset=utf-8", 304)

    @pytest.mark.parametrize("name", ["LICENSE", "..%2fpage.py", "other.js"])
    async def test_assets_unknown_are_404(self, make_app: MakeApp, client: Connect, name: str) -> None:
        assert (await (await client(make_app())).get(f"/openapi/assets/{name}")).status_code == 404

    @pytest.mark.parametrize("url", ["/openapi/docs", "/openapi/specs.json", "/openapi/assets/start.js"])
    @pytest.mark.parametrize("values", [{"DEBUG": False}, {"OPEN_API": False}], ids=["production", "off"])
    async def test_everything_switched_off_is_404(
        self, make_app: MakeApp, client: Connect, url: str, values: dict[str, Any]
    ) -> None:
        assert (await (await client(make_app(Items, **values))).get(url)).status_code == 404

    async def test_specs_allowed_in_production_are_served(self, make_app: MakeApp, client: Connect) -> None:
        http = await client(make_app(Items, DEBUG=False, OPEN_API_IN_PRODUCTION=True))
        assert (await http.get("/openapi/specs.json")).status_code == 200

    async def test_url_for_knows_the_pages(self, make_app: MakeApp) -> None:
        application = make_app()
        urls = [application.url_for(f"OpenAPIController.{name}") for name in ("docs", "specs")]
        assert urls == ["/openapi/docs", "/openapi/specs.json"]


async def test_document_is_what_the_application_does(make_app: MakeApp) -> None:
    """Schemathesis finds no undocumented status, media type or body; Pydantic takes more than its schema says."""

    @path("/real")
    class Real(Items):
        @get("/search/<word>/<uuid:key>/<float:price>")
        async def search(self, req: Request, word: str, key: uuid.UUID, price: float) -> Response[dict[str, str]]:
            return req.res.json({"word": word})

        @get("/filter")
        async def filter(self, req: Request, page: Annotated[Page, Query()], ids: list[int]) -> Response[list[int]]:
            return req.res.json(ids)

        @get("/item/<int(min=1, max=9):item_id>")
        @open_api_docs(Descriptor(404, "No such item"))
        async def show(self, req: Request, item_id: int) -> Response[Item]:
            return req.res.json({"itemTitle": "x"}) if item_id < 5 else abort(404)

        @post("/form")
        async def form(
            self, req: Request, name: Annotated[str, Form()], age: Annotated[int | None, Form()] = None
        ) -> Response[dict[str, str]]:
            return req.res.json({"name": name})

        @post("/files")
        async def files(self, req: Request, one: UploadedFile, more: list[UploadedFile]) -> Response[int]:
            return req.res.json(one.size + len(more))

        @post("/text")
        @consumes(MediaType.TEXT_PLAIN)
        @produces(MediaType.TEXT_PLAIN)
        async def text(self, req: Request, body: str) -> Response:
            return req.res.text(body)

    async with run_server(make_app(Real)) as server:
        assert await to_thread.run_sync(check_operations, f"{server.url}/openapi/specs.json") == 10


def check_operations(url: str) -> int:
    """Try each operation of a document with valid and invalid values; return how many there are."""
    schema = schemathesis.openapi.from_url(url)
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    for operation in operations:

        @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            case.call_and_validate(excluded_checks=[negative_data_rejection])

        check()
    return len(operations)


HOSTILE = "</script></title><script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


class TestPage:
    def test_page_of_hostile_values_is_inert(self) -> None:
        page = docs_page(HOSTILE, HOSTILE, "/assets")
        assert ("<script>" in page, "<img" in page, "'><" in page) == (False, False, False)

    async def test_page_of_hostile_application_is_inert(self, make_app: MakeApp, client: Connect) -> None:
        http = await client(make_app(Items, APP_NAME=HOSTILE, VERSION=HOSTILE, OPEN_API_DESCRIPTION=HOSTILE))
        page = (await http.get("/openapi/docs")).text
        assert ("<script>" in page, "<img" in page) == (False, False)
        assert (await http.get("/openapi/specs.json")).headers["content-type"] == JSON

    def test_page_script_asks_no_validator(self) -> None:
        assert b"validatorUrl: null" in asset("start.js").content

    def test_page_styles_load_nothing(self) -> None:
        css = asset("swagger-ui.css").content.decode()
        assert re.findall(r"@import|url\((?![\"']?data:)[^)]{0,40}", css) == []


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "data-specs-url")]


def links_of(page: str) -> list[str]:
    parser = _Links()
    parser.feed(page)
    return parser.found
