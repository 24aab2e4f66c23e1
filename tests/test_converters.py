import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from patera._compiler.converters import DEFAULT_CONVERTERS, Converter, IntegerConverter, RuleError
from patera._compiler.dispatch import NOT_FOUND
from patera._compiler.rules import parse_rule
from tests.rule_routes import make_index, matched, values_of

KEY = uuid.UUID("12345678-1234-1234-1234-123456789abc")


@pytest.mark.parametrize(
    ("rule", "path", "values"),
    [
        ("/<name>", "/anna", {"name": "anna"}),
        ("/<string:name>", "/anna", {"name": "anna"}),
        ("/<default:name>", "/anna", {"name": "anna"}),
        ("/<string(length=2):code>", "/de", {"code": "de"}),
        ("/<string(minlength=2, maxlength=3):code>", "/deu", {"code": "deu"}),
        ("/<string(2):code>", "/deutsch", {"code": "deutsch"}),
        ("/<int:id>", "/007", {"id": 7}),
        ("/<int(min=1, max=9):n>", "/9", {"n": 9}),
        ("/<int(fixed_digits=2):n>", "/05", {"n": 5}),
        ("/<int(signed=True):n>", "/-5", {"n": -5}),
        ("/<int(signed=True, min=-5):n>", "/-5", {"n": -5}),
        ("/<int(2, 1, 9):n>", "/05", {"n": 5}),
        ("/<float:x>", "/1.50", {"x": 1.5}),
        ("/<float(min=0.5, max=1):x>", "/1.0", {"x": 1.0}),
        ("/<float(signed=True):x>", "/-1.5", {"x": -1.5}),
        ("/<uuid:key>", f"/{KEY}".upper(), {"key": KEY}),
        ("/<any(about, help):page>", "/help", {"page": "help"}),
        ("/<any(\"c d\", 'e,f)'):page>", "/e,f)", {"page": "e,f)"}),
        ("/<path:file>", "/a/b.txt", {"file": "a/b.txt"}),
        ("/<int:a>-<b>.<any(x, y):c>", "/1-2-3.y", {"a": 1, "b": "2-3", "c": "y"}),
        ("/<path:a>/edit/<int:b>", "/x/edit/edit/3", {"a": "x/edit", "b": 3}),
    ],
)
def test_rule_with_converter_gives_value(rule: str, path: str, values: dict[str, Any]) -> None:
    assert values_of(rule, path) == values


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("/<name>", "/a/b"),
        ("/<string(length=2):code>", "/deu"),
        ("/<string(minlength=2):code>", "/d"),
        ("/<string(maxlength=2):code>", "/deu"),
        ("/<int:id>", "/-1"),
        ("/<int:id>", "/+1"),
        ("/<int:id>", "/1.0"),
        ("/<int:id>", "/1_0"),
        ("/<int:id>", "/ 1"),
        ("/<int:id>", "/1\n"),
        ("/<int:id>", "/٣"),
        ("/<int:id>", "/³"),
        ("/<int(min=2):n>", "/1"),
        ("/<int(max=9):n>", "/10"),
        ("/<int(fixed_digits=2):n>", "/5"),
        ("/<float:x>", "/1"),
        ("/<float:x>", "/1."),
        ("/<float:x>", "/1.٣"),
        ("/<float:x>", "/nan"),
        ("/<float:x>", "/1e3"),
        ("/<float(min=2):x>", "/1.9"),
        ("/<uuid:key>", f"/{KEY.hex}"),
        ("/<any(a, b):x>", "/ab"),
        ("/<path:file>", "/"),
        ("/<path:file>", "/a\nb"),
        ("/x", "/X"),
        ("/x", "/x\n"),
        ("/a.b", "/axb"),
    ],
)
def test_rule_with_value_that_does_not_fit_does_not_match(rule: str, path: str) -> None:
    assert values_of(rule, path) is None


@pytest.mark.parametrize("converter", ["int", "int(min=1)", "int(signed=True)"])
def test_int_with_more_digits_than_python_reads_does_not_match(converter: str) -> None:
    assert values_of(f"/<{converter}:id>", "/" + "9" * 5000) is None


def test_float_that_would_be_infinite_does_not_match() -> None:
    assert values_of("/<float:x>", f"/{'9' * 400}.0") is None


def test_value_that_converter_refuses_lets_next_rule_match() -> None:
    assert matched(make_index("/<int(max=5):n>", "/<name>"), "/6") == "/<name>"


@pytest.mark.parametrize("path", ["/p/\ufffd", "/p/\x00", "/p/."])
def test_odd_character_in_segment_is_data(path: str) -> None:
    assert values_of("/p/<name>", path) == {"name": path[3:]}


@pytest.mark.parametrize("path", ["/./p", "/x/../p"])
def test_dot_segments_are_not_resolved(path: str) -> None:
    assert matched(make_index("/p"), path) is NOT_FOUND


@pytest.mark.parametrize(
    ("rule", "schema"),
    [
        ("/<x>", {"type": "string"}),
        ("/<string(length=2):x>", {"type": "string", "minLength": 2, "maxLength": 2}),
        ("/<string(maxlength=9):x>", {"type": "string", "maxLength": 9}),
        ("/<path:x>", {"type": "string"}),
        ("/<int:x>", {"type": "integer", "minimum": 0}),
        ("/<int(signed=True):x>", {"type": "integer"}),
        ("/<int(min=1, max=9):x>", {"type": "integer", "minimum": 1, "maximum": 9}),
        ("/<float(max=1.5):x>", {"type": "number", "minimum": 0, "maximum": 1.5}),
        ("/<uuid:x>", {"type": "string", "format": "uuid"}),
        ("/<any(a, b):x>", {"type": "string", "enum": ["a", "b"]}),
    ],
)
def test_converter_has_json_schema(rule: str, schema: dict[str, Any]) -> None:
    assert parse_rule(rule).converters["x"].json_schema() == schema


