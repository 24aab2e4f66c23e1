"""How a config class is made: what may be written in its body, and what can be read from it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from types import FunctionType
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from ._config_values import MISSING, default_of

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseSettings)

# Pydantic asks base classes for attributes while it makes a class, and takes answers for overrides.
_class_is_made: ContextVar[bool] = ContextVar("patera.config.class_is_made", default=False)


class ConfigType(ModelMetaclass):
    """Makes config classes: bare upper-case names become fields, and defaults stay readable on the class."""

    bare_keys: tuple[str, ...]

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any) -> ConfigType:
        """Annotate the bare upper-case names of the class body before Pydantic sees them."""
        inherited: dict[str, FieldInfo] = {}
        for base in reversed(bases):
            inherited.update(getattr(base, "__pydantic_fields__", {}))
        mixed_in = _mixed_in(bases)
        for key, value in mixed_in.items():
            namespace.setdefault(key, value)
        bare = _bare_names(namespace, bases)
        annotations = namespace.setdefault("__annotations__", {})
        own = [key for key in bare if key not in inherited]
        earlier = [key for base in bases for key in getattr(base, "bare_keys", ()) if key not in annotations]
        annotations.update({key: annotation_of(inherited.get(key)) for key in bare})
        token = _class_is_made.set(True)
        try:
            with warnings.catch_warnings():
                if mixed_in:
                    # The plain base class keeps its attributes, and Pydantic warns that fields hide them.
                    warnings.filterwarnings("ignore", "Field name .* shadows an attribute in parent", UserWarning)
                made = cast("ConfigType", super().__new__(mcls, name, bases, namespace, **kwargs))
        finally:
            _class_is_made.reset(token)
        made.bare_keys = tuple(dict.fromkeys(earlier + own))
        return made

    if not TYPE_CHECKING:

        def __getattr__(cls, name: str) -> Any:
            """Return a field's default, which Pydantic takes off the class."""
            info = None if _class_is_made.get() else cls.__dict__.get("__pydantic_fields__", {}).get(name)
            if info is None:
                return super().__getattr__(name)
            value = default_of(info)
            if value is MISSING:
                raise AttributeError(f"{cls.__name__} gives {name} no value")
            return value


def annotation_of(info: FieldInfo | None) -> Any:
    """Return a field's type with its constraints, for a bare name that overrides it."""
    if info is None:
        return Any
    return Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation


def _mixed_in(bases: Iterable[type]) -> dict[str, Any]:
    """Return the bare names of plain base classes; Pydantic itself finds those with an annotation."""
    parents = [parent for base in bases if not isinstance(base, ConfigType) for parent in base.__mro__]
    annotated = {name for parent in parents for name in vars(parent).get("__annotations__", {})}
    found = {name: value for parent in reversed(parents) for name, value in vars(parent).items()}
    return {name: value for name, value in found.items() if name.isupper() and name not in annotated}


def _bare_names(namespace: Mapping[str, Any], bases: Iterable[type]) -> list[str]:
    """Return the upper-case names of a class body that have a value and no annotation."""
    annotated = namespace.get("__annotations__", {})
    class_variables = {name for base in bases for name in getattr(base, "__class_vars__", ())}
    known = class_variables | set(annotated)
    return [
        name
        for name, value in namespace.items()
        if name.isupper() and not name.startswith("_") and name not in known and not _is_code(value, namespace)
    ]


def _is_code(value: Any, namespace: Mapping[str, Any]) -> bool:
    """Whether a value of the class body is a method or nested class, which Pydantic leaves alone."""
    if isinstance(value, FunctionType | property | classmethod | staticmethod):
        return True
    return isinstance(value, type) and value.__qualname__.startswith(f"{namespace.get('__qualname__', '')}.")
