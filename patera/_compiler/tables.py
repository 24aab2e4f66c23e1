"""Tables of routes: literal paths by themselves, routes with variables in buckets by their literal prefix."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from string import punctuation
from typing import Any
from urllib.parse import quote

from starlette.routing import Mount
from typing_extensions import TypeIs

from .converters import PATH_SAFE
from .routing import IndexedRoute, RuleRoute, RuleSocketRoute, literal_prefix
from .rules import PathTest, RulePart, compile_test, compile_values

__all__ = ["Candidate", "Found", "Miss", "Table", "compile_candidate", "is_literal"]

#: Buckets with more candidates than this are divided by the literal segments behind their first variable.
WIDE_BUCKET = 8

Found = tuple[IndexedRoute, dict[str, Any]]
#: What gives the values of a path, the route, and whether it redirects a path that lacks the slash at the end.
Candidate = tuple[PathTest, IndexedRoute, bool]
Ranked = tuple[int, Candidate]
Group = tuple[tuple[int, ...], dict[tuple[str, ...], list[Ranked]]]


@dataclass(frozen=True, slots=True)
class Miss:
    """Why no route answers: another path does (308), other methods do (405), or nothing does (404).

    Args:
        redirect: The path that answers, decoded as `scope["path"]` is and without `root_path`, or None.
        allowed: The methods that the path has, HEAD with GET, without OPTIONS; empty for an unknown path.
    """

    redirect: str | None = None
    allowed: frozenset[str] = frozenset()

    def location(self, root_path: str = "", query: bytes = b"") -> str:
        """Return the redirect's `Location`, percent-encoded, with the query string as it came.

        Args:
            root_path: `scope["root_path"]`.
            query: `scope["query_string"]`.
        """
        path = quote(f"{root_path}{self.redirect or ''}", safe=PATH_SAFE, errors="replace")
        return f"{path}?{quote(query, safe=punctuation)}" if query else path


def is_literal(route: IndexedRoute) -> TypeIs[RuleRoute | RuleSocketRoute]:
    """Return whether a route answers one literal path."""
    return not isinstance(route, Mount) and not route.parsed.converters


def compile_candidate(route: IndexedRoute) -> Candidate:
    """Return how to test a path for a route with variables."""
    if isinstance(route, Mount):
        return compile_values(route.path_regex, route.param_convertors), route, False
    rule = route.parsed
    redirects = rule.strict_slashes and rule.ends_with_slash
    return compile_test(rule, rule.open_end if redirects else rule.end), route, redirects


class Table:
    """The routes of one method.

    Routes with variables stand in buckets by the literal segments before their first variable. A bucket of many has
    groups beside it: by the places of the literal segments behind that variable and by the words at these places.

    Args:
        routes: The routes in Werkzeug's order.
        tests: The candidates of those with variables, by `id(route)`.
    """

    __slots__ = ("buckets", "groups", "literal", "reach", "slashless")

    def __init__(self, routes: Sequence[IndexedRoute], tests: Mapping[int, Candidate]) -> None:
        self.literal: dict[str, IndexedRoute] = {}
        self.slashless: set[str] = set()
        self.buckets: dict[str, tuple[Candidate, ...]] = {}
        self.groups: dict[str, list[Group]] = {}
        self.reach = 1
        prefixed: defaultdict[str, list[IndexedRoute]] = defaultdict(list)
        literals: list[RuleRoute | RuleSocketRoute] = []
        for route in routes:
            if is_literal(route):
                self.literal.setdefault(route.path, route)
                literals.append(route)
            else:
                prefixed[literal_prefix(route)].append(route)
        self._add_other_slashes(literals, routes)
        for prefix, members in prefixed.items():
            candidates = self.buckets[prefix] = tuple(_with_bare_paths(members, tests))
            if len(candidates) > WIDE_BUCKET:
                self.groups[prefix] = _divide(candidates)
            self.reach = max(self.reach, len(prefix) + 1)

    def _add_other_slashes(
        self, literals: Iterable[RuleRoute | RuleSocketRoute], routes: Iterable[IndexedRoute]
    ) -> None:
        """Enter literal paths with the slash at the end added or removed, unless that is a path of its own."""
        mounted = {f"{route.path}/" for route in routes if isinstance(route, Mount)}
        for route in literals:
            rule = route.parsed
            other = rule.path[:-1] if rule.ends_with_slash else f"{rule.path}/"
            if not rule.strict_slashes:
                if other not in mounted:
                    self.literal.setdefault(other, route)
            elif rule.ends_with_slash:
                self.slashless.add(other)

    def find(self, path: str) -> Found | Miss | None:
        """Return what answers a path: a route, a redirect, or nothing."""
        route = self.literal.get(path)
        return (route, {}) if route is not None else self.search(path)

    def search(self, path: str) -> Found | Miss | None:
        """Return what answers a path that is not literally in the table."""
        if path in self.slashless:
            return Miss(redirect=f"{path}/")
        buckets, groups = self.buckets, self.groups
        end = path.rfind("/", 0, self.reach)
        while end >= 0:
            prefix = path[:end]
            bucket = buckets.get(prefix)
            if bucket is not None:
                for test, route, redirects in _narrow(groups[prefix], path) if prefix in groups else bucket:
                    values = test(path)
                    if values is not None:
                        return Miss(redirect=f"{path}/") if redirects and path[-1] != "/" else (route, values)
            end = path.rfind("/", 0, end)
        return None

    def methods_of(self, path: str) -> set[str]:
        """Return the methods of all routes with variables that take the path as it is."""
        methods: set[str] = set()
        end = path.rfind("/", 0, self.reach)
        while end >= 0:
            prefix = path[:end]
            bucket = self.buckets.get(prefix, ())
            for test, route, redirects in _narrow(self.groups[prefix], path) if prefix in self.groups else bucket:
                if isinstance(route, RuleRoute) and not (redirects and path[-1] != "/") and test(path) is not None:
                    methods |= route.methods
            end = path.rfind("/", 0, end)
        return methods


def _narrow(groups: Iterable[Group], path: str) -> list[Candidate]:
    """Return the candidates of groups that can take a path, in order."""
    words = path.split("/")
    found: list[Ranked] = []
    for places, members in groups:
        if not places or places[-1] < len(words):
            found += members.get(tuple([words[place] for place in places]), ())
    found.sort(key=itemgetter(0))
    return [candidate for _, candidate in found]


def _divide(
    candidates: Iterable[Candidate],
) -> list[Group]:
    """Group candidates by the places and words of their anchors: `((3,), {("posts",): [...]})`."""
    groups: dict[tuple[int, ...], dict[tuple[str, ...], list[Ranked]]] = {}
    for rank, candidate in enumerate(candidates):
        route = candidate[1]
        anchors = () if isinstance(route, Mount) else route.parsed.anchors
        places = tuple(place for place, _ in anchors)
        words = tuple(word for _, word in anchors)
        groups.setdefault(places, {}).setdefault(words, []).append((rank, candidate))
    return list(groups.items())


def _with_bare_paths(routes: Sequence[IndexedRoute], tests: Mapping[int, Candidate]) -> Iterator[Candidate]:
    """Return the candidates of ordered routes.

    Where two rules differ in the slash at the end only and slashes do not matter, the one that is written like
    the path comes first. The one with the slash stands before the other, which therefore gets a second candidate
    in front, for paths without the slash.
    """
    if len(routes) == 1:
        yield tests[id(routes[0])]
        return
    rules = [route for route in routes if not isinstance(route, Mount) and not route.parsed.strict_slashes]
    bare: defaultdict[tuple[RulePart, ...], list[Candidate]] = defaultdict(list)
    if any(route.parsed.ends_with_slash for route in rules):
        for route in rules:
            if not route.parsed.ends_with_slash:
                bare[route.parsed.parts].append((compile_test(route.parsed, ""), route, False))
    for each in routes:
        if not isinstance(each, Mount) and each.parsed.ends_with_slash:
            yield from bare.pop(each.parsed.parts, ())
        yield tests[id(each)]
