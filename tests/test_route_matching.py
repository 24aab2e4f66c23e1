import uuid

import pytest
from starlette.routing import BaseRoute, Match, Mount

from patera._compiler.dispatch import NOT_FOUND, Miss, RouteIndex
from patera._compiler.routing import RuleRoute, parse_rule, sort_routes
from tests.rule_routes import answer, make_index, make_route, make_socket, matched, values_of

KEY = uuid.UUID("12345678-1234-1234-1234-123456789abc")


@pytest.mark.parametrize("rule", ["/x", "/x/", "/<int:id>", "/<int:id>/", "/<path:p>/", "/<name>-<int:n>"])
def test_rule_without_strict_slashes_answers_both_forms(rule: str) -> None:
    path = {"/<path:p>/": "/a/b", "/<name>-<int:n>": "/a-1"}.get(rule, "/x" if "x" in rule else "/1")
    index = make_index(rule)
    assert (matched(index, path), matched(index, f"{path}/")) == (rule, rule)


def test_path_value_without_strict_slashes_keeps_slash_at_end() -> None:
    assert values_of("/<path:p>", "/a/") == {"p": "a/"}


def test_path_value_before_slash_at_end_of_rule_does_not_take_it() -> None:
    assert values_of("/<path:p>/", "/a/") == {"p": "a"}


@pytest.mark.parametrize("form", ["/x", "/x/"])
def test_two_rules_that_differ_in_slash_answer_their_own_form(form: str) -> None:
    assert matched(make_index("/x", "/x/"), form) == form


@pytest.mark.parametrize(("path", "rule"), [("/1", "/<int:a>"), ("/1/", "/<int:b>/")])
def test_two_rules_with_variables_that_differ_in_slash_answer_their_own_form(path: str, rule: str) -> None:
    assert matched(make_index("/<int:b>/", "/<int:a>"), path) == rule


@pytest.mark.parametrize(("rule", "path"), [("/x/", "/x"), ("/<int:id>/", "/1"), ("/<path:p>/", "/a//b"), ("/", "")])
def test_strict_rule_with_slash_redirects_request_without(rule: str, path: str) -> None:
    assert matched(make_index(rule, strict=True), path) == Miss(redirect=f"{path}/")


@pytest.mark.parametrize(("rule", "path"), [("/x", "/x/"), ("/<int:id>", "/1/")])
def test_strict_rule_without_slash_refuses_request_with(rule: str, path: str) -> None:
    assert matched(make_index(rule, strict=True), path) is NOT_FOUND


def test_strict_redirect_comes_before_more_general_rule() -> None:
    assert matched(make_index("/x/", "/<name>", strict=True), "/x") == Miss(redirect="/x/")


@pytest.mark.parametrize(("rule", "path"), [("/x/", "/x"), ("/<int:id>/", "/1")])
def test_strict_redirect_for_other_method_is_not_found(rule: str, path: str) -> None:
    assert matched(make_index(rule, strict=True), path, "POST") is NOT_FOUND


def test_root_rule_answers_empty_path() -> None:
    assert matched(make_index("/"), "") == "/"


@pytest.mark.parametrize("path", ["//x", "///x/"])
def test_repeated_slashes_in_front_are_ignored(path: str) -> None:
    assert matched(make_index("/x"), path) == "/x"


@pytest.mark.parametrize(("path", "target"), [("/a//b", "/a/b"), ("//a///b/", "/a/b/"), ("/a/b//", "/a/b/")])
def test_repeated_slashes_further_in_redirect(path: str, target: str) -> None:
    assert matched(make_index("/a/<name>"), path) == Miss(redirect=target)


def test_repeated_slashes_with_strict_rule_redirect_once() -> None:
    assert matched(make_index("/a/b/", strict=True), "/a//b") == Miss(redirect="/a/b/")


def test_repeated_slashes_in_path_value_are_kept() -> None:
    assert values_of("/<path:p>", "/a//b") == {"p": "a//b"}


def test_repeated_slashes_for_other_method_name_methods_of_merged_path() -> None:
    assert matched(make_index("/a/b"), "/a//b", "POST") == Miss(allowed=frozenset({"GET", "HEAD"}))


def test_repeated_slashes_in_rule_are_merged() -> None:
    assert matched(make_index("/a//b"), "/a/b") == "/a//b"


