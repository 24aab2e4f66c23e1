import sys
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
import werkzeug.routing
from starlette.routing import BaseRoute, Host, Match, Mount, NoMatchFound, Route, Router, WebSocketRoute

from patera._compiler.converters import Converter
from patera._compiler.dispatch import NOT_FOUND, RouteIndex
from patera._compiler.routing import RuleRoute, RuleSocketRoute, UrlBuilder, parse_rule, sort_routes
from patera._types import Scope
from tests.rule_routes import answer, endpoint, make_route, make_socket, values_of

KEY = uuid.UUID("12345678-1234-1234-1234-123456789abc")


def test_route_is_starlette_route() -> None:
    route = make_route("/users/<int:id>/", name="Users.get")
    assert isinstance(route, Route)
    assert (route.path, route.rule, route.path_format) == ("/users/{id}/", "/users/<int:id>/", "/users/{id}/")
    assert (route.endpoint, route.app, route.name, route.include_in_schema) == (endpoint, answer, "Users.get", True)


@pytest.mark.parametrize(
    ("ours", "stock"),
    [
        (make_route("/x"), Route("/x", endpoint)),
        (
            RuleSocketRoute(parse_rule("/x"), answer, endpoint=endpoint, name="x"),
            WebSocketRoute("/x", endpoint),
        ),
    ],
)
def test_route_has_all_attributes_of_stock_route(ours: BaseRoute, stock: BaseRoute) -> None:
    assert [name for name in vars(stock) if not hasattr(ours, name)] == []


def test_route_matches_scope_of_starlette() -> None:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/app/users/3",
        "root_path": "/app",
        "path_params": {"tenant": "t"},
    }
    assert make_route("/users/<int:id>").matches(scope) == (
        Match.FULL,
        {"endpoint": endpoint, "path_params": {"tenant": "t", "id": 3}},
    )


def test_route_with_refused_value_does_not_match_scope() -> None:
    scope = {"type": "http", "method": "GET", "path": "/" + "9" * 5000}
    assert make_route("/<int:id>").matches(scope) == (Match.NONE, {})


def test_route_name_gives_path_in_starlette() -> None:
    router = Router([make_route("/ü/<name>/<int(fixed_digits=2):n>", name="Users.get")])
    assert router.url_path_for("Users.get", name="a/b", n=5) == "/%C3%BC/a%2Fb/05"


def test_route_with_missing_value_is_unknown_to_starlette() -> None:
    with pytest.raises(NoMatchFound):
        Router([make_route("/<name>", name="Users.get")]).url_path_for("Users.get")


def test_foreign_routes_stand_behind_in_their_order() -> None:
    class OwnMount(Mount):
        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            return Match.NONE, {}

    foreign: list[BaseRoute] = [Route("/{x}", endpoint), Host("example.org", answer), OwnMount("/m", answer)]
    rule, mount = make_route("/<path:p>"), Mount("/x", answer)
    ordered = sort_routes([*foreign, rule, mount])
    assert list(map(id, ordered)) == list(map(id, [mount, rule, *foreign]))


def test_foreign_routes_are_not_indexed() -> None:
    foreign = Route("/x", endpoint)
    index = RouteIndex([foreign])
    assert (index.foreign, index.match("/x", "GET")) == ((foreign,), NOT_FOUND)


def test_socket_route_matches_scope_of_starlette() -> None:
    match, child = make_socket("/<int:id>").matches({"type": "websocket", "path": "/3"})
    assert (match, child["path_params"]) == (Match.FULL, {"id": 3})


def builder(*routes: RuleRoute | RuleSocketRoute, **aliases: str) -> UrlBuilder:
    return UrlBuilder(routes, aliases)


