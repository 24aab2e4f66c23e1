"""Routes with rules and what an index over them finds."""

from collections.abc import Mapping
from typing import Any

from starlette.routing import Mount

from patera._compiler.converters import DEFAULT_CONVERTERS, Converter
from patera._compiler.dispatch import Miss, RouteIndex
from patera._compiler.routing import RuleRoute, RuleSocketRoute, parse_rule
from patera._types import Receive, Scope, Send


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("routing calls nothing")


def endpoint() -> None:
    """Stands for a controller's method."""


def make_route(
    rule: str,
    *methods: str,
    name: str = "",
    strict: bool = False,
    converters: Mapping[str, type[Converter[Any]]] = DEFAULT_CONVERTERS,
) -> RuleRoute:
    parsed = parse_rule(rule, converters, strict_slashes=strict)
    return RuleRoute(parsed, answer, endpoint=endpoint, methods=methods or ("GET",), name=name or rule)


def make_index(*rules: str, strict: bool = False) -> RouteIndex:
    """An index over GET routes that are named like their rules."""
    return RouteIndex([make_route(rule, strict=strict) for rule in rules])


def values_of(rule: str, path: str, **options: Any) -> dict[str, Any] | None:
    found = RouteIndex([make_route(rule, **options)]).match(path, "GET")
    return None if isinstance(found, Miss) else found[1]


def matched(index: RouteIndex, path: str, method: str = "GET") -> str | Miss:
    """The rule, or the path of the mount, that answers."""
    found = index.match(path, method)
    if isinstance(found, Miss):
        return found
    return f"mount {found[0].path}" if isinstance(found[0], Mount) else found[0].rule


def make_socket(rule: str, *, strict: bool = False) -> RuleSocketRoute:
    return RuleSocketRoute(parse_rule(rule, strict_slashes=strict), answer, endpoint=endpoint, name=rule)
