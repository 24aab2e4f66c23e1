"""Starlette routes made of rules, their order, and the URLs of endpoints.

`parse_rule(text)` -> `RuleRoute(rule, app, ...)` -> `sort_routes(routes)` -> `RouteIndex(routes)`
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property, lru_cache
from itertools import takewhile
from operator import itemgetter
from typing import Any
from urllib.parse import quote, urlencode

from starlette.convertors import Convertor
from starlette.convertors import FloatConvertor as StarletteFloat
from starlette.convertors import IntegerConvertor as StarletteInteger
from starlette.convertors import PathConvertor as StarlettePath
from starlette.routing import BaseRoute, Match, Mount, Route, WebSocketRoute
from typing_extensions import TypeIs

from patera._types import ASGIApp, Scope
from patera.exceptions import closest

from .converters import (
    DEFAULT_CONVERTERS,
    PATH_SAFE,
    Converter,
    IntegerConverter,
    PathConverter,
    RuleError,
    StringConverter,
)
from .rules import ParsedRule, RulePart, Variable, parse_rule

__all__ = [
    "DEFAULT_CONVERTERS",
    "Converter",
    "IndexedRoute",
    "ParsedRule",
    "Priority",
    "RuleError",
    "RuleRoute",
    "RuleSocketRoute",
    "UrlBuilder",
    "is_indexed",
    "literal_prefix",
    "parse_rule",
    "route_priorities",
    "sort_routes",
]

QUERY_SAFE = "!$'()*,/:;?@"
PLACEHOLDER = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)(?::[a-zA-Z_][a-zA-Z0-9_]*)?\}")

# Where a rule ends, relative to the rules that go on with text (0) or a variable (1): a slash at the end is text.
END_EXACT = (-1,)
END_SLASH = (0,)
END_OPEN = (2,)


class _RuledRoute(BaseRoute):
    """What routes with a rule have in common."""

    parsed: ParsedRule
    rule: str
    path: str
    param_convertors: dict[str, Convertor[Any]]
    app: ASGIApp
    endpoint: Callable[..., Any]
    name: str

    # Starlette's constructors are not called: they would compile the path again and wrap the endpoint.
    def _declare(self, rule: ParsedRule, app: ASGIApp, endpoint: Callable[..., Any], name: str) -> None:
        self.parsed = rule
        self.rule = rule.text
        self.path = rule.path
        self.param_convertors = rule.converters  # type: ignore[assignment]  # read only
        self.app = app
        self.endpoint = endpoint
        self.name = name

    @property
    def path_format(self) -> str:
        """The path percent-encoded, with its variables in Starlette's notation; only `url_path_for` reads it."""
        return self.parsed.render(_quote, lambda variable: f"{{{variable.name}}}")

    @cached_property
    def path_regex(self) -> re.Pattern[str]:
        """The rule's regular expression; made when first used, as the index needs none for a literal path."""
        return self.parsed.regex

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match as Starlette does, but take a value that a converter refuses for no match."""
        if self.parsed.separators and self.parsed.is_costly(scope.get("path", "")):
            return Match.NONE, {}
        try:
            return super().matches(scope)
        except ValueError:
            return Match.NONE, {}


class RuleRoute(_RuledRoute, Route):  # type: ignore[override]  # `path_regex` is computed when asked for
    """A Starlette route with a rule in Werkzeug's syntax.

    Stock Starlette code reads it like any other: `path` is in Starlette's notation, `rule` in Werkzeug's.

    Args:
        rule: The compiled rule, afterwards `route.parsed`.
        app: What answers the request.
        endpoint: The user's method, shown as `route.endpoint`.
        methods: HTTP methods; GET implies HEAD.
        name: Name for `url_for`, as `Users.get`.
        include_in_schema: Whether OpenAPI shows it.
    """

    methods: frozenset[str]  # type: ignore[assignment]  # routes share it

    def __init__(
        self,
        rule: ParsedRule,
        app: ASGIApp,
        *,
        endpoint: Callable[..., Any],
        methods: Collection[str],
        name: str,
        include_in_schema: bool = True,
    ) -> None:
        self._declare(rule, app, endpoint, name)
        self.include_in_schema = include_in_schema
        self.methods = _methods_taken(tuple(methods))


@lru_cache(maxsize=64)
def _methods_taken(given: tuple[str, ...]) -> frozenset[str]:
    taken = frozenset(method.upper() for method in given)
    return taken | {"HEAD"} if "GET" in taken else taken


class RuleSocketRoute(_RuledRoute, WebSocketRoute):  # type: ignore[override]  # as above
    """A Starlette websocket route with a rule in Werkzeug's syntax.

    Args:
        rule: The compiled rule, afterwards `route.parsed`.
        app: What serves the connection.
        endpoint: The user's method, shown as `route.endpoint`.
        name: Name for `url_for`, as `Chat.talk`.
    """

    def __init__(self, rule: ParsedRule, app: ASGIApp, *, endpoint: Callable[..., Any], name: str) -> None:
        self._declare(rule, app, endpoint, name)


IndexedRoute = RuleRoute | RuleSocketRoute | Mount
Priority = tuple[tuple[Any, ...], ...]


def is_indexed(route: BaseRoute) -> TypeIs[IndexedRoute]:
    """Return whether the index understands a route: one with a rule, or a `Mount` that matches as Starlette's."""
    return isinstance(route, _RuledRoute) or (isinstance(route, Mount) and type(route).matches is Mount.matches)


