"""What an operation takes: its parameters and its body."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from patera._compiler.annotations import is_model
from patera._compiler.plan import EndpointPlan, ParameterPlan
from patera.http import MediaType

from ._schemas import Schema, Schemas, combine, on_the_wire

BODY_SOURCES = frozenset(("body", "form", "file"))
WIRE_SOURCES = frozenset(("query", "header", "cookie"))
FORM_TYPES = (MediaType.MULTIPART_FORM_DATA, MediaType.APPLICATION_X_WWW_FORM_URLENCODED)
JSON_TYPES = (MediaType.APPLICATION_JSON, MediaType.APPLICATION_PROBLEM_JSON)


def parameters(endpoint: EndpointPlan, path_names: Mapping[str, str], schemas: Schemas) -> list[Schema]:
    """Return the parameter objects of an operation.

    Args:
        endpoint: The compiled endpoint.
        path_names: Names of the route's variables in the document.
        schemas: The schemas of the document.
    """
    declared = {plan.name: plan for plan in endpoint.parameters if plan.source == "path"}
    found = [
        _path_parameter(shown, endpoint.path_converters[name], declared.get(name), schemas)
        for name, shown in path_names.items()
    ]
    for plan in endpoint.parameters:
        if plan.source in WIRE_SOURCES:
            found.extend(_wire_parameters(plan, schemas))
    return _without_repetition(found)


def request_body(endpoint: EndpointPlan, schemas: Schemas) -> Schema | None:
    """Return the request body object of an operation, None where no body is read."""
    plans = body_plans(endpoint)
    if not plans:
        return None
    is_form = endpoint.consumes in FORM_TYPES or any(plan.source != "body" for plan in plans)
    schema = _form_schema(plans, schemas) if is_form else _whole_schema(plans, schemas)
    return {
        "required": any(plan.required for plan in plans),
        "content": {media_type: {"schema": schema} for media_type in _media_types(endpoint, plans, is_form)},
    }


def body_plans(endpoint: EndpointPlan) -> list[ParameterPlan]:
    """Return the parameters that are read from the body."""
    if endpoint.consumes == MediaType.NO_CONTENT:
        return []
    return [plan for plan in endpoint.parameters if plan.source in BODY_SOURCES]


def is_validated(endpoint: EndpointPlan, plan: ParameterPlan) -> bool:
    """Tell whether a value that was sent can fail to fit this parameter."""
    if plan.source == "path":
        return plan.annotation not in (Any, endpoint.path_converters[plan.name].python_type)
    is_raw = plan.source == "body" and endpoint.consumes not in (None, *JSON_TYPES)
    return plan.source != "injected" and not is_raw


def _path_parameter(shown: str, converter: Any, plan: ParameterPlan | None, schemas: Schemas) -> Schema:
    schema: Schema = converter.json_schema()
    if plan is not None and plan.annotation is not Any:
        # The converter decides what reaches the handler's annotation, so its words count first.
        schema = {**schemas.of(plan.annotation, "validation"), **schema}
    parameter: Schema = {"name": shown, "in": "path", "required": True, "schema": schema}
    if not converter.part_isolating:
        parameter["x-greedy-path"] = True
    return parameter


def _wire_parameters(plan: ParameterPlan, schemas: Schemas) -> Iterator[Schema]:
    schema = schemas.of(plan.annotation, "validation")
    if not is_model(plan.annotation):
        yield _wire_parameter(plan.alias, plan.source, on_the_wire(schema, plan.required, plan.default), plan.required)
        return
    for model in _models(schema, schemas):
        required = model.get("required", ()) if plan.required else ()
        for name, field in model.get("properties", {}).items():
            alias = name.replace("_", "-") if plan.source == "header" else name
            yield _wire_parameter(alias, plan.source, on_the_wire(field, name in required), name in required)


def _models(schema: Schema, schemas: Schemas) -> list[Schema]:
    """Return the object schemas of a model or of a union of models."""
    schema = schemas.resolve(schema)
    options: list[Schema] = schema.get("anyOf") or schema.get("oneOf") or [schema]
    return [option for option in map(schemas.resolve, options) if "properties" in option]


def _wire_parameter(alias: str, source: str, schema: Schema, required: bool) -> Schema:
    parameter: Schema = {"name": alias, "in": source, "required": required}
    if "description" in schema:
        parameter["description"] = schema.pop("description")
    return {**parameter, "schema": schema}


def _without_repetition(found: list[Schema]) -> list[Schema]:
    """Keep the first of parameters that two models read under one name."""
    return list({(each["in"], each["name"]): each for each in reversed(found)}.values())[::-1]


def _media_types(endpoint: EndpointPlan, plans: list[ParameterPlan], is_form: bool) -> list[str]:
    if endpoint.consumes is not None:
        return [str(endpoint.consumes)]
    if not is_form:
        return [str(MediaType.APPLICATION_JSON)]
    needs_parts = any(plan.source == "file" for plan in plans)
    return [str(media_type) for media_type in (FORM_TYPES[:1] if needs_parts else FORM_TYPES)]


def _whole_schema(plans: list[ParameterPlan], schemas: Schemas) -> Schema:
    return combine([schemas.of(plan.annotation, "validation") for plan in plans], "allOf")


def _form_schema(plans: list[ParameterPlan], schemas: Schemas) -> Schema:
    wholes = [plan for plan in plans if is_model(plan.annotation)]
    singles = [plan for plan in plans if plan not in wholes]
    parts = [schemas.of(plan.annotation, "validation") for plan in wholes]
    lists = [name for part in parts for model in _models(part, schemas) for name in _required_lists(model)]
    if lists:
        parts.append({"properties": {name: {"minItems": 1} for name in lists}})
    if singles:
        parts.append(_fields(singles, schemas))
    return combine(parts, "allOf")


def _required_lists(model: Schema) -> list[str]:
    """Return the fields that a form must name at least once."""
    return [name for name in model.get("required", ()) if model["properties"][name].get("type") == "array"]


def _fields(plans: list[ParameterPlan], schemas: Schemas) -> Schema:
    properties = {
        plan.alias: on_the_wire(schemas.of(plan.annotation, "validation"), plan.required, plan.default)
        for plan in plans
    }
    schema: Schema = {"type": "object", "properties": properties}
    required = [plan.alias for plan in plans if plan.required]
    return {**schema, "required": required} if required else schema
