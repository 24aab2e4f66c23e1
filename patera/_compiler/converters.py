"""Converters of path variables: what `<int:id>` takes, hands to the handler and writes into a URL.

The set, its arguments and its weights are Werkzeug's. Differences: digits are ASCII; a value that a
converter refuses lets the next rule try; a float that is too large for a float is refused; `min` and `max`
may be negative; values that are written into a URL are always percent-encoded, a slash in a `string` too.
"""

from __future__ import annotations

import math
import re
import uuid
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import quote

from starlette.convertors import Convertor

__all__ = [
    "DEFAULT_CONVERTERS",
    "PATH_SAFE",
    "AnyConverter",
    "Converter",
    "FloatConverter",
    "IntegerConverter",
    "PathConverter",
    "RuleError",
    "StringConverter",
    "UUIDConverter",
]

T = TypeVar("T")

#: Characters that stand for themselves in a URL path (WHATWG URL, path percent-encode set).
PATH_SAFE = "!$&'()*+,/:;=@"
SEGMENT_SAFE = PATH_SAFE.replace("/", "")

NEGATED_CLASS = re.compile(r"\[\^[^\]]*\]")


class RuleError(Exception):
    """A rule that cannot be compiled; the build turns it into a `Mistake` with the endpoint's place.

    Args:
        found: What is wrong.
        accepted: What would be right.
        change: The change to make.
    """

    def __init__(self, found: str, accepted: str, change: str) -> None:
        super().__init__(f"{found}; accepted: {accepted}; {change}")
        self.found = found
        self.accepted = accepted
        self.change = change


class Converter(Convertor[T]):
    """Base of converters, also of an application's own; one instance belongs to one variable of one rule.

    `regex` says what a value looks like in the path, `convert` makes the handler's value of it and raises
    `ValueError` for one that it refuses (the rule then does not match), `to_string` writes a value into a URL.
    A lower `weight` is tried first: 50 for numbers, 100 for one segment, 200 for several. A converter whose
    values may hold slashes sets `part_isolating = False`. Arguments in the rule, as in `<hex(4):color>`, are
    those of the constructor; a wrong one is reported from the `ValueError` or `TypeError` raised there.

    Example:
        class HexConverter(Converter[int]):
            regex = "[0-9a-f]+"
            python_type = int

            def convert(self, value: str) -> int:
                return int(value, 16)

            def to_string(self, value: int) -> str:
                return f"{value:x}"
    """

    regex = "[^/]+"
    weight: int = 100
    part_isolating: bool = True
    python_type: type[Any] = str

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "regex" in vars(cls) and "part_isolating" not in vars(cls):
            cls.part_isolating = "/" not in NEGATED_CLASS.sub("", cls.regex)

    def use_regex(self, regex: str) -> None:
        """Give this instance a regex of its own, made from the constructor's arguments."""
        self.regex = regex  # type: ignore[misc]  # Starlette declares it for the class only

    def convert(self, value: str) -> T:
        """Return the handler's value; `ValueError` means that the rule does not match."""
        return value  # type: ignore[return-value]  # the base is a converter of str

    def to_string(self, value: T) -> str:
        """Return the value as it stands in a URL, percent-encoded."""
        return quote(str(value), safe=SEGMENT_SAFE if self.part_isolating else PATH_SAFE)

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of the value, for OpenAPI."""
        return {"type": "string"}


class StringConverter(Converter[str]):
    """One segment: `<name>`, `<string(length=2):code>`.

    A slash in a value is written as `%2F`. Servers decode the path before they hand it over, so that URL
    does not come back as one segment: use `path` for values with slashes.

    Args:
        minlength: Least number of characters, at least 1.
        maxlength: Greatest number of characters, None for no limit.
        length: Exact number of characters, instead of the other two.
    """

    def __init__(self, minlength: int = 1, maxlength: int | None = None, length: int | None = None) -> None:
        self.minlength = int(minlength if length is None else length)
        longest = maxlength if length is None else length
        self.maxlength = None if longest is None else int(longest)
        if self.minlength < 1:
            raise ValueError("a segment has at least 1 character")
        if self.maxlength is not None and self.maxlength < self.minlength:
            raise ValueError("maxlength is less than minlength")
        lengths = str(self.minlength) if length is not None else f"{self.minlength},{self.maxlength or ''}"
        self.use_regex(f"[^/]{{{lengths}}}")

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of the value, with the lengths that the rule names."""
        schema: dict[str, Any] = {"type": "string"}
        if self.minlength > 1:
            schema["minLength"] = self.minlength
        if self.maxlength is not None:
            schema["maxLength"] = self.maxlength
        return schema


