"""The compiled plan for readers: what routes listings, checks, documents and tests look at.

`app.plan` is plain data: nothing in it runs, and nothing has to read decorators again.

Example:
    (endpoint,) = [each for each in app.plan.endpoints if each.name == "UsersApi.show"]
    assert [layer.name for layer in endpoint.layers] == ["login_required"]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.routing import BaseRoute, Mount

from ._compiler.plan import ApplicationPlan, CorsPlan, EndpointPlan, LayerPlan, ParameterPlan
from ._compiler.routing import RuleRoute, RuleSocketRoute

if TYPE_CHECKING:
    from .application import Patera

__all__ = [
    "ApplicationPlan",
    "CorsPlan",
    "EndpointPlan",
    "LayerPlan",
    "ParameterPlan",
    "RouteRow",
    "describe",
    "format_routes",
]

#: The column `method` of rows that are no single endpoint.
MOUNT, ANY = "MOUNT", "ANY"


@dataclass(frozen=True, slots=True)
class RouteRow:
    """One line of a routes listing.

    Args:
        method: The HTTP method, `SOCKET`, or `MOUNT` for an application below a path.
        rule: The rule in Werkzeug's syntax; Starlette's own notation for routes of its kind.
        endpoint: `Class.method`, or the name of a foreign route.
        layers: Names of the layers around the method, the outermost first.
        location: `file:line` of the method, empty for foreign routes.
    """

    method: str
    rule: str
    endpoint: str
    layers: tuple[str, ...] = ()
    location: str = ""


def describe(app: Patera) -> list[RouteRow]:
    """Return a row for each route of an application, the controllers' in their order, then foreign ones.

    Builds the application first.

    Example:
        for row in describe(Application()):
            print(row.method, row.rule, row.endpoint)

    Args:
        app: The application.

    Raises:
        ConfigurationError: It cannot be built.
    """
    rows = [_endpoint_row(endpoint) for endpoint in app.plan.endpoints]
    foreign = [route for route in app.routes if not isinstance(route, RuleRoute | RuleSocketRoute)]
    return [*rows, *(row for route in foreign for row in _foreign_rows(route))]


def format_routes(rows: list[RouteRow]) -> list[str]:
    """Return rows as lines of text with aligned columns.

    Example:
        GET   /users/<int:id>  UsersApi.show    login_required  app/users.py:12
        POST  /users           UsersApi.create                  app/users.py:20
    """
    columns = [(row.method, row.rule, row.endpoint, " > ".join(row.layers), row.location) for row in rows]
    widths = [max(map(len, column)) for column in zip(*columns, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in columns]


def _endpoint_row(endpoint: EndpointPlan) -> RouteRow:
    layers = tuple(layer.name for layer in endpoint.layers)
    return RouteRow(endpoint.method, endpoint.rule, endpoint.name, layers, endpoint.location)


def _foreign_rows(route: BaseRoute) -> list[RouteRow]:
    path, name = str(getattr(route, "path", "")), str(getattr(route, "name", "") or "")
    if isinstance(route, Mount):
        return [RouteRow(MOUNT, path or "/", name or type(route.app).__name__)]
    methods = sorted(getattr(route, "methods", None) or (ANY,))
    return [RouteRow(method, path, name or type(route).__name__) for method in methods]
