"""What a return annotation promises: the `T` of `Response[T]`, or a plain type that shapes the body."""

from __future__ import annotations

import collections.abc
import re
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin

from starlette.responses import Response as StarletteResponse

from patera.exceptions import Mistake

from .annotations import Namespace, Unresolved, members

#: Return annotations that promise no shape: text and bytes are sent as they are.
_SHAPELESS = frozenset({Any, None, type(None), str, bytes, dict, list, tuple, object, typing.NoReturn, typing.Never})
_STREAMS = (
    collections.abc.AsyncIterator,
    collections.abc.AsyncIterable,
    collections.abc.Iterator,
    collections.abc.Generator,
    collections.abc.Awaitable,
)
_PLAIN_RESPONSE = re.compile(r"""["']?(?:\w+\.)*\w*Response(?:\s*\|\s*None)?["']?""")


@dataclass(frozen=True, slots=True)
class ReturnType:
    """The type of an endpoint's JSON body; `is_declared` tells None as a type from no declaration.

    `is_nothing` is a handler that says it returns nothing, which answers 204.
    """

    is_declared: bool = False
    type: Any = None
    is_nothing: bool = False


_UNDECLARED = ReturnType()


def read_return(function: Callable[..., Any], namespace: Namespace, where: str, location: str) -> ReturnType | Mistake:
    """Return what the annotation after `->` promises."""
    annotation = getattr(function, "__annotations__", {}).get("return", Any)
    resolved = namespace.resolve(annotation)
    if not isinstance(resolved, Unresolved):
        return _read(resolved)
    if _PLAIN_RESPONSE.fullmatch(resolved.text):
        return _UNDECLARED
    return Mistake(
        "PAT115",
        f"{where} -> {resolved.text}",
        f"a return annotation that cannot be resolved ({resolved.reason})",
        "an annotation that exists at run time, as it decides which fields are sent",
        "import the type outside of `if TYPE_CHECKING:`",
        location,
    )


def _read(annotation: Any) -> ReturnType:
    if isinstance(annotation, type) and issubclass(annotation, StarletteResponse):
        return _UNDECLARED
    found = members(annotation)
    responses = [member for member in found if _is_response(member)]
    if responses:
        types = [get_args(member)[0] for member in responses if get_args(member)]
        types = [each for each in types if each is not Any]
        if len(types) > 1:
            return ReturnType(True, Union[tuple(types)])  # noqa: UP007
        return ReturnType(True, types[0]) if types else _UNDECLARED
    if annotation in (None, type(None)):
        return ReturnType(is_nothing=True)
    origin = get_origin(annotation)
    if origin is tuple and _is_status(get_args(annotation)):
        return _read(get_args(annotation)[0])
    if _hashable_in(annotation, _SHAPELESS) or any(_is_stream(member) for member in found):
        return _UNDECLARED
    if all(_hashable_in(member, _SHAPELESS) for member in found):
        return _UNDECLARED
    return ReturnType(True, annotation)


def _is_response(member: Any) -> bool:
    kind = get_origin(member) or member
    return isinstance(kind, type) and issubclass(kind, StarletteResponse)


def _is_stream(member: Any) -> bool:
    kind = get_origin(member) or member
    return isinstance(kind, type) and issubclass(kind, _STREAMS)


def _is_status(args: tuple[Any, ...]) -> bool:
    return len(args) in (2, 3) and isinstance(args[1], type) and issubclass(args[1], int)


def _hashable_in(value: Any, known: frozenset[Any]) -> bool:
    try:
        return value in known
    except TypeError:
        return False
