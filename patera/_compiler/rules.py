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
from functools import lru_cache
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
Convert = Callable[[str], Any]


@dataclass(slots=True, eq=False)
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

    __slots__ = (
        "_rest", "_start", "anchors", "converters", "ends_with_slash", "path", "prefix", "segments", "separators",
        "strict_slashes", "text",
    )  # fmt: skip

    def __init__(self, text: str, segments: Sequence[Segment], *, strict_slashes: bool) -> None:
        self.text = text
        self.segments = tuple(segments)
        self.strict_slashes = strict_slashes
        self.ends_with_slash = text.endswith("/")
        self.converters = {variable.name: variable.converter for variable in _variables(segments)}
        #: Starlette's notation, for whatever reads `route.path`: `/users/{id}`.
        self.path = self.render(str, lambda variable: f"{{{variable.name}}}")
        literal = [_literal(segment) for segment in segments]
        self._start = literal.index(None) if self.converters else len(literal)
        self._rest = self._find_rest() if self.converters else len(literal)
        #: The literal segments before the first variable: `/users` of `/users/<id>/posts`, "" for none.
        self.prefix = "".join([f"/{word}" for word in literal[: self._start]])
        #: Literal segments at a fixed place behind it, as in `path.split("/")`: `((3, "posts"),)`.
        self.anchors = tuple((i, word) for i, word in enumerate(literal[: self._rest], 1) if word and i > self._start)
        #: The texts between two variables of one part where the first can hold the text itself: `-` of `<a>-<b>`.
        self.separators = self._find_separators() if len(self.converters) > 1 else ()

    def render(self, text: Callable[[str], str], variable: Callable[[Variable], str]) -> str:
        """Return the rule with its texts and variables replaced by what the two functions give."""
        segments = [
            "".join([text(token) if isinstance(token, str) else variable(token) for token in segment])
            for segment in self.segments
        ]
        return "/" + "/".join(segments) + "/" * bool(segments and self.ends_with_slash)

    @property
    def parts(self) -> tuple[RulePart, ...]:
        """The steps by which rules are ordered, without the slash at the end."""
        parts = [_compile_part((segment,)) for segment in self.segments[: self._rest]]
        if self._holds_slashes:
            part = _compile_part(self.segments[self._rest :])
            parts.append(part._replace(content=part.content + "/" * self.ends_with_slash))
        return tuple(parts)

    @property
    def end(self) -> str:
        """The regular expression of what stands behind the last segment, as `strict_slashes` has it."""
        if self.strict_slashes:
            return "/" if self.ends_with_slash else ""
        return self.open_end

    @property
    def open_end(self) -> str:
        """The same with the slash at the end left open, unless it would belong to the last value."""
        return "" if self._holds_slashes and not self.ends_with_slash else "/?"

    @property
    def regex(self) -> re.Pattern[str]:
        """What a path must look like."""
        return re.compile(f"^{self._pattern(self.segments, self.end)}")

    def regex_behind_prefix(self, end: str) -> re.Pattern[str]:
        """Return what a path must look like behind `prefix`; rules with equal ends share it, as `re` remembers it.

        Args:
            end: `end`, `open_end`, or "" for a path without a slash at the end.
        """
        return re.compile(self._pattern(self.segments[self._start :], end))

    @property
    def _holds_slashes(self) -> bool:
        return self._rest < len(self.segments)

    def is_costly(self, path: str) -> bool:
        """Return whether the rule has too many ways to divide this path among its variables."""
        steps = len(path)
        for separator in self.separators:
            steps *= path.count(separator) + 1
        return steps > STEP_LIMIT

    def _find_rest(self) -> int:
        """Return from which segment on values hold slashes."""
        for i, segment in enumerate(self.segments):
            if _takes_slashes(segment):
                return i
        return len(self.segments)

    def _find_separators(self) -> tuple[str, ...]:
        segments = self.segments
        rest = [token for segment in segments[self._rest :] for token in ("/", *segment)]
        return tuple(text for part in (*segments[: self._rest], rest) for text in _separators(part))

    def _pattern(self, segments: Iterable[Segment], end: str) -> str:
        body = "".join("/" + "".join(map(_pattern, segment)) for segment in segments)
        # As in Werkzeug, a value with slashes never takes the slash at the end of its rule.
        guard = "(?<!/)" if end and self._holds_slashes else ""
        return f"{body}{guard}{end}\\Z"


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
    if text.count("<") > 1:
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
    braces = BRACES.search(text) if "{" in text else None
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


