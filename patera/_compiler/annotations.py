"""Reads annotations one by one: what decides nothing may stay unresolvable."""

from __future__ import annotations

import builtins
import datetime
import decimal
import enum
import types
import typing
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin

from pydantic import BaseModel
from typing_extensions import TypeAliasType, is_typeddict

from patera.parameters import Parameter
from patera.request import UploadedFile

SCALARS = (
    str, int, float, bool, bytes, decimal.Decimal, datetime.datetime, datetime.date, datetime.time,
    datetime.timedelta, uuid.UUID, enum.Enum,
)  # fmt: skip
COLLECTIONS = (list, set, frozenset, tuple, Sequence)


class Unresolved:
    """An annotation that names something which cannot be found at run time.

    Args:
        text: The annotation as written.
        reason: Why it could not be resolved.
    """

    def __init__(self, text: str, reason: str) -> None:
        self.text = text
        self.reason = reason


class Namespace:
    """The names that an annotation of a method may use.

    Args:
        function: The innermost function.
        cls: The class that the method was found on.
    """

    def __init__(self, function: Callable[..., Any], cls: type) -> None:
        self._function = function
        self._cls = cls

    @cached_property
    def globals(self) -> dict[str, Any]:
        """The names of the function's module; a copy, as evaluating adds to it."""
        return dict(getattr(self._function, "__globals__", {}))

    @cached_property
    def locals(self) -> dict[str, Any]:
        """The names of the class, and those that the function takes from functions around it."""
        closure = getattr(self._function, "__closure__", None) or ()
        code = getattr(self._function, "__code__", None)
        names: dict[str, Any] = {}
        for base in reversed(self._cls.__mro__):
            names.update(vars(base))
        names.update(_closure_values(code.co_freevars if code is not None else (), closure))
        names.setdefault(self._cls.__name__, self._cls)
        return names

    def resolve(self, annotation: Any) -> Any:
        """Return the annotation's type, or `Unresolved`."""
        named = self._find(annotation) if isinstance(annotation, str) else annotation
        # Most annotations are a class, or the name of one, where nothing is left to resolve.
        if isinstance(named, type):
            return named
        holder = types.SimpleNamespace(__annotations__={"it": annotation})
        try:
            hints = typing.get_type_hints(holder, globalns=self.globals, localns=self.locals, include_extras=True)
        except Exception as error:
            text = annotation if isinstance(annotation, str) else repr(annotation)
            return Unresolved(text, f"{type(error).__name__}: {error}")
        return hints["it"]

    def _find(self, name: str) -> Any:
        return next((names[name] for names in (self.locals, self.globals, vars(builtins)) if name in names), None)


def _closure_values(names: Sequence[str], cells: Sequence[Any]) -> dict[str, Any]:
    values = {}
    for name, cell in zip(names, cells, strict=False):
        try:
            values[name] = cell.cell_contents
        except ValueError:
            continue
    return values


def split_annotated(annotation: Any) -> tuple[Any, Parameter | None, tuple[Any, ...]]:
    """Return the bare type, Patera's marker and all further metadata of an annotation."""
    annotation = _unalias(annotation)
    if get_origin(annotation) is not Annotated:
        return annotation, None, ()
    bare, *metadata = get_args(annotation)
    marker = None
    for item in metadata:
        if isinstance(item, Parameter):
            marker = item
        elif isinstance(item, type) and issubclass(item, Parameter):
            marker = item()
    rest = tuple(item for item in metadata if not _is_marker(item))
    return bare, marker, rest


def _is_marker(item: Any) -> bool:
    return isinstance(item, Parameter) or (isinstance(item, type) and issubclass(item, Parameter))


def without_marker(annotation: Any) -> Any:
    """Return the annotation without Patera's marker, for Pydantic."""
    bare, marker, rest = split_annotated(annotation)
    if marker is None:
        return annotation
    return Annotated[(bare, *rest)] if rest else bare


def is_model(annotation: Any) -> bool:
    """Tell whether the annotation has named fields: a Pydantic model, dataclass or `TypedDict`, or an optional one."""
    return any(_has_fields(get_origin(member) or member) for member in members(annotation))


def is_body_like(annotation: Any) -> bool:
    """Tell whether the annotation is something that only a body can carry."""
    for member in members(annotation):
        origin = get_origin(member) or member
        if _has_fields(origin):
            return True
        if not isinstance(origin, type):
            continue
        if issubclass(origin, Mapping):
            return True
        if issubclass(origin, COLLECTIONS) and any(is_body_like(item) for item in get_args(member)):
            return True
    return False


def _has_fields(kind: Any) -> bool:
    return is_typeddict(kind) or (isinstance(kind, type) and (issubclass(kind, BaseModel) or is_dataclass(kind)))


def fields_of(annotation: Any) -> dict[str, Any]:
    """Return the annotation of each field of a model, by its name and by the alias that it is read under."""
    found: dict[str, Any] = {}
    for member in members(annotation):
        kind = get_origin(member) or member
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            for name, field in kind.model_fields.items():
                found |= dict.fromkeys((name, str(field.validation_alias or name)), field.annotation)
        elif _has_fields(kind):
            found |= typing.get_type_hints(kind, include_extras=True)
    return found


def is_scalar(annotation: Any) -> bool:
    """Tell whether one text value can be the annotated type."""
    return all(_is_scalar_member(member) for member in members(annotation))


def is_scalar_list(annotation: Any) -> bool:
    """Tell whether the annotation is a collection of scalars (or that, or None)."""
    found = members(annotation)
    return bool(found) and all(_is_scalar_collection(member) for member in found)


def _is_scalar_member(member: Any) -> bool:
    if get_origin(member) is Literal:
        return True
    if isinstance(member, NewType):
        return is_scalar(member.__supertype__)
    return isinstance(member, type) and issubclass(member, SCALARS)


def _is_scalar_collection(member: Any) -> bool:
    origin = get_origin(member) or member
    if not (isinstance(origin, type) and issubclass(origin, COLLECTIONS)) or issubclass(origin, (str, bytes)):
        return False
    return all(item is Ellipsis or is_scalar(item) for item in get_args(member))


def is_file(annotation: Any) -> bool:
    """Tell whether the annotation is `UploadedFile`, an optional one or a list of them."""
    for member in members(annotation):
        if member is UploadedFile or any(item is UploadedFile for item in get_args(member)):
            return True
    return False


def members(annotation: Any) -> list[Any]:
    """Return the members of a union without None, or the annotation itself; `Annotated` is unwrapped."""
    annotation = _unalias(annotation)
    if get_origin(annotation) is Annotated:
        return members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [member for item in get_args(annotation) if item is not type(None) for member in members(item)]
    return [annotation]


def _unalias(annotation: Any) -> Any:
    while isinstance(annotation, TypeAliasType) or type(annotation).__name__ == "TypeAliasType":
        annotation = annotation.__value__
    return annotation