@pytest.mark.parametrize(("name", "kind"), [("int", int), ("float", float), ("uuid", uuid.UUID), ("path", str)])
def test_converter_has_python_type(name: str, kind: type) -> None:
    assert DEFAULT_CONVERTERS[name].python_type is kind


class HexConverter(Converter[int]):
    regex = "[0-9a-f]+"
    python_type = int

    def __init__(self, digits: int = 0) -> None:
        if digits:
            self.use_regex(f"[0-9a-f]{{{digits}}}")

    def convert(self, value: str) -> int:
        return int(value, 16)

    def to_string(self, value: int) -> str:
        return f"{value:x}"


class EvenConverter(IntegerConverter):
    def convert(self, value: str) -> int:
        number = super().convert(value)
        if number % 2:
            raise ValueError("odd")
        return number


class PairConverter(Converter[str]):
    regex = "[a-z]+/[a-z]+"


class CodeConverter(Converter[str]):
    regex = "[^/]{3}"


OWN = {
    **DEFAULT_CONVERTERS,
    "hex": HexConverter,
    "even": EvenConverter,
    "pair": PairConverter,
    "code": CodeConverter,
}


def test_own_converter_with_argument_gives_value() -> None:
    assert values_of("/<hex(digits=2):n>", "/ff", converters=OWN) == {"n": 255}


def test_own_converter_derived_from_int_is_asked() -> None:
    assert values_of("/<even:n>", "/3", converters=OWN) is None


def test_own_converter_with_slash_in_regex_takes_several_segments() -> None:
    assert values_of("/<pair:p>/x", "/a/b/x", converters=OWN) == {"p": "a/b"}


def test_own_converter_that_excludes_slash_takes_one_segment() -> None:
    assert values_of("/<code:c>", "/abc/", converters=OWN) == {"c": "abc"}


def test_own_converter_of_one_application_is_unknown_to_another() -> None:
    with pytest.raises(RuleError, match="unknown converter 'hex'"):
        parse_rule("/<hex:n>")


def error_of(rule: str, converters: Mapping[str, type[Converter[Any]]] = DEFAULT_CONVERTERS) -> RuleError:
    with pytest.raises(RuleError) as caught:
        parse_rule(rule, converters)
    return caught.value


def test_rule_without_leading_slash_is_refused() -> None:
    assert error_of("users").change == 'write "/users"'


def test_rule_with_unknown_converter_names_closest() -> None:
    error = error_of("/<itn:id>")
    assert error.found == "unknown converter 'itn' in <itn:id>"
    assert "Did you mean 'int'?" in error.change


def test_rule_with_converter_behind_name_shows_right_order() -> None:
    assert "The converter stands first: <int:id>." in error_of("/<id:int>").change


def test_rule_with_starlette_notation_shows_right_one() -> None:
    assert error_of("/users/{id:int}").change == "write <int:id>"


@pytest.mark.parametrize("rule", ["/<id", "/<>", "/< id>", "/<int(:id>", "/<int:>", "/<int:2>", "/a<b", "/<int(1)id>"])
def test_rule_with_malformed_variable_is_refused(rule: str) -> None:
    assert error_of(rule).found.startswith(f"the rule {rule!r} cannot be read at '<")


def test_rule_with_repeated_variable_is_refused() -> None:
    assert error_of("/<id>/x/<int:id>").found == "the rule '/<id>/x/<int:id>' has the variable 'id' twice"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("/<int(foo=1):x>", "unexpected keyword argument 'foo'"),
        ("/<uuid(1):x>", "takes no arguments"),
        ("/<int(min=a):x>", "'a' is no number"),
        ("/<int(min=5, max=1):x>", "max is less than min"),
        ("/<int(fixed_digits=None):x>", "int() argument"),
        ("/<string(length=0):x>", "a segment has at least 1 character"),
        ("/<string(minlength=3, maxlength=2):x>", "maxlength is less than minlength"),
        ("/<string(length=x):x>", "invalid literal"),
        ("/<any():x>", "at least one word"),
        ('/<any("a/b"):x>', "'a/b' is no word of one segment"),
        ("/<any(1, 2):x>", "1 is no word of one segment"),
    ],
)
def test_rule_with_bad_argument_names_it(rule: str, message: str) -> None:
    assert message in error_of(rule).found


def test_rule_with_bad_argument_shows_accepted_ones() -> None:
    assert error_of("/<string(size=2):x>").accepted == "string(minlength=1, maxlength=None, length=None)"


def test_rule_with_unreadable_argument_is_refused() -> None:
    assert error_of("/<any(a-b):x>").found == "cannot read the argument 'a-b' in <any(a-b):x>"


@pytest.mark.parametrize(
    ("regex", "problem"),
    [
        ("(", "does not compile"),
        ("(?P<year>[0-9]+)", "has named groups"),
        ("[a-z]*", "takes the empty string"),
        (r"\S+", "takes '/'"),
    ],
)
def test_own_converter_with_unusable_regex_is_refused(regex: str, problem: str) -> None:
    kind = type("OddConverter", (Converter,), {"regex": regex, "part_isolating": True})
    assert problem in error_of("/<odd:x>", {"odd": kind}).found
