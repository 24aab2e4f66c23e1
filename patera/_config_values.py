"""Values of config classes: copies, defaults, entries below a key, and texts read as what they stand for."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import AliasChoices, BaseModel, TypeAdapter

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

MISSING: Final = object()


def names_of(key: str, info: FieldInfo) -> set[str]:
    """Return every name under which sources may give a field: its own and its aliases."""
    alias = info.validation_alias
    aliases = alias.choices if isinstance(alias, AliasChoices) else [alias, info.alias]
    return {key, *(name for name in aliases if isinstance(name, str))}


def default_of(info: FieldInfo) -> Any:
    """Return a field's default with fresh containers, or `MISSING`."""
    if info.default_factory is not None:
        return MISSING if info.default_factory_takes_validated_data else info.default_factory()  # type: ignore[call-arg]
    return MISSING if info.is_required() else copy_containers(info.default)


def copy_containers(value: Any) -> Any:
    """Return a value with its dicts, lists, tuples and sets copied, and everything in them kept.

    Deep copies would copy schedulers and stores, or fail at their locks.
    """
    if type(value) is dict:
        return {key: copy_containers(item) for key, item in value.items()}
    if type(value) in (list, tuple, set):
        return type(value)(copy_containers(item) for item in value)
    return value


def as_dict(value: Any) -> dict[str, Any] | None:
    """Return the entries of a dict or model, an empty dict for None, and None for anything else."""
    if value is None:
        return {}
    return dict(value) if isinstance(value, Mapping | BaseModel) else None


def merge(lower: Any, entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of `lower` with `entries` over them, dicts within dicts too."""
    merged = as_dict(lower) or {}
    for key, value in entries.items():
        below = merged.get(key)
        nested = isinstance(value, dict) and isinstance(below, dict | BaseModel)
        merged[key] = merge(below, value) if nested else value
    return merged


def like(text: str, example: Any) -> Any:
    """Return a variable's text as the kind of value that the class has there.

    Raises:
        ValueError: It cannot be read as that kind.
    """
    if isinstance(example, bool):
        return _boolean().validate_python(text)
    if isinstance(example, int):
        return int(text) if text.strip().lstrip("+-").isdecimal() else float(text)
    if isinstance(example, float):
        return float(text)
    if isinstance(example, dict | list | tuple | set):
        return _container(text, type(example))
    return text if isinstance(example, str) else from_json(text)


def from_json(text: str) -> Any:
    """Return a JSON object or array as what it is, and any other text unchanged."""
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def is_scalar(annotation: Any) -> bool:
    """Whether one text without JSON can be a value of this annotation."""
    annotation = getattr(annotation, "__supertype__", getattr(annotation, "__value__", annotation))
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return all(is_scalar(argument) for argument in arguments)
    if origin is Annotated:
        return is_scalar(arguments[0])
    kind = origin or annotation
    if kind is Literal or kind is None:
        return True
    if not isinstance(kind, type):
        return False
    if issubclass(kind, str | bytes):
        return True
    return not (issubclass(kind, type | Collection | BaseModel) or dataclasses.is_dataclass(kind))


def entry_at(value: Any, path: Sequence[str]) -> Any:
    """Return the entry below nested dicts, or `MISSING`; a model's own types decide about its entries."""
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            return MISSING
        value = value[part]
    return value


def has_entries(value: Any, path: Sequence[str]) -> bool:
    """Whether everything on the way to `path` is a dict, or does not exist yet."""
    for part in path:
        if value is MISSING:
            return True
        entries = as_dict(value)
        if entries is None:
            return False
        value = entries.get(part, MISSING)
    return True


def nested(path: Sequence[str], value: Any) -> dict[str, Any]:
    """Return `{"A": {"B": value}}` for the path `("A", "B")`."""
    for part in reversed(path):
        value = {part: value}
    entries: dict[str, Any] = value
    return entries


def _container(text: str, kind: type) -> Any:
    value = from_json(text)
    if not isinstance(value, dict if kind is dict else list):
        raise ValueError("another kind of JSON")
    return value if kind in (dict, list) else kind(value)


def kind_of(example: Any) -> str:
    if isinstance(example, dict | list | tuple | set):
        return f"a {type(example).__name__}, written as JSON"
    return f"a value of the type {type(example).__name__}"


@cache
def _boolean() -> TypeAdapter[bool]:
    return TypeAdapter(bool)
