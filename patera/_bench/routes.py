"""Which routes `patera bench` measures, and the request that each of them gets."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import click

from patera._compiler.converters import AnyConverter, Converter
from patera._compiler.routing import RuleRoute
from patera.exceptions import closest
from patera.inspect import EndpointPlan
from patera.layer import Place

if TYPE_CHECKING:
    from patera.application import Patera

#: Values that a variable is given where nobody names one; the first that its converter takes.
EXAMPLES = ("1", "1.5", str(uuid.UUID(int=1)), "1970-01-01", "x")
LONGEST_EXAMPLE = 64

#: Places of layers that run as well where a method is called directly: sessions, and what injects values.
RUNNING_BY_THEMSELVES = (Place.INJECT.name, Place.SESSION.name)

#: Characters that stay as they are in a path with its query (RFC 3986, sections 3.3 and 3.4).
TARGET_SAFE = "%/?:@!$&'()*+,;=~"


class LeftOut(Exception):
    """A route that cannot be measured fairly; the message says why."""


@dataclass(frozen=True)
class Sent:
    """What a request has beside its path.

    Args:
        method: The HTTP method.
        body: The body; None for none.
        headers: Its headers, in lower case.
    """

    method: str = "GET"
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Selected:
    """One route of an application with the request that it is measured with.

    Args:
        plan: What was compiled for its endpoint.
        route: The route.
        position: Its place in the order in which routes match.
        target: Path and query of the request; empty where no example fits the rule.
        sent: The rest of the request.
    """

    plan: EndpointPlan
    route: RuleRoute
    position: int
    target: str
    sent: Sent

    @property
    def label(self) -> str:
        """How tables call it: `GET /users/1`."""
        return f"{self.plan.method} {self.target or self.plan.rule}"

    @cached_property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of the request: a host that the application accepts, and what was asked for."""
        given = {"host": "localhost", "accept": "*/*", "user-agent": "patera-bench"}
        if self.sent.body is not None:
            given["content-type"] = str(self.plan.consumes or "application/json")
            given["content-length"] = str(len(self.sent.body))
        given.update(self.sent.headers)
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given.items()]

    def scope(self) -> dict[str, Any]:
        """Return the ASGI scope of the request, a new one each time."""
        path, _, query = quote(self.target, safe=TARGET_SAFE).partition("?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": self.plan.method,
            "scheme": "https",
            "path": unquote(path),
            "raw_path": path.encode("ascii"),
            "query_string": query.encode("ascii"),
            "root_path": "",
            "headers": self.headers,
            "client": ("127.0.0.1", 50000),
            "server": ("localhost", 443),
            "state": {},
        }


def select(app: Patera, words: Iterable[str], sent: Sent) -> list[Selected]:
    """Return the routes that the words of the command line mean; without words all that answer the method.

    Args:
        app: The application.
        words: Paths (`/users/7`), rules (`/users/<int:id>`) or names of endpoints (`UsersApi.show`).
        sent: The request's method, body and headers.

    Raises:
        click.UsageError: A word means no route.
    """
    found = [plan for plan in app.plan.endpoints if plan.method == sent.method and not plan.is_builtin]
    words = list(words)
    if not words:
        return [_with_example(app, plan, sent) for plan in found]
    return [selected for word in words for selected in _of_word(app, word, found, sent)]


def _of_word(app: Patera, word: str, found: list[EndpointPlan], sent: Sent) -> Iterator[Selected]:
    named = [plan for plan in found if word in (plan.name, plan.rule)]
    if named:
        yield from (_with_example(app, plan, sent) for plan in named)
        return
    route = _route_of_path(app, word, sent.method)
    plan = next((plan for plan in found if _is_of(route, plan)), None)
    if plan is None or route is None:
        raise click.UsageError(_unknown(app, word, sent))
    yield Selected(plan, route, app.routes.index(route), word, sent)