@pytest.mark.parametrize(
    ("rule", "values", "url"),
    [
        ("/<name>", {"name": "a b/ü?#%\r\n"}, "/a%20b%2F%C3%BC%3F%23%25%0D%0A"),
        ("/<name>", {"name": 5}, "/5"),
        ("/<path:p>", {"p": "a b/c"}, "/a%20b/c"),
        ("/<path:p>", {"p": "//evil.example/x"}, "/evil.example/x"),
        ("/<int:id>", {"id": "7"}, "/7"),
        ("/<int(fixed_digits=3):id>", {"id": 7}, "/007"),
        ("/<float:x>", {"x": 2}, "/2.0"),
        ("/<float:x>", {"x": 1e20}, "/100000000000000000000.0"),
        ("/<float:x>", {"x": 1e-7}, "/0.0000001"),
        ("/<uuid:key>", {"key": KEY}, f"/{KEY}"),
        ('/<any("a b", c):x>', {"x": "a b"}, "/a%20b"),
        ("/ü x/<name>/", {"name": "{name}"}, "/%C3%BC%20x/%7Bname%7D/"),
        ("/", {}, "/"),
        ("/x", {"q": "a b&c", "none": None, "page": 2}, "/x?q=a+b%26c&page=2"),
        ("/x", {"tag": ["a", None, "b"], "empty": []}, "/x?tag=a&tag=b"),
        ("/<id>", {"id": 1, "next": "/a\r\nb"}, "/1?next=/a%0D%0Ab"),
    ],
)
def test_url_has_encoded_values(rule: str, values: dict[str, Any], url: str) -> None:
    assert builder(make_route(rule, name="X.get")).build("X.get", values) == url


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("/<string(length=2):x>", "é "),
        ("/<int(signed=True):x>", -5),
        ("/<float(signed=True):x>", -1.5e-9),
        ("/<float:x>", sys.float_info.max),
        ("/<uuid:x>", KEY),
        ("/<path:x>", "a/b//c?d/"),
        ('/<any("c d", e):x>', "c d"),
    ],
)
def test_url_read_by_its_rule_gives_value_back(rule: str, value: Any) -> None:
    url = builder(make_route(rule, name="X.get")).build("X.get", {"x": value})
    adapter = werkzeug.routing.Map([werkzeug.routing.Rule(rule, endpoint="X.get")]).bind("host")
    decoded = unquote(url)
    assert values_of(rule, decoded) == {"x": value} == adapter.match(decoded)[1]


def test_url_of_custom_converter_never_names_other_host() -> None:
    class RawConverter(Converter[str]):
        def to_string(self, value: str) -> str:
            return value

    route = make_route("/<raw:x>", name="X.get", converters={"raw": RawConverter})
    assert builder(route).build("X.get", {"x": "/evil.example"}) == "/evil.example"


def test_url_of_alias_is_that_of_endpoint() -> None:
    assert (
        builder(make_route("/s/<path:f>", name="Static.get"), static="Static.get").build("static", {"f": "a"}) == "/s/a"
    )


def test_url_of_endpoint_with_several_rules_takes_most_specific_that_fits() -> None:
    build = builder(
        make_route("/<a>", name="X.get"), make_route("/<a>/<b>", name="X.get"), make_route("/", name="X.get")
    )
    assert [build.build("X.get", values) for values in ({}, {"a": 1}, {"b": 2, "a": 1}, {"b": 2})] == [
        "/",
        "/1",
        "/1/2",
        "/?b=2",
    ]


def test_url_of_endpoint_with_several_methods_prefers_get() -> None:
    routes = [make_route("/save/<x>", "POST", name="X.get"), make_route("/show/<x>", name="X.get")]
    assert builder(*routes).build("X.get", {"x": 1}) == "/show/1"


def test_url_of_socket_is_its_path() -> None:
    assert builder(make_socket("/chat/<room>")).build("/chat/<room>", {"room": "a"}) == "/chat/a"


def failure(act: Callable[[], object]) -> str:
    with pytest.raises(ValueError, match=r"\w") as caught:
        act()
    return str(caught.value)


def test_url_of_unknown_endpoint_names_closest() -> None:
    build = builder(make_route("/", name="Users.get"))
    assert failure(lambda: build.build("User.get", {})) == "there is no endpoint 'User.get'. Did you mean 'Users.get'?"


@pytest.mark.parametrize("values", [{}, {"id": None}])
def test_url_with_missing_value_names_it(values: dict[str, Any]) -> None:
    build = builder(make_route("/<int:id>", name="Users.get"))
    assert failure(lambda: build.build("Users.get", values)) == (
        "the URL of 'Users.get' needs a value for 'id' (/<int:id>)"
    )


@pytest.mark.parametrize(
    ("rule", "value"),
    [("/<int:x>", "a"), ("/<int:x>", [1]), ("/<any(a, b):x>", "c"), ("/<float:x>", float("inf")), ("/<x>", "\ud800")],
)
def test_url_with_value_that_converter_cannot_write_names_it(rule: str, value: Any) -> None:
    build = builder(make_route(rule, name="Users.get"))
    message = failure(lambda: build.build("Users.get", {"x": value}))
    assert message.startswith(f"{value!r} is no value for 'x' of 'Users.get' ({rule}): ")
