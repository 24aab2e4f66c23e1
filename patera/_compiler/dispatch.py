"""The index over the routes: which route answers a path and a method, at a cost that their number does not change."""

from __future__ import annotations

import re
from collections.abc import Iterable
from operator import itemgetter

from starlette.routing import BaseRoute, Mount

from .routing import IndexedRoute, RuleRoute, is_indexed, route_priorities
from .tables import Found, Miss, Table, compile_candidate, is_literal

__all__ = ["NOT_FOUND", "Found", "Miss", "RouteIndex"]

REPEATED_SLASHES = re.compile("/{2,}")
NOT_FOUND = Miss()


class RouteIndex:
    """Finds the route that Werkzeug would; made once from the routes, and anew when they change.

    A literal path is one look-up. Routes with variables stand in buckets by the literal segments before the first
    variable, and only those on the way from a path to the root are looked at, the longest first. Paths are not
    remembered.

    Example:
        found = RouteIndex(app.routes).match("/users/3", "GET")
        if isinstance(found, tuple):
            route, values = found  # values: {"id": 3}

    Args:
        routes: All routes, in any order; equals keep theirs. Those that the index does not understand are in
            `foreign`: what it misses may be theirs, which Starlette's own loop finds out.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        known = list(routes)
        indexed = [route for route in known if is_indexed(route)]
        self.foreign = tuple(route for route in known if not is_indexed(route))
        ranked = sorted(zip(route_priorities(indexed), indexed, strict=True), key=itemgetter(0))
        ordered = [route for _, route in ranked]
        tests = {id(route): compile_candidate(route) for route in ordered if not is_literal(route)}
        mounts = [route for route in ordered if isinstance(route, Mount)]
        methods = {method for route in ordered if isinstance(route, RuleRoute) for method in route.methods}
        #: Method -> table. `match` looks at its literal paths first, which `search` does not.
        self.tables = {
            method: Table([route for route in ordered if _takes_method(route, method)], tests) for method in methods
        }
        #: The table of any method that no route names.
        self.mounts = Table(mounts, tests)
        self._sockets = Table([route for route in ordered if not isinstance(route, RuleRoute)], tests)
        self._variable = Table(
            [route for route in ordered if isinstance(route, RuleRoute) and not is_literal(route)], tests
        )

    def match(self, path: str, method: str) -> Found | Miss:
        """Return the route of an HTTP request with its values, or why there is none.

        A `Mount` is returned with the values of its prefix and `path`; its own `matches` makes the child scope.

        Args:
            path: The decoded path below `root_path`.
            method: The method in upper case.
        """
        table = self.tables.get(method, self.mounts)
        route = table.literal.get(path)
        return (route, {}) if route is not None else self.search(path, table)

    def search(self, path: str, table: Table) -> Found | Miss:
        """Do what `match` does, for a path that is not among the literal ones of the method's table."""
        if path.startswith("//"):
            return self._match_below_slashes(path, table)
        return table.search(path) or self._miss(path, table)

    def match_socket(self, path: str) -> Found | None:
        """Return the route of a websocket with its values; None for a path without one, also where HTTP redirects.

        Args:
            path: The decoded path below `root_path`.
        """
        normal = "/" + path.lstrip("/") if path.startswith("//") else path
        found = self._sockets.find(normal)
        if isinstance(found, Miss) or (found and isinstance(found[0], Mount) and path != normal):
            return None
        return found

    def _match_below_slashes(self, path: str, table: Table) -> Found | Miss:
        """Match a path with several slashes in front as one with a single slash.

        A mount reads the path itself, so that it needs a redirect.
        """
        normal = "/" + path.lstrip("/")
        found = table.find(normal) or self._miss(normal, table)
        if isinstance(found, tuple) and isinstance(found[0], Mount):
            return Miss(redirect=normal)
        return found

    def _miss(self, path: str, table: Table) -> Miss:
        allowed = self._methods_of(path)
        if "//" in path:
            merged = REPEATED_SLASHES.sub("/", path)
            found = table.find(merged)
            if found is not None:
                return found if isinstance(found, Miss) else Miss(redirect=merged)
            allowed |= self._methods_of(merged)
        return Miss(allowed=frozenset(allowed)) if allowed else NOT_FOUND

    def _methods_of(self, path: str) -> set[str]:
        methods = self._variable.methods_of(path)
        for method, table in self.tables.items():
            if path in table.literal:
                methods.add(method)
        return methods


def _takes_method(route: IndexedRoute, method: str) -> bool:
    return isinstance(route, Mount) or (isinstance(route, RuleRoute) and method in route.methods)