def sort_routes(routes: Iterable[BaseRoute]) -> list[BaseRoute]:
    """Return the routes in Werkzeug's order, whatever their order was; foreign routes keep theirs, behind.

    Segment by segment literal text comes before numbers, numbers before other values of one segment, these before
    values with slashes; more and longer text within a segment comes first; equals stay in the given order. A
    `Mount` weighs as `<prefix>/<path:rest>`.
    """
    known = list(routes)
    indexed = [route for route in known if is_indexed(route)]
    ordered = [route for _, route in sorted(zip(route_priorities(indexed), indexed, strict=True), key=itemgetter(0))]
    return [*ordered, *(route for route in known if not is_indexed(route))]


def route_priorities(routes: Iterable[IndexedRoute]) -> list[Priority]:
    """Return a sort key for each route; they depend on one another, as equal weights go by first appearance."""
    tree: dict[RulePart, Any] = {}
    keys = []
    for route in routes:
        branch = tree
        key: list[tuple[Any, ...]] = []
        for part in _mount_parts(route) if isinstance(route, Mount) else route.parsed.parts:
            place, branch = branch.setdefault(part, (len(branch), {}))
            key.append((0, place) if part.weight is None else (1, part.weight, place))
        key.append(END_OPEN if isinstance(route, Mount) else _end_priority(route.parsed))
        keys.append(tuple(key))
    return keys


def _end_priority(rule: ParsedRule) -> tuple[int, ...]:
    if rule.ends_with_slash:
        return END_SLASH
    return END_EXACT if rule.strict_slashes else END_OPEN


def literal_prefix(route: IndexedRoute) -> str:
    """Return the literal segments before a route's first variable: `/users` of `/users/<id>`, "" for none."""
    if not isinstance(route, Mount):
        return route.parsed.prefix
    segments = takewhile(lambda segment: not PLACEHOLDER.search(segment), route.path.split("/"))
    return "/".join(segments)


def _mount_parts(mount: Mount) -> list[RulePart]:
    """Return the steps of a mount: those of its prefix, and one for the rest."""
    rest = RulePart("{path:path}", (0, (), -1, (PathConverter.weight,)))
    return [*(_mount_part(mount, segment) for segment in mount.path.split("/")[1:]), rest]


