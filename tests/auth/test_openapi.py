"""The OpenAPI document shows which operations need a login, and of what kind."""

from collections.abc import Mapping
from typing import Any

from openapi_spec_validator import validate

from patera import Patera, Request, Response
from patera.auth import (
    ApiKeyLoader,
    Authentication,
    BasicLoader,
    BearerLoader,
    SessionLoader,
    login_required,
    optional_user,
)
from patera.controller import Controller, get, path, post
from patera.testing import PateraTestClient
from tests.auth.users import HeaderAuth, MakeApp, TokenAuth, User


class SeveralAuth(TokenAuth):
    loaders = (SessionLoader(), BearerLoader(), BasicLoader(), ApiKeyLoader("X-Service-Key"))

    def find_user(self, username: str) -> User | None:
        return None

    def load_api_key(self, key: str) -> User | None:
        return None


def api_of(auth: Authentication) -> type[Controller]:
    @path("/items")
    class Items(Controller):
        @get("/")
        async def show(self, req: Request) -> Response:
            """Show all items."""
            return req.res.json([])

        @optional_user
        @get("/mine")
        async def mine(self, req: Request) -> Response:
            """Show some items."""
            return req.res.json([])

        @auth.login_required
        @post("/")
        async def create(self, req: Request) -> Response:
            """Create an item."""
            return req.res.json([])

        @login_required
        @auth.role_required("admin")
        @auth.role_required("owner")
        @post("/all")
        async def create_all(self, req: Request) -> Response:
            """Create many items."""
            return req.res.json([])

    return Items


async def document_of(application: Patera) -> dict[str, Any]:
    async with PateraTestClient(application) as http:
        document: dict[str, Any] = (await http.get("/openapi/specs.json")).json()
    validate(document)
    return document


def locks_of(document: Mapping[str, Any]) -> dict[str, list[str]]:
    """The schemes of each operation, by its name."""
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    return {
        each["operationId"]: [name for choice in each.get("security", ()) for name in choice] for each in operations
    }


async def test_protected_operations_have_the_schemes_of_all_loaders(make_app: MakeApp) -> None:
    auth = SeveralAuth()
    document = await document_of(make_app(api_of(auth), EXTENSIONS=[auth], SESSION_COOKIE_NAME="sid"))
    schemes = ["sessionAuth", "bearerAuth", "basicAuth", "apiKeyAuth"]
    assert locks_of(document) == {
        "Items.show": [],
        "Items.mine": schemes,
        "Items.create": schemes,
        "Items.create_all": schemes,
    }
    assert document["components"]["securitySchemes"] == {
        "sessionAuth": {"type": "apiKey", "in": "cookie", "name": "sid"},
        "bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "basicAuth": {"type": "http", "scheme": "basic"},
        "apiKeyAuth": {"type": "apiKey", "in": "header", "name": "X-Service-Key"},
    }


async def test_operations_with_an_optional_user_take_the_schemes_and_nobody_too(make_app: MakeApp) -> None:
    auth = SeveralAuth()

    @auth.optional_user
    @path("/feed")
    class Feed(Controller):
        @get("/")
        async def show(self, req: Request) -> Response:
            """Show what everybody may see."""
            return req.res.json([])

        @auth.login_required
        @get("/own")
        async def own(self, req: Request) -> Response:
            """Show what is of one user."""
            return req.res.json([])

    document = await document_of(make_app(Feed, EXTENSIONS=[auth]))
    everybody, users = document["paths"]["/feed/"]["get"], document["paths"]["/feed/own"]["get"]
    schemes: list[Any] = [{"sessionAuth": []}, {"bearerAuth": []}, {"basicAuth": []}, {"apiKeyAuth": []}]
    assert (everybody["security"], users["security"]) == ([{}, *schemes], schemes)
    assert "401" not in everybody["responses"]


async def test_lock_of_a_class_is_on_its_operations_and_inherited_ones(make_app: MakeApp) -> None:
    auth = TokenAuth()

    @login_required
    class Base(Controller):
        @get("/")
        async def show(self, req: Request) -> Response:
            """Show one."""
            return req.res.json([])

    @path("/child")
    class Child(Base):
        async def show(self, req: Request) -> Response:
            """Show another."""
            return req.res.json([])

        @get("/new")
        async def new(self, req: Request) -> Response:
            """Show a new one."""
            return req.res.json([])

    document = await document_of(make_app(Base, Child, EXTENSIONS=[auth]))
    assert locks_of(document) == {name: ["bearerAuth"] for name in ("Base.show", "Child.show", "Child.new")}


async def test_protected_operations_have_their_refusals(make_app: MakeApp) -> None:
    auth = SeveralAuth()
    document = await document_of(make_app(api_of(auth), EXTENSIONS=[auth]))
    items, every = document["paths"]["/items/"], document["paths"]["/items/all"]
    assert "401" not in items["get"]["responses"]
    assert {"401", "403"} <= set(items["post"]["responses"])
    assert {"401", "403"} <= set(every["post"]["responses"])


async def test_own_loader_has_a_scheme_that_can_be_described(make_app: MakeApp) -> None:
    plain = HeaderAuth()
    document = await document_of(make_app(api_of(plain), EXTENSIONS=[plain]))
    assert locks_of(document)["Items.create"] == ["cookieAuth"]

    class Described(HeaderAuth):
        def security_schemes(self, app: Patera) -> Mapping[str, Mapping[str, Any]]:
            return {"remote": {"type": "apiKey", "in": "header", "name": "x-user"}}

    described = Described()
    document = await document_of(make_app(api_of(described), EXTENSIONS=[described]))
    assert locks_of(document)["Items.create_all"] == ["remote"]
    assert document["components"]["securitySchemes"] == {"remote": {"type": "apiKey", "in": "header", "name": "x-user"}}