def _with_example(app: Patera, plan: EndpointPlan, sent: Sent) -> Selected:
    """Select an endpoint with an example path that no other endpoint takes."""
    routes = [route for route in app.routes if isinstance(route, RuleRoute)]
    route = next(route for route in routes if _is_of(route, plan))
    paths = (example_path(route, examples) for examples in (EXAMPLES, EXAMPLES[::-1]))
    target = next((path for path in paths if path and _route_of_path(app, path, plan.method) is route), "")
    return Selected(plan, route, app.routes.index(route), target, sent)


def _is_of(route: RuleRoute | None, plan: EndpointPlan) -> bool:
    return route is not None and (route.rule, route.name) == (plan.rule, plan.name) and plan.method in route.methods


def _route_of_path(app: Patera, target: str, method: str) -> RuleRoute | None:
    """Return the route that answers a path, None for one that is no controller's."""
    scope = {"type": "http", "path": unquote(target.partition("?")[0]), "root_path": "", "method": method}
    first = next((route for route in app.routes if route.matches(scope)[0].name == "FULL"), None)
    return first if isinstance(first, RuleRoute) else None


def _unknown(app: Patera, word: str, sent: Sent) -> str:
    others = sorted(
        plan.method for plan in app.plan.endpoints if word in (plan.name, plan.rule) and plan.method != sent.method
    )
    if others:
        return f"{word} answers {', '.join(others)}, not {sent.method}; add --method {others[0]}."
    names = [plan.rule if word.startswith("/") else plan.name for plan in app.plan.endpoints if not plan.is_builtin]
    hint = closest(word, names)
    return f"No endpoint of a controller answers {sent.method} {word}.{hint}"


def example_path(route: RuleRoute, examples: Iterable[str] = EXAMPLES) -> str:
    """Return a path that a rule matches, empty where no example fits its converters.

    Example:
        example_path(route_of("/users/<int:id>")) == "/users/1"
    """
    values = {name: _example(converter, examples) for name, converter in route.parsed.converters.items()}
    if None in values.values():
        return ""
    return route.parsed.render(str, lambda variable: str(values[variable.name]))


def _example(converter: Converter[Any], examples: Iterable[str]) -> str | None:
    """Return a value that a converter takes, as it stands in a path; None where no example does."""
    words = converter.items if isinstance(converter, AnyConverter) else ()
    least = getattr(converter, "min", None)
    numbers = () if least is None else (str(math.ceil(least)), str(float(least)))
    digits = str(1).zfill(getattr(converter, "fixed_digits", 0))
    lengths = ("x" * length for length in range(1, LONGEST_EXAMPLE))
    candidates = (*words, *examples, digits, *numbers, *lengths)
    return next((text for text in candidates if _takes(converter, text)), None)


def _takes(converter: Converter[Any], text: str) -> bool:
    try:
        return re.fullmatch(converter.regex, text) is not None and converter.convert(text) is not None
    except ValueError:
        return False


def refuse_unfair(selected: Selected) -> None:
    """Refuse a route that a plain Starlette endpoint cannot stand beside.

    Raises:
        LeftOut: With the reason.
    """
    for reason in _reasons(selected):
        raise LeftOut(reason)


def _reasons(selected: Selected) -> Iterator[str]:
    plan = selected.plan
    alone = [layer.name for layer in plan.layers if layer.place not in RUNNING_BY_THEMSELVES]
    if alone:
        yield f"{', '.join(alone)} stands around it: a layer that only Patera's pipeline runs"
    if not selected.target:
        yield f"no example fits its variables; name a path of {plan.rule}"
    yield from _unreadable(selected)


def _unreadable(selected: Selected) -> Iterator[str]:
    for each in selected.plan.parameters:
        if each.source in ("form", "file"):
            yield f"{each.name} comes from a form; bodies of JSON, text and bytes are measured"
        if each.source == "body" and each.required and selected.sent.body is None:
            yield "it reads a body; give one with --body FILE"
