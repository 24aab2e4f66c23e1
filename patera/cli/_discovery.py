"""Finds the application class that a program of the `patera` command works on."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click

from patera._imports import load_attribute
from patera.application import Patera

PACKAGE = "app"
MODULES = ("app", "main", "server", "run", "application")

#: Where an application is looked for, in this order.
CANDIDATES = (PACKAGE, *(f"{PACKAGE}.{name}" for name in MODULES), *MODULES[1:])


def find_application_class(import_string: str | None = None) -> type[Patera]:
    """Return the application class of the project in the working directory.

    Args:
        import_string: `"module:Class"`; None looks into `CANDIDATES` and takes the first module
            that has an application class.

    Raises:
        click.UsageError: There is none, or one module has several.
        ConfigurationError: The import string is wrong.
    """
    directory = str(Path.cwd())
    if directory not in sys.path:
        sys.path.insert(0, directory)
    if import_string is not None:
        found: type[Patera] = load_attribute(import_string, kind="--app", expected=Patera)
        return found
    for module in _modules():
        classes = _application_classes(module)
        if classes:
            return _only(classes, module)
    raise click.UsageError(
        f"No application found: no subclass of Patera in {', '.join(CANDIDATES)}. Name it with --app module:Class."
    )


def _modules() -> Iterator[ModuleType]:
    for name in CANDIDATES:
        if _exists(name):
            yield importlib.import_module(name)


def _exists(name: str) -> bool:
    """Whether the working directory has the module; an installed one of that name is none of it."""
    path = Path.cwd().joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def _application_classes(module: ModuleType) -> list[type[Patera]]:
    """The application classes that a module names, without the bases of others."""
    found = {
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Patera) and value is not Patera
    }
    return [cls for cls in found if not any(cls in other.__bases__ for other in found)]


def _only(classes: list[type[Patera]], module: ModuleType) -> type[Patera]:
    if len(classes) == 1:
        return classes[0]
    names = ", ".join(sorted(f"{module.__name__}:{cls.__name__}" for cls in classes))
    raise click.UsageError(f"Several applications found: {names}. Name one with --app.")
