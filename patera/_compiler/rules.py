"""Rules in Werkzeug's syntax, compiled to regular expressions: `/users/<int:id>`.

Matching follows Werkzeug's `Map` with `merge_slashes`. Deliberate differences, beside those of the converters:
a rule whose converter refuses the value does not match, also where it is only asked which methods a path has;
without strict slashes `/x` and `/x/` agree about the methods they allow, too, and `/x//` is merged for both;
a rule with several variables that can share a text (`<a>-<b>-<c>`) does not match a path that could keep its
regular expression busy for more than `STEP_LIMIT` steps; `{id}` in a rule is an error, as it was meant to be `<id>`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from starlette.convertors import Convertor

from .converter_factory import make_converter
from .converters import (
    DEFAULT_CONVERTERS,
    AnyConverter,
    Converter,
    FloatConverter,
    IntegerConverter,
    RuleError,
    UUIDConverter,
)

__all__ = [
    "STEP_LIMIT",
    "ParsedRule",
    "PathTest",
    "RuleError",
    "RulePart",
    "Variable",
    "compile_test",
    "compile_values",
    "parse_rule",
]

#: Most steps that a regular expression may take for one path, estimated; about 20 ms.
STEP_LIMIT = 500_000

VARIABLE = re.compile(
    r"""<(?:(?P<converter>[a-zA-Z_][a-zA-Z0-9_]*)(?:\((?P<arguments>(?:[^"'()]|"[^"]*"|'[^']*')*)\))?:)?"""
    r"""(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)>"""
)
#: Converters whose values end where the text behind them begins.
FIXED_CONVERTERS = (AnyConverter, FloatConverter, IntegerConverter, UUIDConverter)
TEXT = re.compile("[^</]+")
BRACES = re.compile(r"\{[a-zA-Z_][a-zA-Z0-9_]*(:[a-zA-Z_][a-zA-Z0-9_]*)?\}")

Weight = tuple[int, tuple[tuple[int, int], ...], int, tuple[int, ...]]
PathTest = Callable[[str], "dict[str, Any] | None"]


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of a rule."""

    name: str
    converter: Converter[Any]


class RulePart(NamedTuple):
    """One step of a rule: a segment, or all from the first converter on that takes slashes.

    `content` is literal text where `weight` is None, else what tells equal regular expressions.
    """

    content: str
    weight: Weight | None


Segment = tuple[str | Variable, ...]


class ParsedRule:
    """One rule, compiled.

    Args:
        text: The rule as written.
        segments: Text and variables of each segment: `/a/b-<x>` is `(("a",), ("b-", Variable("x", ...)))`.
        strict_slashes: Whether a missing or additional slash at the end matters.
    """

    def __init__(self, text: str, segments: Sequence[Segment], *, strict_slashes: bool) -> None:
        self.text = text
        self.segments = tuple(segments)
        self.strict_slashes = strict_slashes
        self.ends_with_slash = text.endswith("/")
        self.converters = {variable.name: variable.converter for variable in _variables(segments)}
        #: Starlette's notation, for whatever reads `route.path`: `/users/{id}`.
        self.path = self.render(str, lambda variable: f"{{{variable.name}}}")
        literal = [_literal(segment) for segment in segments]
        start = literal.index(None) if None in literal else len(literal)
        self._rest = next((i for i, segment in enumerate(segments) if _takes_slashes(segment)), len(segments))
        #: The literal segments before the first variable: `/users` of `/users/<id>/posts`, "" for none.
        self.prefix = "".join(f"/{text}" for text in literal[:start])
        #: Literal segments at a fixed place behind it, as in `path.split("/")`: `((3, "posts"),)`.
        self.anchors = tuple((i, word) for i, word in enumerate(literal[: self._rest], 1) if word and i > start)

    def render(self, text: Callable[[str], str], variable: Callable[[Variable], str]) -> str:
        """Return the rule with its texts and variables replaced by what the two functions give."""
        segments = [
            "".join(text(token) if isinstance(token, str) else variable(token) for token in segment)
            for segment in self.segments
        ]
        return "/" + "/".join(segments) + "/" * bool(segments and self.ends_with_slash)

    @cached_property
    def parts(self) -> tuple[RulePart, ...]:
        """The steps by which rules are ordered, without the slash at the end."""
        parts = [_compile_part([segment]) for segment in self.segments[: self._rest]]
        if self._holds_slashes:
            part = _compile_part(self.segments[self._rest :])
            parts.append(part._replace(content=part.content + "/" * self.ends_with_slash))
        return tuple(parts)

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """What a path must look like, the slash at the end as `strict_slashes` has it."""
        if self.strict_slashes:
            return self._compile("/" if self.ends_with_slash else "")
        return self.open_regex

    @cached_property
    def open_regex(self) -> re.Pattern[str]:
        """The same with the slash at the end left open, unless it would belong to the last value."""
        return self._compile("" if self._holds_slashes and not self.ends_with_slash else "/?")

    @cached_property
    def bare_regex(self) -> re.Pattern[str]:
        """The same for a path without a slash at the end."""
        return self._compile("")

    @property
    def _holds_slashes(self) -> bool:
        return self._rest < len(self.segments)

    def is_costly(self, path: str) -> bool:
        """Return whether the rule has too many ways to divide this path among its variables."""
        steps = len(path)
        for separator in self.separators:
            steps *= path.count(separator) + 1
        return steps > STEP_LIMIT

    @cached_property
    def separators(self) -> tuple[str, ...]:
        """The texts between two variables of one part where the first can hold the text itself: `-` of `<a>-<b>`."""
        segments = self.segments
        rest = [token for segment in segments[self._rest :] for token in ("/", *segment)]
        return tuple(text for part in (*segments[: self._rest], rest) for text in _separators(part))

    def _compile(self, end: str) -> re.Pattern[str]:
        body = "".join("/" + "".join(map(_pattern, segment)) for segment in self.segments)
        # As in Werkzeug, a value with slashes never takes the slash at the end of its rule.
        guard = "(?<!/)" if end and self._holds_slashes else ""
        return re.compile(f"^{body}{guard}{end}\\Z")


def parse_rule(
    text: str,
    converters: Mapping[str, type[Converter[Any]]] = DEFAULT_CONVERTERS,
    *,
    strict_slashes: bool = False,
) -> ParsedRule:
    """Compile a rule in Werkzeug's syntax.

    Example:
        parse_rule("/users/<int:id>").values

    Args:
        text: The whole rule, with the path of the application and of the controller in front.
        converters: The application's converters by name.
        strict_slashes: The application's `STRICT_SLASHES`.

    Raises:
        RuleError: The rule cannot be read, or a converter or its argument is unknown.
    """
    if not text.startswith("/"):
        raise RuleError(f"the rule {text!r}", 'a rule that starts with "/"', f'write "/{text}"')
    segments: list[Segment] = []
    tokens: list[str | Variable] = []
    position = 0
    while position < len(text):
        if text[position] == "/":
            segments += [tuple(tokens)] if tokens else []
            tokens = []
            position += 1
            continue
        token, position = _read_token(text, position, converters)
        tokens.append(token)
    segments += [tuple(tokens)] if tokens else []
    _refuse_repeated_names(text, segments)
    return ParsedRule(text, segments, strict_slashes=strict_slashes)


def _read_token(text: str, position: int, converters: Mapping[str, type[Converter[Any]]]) -> tuple[str | Variable, int]:
    """Read one piece of text or one variable; return it and where the next one begins."""
    if text[position] != "<":
        match = TEXT.match(text, position)
        assert match is not None
        _refuse_braces(text, match[0])
        return match[0], match.end()
    match = VARIABLE.match(text, position)
    if match is None:
        raise RuleError(
            f"the rule {text!r} cannot be read at {text[position:]!r}",
            "<name>, <converter:name> or <converter(argument, key=value):name>, each name a Python identifier",
            "correct the variable; a literal '<' cannot stand in a rule",
        )
    converter = make_converter(match[0], match["converter"] or "default", match["arguments"] or "", converters)
    return Variable(match["name"], converter), match.end()


def _refuse_braces(rule: str, text: str) -> None:
    braces = BRACES.search(text)
    if braces:
        name, _, converter = braces[0][1:-1].partition(":")
        change = f"<{converter.replace('str', 'string')}:{name}>" if converter else f"<{name}>"
        raise RuleError(f"the rule {rule!r} has {braces[0]!r}", "variables in angle brackets", f"write {change}")


def _refuse_repeated_names(rule: str, segments: Iterable[Segment]) -> None:
    seen: set[str] = set()
    for variable in _variables(segments):
        if variable.name in seen:
            raise RuleError(
                f"the rule {rule!r} has the variable {variable.name!r} twice",
                "one variable of each name",
                "rename one of them; the path of the application and of the controller belong to the rule",
            )
        seen.add(variable.name)


def _variables(segments: Iterable[Segment]) -> Iterable[Variable]:
    return (token for segment in segments for token in segment if isinstance(token, Variable))


def _literal(segment: Segment) -> str | None:
    return segment[0] if isinstance(segment[0], str) and len(segment) == 1 else None


def _takes_slashes(segment: Segment) -> bool:
    return any(not variable.converter.part_isolating for variable in _variables([segment]))


def _pattern(token: str | Variable) -> str:
    return re.escape(token) if isinstance(token, str) else f"(?P<{token.name}>{token.converter.regex})"


def _separators(tokens: Sequence[str | Variable]) -> Iterator[str]:
    text, before = "", None
    for token in tokens:
        if isinstance(token, str):
            text += token
            continue
        if before is not None and not isinstance(before.converter, FIXED_CONVERTERS):
            yield text
        text, before = "", token


def _compile_part(segments: Sequence[Segment]) -> RulePart:
    literal = _literal(segments[0])
    if literal is not None and len(segments) == 1:
        return RulePart(literal, None)
    texts = [token for segment in segments for token in segment if isinstance(token, str)]
    weights = tuple(variable.converter.weight for variable in _variables(segments))
    content = "/".join(
        "".join(re.escape(token) if isinstance(token, str) else f"({token.converter.regex})" for token in segment)
        for segment in segments
    )
    lengths = tuple((place, -len(text)) for place, text in enumerate(texts))
    return RulePart(content, (-len(texts), lengths, -len(weights), weights))


def compile_test(rule: ParsedRule, regex: re.Pattern[str]) -> PathTest:
    """Return the function that gives the values of a path, or None where it does not match or one is refused.

    Args:
        rule: The rule.
        regex: Which of its regular expressions to use.
    """
    test = compile_values(regex, rule.converters)
    if not rule.separators:
        return test
    return lambda path: None if rule.is_costly(path) else test(path)


def compile_values(regex: re.Pattern[str], converters: Mapping[str, Convertor[Any]]) -> PathTest:
    """Return the function that gives the values of a path, or None where it does not match or one is refused."""
    match = regex.match
    fields = [(name, regex.groupindex[name], converter.convert) for name, converter in converters.items()]
    if len(fields) == 1:
        [(name, group, convert)] = fields

        def test_single(path: str) -> dict[str, Any] | None:
            found = match(path)
            if found is None:
                return None
            try:
                return {name: convert(found[group])}
            except ValueError:
                return None

        return test_single

    def test(path: str) -> dict[str, Any] | None:
        found = match(path)
        if found is None:
            return None
        try:
            return {name: convert(found[group]) for name, group, convert in fields}
        except ValueError:
            return None

    return test
