"""The OpenAPI 3.1 document of an application, from its compiled plan."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import to_jsonable_python

from patera._compiler.plan import ApplicationPlan, EndpointPlan, LayerPlan

from ._paths import Paths
from ._requests import parameters, request_body
from ._responses import ErrorFormat, Errors, responses
from ._schemas import Schema, Schemas

__all__ = ["build_document"]

OPEN_API_VERSION = "3.1.0"


def build_document(
    plan: ApplicationPlan,
    *,
    title: str,
    version: str,
    description: str,
    servers: Sequence[Mapping[str, Any]] | None = None,
    path_prefix: str = "",
    error_format: ErrorFormat = "patera",
) -> dict[str, Any]:
    """Describe an application's endpoints; the result holds nothing but what JSON can.

    Example:
        build_document(app.plan, title="Shop", version="1.0", description="Sells things.")

    Args:
        plan: The compiled application.
        title: Name of the API.
        version: Version of the API.
        description: What it is for, in CommonMark.
        servers: Server objects; paths are relative to the page's own host without them.
        path_prefix: Stands before every path.
        error_format: The value of `ERROR_FORMAT`.
    """
    endpoints = [endpoint for endpoint in plan.endpoints if endpoint.in_schema and not endpoint.is_socket]
    schemas = _collect(endpoints)
    operations = _Operations(schemas, Errors(plan, schemas, error_format))
    paths = Paths(path_prefix)
    for endpoint in endpoints:
        item, names = paths.place(endpoint)
        item[endpoint.method.lower()] = operations.describe(endpoint, names)
    document: dict[str, Any] = {
        "openapi": OPEN_API_VERSION,
        "info": {"title": title, "version": version, "description": description},
        **({"servers": [dict(server) for server in servers]} if servers else {}),
        "paths": paths.items,
        "components": {"schemas": schemas.used_by(paths.items)},
        "tags": [{"name": tag} for tag in operations.tags],
    }
    if operations.security_schemes:
        document["components"]["securitySchemes"] = operations.security_schemes
    jsonable: dict[str, Any] = to_jsonable_python(document, fallback=str)
    return jsonable


def _collect(endpoints: Iterable[EndpointPlan]) -> Schemas:
    schemas = Schemas()
    for endpoint in endpoints:
        for parameter in endpoint.parameters:
            if parameter.source != "injected":
                schemas.add(parameter.annotation, "validation")
        if endpoint.has_response_type:
            schemas.add(endpoint.response_type, "serialization")
        for descriptor in endpoint.descriptors:
            schemas.add(descriptor.body, "serialization")
    schemas.generate()
    return schemas


class _Operations:
    """Describes endpoints one by one, and notes the tags and security schemes that they use."""

    def __init__(self, schemas: Schemas, errors: Errors) -> None:
        self.tags: dict[str, None] = {}
        self.security_schemes: dict[str, Schema] = {}
        self._schemas = schemas
        self._errors = errors
        self._ids: set[str] = set()

    def describe(self, endpoint: EndpointPlan, path_names: Mapping[str, str]) -> Schema:
        """Return the operation object of an endpoint."""
        tags = list(dict.fromkeys(endpoint.tags)) or [endpoint.controller.rpartition(".")[2]]
        self.tags.update(dict.fromkeys(tags))
        operation: Schema = {"operationId": self._operation_id(endpoint), "tags": tags, **_texts(endpoint.doc)}
        found = parameters(endpoint, path_names, self._schemas)
        if found:
            operation["parameters"] = found
        body = request_body(endpoint, self._schemas)
        if body is not None:
            operation["requestBody"] = body
        operation["responses"] = responses(endpoint, self._schemas, self._errors)
        security = self._security(endpoint)
        return {**operation, "security": security} if security else operation

    def _operation_id(self, endpoint: EndpointPlan) -> str:
        """Return the endpoint's name, with its method and a number where that is taken."""
        named = f"{endpoint.name}.{endpoint.method.lower()}"
        candidates = itertools.chain((endpoint.name, named), (f"{named}.{number}" for number in itertools.count(2)))
        chosen = next(candidate for candidate in candidates if candidate not in self._ids)
        self._ids.add(chosen)
        return chosen

    def _security(self, endpoint: EndpointPlan) -> list[dict[str, list[str]]]:
        """Return the requirements: each layer's schemes are alternatives, all layers must hold."""
        secured = [layer for layer in endpoint.layers if layer.security]
        demanding = [layer for layer in secured if not layer.security_is_optional]
        found = self._requirements(demanding or secured)
        # An empty requirement makes the others optional (OpenAPI 3.1, section 4.8.30).
        return [{}, *found] if secured and not demanding else found

    def _requirements(self, layers: Sequence[LayerPlan]) -> list[dict[str, list[str]]]:
        schemes = [layer.security.items() for layer in layers if layer.security]
        choices = [[self._scheme(*scheme) for scheme in items] for items in schemes]
        requirements: list[dict[str, list[str]]] = []
        for combination in itertools.product(*choices):
            requirement: dict[str, list[str]] = {name: [] for name in combination}
            if requirement and requirement not in requirements:
                requirements.append(requirement)
        # A layer that asks for more than another choice does not make that choice less sufficient.
        return [each for each in requirements if not any(other.keys() < each.keys() for other in requirements)]

    def _scheme(self, name: str, scheme: Mapping[str, Any]) -> str:
        """Note a scheme and return its name, with a number if another scheme has that name."""
        candidates = itertools.chain((name,), (f"{name}_{number}" for number in itertools.count(2)))
        return next(each for each in candidates if self.security_schemes.setdefault(each, dict(scheme)) == dict(scheme))


def _texts(doc: str | None) -> Schema:
    text = inspect.cleandoc(doc or "").strip()
    if not text:
        return {}
    return {"summary": " ".join(text.split("\n\n", 1)[0].split()), "description": text}
