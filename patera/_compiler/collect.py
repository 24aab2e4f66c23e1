"""Reads the records of controller classes: endpoints with their layers, and hooks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from patera._endpoint import (
    CLASS_LAYERS_KEY,
    CONTROLLER_KEY,
    ControllerRecord,
    CorsRecord,
    EndpointRecord,
    HookRecord,
    controller_record,
    endpoint_record,
    merge_records,
)
from patera._layers import class_layers, layer_mark
from patera.controller import Controller
from patera.exceptions import Mistake
from patera.layer import Layer, Place

from .methods import hidden_endpoint, location_of, recorded_inside, unusable_method

#: Layers from here on stay below the first foreign decorator: `@retry` must open a new session each time.
FIRST_FIXED_PLACE = Place.INJECT

_OWN_NAMES = frozenset({CONTROLLER_KEY, CLASS_LAYERS_KEY})

NamedHook = tuple[HookRecord, str]


@dataclass(slots=True)
class LayerChain:
    """The layers of a method: those that rise to their place, and those that stay where they stand.

    Args:
        core: What is called as the handler: the first foreign wrapper, or the method itself.
        innermost: The method as it was written.
        lifted: Layers put in place by the pipeline, in written order.
        passing: Wrappers of lifted layers that are left below a foreign one and let the call pass.
        settling: Wrappers of layers that stay and finish the response before they end.
        fixed: The layers that stay, in written order.
        wrappers: The wrappers of all layers.
    """

    core: Callable[..., Any]
    innermost: Callable[..., Any]
    lifted: tuple[Layer, ...] = ()
    passing: frozenset[Any] = frozenset()
    settling: tuple[Any, ...] = ()
    fixed: tuple[Layer, ...] = ()
    wrappers: frozenset[Any] = frozenset()


@dataclass(slots=True)
class CollectedEndpoint:
    """One method with a verb, with everything recorded on it and inherited."""

    cls: type[Controller]
    name: str
    record: EndpointRecord
    chain: LayerChain
    #: `Class.method`, the endpoint's name.
    label: str = field(init=False)
    #: `module.Class.method`, for messages.
    where: str = field(init=False)
    #: `file:line` of the method.
    location: str = field(init=False)

    def __post_init__(self) -> None:
        self.label = f"{self.cls.__name__}.{self.name}"
        self.where = f"{self.cls.__module__}.{self.cls.__qualname__}.{self.name}"
        self.location = location_of(self.chain.innermost)


@dataclass(slots=True)
class CollectedController:
    """One controller class: its own record with what it inherits, endpoints and hooks."""

    cls: type[Controller]
    record: ControllerRecord
    endpoints: tuple[CollectedEndpoint, ...]
    layers: tuple[Layer, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    cors: tuple[CorsRecord, ...]


def collect_controller(cls: type[Controller]) -> tuple[CollectedController, list[Mistake]]:
    """Return what a controller class declares, and what is wrong with it."""
    endpoints, hooks, mistakes = _read_methods(cls)
    endpoints.sort(key=lambda endpoint: endpoint.chain.innermost.__code__.co_firstlineno)
    own = _controller_record(cls)
    return CollectedController(
        cls,
        own,
        tuple(endpoints),
        class_layers(cls),
        _hook_names(hooks, "before"),
        _hook_names(hooks, "after"),
        tuple(item for item in [own.cors] if item is not None),
    ), mistakes


def _read_methods(cls: type[Controller]) -> tuple[list[CollectedEndpoint], list[NamedHook], list[Mistake]]:
    endpoints: list[CollectedEndpoint] = []
    hooks: list[NamedHook] = []
    mistakes: list[Mistake] = []
    plain: dict[str, Any] = {}
    namespaces = [vars(base) for base in cls.__mro__]
    for name in _method_names(cls):
        definitions = [names[name] for names in namespaces if name in names]
        record = _inherited_record(definitions)
        if not (record.verbs or record.hook):
            plain[name] = definitions[0]
            continue
        chain = _inherited_chain(definitions)
        mistake = unusable_method(cls, name, chain, is_hook=record.hook is not None)
        if mistake is not None:
            mistakes.append(mistake)
            continue
        if record.hook is not None:
            hooks.append((record.hook, name))
        if record.verbs:
            endpoints.append(CollectedEndpoint(cls, name, record, chain))
    return endpoints, hooks, [*mistakes, *_hidden_endpoints(cls, plain, endpoints)]


def _controller_record(cls: type) -> ControllerRecord:
    """Merge the records over the MRO: the nearest class that says something wins."""
    merged = controller_record(cls)
    for base in cls.__mro__[1:]:
        if CONTROLLER_KEY not in vars(base):
            continue
        parent = controller_record(base)
        if merged.path is None and parent.path is not None:
            merged = replace(merged, path=parent.path, in_schema=parent.in_schema, tags=merged.tags or parent.tags)
        merged = replace(
            merged,
            cors=merged.cors or parent.cors,
            security=merged.security or parent.security,
            development=merged.development or parent.development,
        )
    return merged


def _method_names(cls: type) -> list[str]:
    names = {name for base in cls.__mro__ if base is not object for name in vars(base)}
    return sorted(name for name in names if not name.startswith("__") and name not in _OWN_NAMES)


def _inherited_record(definitions: list[Any]) -> EndpointRecord:
    """Return the record of a method: an override without a verb keeps what it overrides."""
    own = endpoint_record(definitions[0])
    if len(definitions) == 1 or own.verbs or not _is_method(definitions[0]):
        return own
    return merge_records(_inherited_record(definitions[1:]), own)


def _inherited_chain(definitions: list[Any]) -> LayerChain:
    chain = read_chain(definitions[0])
    if len(definitions) == 1 or endpoint_record(definitions[0]).verbs:
        return chain
    inherited = _inherited_chain(definitions[1:])
    # All layers of the parent run for the override; its wrappers must not run them again below super().
    return replace(
        chain,
        lifted=(*chain.lifted, *inherited.lifted, *inherited.fixed),
        passing=chain.passing | inherited.wrappers,
        wrappers=chain.wrappers | inherited.wrappers,
    )


def read_chain(function: Callable[..., Any]) -> LayerChain:
    """Walk the wrappers of a method from the outside in, telling layers from foreign decorators."""
    if not hasattr(function, "__wrapped__") and layer_mark(function) is None:
        return LayerChain(function, function)
    lifted: list[Layer] = []
    fixed: list[Layer] = []
    passing: set[Any] = set()
    settling: list[Any] = []
    wrappers: set[Any] = set()
    core: Any = None
    for current in _wrappers(function):
        mark = layer_mark(current)
        if mark is None:
            core = current if core is None else core
            continue
        wrappers.add(current)
        if core is None:
            lifted.append(mark.layer)
        elif mark.layer.place < FIRST_FIXED_PLACE:
            lifted.append(mark.layer)
            passing.add(current)
        else:
            fixed.append(mark.layer)
            settling.append(current)
    return LayerChain(
        core, current, tuple(lifted), frozenset(passing), tuple(settling), tuple(fixed), frozenset(wrappers)
    )


def _wrappers(function: Any) -> Iterator[Any]:
    yield function
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
        yield function


def _hook_names(hooks: list[NamedHook], phase: str) -> tuple[str, ...]:
    if not hooks:
        return ()
    found = sorted((hook.order, name) for hook, name in hooks if hook.phase == phase)
    return tuple(name for _, name in found)


def _is_method(value: Any) -> bool:
    return callable(value) or isinstance(value, classmethod)


def _hidden_endpoints(cls: type, plain: dict[str, Any], endpoints: Iterable[CollectedEndpoint]) -> list[Mistake]:
    """Report attributes that hold a function with a verb which nothing else makes an endpoint."""
    if not plain:
        return []
    outermost = [inspect.getattr_static(cls, endpoint.name) for endpoint in endpoints]
    known = {id(function) for method in outermost for function in _wrappers(method)}
    mistakes = []
    for name, value in plain.items():
        hidden = recorded_inside(value)
        if hidden is not None and id(hidden) not in known:
            mistakes.append(hidden_endpoint(cls, name, hidden))
    return mistakes
