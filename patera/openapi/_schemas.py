"""JSON schemas of the types that a document names, with one component for each model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, JsonSchemaWarningKind
from pydantic_core import CoreSchema, core_schema, to_jsonable_python

Schema = dict[str, Any]
Mode = Literal["validation", "serialization"]

REF_PREFIX = "#/components/schemas/"


class Schemas:
    """The types of one document: first all are added, then their schemas are read.

    A type that Pydantic cannot describe is any value, with a description that says so.

    Example:
        schemas = Schemas()
        schemas.add(User, "serialization")
        schemas.generate()
        schemas.of(User, "serialization")   # {"$ref": "#/components/schemas/User"}
    """

    def __init__(self) -> None:
        # By identity: annotations may be unhashable, and equal ones share their models anyway.
        self._adapters: dict[tuple[int, Mode], TypeAdapter[Any] | None] = {}
        self._annotations: list[Any] = []
        self._found: dict[tuple[int, Mode], Schema] = {}
        self.components: dict[str, Schema] = {}

    def add(self, annotation: Any, mode: Mode) -> None:
        """Ask for the schema of `annotation`, as it is read ("validation") or sent ("serialization")."""
        key = (id(annotation), mode)
        if key not in self._adapters:
            self._annotations.append(annotation)
            self._adapters[key] = _adapter(annotation)

    def generate(self) -> None:
        """Generate all schemas at once, so that the names of components are unique."""
        inputs = [(id_, mode, adapter) for (id_, mode), adapter in self._adapters.items() if adapter is not None]
        try:
            found, definitions = _generate(inputs)
        except Exception:  # one of them is to blame, whatever it raised
            found, definitions = _generate([entry for entry in inputs if _is_describable(entry)])
        self._found = {(int(str(id_)), mode): schema for (id_, mode), schema in found.items()}
        self.components = dict(sorted(definitions.get("$defs", {}).items()))

    def of(self, annotation: Any, mode: Mode) -> Schema:
        """Return the schema of an annotation that was added; models are references."""
        schema = self._found.get((id(annotation), mode))
        return dict(schema) if schema is not None else _anything(annotation)

    def resolve(self, schema: Schema) -> Schema:
        """Return what a reference points to, or the schema itself."""
        while "$ref" in schema:
            schema = self.components[schema["$ref"].removeprefix(REF_PREFIX)]
        return schema

    def add_component(self, name: str, schema: Schema) -> str:
        """Add a component of the framework's own and return its name, another one if a model has it."""
        if name in self.components:
            name = f"Patera{name}"
        self.components[name] = schema
        return name

    def used_by(self, document: Any) -> dict[str, Schema]:
        """Return the components that `document` refers to, directly or through others."""
        waiting = list(_references(document))
        used: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in used and name in self.components:
                used.add(name)
                waiting.extend(_references(self.components[name]))
        return {name: self.components[name] for name in sorted(used)}


def reference(name: str) -> Schema:
    """Return the schema that refers to a component."""
    return {"$ref": f"{REF_PREFIX}{name}"}


def combine(schemas: list[Schema], word: Literal["allOf", "anyOf"]) -> Schema:
    """Return one schema for several; equal ones count once."""
    different: list[Schema] = []
    for schema in schemas:
        if schema not in different:
            different.append(schema)
    return different[0] if len(different) == 1 else {word: different}


def on_the_wire(schema: Schema, required: bool, default: Any = None) -> Schema:
    """Return the schema of a value sent as text: no null, no empty list where a value must be there."""
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    if options:
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        schema = {**rest, **(options[0] if len(options) == 1 else {"anyOf": options})}
    schema = {key: value for key, value in schema.items() if (key, value) != ("default", None)}
    if required and schema.get("type") == "array":
        schema.setdefault("minItems", 1)
    if not required and default is not None:
        with suppress(ValueError):
            schema["default"] = to_jsonable_python(default)
    return schema


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, which never gives up: what has no JSON form is any value."""

    def emit_warning(self, kind: JsonSchemaWarningKind, detail: str) -> None:
        """Say nothing: a default or choice without JSON form is left out of the document."""

    def handle_invalid_for_json_schema(self, schema: CoreSchema, error_info: str) -> JsonSchemaValue:
        return {"description": f"Any value ({re.sub(r' ?[(].*', '', error_info)} has no JSON schema)"}

    def is_instance_schema(self, schema: core_schema.IsInstanceSchema) -> JsonSchemaValue:
        return _anything(schema["cls"])


def _adapter(annotation: Any) -> TypeAdapter[Any] | None:
    for config in (None, ConfigDict(arbitrary_types_allowed=True)):
        try:
            return TypeAdapter(annotation, config=config)
        except Exception:  # a type's own schema method may raise anything
            continue
    return None


_Input = tuple[int, Mode, TypeAdapter[Any]]


def _generate(inputs: list[_Input]) -> tuple[Mapping[Any, Schema], Schema]:
    return TypeAdapter.json_schemas(
        inputs, by_alias=True, ref_template=REF_PREFIX + "{model}", schema_generator=_Generator
    )


def _is_describable(entry: _Input) -> bool:
    try:
        _generate([entry])
    except Exception:
        return False
    return True


def _anything(annotation: Any) -> Schema:
    return {"description": f"Any value ({getattr(annotation, '__name__', annotation)} has no JSON schema)"}


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value.removeprefix(REF_PREFIX)
            elif key == "mapping" and isinstance(value, dict):
                yield from (str(target).removeprefix(REF_PREFIX) for target in value.values())
            else:
                yield from _references(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _references(value)
