"""Which routes `patera bench` measures, and the request that each of them gets."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import click

from patera._compiler.converters import AnyConverter, Converter
from patera._compiler.routing import RuleRoute
from patera.exceptions import closest
from patera.inspect import EndpointPlan

if TYPE_CHECKING:
    from patera.application import Patera

#: Values that a variable is given where nobody names one; the first that its converter takes.
EXAMPLES = ("1", "x", "1.5", str(uuid.UUID(int=1)), "01", "1970-01-01", "x" * 8, "10", "1000")
LONGEST_EXAMPLE = 64

Endpoint = tuple[EndpointPlan, RuleRoute]


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
        target: Path and query of the request, percent-encoded; empty where no example fits the rule.
        sent: The rest of the request.
    """

    plan: EndpointPlan
    route: RuleRoute
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
        path, _, query = self.target.partition("?")
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
    """Return the routes that the words of the command line mean; without words all that are asked with GET.

    Args:
        app: The application, which is built.
        words: Paths (`/users/7`), rules (`/users/<int:id>`) or names of endpoints (`UsersApi.show`).
        sent: The request's method, body and headers.

    Raises:
        click.UsageError: A word means no route.
    """
    found = _endpoints(app, sent.method)
    words = list(words)
    if not words:
        return [Selected(plan, route, example_path(route), sent) for plan, route in found]
    return [selected for word in words for selected in _of_word(app, word, found, sent)]


def _endpoints(app: Patera, method: str) -> list[Endpoint]:
    """The endpoints of the application's own controllers that answer a method, in the order of its plan."""
    routes = {
        (route.rule, route.name): route
        for route in app.routes
        if isinstance(route, RuleRoute) and method in route.methods
    }
    plans = [plan for plan in app.plan.endpoints if plan.method == method and not plan.is_builtin]
    return [(plan, routes[plan.rule, plan.name]) for plan in plans]


def _of_word(app: Patera, word: str, found: list[Endpoint], sent: Sent) -> Iterator[Selected]:
    named = [(plan, route) for plan, route in found if word in (plan.name, plan.rule)]
    if named:
        yield from (Selected(plan, route, example_path(route), sent) for plan, route in named)
        return
    matching = _route_of_path(app, word, sent.method) if word.startswith("/") else None
    plan = next((plan for plan, route in found if route is matching), None)
    if matching is None or plan is None:
        raise click.UsageError(_unknown(app, word, found, sent))
    yield Selected(plan, matching, word, sent)


def _route_of_path(app: Patera, target: str, method: str) -> RuleRoute | None:
    path = unquote(target.partition("?")[0])
    scope = {"type": "http", "path": path, "root_path": "", "method": method}
    first = next((route for route in app.routes if route.matches(scope)[0].name == "FULL"), None)
    return first if isinstance(first, RuleRoute) else None


def _unknown(app: Patera, word: str, found: list[Endpoint], sent: Sent) -> str:
    others = sorted(
        plan.method for plan in app.plan.endpoints if word in (plan.name, plan.rule) and plan.method != sent.method
    )
    if others:
        return f"{word} answers {', '.join(others)}, not {sent.method}; add --method {others[0]}."
    names = [name for plan, _ in found for name in ((plan.rule,) if word.startswith("/") else (plan.name, plan.rule))]
    hint = closest(word, names) or f" There are {', '.join(names) or 'none'}."
    return f"No endpoint of a controller answers {sent.method} {word}.{hint}"


def example_path(route: RuleRoute) -> str:
    """Return a path that a rule matches, empty where no example fits its converters.

    Example:
        example_path(route_of("/users/<int:id>")) == "/users/1"
    """
    values = {name: example_value(converter) for name, converter in route.parsed.converters.items()}
    if None in values.values():
        return ""
    return route.parsed.render(str, lambda variable: str(values[variable.name]))


def example_value(converter: Converter[Any]) -> str | None:
    """Return a value that a converter takes, as it stands in a path; None where no example does."""
    words = converter.items if isinstance(converter, AnyConverter) else ()
    least = getattr(converter, "min", None)
    lengths = ("x" * length for length in range(1, LONGEST_EXAMPLE))
    number = () if least is None else (str(math.ceil(least)), str(float(least)))
    digits = (str(1).zfill(getattr(converter, "fixed_digits", 0)),)
    candidates = (*words, *digits, *number, *EXAMPLES, *lengths)
    return next((text for text in candidates if _takes(converter, text)), None)


def _takes(converter: Converter[Any], text: str) -> bool:
    try:
        return re.fullmatch(converter.regex, text) is not None and converter.convert(text) is not None
    except ValueError:
        return False


def refuse_unfair(app: Patera, selected: Selected) -> None:
    """Refuse a route that a plain Starlette endpoint cannot stand beside.

    Raises:
        LeftOut: With the reason.
    """
    for reason in _reasons(app, selected):
        raise LeftOut(reason)


def _reasons(app: Patera, selected: Selected) -> Iterator[str]:
    plan = selected.plan
    if app.middleware_classes:
        names = ", ".join(cls.__name__ for cls in app.middleware_classes)
        yield f"the middleware {names} stands around it, and Starlette's does not take responses of this kind"
    if plan.layers:
        yield f"{', '.join(layer.name for layer in plan.layers)}: layers are part of Patera, and cost what they do"
    if plan.before or plan.after:
        yield f"{', '.join((*plan.before, *plan.after))}: hooks are part of Patera, and cost what they do"
    if not selected.target:
        yield f"no example fits its variables; name a path of {plan.rule}"
    yield from _unreadable(selected)


def _unreadable(selected: Selected) -> Iterator[str]:
    for each in selected.plan.parameters:
        if each.source in ("form", "file"):
            yield f"{each.name} comes from a form; bodies of JSON, text and bytes are measured"
        if each.source == "body" and each.required and selected.sent.body is None:
            yield "it reads a body; give one with --body FILE"
