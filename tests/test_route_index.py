"""The index answers as Werkzeug's `Map` and as Starlette's own loop over the same routes."""

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import werkzeug.routing
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.routing import BaseRoute, Mount, Router
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, MapAdapter, Rule
from werkzeug.routing.exceptions import RequestRedirect

from patera._compiler.dispatch import Found, Miss, RouteIndex
from patera._compiler.routing import RuleRoute, parse_rule, sort_routes
from patera._types import ASGIApp, Message, Receive, Scope, Send

METHODS = ("GET", "POST", "HEAD", "TRACE")
WORDS = ("a", "b", "ab", "7")
#: Converters with values that they take; every variable is also filled with those of the others.
CONVERTERS = {
    "": ("a", "7", "a-b"),
    "any(a, ab, b):": ("a", "ab"),
    "float(max=2.0):": ("1.5", "7.5"),
    "int(max=5):": ("4", "7"),
    "int(min=3):": ("4", "1"),
    "int(signed=True, fixed_digits=2):": ("-3", "12"),
    "int:": ("7", "12"),
    "path:": ("a", "a/b", "a//7/", "b/"),
    "string(length=2):": ("ab", "12"),
    "string(maxlength=1):": ("a", "7"),
    "uuid:": ("12345678-1234-1234-1234-123456789abc",),
}
ODD_VALUES = ("", "-", "é", "x\ny", "%2F", "a.b", *WORDS)

Table = list[tuple[str, tuple[str, ...]]]
Outcome = tuple[Any, ...]

# ---- generated tables and paths

variables = st.sampled_from([*CONVERTERS, "", "int:", "path:", "path:"]).map("<{}?>".format)
segments = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(WORDS),
    variables,
    variables,
    variables,
    st.builds("{}{}{}".format, variables, st.sampled_from(["-", ".", "a"]), variables),
    st.builds("{}{}".format, st.sampled_from(WORDS), variables),
    st.builds("{}{}".format, variables, st.sampled_from(WORDS)),
)
methods = st.sampled_from([("GET",), ("GET",), ("POST",), ("GET", "POST")])


@st.composite
def tables_and_paths(draw: st.DrawFn) -> tuple[Table, list[str]]:
    """Rules of few different segments, so that many of them take the same path, and paths near them."""
    pool = st.sampled_from(draw(st.lists(segments, min_size=1, max_size=5)))
    table = draw(st.lists(st.tuples(rules(pool), methods), min_size=2, max_size=20))
    paths = draw(st.lists(paths_near([text for text, _ in table]), min_size=4, max_size=12))
    return table, paths


@st.composite
def rules(draw: st.DrawFn, pool: st.SearchStrategy[str]) -> str:
    text = draw(st.sampled_from(["/", "/", "/", "//"])).join(["", *draw(st.lists(pool, max_size=3))])
    names = iter("abcdefghijkl")
    return re.sub(r"\?", lambda _: next(names), text + draw(st.sampled_from(["", "/"]))) or "/"


@st.composite
def paths_near(draw: st.DrawFn, texts: Sequence[str]) -> str:
    """A path made from one of the rules by filling its variables, mostly with what fits, and perhaps bent a little."""

    def fill(match: re.Match[str]) -> str:
        fitting = CONVERTERS[match[1]]
        return draw(st.sampled_from([*fitting, *fitting, *ODD_VALUES]))

    path = re.sub("<([^<>]*?)[a-l]>", fill, draw(st.sampled_from(texts)))
    bends: list[Callable[[str], str]] = [str, str, str, "{}/".format, _without_slash, "/{}".format, _with_two_slashes]
    return draw(st.sampled_from(bends))(path)


def _with_two_slashes(path: str) -> str:
    return path.replace("/", "//", 2)


def _without_slash(path: str) -> str:
    return path.rstrip("/") or "/"


# ---- Werkzeug as the reference

refusals: list[object] = []


def _recording(kind: type[werkzeug.routing.BaseConverter]) -> type[werkzeug.routing.BaseConverter]:
    class Recording(kind):  # type: ignore[valid-type,misc]
        def to_python(self, value: str) -> Any:
            try:
                return super().to_python(value)
            except werkzeug.routing.ValidationError:
                refusals.append(self)
                raise

    return Recording


RECORDING = {name: _recording(kind) for name, kind in Map.default_converters.items()}


class Reference:
    """Werkzeug's answer, apart from the documented differences: a refused value is no match, and `/x` and `/x/`
    allow the same methods where slashes do not matter.
    """

    def __init__(self, table: Table, *, strict: bool) -> None:
        self._table = table
        self._strict = strict
        self._full = self._adapter(range(len(table)))
        self._alone = [self._adapter([number], is_alone=True) for number in range(len(table))]

    def _adapter(self, numbers: Iterable[int], *, is_alone: bool = False) -> MapAdapter:
        made = [
            Rule(self._table[number][0], endpoint=str(number), methods=None if is_alone else self._table[number][1])
            for number in numbers
        ]
        return Map(made, strict_slashes=self._strict and not is_alone, converters=RECORDING).bind("host")

    def outcomes(self, path: str) -> list[Outcome]:
        """The answers for each of METHODS."""
        taken = [number for number in range(len(self._table)) if not self._is_refused(number, path)]
        adapter = self._full if len(taken) == len(self._table) else self._adapter(taken)
        found = [_ask(adapter, path, method) for method in METHODS]
        if self._strict:
            return found
        allowed = _methods_of(adapter, path) | _methods_of(adapter, merged(path))
        missed = ("methods", allowed) if allowed else ("nothing",)
        return [outcome if outcome[0] in ("route", "redirect") else missed for outcome in found]

    def _is_refused(self, number: int, path: str) -> bool:
        refusals.clear()
        for each in (path, merged(path)):
            _ask(self._alone[number], each, "GET")
        return bool(refusals)


