"""The record: what decorators note on a function or class, and `build()` reads once."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from .controller import Descriptor

ENDPOINT_KEY = "_patera_endpoint"
CONTROLLER_KEY = "_patera_controller"
LAYER_KEY = "_patera_layer"
CLASS_LAYERS_KEY = "_patera_class_layers"


@dataclass(frozen=True, slots=True)
class VerbRecord:
    """One `@get`, `@post`, ... or `@socket`."""

    method: str
    path: str
    in_schema: bool = True
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CorsRecord:
    """`@cors` (None inherits the global key) or, with `enabled=False`, `@no_cors`."""

    enabled: bool = True
    allow_origins: tuple[str, ...] | None = None
    allow_methods: tuple[str, ...] | None = None
    allow_headers: tuple[str, ...] | None = None
    expose_headers: tuple[str, ...] | None = None
    allow_credentials: bool | None = None
    max_age: int | None = None


@dataclass(frozen=True, slots=True)
class SecurityRecord:
    """`@security_headers`: changes by header name; with `is_whole` they start from all headers, or from none."""

    values: tuple[tuple[str, str | None], ...] = ()
    is_whole: bool = False
    is_on: bool = True


@dataclass(frozen=True, slots=True)
class HookRecord:
    """`@before_request` or `@after_request`; a lower order runs first, then the alphabet decides."""

    phase: Literal["before", "after"]
    order: int = 0


@dataclass(frozen=True, slots=True)
class EndpointRecord:
    """Everything recorded on one method; None or empty means "not said"."""

    verbs: tuple[VerbRecord, ...] = ()
    consumes: str | None = None
    produces: str | None = None
    produces_status: int | None = None
    descriptors: tuple[Descriptor, ...] = ()
    cors: CorsRecord | None = None
    security: SecurityRecord | None = None
    development: bool = False
    hook: HookRecord | None = None
    max_content_length: int | None = None
    unlimited_content: bool = False
    cancel_on_disconnect: bool = False


@dataclass(frozen=True, slots=True)
class ControllerRecord:
    """Everything recorded on a controller class itself."""

    path: str | None = None
    in_schema: bool = True
    tags: tuple[str, ...] | None = None
    cors: CorsRecord | None = None
    security: SecurityRecord | None = None
    development: bool = False


def endpoint_record(function: Any) -> EndpointRecord:
    """Return the record on `function`, an empty one where there is none.

    Nothing of `function` runs: it may be any attribute of a class, a proxy or a mock too.
    """
    if type(function) is FunctionType:
        record = function.__dict__.get(ENDPOINT_KEY)
    else:
        record = inspect.getattr_static(function, ENDPOINT_KEY, None)
    return record if isinstance(record, EndpointRecord) else _EMPTY_ENDPOINT


def update_endpoint(function: Callable[..., Any], **changes: Any) -> None:
    """Replace the record on `function` by one with `changes`.

    Raises:
        TypeError: It is something that no record can be made on, such as a class or a property.
    """
    if isinstance(function, type):
        raise TypeError(f"This decorator takes a method, got the class {function.__qualname__}")
    try:
        setattr(function, ENDPOINT_KEY, replace(endpoint_record(function), **changes))
    except AttributeError:
        raise TypeError(f"This decorator takes a method, got {function!r}") from None


def controller_record(cls: type) -> ControllerRecord:
    """Return the record made on `cls` itself, not on a parent."""
    record: ControllerRecord = cls.__dict__.get(CONTROLLER_KEY, _EMPTY_CONTROLLER)
    return record


def update_controller(cls: type, **changes: Any) -> None:
    """Replace the record on `cls` by one with `changes`; its parents keep theirs.

    Raises:
        TypeError: It is no class.
    """
    if not isinstance(cls, type):
        raise TypeError(f"This decorator takes a controller class, got {cls!r}")
    setattr(cls, CONTROLLER_KEY, replace(controller_record(cls), **changes))


def merge_records(parent: EndpointRecord, child: EndpointRecord) -> EndpointRecord:
    """Return the record of an override without a verb: the parent's, with what the child says."""
    empty = _EMPTY_ENDPOINT
    said = {
        name: getattr(child, name)
        for name in EndpointRecord.__dataclass_fields__
        if getattr(child, name) != getattr(empty, name)
    }
    return replace(parent, **said)


_EMPTY_ENDPOINT = EndpointRecord()
_EMPTY_CONTROLLER = ControllerRecord()
