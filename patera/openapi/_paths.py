"""The paths of a document: rules in OpenAPI's notation, each shape of path once."""

from __future__ import annotations

import itertools
import re
from urllib.parse import quote

from patera._compiler.converters import PATH_SAFE
from patera._compiler.plan import EndpointPlan
from patera._compiler.rules import VARIABLE

from ._schemas import Schema

REPEATED_SLASHES = re.compile("//+")


class Paths:
    """The path items of a document.

    Two rules whose paths differ in the names of variables only are one path in OpenAPI, and get the
    names of the first; if both have the same method, the later one is shown under a name of its own.
    """

    def __init__(self, prefix: str) -> None:
        self.items: dict[str, Schema] = {}
        self._prefix = prefix.rstrip("/")
        self._by_shape: dict[str, list[tuple[tuple[str, ...], Schema]]] = {}

    def place(self, endpoint: EndpointPlan) -> tuple[Schema, dict[str, str]]:
        """Return the path item for an endpoint, and the document's names of its variables."""
        texts, names = _split_rule(endpoint.rule)
        known = self._by_shape.setdefault(shape_of(endpoint), [])
        for shown, item in known:
            if endpoint.method.lower() not in item:
                return item, dict(zip(names, shown, strict=True))
        shown, path = self._new_path(texts, names)
        item = self.items[path] = {}
        known.append((shown, item))
        return item, dict(zip(names, shown, strict=True))

    def _new_path(self, texts: list[str], names: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
        numbered = ((*names[:-1], f"{names[-1]}_{number}") for number in itertools.count(2))
        candidates = ((shown, self._path(texts, shown)) for shown in itertools.chain([names], numbered))
        return next(candidate for candidate in candidates if candidate[1] not in self.items)

    def _path(self, texts: list[str], names: tuple[str, ...]) -> str:
        rest = (f"{{{name}}}{text}" for name, text in zip(names, texts[1:], strict=True))
        return self._prefix + texts[0] + "".join(rest)


def shape_of(endpoint: EndpointPlan) -> str:
    """Return the rule without the names of variables, which is what makes two paths one in OpenAPI."""
    return "{}".join(_split_rule(endpoint.rule)[0])


def _split_rule(rule: str) -> tuple[list[str], tuple[str, ...]]:
    """Split `/users/<int:id>/posts` into the texts `/users/` and `/posts` and the name `id`."""
    names: list[str] = []
    texts: list[str] = []
    end = 0
    for variable in VARIABLE.finditer(rule):
        names.append(variable["name"])
        texts.append(rule[end : variable.start()])
        end = variable.end()
    texts.append(rule[end:])
    return [quote(REPEATED_SLASHES.sub("/", text), safe=PATH_SAFE) for text in texts], tuple(names)
