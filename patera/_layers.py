"""What the compiler and the wrappers know of layers: marks on functions, layers on classes, the active call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio.from_thread

from ._endpoint import CLASS_LAYERS_KEY, LAYER_KEY

if TYPE_CHECKING:
    from .layer import Call, Layer, NextSync

#: The endpoint call whose lifted and buried layers the wrappers below it belong to.
active_call: ContextVar[Call | None] = ContextVar("patera.call", default=None)


@dataclass(frozen=True, slots=True)
class LayerMark:
    """Marks a wrapper as a layer's own; a copy on a foreign wrapper is told apart by `wrapper`."""

    layer: Layer
    wrapper: Callable[..., Any]


def layer_mark(function: Any) -> LayerMark | None:
    """Return the mark of `function` if it is a layer's own wrapper."""
    mark = getattr(function, "__dict__", {}).get(LAYER_KEY)
    return mark if mark is not None and mark.wrapper is function else None


def class_layers(cls: type) -> tuple[Layer, ...]:
    """Return the layers of a controller class and its parents, without repetitions."""
    found: dict[Hashable, Layer] = {}
    for base in cls.__mro__:
        for layer in base.__dict__.get(CLASS_LAYERS_KEY, ()):
            found.setdefault(layer.key, layer)
    return tuple(found.values())


def run_around_sync(layer: Layer, call: Call, next: NextSync) -> Any:
    """Run a layer around a `def` method, in whichever thread this is.

    Raises:
        TypeError: The layer only has an asynchronous form, which cannot run here.
    """
    if layer.around_sync is not None:
        return layer.around_sync(call, next)
    if not layer.place.is_guard:
        raise TypeError(f"{layer.name} has no around_sync(), so it cannot stand on a `def` method; make it `async def`")
    answer = _guard_from_thread(layer, call)
    return answer if answer is not None else next(call)


def _guard_from_thread(layer: Layer, call: Call) -> Any:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return anyio.from_thread.run(layer.guard, call)
    raise TypeError(
        f"{layer.name} cannot check a `def` method that is called in the event loop; "
        "make it `async def`, or call it with run_sync_or_async()"
    )
