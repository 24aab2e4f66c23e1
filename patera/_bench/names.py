"""Names of the module that `patera bench` writes: imports, types as source, and words that are still free."""

from __future__ import annotations

import builtins
import itertools
import keyword
import re
import sys
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from .routes import LeftOut

_WORD_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Names:
    """The names that a module has already, and the imports that it needs.

    Args:
        taken: The names that stand in it anyway.
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = {*taken, *keyword.kwlist, *vars(builtins)}
        self._imported: dict[tuple[str, str], str] = {}

    def free(self, wanted: str) -> str:
        """Take a new name: the one that is wanted, with a number where that is taken."""
        name = next(name for name in _numbered(wanted) if name not in self._taken)
        self._taken.add(name)
        return name

    def import_lines(self) -> list[str]:
        """Return the import statements, one for each module."""
        lines: dict[str, list[str]] = {}
        for (module, name), alias in sorted(self._imported.items()):
            lines.setdefault(module, []).append(name if name == alias else f"{name} as {alias}")
        return [f"from {module} import {', '.join(names)}" for module, names in lines.items()]

    def of(self, value: Any) -> str:
        """Return the expression for a class that some module has, and import it.

        Raises:
            LeftOut: No import leads to it.
        """
        name = str(getattr(value, "__name__", ""))
        if vars(builtins).get(name) is value:
            return name
        module, path = str(getattr(value, "__module__", "")), str(getattr(value, "__qualname__", ""))
        if module == "__main__" or _looked_up(module, path) is not value:
            raise LeftOut(f"{module}.{path or value} cannot be imported from its module")
        first, _, rest = path.partition(".")
        return ".".join(filter(None, (self._import(module, first), rest)))

    def type(self, annotation: Any) -> str:
        """Return a type as source: `list[Note] | None`; constraints in `Annotated` are left away.

        Raises:
            LeftOut: It is none that source can name.
        """
        if annotation in (None, type(None)):
            return "None"
        if annotation is Any:
            return self._import("typing", "Any")
        origin, args = _parts(annotation)
        if origin is Annotated:
            return self.type(args[0])
        if origin in (Union, types.UnionType):
            return " | ".join(map(self.type, args))
        if origin is Literal and all(type(each) in (str, int, bool) for each in args):
            return f"{self._import('typing', 'Literal')}[{', '.join(map(repr, args))}]"
        if origin is not None:
            inner = ", ".join("..." if each is ... else self.type(each) for each in args)
            return f"{self.of(origin)}[{inner}]"
        return self.of(annotation)

    def _import(self, module: str, name: str) -> str:
        if (module, name) not in self._imported:
            self._imported[module, name] = self.free(name)
        return self._imported[module, name]


def snake(name: str) -> str:
    """Return the name of a class or method as that of a variable: `UsersApi.show` becomes `users_api_show`."""
    return _WORD_BORDER.sub("_", name).replace(".", "_").lower()


def _numbered(name: str) -> Iterator[str]:
    return itertools.chain((name,), (f"{name}_{number}" for number in itertools.count(2)))


def _parts(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return origin and arguments of a type, of Pydantic's generic models too."""
    model = getattr(annotation, "__pydantic_generic_metadata__", None) or {}
    if model.get("origin") is not None:
        return model["origin"], model["args"]
    return (Annotated if typing.get_origin(annotation) is Annotated else get_origin(annotation)), get_args(annotation)


def _looked_up(module: str, path: str) -> Any:
    found: Any = sys.modules.get(module)
    for name in path.split("."):
        found = getattr(found, name, None)
    return found
