"""What the constructor loads: every import string of the config, modules first, mistakes together."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from starlette.middleware import Middleware

from ._imports import ImportString, Loaded, late, load_all
from .cli import CLIController
from .controller import Controller
from .exceptions import ExceptionHandler, Mistake
from .extension import BaseExtension
from .middleware import MiddlewareBase
from .request import Request
from .response import Response

if TYPE_CHECKING:
    from .config import BaseConfig
    from .logging import LoggerBase


def _keys() -> dict[str, tuple[type | None, Any, bool]]:
    """Return what stands behind the import strings of each key: class, form, and whether CLI mode loads it too."""
    return {
        "MODELS": (None, "either", True),
        "EXTENSIONS": (BaseExtension, "either", True),
        "LOGGERS": (late("patera.logging").LoggerBase, "class", False),
        "CONTROLLERS": (Controller, "class", False),
        "CLI_CONTROLLERS": (CLIController, "class", True),
        "EXCEPTION_HANDLERS": (ExceptionHandler, "class", False),
        "MIDDLEWARE": (None, "class", False),
    }


@dataclass(slots=True)
class Parts:
    """Everything that an application's config names."""

    models: list[Any] = field(default_factory=list)
    extensions: list[BaseExtension] = field(default_factory=list)
    loggers: list[type[LoggerBase]] = field(default_factory=list)
    controllers: list[type[Controller]] = field(default_factory=list)
    cli_controllers: list[type[CLIController]] = field(default_factory=list)
    exception_handlers: list[type[ExceptionHandler]] = field(default_factory=list)
    middleware: list[type[MiddlewareBase]] = field(default_factory=list)
    asgi_middleware: list[Middleware] = field(default_factory=list)
    request_class: type[Request] = Request
    response_class: type[Response[Any]] = Response


def load_parts(config: BaseConfig, *, application_module: str, cli_mode: bool) -> tuple[Parts, Loaded]:
    """Load what the config names; the mistakes are in the second value.

    Args:
        config: The config.
        application_module: `__module__` of the application's class.
        cli_mode: Whether only what commands need is loaded.
    """
    wanted = [*_listed(config, cli_mode=cli_mode), *_exchange_classes(config)]
    loaded = load_all(wanted, application_module=application_module)
    found: dict[str, list[Any]] = {}
    for item, value in zip(wanted, loaded.values, strict=True):
        if value is not None:
            found.setdefault(item.key, []).append(value)
    middleware = found.get("MIDDLEWARE", [])
    parts = Parts(
        models=found.get("MODELS", []),
        extensions=_extensions([*found.get("EXTENSIONS", []), *filter(_is_extension, middleware)], loaded),
        loggers=found.get("LOGGERS", []),
        controllers=found.get("CONTROLLERS", []),
        cli_controllers=found.get("CLI_CONTROLLERS", []),
        exception_handlers=found.get("EXCEPTION_HANDLERS", []),
    )
    _split_middleware(parts, [cls for cls in middleware if not _is_extension(cls)], loaded)
    parts.request_class = _exchange_class(config, "REQUEST_CLASS", Request, found, loaded)
    parts.response_class = _exchange_class(config, "RESPONSE_CLASS", Response, found, loaded)
    return parts, loaded


def _listed(config: BaseConfig, *, cli_mode: bool) -> list[ImportString]:
    return [
        ImportString(text, key, expected, form)
        for key, (expected, form, in_cli_mode) in _keys().items()
        if in_cli_mode or not cli_mode
        for text in getattr(config, key) or ()
    ]


def _exchange_classes(config: BaseConfig) -> list[ImportString]:
    kinds = (("REQUEST_CLASS", Request), ("RESPONSE_CLASS", Response))
    found = [(key, getattr(config, key), kind) for key, kind in kinds]
    return [ImportString(value, key, kind) for key, value, kind in found if isinstance(value, str)]


def _extensions(values: list[Any], loaded: Loaded) -> list[BaseExtension]:
    extensions: list[BaseExtension] = []
    for value in values:
        extension = value() if isinstance(value, type) else value
        if any(extension is other for other in extensions):
            continue
        taken = [other for other in extensions if other.configs_key == extension.configs_key]
        if taken:
            loaded.mistakes.append(_taken_name(extension))
        else:
            extensions.append(extension)
    return extensions


def _is_extension(cls: type) -> bool:
    """Tell whether a class of `MIDDLEWARE` is an extension: its decorators do what a middleware would do."""
    return issubclass(cls, BaseExtension) and not issubclass(cls, MiddlewareBase)


def _taken_name(extension: BaseExtension) -> Mistake:
    return Mistake(
        "PAT301",
        f"EXTENSIONS: {type(extension).__name__}",
        f"a second extension that reads {extension.configs_key!r}",
        "a configuration of its own for each extension",
        "pass configs_name= or variable_prefix= to one of them",
    )


def _split_middleware(parts: Parts, classes: list[Any], loaded: Loaded) -> None:
    """Tell plain ASGI middleware, which stands outside, from `MiddlewareBase` classes."""
    for cls in classes:
        if issubclass(cls, MiddlewareBase):
            parts.middleware.append(cls)
        elif not any("__call__" in vars(base) for base in cls.__mro__):
            loaded.mistakes.append(_no_middleware(cls))
        elif parts.middleware:
            loaded.mistakes.append(_wrong_order(cls, parts.middleware[-1]))
        else:
            parts.asgi_middleware.append(Middleware(cast(Any, cls)))


def _no_middleware(cls: Any) -> Mistake:
    return Mistake(
        "PAT302",
        f"MIDDLEWARE: {cls!r}",
        "neither a MiddlewareBase class nor an ASGI middleware class",
        "class X(MiddlewareBase) with middleware(self, req), or class X with __init__(app) and "
        "async __call__(scope, receive, send)",
        "derive it from patera.middleware.MiddlewareBase",
    )


def _wrong_order(cls: type, before: type) -> Mistake:
    return Mistake(
        "PAT303",
        f"MIDDLEWARE: {cls.__module__}.{cls.__qualname__}",
        f"ASGI middleware behind {before.__qualname__}, a MiddlewareBase class",
        "all ASGI middleware before all MiddlewareBase classes: it wraps messages, they wrap responses",
        f"move it in front of {before.__qualname__}",
    )


def _exchange_class(config: BaseConfig, key: str, base: type, found: dict[str, list[Any]], loaded: Loaded) -> Any:
    value = getattr(config, key)
    if value is None:
        return base
    if isinstance(value, str):
        value = found.get(key, [base])[0]
    if not (isinstance(value, type) and issubclass(value, base)):
        loaded.mistakes.append(_wrong_exchange_class(key, value, base, f"no subclass of patera.{base.__name__}"))
        return base
    arguments: tuple[Any, ...] = ({}, None, None) if base is Request else ()
    try:
        inspect.signature(value).bind(*arguments)
    except TypeError:
        loaded.mistakes.append(_wrong_exchange_class(key, value, base, "a constructor with another signature"))
        return base
    return value


def _wrong_exchange_class(key: str, value: Any, base: type, found: str) -> Mistake:
    accepted = "__init__(self, scope, receive, send)" if base is Request else "a constructor without required arguments"
    return Mistake(
        "PAT304",
        f"{key}: {value!r}",
        found,
        f"a subclass of patera.{base.__name__} with {accepted}",
        f"derive it from {base.__name__} and keep its constructor; the framework adds the rest",
    )
