"""Compares the signatures that the reference document lists with those of the framework."""

import inspect
import re
from typing import Any

from patera import HttpStatus, MediaType
from tests.reference_document import Snippet
from tests.reference_project import run_snippet

#: A line that ends with a colon begins a function that is written out.
SIGNATURE = re.compile(r'^(?:@|req\.res\.|auth\.|(?:async )?def )?(\w+)\((?!")([^)]*)\)(?!.*:$)', re.MULTILINE)


def signatures(found: Snippet) -> dict[str, inspect.Signature]:
    """Return the signatures that a snippet lists, by name."""
    listed = {name: f"def {name}({parameters}): ..." for name, parameters in SIGNATURE.findall(found.text)}
    text = "\n".join(["from __future__ import annotations", *listed.values()])
    defined = run_snippet(text, HttpStatus=HttpStatus, MediaType=MediaType)
    return {name: inspect.signature(defined[name]) for name in listed}


def assert_accepts(function: Any, documented: inspect.Signature) -> None:
    """See to it that each documented parameter is in its place, and that further ones may be left out."""
    own = list(inspect.signature(function).parameters.values())
    for place, parameter in enumerate(documented.parameters.values()):
        assert own[place].kind is parameter.kind
        if not is_variadic(parameter):
            assert own[place].name == parameter.name
        if parameter.default is not parameter.empty:
            assert own[place].default == parameter.default
    for parameter in own[len(documented.parameters) :]:
        assert is_variadic(parameter) or parameter.default is not parameter.empty


def is_variadic(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