@pytest.mark.parametrize(
    ("miss", "root_path", "query", "location"),
    [
        (Miss(redirect="/x/"), "", b"", "/x/"),
        (Miss(redirect="/x/"), "/api", b"a=1&b=%20%2F", "/api/x/?a=1&b=%20%2F"),
        (Miss(redirect="/ü b\r\n/"), "", b"", "/%C3%BC%20b%0D%0A/"),
        (Miss(redirect="/\\evil.example/"), "", b"a\r\nb\xff", "/%5Cevil.example/?a%0D%0Ab%FF"),
        (Miss(redirect="/\udcff/"), "", b"", "/%3F/"),
    ],
)
def test_location_of_redirect_is_encoded(miss: Miss, root_path: str, query: bytes, location: str) -> None:
    assert miss.location(root_path, query) == location


@pytest.mark.parametrize(
    "rules",
    [
        ("/a", "/<int:n>", "/<name>", "/<path:p>"),
        ("/a", "/<float:n>", "/<any(a, b):name>", "/<path:p>"),
        ("/a/<name>", "/<int:n>/b", "/<name>/<int:n>", "/<a>/<b>", "/<path:p>"),
        ("/abc-<name>", "/ab<name>", "/<a>-<b>", "/a<name>", "/<name>"),
        ("/<a>-<b>", "/<name>", "/<path:p>"),
        ("/<path:p>/edit", "/<path:p>"),
    ],
)
def test_routes_in_any_order_are_sorted_by_weight(rules: tuple[str, ...]) -> None:
    ordered = sort_routes([make_route(rule) for rule in reversed(rules)])
    assert tuple(route.rule for route in ordered if isinstance(route, RuleRoute)) == rules


@pytest.mark.parametrize("rules", [("/<uuid:key>", "/<name>"), ("/<name>", "/<uuid:key>")])
def test_rules_of_equal_weight_keep_their_order(rules: tuple[str, str]) -> None:
    assert matched(make_index(*rules), f"/{KEY}") == rules[0]


def test_segments_of_equal_weight_go_by_first_appearance() -> None:
    index = make_index("/<string(length=2):a>/<b>", "/<a>/<int:b>", "/<string(length=2):a>/<int:b>")
    assert matched(index, "/xy/1") == "/<string(length=2):a>/<int:b>"


def test_rule_with_same_path_twice_answers_with_first() -> None:
    first, second = make_route("/x", name="First.get"), make_route("/x", name="Second.get")
    assert RouteIndex([first, second]).match("/x", "GET") == (first, {})


def test_mount_hides_catch_all_below_its_prefix() -> None:
    index = RouteIndex([make_route("/<path:p>"), Mount("/admin", answer)])
    assert [matched(index, path) for path in ("/admin/x", "/admin/", "/other")] == [
        "mount /admin",
        "mount /admin",
        "/<path:p>",
    ]


def test_mount_at_root_comes_behind_other_rules() -> None:
    index = RouteIndex([Mount("/", answer), make_route("/<name>"), make_route("/")])
    assert [matched(index, path) for path in ("/", "/a", "/a/b")] == ["/", "/<name>", "mount "]


def test_mount_beside_literal_rule_takes_path_with_slash() -> None:
    index = RouteIndex([make_route("/admin"), Mount("/admin", answer)])
    assert [matched(index, path) for path in ("/admin", "/admin/")] == ["/admin", "mount /admin"]


def test_mount_with_number_in_prefix_comes_before_name() -> None:
    index = RouteIndex([make_route("/<name>/x"), Mount("/{id:int}", answer), make_route("/<a>-<b>/x")])
    assert [matched(index, path) for path in ("/1/x", "/a/x", "/1-2/x")] == [
        "mount /{id:int}",
        "/<name>/x",
        "/<a>-<b>/x",
    ]


def test_mount_with_name_in_prefix_comes_behind_number() -> None:
    index = RouteIndex([Mount("/{tenant}", answer), make_route("/<int:id>/x"), make_route("/<path:p>")])
    assert [matched(index, path) for path in ("/1/x", "/a/x")] == ["/<int:id>/x", "mount /{tenant}"]


def test_mount_with_more_digits_than_python_reads_is_not_found() -> None:
    assert matched(RouteIndex([Mount("/{id:int}", answer)]), f"/{'9' * 5000}/x") is NOT_FOUND


def test_mount_answers_any_method() -> None:
    assert matched(RouteIndex([Mount("/m", answer), make_route("/x")]), "/m/x", "PROPFIND") == "mount /m"


def test_mount_below_repeated_slashes_redirects() -> None:
    assert matched(RouteIndex([Mount("/m", answer)]), "//m/x") == Miss(redirect="/m/x")


