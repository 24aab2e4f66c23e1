"""The layers of an endpoint: in which order they run, and what is wrong with using them there."""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from patera.exceptions import Mistake
from patera.layer import Layer, Place

from .collect import CollectedController, LayerChain
from .plan import LayerPlan

if TYPE_CHECKING:
    from patera.application import Patera


def collect_layers(controller: CollectedController, chain: LayerChain, app: Patera | None = None) -> tuple[Layer, ...]:
    """Return the layers of an endpoint in the order in which they run, each once; with an application, its too."""
    if not (controller.layers or chain.lifted or (app is not None and app.extensions)):
        return ()
    found: dict[Hashable, Layer] = {}

    def add(layer: Layer) -> None:
        for implied in layer.implied():
            add(implied)
        found.setdefault(layer.key, layer)

    for layer in (*controller.layers, *chain.lifted):
        add(layer)
    if app is not None:
        declared = tuple(found.values())
        for extension in app.extensions.values():
            for layer in extension.layers_for(app, declared):
                add(layer)
    return tuple(sorted(found.values(), key=lambda layer: (layer.place, layer.name, repr(layer.key))))


def layer_plan(layer: Layer, app: Patera) -> LayerPlan:
    """Return a layer as plain data."""
    return LayerPlan(
        name=layer.name,
        place=layer.place.name,
        key=repr(layer.key),
        injects=tuple(layer.injects(app)),
        statuses=tuple(layer.statuses.items()),
        security=layer.security_for(app),
        security_is_optional=layer.security_is_optional,
    )


@dataclass(frozen=True, slots=True)
class LayeredMethod:
    """An endpoint's method with the layers that the pipeline runs and those that stay below foreign decorators."""

    where: str
    location: str
    chain: LayerChain
    layers: Sequence[Layer]
    is_thread: bool

    @property
    def all_layers(self) -> tuple[Layer, ...]:
        """All layers, those of the pipeline first."""
        return (*self.layers, *self.chain.fixed)


def layer_mistakes(app: Patera, method: LayeredMethod) -> Iterator[Mistake]:
    """Find what is wrong with the layers of a method."""
    for layer in method.all_layers:
        yield from layer.mistakes(app, method.where, method.location)
        problem = _problem_of(layer)
        if problem:
            yield _unusable_layer(method, layer, problem)
    for layer, other in combinations(method.all_layers, 2):
        conflict = layer.conflict(other) or other.conflict(layer)
        if conflict:
            yield _conflicting_layers(method, conflict)
    for layer in _run_in_thread(method):
        if layer.around_sync is None:
            yield _asynchronous_layer(method, layer)
    for layer in method.layers:
        for name in layer.injects(app):
            if not _takes(method.chain, name):
                yield _unwanted(method, layer, name)


def _problem_of(layer: Layer) -> str:
    """Return why a layer would let everything pass: a guard's name misspelt, or the wrong one of the two forms."""
    if not isinstance(layer.place, Place):
        return "has to have a Place"
    has_guard = type(layer).guard is not Layer.guard
    has_around = type(layer).around is not Layer.around
    if layer.place.is_guard and not has_guard:
        return "has no guard()" + (", and around() does not run there" if has_around else "")
    if not has_guard and not has_around:
        return "has neither guard() nor around()"
    return "" if inspect.iscoroutinefunction(layer.guard) else "has a guard() that is not async"


def _run_in_thread(method: LayeredMethod) -> list[Layer]:
    """Return the layers that need a synchronous form."""
    chain = method.chain
    lifted = [layer for layer in method.layers if layer.place == Place.SESSION and method.is_thread]
    fixed = zip(chain.fixed, chain.settling, strict=True)
    return lifted + [layer for layer, wrapper in fixed if not inspect.iscoroutinefunction(wrapper)]


def _takes(chain: LayerChain, name: str) -> bool:
    """Tell whether a method takes an argument; a foreign decorator may do so in its place."""
    parameters = inspect.signature(chain.innermost).parameters
    takes_all = any(item.kind is inspect.Parameter.VAR_KEYWORD for item in parameters.values())
    return takes_all or name in parameters or chain.core is not chain.innermost


def _unwanted(method: LayeredMethod, layer: Layer, name: str) -> Mistake:
    return Mistake(
        "PAT311",
        method.where,
        f"{layer.name} injects {name!r}, which is no parameter of the method",
        "a parameter for everything that a layer injects",
        f"add the parameter {name!r}, or remove the decorator",
        method.location,
    )


def _unusable_layer(method: LayeredMethod, layer: Layer, problem: str) -> Mistake:
    return Mistake(
        "PAT312",
        method.where,
        f"the layer {layer.name}, whose place is {layer.place!r} and which {problem}",
        "async def guard(self, call) up to Place.CSRF; there or async def around(self, call, next) behind it",
        f"define it in the class {type(layer).__qualname__}, or change its place",
        method.location,
    )


def _conflicting_layers(method: LayeredMethod, conflict: str) -> Mistake:
    return Mistake(
        "PAT313",
        method.where,
        conflict,
        "layers that can stand on one method, those of its class and its base classes included",
        "remove one of them, from the class if it stands there",
        method.location,
    )


def _asynchronous_layer(method: LayeredMethod, layer: Layer) -> Mistake:
    return Mistake(
        "PAT310",
        method.where,
        f"{layer.name} on a `def` method",
        "a layer with around_sync(), or an `async def` method",
        "make the method `async def`",
        method.location,
    )
