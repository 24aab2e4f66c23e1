"""Tells decorated attributes that cannot be endpoints, and finds endpoints that a decorator hides."""

from __future__ import annotations

import inspect
from functools import cached_property, partial, partialmethod
from types import CodeType
from typing import TYPE_CHECKING, Any

from patera._endpoint import endpoint_record
from patera.exceptions import Mistake
from patera.layer import Layer

if TYPE_CHECKING:
    from .collect import LayerChain


def unusable_method(cls: type, name: str, chain: LayerChain, *, is_hook: bool) -> Mistake | None:
    """Return what keeps a decorated attribute from being called with its controller and one argument."""
    found = _no_method(chain) or _wrong_parameters(chain, is_hook=is_hook)
    if not found:
        return None
    return Mistake(
        "PAT104",
        f"{cls.__module__}.{cls.__qualname__}.{name}",
        found,
        f"a method that takes the controller and one argument more: async def {name}(self, req)",
        "write it as such a method, which may call the other one",
        location_of(chain.innermost),
    )


def _no_method(chain: LayerChain) -> str:
    for kind in (staticmethod, classmethod):
        if isinstance(chain.core, kind):
            return f"a {kind.__name__}"
    if isinstance(chain.innermost, Layer):
        return f"the layer {chain.innermost.name} made of the method, not around it: its brackets are missing"
    if not hasattr(chain.innermost, "__code__"):
        return f"{chain.innermost!r}, which is no function"
    if not hasattr(type(chain.core), "__get__"):
        return f"a decorator object of the class {type(chain.core).__qualname__}, which has no __get__ to pass self on"
    return ""


def _wrong_parameters(chain: LayerChain, *, is_hook: bool) -> str:
    """Return the parameters that do not take the controller and one argument; a hook gets no others."""
    code: CodeType = chain.innermost.__code__
    is_alone = is_hook and chain.core is chain.innermost and not chain.wrappers
    if not is_alone and (code.co_argcount >= 2 or code.co_flags & inspect.CO_VARARGS):
        return ""
    signature = inspect.signature(chain.innermost)
    try:
        signature.bind(None, None)
    except TypeError:
        return f"the parameters {signature}"
    return ""


def hidden_endpoint(cls: type, name: str, hidden: Any) -> Mistake:
    """Return the mistake of an attribute that hides the function `hidden`."""
    return Mistake(
        "PAT102",
        f"{cls.__module__}.{cls.__qualname__}.{name}",
        f"a decorator around {hidden.__qualname__} that returns something without its declarations",
        "decorators that use functools.wraps",
        "add @functools.wraps(function) to the decorator's inner function, or put it below the verb",
        location_of(hidden),
    )


def recorded_inside(value: Any, depth: int = 3) -> Any:
    """Return a function with a verb that is only reachable through what `value` wraps."""
    for inner in _wrapped_by(value):
        if inspect.isfunction(inner) and endpoint_record(inner).verbs:
            return inner
        found = recorded_inside(inner, depth - 1) if depth else None
        if found is not None:
            return found
    return None


def _wrapped_by(value: Any) -> list[Any]:
    """Return what a decorated attribute may hold its function in: a closure, a descriptor, an object's attributes."""
    if inspect.isfunction(value):
        return _cell_contents(value)
    if isinstance(value, property):
        return [value.fget]
    if isinstance(value, staticmethod | classmethod):
        return [value.__func__]
    if isinstance(value, partial | partialmethod | cached_property):
        return [value.func]
    if isinstance(value, type) or not callable(value):
        return []
    try:
        return list(object.__getattribute__(value, "__dict__").values())
    except AttributeError:
        return []


def _cell_contents(function: Any) -> list[Any]:
    contents = []
    for cell in function.__closure__ or ():
        try:
            contents.append(cell.cell_contents)
        except ValueError:
            continue
    return contents


def location_of(function: Any) -> str:
    """Return `file:line` of a function or class, as far as it is known."""
    innermost = inspect.unwrap(function) if callable(function) and hasattr(function, "__wrapped__") else function
    code = getattr(innermost, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else ""
