"""From a variable in a rule, `<int(min=1):id>`, to the converter that it names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from inspect import signature
from typing import Any

from patera.exceptions import closest

from .converters import Converter, RuleError

__all__ = ["make_converter"]

NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
ARGUMENT = re.compile(
    r"""\s*(?:(?P<name>[a-zA-Z_]\w*)\s*=\s*)?(?P<value>"[^"]*"|'[^']*'|-?[\w.]+)\s*(?:,|\Z)""",
)
CONSTANTS: dict[str, Any] = {"None": None, "True": True, "False": False}


def make_converter(
    source: str, name: str, arguments: str, registry: Mapping[str, type[Converter[Any]]]
) -> Converter[Any]:
    """Return the converter of one variable.

    Args:
        source: The variable as the rule has it (`<int:id>`), for messages.
        name: Name of the converter.
        arguments: What stands between the parentheses.
        registry: The application's converters by name.

    Raises:
        RuleError: Unknown name, bad arguments, or a regular expression that cannot stand in a rule.
    """
    kind = registry.get(name)
    if kind is None:
        raise _unknown_converter(source, name, registry)
    args, kwargs = _read_arguments(source, arguments)
    try:
        converter = kind(*args, **kwargs)
    except (TypeError, ValueError) as exc:
        accepted = ", ".join(str(each.replace(annotation=each.empty)) for each in signature(kind).parameters.values())
        raise RuleError(
            f"bad argument of {name!r} in {source}: {exc}", f"{name}({accepted})", "correct the arguments"
        ) from exc
    problem = _regex_problem(converter.regex, converter.part_isolating)
    if problem:
        raise RuleError(
            f"the regex {converter.regex!r} of converter {name!r} in {source} {problem}",
            "a regex without named groups that takes one segment, or more with part_isolating = False",
            f"correct the regex of {kind.__qualname__}",
        )
    return converter


def _unknown_converter(source: str, name: str, registry: Mapping[str, type[Converter[Any]]]) -> RuleError:
    variable = source[1:-1].rpartition(":")[2]
    hint = f" The converter stands first: <{variable}:{name}>." if variable in registry else closest(name, registry)
    return RuleError(
        f"unknown converter {name!r} in {source}",
        ", ".join(sorted(registry)),
        f"use one of these, or register a converter under that name.{hint}",
    )


def _read_arguments(source: str, text: str) -> tuple[list[Any], dict[str, Any]]:
    """Read `2, max=9` as `([2], {"max": 9})`."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    position = 0
    while text[position:].strip():
        match = ARGUMENT.match(text, position)
        if match is None:
            raise RuleError(
                f"cannot read the argument {text[position:].strip()!r} in {source}",
                'numbers, True, False, None, words, "quoted text", each also as name=value',
                "correct the argument, or put it in quotes",
            )
        value = _read_value(match["value"])
        if match["name"]:
            kwargs[match["name"]] = value
        else:
            args.append(value)
        position = match.end()
    return args, kwargs


def _read_value(text: str) -> Any:
    if text[0] in "\"'":
        return text[1:-1]
    number = NUMBER.fullmatch(text)
    if number:
        return float(text) if number[1] else int(text)
    return CONSTANTS.get(text, text)


@lru_cache(maxsize=256)
def _regex_problem(regex: str, isolating: bool) -> str:
    """Say why a converter's regex cannot stand in a rule; an empty string when it can."""
    try:
        pattern = re.compile(regex)
    except (re.error, OverflowError) as exc:
        return f"does not compile: {exc}"
    if pattern.groupindex:
        return "has named groups"
    if pattern.fullmatch(""):
        return "takes the empty string"
    if isolating and any(pattern.fullmatch(probe) for probe in ("/", "a/a", "0/0")):
        return "takes '/'"
    return ""