@pytest.mark.parametrize("path", ["/a/9/x/1", "/a/9/x9/1", "/a/9/y", "/a/9/y/1", "/a/9", "/a/b/c/d/e"])
def test_many_routes_behind_one_variable_keep_their_order(path: str) -> None:
    rules = [f"/<t>/<n>/x{number}/<a>" for number in range(20)]
    rules += ["/<t>/<int:n>/x/<a>", "/<t>/<n>/y", "/<t>/<n>/<a>/<int:b>", "/<t>/<int:n>", "/<path:p>"]
    routes: list[BaseRoute] = [make_route(rule) for rule in reversed(rules)]
    first = next(
        route for route in sort_routes(routes) if isinstance(route, RuleRoute) and route.path_regex.match(path)
    )
    assert matched(RouteIndex(routes), path) == first.rule


def test_many_routes_behind_one_variable_with_words_at_other_places_keep_their_order() -> None:
    fillers = [f"/<t>/f{number}/<a>" for number in range(9)]
    index = make_index(*fillers, "/<int:t>/<n>/y", "/<t>/<n>/y", "/<t>/x/<a>")
    assert matched(index, "/t/x/y") == "/<t>/x/<a>"


def test_get_route_has_head() -> None:
    assert make_route("/x", "get", "PUT").methods == {"GET", "HEAD", "PUT"}


@pytest.mark.parametrize("path", ["/x", "/1"])
def test_head_is_answered_by_get_route(path: str) -> None:
    assert matched(make_index("/x", "/<int:id>"), path, "HEAD") in ("/x", "/<int:id>")


@pytest.mark.parametrize("method", ["TRACE", "BREW", "OPTIONS", "get"])
def test_wrong_method_names_all_methods_of_path(method: str) -> None:
    index = RouteIndex([make_route("/x"), make_route("/<name>", "POST"), make_route("/<path:p>", "PUT")])
    assert index.match("/x", method) == Miss(allowed=frozenset({"GET", "HEAD", "POST", "PUT"}))


@pytest.mark.parametrize("path", ["/x", "/x/", "/1", "/1/"])
def test_wrong_method_without_strict_slashes_is_known_in_both_forms(path: str) -> None:
    index = RouteIndex([make_route("/x/", "POST"), make_route("/<int:id>/", "POST")])
    assert index.match(path, "GET") == Miss(allowed=frozenset({"POST"}))


def test_wrong_method_with_refused_value_is_not_found() -> None:
    assert matched(make_index("/<int(max=5):n>"), "/6", "POST") is NOT_FOUND


def test_method_of_more_general_rule_is_found_behind_literal_one() -> None:
    assert matched(RouteIndex([make_route("/x"), make_route("/<name>", "POST")]), "/x", "POST") == "/<name>"


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("/<a>-<b>.html", "/" + "-" * 60_000),
        ("/<a>-<b>x<c>.html", "/" + "-x" * 1000),
        ("/<path:a>/<path:b>/<path:c>/x", "/a" * 1000),
        ("/<path:a>/edit", "/a" * 60_000),
        ("/<a>/<b>/x", "/" * 60_000),
        ("/x/<int:a>", "/x" * 60_000),
    ],
)
def test_hostile_path_is_not_found_soon(rule: str, path: str) -> None:
    assert values_of(rule, path) is None


def test_rule_with_several_words_matches_usual_path() -> None:
    values = values_of("/<a>-<b>-<slug>", "/x-y-" + "-".join(["word"] * 12))
    assert values is not None


@pytest.mark.parametrize("rule", ["/<a>-<b>.html", "/<a>-<b>x<c>.html"])
def test_path_that_could_be_divided_too_often_is_not_tried(rule: str) -> None:
    path = "/" + "-x" * 1000 + ".html"
    assert parse_rule(rule).regex.match(path) is not None
    assert values_of(rule, path) is None


def test_path_that_could_be_divided_too_often_is_no_match_in_loop_of_starlette() -> None:
    scope = {"type": "http", "method": "GET", "path": "/" + "-x" * 1000 + ".html"}
    assert make_route("/<a>-<b>.html").matches(scope) == (Match.NONE, {})


def test_socket_is_matched_apart_from_http() -> None:
    socket, page = make_socket("/<name>"), make_route("/chat")
    index = RouteIndex([socket, page])
    assert index.match_socket("//chat/") == (socket, {"name": "chat"})
    assert index.match("/chat", "GET") == (page, {})
    assert index.match("/other", "GET") is NOT_FOUND


def test_socket_without_route_is_none() -> None:
    assert make_index("/chat").match_socket("/chat") is None


@pytest.mark.parametrize("path", ["/chat", "//m/x"])
def test_socket_where_http_would_redirect_is_none(path: str) -> None:
    assert RouteIndex([make_socket("/chat/", strict=True), Mount("/m", answer)]).match_socket(path) is None


def test_socket_below_mount_is_mount() -> None:
    mount = Mount("/m", answer)
    assert RouteIndex([mount, make_socket("/<path:p>")]).match_socket("/m/x") == (mount, {"path": "x"})