class AnyConverter(Converter[str]):
    """One of the words that the rule names: `<any(about, help, "a b"):page>`.

    Args:
        *items: The words; anything but letters, digits, `_` and `.` needs quotes.
    """

    def __init__(self, *items: Any) -> None:
        if not items:
            raise ValueError("any() needs at least one word")
        for item in items:
            if not isinstance(item, str) or not item or "/" in item:
                raise ValueError(f"{item!r} is no word of one segment (numbers need quotes)")
        self.items = items
        self.use_regex(f"(?:{'|'.join(re.escape(item) for item in items)})")

    def to_string(self, value: str) -> str:
        """Return the word, percent-encoded; ValueError for one that the rule does not name."""
        if value not in self.items:
            raise ValueError(f"it is not one of {', '.join(self.items)}")
        return super().to_string(value)

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of the value."""
        return {"type": "string", "enum": list(self.items)}


class PathConverter(Converter[str]):
    """The rest of the path, slashes included, without a leading one: `<path:filename>`."""

    regex = "[^/].*?"
    weight = 200
    part_isolating = False

    def to_string(self, value: str) -> str:
        """Return the value percent-encoded; slashes stay, leading ones go, as no value can have them."""
        return super().to_string(str(value).lstrip("/"))


class _NumberConverter(Converter[T]):
    """What `int` and `float` have in common."""

    weight = 50

    def __init__(self, min: float | None, max: float | None, signed: bool) -> None:
        for limit in (min, max):
            if limit is not None and not isinstance(limit, int | float):
                raise ValueError(f"{limit!r} is no number")
        if min is not None and max is not None and max < min:
            raise ValueError("max is less than min")
        self.min = min
        self.max = max
        self.signed = signed
        if signed:
            self.use_regex(f"-?{self.regex}")

    def check(self, number: float) -> None:
        """Raise ValueError for a number that is out of range."""
        if (self.min is not None and number < self.min) or (self.max is not None and number > self.max):
            raise ValueError("out of range")

    def limits(self) -> dict[str, Any]:
        """Return the range in words of JSON schema."""
        least = 0 if self.min is None and not self.signed else self.min
        return {key: limit for key, limit in (("minimum", least), ("maximum", self.max)) if limit is not None}


class IntegerConverter(_NumberConverter[int]):
    """An integer in ASCII digits: `<int:id>`, `<int(min=1, max=9):n>`.

    Args:
        fixed_digits: Exact number of characters (`<int(fixed_digits=4):year>`), 0 for any number.
        min: Least value.
        max: Greatest value.
        signed: Whether a leading minus sign is taken.
    """

    regex = "[0-9]+"
    python_type = int

    def __init__(
        self, fixed_digits: int = 0, min: int | None = None, max: int | None = None, signed: bool = False
    ) -> None:
        super().__init__(min, max, signed)
        self.fixed_digits = int(fixed_digits)
        is_plain = not fixed_digits and min is None and max is None
        if is_plain and type(self).convert is IntegerConverter.convert:
            self.convert = int  # type: ignore[method-assign,assignment]  # one call less for the common rule

    def convert(self, value: str) -> int:
        """Return the integer; ValueError out of range and for more digits than Python reads."""
        if self.fixed_digits and len(value) != self.fixed_digits:
            raise ValueError(f"not {self.fixed_digits} characters")
        number = int(value)
        self.check(number)
        return number

    def to_string(self, value: int) -> str:
        """Return the digits, filled with zeros up to `fixed_digits`."""
        return str(int(value)).zfill(self.fixed_digits)

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of the value."""
        return {"type": "integer"} | self.limits()


class FloatConverter(_NumberConverter[float]):
    """A number with a decimal point: `<float:price>`.

    Args:
        min: Least value.
        max: Greatest value.
        signed: Whether a leading minus sign is taken.
    """

    regex = r"[0-9]+\.[0-9]+"
    python_type = float

    def __init__(self, min: float | None = None, max: float | None = None, signed: bool = False) -> None:
        super().__init__(min, max, signed)

    def convert(self, value: str) -> float:
        """Return the number; ValueError out of range, or when it is too large for a float."""
        number = float(value)
        if math.isinf(number):
            raise ValueError("too large")
        self.check(number)
        return number

    def to_string(self, value: float) -> str:
        """Return the number with a decimal point, never with an exponent."""
        number = float(value)
        if not math.isfinite(number):
            raise ValueError("it is no finite number")
        digits = format(Decimal(repr(number)), "f")
        return digits if "." in digits else f"{digits}.0"

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of the value."""
        return {"type": "number"} | self.limits()


class UUIDConverter(Converter[uuid.UUID]):
    """A UUID with its four hyphens: `<uuid:key>`."""

    regex = "[A-Fa-f0-9]{8}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{12}"
    python_type = uuid.UUID

    def convert(self, value: str) -> uuid.UUID:
        """Return the UUID."""
        return uuid.UUID(value)

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of the value."""
        return {"type": "string", "format": "uuid"}


#: The converters that every application starts with; each application has its own copy.
DEFAULT_CONVERTERS: dict[str, type[Converter[Any]]] = {
    "default": StringConverter,
    "string": StringConverter,
    "any": AnyConverter,
    "path": PathConverter,
    "int": IntegerConverter,
    "float": FloatConverter,
    "uuid": UUIDConverter,
}