def _variables(segments: Iterable[Segment]) -> list[Variable]:
    return [token for segment in segments for token in segment if isinstance(token, Variable)]


def _literal(segment: Segment) -> str | None:
    return segment[0] if isinstance(segment[0], str) and len(segment) == 1 else None


def _takes_slashes(segment: Segment) -> bool:
    return any(isinstance(token, Variable) and not token.converter.part_isolating for token in segment)


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
    if len(segments) == 1 and len(segments[0]) == 1:
        [token] = segments[0]
        if isinstance(token, str):
            return RulePart(token, None)
        return _lone_variable(token.converter.regex, token.converter.weight)
    texts = [token for segment in segments for token in segment if isinstance(token, str)]
    weights = tuple(variable.converter.weight for variable in _variables(segments))
    content = "/".join(
        "".join(re.escape(token) if isinstance(token, str) else f"({token.converter.regex})" for token in segment)
        for segment in segments
    )
    lengths = tuple((place, -len(text)) for place, text in enumerate(texts))
    return RulePart(content, (-len(texts), lengths, -len(weights), weights))


@lru_cache(maxsize=256)
def _lone_variable(regex: str, weight: int) -> RulePart:
    """Return the step of a segment that is one variable, which most rules with variables have."""
    return RulePart(f"({regex})", (0, (), -1, (weight,)))


def compile_test(rule: ParsedRule, end: str) -> PathTest:
    """Return the function that gives the values of a path, or None where it does not match or one is refused.

    The path is known to begin with the rule's `prefix`.

    Args:
        rule: The rule.
        end: What its regular expression ends with, as in `ParsedRule.regex_behind_prefix`.
    """
    test = compile_values(rule.regex_behind_prefix(end), rule.converters, len(rule.prefix))
    if not rule.separators:
        return test
    return lambda path: None if rule.is_costly(path) else test(path)


def compile_values(regex: re.Pattern[str], converters: Mapping[str, Convertor[Any]], start: int = 0) -> PathTest:
    """Return the function that gives the values of a path, or None where it does not match or one is refused.

    Args:
        regex: What the path must look like.
        converters: The converters of its groups.
        start: Where in the path to begin.
    """
    fields = tuple((name, regex.groupindex[name], converter.convert) for name, converter in converters.items())
    return _test_single(regex, start, *fields[0]) if len(fields) == 1 else _test_several(regex, start, fields)


# Rules such as `/users/<int:id>` and `/posts/<int:id>` differ in nothing but their prefix: equal tests are one.
@lru_cache(maxsize=256)
def _test_single(regex: re.Pattern[str], start: int, name: str, group: int, convert: Convert) -> PathTest:
    match = regex.match

    def test(path: str) -> dict[str, Any] | None:
        found = match(path, start)
        if found is None:
            return None
        try:
            return {name: convert(found[group])}
        except ValueError:
            return None

    return test


def _test_several(regex: re.Pattern[str], start: int, fields: Sequence[tuple[str, int, Convert]]) -> PathTest:
    match = regex.match

    def test(path: str) -> dict[str, Any] | None:
        found = match(path, start)
        if found is None:
            return None
        try:
            return {name: convert(found[group]) for name, group, convert in fields}
        except ValueError:
            return None

    return test