def _mount_part(mount: Mount, segment: str) -> RulePart:
    tokens = PLACEHOLDER.split(segment)
    if len(tokens) == 1:
        return RulePart(segment, None)
    lengths = [-len(text) for text in tokens[::2] if text]
    weights = tuple(_mount_weight(mount.param_convertors[name]) for name in tokens[1::2])
    return RulePart(segment, (-len(lengths), tuple(enumerate(lengths)), -len(weights), weights))


def _mount_weight(convertor: Convertor[Any]) -> int:
    if isinstance(convertor, StarletteInteger | StarletteFloat):
        return IntegerConverter.weight
    return PathConverter.weight if isinstance(convertor, StarlettePath) else StringConverter.weight


class UrlBuilder:
    """Builds the paths of endpoints: `url_for`.

    Of several rules under one name the one with the most variables that the values fill is taken, then a rule
    for GET, then the first.

    Example:
        UrlBuilder(routes, {"static": "Static.get"}).build("Users.get", {"id": 3, "tab": "posts"})  # /users/3?tab=posts

    Args:
        routes: The routes that have names.
        aliases: Other names of endpoints, by alias.
    """

    def __init__(self, routes: Iterable[RuleRoute | RuleSocketRoute], aliases: Mapping[str, str]) -> None:
        self._aliases = aliases
        self._rules: dict[str, tuple[ParsedRule, ...]] = {}
        for route in sorted(routes, key=_url_priority):
            self._rules[route.name] = (*self._rules.get(route.name, ()), route.parsed)

    def has_endpoint(self, endpoint: str) -> bool:
        """Tell whether an endpoint, or an alias of one, exists."""
        return self._aliases.get(endpoint, endpoint) in self._rules

    def build(self, endpoint: str, values: Mapping[str, Any]) -> str:
        """Return the path of an endpoint, percent-encoded.

        Args:
            endpoint: `Class.method`, or an alias.
            values: Values of the rule's variables. Others become the query string: lists are repeated, None is
                left out.

        Raises:
            ValueError: Unknown endpoint, or a variable without a value or with one that its converter cannot write.
        """
        rules = self._rules.get(self._aliases.get(endpoint, endpoint))
        if rules is None:
            raise ValueError(f"there is no endpoint {endpoint!r}.{closest(endpoint, [*self._rules, *self._aliases])}")
        given = {name: value for name, value in values.items() if value is not None}
        for rule in rules:
            if rule.converters.keys() <= given.keys():
                return _fill(endpoint, rule, given)
        missing = ", ".join(repr(name) for name in rules[-1].converters if name not in given)
        raise ValueError(f"the URL of {endpoint!r} needs a value for {missing} ({rules[-1].text})")


def _url_priority(route: RuleRoute | RuleSocketRoute) -> tuple[int, bool]:
    return -len(route.parsed.converters), isinstance(route, RuleSocketRoute) or "GET" not in route.methods


def _fill(endpoint: str, rule: ParsedRule, values: dict[str, Any]) -> str:
    def write(variable: Variable) -> str:
        value = values.pop(variable.name)
        try:
            return variable.converter.to_string(value)
        except (ValueError, TypeError) as exc:
            raise ValueError(
                f"{value!r} is no value for {variable.name!r} of {endpoint!r} ({rule.text}): {exc}"
            ) from exc

    # A value must never make the path start with "//": that is a URL of another host.
    path = "/" + rule.render(_quote, write).lstrip("/")
    query = _query(values)
    return f"{path}?{query}" if query else path


@lru_cache(maxsize=1024)
def _quote(text: str) -> str:
    return quote(text, safe=PATH_SAFE)


def _query(values: Mapping[str, Any]) -> str:
    pairs = []
    for name, value in values.items():
        items = value if isinstance(value, list | tuple | set | frozenset) else (value,)
        pairs += [(name, item) for item in items if item is not None]
    return urlencode(pairs, safe=QUERY_SAFE)