def _ask(adapter: MapAdapter, path: str, method: str) -> Outcome:
    try:
        endpoint, values = adapter.match(path, method)
    except RequestRedirect as redirect:
        return "redirect", unquote(urlsplit(redirect.new_url).path)
    except MethodNotAllowed as error:
        return "methods", frozenset(error.valid_methods or ())
    except NotFound:
        return ("nothing",)
    return "route", endpoint, dict(values)


def _methods_of(adapter: MapAdapter, path: str) -> frozenset[str]:
    """The methods with which the path has a route; a rule without the slash in front may hide one behind it."""
    found: set[str] = set()
    for method in METHODS:
        outcome = _ask(adapter, path, method)
        found |= {method} if outcome[0] == "route" else set()
    return frozenset(found)


def merged(path: str) -> str:
    return re.sub("/{2,}", "/", "/" + path.lstrip("/"))


# ---- what is tested


async def unused(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("the index calls nothing")


def make_routes(table: Table, *, strict: bool, app: Callable[[str], ASGIApp] = lambda name: unused) -> list[RuleRoute]:
    return [
        RuleRoute(
            parse_rule(text, strict_slashes=strict),
            app(str(number)),
            endpoint=merged,
            methods=methods,
            name=str(number),
        )
        for number, (text, methods) in enumerate(table)
    ]


def outcome_of(found: Found | Miss) -> Outcome:
    if isinstance(found, Miss):
        if found.redirect is not None:
            return "redirect", found.redirect
        return ("methods", found.allowed) if found.allowed else ("nothing",)
    route, values = found
    assert not isinstance(route, Mount)
    return "route", route.name, values


def assert_answers_as_werkzeug(table: Table, paths: Iterable[str], *, strict: bool) -> None:
    index = RouteIndex(make_routes(table, strict=strict))
    reference = Reference(table, strict=strict)
    for path in paths:
        assert [outcome_of(index.match(path, method)) for method in METHODS] == reference.outcomes(path), path


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(tables_and_paths())
def test_match_with_strict_slashes_equals_werkzeug(case: tuple[Table, list[str]]) -> None:
    table, paths = case
    assert_answers_as_werkzeug(table, paths, strict=True)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(tables_and_paths())
def test_match_without_strict_slashes_equals_werkzeug(case: tuple[Table, list[str]]) -> None:
    table, paths = case
    # Werkzeug answers "/x//" by the rule "/x/"; here it is a repeated slash like any other.
    assert_answers_as_werkzeug(table, [path for path in paths if not path.endswith("//")], strict=False)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(tables_and_paths(), st.lists(st.sampled_from(["", "/a", "/7", "/a/b", "/{x:int}", "/{x}/b"]), max_size=2))
def test_match_equals_loop_of_starlette(case: tuple[Table, list[str]], prefixes: list[str]) -> None:
    table, paths = case
    routes: list[BaseRoute] = [*one_slash_each(make_routes(table, strict=False, app=answering))]
    routes[1:1] = [Mount(prefix, answering(f"mount {prefix}")) for prefix in prefixes]
    ordered = sort_routes(routes)
    index = RouteIndex(routes)
    for path in paths:
        for method in METHODS:
            if "//" not in path:
                assert summary(index.match(path, method)) == asyncio.run(ask_router(ordered, path, method))


def one_slash_each(routes: Iterable[RuleRoute]) -> Iterable[RuleRoute]:
    """Leave out rules that differ in the slash at the end only: a loop cannot prefer the one written like the path."""
    endings: dict[object, bool] = {}
    return [
        route
        for route in routes
        if endings.setdefault(route.parsed.parts, route.parsed.ends_with_slash) == route.parsed.ends_with_slash
    ]


def summary(found: Found | Miss) -> Outcome:
    if isinstance(found, Miss):
        return ("status", 405 if found.allowed else 404)
    route, values = found
    if isinstance(route, Mount):
        return "route", f"mount {route.path}", {name: value for name, value in values.items() if name != "path"}
    return "route", route.name, values


def answering(name: str) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "answer", "outcome": ("route", name, scope["path_params"])})

    return answer


async def ask_router(routes: Sequence[BaseRoute], path: str, method: str) -> Outcome:
    outcomes: list[Outcome] = []

    async def send(message: Message) -> None:
        if message["type"] == "answer":
            outcomes.append(message["outcome"])
        elif message["type"] == "http.response.start":
            outcomes.append(("status", message["status"]))

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
    await Router(routes, redirect_slashes=False)(scope, receive, send)
    return outcomes[0]


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(tables_and_paths())
def test_sort_routes_of_sorted_routes_keeps_their_order(case: tuple[Table, list[str]]) -> None:
    ordered = sort_routes(make_routes(case[0], strict=False))
    assert list(map(id, sort_routes(ordered))) == list(map(id, ordered))
